package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-ical"

	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/webtest"
)

// madeAddress is the calendar address that the page shows, "" if none.
func madeAddress(b *webtest.Browser) string {
	return strings.TrimSpace(b.Page.Find("#calendar-address").Text())
}

// newCalendar makes an address on the calendar's page.
func newCalendar(t *testing.T, b *webtest.Browser, at string) string {
	t.Helper()
	b.Open(at + "/calendar")
	button := "Make an address"
	if b.Has("button", "Make a new address") {
		button = "Make a new address"
	}
	b.Press(button)
	address := madeAddress(b)
	if b.Status != http.StatusOK || !strings.HasPrefix(address, at+"/calendar/") || !strings.HasSuffix(address, "/tokens.ics") {
		t.Fatalf("%d, %q\n%s", b.Status, address, b.Text())
	}
	return address
}

// feedAnswer is an answer to a calendar program, which has neither cookies nor a browser.
type feedAnswer struct {
	status int
	header http.Header
	body   string
}

func readFeed(t *testing.T, d *desk, method, address string, header ...string) feedAnswer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", "Google-Calendar-Importer")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := d.transport().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return feedAnswer{answer.StatusCode, answer.Header, string(body)}
}

// events are the entries of a calendar by their titles, read with a parser of another kind than the one that wrote it.
func (f feedAnswer) events(t *testing.T) map[string]ical.Event {
	t.Helper()
	if f.status != http.StatusOK || !strings.HasPrefix(f.header.Get("Content-Type"), "text/calendar; charset=utf-8") {
		t.Fatalf("%d %v\n%s", f.status, f.header, f.body)
	}
	parsed, err := ical.NewDecoder(bytes.NewReader([]byte(f.body))).Decode()
	if err != nil {
		t.Fatalf("%v\n%s", err, f.body)
	}
	all := map[string]ical.Event{}
	for _, e := range parsed.Events() {
		title, err := e.Props.Text("SUMMARY")
		if _, twice := all[title]; err != nil || twice {
			t.Errorf("%q: twice %v, %v", title, twice, err)
		}
		all[title] = e
	}
	return all
}

// event finds the entry of a token.
func (f feedAnswer) event(t *testing.T, token string) (ical.Event, bool) {
	t.Helper()
	for title, e := range f.events(t) {
		if strings.Contains(title, token) {
			return e, true
		}
	}
	return ical.Event{}, false
}

func (f feedAnswer) has(t *testing.T, token string) bool {
	t.Helper()
	_, ok := f.event(t, token)
	return ok
}

func TestCalendarHasEveryExpiryOnce(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	address := newCalendar(t, b, d.url)
	feed := readFeed(t, d, http.MethodGet, address)
	events := feed.events(t)
	active := whole(t, b, d.url+"/overview?rows=all").Page.Find("#token-rows tr").Length()
	if len(events) != active || active < 20 {
		t.Errorf("%d entries for %d active tokens", len(events), active)
	}
	e, ok := events["Token expires: Terraform (contoso)"]
	if !ok {
		t.Fatalf("no Terraform in %q", slices.Collect(keysOf(events)))
	}
	b.Open(d.url + "/overview?q=Terraform&is=high")
	link := b.Page.Find("#token-rows a").First().AttrOr("href", "")
	ends := b.Page.Find("#token-rows time").Last().AttrOr("datetime", "")
	start, err := e.DateTimeStart(time.UTC)
	if uri, _ := e.Props.URI("URL"); err != nil || uri.String() != d.url+link || start.Format(time.RFC3339) != ends {
		t.Errorf("the entry leads to %s at %s (%v), the page has %s, %s", uri, start, err, d.url+link, ends)
	}
	if len(e.Children) != 1 || e.Children[0].Name != "VALARM" || e.Props.Get("DTEND") != nil || e.Props.Get("LAST-MODIFIED") == nil || e.Props.Get("SEQUENCE").Value != "0" {
		t.Errorf("%+v", e)
	}
	global, ok := events["Token expires: vsce publish (All organizations)"]
	if start, _ := global.DateTimeStart(time.UTC); !ok || !start.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the global token's entry, %v, is at %s", ok, start)
	}
	for _, secret := range append([]string{"vso.", "app_token", mona, "Work Items", "Full access", strings.Split(address, "/")[4]}, d.sim.Secrets()...) {
		if strings.Contains(feed.body, secret) {
			t.Errorf("the calendar holds %q", secret)
		}
	}
	if strings.Contains(feed.body, "Leaked in a screenshot") || strings.Contains(feed.body, "Sprint report") {
		t.Error("revoked or expired tokens are in the calendar")
	}
}

