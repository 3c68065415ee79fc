package azuredevops_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// An answer that came before is read as it was then, another one anew, however little differs.
func TestSameAnswersAreReadTheSame(t *testing.T) {
	t.Parallel()
	first := `{"continuationToken":"","patTokens":[` + tokenJSON("30aa0000-de30-4000-8000-000000000001", "null") + `]}`
	body := first
	transport := apptest.RoundTripFunc(func(r *http.Request) (*http.Response, error) { return canned{200, "", body}.RoundTrip(r) })
	caller := azuredevops.New(azuredevops.Options{HTTPClient: &http.Client{Transport: transport}}).As(me, signedIn)
	for _, body = range []string{first, first, strings.Replace(first, `"n"`, `"m"`, 1), strings.Replace(first, "-01-31", "-01-30", 1), first} {
		found, err := caller.List(t.Context(), org, azuredevops.Active)
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		if name, end := found[0].DisplayName, found[0].ValidTo.Format("01-02"); !strings.Contains(body, `"`+name+`"`) || !strings.Contains(body, end) {
			t.Errorf("%s ends on %s; the answer was %s", name, end, body)
		}
	}
}
