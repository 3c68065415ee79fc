package features

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// startedWithClock is a program with the demo's tokens and vaults, whose sessions last for half a day, used or not.
func startedWithClock(t *testing.T) (*apptest.Program, *testkit.Clock) {
	t.Helper()
	clock, o := testkit.NewClock(), apptest.Seeded()
	o.Now, o.Sim.Now, o.Sim.AccessTokenLifetime = clock.Now, clock.Now, 400*24*time.Hour
	o.Env = map[string]string{"VAULTS": simulator.TeamVault, "SESSION_IDLE_TIMEOUT": "12h"}
	return apptest.Start(t, o), clock
}

const timeField = "2006-01-02T15:04"

// An old token is revoked at the time that its owner chose in the form, once its successor is in the vault, and its
// version is disabled then.
func TestRevokeOldAtATime(t *testing.T) {
	t.Parallel()
	d, clock := startedWithClock(t)
	d.Sim.ConsentToVaults(simulator.Mona)
	b := d.SignedIn(apptest.Mona)
	old := tokenNamed(t, d, "npm restore on CI")
	form := func(at string) {
		b.Open(d.URL+"/tokens/contoso/"+old.AuthorizationID+"/rotate").Choose("The old token", "Revoke it at the time below").Fill("Revoke the old token at", at)
		b.Fill("Vault", "team-vault.vault.azure.net").Check("Don't show it to me").Check("Disable the previous version when the old token is revoked").Press("Rotate")
	}
	for at, want := range map[string]string{
		"": "Choose the day and time", "tomorrow": "Choose the day and time", clock.Now().UTC().Add(-time.Hour).Format(timeField): "This time is over",
		clock.Now().UTC().Add(13 * time.Hour).Format(timeField): "Your sign-in ends before that",
	} {
		if form(at); b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), want) || b.Page.Find("#old-at").AttrOr("value", "") != at {
			t.Errorf("%q: %d\n%s", at, b.Status, apptest.Says(b))
		}
	}
	form(clock.Now().UTC().Add(2 * time.Hour).Format(timeField))
	page := b.URL.String()
	if b.Status != http.StatusOK || !strings.Contains(b.Text(), "The old token is revoked later") || d.Sim.Calls("revoke") > 0 {
		t.Fatalf("%d, %d revoked\n%s", b.Status, d.Sim.Calls("revoke"), apptest.Says(b))
	}
	if b.Open(d.URL + "/changes"); !strings.Contains(b.Text(), "Old token is revoked later") || !strings.Contains(b.Text(), "is to be revoked on") {
		t.Errorf("the list of changes\n%s", apptest.Says(b))
	}
	clock.Move(time.Hour)
	if b.Open(page); d.Sim.Calls("revoke") > 0 {
		t.Fatal("revoked too early")
	}
	clock.Move(time.Hour)
	if b.Open(page); !strings.Contains(b.Text(), "The old token is revoked") || !strings.Contains(b.Text(), "The previous version, with the old token's secret, is disabled.") || !isRevoked(t, d, old.AuthorizationID) {
		t.Errorf("%s", apptest.Says(b))
	}
}

// isRevoked reports whether a token of contoso is revoked.
func isRevoked(t *testing.T, d *apptest.Program, id string) bool {
	t.Helper()
	for _, one := range d.Sim.Tokens("contoso") {
		if one.AuthorizationID == id {
			return one.Revoked
		}
	}
	t.Fatalf("no token %s", id)
	return false
}

// Who has signed out by then, or hasn't saved the new secret, is told that the old token was not revoked, and does it
// now. A time that was chosen can be changed and taken back.
func TestRevokeOldAtATimeThatIsMissed(t *testing.T) {
	t.Parallel()
	d, clock := startedWithClock(t)
	b := d.SignedIn(apptest.Mona)
	old := tokenNamed(t, d, "Build agent pool")
	b.Open(d.URL+"/tokens/contoso/"+old.AuthorizationID+"/rotate").Choose("The old token", "Keep it until I revoke it").Press("Rotate").Press("I have saved it")
	page := b.URL.String()
	if b.Fill("Revoke the old token at", "").Press("Revoke it then"); b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), "Choose the day and time") {
		t.Errorf("%d\n%s", b.Status, apptest.Says(b))
	}
	at := clock.Now().UTC().Add(2 * time.Hour).Format(timeField)
	b.Open(page).Fill("Revoke the old token at", at).Press("Revoke it then")
	if b.Page.Find("#old-at").AttrOr("value", "") != at || !strings.Contains(b.Text(), "The old token is revoked later") {
		t.Errorf("%s", apptest.Says(b))
	}
	if b.Press("Don't revoke it then"); b.Page.Find("#old-at").AttrOr("value", "") != "" || !strings.Contains(b.Text(), "The old token still works") {
		t.Errorf("%s", apptest.Says(b))
	}
	b.Fill("Revoke the old token at", at).Press("Revoke it then")
	b.Open(d.URL + "/sign-out").Press("Sign out")
	clock.Move(3 * time.Hour)
	apptest.SignIn(b.Open(d.URL+"/sign-in"), apptest.Mona)
	if b.Open(d.URL + "/overview"); !strings.Contains(b.Text(), "and wasn't: it still works.") {
		t.Errorf("the banner\n%s", apptest.Says(b))
	}
	if b.Open(page); !strings.Contains(b.Text(), "and it wasn't") || d.Sim.Calls("revoke") > 0 {
		t.Errorf("%d revoked\n%s", d.Sim.Calls("revoke"), apptest.Says(b))
	}
	if b.Press("Revoke the old token"); !isRevoked(t, d, old.AuthorizationID) {
		t.Errorf("%s", apptest.Says(b))
	}
}
