package features

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/joho/godotenv"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// traffic counts the calls to Azure DevOps that change something and are under way, by organization.
type traffic struct {
	mu       sync.Mutex
	now      map[string]int
	most     int // at the same time
	mostHere int // in one organization
}

func (c *traffic) wrap(next http.RoundTripper) http.RoundTripper {
	return apptest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet || !strings.Contains(r.URL.Path, "/_apis/") {
			return next.RoundTrip(r)
		}
		at := strings.Split(r.URL.Path, "/")[1]
		c.add(at, 1)
		defer c.add(at, -1)
		return next.RoundTrip(r)
	})
}

func (c *traffic) add(at string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		c.now = map[string]int{}
	}
	c.now[at] += n
	sum := 0
	for _, one := range c.now {
		sum += one
	}
	c.most, c.mostHere = max(c.most, sum), max(c.mostHere, c.now[at])
}

// 60 tokens in three organizations, with nobody looking: one token each, never more than a few calls at a time, and
// every secret is there in the end, on the page and in the file.
func TestBulkOf60(t *testing.T) {
	t.Parallel()
	seen := &traffic{}
	d, b := apptest.StartWithTokens(t, 3, 20, apptest.Options{Wrap: seen.wrap})
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if apptest.PickAll(b, d.URL+"/tokens", "Rotate selected"); b.Heading() != "Rotate 60 tokens?" || b.Page.Find("tbody tr").Length() != 60 {
		t.Fatalf("%q, %d rows", b.Heading(), b.Page.Find("tbody tr").Length())
	}
	b.Press("Rotate 60 tokens")
	testkit.Until(t, "60 tokens are made", func() bool { return d.Sim.Created() >= 60 })
	apptest.WaitForBatch(t, b)
	if d.Sim.Created() != 60 || apptest.CountStates(b)["Secret waiting"] != 60 || seen.most > 6 || seen.mostHere > 3 || seen.most < 2 {
		t.Errorf("%d created, %v, %d calls at a time, %d in one organization", d.Sim.Created(), apptest.CountStates(b), seen.most, seen.mostHere)
	}
	shown := b.Page.Find("code.secret").Map(func(_ int, s *goquery.Selection) string { return s.Text() })
	if slices.Sort(shown); len(slices.Compact(shown)) != 60 {
		t.Errorf("%d secrets are shown", len(shown))
	}
	for _, secret := range shown {
		if token, ok := d.Sim.SecretBelongsTo(secret); !ok || token.Revoked {
			t.Fatalf("a secret that belongs to nothing")
		}
	}
	variables := downloaded(t, b, ".env")
	for _, secret := range shown {
		if !slices.Contains(variables, secret) {
			t.Fatal("the file lacks a secret")
		}
	}
}

// calls counts what is asked of the token service, by method.
type calls struct {
	mu    sync.Mutex
	count map[string]int
}

func (c *calls) wrap(next http.RoundTripper) http.RoundTripper {
	return apptest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/_apis/tokens/pats") {
			c.mu.Lock()
			c.count[r.Method]++
			c.mu.Unlock()
		}
		return next.RoundTrip(r)
	})
}

// counted are the calls since the last time.
func (c *calls) counted() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := c.count
	c.count = map[string]int{}
	return count
}

// Some of 60 tokens are rotated, and their old ones revoked, with the three pages of one list: nobody throttles
// themselves.
func TestBulkListsAnOrganizationOnce(t *testing.T) {
	t.Parallel()
	seen := &calls{count: map[string]int{}}
	d, b := apptest.StartWithTokens(t, 1, 60, apptest.Options{Wrap: seen.wrap, Sim: simulator.Options{PageSize: 20}})
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if apptest.PickAll(b, d.URL+"/tokens?q=token+02", "Rotate selected"); b.Heading() != "Rotate 11 tokens?" { // 002, 020 to 029
		t.Fatalf("%q\n%s", b.Heading(), apptest.Says(b))
	}
	seen.counted()
	apptest.WaitForBatch(t, b.Press("Rotate 11 tokens"))
	if got := seen.counted(); d.Sim.Created() != 11 || got[http.MethodGet] != 3 || got[http.MethodPost] != 11 {
		t.Errorf("rotating takes %v, want the 3 pages of one list and 11 creations", got)
	}
	b.Press("I have saved all 11").Check("The new secrets are in place")
	seen.counted()
	apptest.WaitForBatch(t, b.Press("Revoke the 11 old tokens"))
	if got := seen.counted(); d.Sim.Revoked() != 11 || got[http.MethodGet] != 0 || got[http.MethodDelete] != 11 {
		t.Errorf("revoking the old tokens takes %v, want 11 calls", got)
	}
}

