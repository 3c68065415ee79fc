package guarantees

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// panelDemo is a demo whose services are made to fail on their page, as a person does it.
type panelDemo struct {
	*apptest.Program
	t *testing.T
	b *webtest.Browser
}

// startPanel gives each case an organization of its own, so that a series of failures pauses no other.
func startPanel(t *testing.T, cases int) *panelDemo {
	t.Helper()
	o := apptest.Options{Demo: true, CallTimeout: 700 * time.Millisecond, Sim: simulator.Options{People: simulator.New(simulator.Options{}).People()[:1]}}
	mona := &o.Sim.People[0]
	mona.Organizations = nil
	for n := range cases {
		o.Sim.Organizations = append(o.Sim.Organizations, simulator.Organization{Name: caseOf(n), TenantID: mona.TenantID})
		mona.Organizations = append(mona.Organizations, caseOf(n))
	}
	o.Env = map[string]string{"VAULTS": simulator.TeamVault}
	o.Wrap = func(next http.RoundTripper) http.RoundTripper { return impatient{next} }
	d := &panelDemo{Program: apptest.Start(t, o), t: t}
	d.Sim.ConsentToVaults(simulator.Mona)
	return d
}

func caseOf(n int) string { return fmt.Sprintf("case-%d", n) }

// impatient waits for metadata and keys for half a second only: the demo's own patience would make the tests long.
type impatient struct{ next http.RoundTripper }

func (i impatient) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.URL.Path, "openid-configuration") && !strings.Contains(r.URL.Path, "/keys") {
		return i.next.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), 500*time.Millisecond)
	answer, err := i.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	context.AfterFunc(r.Context(), cancel)
	return answer, nil
}

// press presses a button on the page of faults, whose form holds these fields.
func (d *panelDemo) press(form url.Values) {
	d.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm(d.Sim.PanelURL(), form)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		d.t.Fatalf("%v: %d", form, answer.StatusCode)
	}
}

func (d *panelDemo) switchOn(f simulator.Fault, call string) {
	d.t.Helper()
	measure := map[string]string{"Delay in seconds": "2", "Retry-After in seconds": "40"}[f.Measure()]
	if call == simulator.CallToken {
		measure = "0.2"
	}
	d.press(url.Values{"fault": {f.Name}, "call": {call}, "times": {"always"}, "measure": {measure}})
}

// meet makes that call while the fault is on, and ends on the page that says what came of it.
func (d *panelDemo) meet(f simulator.Fault, call string, n int) {
	d.t.Helper()
	defer d.press(url.Values{"do": {"clear"}})
	organization, name := caseOf(n), f.Name+" at "+call
	token := func() string {
		t := d.Sim.AddToken(simulator.Token{DisplayName: name, Scope: "vso.code", Organization: organization, Owner: simulator.Mona})
		return d.URL + "/tokens/" + organization + "/" + t.AuthorizationID
	}
	switch call {
	case simulator.CallList:
		token()
		d.switchOn(f, call)
		d.b.Open(d.URL + "/tokens" + apptest.Query("organization", organization))
	case simulator.CallGet:
		page := token()
		d.switchOn(f, call)
		d.b.Open(page)
	case simulator.CallCreate:
		createForm(d.b, d.URL, organization, name)
		d.switchOn(f, call)
		d.b.Press("Create token")
	case simulator.CallVaultVersions, simulator.CallVaultWrite:
		d.vaulted(f, call, organization, name)
	case simulator.CallUpdate:
		d.b.Open(token()+"/edit").Fill("Name", name+" again")
		d.switchOn(f, call)
		d.b.Press("Save changes")
	case simulator.CallToken:
		if strings.HasPrefix(f.Name, "tokenVault") {
			d.b = d.SignedInAt(apptest.Mona, "/changes") // whose sign-in has no token for vaults yet
			d.vaulted(f, call, organization, name)
			break
		}
		fallthrough
	default: // of signing in, and of what is asked first afterwards
		d.switchOn(f, call)
		d.b = webtest.New(d.t, d.Transport()).Open(d.URL + "/sign-in" + apptest.Query("return", "/organizations")).Click("Sign in")
	}
	for tries := 0; tries < 3 && d.b.Has("button", "Continue as "+apptest.Mona); tries++ { // a claims challenge leads there once more
		d.b.Press("Continue as " + apptest.Mona)
	}
}

// vaulted creates a token whose secret is for a vault.
func (d *panelDemo) vaulted(f simulator.Fault, call, organization, name string) {
	d.t.Helper()
	createForm(d.b, d.URL, organization, name)
	d.b.Fill("Vault", "team-vault.vault.azure.net").Fill("Name of the secret in the vault", strings.ReplaceAll(name, " ", "-"))
	d.switchOn(f, call)
	d.b.Press("Create token")
}