func keysOf(events map[string]ical.Event) func(func(string) bool) {
	return func(yield func(string) bool) {
		for title := range events {
			if !yield(title) {
				return
			}
		}
	}
}

// What HTTP asks of something that is read again and again: no session, no cookie, HEAD, and nothing sent twice.
func TestCalendarOverHTTP(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	address := newCalendar(t, b, d.url)
	whole := readFeed(t, d, http.MethodGet, address, "Cookie", sessionCookie(t, b, d.url).String())
	tag := whole.header.Get("ETag")
	if whole.status != http.StatusOK || tag == "" || whole.header.Get("Cache-Control") != "private, no-cache" || whole.header.Get("Content-Length") != fmt.Sprint(len(whole.body)) {
		t.Errorf("%d %v", whole.status, whole.header)
	}
	if head := readFeed(t, d, http.MethodHead, address); head.status != http.StatusOK || head.body != "" || head.header.Get("ETag") != tag || head.header.Get("Content-Length") != fmt.Sprint(len(whole.body)) {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		if same := readFeed(t, d, http.MethodGet, address, "If-None-Match", known); same.status != http.StatusNotModified || same.body != "" || same.header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d %v", known, same.status, same.header)
		}
	}
	if other := readFeed(t, d, http.MethodGet, address, "If-None-Match", `"other"`); other.status != http.StatusOK || other.body != whole.body {
		t.Errorf("If-None-Match with another tag: %d", other.status)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, "PROPFIND", http.MethodOptions} {
		if got := readFeed(t, d, method, address); got.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, got.status)
		}
	}
	calls := len(d.sim.Requests())
	for range 20 {
		readFeed(t, d, http.MethodGet, address)
	}
	if len(d.sim.Requests()) != calls {
		t.Error("reading a calendar calls a service")
	}
	if strings.Contains(d.log.String(), "Set-Cookie") || whole.header.Get("Set-Cookie") != "" {
		t.Error("a calendar program gets a cookie")
	}
	if b.Open(d.url + "/calendar"); !strings.Contains(b.Text(), "Google-Calendar-Importer, from 127.0.0.1") {
		t.Errorf("the page doesn't say who reads it:\n%s", b.Text())
	}
}

// The address lives by itself: sessions come and go. It ends when it is revoked or replaced, at once and for good.
func TestCalendarAddressLivesUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/sessions"
	o := seeded()
	sim := simulator.New(o.sim)
	if err := sim.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	o.env = map[string]string{"SESSION_KEYS": canaryKey}
	d := startDeskOn(t, sim, o, dir)
	b := d.signedIn(mona)
	path := strings.TrimPrefix(newCalendar(t, b, d.url), d.url)
	d.signedIn(mona).Open(d.url + "/sessions").Press("End all my other sessions")
	b = d.signedIn(mona)
	b.Open(d.url + "/sign-out").Press("Sign out")
	d.stop()
	d = startDeskOn(t, sim, o, dir)
	if feed := readFeed(t, d, http.MethodGet, d.url+path); !feed.has(t, "Terraform") {
		t.Errorf("after the sessions ended and a restart: %d", feed.status)
	}
	b = d.signedIn(mona)
	if b.Open(d.url + "/calendar"); strings.Contains(b.Body, path) || madeAddress(b) != "" {
		t.Error("the address is shown again")
	}
	_, at, form := b.Form("Make a new address")
	next := newCalendar(t, b, d.url)
	if readFeed(t, d, http.MethodGet, d.url+path).status != http.StatusNotFound || !readFeed(t, d, http.MethodGet, next).has(t, "Terraform") {
		t.Error("the new address doesn't take the old one's place")
	}
	if again := b.Twin().Post(at.String(), form); madeAddress(again) != next && again.Status != http.StatusConflict {
		t.Errorf("a form that was drawn before: %d %q", again.Status, madeAddress(again))
	}
	if !readFeed(t, d, http.MethodGet, next).has(t, "Terraform") {
		t.Error("an old form ended the newer address")
	}
	_, at, form = b.Open(d.url + "/calendar").Form("Revoke the address")
	if b.Press("Revoke the address"); !strings.Contains(b.Text(), "is revoked") || b.Has("button", "Revoke the address") {
		t.Errorf("%s", b.Text())
	}
	if got := readFeed(t, d, http.MethodGet, next); got.status != http.StatusNotFound || strings.Contains(got.body, "Terraform") {
		t.Errorf("a revoked address: %d", got.status)
	}
	third := newCalendar(t, b, d.url)
	if b.Twin().Post(at.String(), form); !readFeed(t, d, http.MethodGet, third).has(t, "Terraform") {
		t.Error("an old form revoked a newer address")
	}
}