// downloaded asks for the file of secrets and returns those in it.
func downloaded(t *testing.T, b *webtest.Browser, format string) (secrets []string) {
	t.Helper()
	page := b.URL.String()
	b.Choose("Format", format).Check("I know that this file holds secrets in plain text").Press("Download the secrets")
	if b.Status != http.StatusOK || b.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(b.Header.Get("Content-Disposition"), "attachment;") {
		t.Fatalf("%d %v", b.Status, b.Header)
	}
	if format == "JSON" {
		var file struct {
			Tokens []struct{ Secret, Name, Organization string }
		}
		if err := json.Unmarshal([]byte(b.Body), &file); err != nil {
			t.Fatal(err)
		}
		for _, one := range file.Tokens {
			secrets = append(secrets, one.Secret)
		}
	} else {
		variables, err := godotenv.Unmarshal(b.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range variables {
			secrets = append(secrets, value)
		}
	}
	b.Open(page)
	return secrets
}

func TestBulkDownloadOnlyOnRequest(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 1, 0, apptest.Options{})
	now := time.Now()
	for _, name := range []string{"build", "build", "جسر", `quo"te $HOME`} {
		d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Scope: "vso.code", ValidFrom: now, ValidTo: now.AddDate(0, 0, 30)})
	}
	apptest.WaitForBatch(t, apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Rotate selected").Press("Rotate 4 tokens"))
	page := b.URL.String()
	b.Choose("Format", "JSON").Press("Download the secrets")
	if b.Status != http.StatusUnprocessableEntity || !strings.Contains(apptest.Says(b), "Nothing was downloaded") || b.Page.Find("input[value=json][checked]").Length() != 1 {
		t.Errorf("without saying so: %d\n%s", b.Status, apptest.Says(b))
	}
	for _, format := range []string{".env", "JSON"} {
		if got := downloaded(t, b.Open(page), format); len(got) != 4 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 4 {
			t.Errorf("%s holds %d secrets", format, len(got))
		}
	}
	action := b.Page.Find("form[data-stays]").AttrOr("action", "")
	b.Press("I have saved all 4").Post(d.URL+action, url.Values{"format": {"env"}, "understood": {"yes"}})
	if b.Status != http.StatusGone {
		t.Errorf("after all were saved: %d\n%s", b.Status, apptest.Says(b))
	}
	apptest.WantNoSecret(t, d.Sim, "the log", d.Log.String())
}

// Two windows confirm at once, and one of them something else: one batch, one token for each.
func TestBulkConfirmedTwice(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 1, 20, apptest.Options{})
	apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Rotate selected")
	_, to, form := b.Form("Rotate 20 tokens")
	var wg sync.WaitGroup
	for range 8 {
		tab := b.Twin()
		wg.Go(func() {
			if tab.Post(to.String(), form); tab.Status != http.StatusOK || !strings.Contains(tab.Heading(), "20 tokens") {
				t.Errorf("%d %q", tab.Status, tab.Heading())
			}
		})
	}
	wg.Wait()
	other := url.Values{}
	for name, values := range form {
		other[name] = values
	}
	other.Set("expiry", "7")
	if b.Post(to.String(), other); b.Status != http.StatusUnprocessableEntity {
		t.Errorf("the same form with another expiry: %d\n%s", b.Status, apptest.Says(b))
	}
	if apptest.WaitForBatch(t, b.Open(to.String())); d.Sim.Created() != 20 || apptest.CountStates(b)["Secret waiting"] != 20 {
		t.Errorf("%d created, %v", d.Sim.Created(), apptest.CountStates(b))
	}
	for _, forged := range []url.Values{{}, {"form": {"nonsense"}}, {"form": {b.Open(d.URL+"/tokens/new").Page.Find("input[name=form]").Last().AttrOr("value", "")}}} {
		if b.Post(to.String(), forged); b.Status != http.StatusForbidden {
			t.Errorf("a forged form: %d", b.Status)
		}
	}
}

