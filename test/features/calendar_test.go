package features

import (
	"context"
	"fmt"
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
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

func TestCalendarHasEveryExpiryOnce(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	address := apptest.NewCalendar(t, b, d.URL)
	feed := apptest.ReadFeed(t, d, http.MethodGet, address)
	events := feed.Events(t)
	active := apptest.OpenWhole(t, b, d.URL+"/tokens?rows=all").Page.Find("#token-rows tr").Length()
	ends := 0
	for title := range events {
		if strings.HasPrefix(title, "Token expires: ") {
			ends++
		}
	}
	if ends != active || active < 20 {
		t.Errorf("%d ends for %d active tokens", ends, active)
	}
	e, ok := events["Token expires: Terraform (contoso)"]
	if !ok {
		t.Fatalf("no Terraform in %q", slices.Collect(keysOf(events)))
	}
	b.Open(d.URL + "/tokens?q=Terraform&is=high")
	link := b.Page.Find("#token-rows a").First().AttrOr("href", "")
	shown := b.Page.Find("#token-rows time").Last().AttrOr("datetime", "")
	start, err := e.DateTimeStart(time.UTC)
	if uri, _ := e.Props.URI("URL"); err != nil || uri.String() != d.URL+link || start.Format(time.RFC3339) != shown {
		t.Errorf("the entry leads to %s at %s (%v), the page has %s, %s", uri, start, err, d.URL+link, shown)
	}
	if len(e.Children) != 0 || e.Props.Get("DTEND") == nil || e.Props.Get("CLASS") != nil || e.Props.Get("LAST-MODIFIED") == nil || e.Props.Get("SEQUENCE").Value != "0" {
		t.Errorf("%+v", e)
	}
	global, ok := events["Token expires: vsce publish (All organizations)"]
	if start, _ := global.DateTimeStart(time.UTC); !ok || !start.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the global token's entry, %v, is at %s", ok, start)
	}
	for _, secret := range append([]string{"vso.", "app_token", apptest.Mona, "Work Items", "Full access", strings.Split(address, "/")[4]}, d.Sim.Secrets()...) {
		if strings.Contains(feed.Body, secret) {
			t.Errorf("the calendar holds %q", secret)
		}
	}
	if strings.Contains(feed.Body, "Leaked in a screenshot") || strings.Contains(feed.Body, "Sprint report") {
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

// Most programs leave alarms of a subscribed calendar out: reminders are entries of their own, by the life of the token.
func TestCalendarReminds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	o := apptest.Options{Sim: apptest.ManyTokens(1)}
	o.Now, o.Sim.Now = clock, clock
	d := apptest.Start(t, o)
	lives := map[string][]time.Duration{"a year": {168 * time.Hour, 24 * time.Hour}, "two weeks": {84 * time.Hour, 24 * time.Hour}, "a week": {24 * time.Hour}, "a day": {6 * time.Hour}}
	for name, days := range map[string]int{"a year": 365, "two weeks": 14, "a week": 7, "a day": 1} {
		d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Owner: simulator.Mona, Scope: "vso.code", ValidFrom: now, ValidTo: now.AddDate(0, 0, days)})
	}
	address := apptest.NewCalendar(t, d.SignedIn(apptest.Mona), d.URL)
	feed := apptest.ReadFeed(t, d, http.MethodGet, address)
	for name, ahead := range lives {
		end, _ := feed.Event(t, name)
		ends, err := end.DateTimeStart(time.UTC)
		reminders := feed.Reminders(t, name)
		if err != nil || len(reminders) != len(ahead) {
			t.Errorf("%s: %d reminders, %v", name, len(reminders), err)
			continue
		}
		for i, reminder := range reminders {
			start, _ := reminder.DateTimeStart(time.UTC)
			stops, err := reminder.DateTimeEnd(time.UTC)
			if ends.Sub(start) != ahead[i] || !stops.After(start) || err != nil {
				t.Errorf("%s: a reminder %s ahead, until %s, %v", name, ends.Sub(start), stops, err)
			}
		}
	}
	if uid := feed.Reminders(t, "a year")[0].Props.Get("UID").Value; uid != apptest.ReadFeed(t, d, http.MethodGet, address).Reminders(t, "a year")[0].Props.Get("UID").Value {
		t.Error("a reminder changes its UID")
	}
}

