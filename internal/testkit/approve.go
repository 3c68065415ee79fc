package testkit

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/patdesk/patdesk/internal/simulator"
)

// Approve presses "Continue as" on the simulator's sign-in page at that address, over HTTP, for the person with that
// username. It returns where the browser is sent, and doesn't go there. An error means that the page refused the
// request. The simulator must have been started.
func Approve(ctx context.Context, sim *simulator.Simulator, authorizeURL, username string) (*url.URL, error) {
	return press(ctx, sim, authorizeURL, url.Values{"person": {username}})
}

// Decline is like Approve, but presses "Decline".
func Decline(ctx context.Context, sim *simulator.Simulator, authorizeURL string) (*url.URL, error) {
	return press(ctx, sim, authorizeURL, url.Values{"decline": {"yes"}})
}

func press(ctx context.Context, sim *simulator.Simulator, authorizeURL string, form url.Values) (*url.URL, error) {
	client := *sim.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, authorizeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusFound {
		return nil, fmt.Errorf("simulator: the sign-in page answered %s instead of a redirect", answer.Status)
	}
	return answer.Location()
}
