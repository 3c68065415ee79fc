package test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/webtest"
)

// rotate makes a token of that name and rotates it. The page is the operation's then.
func rotate(sim *simulator.Simulator, b *webtest.Browser, home, name, old string) (simulator.Token, *webtest.Browser) {
	token := sim.AddToken(simulator.Token{DisplayName: name, Scope: "vso.code", Organization: "contoso", Owner: simulator.Mona})
	return token, b.Open(home+"/tokens/contoso/"+token.AuthorizationID+"/rotate").Choose("The old token", old).Press("Rotate")
}

const (
	whenConfirmed = "Revoke it when I confirm that the new one is in place"
	atOnce        = "Revoke it at once"
)

// "Created, old one still alive" is a state that outlives the process, said on every page and at both tokens, until it
// is done or dismissed.
func TestRotationHalfWayOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, seeded().sim)
	b := s.signedIn(mona)
	for next, wantRevoked := range map[string]bool{"The new one is in place": true, "Keep the old token": false} {
		t.Run(next, func(t *testing.T) {
			old, _ := rotate(s.sim, b, s.url, next, whenConfirmed)
			if secretOf(b) == "" || !b.Has("button", next) {
				t.Fatalf("%d %s", b.Status, says(b))
			}
			operation := b.URL.String()
			b.Press("I have saved it")
			s.members[0].restart()
			if got := waiting(b.Open(s.url + "/scopes")); !strings.Contains(got, "“"+next+"” isn't finished") {
				t.Errorf("banner: %q", got)
			}
			for _, token := range made(s.sim, next) {
				if b.Open(s.url + "/tokens/contoso/" + token.AuthorizationID); !strings.Contains(says(b), "Rotation not finished") {
					t.Errorf("at the token: %s", says(b))
				}
			}
			b.Open(operation).Press(next)
			s.members[0].restart()
			if got := waiting(b.Open(s.url + "/scopes")); got != "" {
				t.Errorf("still waiting: %q", got)
			}
			if old, _ = s.sim.Token(old.AuthorizationID); old.Revoked != wantRevoked {
				t.Errorf("the old token is revoked: %t", old.Revoked)
			}
			if b.Open(operation); strings.Contains(says(b), "The old token is revoked") != wantRevoked || strings.Contains(says(b), "The old token is kept") == wantRevoked {
				t.Error(says(b))
			}
		})
	}
}

// F10: whatever the revoke of the old token is answered with, the new secret is shown, the page says truly how the old
// one stands, and trying again settles it.
func TestRotationWhoseRevokeFails(t *testing.T) {
	t.Parallel()
	o := seeded()
	o.callTimeout = 700 * time.Millisecond
	d := startDesk(t, o)
	b := d.signedIn(mona)
	for _, c := range []struct {
		fault   string
		revoked bool // in truth
	}{
		{"serverError500", false}, {"serverErrorAfterDoing", true}, {"hang", false}, {"hangAfterDoing", true}, {"forbiddenJSON", false},
		{"notFound", false}, {"reset", false}, {"resetAfterDoing", true}, {"htmlOK", false}, {"throttled429", false},
		{"patTokenError:accessDenied", false},
	} {
		t.Run(c.fault, func(t *testing.T) {
			b.Open(d.url + "/tokens?organization=contoso") // ends a series of failures
			d.sim.SetFault(c.fault, simulator.FaultOptions{Call: simulator.CallRevoke, RetryAfter: time.Second})
			old, _ := rotate(d.sim, b, d.url, "rotated over "+c.fault, atOnce)
			d.sim.ClearFaults()
			old, _ = d.sim.Token(old.AuthorizationID)
			if secretOf(b) == "" || old.Revoked != c.revoked {
				t.Fatalf("revoked: %t; %d %s", old.Revoked, b.Status, says(b))
			}
			if said := strings.Contains(says(b), "The old token is revoked"); said != c.revoked {
				t.Errorf("revoked: %t, but %s", c.revoked, says(b))
			}
			operation := b.URL.String()
			b.Press("I have saved it")
			if !c.revoked {
				if got := waiting(b.Open(d.url + "/changes")); !strings.Contains(got, "isn't finished") {
					t.Errorf("banner: %q", got)
				}
				b.Open(operation).Press("Revoke the old token")
			}
			if old, _ = d.sim.Token(old.AuthorizationID); !old.Revoked || !strings.Contains(says(b.Open(operation)), "The old token is revoked") {
				t.Errorf("in the end: %s", says(b))
			}
			if got := waiting(b.Open(d.url + "/changes")); got != "" {
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
			d := startDesk(t, deskOptions{sim: o})
			b := d.signedIn(mona)
			old, _ := rotate(d.sim, b, d.url, "revoked elsewhere", whenConfirmed)
			operation := b.Press("I have saved it").URL.String()
			b.Twin().Open(d.url + "/tokens/contoso/" + old.AuthorizationID + "/revoke").Press("Revoke")
			if b.Open(operation).Press("The new one is in place"); !strings.Contains(says(b), "The old token is revoked") {
				t.Errorf("revoked elsewhere: %s", says(b))
			}
			rotate(d.sim, b, d.url, "forgotten", whenConfirmed)
			operation = b.Press("I have saved it").URL.String()
			d.sim.Forget("forgotten")
			if b.Open(operation).Press("The new one is in place"); !strings.Contains(says(b), "The old token is revoked") || waiting(b) != "" {
				t.Errorf("forgotten: %d %s", b.Status, says(b))
			}
		})
	}
}

// F11: a rotation whose create fails leaves the old token alone.
func TestRotationWhoseCreateFails(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	for _, fault := range []string{"forbiddenJSON", "serverErrorAfterDoing", "reset", "cutBodyAfterDoing", "secretMissing", "patTokenError:invalidScope"} {
		d.sim.SetFault(fault, simulator.FaultOptions{Call: simulator.CallCreate})
		name := "untouched by " + fault
		old, _ := rotate(d.sim, b, d.url, name, atOnce)
		d.sim.ClearFaults()
		old, _ = d.sim.Token(old.AuthorizationID)
		if old.Revoked || d.sim.Calls(simulator.CallRevoke) != 0 || b.Status < 400 {
			t.Errorf("%s: revoked %t; %d %s", fault, old.Revoked, b.Status, says(b))
		}
		if tokens := made(d.sim, name)[1:]; len(tokens) > 1 || len(tokens) == 1 && fate(b, tokens[0]) != "named" {
			t.Errorf("%s: %+v; %s", fault, tokens, says(b))
		}
	}
}