// Tokens that no entry can stand for are counted, in the calendar and on its page.
func TestCalendarCountsWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	for _, member := range []string{`validTo:"some day"`, `authorizationId:null`} {
		d, b := withOdd(t)
		d.Sim.SetFault("oddMember", simulator.FaultOptions{Call: simulator.CallList, Value: member})
		feed := apptest.ReadFeed(t, d, http.MethodGet, apptest.NewCalendar(t, b, d.URL))
		if text := strings.ReplaceAll(feed.Body, "\r\n ", ""); feed.Has(t, "odd one") || !feed.Has(t, "plain one") || !strings.Contains(text, "One token is left out\\, as its end or ID isn't known") {
			t.Errorf("%s: the calendar: %s", member, feed.Body)
		}
		if b.Open(d.URL + "/calendar"); !strings.Contains(b.Text(), "One token isn't in it, as its end or ID isn't known") {
			t.Errorf("%s: the page: %s", member, b.Text())
		}
	}
}

// A calendar without tokens is still one.
func TestCalendarWithNothingInIt(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(1)})
	feed := apptest.ReadFeed(t, d, http.MethodGet, apptest.NewCalendar(t, d.SignedIn(apptest.Mona), d.URL))
	if len(feed.Events(t)) != 0 || !strings.Contains(feed.Body, "BEGIN:VTIMEZONE\r\nTZID:UTC\r\nBEGIN:STANDARD\r\n") {
		t.Errorf("%s", feed.Body)
	}
}

// What HTTP asks of something that is read again and again: no session, no cookie, HEAD, and nothing sent twice.
func TestCalendarOverHTTP(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	address := apptest.NewCalendar(t, b, d.URL)
	whole := apptest.ReadFeed(t, d, http.MethodGet, address, "Cookie", apptest.SessionCookie(t, b, d.URL).String())
	tag := whole.Header.Get("ETag")
	if whole.Status != http.StatusOK || tag == "" || whole.Header.Get("Cache-Control") != "private, no-cache" || whole.Header.Get("Content-Length") != fmt.Sprint(len(whole.Body)) {
		t.Errorf("%d %v", whole.Status, whole.Header)
	}
	if head := apptest.ReadFeed(t, d, http.MethodHead, address); head.Status != http.StatusOK || head.Body != "" || head.Header.Get("ETag") != tag || head.Header.Get("Content-Length") != fmt.Sprint(len(whole.Body)) {
		t.Errorf("HEAD: %d %v", head.Status, head.Header)
	}
	if link := apptest.MadeAddress(b); b.Page.Find(`a[href^="webcal:"]`).AttrOr("href", "") != "webcal"+strings.TrimPrefix(link, "http") {
		t.Errorf("no link that a calendar program opens to %s", link)
	}
	for _, query := range []string{"?", "?nocache=1732870000", "?a=b&c=%ff", "?" + strings.Repeat("x", 2000)} { // programs add what they like
		got := apptest.ReadFeed(t, d, http.MethodGet, address+query)
		head := apptest.ReadFeed(t, d, http.MethodHead, address+query)
		if got.Status != http.StatusOK || got.Body != whole.Body || head.Status != http.StatusOK || head.Header.Get("ETag") != tag {
			t.Errorf("%.20s: %d, HEAD %d", query, got.Status, head.Status)
		}
	}
	for _, known := range []string{tag, strings.TrimPrefix(tag, "W/"), `"other", ` + tag, "*"} {
		if same := apptest.ReadFeed(t, d, http.MethodGet, address, "If-None-Match", known); same.Status != http.StatusNotModified || same.Body != "" || same.Header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d %v", known, same.Status, same.Header)
		}
	}
	if other := apptest.ReadFeed(t, d, http.MethodGet, address, "If-None-Match", `"other"`); other.Status != http.StatusOK || other.Body != whole.Body {
		t.Errorf("If-None-Match with another tag: %d", other.Status)
	}
	// Reminders say much the same.
	packed := apptest.ReadFeed(t, d, http.MethodGet, address, "Accept-Encoding", "gzip")
	if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("ETag") != tag || len(packed.Body) > len(whole.Body)/3 {
		t.Errorf("compressed: %d of %d bytes, %v", len(packed.Body), len(whole.Body), packed.Header)
	}
	if same := apptest.ReadFeed(t, d, http.MethodGet, address, "Accept-Encoding", "gzip", "If-None-Match", tag); same.Status != http.StatusNotModified {
		t.Errorf("If-None-Match, compressed: %d", same.Status)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, "PROPFIND", http.MethodOptions} {
		if got := apptest.ReadFeed(t, d, method, address); got.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, got.Status)
		}
	}
	calls := len(d.Sim.Requests())
	for range 20 {
		apptest.ReadFeed(t, d, http.MethodGet, address)
	}
	if len(d.Sim.Requests()) != calls {
		t.Error("reading a calendar calls a service")
	}
	if strings.Contains(d.Log.String(), "Set-Cookie") || whole.Header.Get("Set-Cookie") != "" {
		t.Error("a calendar program gets a cookie")
	}
	if b.Open(d.URL + "/calendar"); !strings.Contains(b.Text(), "Google-Calendar-Importer, from 127.0.0.1") {
		t.Errorf("the page doesn't say who reads it:\n%s", b.Text())
	}
}

