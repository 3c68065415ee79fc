package apptest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/webtest"
)

// RawUpstream is text of the service that must not reach a page: markup of its own pages, stack traces, type names.
var RawUpstream = regexp.MustCompile(`(?i)Object moved|Azure DevOps Services \| Sign In|Newtonsoft|System\.|goroutine \d|invalid character|unexpected EOF|connection reset`)

// CheckFailure checks what every failure page owes: the fitting status, a sentence, an advice, an id for support.
func CheckFailure(t *testing.T, b *webtest.Browser, want int) {
	t.Helper()
	if b.Status != want {
		t.Errorf("status %d, want %d\n%s", b.Status, want, b.Text())
	}
	if text := RawUpstream.FindString(b.Text()); text != "" {
		t.Errorf("raw text of the service: %q\n%s", text, b.Text())
	}
	if len(b.Heading()) < 8 {
		t.Errorf("no heading: %q", b.Heading())
	}
	if len(b.Body) > 1<<20 {
		t.Errorf("a page of %d bytes", len(b.Body))
	}
}

// ReplaceForm opens the form for that token.
func ReplaceForm(t *testing.T, d *Program, b *webtest.Browser) *webtest.Browser {
	t.Helper()
	OpenWhole(t, b, d.URL+"/global-tokens").Click("Replace Global clone")
	if b.Status != http.StatusOK || b.Heading() != "Replace Global clone" {
		t.Fatalf("%d %q", b.Status, b.Heading())
	}
	return b
}

// NamedTokens are the active tokens of that name, by organization; global ones under "".
func NamedTokens(d *Program, name string) map[string]simulator.Token {
	found := map[string]simulator.Token{}
	for _, t := range d.Sim.Tokens("") {
		if t.DisplayName == name && t.Status(time.Now()) == "active" {
			found[t.Organization] = t
		}
	}
	return found
}

// RoundTripFunc is a transport that is one function.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f RoundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// ManyTokens gives Mona that many organizations, "org-01" and so on.
func ManyTokens(organizations int) simulator.Options {
	o := simulator.Options{}
	mona := simulator.Person{Name: "Mona Rivera", Username: simulator.Mona, ObjectID: "30aa0000-de30-4000-8000-000000000011", TenantID: simulator.DefaultTenantID}
	o.Organizations = []simulator.Organization{}
	for i := range organizations {
		name := fmt.Sprintf("org-%02d", i+1)
		o.Organizations = append(o.Organizations, simulator.Organization{
			Name: name, ID: fmt.Sprintf("00000000-0b60-4000-8000-%012d", i+1), TenantID: simulator.DefaultTenantID,
		})
		mona.Organizations = append(mona.Organizations, name)
	}
	o.People = []simulator.Person{mona}
	return o
}

// FillOrganizations gives every organization that many active tokens.
func FillOrganizations(sim *simulator.Simulator, each int) {
	now := time.Now()
	for _, o := range sim.Organizations() {
		for i := range each {
			sim.AddToken(simulator.Token{
				DisplayName: fmt.Sprintf("%s token %03d", o.Name, i), Organization: o.Name, Scope: "vso.code vso.build_execute",
				ValidFrom: now.AddDate(0, 0, -i%100), ValidTo: now.AddDate(0, 0, 1+i%360),
			})
		}
	}
}

// OpenWhole opens an address of the overview again until nothing is being read any more.
func OpenWhole(t testing.TB, b *webtest.Browser, address string) *webtest.Browser {
	t.Helper()
	for range 100 {
		if b.Open(address); b.Status != http.StatusOK || b.Page.Find("[data-in-progress]").Length() == 0 {
			return b
		}
	}
	t.Fatalf("never complete:\n%s", b.Text())
	return b
}

// Listed are the tokens in the overview's table.
func Listed(b *webtest.Browser) []string {
	return b.Page.Find("#token-rows tr").Map(func(_ int, s *goquery.Selection) string { return webtest.Fold(s.Find("a").First().Text()) })
}

// TroubleInLog is what no request, however odd, may bring into the log.
var TroubleInLog = regexp.MustCompile(`(?i)panic|goroutine|level=ERROR|could not be rendered|superfluous`)

// HostOf is the host and port of an address.
func HostOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// CallbackOf presses the button at Entra and returns the address that it sends the browser to, unvisited.
func CallbackOf(t *testing.T, b *webtest.Browser, to *url.URL, form url.Values) string {
	t.Helper()
	redirect, err := http.NewRequestWithContext(context.Background(), http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	redirect.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	redirect.Header.Set("Origin", to.Scheme+"://"+to.Host)
	answer, err := (&http.Transport{}).RoundTrip(redirect)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.Header.Get("Location") == "" {
		t.Fatalf("%s: %s", to, answer.Status)
	}
	return answer.Header.Get("Location")
}

// Seeded are the options with the demo's people, organizations and tokens.
func Seeded() Options { return Options{Sim: simulator.Options{Seed: true, KeepSecrets: true}} }

// TokenNames are the tokens that the list shows, in its order.
func TokenNames(b *webtest.Browser) []string {
	return b.Page.Find("tbody tr").Map(func(_ int, s *goquery.Selection) string { return webtest.Fold(s.Find("a").First().Text()) })
}

// OpenChange opens a change from the list of changes on b's page, the latest that fits: "Create name" in whatever tense
// the list has it.
func OpenChange(b *webtest.Browser, change string) *webtest.Browser {
	verb, name, _ := strings.Cut(change, " ")
	stem := strings.ToLower(strings.TrimSuffix(verb, "e")) // "creat" of "Created" and of "Tried to create"
	links := b.Page.Find("table.changes th a").FilterFunction(func(_ int, s *goquery.Selection) bool {
		text := webtest.Fold(s.Text())
		before, fits := strings.CutSuffix(text, " "+name)
		return fits && strings.Contains(strings.ToLower(before), stem)
	})
	return b.Click(webtest.Fold(links.First().Text()))
}
