package security

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// hostileReturns is the corpus: addresses that must not be returned to after signing in.
func hostileReturns(t *testing.T) []string {
	t.Helper()
	file, err := os.Open("testdata/return-addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, "# ") {
			text, err := strconv.Unquote(`"` + strings.ReplaceAll(line, `"`, `\"`) + `"`)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			all = append(all, text)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// landing is where an answer's Location, or a link, leads from an address.
type landing struct {
	Asked    string `json:"-"`
	Location string `json:"location"`
	Base     string `json:"base"`
}

// S8: whatever somebody puts into the address of the sign-in page, it leads to a page of ours: the same origin, below
// the same path, as Chromium resolves it; at the root, below a sub-path, and behind a proxy that takes that path off.
// For people who are signed in already by that page alone, and for every fourth address by a whole sign-in. A short run
// tries a third of the addresses.
func TestReturnAddresses(t *testing.T) {
	t.Parallel()
	hostile := hostileReturns(t)
	if len(hostile) < 300 {
		t.Fatalf("the corpus has %d lines only", len(hostile))
	}
	tried := testkit.Sample(t, len(hostile)/3, hostile)
	var some []string
	for i := 0; i < len(tried); i += 4 {
		some = append(some, tried[i])
	}
	var all []landing
	for _, p := range []apptest.PublicAddress{{}, {Path: "/pat"}, {Https: true, Path: "/tools/pat", Strip: true}} {
		f, programs := apptest.StartBehind(t, p, 1, apptest.Seeded())
		all = append(all, landAll(t, f, tried, whileSignedIn(f, programs[0]))...)
		if p.Path == "/pat" {
			all = append(all, landAll(t, f, some, afterSignIn(f, programs[0]))...)
		}
	}
	// The corpus itself has to be dangerous, or the test would show nothing.
	var raw []landing
	for _, text := range hostile {
		raw = append(raw, landing{Location: text, Base: "http://desk.example/pat/sign-in"})
	}
	resolved := resolveInChromium(t, append(raw, all...))
	away := 0
	for _, to := range resolved[:len(raw)] {
		if !strings.HasPrefix(to, "http://desk.example/pat/") && !strings.HasPrefix(to, "none:") {
			away++
		}
	}
	if away < len(raw)/2 {
		t.Errorf("only %d of %d lines would lead away by themselves", away, len(raw))
	}
	for i, to := range resolved[len(raw):] {
		base := all[i].Base[:strings.LastIndex(all[i].Base, "/getAToken")]
		if !strings.HasPrefix(to, base+"/") || strings.HasPrefix(to, base+"/sign-") {
			t.Errorf("%q came back as %q, which leads to %s", all[i].Asked, all[i].Location, to)
		}
	}
	t.Logf("%d addresses at 3 public addresses; %d of the whole corpus are dangerous as they are", len(tried), away)
}

// landAll asks for the Location of each address, side by side.
func landAll(t *testing.T, f *apptest.Front, addresses []string, land func(string) (string, error)) []landing {
	t.Helper()
	landings := make([]landing, len(addresses))
	next := make(chan int)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range next {
				location, err := land(addresses[i])
				if err != nil {
					t.Errorf("%q: %v", addresses[i], err)
				}
				landings[i] = landing{Asked: addresses[i], Location: location, Base: f.URL + "/getAToken"}
			}
		})
	}
	for i := range addresses {
		next <- i
	}
	close(next)
	wait.Wait()
	return landings
}

// afterSignIn goes through a whole sign-in by hand and returns the callback's Location as it was sent.
func afterSignIn(f *apptest.Front, d *apptest.Program) func(string) (string, error) {
	return func(to string) (string, error) {
		begun, err := hop(d, http.MethodGet, f.URL+"/sign-in/start"+apptest.Query("return", to), nil)
		if err != nil {
			return "", err
		}
		chosen, err := hop(d, http.MethodPost, begun.Header.Get("Location"), url.Values{"person": {simulator.Mona}})
		if err != nil {
			return "", err
		}
		return onlyLocation(hop(d, http.MethodGet, chosen.Header.Get("Location"), nil, begun.Cookies()...))
	}
}

// whileSignedIn opens the sign-in page as somebody who needs no sign-in.
func whileSignedIn(f *apptest.Front, d *apptest.Program) func(string) (string, error) {
	cookie := apptest.SessionCookie(d.T, d.SignedInAt(apptest.Mona, "/changes"), f.URL)
	return func(to string) (string, error) {
		return onlyLocation(hop(d, http.MethodGet, f.URL+"/sign-in"+apptest.Query("return", to), nil, cookie))
	}
}

func onlyLocation(answer *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusSeeOther || len(answer.Header.Values("Location")) != 1 {
		return "", fmt.Errorf("answered %s", answer.Status)
	}
	return answer.Header.Get("Location"), nil
}

func hop(d *apptest.Program, method, address string, form url.Values, cookies ...*http.Cookie) (*http.Response, error) {
	request, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range cookies {
		request.AddCookie(c)
	}
	answer, err := d.Transport().RoundTrip(request)
	if err != nil {
		return nil, err
	}
	return answer, answer.Body.Close()
}

// resolveInChromium resolves all locations in one go, as the browser resolves a redirect or a link.
func resolveInChromium(t *testing.T, all []landing) []string {
	t.Helper()
	pairs, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.UserDataDir(t.TempDir()))
	if os.Geteuid() == 0 {
		flags = append(flags, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, flags...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	resolved, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](
		string(pairs)+`.map(p => { try { return new URL(p.location, p.base).href } catch (e) { return "none: " + e.message } })`))
	if err != nil {
		t.Fatal(err)
	}
	if len(resolved) != len(all) {
		t.Fatalf("Chromium resolved %d of %d", len(resolved), len(all))
	}
	return resolved
}
