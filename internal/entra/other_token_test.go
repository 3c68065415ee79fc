package entra

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
)

const vaultScope = "https://vault.azure.net/user_impersonation"

// other asks for a token of vaults.
func (w *world) other(c TokenCache, account string) (string, error) {
	return w.OtherAccessToken(w.t.Context(), c, account, []string{vaultScope})
}

// A token for another resource comes out of the same sign-in, and is kept beside that for the API. Before the person
// has consented there is none, and the sign-in is none the worse for it.
func TestOtherResource(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		id, c := w.signedIn()
		api := w.token(c, id.Account)
		_, err := w.other(c, id.Account)
		if e := asKind(t, err, KindConsent); e.AADSTS != "65001" {
			t.Errorf("got AADSTS%s", e.AADSTS)
		}
		calls := w.sim.Calls(simulator.CallToken)
		if _, err = w.other(c, id.Account); kindOf(err) != KindConsent || w.sim.Calls(simulator.CallToken) != calls {
			t.Errorf("asked again at once: %v", err)
		}
		if _, drops := c.counts(); drops != 0 || w.token(c, id.Account) != api {
			t.Errorf("%d drops", drops)
		}
		w.sim.ConsentToVaults(mona)
		pass(longestPause)
		vault, err := w.other(c, id.Account)
		if err != nil || vault == api {
			t.Fatalf("got %v", err)
		}
		calls = w.sim.Calls(simulator.CallToken)
		if again, err := w.other(c, id.Account); err != nil || again != vault || w.token(c, id.Account) != api || w.sim.Calls(simulator.CallToken) != calls {
			t.Errorf("not both from the cache: %v", err)
		}
		pass(2 * time.Hour) // both have run out, and the refresh token works once
		if again, err := w.other(c, id.Account); err != nil || again == vault {
			t.Errorf("got %v", err)
		}
		if again := w.token(c, id.Account); again == api {
			t.Error("the API's token wasn't refreshed")
		}
	})
}

// A sign-in that asks for another resource asks for that alone, and serves the API afterwards.
func TestSignInForAnotherResource(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		address, a := w.begin(BeginOptions{Scopes: []string{vaultScope}})
		if scope := address.Query().Get("scope"); !strings.Contains(scope, vaultScope) || strings.Contains(scope, apiScope) {
			t.Errorf("asks for %q", scope)
		}
		id, blob, err := w.Finish(t.Context(), a, w.approve(address, mona))
		if err != nil {
			t.Fatal(err)
		}
		c := newCache(blob)
		if _, err := w.other(c, id.Account); err != nil {
			t.Error(err)
		}
		if w.token(c, id.Account) == "" {
			t.Error("no token for the API")
		}
		// Declined, it is as any sign-in that was declined.
		address, a = w.begin(BeginOptions{Scopes: []string{vaultScope}})
		_, _, err = w.Finish(t.Context(), a, w.press(address, url.Values{"decline": {"yes"}}))
		wantKind(t, err, KindDeclined)
	})
}

// Whatever is refused for the other resource, the sign-in stays.
func TestRefusalsOfAnotherResource(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		answer http.HandlerFunc
		kind   Kind
		claims string
	}{
		"consent":            {refusing(http.StatusBadRequest, map[string]any{"error": "invalid_grant", "suberror": "consent_required"}), KindConsent, ""},
		"conditional access": {refusing(http.StatusBadRequest, map[string]any{"error": "interaction_required", "error_codes": []int{53003}}), KindConditionalAccess, ""},
		"claims":             {refusing(http.StatusBadRequest, map[string]any{"error": "interaction_required", "error_codes": []int{50076}, "claims": `{"a":{}}`}), KindInteraction, `{"a":{}}`},
		"revoked":            {refusing(http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_codes": []int{50173}}), KindInteraction, ""},
		"unknown resource":   {refusing(http.StatusBadRequest, map[string]any{"error": "invalid_resource", "error_codes": []int{500011}}), KindMisconfigured, ""},
		"down":               {raw(http.StatusBadGateway, "text/html", ""), KindUnavailable, ""},
	} {
		bubble(t, func(t *testing.T) {
			w, f := newFakeWorld(t)
			id, c := w.signedInAt(f)
			api := w.token(c, id.Account)
			f.set(func(f *fake) { f.instead = want.answer })
			_, err := w.other(c, id.Account)
			var e *Error
			if !errors.As(err, &e) || e.Kind != want.kind || e.Claims != want.claims {
				t.Errorf("%s: got %v", name, err)
			}
			if _, drops := c.counts(); drops != 0 || w.token(c, id.Account) != api {
				t.Errorf("%s: %d drops", name, drops)
			}
		})
	}
	bubble(t, func(t *testing.T) { // nothing to have a token with
		w := newWorld(t, simulator.Options{})
		c := newCache(nil)
		_, err := w.other(c, "nobody")
		wantKind(t, err, KindInteraction)
		if _, drops := c.counts(); drops != 0 {
			t.Errorf("%d drops", drops)
		}
	})
}
