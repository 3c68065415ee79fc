package guarantees

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// startInDoubt starts a program whose clock, and the service's, are moved by the test.
func startInDoubt(t *testing.T) (*apptest.Program, *testkit.Clock, *webtest.Browser) {
	t.Helper()
	clock := testkit.NewClock()
	o := apptest.Seeded()
	o.Now, o.Sim.Now = clock.Now, clock.Now
	d := apptest.Start(t, o)
	return d, clock, d.SignedIn(apptest.Mona)
}

// afterAWhile opens a page on which nothing is looked at, until its banner says so.
func afterAWhile(t *testing.T, d *apptest.Program, b *webtest.Browser, says string) {
	t.Helper()
	testkit.Until(t, "a banner says "+says, func() bool { return strings.Contains(apptest.Banners(b.Open(d.URL+"/sessions")), says) })
}

// Who takes the reminder away is told before that nothing is looked for then, and afterwards not that it is.
func TestDismissedInDoubt(t *testing.T) {
	t.Parallel()
	d, _, b := startInDoubt(t)
	to, form := createForm(b, d.URL, "contoso", "dismissed")
	d.Sim.SetFault("reset", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
	b.Post(to.String(), form)
	if !strings.Contains(apptest.Says(b), "keeps looking until") || !strings.Contains(apptest.Says(b), "Removes the reminder, and patdesk no longer looks") {
		t.Errorf("before: %s", apptest.Says(b))
	}
	b.Press("Dismiss")
	if got := apptest.Says(b); strings.Contains(got, "keeps looking") || !strings.Contains(got, "patdesk no longer looks") || b.Has("link", "Try again") {
		t.Errorf("afterwards: %s", got)
	}
}

// intermediaryStatuses are those that a proxy, gateway or firewall gives of its own accord.
var intermediaryStatuses = []int{400, 401, 403, 404, 407, 408, 409, 413, 429, 451, 502, 503}

// A creation that something in between refuses, in whatever form, was perhaps made all the same: nobody is told that it
// wasn't, each page says that it isn't known, and no second one is suggested while the first may turn up.
func TestRefusedByAnIntermediary(t *testing.T) {
	t.Parallel()
	for i, fault := range []string{"proxyHTML", "proxyEmpty", "proxyJSON"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			d, clock, b := startInDoubt(t)
			statuses := intermediaryStatuses
			if fault != "proxyHTML" { // one of each kind
				statuses = []int{401, 403, 429, 502}
			}
			for _, status := range testkit.SampleFor(t, i, len(statuses)/3, statuses) {
				for _, done := range []string{"", "AfterDoing"} {
					name := fmt.Sprint(fault, status, done)
					to, form := createForm(b, d.URL, "contoso", name)
					d.Sim.SetFault(fault+done, simulator.FaultOptions{Call: simulator.CallCreate, Value: strconv.Itoa(status), Times: 1})
					b.Post(to.String(), form)
					if b.Status < 400 || strings.Contains(apptest.Says(b), "This was not done") || b.Has("link", "Try again") {
						t.Errorf("%s: %d %s", name, b.Status, apptest.Says(b))
					}
					want := "We couldn't confirm what happened to “" + name + "”"
					if done != "" {
						want += ". A token that fits was found"
					}
					clock.Move(time.Minute) // longer than a pause that it may ask for
					afterAWhile(t, d, b, want)
					b.Click("Find out")
					switch {
					case done != "":
						b.Press("Revoke this token")
					case status == http.StatusForbidden: // in the end
						clock.Move(12 * time.Minute)
						if b.Open(b.URL.String()); !strings.Contains(apptest.Says(b), "nothing was created as far as patdesk can see") || !b.Has("link", "Try again") {
							t.Errorf("%s, in the end: %d %s", name, b.Status, apptest.Says(b))
						}
						b.Press("Dismiss")
					default:
						b.Press("Dismiss")
					}
					if got := apptest.Banners(b.Open(d.URL + "/sessions")); got != "" || createsOf(d.Sim, name) != 1 {
						t.Fatalf("%s: still waiting: %q; %d creates", name, got, createsOf(d.Sim, name))
					}
				}
			}
		})
	}
}