// One form makes one address, however often and however quickly it is sent.
func TestCalendarFormSentTwice(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona).Open(d.url + "/calendar")
	_, at, form := b.Form("Make an address")
	shown := make(chan string)
	for range 8 {
		tab := b.Twin()
		go func() { shown <- madeAddress(tab.Post(at.String(), form)) }()
	}
	first := <-shown
	for range 7 {
		if next := <-shown; next != first {
			t.Errorf("one answer shows %q, another %q", first, next)
		}
	}
	if first == "" || !readFeed(t, d, http.MethodGet, first).has(t, "Terraform") {
		t.Errorf("%q isn't the calendar", first)
	}
	for name, forged := range map[string]url.Values{
		"no form": {}, "nonsense": {"form": {"x"}, "mark": {form.Get("mark")}}, "for another state": {"form": {form.Get("form")}, "mark": {"other"}},
	} {
		if got := b.Twin().Post(at.String(), forged); got.Status != http.StatusForbidden || madeAddress(got) != "" {
			t.Errorf("%s: %d %q", name, got.Status, madeAddress(got))
		}
	}
	theirs := d.signedIn(jonas).Post(at.String(), form)
	if theirs.Status != http.StatusForbidden || madeAddress(theirs) != "" || !readFeed(t, d, http.MethodGet, first).has(t, "Terraform") {
		t.Errorf("somebody else's form: %d", theirs.Status)
	}
}

// What changes through patdesk, or elsewhere, is in the calendar after the next look; what keeps its place in the world
// keeps its UID.
func TestCalendarFollowsWhatItsOwnerSees(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	address := newCalendar(t, b, d.url)
	before, _ := readFeed(t, d, http.MethodGet, address).event(t, "Terraform")
	b.Open(d.url+"/tokens?organization=contoso&q=Terraform").Click("Terraform").Click("Edit").Fill("Name", "Terraform; renamed, \\ with signs").Press("Save changes")
	b.Open(d.url + "/tokens?organization=contoso")
	after, ok := readFeed(t, d, http.MethodGet, address).event(t, "Terraform; renamed, \\ with signs (contoso)")
	if !ok || after.Props.Get("UID").Value != before.Props.Get("UID").Value || after.Props.Get("SEQUENCE").Value != "1" {
		t.Errorf("renamed: %v %+v", ok, after)
	}
	b.Open(d.url + "/tokens?organization=contoso&q=Terraform").Click("Terraform; renamed, \\ with signs").Click("Revoke").Press("Revoke")
	if readFeed(t, d, http.MethodGet, address).has(t, "Terraform") {
		t.Error("a revoked token is still in the calendar")
	}
	d.sim.AddToken(simulator.Token{DisplayName: "made elsewhere", Organization: "fabrikam", Owner: simulator.Mona, Scope: "vso.wiki", ValidTo: time.Now().AddDate(0, 1, 0)})
	if readFeed(t, d, http.MethodGet, address).has(t, "made elsewhere") {
		t.Error("the calendar knows what nobody has looked at")
	}
	whole(t, b, d.url+"/overview?retry=")
	whole(t, b, d.url+"/overview")
	if !readFeed(t, d, http.MethodGet, address).has(t, "made elsewhere") {
		t.Error("a token made elsewhere isn't in the calendar after looking")
	}
	d.sim.SetFault("serverError500", simulator.FaultOptions{Organization: "fabrikam"})
	d.sim.SetFault("notFound", simulator.FaultOptions{Organization: "northwind-labs"})
	b.Open(d.url + "/overview?retry=")
	whole(t, b, d.url+"/overview")
	feed := readFeed(t, d, http.MethodGet, address)
	if !feed.has(t, "made elsewhere") || feed.has(t, "Symbol server") {
		t.Error("an organization that fails keeps its entries, one that is gone doesn't")
	}
}

