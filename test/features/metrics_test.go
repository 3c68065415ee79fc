package features

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// samples are the metrics as Prometheus reads them: value by name and labels.
func samples(d *apptest.Program) map[string]string {
	d.T.Helper()
	_, text := apptest.Scrape(d.T, http.MethodGet, d.Metrics+"/metrics")
	found := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if at := strings.LastIndex(lines.Text(), " "); at > 0 && !strings.HasPrefix(lines.Text(), "#") {
			found[lines.Text()[:at]] = lines.Text()[at+1:]
		}
	}
	return found
}

func measured() apptest.Options {
	o := apptest.Seeded()
	o.Env = map[string]string{"METRICS_ADDRESS": "127.0.0.1:0"}
	return o
}

// What happens is counted: requests, calls, sign-ins, sessions, changes, limits, breakers.
func TestMetrics(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	o := measured()
	o.Now, o.Env["RATE_LIMIT_SIGN_INS"] = clock.Now, "3"
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "counted").Choose("Code", "Read").Press("Create token")
	d.Browser().Open(d.URL + "/none/of/these/" + strings.Repeat("x", 50))
	d.Browser().Click("Sign in").Press("Decline")
	for range 2 {
		d.Browser().Open(d.URL + "/sign-in/start")
	}
	b.Open(d.URL+"/tokens/new?organization=fabrikam").Fill("Name", "in doubt").Choose("Code", "Read")
	d.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
	b.Press("Create token")
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Call: simulator.CallList})
	for range 6 {
		b.Open(d.URL + "/tokens?organization=northwind-labs")
	}
	d.Sim.ClearFaults()
	if got := samples(d)[`patdesk_upstream_circuits{state="open"}`]; got != "1" {
		t.Errorf("an organization is left alone, and %s are counted", got)
	}
	clock.Move(time.Hour / 2)
	d.SignedIn(apptest.Mona).Post(d.URL+"/sessions/end-others", nil).Press("Sign out")
	got := samples(d)
	for sample, want := range map[string]string{
		`patdesk_http_request_duration_seconds_count{method="POST",route="/tokens/new",status="303"}`:                    "2",
		`patdesk_http_request_duration_seconds_count{method="GET",route="other",status="404"}`:                           "1",
		`patdesk_http_request_duration_seconds_count{method="GET",route="/sign-in/start",status="429"}`:                  "1",
		`patdesk_http_requests_limited_total{limit="signIns"}`:                                                           "1",
		`patdesk_upstream_request_duration_seconds_count{operation="create",outcome="ok",service="azuredevops"}`:         "1",
		`patdesk_upstream_request_duration_seconds_count{operation="create",outcome="connection",service="azuredevops"}`: "1",
		`patdesk_upstream_request_duration_seconds_count{operation="redeem_code",outcome="ok",service="entra"}`:          "2",
		`patdesk_upstream_request_duration_seconds_count{operation="metadata",outcome="ok",service="entra"}`:             "1",
		`patdesk_sign_ins_total{outcome="ok"}`:                                                                           "2",
		`patdesk_sign_ins_total{outcome="declined"}`:                                                                     "1",
		`patdesk_sessions_total{event="begun"}`:                                                                          "2",
		`patdesk_sessions_total{event="signed_out"}`:                                                                     "1",
		`patdesk_sessions_total{event="ended_by_person"}`:                                                                "1",
		`patdesk_operations_total{action="create",state="sent"}`:                                                         "2",
		`patdesk_operations_total{action="create",state="succeeded"}`:                                                    "1",
		`patdesk_operations_total{action="create",state="unknown"}`:                                                      "1",
		`patdesk_operations_total{action="rotate",state="failed"}`:                                                       "0",
		`patdesk_upstream_circuits{state="open"}`:                                                                        "0", // the pause is over by the clock
		`patdesk_http_errors_total`:                                                                                      "7", // the list that failed, 6 times, and the change in doubt
		`patdesk_ready`:                                                                                                  "1",
		`patdesk_operations_in_progress`:                                                                                 "0",
		`patdesk_http_requests_in_flight`:                                                                                "0",
	} {
		if got[sample] != want {
			t.Errorf("%s is %q, want %s", sample, got[sample], want)
		}
	}
	for sample := range got {
		for _, private := range []string{"contoso", "fabrikam", "northwind", "Mona", "mona", "counted", "none/of"} {
			if strings.Contains(sample, private) {
				t.Errorf("a label holds %s: %s", private, sample)
			}
		}
	}
	if len(got) > 3000 {
		t.Errorf("%d samples", len(got))
	}
}

