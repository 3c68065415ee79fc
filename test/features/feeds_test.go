package features

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// tokenList is tokens.json, as a program reads it that goes by docs/feeds.md.
type tokenList struct {
	Version       int
	Refreshed     time.Time
	Complete      bool
	Organizations []struct {
		Name                     string
		Read, Failed             time.Time
		Tokens, LeftOut, Undated int
	}
	Tokens []struct {
		AuthorizationID, Name, Organization, URL string
		Global                                   bool
		ValidFrom, Ends, Remind                  time.Time
	}
}

// readList reads tokens.json, and holds it against its schema, in which the test allows no member that isn't there.
func readList(t *testing.T, d *apptest.Program, address string) (list tokenList) {
	t.Helper()
	answer := apptest.ReadFeed(t, d, http.MethodGet, apptest.FeedFile(address, "tokens.json"))
	if answer.Status != http.StatusOK || answer.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Fatalf("%d %v\n%s", answer.Status, answer.Header, answer.Body)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(testkit.ReadFile(t, "docs/tokens.schema.json")))
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(schema)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	testkit.Must(t, compiler.AddResource("tokens.schema.json", schema))
	compiled, err := compiler.Compile("tokens.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	content, err := jsonschema.UnmarshalJSON(strings.NewReader(answer.Body))
	if err == nil {
		err = compiled.Validate(content)
	}
	if err == nil {
		err = json.Unmarshal([]byte(answer.Body), &list)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, answer.Body)
	}
	return list
}

// closeObjects forbids what a schema doesn't describe. The schema itself allows it, for releases to come.
func closeObjects(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		if schema["type"] == "object" {
			schema["additionalProperties"] = false
		}
		for _, part := range schema {
			closeObjects(part)
		}
	case []any:
		for _, part := range schema {
			closeObjects(part)
		}
	}
}

// metricSamples reads the metrics as Prometheus does, by name and label.
func metricSamples(t *testing.T, d *apptest.Program, address, name, label string) map[string][]float64 {
	t.Helper()
	answer := apptest.ReadFeed(t, d, http.MethodGet, apptest.FeedFile(address, "metrics"))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(answer.Body))
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("%d %v\n%s", answer.Status, err, answer.Body)
	}
	samples := map[string][]float64{}
	for _, m := range families[name].GetMetric() {
		key := ""
		for _, l := range m.Label {
			if l.GetName() == label {
				key = l.GetValue()
			}
		}
		samples[key] = append(samples[key], m.GetGauge().GetValue())
	}
	return samples
}