// Nobody looks: the calendar says that it is out of date, then runs dry, and fills again with the next visit.
func TestCalendarThatNobodyRefreshes(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	o := seeded()
	o.now, o.sim.Now, o.sim.AccessTokenLifetime = clock.now, clock.now, 400*24*time.Hour
	d := startDesk(t, o)
	address := newCalendar(t, d.signedIn(mona), d.url)
	clock.move(13 * 24 * time.Hour)
	fresh := readFeed(t, d, http.MethodGet, address)
	if fresh.has(t, "Sign in to patdesk") {
		t.Error("after 13 days it complains already")
	}
	clock.move(2 * 24 * time.Hour)
	stale := readFeed(t, d, http.MethodGet, address)
	reminder, ok := stale.event(t, "Sign in to patdesk: the calendar of your tokens is out of date")
	if !ok || !stale.has(t, "Terraform") || reminder.Props.Get("DTSTART").Value != clock.now().UTC().Format("20060102") || stale.header.Get("ETag") == fresh.header.Get("ETag") {
		t.Errorf("after 15 days: %v %+v", ok, reminder)
	}
	if text, _ := reminder.Props.Text("DESCRIPTION"); !strings.Contains(text, d.url+"/overview") {
		t.Errorf("the reminder says %q", text)
	}
	clock.move(76 * 24 * time.Hour)
	dry := readFeed(t, d, http.MethodGet, address)
	if dry.status != http.StatusGone || !strings.Contains(dry.body, "run dry") || !strings.Contains(dry.body, d.url) || strings.Contains(dry.body, "Terraform") {
		t.Errorf("after 91 days: %d\n%s", dry.status, dry.body)
	}
	b := d.signedInAt(mona, "/calendar") // and no list
	if !strings.Contains(b.Text(), "has run dry") {
		t.Errorf("%s", b.Text())
	}
	whole(t, b, d.url+"/overview")
	if !readFeed(t, d, http.MethodGet, address).has(t, "Terraform") {
		t.Error("a visit doesn't fill it again")
	}
	clock.move(181 * 24 * time.Hour)
	if got := readFeed(t, d, http.MethodGet, address); got.status != http.StatusNotFound {
		t.Errorf("after half a year: %d", got.status)
	}
}

var calendarInLog = regexp.MustCompile(`calendar/[^"\s]*`)

// Addresses that aren't whole, too long, or made up lead nowhere; none of them, and no whole one, gets into the log.
func TestCalendarAddressesOfStrangers(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	address := newCalendar(t, b, d.url)
	capability := strings.Split(strings.TrimPrefix(address, d.url), "/")[2]
	calls, answers := len(d.sim.Requests()), map[string]bool{}
	for _, path := range []string{
		"/calendar/" + capability[:63] + "/tokens.ics", "/calendar/" + capability + "A/tokens.ics", "/calendar/" + strings.Repeat("A", 64) + "/tokens.ics", "/calendar/" + capability[:22] + strings.Repeat("A", 42) + "/tokens.ics",
		"/calendar/" + strings.ToLower(capability) + "/tokens.ics", "/calendar/x/tokens.ics", "/calendar/%00/tokens.ics", "/calendar/" + strings.Repeat("a", 20_000) + "/tokens.ics", "/calendar/%2e%2e/tokens.ics", "/calendar/..%2f..%2fkeys/tokens.ics",
		"/calendar/" + capability, "/calendar/" + capability + "/", "/calendar/" + capability + "/tokens", "/calendar/" + capability + "/tokens.ics/", "/calendar/" + capability + "/../tokens.ics", "//calendar/" + capability + "/tokens.ics", "/CALENDAR/" + capability + "/tokens.ics",
		"/calendar//" + capability + "/tokens.ics", "/x/calendar/" + capability + "/tokens.ics", "/calendar/" + capability + "%2ftokens.ics", "/calendar%2f" + capability + "/tokens.ics", "/calendar/make/" + capability, "/calendar/" + url.PathEscape("🤖") + "/tokens.ics",
	} {
		got := readFeed(t, d, http.MethodGet, d.url+path)
		if got.status != http.StatusNotFound || strings.Contains(got.body, "Terraform") || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%.100s: %d\n%.200s", path, got.status, got.body)
		}
		if got.header.Get("Content-Type") == "text/plain; charset=utf-8" {
			answers[got.body] = true
		}
	}
	if len(answers) != 1 {
		t.Errorf("strangers can tell addresses apart by %d answers", len(answers))
	}
	if len(d.sim.Requests()) != calls {
		t.Error("a stranger made patdesk call a service")
	}
	readFeed(t, d, http.MethodGet, address)
	log := d.log.String()
	for _, piece := range []string{capability, strings.ToLower(capability), capability[:40], capability[24:]} {
		if strings.Contains(log, piece) {
			t.Errorf("the log holds %q of the address", piece)
		}
	}
	for _, found := range calendarInLog.FindAllString(log, -1) {
		if !slices.Contains([]string{"calendar/…", "calendar/make", "calendar/{address}/tokens.ics"}, found) {
			t.Errorf("the log says %q", found)
		}
	}
	if !strings.Contains(log, "/calendar/{address}/tokens.ics") {
		t.Error("the log doesn't say that the calendar was read")
	}
}

