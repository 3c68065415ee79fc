package security

import (
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// canaries goes through everything that patdesk does and everything that goes wrong, and remembers all that is secret.
type canaries struct {
	t     *testing.T
	d     *apptest.Program
	tape  *apptest.Recorder
	dir   string
	clock *testkit.Clock
	gate  *apptest.Gate
	hold  atomic.Bool // the next create waits at the gate
	old   apptest.Aging

	collector *apptest.Collector // of traces

	stored [][]byte // what the session folder held at one time or another, names included
	faults int

	calendar []string // addresses of calendars, what is secret of them
}

const canaryCollectorKey = "canary-key-of-the-collector-5c1b"

// Nothing secret is ever logged, shown where it doesn't belong, kept readable, or put into an address: not on the way
// that all goes well, and not in any of the failures; neither is it in a metric or a span. S15: no token ever reaches a
// browser.
func TestNothingSecretLeaks(t *testing.T) {
	t.Parallel()
	for _, format := range testkit.Sample(t, 1, []string{"text", "json"}) {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			c := releaseCanaries(t, format)
			c.signIns()
			c.changes()
			c.refreshes()
			c.failures()
			c.storeFailure()
			c.check()
		})
	}
}

func releaseCanaries(t *testing.T, format string) *canaries {
	t.Helper()
	c := &canaries{t: t, dir: t.TempDir() + "/sessions", clock: testkit.NewClock()}
	c.gate = apptest.NewGate(func(r *http.Request) bool {
		return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/_apis/tokens/pats") && c.hold.Load()
	})
	wrap := func(next http.RoundTripper) http.RoundTripper { return c.gate.Wrap(c.old.Wrap(next)) }
	o := apptest.Options{Now: c.clock.Now, Wrap: wrap, Sim: simulator.Options{
		Now: c.clock.Now, Seed: true, KeepSecrets: true, RealisticSecrets: true, AccessTokenLifetime: 30 * 24 * time.Hour,
		ClientSecret: "canary~client.secret-7f3a9c51e2",
	}}
	c.collector = apptest.StartCollector(t)
	o.Env = map[string]string{"VAULTS": simulator.TeamVault, "METRICS_ADDRESS": "127.0.0.1:0", "OTEL_EXPORTER_OTLP_ENDPOINT": c.collector.URL, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=" + canaryCollectorKey, "LOG_FORMAT": format, "SESSION_DIR": c.dir, "SESSION_KEYS": apptest.CanaryKey, "SESSION_IDLE_TIMEOUT": "24h", "SESSION_LIFETIME": "168h"}
	c.d = apptest.Start(t, o)
	c.tape = apptest.Record(t, c.d)
	return c
}

// look reads the whole session folder.
func (c *canaries) look() {
	c.t.Helper()
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil {
			c.stored = append(c.stored, append([]byte(path+"\n"), content...))
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// signIns: one that works, forged and repeated callbacks, and every way in which Entra can refuse or lie.
func (c *canaries) signIns() {
	b := webtest.New(c.t, c.d.Transport()).Open(c.d.URL + "/sign-in?return=/changes").Click("Sign in")
	c.look() // an attempt is under way
	_, to, form := b.Form("Continue as " + apptest.Mona)
	callback := apptest.CallbackOf(c.t, b, to, form)
	webtest.New(c.t, c.d.Transport()).Open(callback) // stolen
	b.Twin().Open(callback + "&code=again")
	b.Open(callback)
	b.Open(callback) // repeated
	for _, f := range simulator.Faults() {
		if !slices.Contains([]string{simulator.GroupSignIn, simulator.GroupToken, simulator.GroupIDToken, simulator.GroupMetadata}, f.Group) {
			continue
		}
		b := webtest.New(c.t, c.d.Transport()).Open(c.d.URL + "/sign-in?return=/changes").Click("Sign in")
		c.fault(f, "")
		b.Press("Continue as " + apptest.Mona).Open(b.URL.String())
		c.d.Sim.ClearFaults()
	}
}

// fault switches a fault on, for a moment where it takes time.
func (c *canaries) fault(f simulator.Fault, call string) {
	c.d.Sim.SetFault(f.Name, simulator.FaultOptions{Call: call, Delay: 20 * time.Millisecond, Bytes: 3 << 20})
	c.faults++
}

// changes: create, show, save, edit, rotate, revoke, with a challenge and a lost answer in between.
func (c *canaries) changes() {
	b := c.d.SignedIn(apptest.Mona)
	b.Open(c.d.URL+"/tokens/new?organization=contoso").Fill("Name", "canary").Choose("Code", "Read").Press("Create token")
	c.look() // a secret waits
	c.d.SignedInAt(apptest.Jonas, "/changes").Open(b.URL.String())
	webtest.New(c.t, c.d.Transport()).Open(b.URL.String())
	b.Open(b.URL.String()).Press("I have saved it")
	b.Open(c.d.URL+"/tokens?organization=contoso&q=canary").Click("canary").Click("Edit").Fill("Name", "canary 2").Press("Save changes")
	b.Click("Rotate").Press("Rotate").Press("I have saved it")
	b.Open(c.d.URL + "/changes").Open(c.d.URL + "/tokens?organization=contoso&q=canary+2").Click("Finish the rotation").Press("Revoke the old token")
	b.Open(c.d.URL+"/tokens/new?organization=fabrikam").Fill("Name", "challenged").Choose("Code", "Read")
	c.d.Sim.SetFault("claimsChallenge", simulator.FaultOptions{})
	b.Press("Create token")
	c.look() // a draft
	b.Click("Sign in").Press("Continue as " + apptest.Mona).Press("Create token")
	c.d.Sim.ClearFaults()
	c.calendars(b)
	c.vaults(b)
	b.Open(c.d.URL + "/sign-out").Press("Sign out")
}

// vaults: a bulk rotation whose secrets go into a vault unseen, at first refused and then taken.
func (c *canaries) vaults(b *webtest.Browser) {
	c.d.Sim.ConsentToVaults(simulator.Mona)
	apptest.PickAll(b, c.d.URL+"/tokens?organization=fabrikam", "Rotate selected")
	b.Fill("Vault", "team-vault.vault.azure.net").Check("Don't show them to me").Check("Revoke each old token as soon as its new secret is in the vault")
	c.d.Sim.SetFault("vaultForbiddenByFirewall", simulator.FaultOptions{Call: simulator.CallVaultWrite})
	made := c.d.Sim.Created()
	b.Press(b.Page.Find("#plan-foot .button-primary").Text())
	apptest.WaitForBatch(c.t, b)
	c.look() // secrets wait for the vault
	c.d.Sim.ClearFaults()
	apptest.WaitForBatch(c.t, b.Press(b.Page.Find(`form[action$="/deliver"] .button-primary, form[action$="/deliver"] .button`).First().Text()))
	written := 0
	for _, one := range c.d.Sim.VaultSecrets(simulator.TeamVault, "") {
		if one.Tags["patdesk-operation"] == "" {
			continue
		}
		written++
		for _, a := range c.tape.Answers() {
			if strings.Contains(a.All(), one.Value) {
				c.t.Errorf("the secret of %s, which nobody was to see, is in the answer to %s", one.Name, a.URL)
			}
		}
	}
	if written == 0 || c.d.Sim.Created() == made {
		c.t.Errorf("%d versions were written\n%s", written, apptest.Says(b))
	}
}

// calendars: an address that is made, read, replaced, mistyped and revoked.
func (c *canaries) calendars(b *webtest.Browser) {
	first := apptest.NewCalendar(c.t, b, c.d.URL)
	second := apptest.NewCalendar(c.t, b, c.d.URL)
	for _, address := range []string{first, second, second + "/", strings.TrimSuffix(second, "/tokens.ics"), strings.TrimSuffix(second, ".ics")} {
		apptest.ReadFeed(c.t, c.d, http.MethodGet, address)
	}
	for _, file := range apptest.FeedFiles {
		apptest.ReadFeed(c.t, c.d, http.MethodGet, apptest.FeedFile(second, file))
		apptest.ReadFeed(c.t, c.d, http.MethodGet, apptest.FeedFile(second, file)+"x")
	}
	c.look()
	b.Open(c.d.URL + "/calendar").Press("Revoke the address")
	for _, address := range []string{first, second} {
		c.calendar = append(c.calendar, strings.Split(strings.TrimPrefix(address, c.d.URL), "/")[2])
		apptest.ReadFeed(c.t, c.d, http.MethodGet, address)
	}
}

// refreshes: every failure of Entra at the moment when an access token has run out.
func (c *canaries) refreshes() {
	for _, f := range simulator.Faults() {
		if f.Group != simulator.GroupToken {
			continue
		}
		b := signedInStale(c.d, &c.old, apptest.Mona)
		c.fault(f, "")
		b.Open(c.d.URL + "/tokens?organization=contoso")
		c.d.Sim.ClearFaults()
		c.clock.Move(2 * time.Minute)
	}
}

// failures: every failure of Azure DevOps, of a read, a create and a revoke; in a short run of one of them.
func (c *canaries) failures() {
	b := c.d.SignedIn(apptest.Mona)
	for i, f := range simulator.Faults() {
		if !slices.Contains([]string{simulator.GroupAnswers, simulator.GroupContent, simulator.GroupConnection}, f.Group) ||
			strings.HasPrefix(f.Name, "claims") || f.Name == "slowDrip" { // what it drips takes half a minute and is no other answer
			continue
		}
		calls := slices.DeleteFunc([]string{simulator.CallList, simulator.CallCreate, simulator.CallRevoke}, func(call string) bool { return !slices.Contains(f.Calls, call) })
		if len(calls) == 0 {
			continue
		}
		for _, call := range testkit.SampleFor(c.t, i, 1, calls) {
			c.clock.Move(20 * time.Minute) // past pauses
			c.oneFailure(b, f, call)
			c.d.Sim.ClearFaults()
		}
	}
	c.look()
}

func (c *canaries) oneFailure(b *webtest.Browser, f simulator.Fault, call string) {
	switch call {
	case simulator.CallList:
		c.fault(f, call)
		b.Open(c.d.URL + "/tokens?organization=northwind-labs")
	case simulator.CallCreate:
		b.Open(c.d.URL+"/tokens/new?organization=contoso").Fill("Name", "canary of "+f.Name).Choose("Code", "Read")
		c.fault(f, call)
		b.Press("Create token").Open(b.URL.String())
	case simulator.CallRevoke:
		b.Open(c.d.URL + "/tokens?organization=contoso&q=Nightly")
		if !b.Has("link", "Nightly backup of repositories") {
			return // one of the faults revoked it before it answered badly
		}
		b.Click("Nightly backup of repositories")
		for b.Status == http.StatusTooManyRequests { // a watcher has met the fault before this one only now
			c.clock.Move(20 * time.Minute)
			b.Open(b.URL.String())
		}
		b.Click("Revoke")
		c.fault(f, call)
		b.Press("Revoke").Open(b.URL.String())
	}
}

// storeFailure: the store goes away while a token is being made, so that its secret has to stand in the answer.
func (c *canaries) storeFailure() {
	b := c.d.SignedIn(apptest.Mona)
	b.Open(c.d.URL+"/tokens/new?organization=fabrikam").Fill("Name", "unkept").Choose("Code", "Read")
	c.hold.Store(true)
	done := make(chan struct{})
	go func() { defer close(done); b.Press("Create token") }()
	c.gate.Wait(c.t)
	if err := os.RemoveAll(c.dir); err != nil {
		c.t.Error(err)
	}
	c.gate.Open()
	<-done
	if b.Status >= 400 || apptest.SecretOf(b) == "" {
		c.t.Errorf("a secret that can't be kept: %d\n%s", b.Status, b.Text())
	}
	b.Open(c.d.URL + "/tokens?organization=contoso")
}

// secrets is all that nobody but its owner may see, by what it is.
func (c *canaries) secrets() map[string]string {
	all := map[string]string{apptest.CanaryKey: "a session key", "canary-key-of-the-sessions-0123456789": "a session key", canaryCollectorKey: "the collector's key"}
	for _, secret := range c.d.Sim.Secrets() {
		all[secret] = "a credential"
		if len(secret) == 84 {
			all[secret] = "a token's secret"
		}
	}
	for _, r := range c.d.Sim.Requests() {
		if form, err := url.ParseQuery(r.Body); err == nil && r.Call == simulator.CallToken {
			all[form.Get("code_verifier")] = "a verifier"
		}
		for _, name := range []string{"state", "nonce"} {
			all[r.Query.Get(name)] = "a " + name
		}
	}
	for _, a := range c.tape.Answers() {
		for _, line := range a.Header.Values("Set-Cookie") {
			if cookie, err := http.ParseSetCookie(line); err == nil {
				value, _, _ := strings.Cut(cookie.Value, ".")
				all[value] = "a cookie"
			}
		}
	}
	for _, address := range c.calendar {
		all[address] = "a calendar's address"
	}
	delete(all, "")
	return all
}

// finder looks for many texts at once, by their first bytes.
type finder map[[12]byte][]found

// found is a text that was looked for.
type found struct{ text, secret, kind string }

// add looks for a text, or for a piece of it that is long enough to know it by, also where it was cut.
func (f finder) add(text, secret, kind string) {
	if len(text) > 40 {
		text = text[len(text)/2 : len(text)/2+20]
	}
	var start [12]byte
	copy(start[:], text)
	f[start] = append(f[start], found{text, secret, kind})
}

// in calls see for everything that a text holds.
func (f finder) in(text string, see func(found)) {
	var window [12]byte
	for i := 0; i+len(window) <= len(text); i++ {
		copy(window[:], text[i:])
		for _, one := range f[window] {
			if strings.HasPrefix(text[i:], one.text) {
				see(one)
			}
		}
	}
}

func (c *canaries) check() {
	c.t.Helper()
	plain, disguised, kinds := finder{}, finder{}, map[string]int{}
	for secret, kind := range c.secrets() {
		kinds[kind]++
		if len(secret) < 16 {
			c.t.Errorf("%s of %d characters: too short to be looked for", kind, len(secret))
		}
		plain.add(secret, secret, kind)
		for _, form := range disguises(secret) {
			disguised.add(form, secret, kind)
		}
	}
	_, metrics := apptest.Scrape(c.t, http.MethodGet, c.d.Metrics+"/metrics")
	_ = c.d.Stop() // the last spans are sent
	log, answers, requests := c.d.Log.String(), c.tape.Answers(), c.d.Sim.Requests()
	plain.in(log, func(one found) {
		at := strings.Index(log, one.text)
		c.t.Errorf("the log holds %s: …%s…", one.kind, log[max(0, at-200):min(len(log), at+100)])
	})
	c.checkTelemetry(plain, metrics)
	c.t.Logf("%d faults, %d answers, %d requests to the services, %d stored records, %d bytes of log; secrets: %v",
		c.faults, len(answers), len(requests), len(c.stored), len(log), kinds)
	for _, kind := range []string{"a session key", "a credential", "a token's secret", "a verifier", "a state", "a nonce", "a cookie", "a calendar's address"} {
		if kinds[kind] == 0 {
			c.t.Errorf("the test saw nothing of the kind: %s", kind)
		}
	}
	faults, many := 150, 500
	if !testkit.Long() {
		faults, many = 80, 300 // one call of three
	}
	if c.faults < faults || len(answers) < many || len(c.stored) < 100 {
		c.t.Error("the test went through too little")
	}
	for _, record := range c.stored {
		disguised.in(string(record), func(one found) { c.t.Errorf("a stored record holds %s: %.60q", one.kind, record) })
	}
	for _, a := range answers {
		c.checkAnswer(plain, a)
	}
	for _, r := range requests {
		c.checkRequest(plain, r)
	}
}

// checkTelemetry looks through the metrics, and through all that the collector was sent.
func (c *canaries) checkTelemetry(secrets finder, metrics string) {
	c.t.Helper()
	secrets.in(metrics, func(one found) { c.t.Errorf("the metrics hold %s", one.kind) })
	spans := c.collector.All()
	for _, s := range spans {
		if strings.Contains(s.Name, "?") || s.Attributes["url.full"] != "" || s.Attributes["url.query"] != "" {
			c.t.Errorf("a span holds an address: %+v", s)
		}
	}
	for _, raw := range c.collector.Raw {
		secrets.in(raw, func(one found) { c.t.Errorf("a span holds %s", one.kind) })
	}
	if len(spans) < 500 || len(metrics) < 10_000 {
		c.t.Errorf("only %d spans and %d bytes of metrics were looked through", len(spans), len(metrics))
	}
}

// disguises are the forms in which a store might keep a secret readable.
func disguises(secret string) []string {
	forms := []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))}
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil && len(raw) >= 12 {
		forms = append(forms, string(raw), hex.EncodeToString(raw))
	}
	return forms
}