// The address lives by itself: sessions come and go. It ends when it is revoked or replaced, at once and for good.
func TestCalendarAddressLivesUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/sessions"
	o := apptest.Seeded()
	sim := simulator.New(o.Sim)
	if err := sim.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	o.Env = map[string]string{"SESSION_KEYS": apptest.CanaryKey}
	d := apptest.StartOn(t, sim, o, dir)
	b := d.SignedIn(apptest.Mona)
	path := strings.TrimPrefix(apptest.NewCalendar(t, b, d.URL), d.URL)
	d.SignedIn(apptest.Mona).Open(d.URL + "/sessions").Press("End all my other sessions")
	b = d.SignedIn(apptest.Mona)
	b.Open(d.URL + "/sign-out").Press("Sign out")
	_ = d.Stop()
	d = apptest.StartOn(t, sim, o, dir)
	if feed := apptest.ReadFeed(t, d, http.MethodGet, d.URL+path); !feed.Has(t, "Terraform") {
		t.Errorf("after the sessions ended and a restart: %d", feed.Status)
	}
	b = d.SignedIn(apptest.Mona)
	if b.Open(d.URL + "/calendar"); strings.Contains(b.Body, path) || apptest.MadeAddress(b) != "" {
		t.Error("the address is shown again")
	}
	_, at, form := b.Form("Make a new address")
	next := apptest.NewCalendar(t, b, d.URL)
	if apptest.ReadFeed(t, d, http.MethodGet, d.URL+path).Status != http.StatusNotFound || !apptest.ReadFeed(t, d, http.MethodGet, next).Has(t, "Terraform") {
		t.Error("the new address doesn't take the old one's place")
	}
	if again := b.Twin().Post(at.String(), form); apptest.MadeAddress(again) != next && again.Status != http.StatusConflict {
		t.Errorf("a form that was drawn before: %d %q", again.Status, apptest.MadeAddress(again))
	}
	if !apptest.ReadFeed(t, d, http.MethodGet, next).Has(t, "Terraform") {
		t.Error("an old form ended the newer address")
	}
	_, at, form = b.Open(d.URL + "/calendar").Form("Revoke the address")
	if b.Press("Revoke the address"); !strings.Contains(b.Text(), "is revoked") || b.Has("button", "Revoke the address") {
		t.Errorf("%s", b.Text())
	}
	if got := apptest.ReadFeed(t, d, http.MethodGet, next); got.Status != http.StatusNotFound || strings.Contains(got.Body, "Terraform") {
		t.Errorf("a revoked address: %d", got.Status)
	}
	third := apptest.NewCalendar(t, b, d.URL)
	if b.Twin().Post(at.String(), form); !apptest.ReadFeed(t, d, http.MethodGet, third).Has(t, "Terraform") {
		t.Error("an old form revoked a newer address")
	}
}