// Below a path, over two programs that share a store; and each person has their own.
func TestCalendarBelowAPath(t *testing.T) {
	t.Parallel()
	f, desks := startBehind(t, place{https: true, path: "/pat"}, 2, seeded())
	b := desks[0].signedInAt(mona, "/changes")
	address := newCalendar(t, b, f.url)
	for range 2 {
		feed := readFeed(t, desks[0], http.MethodGet, address)
		e, ok := feed.event(t, "Terraform")
		if uri, err := e.Props.URI("URL"); !ok || err != nil || !strings.HasPrefix(uri.String(), f.url+"/tokens/contoso/") {
			t.Errorf("%v: the entry leads to %s, %v", ok, uri, err)
		}
	}
	theirs := newCalendar(t, desks[0].signedInAt(jonas, "/changes"), f.url)
	if feed := readFeed(t, desks[0], http.MethodGet, theirs); theirs == address || feed.has(t, "Terraform") {
		t.Error("somebody else's calendar shows Mona's tokens")
	}
	for _, d := range desks {
		if strings.Contains(d.log.String(), strings.Split(address, "/")[5]) {
			t.Error("the address is in the log")
		}
	}
}

func TestCalendarInRedis(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, "redis://"+redistest.Start(t).Addr, 2)
	b := webtest.New(t, r.sim.Client().Transport).Open(r.front.URL + "/sign-in?return=/calendar")
	signIn(b, mona)
	address := newCalendar(t, b, r.front.URL)
	for range 4 {
		if !readFeed(t, r.desks[0], http.MethodGet, address).has(t, "Terraform") {
			t.Error("one of the replicas doesn't know the calendar")
		}
	}
	b.Open(r.front.URL + "/calendar").Press("Revoke the address")
	for range 4 {
		if got := readFeed(t, r.desks[0], http.MethodGet, address); got.status != http.StatusNotFound {
			t.Errorf("one of the replicas still opens it: %d", got.status)
		}
	}
}

// Names that would disturb a calendar file or their neighbours in it.
func TestCalendarOfStrangeNames(t *testing.T) {
	t.Parallel()
	d := startDesk(t, deskOptions{sim: many(1)})
	strange := map[string]string{
		strings.Repeat("n", 1000):            strings.Repeat("n", 149) + "…",
		"one\r\nBEGIN:VEVENT\r\nUID:planted": "one  BEGIN:VEVENT  UID:planted",
		"اسم الرمز":                          "\u2068اسم الرمز\u2069",
		"\u202eevil\u2066":                   "evil",
		"a;b,c\\d":                           "a;b,c\\d",
		"  ":                                 "(no name)",
		"🤖 build":                            "🤖 build",
		"=1+1":                               "=1+1",
	}
	for name := range strange {
		d.sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Owner: simulator.Mona, Scope: "vso.code", ValidTo: time.Now().AddDate(0, 0, 40)})
	}
	events := readFeed(t, d, http.MethodGet, newCalendar(t, d.signedIn(mona), d.url)).events(t)
	if len(events) != len(strange) {
		t.Errorf("%d entries", len(events))
	}
	for name, want := range strange {
		if _, ok := events["Token expires: "+want+" (org-01)"]; !ok {
			t.Errorf("%.40q isn't there as %.40q", name, want)
		}
	}
}