func (c *canaries) checkAnswer(secrets finder, a apptest.Exchange) {
	c.t.Helper()
	leaving := func(one found) bool {
		return strings.HasSuffix(a.URL.Path, "/sign-in/start") && a.Status == http.StatusSeeOther && (one.kind == "a state" || one.kind == "a nonce")
	}
	secrets.in(a.Body, func(one found) {
		owner := one.kind == "a token's secret" && (strings.HasPrefix(a.URL.Path, "/operations/") || a.Method == http.MethodPost && a.Status == http.StatusOK) ||
			one.kind == "a calendar's address" && a.Method == http.MethodPost && a.URL.Path == "/calendar/make"
		if !owner && !leaving(one) {
			c.t.Errorf("%s %s (%d) shows %s", a.Method, a.URL.Path, a.Status, one.kind)
		}
	})
	for name, values := range a.Header {
		secrets.in(strings.Join(values, "\n"), func(one found) {
			if (name != "Set-Cookie" || one.kind != "a cookie") && (name != "Location" || !leaving(one)) {
				c.t.Errorf("%s %s (%d) has %s in %s", a.Method, a.URL.Path, a.Status, one.kind, name)
			}
		})
	}
	secrets.in(a.URL.String(), func(one found) {
		if one.kind == "a calendar's address" { // which its reader has asked for
			return
		}
		if a.URL.Path != "/getAToken" || one.kind != "a credential" && one.kind != "a state" {
			c.t.Errorf("an address of ours holds %s: %s %s", one.kind, a.Method, a.URL.Path)
		}
	})
}