// Updates and revokes are doubted as well: done is said as soon as it is seen, and "not done" when nothing can come of
// it any more.
func TestChangesRefusedByAnIntermediary(t *testing.T) {
	t.Parallel()
	faults := []string{"proxyHTML", "proxyHTMLAfterDoing", "proxyEmpty", "proxyJSONAfterDoing", "proxyPage", "proxyRedirectAfterDoing", "throttled429", "resetAfterDoing"}
	for i, verb := range []string{"edit", "revoke"} {
		call := []string{simulator.CallUpdate, simulator.CallRevoke}[i]
		for _, fault := range testkit.SampleFor(t, i, 3, faults) {
			t.Run(verb+" "+fault, func(t *testing.T) {
				t.Parallel()
				d, clock, b := startInDoubt(t)
				n := newNetworkCase(t, d, b, verb, verb+" over "+fault)
				if fault == "resetAfterDoing" { // and the list lags
					d.Sim.SetFault("lagging", simulator.FaultOptions{Call: call, Delay: 5 * time.Minute})
				}
				d.Sim.SetFault(fault, simulator.FaultOptions{Call: call, RetryAfter: time.Second})
				n.act()
				d.Sim.ClearFaults()
				if strings.Contains(apptest.Says(b), "This was not done") {
					t.Errorf("%d %s", b.Status, apptest.Says(b))
				}
				clock.Move(6 * time.Minute)
				settled := func() bool { return apptest.Banners(b.Open(d.URL+"/sessions")) == "" }
				if strings.HasSuffix(fault, "AfterDoing") {
					testkit.Until(t, "it is seen to be done", settled)
					return
				}
				if settled() || !strings.Contains(apptest.Banners(b), "We couldn't confirm") {
					t.Errorf("banner %q", apptest.Banners(b))
				}
				clock.Move(6 * time.Minute)
				testkit.Until(t, "it is settled", settled)
				if b.Open(d.URL + "/changes"); !strings.Contains(apptest.Says(b), "Failed") {
					t.Error(apptest.Says(b))
				}
			})
		}
	}
}

// A lost creation whose token the list shows only later is found by itself, whatever page is open, also after signing
// out and in again; and before that no second one is suggested.
func TestTokenTurnsUpLate(t *testing.T) {
	t.Parallel()
	d, clock, b := startInDoubt(t)
	for _, late := range []time.Duration{3 * time.Second, 65 * time.Second, 5 * time.Minute, 40 * time.Minute} {
		name := "seen after " + late.String()
		to, form := createForm(b, d.URL, "contoso", name)
		d.Sim.SetFault("lagging", simulator.FaultOptions{Call: simulator.CallCreate, Delay: late, Times: 1})
		d.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
		b.Post(to.String(), form)
		if !strings.Contains(apptest.Says(b), "No such token has been seen so far") || b.Has("link", "Try again") || !looksAgain(b) {
			t.Fatalf("%s: %d %s", name, b.Status, apptest.Says(b))
		}
		if late == 5*time.Minute {
			b.Press("Sign out")
			clock.Move(late + time.Minute)
			b = d.SignedIn(apptest.Mona)
		}
		clock.Move(late + 2*time.Minute)
		if late > 10*time.Minute { // well after it was given up
			clock.Move(2 * time.Hour)
			b = d.SignedIn(apptest.Mona)
		}
		afterAWhile(t, d, b, "We couldn't confirm what happened to “"+name+"”. A token that fits was found")
		b.Click("Find out")
		if tokens := apptest.Made(d.Sim, name); len(tokens) != 1 || apptest.Fate(b, tokens[0]) != "named" {
			t.Errorf("%s: %d tokens; %s", name, len(tokens), apptest.Says(b))
		}
		b.Press("Revoke this token")
	}
}

