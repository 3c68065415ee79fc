package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// What the tests of docs/guarantees.md stand on: the program as real processes that can be held at a point of their
// work and killed there, and a way to send a form that survives that.

// site is the program as one or several processes on one session folder, with the services that they talk to.
type site struct {
	t       *testing.T
	sim     *simulator.Simulator
	home    string // where the processes run
	dir     string // SESSION_DIR
	url     string
	front   *front // before several
	members []*member
}

// member is one process of a site. It can be started again on the same address and data after it was killed.
type member struct {
	*process // the present run
	site     *site
	address  string // host:port
	env      []string
	hold     string // file that names the point at which a worker is held
	program  string // that it runs; "": as it is built from the working tree
	runs     []*process
}

// newSite starts n processes against a simulator of their own. settings go over the usual ones.
func newSite(t *testing.T, n int, o simulator.Options, settings ...string) *site {
	t.Helper()
	s := &site{t: t, sim: simulator.New(o), home: t.TempDir()}
	if err := s.sim.StartTLS(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.sim.Close)
	ca := filepath.Join(s.home, "ca.pem")
	if err := os.WriteFile(ca, s.sim.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.dir = filepath.Join(s.home, "sessions")
	env := []string{
		"SSL_CERT_FILE=" + ca, "CLIENT_ID=" + s.sim.ClientID(), "CLIENT_SECRET=" + s.sim.ClientSecret(), "AUTHORITY=" + s.sim.Authority(),
		"ENDPOINT=" + s.sim.Endpoint(), "DISCOVERY_ENDPOINT=" + s.sim.DiscoveryEndpoint(), "SESSION_DIR=" + s.dir, "LOG_LEVEL=debug", "SHUTDOWN_DELAY=0s",
	}
	if n > 1 {
		s.front = startFront(t, place{})
		s.url = s.front.url
		env = append(env, "BASE_URL="+s.url)
	}
	for range n {
		port := freeport.Port(t)
		address := "http://localhost:" + port
		m := &member{site: s, address: "localhost:" + port, hold: filepath.Join(s.home, "hold"+port)}
		m.env = slices.Concat(env, settings, []string{"LISTEN_ADDRESS=localhost:" + port, "PATDESK_HOLD=" + m.hold})
		if s.front == nil {
			s.url = address
		} else {
			s.front.targets = append(s.front.targets, mustParse(t, address))
		}
		s.members = append(s.members, m)
		m.start()
	}
	s.sim.SetRedirectURIs(s.url + "/getAToken")
	s.sim.SetPostLogoutURIs(s.url + "/")
	return s
}

func mustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (m *member) start() {
	m.site.t.Helper()
	path := m.program
	if path == "" {
		path = testkit.FaultsProgram(m.site.t)
	}
	m.process = startProgram(m.site.t, path, m.site.home, m.env...)
	m.runs = append(m.runs, m.process)
	m.waitFor("msg=serving")
}

// kill ends the process as a power failure would: nothing in it can react.
func (m *member) kill() {
	_ = m.cmd.Process.Kill() // it may be dead already
	<-m.done
	m.letGo()
}

// restart starts the process again on the same data.
func (m *member) restart() {
	m.site.t.Helper()
	m.kill()
	m.start()
}

// holdAt makes the next worker that reaches the point wait there. See internal/operation/faultpoints.go.
func (m *member) holdAt(point string) {
	m.site.t.Helper()
	if err := os.WriteFile(m.hold, []byte(point), 0o600); err != nil {
		m.site.t.Fatal(err)
	}
}

// held waits until a worker is held.
func (m *member) held() {
	m.site.t.Helper()
	testkit.Until(m.site.t, "a worker is held", m.holds)
}

func (m *member) holds() bool {
	_, err := os.Stat(m.hold + ".held")
	return err == nil
}

// goOnTo lets the held worker go on to another point.
func (m *member) goOnTo(point string) {
	m.site.t.Helper()
	m.holdAt(point)
	testkit.Must(m.site.t, os.Remove(m.hold+".held"))
	m.held()
}

// letGo lets the held worker go on, and no other be held.
func (m *member) letGo() {
	for _, file := range []string{m.hold, m.hold + ".held"} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.site.t.Error(err)
		}
	}
}

// log is what all processes have ever written.
func (s *site) log() string {
	var all strings.Builder
	for _, m := range s.members {
		for _, run := range m.runs {
			all.WriteString(run.log.String())
		}
	}
	return all.String()
}