// toAzureDevOps are the calls that carry a bearer.
var toAzureDevOps = []string{
	simulator.CallList, simulator.CallGet, simulator.CallCreate, simulator.CallUpdate, simulator.CallRevoke, simulator.CallProfile, simulator.CallAccounts,
}

var toVaults = []string{simulator.CallVaultList, simulator.CallVaultVersions, simulator.CallVaultWrite, simulator.CallVaultUpdate}

// checkRequest checks what went to a service: nothing secret in its address, a bearer for Azure DevOps and vaults only, a
// token's secret into a vault only, and what proves who the app is for Entra's token endpoint only.
func (c *canaries) checkRequest(secrets finder, r simulator.Request) {
	c.t.Helper()
	secrets.in(r.Path+"?"+r.Query.Encode(), func(one found) {
		leaving := (r.Call == simulator.CallAuthorize || r.Call == simulator.CallChoose) && (one.kind == "a state" || one.kind == "a nonce")
		if !leaving {
			c.t.Errorf("the address of a call (%s) holds %s", r.Call, one.kind)
		}
	})
	if r.Call != simulator.CallToken && r.Call != simulator.CallVaultWrite {
		secrets.in(r.Body, func(one found) { c.t.Errorf("the body of a call (%s) holds %s", r.Call, one.kind) })
	}
	if r.Header.Get("Authorization") != "" && !slices.Contains(toAzureDevOps, r.Call) && !slices.Contains(toVaults, r.Call) {
		c.t.Errorf("a bearer went to %s", r.Call)
	}
}