// One form makes one address, however often and however quickly it is sent.
func TestCalendarFormSentTwice(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona).Open(d.URL + "/calendar")
	_, at, form := b.Form("Make an address")
	shown := make(chan string)
	for range 8 {
		tab := b.Twin()
		go func() { shown <- apptest.MadeAddress(tab.Post(at.String(), form)) }()
	}
	first := <-shown
	for range 7 {
		if next := <-shown; next != first {
			t.Errorf("one answer shows %q, another %q", first, next)
		}
	}
	if first == "" || !apptest.ReadFeed(t, d, http.MethodGet, first).Has(t, "Terraform") {
		t.Errorf("%q isn't the calendar", first)
	}
	for name, forged := range map[string]url.Values{
		"no form": {}, "nonsense": {"form": {"x"}, "mark": {form.Get("mark")}}, "for another state": {"form": {form.Get("form")}, "mark": {"other"}},
	} {
		if got := b.Twin().Post(at.String(), forged); got.Status != http.StatusForbidden || apptest.MadeAddress(got) != "" {
			t.Errorf("%s: %d %q", name, got.Status, apptest.MadeAddress(got))
		}
	}
	theirs := d.SignedIn(apptest.Jonas).Post(at.String(), form)
	if theirs.Status != http.StatusForbidden || apptest.MadeAddress(theirs) != "" || !apptest.ReadFeed(t, d, http.MethodGet, first).Has(t, "Terraform") {
		t.Errorf("somebody else's form: %d", theirs.Status)
	}
}

// What changes through patdesk, or elsewhere, is in the calendar after the next look; what keeps its place in the world
// keeps its UID.
func TestCalendarFollowsWhatItsOwnerSees(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	address := apptest.NewCalendar(t, b, d.URL)
	before, _ := apptest.ReadFeed(t, d, http.MethodGet, address).Event(t, "Terraform")
	b.Open(d.URL+"/tokens?organization=contoso&q=Terraform").Click("Terraform").Click("Edit").Fill("Name", "Terraform; renamed, \\ with signs").Press("Save changes")
	b.Open(d.URL + "/tokens?organization=contoso")
	after, ok := apptest.ReadFeed(t, d, http.MethodGet, address).Event(t, "Terraform; renamed, \\ with signs (contoso)")
	if !ok || after.Props.Get("UID").Value != before.Props.Get("UID").Value || after.Props.Get("SEQUENCE").Value != "1" {
		t.Errorf("renamed: %v %+v", ok, after)
	}
	b.Open(d.URL + "/tokens?organization=contoso&q=Terraform").Click("Terraform; renamed, \\ with signs").Click("Revoke").Press("Revoke")
	if apptest.ReadFeed(t, d, http.MethodGet, address).Has(t, "Terraform") {
		t.Error("a revoked token is still in the calendar")
	}
	d.Sim.AddToken(simulator.Token{DisplayName: "made elsewhere", Organization: "fabrikam", Owner: simulator.Mona, Scope: "vso.wiki", ValidTo: time.Now().AddDate(0, 1, 0)})
	if apptest.ReadFeed(t, d, http.MethodGet, address).Has(t, "made elsewhere") {
		t.Error("the calendar knows what nobody has looked at")
	}
	apptest.OpenWhole(t, b, d.URL+"/tokens?retry=")
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if !apptest.ReadFeed(t, d, http.MethodGet, address).Has(t, "made elsewhere") {
		t.Error("a token made elsewhere isn't in the calendar after looking")
	}
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Organization: "fabrikam"})
	d.Sim.SetFault("notFound", simulator.FaultOptions{Organization: "northwind-labs"})
	b.Open(d.URL + "/tokens?retry=")
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	feed := apptest.ReadFeed(t, d, http.MethodGet, address)
	if !feed.Has(t, "made elsewhere") || feed.Has(t, "Symbol server") {
		t.Error("an organization that fails keeps its entries, one that is gone doesn't")
	}
}