// wantQuietLog checks that no secret of any kind stands in a log, nor in clear in the session folder.
func (s *site) wantQuietLog() {
	s.t.Helper()
	wantNoSecret(s.t, s.sim, "the log", s.log())
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "keys" {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil {
			wantNoSecret(s.t, s.sim, path, string(content))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Error(err)
	}
}

func wantNoSecret(t testing.TB, sim *simulator.Simulator, where, text string) {
	t.Helper()
	for _, secret := range sim.Secrets() {
		if len(secret) > 8 && strings.Contains(text, secret) {
			t.Errorf("%s holds a secret that begins with %q", where, secret[:8])
		}
	}
}

func (s *site) trip() http.RoundTripper { return s.sim.Client().Transport }

func (s *site) signedIn(person string) *webtest.Browser {
	s.t.Helper()
	b := webtest.New(s.t, s.trip()).Open(s.url + "/")
	signIn(b, person)
	if b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		s.t.Fatalf("signing in ended at %s (%d):\n%s\n%s", b.URL, b.Status, says(b), s.log())
	}
	return b
}

// storeFault is something that befalls the session folder.
type storeFault struct {
	name        string
	dir         string // SESSION_DIR
	spoil, mend func()
}

// folderGone: the volume isn't mounted any more.
func folderGone(t *testing.T) storeFault {
	dir := filepath.Join(t.TempDir(), "sessions")
	return storeFault{
		"folder gone", dir,
		func() { testkit.Must(t, os.Rename(dir, dir+".away")) },
		func() { testkit.Must(t, os.Rename(dir+".away", dir)) },
	}
}

// reply is what became of a form that was sent by hand.
type reply struct {
	status int
	to     string // Location
	body   string
	err    error // no answer came
}

// send sends a form as b would, but can be given up by its sender, and outlives the program's death.
func send(ctx context.Context, b *webtest.Browser, trip http.RoundTripper, to *url.URL, form url.Values) reply {
	client := &http.Client{Jar: b.Jar(), Transport: trip, Timeout: 2 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return reply{err: err}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", to.Scheme+"://"+to.Host)
	answer, err := client.Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header.Get("Location"), string(body), err}
}

// says is what a person would read in the answer.
func (r reply) says() string {
	page, err := goquery.NewDocumentFromReader(strings.NewReader(r.body))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s %v %s", r.status, r.to, r.err, mainText(page.Selection))
}

// sending is send in the background.
func sending(ctx context.Context, b *webtest.Browser, trip http.RoundTripper, to *url.URL, form url.Values) <-chan reply {
	answers := make(chan reply, 1)
	go func() { answers <- send(ctx, b, trip, to, form) }()
	return answers
}

// createForm fills the form for a new token and returns what pressing its button would send.
func createForm(b *webtest.Browser, home, organization, name string) (to *url.URL, form url.Values) {
	b.Open(home+"/tokens/new"+query("organization", organization)).Fill("Name", name).Choose("Code", "Read")
	_, to, form = b.Form("Create token")
	return to, form
}

// made are the tokens of that name, oldest first.
func made(sim *simulator.Simulator, name string) []simulator.Token {
	return slices.DeleteFunc(sim.Tokens(""), func(t simulator.Token) bool { return t.DisplayName != name })
}

// fate is how a page accounts for a token that was made: its secret is shown, it is named to be revoked, or it was
// revoked. Anything else means that it is lost.
func fate(b *webtest.Browser, t simulator.Token) string {
	switch {
	case t.Revoked:
		return "revoked"
	case secretOf(b) == t.Secret:
		return "shown"
	case b.Page.Find("#candidate-"+t.AuthorizationID).Length() == 1 && b.Has("button", "Revoke this token"):
		return "named"
	}
	return "lost"
}

// says is the page's own text without its forms, cut to what a failed test can show.
func says(b *webtest.Browser) string { return mainText(b.Page.Selection) }

func mainText(page *goquery.Selection) string {
	main := page.Find("main").Clone()
	main.Find("fieldset, select").Remove()
	text := webtest.Fold(main.Text())
	return text[:min(len(text), 1500)]
}

// waiting are the banners of the page.
func waiting(b *webtest.Browser) string {
	return webtest.Fold(b.Page.Find("[aria-label='Waiting for you']").Text())
}