// Stop finishes what is in flight and begins nothing more; going on does the rest, each once.
func TestBulkStoppedInTheMiddle(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 1, 12, apptest.Options{})
	apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Rotate selected")
	var held []*simulator.Held
	for range 3 {
		held = append(held, d.Sim.Hold(simulator.CallCreate, "", false))
	}
	b.Press("Rotate 12 tokens")
	for _, h := range held {
		<-h.Reached()
	}
	if b.Press("Stop"); !strings.Contains(apptest.Says(b), "Stopping:") {
		t.Errorf("after Stop:\n%s", apptest.Says(b))
	}
	for _, h := range held {
		h.Release()
	}
	if apptest.WaitForBatch(t, b); d.Sim.Created() != 3 || apptest.CountStates(b)["Not started"] != 9 || !strings.Contains(apptest.Says(b), "You stopped it") {
		t.Fatalf("%d created, %v\n%s", d.Sim.Created(), apptest.CountStates(b), apptest.Says(b))
	}
	if got := apptest.Banners(b.Twin().Open(d.URL + "/tokens")); !strings.Contains(got, "3 new secrets") {
		t.Errorf("banner %q", got)
	}
	if apptest.WaitForBatch(t, b.Press("Continue with the remaining 9")); d.Sim.Created() != 12 || apptest.CountStates(b)["Secret waiting"] != 12 {
		t.Errorf("%d created, %v", d.Sim.Created(), apptest.CountStates(b))
	}
}

// The service asks to slow down: revoking waits as long as it asks, and goes on by itself.
func TestBulkObeysRateLimits(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 2, 6, apptest.Options{})
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	apptest.PickAll(b, d.URL+"/tokens", "Revoke selected")
	d.Sim.SetFault("throttled429", simulator.FaultOptions{Call: simulator.CallRevoke, Organization: "org-01", After: 2, Times: 3, RetryAfter: time.Second})
	if apptest.WaitForBatch(t, b.Press("Revoke 12 tokens")); d.Sim.Revoked() != 12 || apptest.CountStates(b)["Done"] != 12 {
		t.Errorf("%d revoked, %v\n%s", d.Sim.Revoked(), apptest.CountStates(b), apptest.Says(b))
	}
}

// A creation that was refused is not sent again by itself; the person can, one or all. One that something before the
// service refused may have been made: for as long as it can turn up, it isn't offered to be tried again.
func TestBulkFailuresAreTriedAgain(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 1, 5, apptest.Options{})
	apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Rotate selected")
	d.Sim.SetFault("throttled429", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1, RetryAfter: time.Second})
	d.Sim.SetFault("patTokenError:accessDenied", simulator.FaultOptions{Call: simulator.CallCreate, After: 1, Times: 2})
	if apptest.WaitForBatch(t, b.Press("Rotate 5 tokens")); d.Sim.Created() != 2 || apptest.CountStates(b)["Failed"] != 2 || apptest.CountStates(b)["Not confirmed"] != 1 {
		t.Fatalf("%d created, %v\n%s", d.Sim.Created(), apptest.CountStates(b), apptest.Says(b))
	}
	calls := d.Sim.Calls(simulator.CallCreate)
	name := strings.TrimSuffix(apptest.BatchStates(b)[slices.IndexFunc(apptest.BatchStates(b), func(s string) bool { return strings.HasSuffix(s, "Failed") })], ": Failed")
	if apptest.WaitForBatch(t, b.Press("Try again: "+name+", org-01")); d.Sim.Created() != 3 || apptest.CountStates(b)["Failed"] != 1 || d.Sim.Calls(simulator.CallCreate) != calls+1 {
		t.Fatalf("one again: %d created, %v", d.Sim.Created(), apptest.CountStates(b))
	}
	if apptest.WaitForBatch(t, b.Press("Retry what failed")); d.Sim.Created() != 4 || apptest.CountStates(b)["Secret waiting"] != 4 || apptest.CountStates(b)["Not confirmed"] != 1 {
		t.Errorf("all again: %d created, %v\n%s", d.Sim.Created(), apptest.CountStates(b), apptest.Says(b))
	}
}