// While nobody is signed in nothing can be looked at, and that counts as no look: at the next sign-in what has turned
// up meanwhile is named at once, wherever the person goes, by another process too.
func TestDoubtAfterSigningOut(t *testing.T) {
	t.Parallel()
	clock, goOn := testkit.NewClock(), make(chan struct{})
	o := apptest.Seeded()
	o.Now, o.Sim.Now = clock.Now, clock.Now
	o.Pause = func(ctx context.Context, _ time.Duration) error {
		select {
		case goOn <- struct{}{}:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	sim := simulator.New(o.Sim)
	testkit.Must(t, sim.Start(t.Context()))
	t.Cleanup(sim.Close)
	dir := t.TempDir() + "/sessions"
	d := apptest.StartOn(t, sim, o, dir)
	b := d.SignedIn(apptest.Mona)
	to, form := createForm(b, d.URL, "contoso", "seen later")
	sim.SetFault("lagging", simulator.FaultOptions{Call: simulator.CallCreate, Delay: 3 * time.Second, Times: 1})
	sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
	b.Post(to.String(), form)
	b.Press("Sign out")
	clock.Move(10 * time.Second)
	<-goOn
	testkit.Until(t, "nothing can be looked at", func() bool { return strings.Contains(d.Log.String(), "left until their person is there again") })
	found := "We couldn't confirm what happened to “seen later”. A token that fits was found"
	afterAWhile(t, d, d.SignedIn(apptest.Mona), found)
	_ = d.Stop()
	next := apptest.StartOn(t, sim, o, dir)
	afterAWhile(t, next, next.SignedIn(apptest.Mona), found)
	if createsOf(sim, "seen later") != 1 {
		t.Errorf("%d creates", createsOf(sim, "seen later"))
	}
}

// While a rotation may still turn up, neither its token's form nor one that was drawn before begins another one, nor
// does bulk work: all lead to the first. When nothing came of it, the token can be rotated.
func TestRotationInDoubtIsNotBegunAgain(t *testing.T) {
	t.Parallel()
	d, clock, b := startInDoubt(t)
	b.Open(d.URL + "/tokens?organization=contoso&q=Terraform").Click("Terraform").Click("Rotate")
	page := b.URL.String()
	_, to, form := b.Form("Rotate")
	other := b.Twin()
	d.Sim.SetFault("reset", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
	other.Open(page).Press("Rotate")
	const doubt = "We couldn't confirm whether the new token was created"
	if other.Heading() != doubt || !looksAgain(other) {
		t.Fatalf("%q\n%s", other.Heading(), apptest.Says(other))
	}
	if b.Post(to.String(), form); b.Heading() != doubt {
		t.Errorf("a form that was drawn before leads to %q", b.Heading())
	}
	if b.Open(page); b.Heading() != doubt {
		t.Errorf("the form leads to %q", b.Heading())
	}
	apptest.OpenWhole(t, b, d.URL+"/tokens?organization=contoso&q=Terraform")
	if apptest.Tick(b, "Terraform, contoso").Press("Rotate selected"); b.Has("button", "Rotate one token") {
		t.Errorf("bulk work begins another one:\n%s", apptest.Says(b))
	}
	if d.Sim.Calls(simulator.CallCreate) != 1 {
		t.Errorf("%d creations", d.Sim.Calls(simulator.CallCreate))
	}
	clock.Move(12 * time.Minute)
	afterAWhile(t, d, b, "We couldn't confirm what happened to “Terraform”.")
	testkit.Until(t, "bulk work takes it", func() bool {
		apptest.OpenWhole(t, b, d.URL+"/tokens?organization=contoso&q=Terraform")
		return apptest.Tick(b, "Terraform, contoso").Press("Rotate selected").Has("button", "Rotate one token")
	})
	testkit.Until(t, "trying again is offered", func() bool { return other.Open(other.URL.String()).Has("link", "Try again") })
	if other.Click("Try again").Press("Rotate"); apptest.SecretOf(other) == "" || d.Sim.Calls(simulator.CallCreate) != 2 {
		t.Errorf("%d creations\n%s", d.Sim.Calls(simulator.CallCreate), apptest.Says(other))
	}
}

// The page of a batch, and that of what replaces a global token, wait like that of one change, and show what a look has
// told.
func TestPagesOfSeveralChangesWait(t *testing.T) {
	t.Parallel()
	pages := map[string]struct {
		call, doubt, done string
		change            func(t *testing.T, d *apptest.Program, b *webtest.Browser)
	}{
		"batch": {simulator.CallRevoke, "2 not confirmed", "2 of 2 finished: 2 done.", func(t *testing.T, d *apptest.Program, b *webtest.Browser) {
			t.Helper()
			apptest.OpenWhole(t, b, d.URL+"/tokens")
			apptest.WaitForBatch(t, apptest.Tick(b, "Terraform, contoso", "Container scan, fabrikam").Press("Revoke selected").Press("Revoke 2 tokens"))
		}},
		"replaced": {simulator.CallCreate, "0 of 1 token created", "contoso: The token was most likely created", func(t *testing.T, d *apptest.Program, b *webtest.Browser) {
			t.Helper()
			apptest.ReplaceForm(t, d, b).Check("contoso").Press("Create the tokens")
		}},
	}
	for name, c := range pages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, clock, b := startInDoubt(t)
			d.Sim.AddToken(simulator.Token{DisplayName: "Global clone", Owner: simulator.Mona, Scope: "vso.code", ValidTo: clock.Now().AddDate(0, 0, 200)})
			apptest.OpenWhole(t, b.Open(d.URL+"/overview?retry="), d.URL+"/overview")
			d.Sim.SetFault("lagging", simulator.FaultOptions{Call: c.call, Delay: 5 * time.Minute})
			d.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: c.call})
			c.change(t, d, b)
			if !looksAgain(b) || !strings.Contains(b.Text(), c.doubt) {
				t.Errorf("%s: %d, looks again: %t\n%s", b.URL, b.Status, looksAgain(b), b.Text())
			}
			d.Sim.ClearFaults()
			clock.Move(6 * time.Minute)
			testkit.Until(t, "the page shows what was seen", func() bool { return strings.Contains(b.Open(b.URL.String()).Text(), c.done) })
			clock.Move(6 * time.Minute)
			testkit.Until(t, "it waits no more", func() bool { return !looksAgain(b.Open(b.URL.String())) })
		})
	}
}

