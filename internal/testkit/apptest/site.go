package apptest

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

// Site is the program as one or several processes on one session folder, with the services that they talk to.
type Site struct {
	T       *testing.T
	Sim     *simulator.Simulator
	home    string // where the processes run
	Dir     string // SESSION_DIR
	URL     string
	Front   *Front // before several
	Members []*Member
}

// Member is one process of a site. It can be started again on the same address and data after it was killed.
type Member struct {
	*Process // the present run
	Site     *Site
	Address  string // host:port
	env      []string
	Hold     string // file that names the point at which a worker is held
	Program  string // that it runs; "": as it is built from the working tree
	Runs     []*Process
}

// NewSite starts n processes against a simulator of their own. settings go over the usual ones.
func NewSite(t *testing.T, n int, o simulator.Options, settings ...string) *Site {
	t.Helper()
	s := &Site{T: t, Sim: simulator.New(o), home: t.TempDir()}
	if err := s.Sim.StartTLS(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Sim.Close)
	ca := filepath.Join(s.home, "ca.pem")
	if err := os.WriteFile(ca, s.Sim.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Dir = filepath.Join(s.home, "sessions")
	env := []string{
		"SSL_CERT_FILE=" + ca, "CLIENT_ID=" + s.Sim.ClientID(), "CLIENT_SECRET=" + s.Sim.ClientSecret(), "AUTHORITY=" + s.Sim.Authority(),
		"ENDPOINT=" + s.Sim.Endpoint(), "DISCOVERY_ENDPOINT=" + s.Sim.DiscoveryEndpoint(), "SESSION_DIR=" + s.Dir, "LOG_LEVEL=debug", "SHUTDOWN_DELAY=0s",
	}
	if n > 1 {
		s.Front = startFront(t, PublicAddress{})
		s.URL = s.Front.URL
		env = append(env, "BASE_URL="+s.URL)
	}
	for range n {
		port := freeport.Port(t)
		address := "http://localhost:" + port
		m := &Member{Site: s, Address: "localhost:" + port, Hold: filepath.Join(s.home, "hold"+port)}
		m.env = slices.Concat(env, settings, []string{"LISTEN_ADDRESS=localhost:" + port, "PATDESK_HOLD=" + m.Hold})
		if s.Front == nil {
			s.URL = address
		} else {
			s.Front.Targets = append(s.Front.Targets, MustParse(t, address))
		}
		s.Members = append(s.Members, m)
		m.Start()
	}
	s.Sim.SetRedirectURIs(s.URL + "/getAToken")
	s.Sim.SetPostLogoutURIs(s.URL + "/")
	return s
}

// MustParse parses an address that is right.
func MustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Start starts the process and waits until it serves.
func (m *Member) Start() {
	m.Site.T.Helper()
	path := m.Program
	if path == "" {
		path = testkit.FaultsProgram(m.Site.T)
	}
	m.Process = startProgram(m.Site.T, path, m.Site.home, m.env...)
	m.Runs = append(m.Runs, m.Process)
	m.WaitFor("msg=serving")
}

// Kill ends the process as a power failure would: nothing in it can react.
func (m *Member) Kill() {
	_ = m.Cmd.Process.Kill() // it may be dead already
	<-m.Done
	m.LetGo()
}

// HoldAt makes the next worker that reaches the point wait there. See internal/operation/faultpoints.go.
func (m *Member) HoldAt(point string) {
	m.Site.T.Helper()
	if err := os.WriteFile(m.Hold, []byte(point), 0o600); err != nil {
		m.Site.T.Fatal(err)
	}
}

// Held waits until a worker is held.
func (m *Member) Held() {
	m.Site.T.Helper()
	testkit.Until(m.Site.T, "a worker is held", m.Holds)
}

// Holds says if a worker is held.
func (m *Member) Holds() bool {
	_, err := os.Stat(m.Hold + ".held")
	return err == nil
}

// LetGo lets the held worker go on, and no other be held.
func (m *Member) LetGo() {
	for _, file := range []string{m.Hold, m.Hold + ".held"} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.Site.T.Error(err)
		}
	}
}

// log is what all processes have ever written.
func (s *Site) log() string {
	var all strings.Builder
	for _, m := range s.Members {
		for _, run := range m.Runs {
			all.WriteString(run.Log.String())
		}
	}
	return all.String()
}

