package azuredevops_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// BenchmarkList reads a page of 100 tokens, without a network.
func BenchmarkList(b *testing.B) {
	tokens := make([]string, 100)
	for i := range tokens {
		tokens[i] = tokenJSON(fmt.Sprintf("30aa0000-de30-4000-8000-%012d", i), "null")
	}
	body := bom + `{"continuationToken":"","patTokens":[` + strings.Join(tokens, ",") + `]}`
	client := azuredevops.New(azuredevops.Options{HTTPClient: &http.Client{Transport: canned{200, "", body}}})
	caller := client.As(me, signedIn)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		found, err := caller.List(b.Context(), org, azuredevops.Active)
		if err != nil || len(found) != len(tokens) {
			b.Fatal(len(found), err)
		}
	}
}
