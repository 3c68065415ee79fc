package azuredevops_test

import (
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// Reads of many people, one after the other, share connections; each change has one of its own. All are of HTTP/1.1,
// even where the service speaks HTTP/2 (docs/decisions/0020).
func TestConnectionsAreUsedAgain(t *testing.T) {
	s, connections := secureServer(t) // finds what isn't HTTP/1.1
	client := azuredevops.New(azuredevops.Options{Endpoint: s.URL, HTTPClient: s.Client()})
	for i := range 50 {
		if _, err := client.As(string(rune('a'+i)), signedIn).List(t.Context(), org, azuredevops.Active); err != nil {
			t.Fatal(err)
		}
	}
	reads := connections.Load()
	if reads > 5 { // one may be given back a moment after its answer was read
		t.Errorf("50 reads took %d connections", reads)
	}
	for range 3 {
		_, _, _ = client.As(me, signedIn).Create(t.Context(), org, wanted) // the list isn't an answer to that
	}
	if n := connections.Load() - reads; n != 3 {
		t.Errorf("3 changes took %d connections", n)
	}
}