// What may have been done is never tried again by itself, and its token is named.
func TestBulkUnknownOutcome(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 1, 3, apptest.Options{})
	apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Rotate selected")
	d.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
	if apptest.WaitForBatch(t, b.Press("Rotate 3 tokens")); d.Sim.Created() != 3 || apptest.CountStates(b)["Not confirmed"] != 1 || b.Has("button", "Retry what failed") {
		t.Fatalf("%d created, %v\n%s", d.Sim.Created(), apptest.CountStates(b), apptest.Says(b))
	}
	if got := apptest.Says(b); strings.Contains(got, "Not everything was done") || !strings.Contains(got, "couldn't confirm one of them") {
		t.Errorf("what may have been done is summed up as not done: %s", got)
	}
	name := strings.TrimSuffix(apptest.BatchStates(b)[slices.IndexFunc(apptest.BatchStates(b), func(s string) bool { return strings.HasSuffix(s, "Not confirmed") })], ": Not confirmed")
	batch := b.URL.String()
	if b.Click("Find out: " + name + ", org-01").Press("Revoke this token"); d.Sim.Revoked() != 1 {
		t.Errorf("%d revoked\n%s", d.Sim.Revoked(), apptest.Says(b))
	}
	if b.Open(batch); !b.Has("button", "Retry what failed") && !b.Has("button", "Try again: "+name+", org-01") {
		t.Errorf("when nothing is left of it, it can't be tried again:\n%s", apptest.Says(b))
	}
}

// An organization that hangs or breaks stops costing time after three failures in a row; the others go on.
func TestBulkLeavesABrokenOrganizationAlone(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 2, 10, apptest.Options{})
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	apptest.PickAll(b, d.URL+"/tokens", "Rotate selected")
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Call: simulator.CallCreate, Organization: "org-02"})
	apptest.WaitForBatch(t, b.Press("Rotate 20 tokens"))
	if n := apptest.CountStates(b); n["Secret waiting"] != 10 || n["Not started"] < 4 || !strings.Contains(apptest.Says(b), "org-02: ") {
		t.Fatalf("%v\n%s", n, apptest.Says(b))
	}
	if n := apptest.CountStates(b); n["Not started"]+n["Not confirmed"]+n["Failed"] != 10 {
		t.Errorf("%v", n)
	}
	if got := apptest.Says(b); strings.Contains(got, "Try again in a few minutes") || !strings.Contains(got, "Don't rotate again what isn't confirmed") {
		t.Errorf("a second successor is suggested: %s", got)
	}
	d.Sim.ClearFaults()
	if apptest.WaitForBatch(t, b.Press(fmt.Sprintf("Continue with the remaining %d", apptest.CountStates(b)["Not started"]))); apptest.CountStates(b)["Not started"] != 0 {
		t.Errorf("going on: %v\n%s", apptest.CountStates(b), apptest.Says(b))
	}
}

// Tokens that were revoked elsewhere between confirming and doing.
func TestBulkRevokedElsewhere(t *testing.T) {
	t.Parallel()
	for button, want := range map[string]string{
		"Revoke": "Done It was already revoked",
		"Rotate": "Failed It was revoked elsewhere meanwhile",
		"Extend": "Failed It was revoked elsewhere meanwhile",
	} {
		t.Run(button, func(t *testing.T) {
			t.Parallel()
			d, b := apptest.StartWithTokens(t, 1, 3, apptest.Options{})
			apptest.PickAll(b, d.URL+"/tokens?organization=org-01", button+" selected")
			other := b.Twin().Open(d.URL + "/tokens?organization=org-01").Click("org-01 token 001").Click("Revoke")
			if other.Press("Revoke"); d.Sim.Revoked() != 1 {
				t.Fatalf("%d %s", other.Status, apptest.Says(other))
			}
			if button == "Extend" {
				b.Choose("Expiry", "One year").Press("Show the new dates")
			}
			apptest.WaitForBatch(t, b.Press(button+" 3 tokens"))
			row := b.Page.Find("#batch-rows tr").FilterFunction(func(_ int, s *goquery.Selection) bool { return strings.Contains(s.Text(), "token 001") })
			if got := webtest.Fold(row.Text()); !strings.Contains(got, want) {
				t.Errorf("%q doesn't say %q", got, want)
			}
			if d.Sim.Created() > 2 {
				t.Errorf("%d created", d.Sim.Created())
			}
		})
	}
}