// atomFeed is a feed as a reader takes it. Every element is one of RFC 4287's, or Other has it.
type atomFeed struct {
	XMLName  xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Language string      `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	ID       []string    `xml:"http://www.w3.org/2005/Atom id"`
	Title    []string    `xml:"http://www.w3.org/2005/Atom title"`
	Subtitle []string    `xml:"http://www.w3.org/2005/Atom subtitle"`
	Updated  []string    `xml:"http://www.w3.org/2005/Atom updated"`
	Author   []string    `xml:"http://www.w3.org/2005/Atom author>name"`
	Links    []atomLink  `xml:"http://www.w3.org/2005/Atom link"`
	Entries  []atomEntry `xml:"http://www.w3.org/2005/Atom entry"`
	Other    []any       `xml:",any"`
}

type atomEntry struct {
	ID      []string   `xml:"http://www.w3.org/2005/Atom id"`
	Title   []string   `xml:"http://www.w3.org/2005/Atom title"`
	Updated []string   `xml:"http://www.w3.org/2005/Atom updated"`
	Links   []atomLink `xml:"http://www.w3.org/2005/Atom link"`
	Summary []string   `xml:"http://www.w3.org/2005/Atom summary"`
	Other   []any      `xml:",any"`
}

type atomLink struct {
	Rel     string `xml:"rel,attr"`
	Address string `xml:"href,attr"`
}

// readAtom reads the feed, and holds it against RFC 4287, section 4.
func readAtom(t *testing.T, d *apptest.Program, address string) (feed atomFeed, body string) {
	t.Helper()
	answer := apptest.ReadFeed(t, d, http.MethodGet, apptest.FeedFile(address, "tokens.atom"))
	if answer.Status != http.StatusOK || answer.Header.Get("Content-Type") != "application/atom+xml; charset=utf-8" {
		t.Fatalf("%d %v\n%s", answer.Status, answer.Header, answer.Body)
	}
	decoder := xml.NewDecoder(strings.NewReader(answer.Body))
	decoder.Strict = true
	if err := decoder.Decode(&feed); err != nil {
		t.Fatalf("%v\n%s", err, answer.Body)
	}
	ids := map[string]bool{}
	one := func(what string, id, title, updated []string, links []atomLink, other []any) {
		if len(id) != 1 || len(title) != 1 || len(updated) != 1 || title[0] == "" || ids[id[0]] || len(links) != 1 || links[0].Rel != "alternate" || len(other) != 0 {
			t.Errorf("%s: %q %q %q %v %v", what, id, title, updated, links, other)
			return
		}
		ids[id[0]] = true
		uri, err := url.Parse(id[0])
		page, linkErr := url.Parse(links[0].Address)
		if _, timeErr := time.Parse(time.RFC3339, updated[0]); err != nil || !uri.IsAbs() || linkErr != nil || !page.IsAbs() || timeErr != nil {
			t.Errorf("%s: %q %q %q", what, id, updated, links)
		}
	}
	one("feed", feed.ID, feed.Title, feed.Updated, feed.Links, feed.Other)
	for i, e := range feed.Entries {
		one(fmt.Sprint("entry ", i), e.ID, e.Title, e.Updated, e.Links, e.Other)
		if len(e.Summary) != 1 || e.Updated[0] > feed.Updated[0] || i > 0 && e.Updated[0] > feed.Entries[i-1].Updated[0] {
			t.Errorf("entry %d of %s, a feed of %s: %+v", i, e.Updated, feed.Updated, e)
		}
	}
	if len(feed.Author) != 1 || feed.Author[0] == "" || feed.Language == "" {
		t.Errorf("author %q, language %q", feed.Author, feed.Language)
	}
	return feed, answer.Body
}

// The four files say the same, each in its own way, and the page that makes the address shows all of them.
func TestFeedsSayWhatTheCalendarSays(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	address := apptest.NewCalendar(t, b, d.URL)
	for _, file := range apptest.FeedFiles {
		if n := b.Page.Find("code.secret").FilterFunction(func(_ int, s *goquery.Selection) bool { return s.Text() == apptest.FeedFile(address, file) }).Length(); n != 1 {
			t.Errorf("%s is shown %d times", file, n)
		}
	}
	list := readList(t, d, address)
	ends := 0
	for title := range apptest.ReadFeed(t, d, http.MethodGet, address).Events(t) {
		if strings.HasPrefix(title, "Token expires: ") {
			ends++
		}
	}
	expiries := metricSamples(t, d, address, "patdesk_token_expiry_timestamp_seconds", "authorization_id")
	if len(list.Tokens) != ends || len(expiries) != ends || ends < 20 || list.Version != 1 || !list.Complete || len(list.Organizations) != 3 {
		t.Errorf("%d in the list, %d metrics, %d in the calendar, %+v", len(list.Tokens), len(expiries), ends, list)
	}
	globals := 0
	for i, token := range list.Tokens {
		if got := expiries[token.AuthorizationID]; len(got) != 1 || got[0] != float64(token.Ends.Unix()) || i > 0 && token.Ends.Before(list.Tokens[i-1].Ends) {
			t.Errorf("%s ends %s, and %v in the metrics", token.Name, token.Ends, got)
		}
		if token.Global {
			globals++
			if token.Organization != "" || token.Ends.After(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("global: %+v", token)
			}
		}
	}
	if b.Open(list.Tokens[0].URL); b.Status != http.StatusOK || !strings.Contains(b.Text(), list.Tokens[0].Name) {
		t.Errorf("%s: %d", list.Tokens[0].URL, b.Status)
	}
	if every := metricSamples(t, d, address, "patdesk_token_expiry_timestamp_seconds", "organization"); globals == 0 || len(every["*"]) != globals || len(every["contoso"]) == 0 {
		t.Errorf("%d global tokens, %v", globals, every)
	}
	_, atom := readAtom(t, d, address)
	whole := atom + apptest.ReadFeed(t, d, http.MethodGet, apptest.FeedFile(address, "tokens.json")).Body + apptest.ReadFeed(t, d, http.MethodGet, apptest.FeedFile(address, "metrics")).Body
	for _, secret := range append([]string{"vso.", "app_token", apptest.Mona, "Work Items", "Leaked in a screenshot", strings.Split(address, "/")[4]}, d.Sim.Secrets()...) {
		if strings.Contains(whole, secret) {
			t.Errorf("they hold %q", secret)
		}
	}
}

// What HTTP asks of something that is read again and again holds for all files at the address, as do its limits and its
// revocation.
func TestFeedsOverHTTP(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	address := apptest.NewCalendar(t, b, d.URL)
	calls := len(d.Sim.Requests())
	for _, file := range apptest.FeedFiles {
		at := apptest.FeedFile(address, file)
		whole := apptest.ReadFeed(t, d, http.MethodGet, at)
		tag := whole.Header.Get("ETag")
		if whole.Status != http.StatusOK || tag == "" || whole.Header.Get("Cache-Control") != "private, no-cache" || whole.Header.Get("Set-Cookie") != "" || whole.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", file, whole.Status, whole.Header)
		}
		if head := apptest.ReadFeed(t, d, http.MethodHead, at); head.Status != http.StatusOK || head.Body != "" || head.Header.Get("ETag") != tag || head.Header.Get("Content-Length") != fmt.Sprint(len(whole.Body)) {
			t.Errorf("%s, HEAD: %d %v", file, head.Status, head.Header)
		}
		if same := apptest.ReadFeed(t, d, http.MethodGet, at+"?nocache=1", "If-None-Match", tag); same.Status != http.StatusNotModified || same.Body != "" {
			t.Errorf("%s, If-None-Match: %d", file, same.Status)
		}
		packed := apptest.ReadFeed(t, d, http.MethodGet, at, "Accept-Encoding", "gzip")
		if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("ETag") != tag || len(packed.Body) > len(whole.Body)/2 {
			t.Errorf("%s, compressed: %d of %d bytes, %v", file, len(packed.Body), len(whole.Body), packed.Header)
		}
		if got := apptest.ReadFeed(t, d, http.MethodPost, at); got.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s, POST: %d", file, got.Status)
		}
		spoken := file == "tokens.ics" || file == "tokens.atom"
		if vary := strings.Join(whole.Header.Values("Vary"), ","); spoken != (whole.Header.Get("Content-Language") == "en") || spoken != strings.Contains(vary, "Accept-Language") || (file == "metrics") != regexp.MustCompile(`\bAccept(,|$)`).MatchString(vary) {
			t.Errorf("%s: %q in %q", file, vary, whole.Header.Get("Content-Language"))
		}
	}
	open := apptest.ReadFeed(t, d, http.MethodGet, apptest.FeedFile(address, "metrics"), "Accept", "application/openmetrics-text;version=1.0.0,*/*;q=0.1")
	if !strings.HasPrefix(open.Header.Get("Content-Type"), "application/openmetrics-text; version=1.0.0; charset=utf-8") || !strings.HasSuffix(open.Body, "\n# EOF\n") {
		t.Errorf("OpenMetrics: %v\n%s", open.Header, open.Body)
	}
	if len(d.Sim.Requests()) != calls {
		t.Error("reading a file calls a service")
	}
	if log := d.Log.String(); strings.Contains(log, strings.Split(address, "/")[4]) || !strings.Contains(log, "/calendar/{address}/metrics") {
		t.Error("the log has the address, or doesn't say which file was read")
	}
	b.Open(d.URL + "/calendar").Press("Revoke the address")
	answers := map[string]bool{}
	for _, file := range apptest.FeedFiles {
		got := apptest.ReadFeed(t, d, http.MethodGet, apptest.FeedFile(address, file))
		unknown := apptest.ReadFeed(t, d, http.MethodGet, d.URL+"/calendar/x/"+file)
		answers[got.Body], answers[unknown.Body] = true, true
		if got.Status != http.StatusNotFound || unknown.Status != http.StatusNotFound {
			t.Errorf("%s, revoked: %d, unknown: %d", file, got.Status, unknown.Status)
		}
	}
	if len(answers) != 1 {
		t.Errorf("strangers can tell addresses apart by %d answers", len(answers))
	}
}

// What couldn't be read is said, with what was known before; so is a calendar that runs dry.
func TestFeedsSayWhatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	o := apptest.Seeded()
	o.Now, o.Sim.Now, o.Sim.AccessTokenLifetime = clock.Now, clock.Now, 400*24*time.Hour
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Organization: "northwind-labs"})
	address := apptest.NewCalendar(t, b, d.URL)
	if !strings.Contains(b.Text(), "The last attempt failed") {
		t.Errorf("the page doesn't say what couldn't be read:\n%s", b.Text())
	}
	if list := readList(t, d, address); list.Complete || list.Organizations[2].Name != "northwind-labs" || !list.Organizations[2].Read.IsZero() || list.Organizations[2].Failed.IsZero() || !list.Organizations[0].Failed.IsZero() {
		t.Errorf("%+v", list.Organizations)
	}
	clock.Move(time.Hour)
	d.Sim.ClearFaults()
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Organization: "fabrikam"})
	apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	success := metricSamples(t, d, address, "patdesk_organization_read_success", "organization")
	read := metricSamples(t, d, address, "patdesk_organization_read_timestamp_seconds", "organization")
	if success["fabrikam"][0] != 0 || success["northwind-labs"][0] != 1 || read["northwind-labs"][0]-read["fabrikam"][0] < 3000 {
		t.Errorf("%v %v", success, read)
	}
	if held := metricSamples(t, d, address, "patdesk_token_expiry_timestamp_seconds", "organization"); len(held["fabrikam"]) == 0 {
		t.Error("an organization that fails loses its tokens")
	}
	clock.Move(15 * 24 * time.Hour)
	stale, _ := readAtom(t, d, address)
	if i := slices.IndexFunc(stale.Entries, func(e atomEntry) bool { return strings.Contains(e.Title[0], "Sign in to patdesk") }); i < 0 || stale.Entries[i].Links[0].Address != d.URL+"/overview" {
		t.Errorf("%+v", stale.Entries)
	}
	clock.Move(24 * time.Hour)
	if next, _ := readAtom(t, d, address); next.Entries[0].ID[0] != stale.Entries[0].ID[0] && len(next.Entries) == len(stale.Entries) {
		t.Errorf("the reminder of a stale feed comes again: %+v", next.Entries[0])
	}
	clock.Move(75 * 24 * time.Hour)
	for _, file := range apptest.FeedFiles {
		if dry := apptest.ReadFeed(t, d, http.MethodGet, apptest.FeedFile(address, file)); dry.Status != http.StatusGone || strings.Contains(dry.Body, "Terraform") {
			t.Errorf("%s after 91 days: %d\n%s", file, dry.Status, dry.Body)
		}
	}
}

// The feed shows reminders when their time has come, once, and is as it was until something changes.
func TestAtomFeedOfWhatIsAboutToExpire(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	clock := testkit.NewClockAt(start)
	o := apptest.Options{Sim: apptest.ManyTokens(1)}
	o.Now, o.Sim.Now, o.Sim.AccessTokenLifetime = clock.Now, clock.Now, 400*24*time.Hour
	d := apptest.Start(t, o)
	for name, days := range map[string]int{"soon <&>": 12, "later": 300} {
		d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Owner: simulator.Mona, Scope: "vso.code", ValidFrom: start.AddDate(0, -6, 0), ValidTo: start.AddDate(0, 0, days)})
	}
	address := apptest.NewCalendar(t, d.SignedIn(apptest.Mona), d.URL)
	empty, _ := readAtom(t, d, address)
	if len(empty.Entries) != 0 || empty.Updated[0] != start.Format(time.RFC3339) {
		t.Errorf("%+v", empty)
	}
	clock.Move(6 * 24 * time.Hour)
	first, body := readAtom(t, d, address)
	due := start.AddDate(0, 0, 5).Format(time.RFC3339)
	if len(first.Entries) != 1 || first.Entries[0].Title[0] != "Token expires in 7 days: soon <&> (org-01)" || first.Entries[0].Updated[0] != due || !strings.Contains(first.Entries[0].Summary[0], "on 14 Mar 2026 at 09:30") || first.Updated[0] != due {
		t.Fatalf("%+v", first)
	}
	apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	if _, again := readAtom(t, d, address); again != body {
		t.Errorf("a visit that found nothing new changes the feed:\n%s\n%s", body, again)
	}
	clock.Move(time.Hour)
	b := d.SignedIn(apptest.Mona).Open(d.URL+"/tokens?organization=org-01&q=soon").Click("soon <&>").Click("Edit").Fill("Name", "renamed").Press("Save changes")
	clock.Move(time.Minute)
	b.Open(d.URL + "/tokens?organization=org-01")
	renamed, _ := readAtom(t, d, address)
	if renamed.ID[0] != first.ID[0] || renamed.Entries[0].ID[0] != first.Entries[0].ID[0] || renamed.Entries[0].Title[0] != "Token expires in 6 days: renamed (org-01)" || renamed.Entries[0].Updated[0] <= due {
		t.Errorf("renamed: %+v", renamed)
	}
	b.Open(d.URL + "/calendar").Press("한국어").Press("한국어로 작성")
	if spoken, _ := readAtom(t, d, address); spoken.Language != "ko" || !strings.Contains(spoken.Entries[0].Title[0], "토큰 만료 6일\u00a0후: renamed") || spoken.Entries[0].ID[0] != first.Entries[0].ID[0] {
		t.Errorf("%+v", spoken)
	}
	b.Open(d.URL + "/calendar").Press("English").Press("Write them in English")
	clock.Move(7 * 24 * time.Hour)
	over, _ := readAtom(t, d, address)
	if len(over.Entries) != 3 || over.Entries[0].Title[0] != "Token expires: renamed (org-01)" || over.Entries[1].Title[0] != "Token expires in 1 day: renamed (org-01)" || over.Entries[2].ID[0] != first.Entries[0].ID[0] {
		t.Errorf("after its end: %+v", over.Entries)
	}
}

// Names that would disturb a file, or another token in it.
func TestFeedsOfStrangeNames(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(1)})
	strange := map[string]string{
		strings.Repeat("n", 1000): strings.Repeat("n", 149) + "…", "one\nTYPE x": "one TYPE x", `"} 1`: `"} 1`, `back\slash`: `back\slash`, "اسم": "اسم",
		"</title><script>": "</title><script>", "]]>&amp;": "]]>&amp;", "  ": "  ", "🤖": "🤖", "# EOF": "# EOF",
	}
	for name := range strange {
		for range 2 { // names repeat
			d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Owner: simulator.Mona, Scope: "vso.code", ValidFrom: time.Now().AddDate(-1, 0, 0), ValidTo: time.Now().AddDate(0, 0, 3)})
		}
	}
	address := apptest.NewCalendar(t, d.SignedIn(apptest.Mona), d.URL)
	list, metrics := readList(t, d, address), metricSamples(t, d, address, "patdesk_token_expiry_timestamp_seconds", "name")
	atom, _ := readAtom(t, d, address)
	if len(list.Tokens) != 2*len(strange) || len(metrics) != len(strange) {
		t.Errorf("%d tokens, %d names in the metrics", len(list.Tokens), len(metrics))
	}
	titles := ""
	for _, e := range atom.Entries {
		titles += e.Title[0] + "\n"
	}
	for name, want := range strange {
		count := 0
		for _, token := range list.Tokens {
			if token.Name == want {
				count++
			}
		}
		if count != 2 || len(metrics[want]) != 2 || strings.TrimSpace(want) != "" && strings.Count(titles, want) != 2 {
			t.Errorf("%q is %d times in the list, %d times in the metrics", name, count, len(metrics[want]))
		}
	}
}

// A Prometheus that is set up as deploy/observability shows it reads the metrics, in OpenMetrics, and its rules fire.
func TestPrometheusReadsTheMetrics(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(1)})
	for _, name := range []string{`a "quoted\name"`, "twin", "twin", "اسم"} {
		d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Owner: simulator.Mona, Scope: "vso.code", ValidFrom: time.Now().AddDate(-1, 0, 0), ValidTo: time.Now().AddDate(0, 0, 3)})
	}
	address := apptest.NewCalendar(t, d.SignedIn(apptest.Mona), d.URL)
	at, err := url.Parse(apptest.FeedFile(address, "metrics"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		testkit.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	example := string(testkit.ReadFile(t, "deploy/observability/patdesk-tokens-prometheus.yaml"))
	quick := strings.NewReplacer("scheme: https", "scheme: http", "scrape_interval: 4m", "scrape_interval: 250ms", "scrape_timeout: 30s", "scrape_timeout: 250ms").Replace(example)
	write("prometheus.yml", "global: {evaluation_interval: 250ms}\n"+quick)
	write("patdesk-tokens-alerts.yaml", string(testkit.ReadFile(t, "deploy/observability/patdesk-tokens-alerts.yaml")))
	write("patdesk-tokens-targets.yaml", fmt.Sprintf("- targets: [%q]\n  labels: {__metrics_path__: %q, owner: mona}\n", at.Host, at.Path))
	prometheus := apptest.StartPrometheus(t, dir)
	alerts := ""
	if !testkit.Within(30*time.Second, func() bool {
		alerts = prometheus.Ask("/api/v1/alerts")
		return strings.Count(alerts, `"alertname":"PatdeskTokenExpires"`) == 4
	}) {
		t.Fatalf("%s\n%s\n%s", alerts, prometheus.Ask("/api/v1/targets"), prometheus.Log.String())
	}
	for _, want := range []string{`"name":"a \"quoted\\name\""`, `"name":"اسم"`, `"organization":"org-01"`, `"owner":"mona"`, "expires in "} {
		if !strings.Contains(alerts, want) {
			t.Errorf("no %s in %s", want, alerts)
		}
	}
	if targets := prometheus.Ask("/api/v1/targets"); !strings.Contains(targets, `"health":"up"`) || !strings.Contains(targets, `"lastError":""`) {
		t.Errorf("%s", targets)
	}
	if help := prometheus.Ask("/api/v1/targets/metadata?metric=patdesk_token_expiry_timestamp_seconds"); !strings.Contains(help, `"type":"gauge"`) {
		t.Errorf("%s", help)
	}
	if !strings.Contains(d.Log.String(), "/calendar/{address}/metrics") || strings.Contains(d.Log.String(), strings.Split(address, "/")[4]) {
		t.Error("the log doesn't say that the metrics were read, or has the address")
	}
}