// Nobody looks: the calendar says that it is out of date, then runs dry, and fills again with the next visit.
func TestCalendarThatIsNotRefreshed(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	o := apptest.Seeded()
	o.Now, o.Sim.Now, o.Sim.AccessTokenLifetime = clock.Now, clock.Now, 400*24*time.Hour
	d := apptest.Start(t, o)
	address := apptest.NewCalendar(t, d.SignedIn(apptest.Mona), d.URL)
	clock.Move(13 * 24 * time.Hour)
	fresh := apptest.ReadFeed(t, d, http.MethodGet, address)
	if fresh.Has(t, "Sign in to patdesk") {
		t.Error("after 13 days it complains already")
	}
	clock.Move(2 * 24 * time.Hour)
	stale := apptest.ReadFeed(t, d, http.MethodGet, address)
	reminder, ok := stale.Event(t, "Sign in to patdesk: the calendar of your tokens is out of date")
	if !ok || !stale.Has(t, "Terraform") || reminder.Props.Get("DTSTART").Value != clock.Now().UTC().Format("20060102") || stale.Header.Get("ETag") == fresh.Header.Get("ETag") {
		t.Errorf("after 15 days: %v %+v", ok, reminder)
	}
	if text, _ := reminder.Props.Text("DESCRIPTION"); !strings.Contains(text, d.URL+"/overview") {
		t.Errorf("the reminder says %q", text)
	}
	clock.Move(76 * 24 * time.Hour)
	dry := apptest.ReadFeed(t, d, http.MethodGet, address)
	if dry.Status != http.StatusGone || !strings.Contains(dry.Body, "out of date") || !strings.Contains(dry.Body, d.URL) || strings.Contains(dry.Body, "Terraform") {
		t.Errorf("after 91 days: %d\n%s", dry.Status, dry.Body)
	}
	b := d.SignedInAt(apptest.Mona, "/calendar") // and no list
	if !strings.Contains(b.Text(), "is out of date") {
		t.Errorf("%s", b.Text())
	}
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if !apptest.ReadFeed(t, d, http.MethodGet, address).Has(t, "Terraform") {
		t.Error("a visit doesn't fill it again")
	}
	clock.Move(181 * 24 * time.Hour)
	if got := apptest.ReadFeed(t, d, http.MethodGet, address); got.Status != http.StatusNotFound {
		t.Errorf("after half a year: %d", got.Status)
	}
}

var calendarInLog = regexp.MustCompile(`calendar/[^"\s]*`)

