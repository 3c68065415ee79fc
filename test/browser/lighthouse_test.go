package browser

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// lighthouse is where Lighthouse's reports are put: "make lighthouse". Without it TestLighthouse only measures what
// moves while a page loads, which is the one of its figures that a change of styles spoils unseen.
var lighthouse = flag.String("lighthouse", "", "folder for Lighthouse's reports on the main pages; their scores are held to the least ones")

// leastScores are what Lighthouse must give, in percent. The start page is the only one that search engines see.
var leastScores = map[string]float64{"performance": 100, "accessibility": 100, "best-practices": 100}

const leastSEO = 90

// moving are the elements that move by themselves while a page loads, as the cumulative layout shift counts them
// (https://web.dev/articles/cls), for a visible part at least.
const moving = `new Promise((done) => {
	const moved = [];
	const note = (shifts) => shifts.filter((shift) => !shift.hadRecentInput && shift.value >= 0.0005).forEach(({value, sources}) => {
		moved.push({by: value, what: sources.map(({node, previousRect, currentRect}) =>
			(node?.outerHTML ?? node?.data ?? "").slice(0, 80) + " from " + previousRect.y + " to " + currentRect.y).join(", ")});
	});
	const observer = new PerformanceObserver((list) => note(list.getEntries()));
	observer.observe({type: "layout-shift", buffered: true});
	requestAnimationFrame(() => setTimeout(() => { note(observer.takeRecords()); done(moved); }, 100));
})`

// A shift is one that moving finds.
type shift struct {
	By   float64 `json:"by"`
	What string  `json:"what"`
}

// mostMoved is less than what browsers and reports show as 0.01. A page can't be without any: a table's columns are as wide
// as the rows that have arrived need, and a busy browser shows it before they all have.
const mostMoved = 0.005

// standsStill checks that the page didn't move by itself since it was opened.
func (b *tab) standsStill(name string, most float64) {
	b.t.Helper()
	sum, shifts := 0.0, read(b, "layout shift", chromedp.Evaluate[[]shift](moving, chromedp.EvalAwaitPromise))
	for _, s := range shifts {
		sum += s.By
	}
	if sum >= most {
		b.t.Errorf("%s: moves while it loads, by %.4f: %+v", name, sum, shifts)
	}
}

// The main pages stand still while they load, and satisfy Lighthouse.
func TestLighthouse(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	b.judge("start", d.url)
	b.open(d.url)
	b.signIn("Mona Rivera")
	b.open(d.url + "/tokens")
	b.see(words("NuGet publish")) // all organizations are read
	b.judge("overview", d.url+"/overview")
	b.judge("list", d.url+"/tokens?organization=contoso")
	b.judge("create", d.url+"/tokens/new?organization=contoso")
	b.do("fill in", chromedp.SendKeys(field("Name"), "lighthouse"), chromedp.Click(choice("Code", "Read")))
	b.press(button("Create token"))
	b.judge("operation", read(b, "address", chromedp.Location()))
}

// judge opens the page as a phone and as a desktop, and lets Lighthouse judge it where that is asked for.
func (b *tab) judge(name, address string) {
	b.t.Helper()
	for _, w := range []window{windows[0], windows[3]} {
		b.through(w)
		b.open(address)
		b.standsStill(name+", "+w.name, mostMoved)
	}
	if *lighthouse == "" {
		return
	}
	address = read(b, "address", chromedp.Location()) // where redirects lead to: Lighthouse sends a cookie with its first request only
	for form, flags := range map[string][]string{"phone": nil, "desktop": {"--preset=desktop"}} {
		b.lighthouse(name, name+"-"+form, address, flags)
	}
}

// report is what is read of Lighthouse's (https://github.com/GoogleChrome/lighthouse/blob/main/docs/understanding-results.md).
type report struct {
	Categories map[string]struct {
		Score     float64 `json:"score"` // up to 1
		AuditRefs []struct {
			ID     string  `json:"id"`
			Weight float64 `json:"weight"`
		} `json:"auditRefs"`
	} `json:"categories"`
	Audits map[string]struct {
		Title string   `json:"title"`
		Score *float64 `json:"score"` // up to 1, unset where there is nothing to judge
	} `json:"audits"`
}

// lighthouse asks for one report and compares its scores.
func (b *tab) lighthouse(page, name, address string, flags []string) {
	b.t.Helper()
	file, err := filepath.Abs(filepath.Join(*lighthouse, name))
	if err != nil {
		b.t.Fatal(err)
	}
	headers, err := json.Marshal(map[string]string{"Cookie": b.cookies()})
	if err != nil {
		b.t.Fatal(err)
	}
	command := exec.Command("../../.bin/lighthouse/node_modules/.bin/lighthouse", append(flags, address, "--quiet", "--output=json", "--output=html", "--output-path="+file,
		"--extra-headers="+string(headers), "--chrome-flags=--headless=new --no-sandbox --disable-quic", "--only-categories=performance,accessibility,best-practices,seo")...)
	if output, err := command.CombinedOutput(); err != nil {
		b.t.Fatalf("Lighthouse, which scripts/tool fetches: %v\n%s", err, output)
	}
	text, err := os.ReadFile(file + ".report.json")
	if err != nil {
		b.t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(text, &got); err != nil {
		b.t.Fatal(err)
	}
	for category, found := range got.Categories {
		least := leastScores[category]
		if category == "seo" && page == "start" {
			least = leastSEO
		}
		b.t.Logf("%s: %s %.0f", name, category, 100*found.Score)
		if 100*found.Score < least {
			b.t.Errorf("%s: %s %.0f, less than %.0f: %s", name, category, 100*found.Score, least, got.lacking(category))
		}
	}
}

// lacking are the audits that cost a category its points.
func (r report) lacking(category string) string {
	var titles []string
	for _, ref := range r.Categories[category].AuditRefs {
		if audit := r.Audits[ref.ID]; ref.Weight > 0 && audit.Score != nil && *audit.Score < 1 {
			titles = append(titles, fmt.Sprintf("%s (%s)", audit.Title, ref.ID))
		}
	}
	return strings.Join(titles, ", ")
}

// cookies are the tab's, as a browser sends them.
func (b *tab) cookies() string {
	b.t.Helper()
	all := read(b, "cookies", func(ctx context.Context, target *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{})
	})
	var sent []string
	for _, cookie := range all.Cookies {
		sent = append(sent, cookie.Name+"="+cookie.Value)
	}
	return strings.Join(sent, "; ")
}