// An organization that was renamed or deleted in between fails token by token.
func TestBulkOrganizationGone(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 2, 4, apptest.Options{})
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	apptest.PickAll(b, d.URL+"/tokens", "Revoke selected")
	d.Sim.SetFault("notFound", simulator.FaultOptions{Organization: "org-02"})
	if apptest.WaitForBatch(t, b.Press("Revoke 8 tokens")); b.Heading() != "4 of 8 tokens revoked" || apptest.CountStates(b)["Done"] != 4 || apptest.CountStates(b)["Failed"] != 4 || strings.Count(apptest.Says(b), "No organization named org-02") != 4 {
		t.Errorf("%v\n%s", apptest.CountStates(b), apptest.Says(b))
	}
}

// Signing out asks first; when the session is over, nothing more is begun, and the reason is said.
func TestBulkEndsWithTheSession(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 1, 12, apptest.Options{})
	apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Revoke selected")
	var held []*simulator.Held
	for range 3 {
		held = append(held, d.Sim.Hold(simulator.CallRevoke, "", false))
	}
	b.Press("Revoke 12 tokens")
	batch := b.URL.String()
	for _, h := range held {
		<-h.Reached()
	}
	b.Open(d.URL + "/tokens")
	if b.Post(d.URL+"/sign-out", nil); b.Heading() != "Sign out?" || !strings.Contains(apptest.Says(b), "A bulk change is still in progress") {
		t.Fatalf("signing out doesn't ask: %q\n%s", b.Heading(), apptest.Says(b))
	}
	b.Post(d.URL+"/sign-out", url.Values{"confirmed": {"yes"}})
	for _, h := range held {
		h.Release()
	}
	b = d.SignedIn(apptest.Mona)
	if apptest.WaitForBatch(t, b.Open(batch)); d.Sim.Revoked() != 3 || apptest.CountStates(b)["Not started"] != 9 || !strings.Contains(apptest.Says(b), "sign in") {
		t.Fatalf("%d revoked, %v\n%s", d.Sim.Revoked(), apptest.CountStates(b), apptest.Says(b))
	}
	if apptest.WaitForBatch(t, b.Press("Continue with the remaining 9")); d.Sim.Revoked() != 12 || apptest.CountStates(b)["Done"] != 12 {
		t.Errorf("%d revoked, %v\n%s", d.Sim.Revoked(), apptest.CountStates(b), apptest.Says(b))
	}
}

// shifting hides the token of that name from so many lists of active tokens, as when it slips to a page that was read.
type shifting struct {
	name  string
	lists atomic.Int64
}

func (s *shifting) wrap(next http.RoundTripper) http.RoundTripper {
	return apptest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		a, err := next.RoundTrip(r)
		if err != nil || r.Method != http.MethodGet || r.URL.Query().Get("displayFilterOption") != "active" || s.lists.Add(-1) < 0 {
			return a, err
		}
		defer a.Body.Close()
		var list map[string]any
		if err := json.NewDecoder(a.Body).Decode(&list); err != nil {
			return nil, err
		}
		tokens, _ := list["patTokens"].([]any)
		list["patTokens"] = slices.DeleteFunc(tokens, func(t any) bool { return strings.Contains(fmt.Sprint(t), s.name) })
		b, err := json.Marshal(list)
		a.Body, a.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		a.Header.Del("Content-Length")
		return a, err
	})
}

// A token that was just shown isn't said to be gone because one list lacks it, nor because its organization can't be
// read.
func TestBulkSaysGoneOfWhatIsGone(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		hidden int64
		fault  string
		says   string
	}{
		"one list lacks it":   {1, "", "Revoke 3 tokens?"},
		"it is gone":          {100, "", "It no longer exists."},
		"nothing can be read": {0, "serverError500", "couldn't be loaded"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			hidden := &shifting{name: "org-01 token 002"}
			d, b := apptest.StartWithTokens(t, 1, 3, apptest.Options{Wrap: hidden.wrap})
			b.Open(d.URL + "/tokens?organization=org-01")
			apptest.Tick(b, "org-01 token 000, org-01", "org-01 token 001, org-01", "org-01 token 002, org-01")
			hidden.lists.Store(test.hidden)
			if test.fault != "" {
				d.Sim.SetFault(test.fault, simulator.FaultOptions{Organization: "org-01"})
			}
			if b.Press("Revoke selected"); !strings.Contains(b.Heading()+apptest.Says(b), test.says) {
				t.Errorf("%q doesn't say %q:\n%s", b.Heading(), test.says, apptest.Says(b))
			}
		})
	}
}