// telling are the calls whose failure shows the most of a fault.
func telling(f simulator.Fault) []string {
	switch {
	case f.Group == simulator.GroupVault: // lists and tags of vaults have tests of their own
		return slices.DeleteFunc(slices.Clone(f.Calls), func(call string) bool { return call == simulator.CallVaultList || call == simulator.CallVaultUpdate })
	case f.Group == simulator.GroupRefusals: // TestEveryPatTokenError has them at create
		return []string{simulator.CallUpdate}
	case !slices.Contains(f.Calls, simulator.CallCreate), len(f.Calls) == 2:
		return f.Calls
	case !slices.Contains(f.Calls, simulator.CallList):
		return []string{simulator.CallCreate}
	case f.Group == simulator.GroupConnection, !slices.Contains(f.Calls, simulator.CallProfile):
		return []string{simulator.CallList, simulator.CallCreate}
	}
	return []string{simulator.CallList, simulator.CallCreate, simulator.CallProfile}
}

// What some faults come to, by fault or by fault and call, in words of the page. All others come to an error page.
var comesTo = map[string]string{
	"claimsChallenge at list": "1 token", "claimsChallenge at create": "Token created", // after a sign-in
	"throttled200 at list": "1 token", "throttled200 at create": "Token created",
	"localeBug at list": "1 token", "localeBug at create": "Token created", "localeBug at profile": "Choose", // we ask for English
	"lagging":               "Token created",
	"duplicateKeys at list": "1 token", "duplicateKeys at create": "Token created", "duplicateKeys at profile": "Choose",
	"oddMember at list": "doesn't fully understand", "oddMember at create": "Token created", "oddRecord": "doesn't fully understand",
	"oddAccount": "Not all of your organizations are here", "oddPatTokenError": "Token created",
	"claimsChallenge at profile":    "Choose",
	"repeatingContinuation at list": "couldn't be loaded", "endlessList at list": "couldn't be loaded",
	"shortenedValidTo at create": "for a shorter time", "shortenedValidTo at update": "has been changed",
	"noClientInfo": "Choose", "noRefreshToken": "Choose", "scopeDeclined": "Choose", "shortAccessToken": "Choose", "refreshInNow": "Choose",
	"tokenHang": "Choose", "tokenHangAfterDoing": "Choose", // late, but there
	"vaultClaimsChallenge at vaultVersions": "wants to check again that it's you", "tokenVaultInteraction": "wants to check again that it's you",
	"vaultEndlessList at vaultVersions": "Token created", "vaultHang at vaultVersions": "Token created", // late, but there
	"noAccounts": "Its name as it stands in its address",
}

var saysWhereTheSecretIs = regexp.MustCompile(`was not put into team-vault|isn't known whether the secret is in team-vault|has read back that it is there`)

// simulatorsOwn is text of the simulator's bad answers, which is theirs and not for our pages.
var simulatorsOwn = regexp.MustCompile(`(?i)moving things around|services aren't available right now|Request was blocked|sufficient permissions|resource cannot be found|` +
	`airport|page cannot be displayed|content inspection|gateway has blocked|transient error|The wrong one|Never made|alert\(|Captive|AADSTS\d+:|currently unavailable|Our services`)

// A person who switches a fault on in the demo sees a page that says what happened: every fault there is, at the calls
// where it shows most. A short run has a third of each group.
func TestEveryFaultCanBeSeen(t *testing.T) {
	t.Parallel()
	groups := map[string][]simulator.Fault{}
	for _, f := range simulator.Faults() {
		groups[f.Group] = append(groups[f.Group], f)
	}
	for group, faults := range groups {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			d := startPanel(t, 3*len(faults))
			d.b = d.SignedInAt(apptest.Mona, "/changes")
			n := 0
			for _, f := range testkit.Sample(t, (len(faults)+2)/3, faults) {
				for _, call := range telling(f) {
					if group == simulator.GroupMetadata { // it is read once
						d = startPanel(t, 1)
					}
					d.meet(f, call, n)
					d.wantExplained(f.Name, call)
					n++
				}
			}
		})
	}
}

// wantExplained checks the page at which meet has ended, and takes the next step that it offers.
func (d *panelDemo) wantExplained(fault, call string) {
	d.t.Helper()
	b, main := d.b, webtest.Fold(d.b.Page.Find("main").Text())
	wrong := func(what string) {
		d.t.Errorf("%s at %s: %s: %d %q\n%.600s", fault, call, what, b.Status, b.Heading(), main)
	}
	want := cmp.Or(comesTo[fault+" at "+call], comesTo[fault])
	switch {
	case want != "":
		if b.Status != http.StatusOK || !strings.Contains(main, want) {
			wrong("not " + want)
		}
	case call == simulator.CallVaultWrite: // the token is there, and its page says where its secret is
		if !saysWhereTheSecretIs.MatchString(main) {
			wrong("not told")
		}
	case call == simulator.CallProfile:
		if warned := b.Page.Find(".panel-warning").Length() > 0; b.Status < 400 && !warned {
			wrong("not told")
		}
	case b.Status < 400, b.Status == http.StatusInternalServerError && !strings.Contains(main, "isn't set up correctly"):
		wrong("not told")
	}
	if text := cmp.Or(apptest.RawUpstream.FindString(main), simulatorsOwn.FindString(main)); text != "" {
		wrong("raw text of the service: " + text)
	}
	if len(b.Heading()) < 6 || len(main) < 60 || b.Page.Find("main a, main button").Length() == 0 {
		wrong("no next step")
	}
	for _, button := range []string{"I have saved it", "Dismiss"} {
		if b.Has("button", button) {
			b.Press(button)
		}
	}
}
