package guarantees

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// rotate makes a token of that name and rotates it. The page is the operation's then.
func rotate(sim *simulator.Simulator, b *webtest.Browser, home, name, old string) (simulator.Token, *webtest.Browser) {
	token := sim.AddToken(simulator.Token{DisplayName: name, Scope: "vso.code", Organization: "contoso", Owner: simulator.Mona})
	return token, b.Open(home+"/tokens/contoso/"+token.AuthorizationID+"/rotate").Choose("The old token", old).Press("Rotate")
}

const (
	whenConfirmed = "Keep it until I revoke it"
	atOnce        = "Revoke it at once"
)

// "Created, old one still alive" is a state that outlives the process, said on every page and at both tokens, until it
// is done or dismissed.
func TestRotationHalfWayOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 1, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	for next, wantRevoked := range map[string]bool{"Revoke the old token": true, "Keep the old token": false} {
		t.Run(next, func(t *testing.T) {
			old, _ := rotate(s.Sim, b, s.URL, next, whenConfirmed)
			if apptest.SecretOf(b) == "" || !b.Has("button", next) {
				t.Fatalf("%d %s", b.Status, apptest.Says(b))
			}
			operation := b.URL.String()
			b.Press("I have saved it")
			restart(s.Members[0])
			if got := apptest.Banners(b.Open(s.URL + "/sessions")); !strings.Contains(got, "“"+next+"” isn't finished") {
				t.Errorf("banner: %q", got)
			}
			for _, token := range apptest.Made(s.Sim, next) {
				if b.Open(s.URL + "/tokens/contoso/" + token.AuthorizationID); !strings.Contains(apptest.Says(b), "Rotation not finished") {
					t.Errorf("at the token: %s", apptest.Says(b))
				}
			}
			b.Open(operation).Press(next)
			restart(s.Members[0])
			if got := apptest.Banners(b.Open(s.URL + "/sessions")); got != "" {
				t.Errorf("still waiting: %q", got)
			}
			if old, _ = s.Sim.Token(old.AuthorizationID); old.Revoked != wantRevoked {
				t.Errorf("the old token is revoked: %t", old.Revoked)
			}
			if b.Open(operation); strings.Contains(apptest.Says(b), "The old token is revoked") != wantRevoked || strings.Contains(apptest.Says(b), "The old token is kept") == wantRevoked {
				t.Error(apptest.Says(b))
			}
		})
	}
}

// F10: whatever the revoke of the old token is answered with, the new secret is shown, the page says truly how the old
// one stands, and trying again settles it.
func TestRotationWhoseRevokeFails(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.CallTimeout = 2 * time.Second
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	for _, c := range testkit.Sample(t, 5, []struct {
		fault   string
		revoked bool // in truth
	}{
		{"serverError500", false}, {"serverErrorAfterDoing", true}, {"hang", false}, {"hangAfterDoing", true}, {"forbiddenJSON", false},
		{"notFound", false}, {"reset", false}, {"resetAfterDoing", true}, {"htmlOK", false}, {"throttled429", false},
		{"patTokenError:accessDenied", false},
	}) {
		t.Run(c.fault, func(t *testing.T) {
			b.Open(d.URL + "/tokens?organization=contoso") // ends a series of failures
			d.Sim.SetFault(c.fault, simulator.FaultOptions{Call: simulator.CallRevoke, RetryAfter: time.Second})
			old, _ := rotate(d.Sim, b, d.URL, "rotated over "+c.fault, atOnce)
			d.Sim.ClearFaults()
			old, _ = d.Sim.Token(old.AuthorizationID)
			if apptest.SecretOf(b) == "" || old.Revoked != c.revoked {
				t.Fatalf("revoked: %t; %d %s", old.Revoked, b.Status, apptest.Says(b))
			}
			if said := strings.Contains(apptest.Says(b), "The old token is revoked"); said != c.revoked {
				t.Errorf("revoked: %t, but %s", c.revoked, apptest.Says(b))
			}
			operation := b.URL.String()
			b.Press("I have saved it")
			if !c.revoked {
				if got := apptest.Banners(b.Open(d.URL + "/changes")); !strings.Contains(got, "isn't finished") {
					t.Errorf("banner: %q", got)
				}
				b.Open(operation).Press("Revoke the old token")
			}
			if old, _ = d.Sim.Token(old.AuthorizationID); !old.Revoked || !strings.Contains(apptest.Says(b.Open(operation)), "The old token is revoked") {
				t.Errorf("in the end: %s", apptest.Says(b))
			}
			if got := apptest.Banners(b.Open(d.URL + "/changes")); got != "" {
				t.Errorf("still waiting: %q", got)
			}
		})
	}
}

// The old token is revoked elsewhere, or forgotten by the service, before its rotation is finished: that is as good.
func TestRotationWhoseOldTokenIsGone(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]simulator.Options{
		"404": {Seed: true, UnknownToken: simulator.AnswerNotFound}, "patTokenError": {Seed: true}, "patTokenError 400": {Seed: true, ErrorStatus: http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := apptest.Start(t, apptest.Options{Sim: o})
			b := d.SignedIn(apptest.Mona)
			old, _ := rotate(d.Sim, b, d.URL, "revoked elsewhere", whenConfirmed)
			operation := b.Press("I have saved it").URL.String()
			b.Twin().Open(d.URL + "/tokens/contoso/" + old.AuthorizationID + "/revoke").Press("Revoke")
			if b.Open(operation).Press("Revoke the old token"); !strings.Contains(apptest.Says(b), "The old token is revoked") {
				t.Errorf("revoked elsewhere: %s", apptest.Says(b))
			}
			rotate(d.Sim, b, d.URL, "forgotten", whenConfirmed)
			operation = b.Press("I have saved it").URL.String()
			d.Sim.Forget("forgotten")
			if b.Open(operation).Press("Revoke the old token"); !strings.Contains(apptest.Says(b), "The old token is revoked") || apptest.Banners(b) != "" {
				t.Errorf("forgotten: %d %s", b.Status, apptest.Says(b))
			}
		})
	}
}

// F11: a rotation whose create fails leaves the old token alone.
func TestRotationWhoseCreateFails(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	for _, fault := range []string{"forbiddenJSON", "serverErrorAfterDoing", "reset", "cutBodyAfterDoing", "secretMissing", "patTokenError:invalidScope"} {
		d.Sim.SetFault(fault, simulator.FaultOptions{Call: simulator.CallCreate})
		name := "untouched by " + fault
		old, _ := rotate(d.Sim, b, d.URL, name, atOnce)
		d.Sim.ClearFaults()
		old, _ = d.Sim.Token(old.AuthorizationID)
		if old.Revoked || d.Sim.Calls(simulator.CallRevoke) != 0 || b.Status < 400 {
			t.Errorf("%s: revoked %t; %d %s", fault, old.Revoked, b.Status, apptest.Says(b))
		}
		if tokens := apptest.Made(d.Sim, name)[1:]; len(tokens) > 1 || len(tokens) == 1 && apptest.Fate(b, tokens[0]) != "named" {
			t.Errorf("%s: %+v; %s", fault, tokens, apptest.Says(b))
		}
	}
}