// Addresses that aren't whole, too long, or made up lead nowhere; none of them, and no whole one, gets into the log.
func TestCalendarAddressesOfStrangers(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	address := apptest.NewCalendar(t, b, d.URL)
	capability := strings.Split(strings.TrimPrefix(address, d.URL), "/")[2]
	calls, answers := len(d.Sim.Requests()), map[string]bool{}
	for _, path := range []string{
		"/calendar/" + capability[:63] + "/tokens.ics", "/calendar/" + capability + "A/tokens.ics", "/calendar/" + strings.Repeat("A", 64) + "/tokens.ics", "/calendar/" + capability[:22] + strings.Repeat("A", 42) + "/tokens.ics",
		"/calendar/" + strings.ToLower(capability) + "/tokens.ics", "/calendar/x/tokens.ics", "/calendar/%00/tokens.ics", "/calendar/" + strings.Repeat("a", 20_000) + "/tokens.ics", "/calendar/%2e%2e/tokens.ics", "/calendar/..%2f..%2fkeys/tokens.ics",
		"/calendar/" + capability, "/calendar/" + capability + "/", "/calendar/" + capability + "/tokens", "/calendar/" + capability + "/tokens.ics/", "/calendar/" + capability + "/../tokens.ics", "//calendar/" + capability + "/tokens.ics", "/CALENDAR/" + capability + "/tokens.ics",
		"/calendar//" + capability + "/tokens.ics", "/x/calendar/" + capability + "/tokens.ics", "/calendar/" + capability + "%2ftokens.ics", "/calendar%2f" + capability + "/tokens.ics", "/calendar/make/" + capability, "/calendar/" + url.PathEscape("🤖") + "/tokens.ics", "/calendar/" + capability[:63] + "/metrics", "/calendar/" + capability + "/metrics/", "/calendar/" + strings.Repeat("A", 64) + "/tokens.json", "/calendar/" + capability + "A/tokens.atom",
	} {
		got := apptest.ReadFeed(t, d, http.MethodGet, d.URL+path)
		if got.Status != http.StatusNotFound || strings.Contains(got.Body, "Terraform") || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%.100s: %d\n%.200s", path, got.Status, got.Body)
		}
		if got.Header.Get("Content-Type") == "text/plain; charset=utf-8" {
			answers[got.Body] = true
		}
	}
	if len(answers) != 1 {
		t.Errorf("strangers can tell addresses apart by %d answers", len(answers))
	}
	if len(d.Sim.Requests()) != calls {
		t.Error("a stranger made patdesk call a service")
	}
	apptest.ReadFeed(t, d, http.MethodGet, address)
	log := d.Log.String()
	for _, piece := range []string{capability, strings.ToLower(capability), capability[:40], capability[24:]} {
		if strings.Contains(log, piece) {
			t.Errorf("the log holds %q of the address", piece)
		}
	}
	for _, found := range calendarInLog.FindAllString(log, -1) {
		if !strings.HasPrefix(found, "calendar/{address}/") && !slices.Contains([]string{"calendar/…", "calendar/make"}, found) {
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
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{Https: true, Path: "/pat"}, 2, apptest.Seeded())
	b := programs[0].SignedInAt(apptest.Mona, "/changes")
	address := apptest.NewCalendar(t, b, f.URL)
	for range 2 {
		feed := apptest.ReadFeed(t, programs[0], http.MethodGet, address)
		e, ok := feed.Event(t, "Terraform")
		if uri, err := e.Props.URI("URL"); !ok || err != nil || !strings.HasPrefix(uri.String(), f.URL+"/tokens/contoso/") {
			t.Errorf("%v: the entry leads to %s, %v", ok, uri, err)
		}
	}
	theirs := apptest.NewCalendar(t, programs[0].SignedInAt(apptest.Jonas, "/changes"), f.URL)
	if feed := apptest.ReadFeed(t, programs[0], http.MethodGet, theirs); theirs == address || feed.Has(t, "Terraform") {
		t.Error("somebody else's calendar shows Mona's tokens")
	}
	for _, d := range programs {
		if strings.Contains(d.Log.String(), strings.Split(address, "/")[5]) {
			t.Error("the address is in the log")
		}
	}
}

func TestCalendarInRedis(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, "redis://"+redistest.Start(t).Addr, 2)
	b := webtest.New(t, r.sim.Client().Transport).Open(r.front.URL + "/sign-in?return=/calendar")
	apptest.SignIn(b, apptest.Mona)
	address := apptest.NewCalendar(t, b, r.front.URL)
	for range 4 {
		if !apptest.ReadFeed(t, r.programs[0], http.MethodGet, address).Has(t, "Terraform") {
			t.Error("one of the replicas doesn't know the calendar")
		}
	}
	b.Open(r.front.URL + "/calendar").Press("Revoke the address")
	for range 4 {
		if got := apptest.ReadFeed(t, r.programs[0], http.MethodGet, address); got.Status != http.StatusNotFound {
			t.Errorf("one of the replicas still opens it: %d", got.Status)
		}
	}
}

// Names that would disturb a calendar file or their neighbours in it.
func TestCalendarOfStrangeNames(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(1)})
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
		d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Owner: simulator.Mona, Scope: "vso.code", ValidTo: time.Now().AddDate(0, 0, 40)})
	}
	events := apptest.ReadFeed(t, d, http.MethodGet, apptest.NewCalendar(t, d.SignedIn(apptest.Mona), d.URL)).Events(t)
	if len(events) != 3*len(strange) { // an end and two reminders
		t.Errorf("%d entries", len(events))
	}
	for name, want := range strange {
		if _, ok := events["Token expires: "+want+" (org-01)"]; !ok {
			t.Errorf("%.40q isn't there as %.40q", name, want)
		}
	}
}
