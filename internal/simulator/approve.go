package simulator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Approve presses "Continue as" on the sign-in page at that address, over HTTP, for the person with that username. It
// returns where the browser is sent, and doesn't go there. An error means that the page refused the request. It needs
// Start.
func (s *Simulator) Approve(ctx context.Context, authorizeURL, username string) (*url.URL, error) {
	return s.press(ctx, authorizeURL, url.Values{"person": {username}})
}

// Decline is like Approve, but presses "Decline".
func (s *Simulator) Decline(ctx context.Context, authorizeURL string) (*url.URL, error) {
	return s.press(ctx, authorizeURL, url.Values{"decline": {"yes"}})
}

func (s *Simulator) press(ctx context.Context, authorizeURL string, form url.Values) (*url.URL, error) {
	if s.serving.client == nil {
		return nil, errors.New("simulator: not started")
	}
	client := *s.serving.client
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