// A small team's requests aren't lost among probes and files: those are neither measured nor traced, and what a person
// asked for is, whatever came of it.
func TestProbesAndFilesAreNotMeasured(t *testing.T) {
	t.Parallel()
	c := apptest.StartCollector(t)
	o := measured()
	o.Env["OTEL_EXPORTER_OTLP_ENDPOINT"], o.Env["BASE_URL"], o.Env["TRUSTED_PROXIES"] = c.URL, "http://localhost:5000/pat", "127.0.0.1"
	d := apptest.Start(t, o)
	at := "http://" + d.Address
	for range 20 {
		for _, path := range []string{"/healthz", "/readyz", "/pat/healthz", "/pat/readyz", "/favicon.ico", "/pat/robots.txt", "/static/none.css", "/pat/static/none.js"} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				_, _ = apptest.Scrape(t, method, at+path)
			}
		}
	}
	_, _ = apptest.Scrape(t, http.MethodGet, at+"/pat/scopes")
	_, _ = apptest.Scrape(t, http.MethodGet, at+"/pat/healthz/x")
	var got map[string]string
	testkit.Until(t, "all requests have ended", func() bool {
		got = samples(d)
		return got["patdesk_http_requests_in_flight"] == "0" && got[`patdesk_http_request_duration_seconds_count{method="GET",route="other",status="404"}`] != ""
	})
	for sample := range got {
		for _, aside := range []string{"/healthz", "/readyz", "/static", "/favicon", "/robots"} {
			if strings.Contains(sample, aside) {
				t.Errorf("it is measured: %s", sample)
			}
		}
	}
	for sample, want := range map[string]string{
		`patdesk_http_request_duration_seconds_count{method="GET",route="/scopes",status="200"}`: "1",
		`patdesk_http_request_duration_seconds_count{method="GET",route="other",status="404"}`:   "1",
		`patdesk_http_errors_total`:       "0",
		`patdesk_http_requests_in_flight`: "0",
	} {
		if got[sample] != want {
			t.Errorf("%s is %q, want %s", sample, got[sample], want)
		}
	}
	testkit.Must(t, d.Stop())
	for _, span := range c.All() {
		if span.Kind == kindServer && span.Name != "GET /scopes" && span.Attributes["http.response.status_code"] != "404" && span.Name != "GET" && span.Name != "GET /*" {
			t.Errorf("it is traced: %+v", span)
		}
	}
	if _, ok := c.Named("GET /scopes", ""); !ok {
		t.Error("a page isn't traced")
	}
}

// The listener for metrics answers Prometheus and nothing else; people's address has no metrics.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, measured())
	at := d.Metrics
	for path, want := range map[string]int{
		"GET /metrics": 200, "HEAD /metrics": 200, "GET /": 404, "GET /metrics/": 404, "GET /metrics/x": 404, "POST /metrics": 405, "GET /healthz": 404,
		"GET /tokens": 404, "GET /debug/pprof/": 404, "GET /sign-in": 404,
	} {
		method, path, _ := strings.Cut(path, " ")
		if answer, _ := apptest.Scrape(t, method, at+path); answer.StatusCode != want {
			t.Errorf("%s %s: %d, want %d", method, path, answer.StatusCode, want)
		}
	}
	if answer, _ := apptest.Scrape(t, http.MethodGet, d.URL+"/metrics"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("the people's listener answers /metrics with %d", answer.StatusCode)
	}
	_, text := apptest.Scrape(t, http.MethodGet, at+"/metrics")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
}