// looksAgain reports whether the page shows by itself what is found later, with scripts and without.
func looksAgain(b *webtest.Browser) bool {
	return b.Page.Find("meta[name=reload-after]").Length() == 1 &&
		strings.Contains(b.Page.Find("head noscript").Text(), `http-equiv="refresh"`)
}

// A token with the same name and scopes that was made elsewhere is offered as that: nothing is claimed of it, and
// revoking it isn't the one thing to do.
func TestForeignTokenIsNotClaimed(t *testing.T) {
	t.Parallel()
	for name, foreign := range map[string]struct {
		listed bool          // the tokens from before are known
		age    time.Duration // of the foreign token, when the form is sent
	}{
		"made long after":                   {true, -5 * time.Minute},
		"made before, in a list unreadable": {false, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, clock, b := startInDoubt(t)
			add := func() {
				d.Sim.AddToken(simulator.Token{DisplayName: name, Scope: "vso.code", Organization: "contoso", Owner: simulator.Mona})
			}
			if foreign.age > 0 {
				add()
				clock.Move(foreign.age)
			}
			to, form := createForm(b, d.URL, "contoso", name)
			if !foreign.listed {
				d.Sim.SetFault("serverError500", simulator.FaultOptions{Call: simulator.CallList, Times: 1})
			}
			d.Sim.SetFault("reset", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
			b.Post(to.String(), form)
			if foreign.age < 0 {
				clock.Move(-foreign.age)
				add()
				clock.Move(time.Minute)
			}
			afterAWhile(t, d, b, "We couldn't confirm what happened to “"+name+"”. A token that fits was found")
			b.Click("Find out")
			if b.Heading() != "A token was found that may be from this attempt" || strings.Contains(apptest.Says(b), "was created, but") || b.Page.Find(".button-danger").Length() != 0 {
				t.Errorf("%q: %s", b.Heading(), apptest.Says(b))
			}
			if d.Sim.Revoked() != 0 || !b.Has("button", "Revoke this token") {
				t.Errorf("%d revoked", d.Sim.Revoked())
			}
		})
	}
}