// WantQuietLog checks that no secret of any kind stands in a log, nor in clear in the session folder.
func (s *Site) WantQuietLog() {
	s.T.Helper()
	WantNoSecret(s.T, s.Sim, "the log", s.log())
	err := filepath.WalkDir(s.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "keys" {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil {
			WantNoSecret(s.T, s.Sim, path, string(content))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.T.Error(err)
	}
}

// WantNoSecret checks that none of the simulator's secrets stands in a text.
func WantNoSecret(t testing.TB, sim *simulator.Simulator, where, text string) {
	t.Helper()
	for _, secret := range sim.Secrets() {
		if len(secret) > 8 && strings.Contains(text, secret) {
			t.Errorf("%s holds a secret that begins with %q", where, secret[:8])
		}
	}
}

// Trip is the way of browsers to the services and the program.
func (s *Site) Trip() http.RoundTripper { return s.Sim.Client().Transport }

// SignedIn opens a window and signs in as person, at a page that reads no tokens.
func (s *Site) SignedIn(person string) *webtest.Browser {
	s.T.Helper()
	b := webtest.New(s.T, s.Trip()).Open(s.URL + "/sign-in" + Query("return", "/changes"))
	SignIn(b, person)
	if b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		s.T.Fatalf("signing in ended at %s (%d):\n%s\n%s", b.URL, b.Status, Says(b), s.log())
	}
	return b
}

// StoreFault is something that befalls the session folder.
type StoreFault struct {
	Name        string
	Dir         string // SESSION_DIR
	Spoil, Mend func()
}

// FolderGone is a store whose volume isn't mounted any more.
func FolderGone(t *testing.T) StoreFault {
	dir := filepath.Join(t.TempDir(), "sessions")
	return StoreFault{
		"folder gone", dir,
		func() { testkit.Must(t, os.Rename(dir, dir+".away")) },
		func() { testkit.Must(t, os.Rename(dir+".away", dir)) },
	}
}

// Reply is what became of a form that was sent by hand.
type Reply struct {
	Status int
	To     string // Location
	Body   string
	Err    error // no answer came
}

// Send sends a form as b would, but can be given up by its sender, and outlives the program's death.
func Send(ctx context.Context, b *webtest.Browser, trip http.RoundTripper, to *url.URL, form url.Values) Reply {
	client := &http.Client{Jar: b.Jar(), Transport: trip, Timeout: 2 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return Reply{Err: err}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", to.Scheme+"://"+to.Host)
	answer, err := client.Do(request)
	if err != nil {
		return Reply{Err: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return Reply{answer.StatusCode, answer.Header.Get("Location"), string(body), err}
}

// Says is what a person would read in the answer.
func (r Reply) Says() string {
	page, err := goquery.NewDocumentFromReader(strings.NewReader(r.Body))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s %v %s", r.Status, r.To, r.Err, MainText(page.Selection))
}

// Sending is send in the background.
func Sending(ctx context.Context, b *webtest.Browser, trip http.RoundTripper, to *url.URL, form url.Values) <-chan Reply {
	answers := make(chan Reply, 1)
	go func() { answers <- Send(ctx, b, trip, to, form) }()
	return answers
}

// Made are the tokens of that name, oldest first.
func Made(sim *simulator.Simulator, name string) []simulator.Token {
	return slices.DeleteFunc(sim.Tokens(""), func(t simulator.Token) bool { return t.DisplayName != name })
}

// Fate is how a page accounts for a token that was made: its secret is shown, it is named to be revoked, or it was
// revoked. Anything else means that it is lost.
func Fate(b *webtest.Browser, t simulator.Token) string {
	switch {
	case t.Revoked:
		return "revoked"
	case SecretOf(b) == t.Secret:
		return "shown"
	case b.Page.Find("#candidate-"+t.AuthorizationID).Length() == 1 && b.Has("button", "Revoke this token"):
		return "named"
	}
	return "lost"
}

// Says is the page's own text without its forms, cut to what a failed test can show.
func Says(b *webtest.Browser) string { return MainText(b.Page.Selection) }

// MainText is the text of a page's main part, without its forms.
func MainText(page *goquery.Selection) string {
	main := page.Find("main").Clone()
	main.Find("fieldset, select").Remove()
	text := webtest.Fold(main.Text())
	return text[:min(len(text), 4000)]
}

// Banners are the banners of the page.
func Banners(b *webtest.Browser) string {
	return webtest.Fold(b.Page.Find("[aria-label='Waiting for you']").Text())
}