// Not ready is seen in the metrics, with a reason at /readyz that names nothing of the store's.
func TestReadyIsMeasured(t *testing.T) {
	t.Parallel()
	o := measured()
	dir := t.TempDir() + "/sessions"
	o.Env["SESSION_DIR"] = dir
	d := apptest.Start(t, o)
	if answer, body := apptest.Scrape(t, http.MethodGet, d.URL+"/readyz"); answer.StatusCode != http.StatusOK || body != "ready\n" {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
	d.Sim.SetFault("metadataDown", simulator.FaultOptions{})
	d.Browser().Click("Sign in")
	if answer, body := apptest.Scrape(t, http.MethodGet, d.URL+"/readyz"); answer.StatusCode != http.StatusOK || !strings.Contains(body, "nobody can sign in") {
		t.Errorf("without metadata: %d %s", answer.StatusCode, body)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	testkit.Until(t, "it isn't ready", func() bool { // the store is tried every two seconds
		answer, body := apptest.Scrape(t, http.MethodGet, d.URL+"/readyz")
		return answer.StatusCode == http.StatusServiceUnavailable && strings.Contains(body, "session store") && !strings.Contains(body, dir)
	})
	if got := samples(d)["patdesk_ready"]; got != "0" {
		t.Errorf("patdesk_ready is %s", got)
	}
}

// An address that can't be listened on stops the start with the name of the setting, and leaves nothing listening.
func TestMetricsAddressTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := freeport.Port(t)
	env := map[string]string{
		"CLIENT_ID": "3f0c1a52-0000-4000-8000-000000000000", "CLIENT_SECRET": "canary~secret", "SESSION_DIR": t.TempDir(), "LISTEN_ADDRESS": "localhost:" + port,
		"METRICS_ADDRESS": taken.Addr().String(),
	}
	if said := failsToStart(t, env); !strings.Contains(said, taken.Addr().String()+" is taken by another program. Stop that one, or choose another port: METRICS_ADDRESS") {
		t.Error(said)
	}
	again, err := net.Listen("tcp", "localhost:"+port)
	if err != nil {
		t.Fatalf("the people's address is still taken: %v", err)
	}
	again.Close()
}

// names of metrics within an expression, as far as they are ours or the process's.
var metricNames = regexp.MustCompile(`\b(?:patdesk|process|go|up)(?:_[a-z0-9_]+)?\b`)

// The dashboard and the alert rules ask for metrics that there are, with labels that these have.
func TestDashboardAndAlertsAskForWhatThereIs(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, measured())
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL + "/tokens?organization=contoso")
	known := map[string][]string{"up": {"job", "instance"}, "patdesk_credential_expiry_timestamp_seconds": {"instance"}} // the latter with a certificate only
	for sample := range samples(d) {
		name, labels, _ := strings.Cut(sample, "{")
		known[name] = append(known[name], "instance", "job", "le")
		for _, m := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(labels, -1) {
			known[name] = append(known[name], m[1])
		}
	}
	feed := apptest.ReadFeed(t, d, http.MethodGet, apptest.FeedFile(apptest.NewCalendar(t, b, d.URL), "metrics"))
	for _, m := range regexp.MustCompile(`(?m)^(patdesk_[a-z_]+)(\{.*\})? `).FindAllStringSubmatch(feed.Body, -1) { // of a person's tokens
		for _, label := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(m[2], -1) {
			known[m[1]] = append(known[m[1]], label[1])
		}
		known[m[1]] = append(known[m[1]], "job")
	}
	check := func(where, expression string) {
		for _, name := range metricNames.FindAllString(withoutStrings(expression), -1) {
			if _, ok := known[name]; !ok {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
		for _, m := range regexp.MustCompile(`([a-z_]+)\{([^}]*)\}`).FindAllStringSubmatch(expression, -1) {
			for _, label := range regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`).FindAllStringSubmatch(withoutStrings(m[2]), -1) {
				if !slices.Contains(known[m[1]], label[1]) {
					t.Errorf("%s: %s has no label %s", where, m[1], label[1])
				}
			}
		}
	}
	for file, panels := range map[string]int{"patdesk": 20, "patdesk-tokens": 5} {
		board := dashboard(t, file)
		for _, p := range board {
			for _, target := range p.Targets {
				check("panel "+p.Title, target.Expr)
			}
		}
		rules := regexp.MustCompile(`(?m)^\s+expr: (?:'(.*)'|(.*))$`).FindAllStringSubmatch(string(testkit.ReadFile(t, "deploy/observability/"+file+"-alerts.yaml")), -1)
		for _, m := range rules {
			check("rules", m[1]+m[2])
		}
		if len(board) < panels || len(rules) < 6 {
			t.Errorf("%s: %d panels and %d rules were read", file, len(board), len(rules))
		}
	}
}

// panel is one of a dashboard's.
type panel struct {
	Title   string
	Targets []struct{ Expr string }
}

// dashboard reads the panels of one.
func dashboard(t *testing.T, file string) []panel {
	t.Helper()
	var board struct{ Panels []panel }
	testkit.Must(t, json.Unmarshal(testkit.ReadFile(t, "deploy/observability/"+file+"-dashboard.json"), &board))
	return board.Panels
}

// A Prometheus that scrapes the program answers every query of the dashboards with values, and takes all rules. Deliveries
// that failed raise their alert.
func TestDashboardsShowWhatThereIs(t *testing.T) {
	t.Parallel()
	o := measured()
	o.Env["VAULTS"] = simulator.TeamVault
	d := apptest.Start(t, o)
	d.Sim.ConsentToVaults(simulator.Mona)
	b := d.SignedIn(apptest.Mona)
	feed, err := url.Parse(apptest.FeedFile(apptest.NewCalendar(t, b, d.URL), "metrics"))
	testkit.Must(t, err)
	prometheus := apptest.StartPrometheus(t, scraping(t, d, feed))
	testkit.Until(t, "both are scraped", func() bool {
		return len(found(t, prometheus, "patdesk_ready")) > 0 && len(found(t, prometheus, "patdesk_tokens_refreshed_timestamp_seconds")) > 0
	})
	d.Sim.SetFault("vaultForbiddenByRole", simulator.FaultOptions{Call: simulator.CallVaultWrite})
	fillNew(b, d.URL, "kept out", "", true).Press("Create token").Press("Try again")

	// The certificate's end is known only where there is one.
	replaced := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*")
	missing := map[string]bool{}
	for _, file := range []string{"patdesk", "patdesk-tokens"} {
		for _, p := range dashboard(t, file) {
			for _, target := range p.Targets {
				if !strings.Contains(target.Expr, "patdesk_credential_expiry") {
					missing[replaced.Replace(target.Expr)] = true
				}
				found(t, prometheus, replaced.Replace(target.Expr))
			}
		}
	}
	if !testkit.Within(30*time.Second, func() bool {
		b.Open(d.URL + "/tokens?organization=contoso") // rates are of what goes on
		for query := range missing {
			if values := found(t, prometheus, query); slices.ContainsFunc(values, func(v string) bool { return v != "NaN" }) {
				delete(missing, query)
			}
		}
		return len(missing) == 0
	}) {
		t.Errorf("nothing is found by %q\n%s", slices.Collect(maps.Keys(missing)), prometheus.Log.String())
	}
	testkit.Until(t, "both refusals are scraped", func() bool {
		return slices.Equal(found(t, prometheus, `patdesk_vault_deliveries_total{outcome="refused"}`), []string{"2"})
	})
	testkit.Until(t, "the alert fires", func() bool {
		return len(found(t, prometheus, `ALERTS{alertname="PatdeskDeliveriesFailing",alertstate="firing"}`)) == 1
	})
	if rules := prometheus.Ask("/api/v1/rules"); strings.Count(rules, `"health":"ok"`) != strings.Count(rules, `"type":"alerting"`) || strings.Count(rules, `"type":"alerting"`) < 20 {
		t.Error(rules)
	}
}

// scraping is a folder for a Prometheus that reads the program's metrics and a person's, with all rules.
func scraping(t *testing.T, d *apptest.Program, feed *url.URL) string {
	t.Helper()
	dir := t.TempDir()
	for _, rules := range []string{"patdesk-alerts.yaml", "patdesk-tokens-alerts.yaml"} {
		testkit.Must(t, os.WriteFile(filepath.Join(dir, rules), testkit.ReadFile(t, "deploy/observability/"+rules), 0o600))
	}
	testkit.Must(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), fmt.Appendf(nil, `
global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: [patdesk-alerts.yaml, patdesk-tokens-alerts.yaml]
scrape_configs:
  - job_name: patdesk
    static_configs: [{targets: [%q]}]
  - job_name: patdesk-tokens
    metrics_path: %q
    static_configs: [{targets: [%q]}]
`, strings.TrimPrefix(d.Metrics, "http://"), feed.Path, feed.Host), 0o600))
	return dir
}

// found are the values that Prometheus finds by a query, which it must understand; none before it listens.
func found(t *testing.T, prometheus *apptest.Prometheus, query string) (values []string) {
	t.Helper()
	body := prometheus.Ask("/api/v1/query" + apptest.Query("query", query))
	if body == "" {
		return nil
	}
	var answer struct {
		Status, Error string
		Data          struct{ Result []struct{ Value [2]any } }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil // it is starting
	}
	if answer.Status != "success" {
		t.Fatalf("%s: %s", query, answer.Error)
	}
	for _, r := range answer.Data.Result {
		values = append(values, fmt.Sprint(r.Value[1]))
	}
	return values
}

// withoutStrings empties the quoted values of an expression.
func withoutStrings(expression string) string {
	return regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expression, `""`)
}