// A selection that is too large, empty or nonsense.
func TestBulkSelections(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 3, 167, apptest.Options{})
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if apptest.PickAll(b, d.URL+"/tokens", "Revoke selected"); b.Status != http.StatusUnprocessableEntity || !strings.Contains(apptest.Says(b), "501 tokens are too many at once") {
		t.Fatalf("%d\n%s", b.Status, apptest.Says(b))
	}
	if b.Press("Revoke the first 500 only"); b.Heading() != "Revoke 500 tokens?" {
		t.Errorf("%d %q", b.Status, b.Heading())
	}
	b.Open(d.URL + "/tokens").Press("Rotate selected")
	if b.Status != http.StatusUnprocessableEntity || b.Heading() != "Change several tokens" || !strings.Contains(apptest.Says(b), "No token is selected") {
		t.Errorf("nothing chosen: %d\n%s", b.Status, apptest.Says(b))
	}
	form := func(pairs ...string) url.Values {
		f := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			f.Add(pairs[i], pairs[i+1])
		}
		return f
	}
	for name, test := range map[string]struct {
		path   string
		form   url.Values
		status int
	}{
		"no verb":              {"/bulk", form("token", "org-01/x"), http.StatusUnprocessableEntity},
		"unknown verb":         {"/bulk?do=explode", form("token", "org-01/x"), http.StatusUnprocessableEntity},
		"not there":            {"/bulk?do=revoke", form("token", "org-01/00000000-0000-4000-8000-00000000dead"), http.StatusOK},
		"nonsense":             {"/bulk?do=revoke", form("token", "///", "token", "", "token", "\x00", "token", "../../x"), http.StatusOK},
		"elsewhere's view":     {"/bulk?do=revoke", form("all", "https://evil.example/tokens"), http.StatusBadRequest},
		"no view":              {"/bulk?do=revoke", form("all", "yes"), http.StatusBadRequest},
		"the overview":         {"/bulk?do=revoke", form("all", "/overview"), http.StatusBadRequest},
		"another page's view":  {"/bulk?do=revoke", form("all", "/sessions"), http.StatusBadRequest},
		"view that lacks all":  {"/bulk?do=revoke", form("all", "/tokens?organization=org-01&q=no+such"), http.StatusUnprocessableEntity},
		"unknown organization": {"/bulk?do=revoke", form("all", "/tokens?organization=not/one"), http.StatusNotFound},
	} {
		if b.Post(d.URL+test.path, test.form); b.Status != test.status {
			t.Errorf("%s: %d, want %d\n%s", name, b.Status, test.status, apptest.Says(b))
		}
		if test.status == http.StatusOK && (b.Has("button", "Revoke one token") || !strings.Contains(apptest.Says(b), "Nothing can be done")) {
			t.Errorf("%s: %s", name, apptest.Says(b))
		}
	}
	many := url.Values{}
	for i := range 501 {
		many.Add("token", fmt.Sprintf("org-01/%08d-0000-4000-8000-00000000dead", i))
	}
	if b.Post(d.URL+"/bulk?do=rotate", many); b.Status != http.StatusUnprocessableEntity || !strings.Contains(apptest.Says(b), "501 tokens are too many") || b.Page.Find("input[name=token]").Length() != 501 {
		t.Errorf("501 ticked: %d\n%s", b.Status, apptest.Says(b))
	}
	if d.Sim.Revoked()+d.Sim.Created() != 0 {
		t.Error("something was changed")
	}
}

// What was ticked survives a sign-in that has ended.
func TestBulkSelectionSurvivesASignIn(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 1, 5, apptest.Options{})
	apptest.Tick(b.Open(d.URL+"/tokens?organization=org-01"), "org-01 token 001, org-01", "org-01 token 002, org-01")
	d.SignedIn(apptest.Mona).Open(d.URL + "/sessions").Press("End all my other sessions")
	b.Press("Revoke selected")
	if !strings.Contains(apptest.Says(b), "What you typed is kept") {
		t.Fatalf("%s %s", b.URL, apptest.Says(b))
	}
	apptest.SignIn(b, apptest.Mona)
	if !strings.Contains(apptest.Says(b), "The 2 selected tokens are kept") {
		t.Fatalf("%s %s", b.URL, apptest.Says(b))
	}
	if b.Press("Revoke selected"); b.Heading() != "Revoke 2 tokens?" {
		t.Errorf("%d %q", b.Status, b.Heading())
	}
}
