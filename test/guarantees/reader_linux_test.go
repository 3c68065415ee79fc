package guarantees

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// A secret counts as read when its bytes were written to the browser's connection. The browsers of these tests are
// plain TCP connections, which read, read slowly, close or reset when the test says so.

// dialed is a browser's connection, with what has come over it.
type dialed struct {
	*net.TCPConn
	in *bufio.Reader
}

// dial connects to the program. Small segments and the smallest window there is keep the kernel's buffers small on both
// sides of a slow connection: some 50 KB fit, where it would be megabytes.
func dial(d *apptest.Program, slow bool) *dialed {
	d.T.Helper()
	dialer := &net.Dialer{}
	if slow {
		dialer.Control = func(_, _ string, c syscall.RawConn) error {
			var failed error
			err := c.Control(func(fd uintptr) {
				if failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 536); failed == nil {
					failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1)
				}
			})
			if err != nil {
				return err
			}
			return failed
		}
	}
	conn, err := dialer.DialContext(d.T.Context(), "tcp", strings.TrimPrefix(d.URL, "http://"))
	if err != nil {
		d.T.Fatal(err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		d.T.Fatalf("%T", conn)
	}
	d.T.Cleanup(func() { _ = tcp.Close() }) // it may be closed already
	return &dialed{tcp, bufio.NewReaderSize(tcp, 512)}
}

// ask sends a request as b would; with a form it is a POST.
func (c *dialed) ask(t *testing.T, b *webtest.Browser, method string, to *url.URL, form url.Values) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range b.Jar().Cookies(to) {
		r.AddCookie(cookie)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", to.Scheme+"://"+to.Host)
	testkit.Must(t, r.Write(c))
}

// answer reads the whole answer.
func (c *dialed) answer(t *testing.T) (body string) {
	t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	all, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// trickle takes 512 bytes a second of the answer. rest takes what is left of it at once, and says if that was all.
func (c *dialed) trickle(t *testing.T) (rest func() error) {
	t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	enough, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			if _, err := io.CopyN(io.Discard, r.Body, 512); err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-enough:
				return
			}
		}
	}()
	return func() error {
		defer r.Body.Close()
		close(enough)
		<-ended
		_, err := io.Copy(io.Discard, r.Body)
		return err
	}
}

func (c *dialed) reset(t *testing.T) {
	t.Helper()
	testkit.Must(t, c.SetLinger(0))
	testkit.Must(t, c.Close())
}

// longNames adds tokens whose names and scopes make every page, and every file, with them larger than what fits on its
// way.
func longNames(sim *simulator.Simulator, organization string, n int) {
	var scopes []string
	for _, group := range azuredevops.Groups() {
		scopes = append(scopes, group.Scopes[0].ID)
	}
	for i := range n {
		name := fmt.Sprint(i, strings.Repeat(" and on", 34))
		sim.AddToken(simulator.Token{DisplayName: name, Organization: organization, Owner: simulator.Mona, Scope: strings.Join(scopes, " "), ValidTo: time.Now().AddDate(0, 0, 30)})
	}
}

// leavings are the ways in which a browser doesn't get its answer.
var leavings = map[string]func(t *testing.T, c *dialed){
	"reads":  nil,
	"closes": func(t *testing.T, c *dialed) { t.Helper(); testkit.Must(t, c.Close()) },
	"resets": func(t *testing.T, c *dialed) { t.Helper(); c.reset(t) },
}

// noSecrets: the store takes everything but new secrets.
func noSecrets(t *testing.T) apptest.StoreFault {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sessions")
	secrets := filepath.Join(dir, "secret")
	return apptest.StoreFault{
		Name: "no secrets", Dir: dir,
		Spoil: func() {
			testkit.Must(t, os.RemoveAll(secrets))
			testkit.Must(t, os.WriteFile(secrets, nil, 0o600))
		},
		Mend: func() { testkit.Must(t, os.Remove(secrets)) },
	}
}

// shownInTrail counts how often the audit trail says that the secret of a token was shown.
func shownInTrail(d *apptest.Program, token simulator.Token) int {
	n := 0
	for line := range strings.Lines(d.Log.String()) {
		if strings.Contains(line, "event=show-secret") && strings.Contains(line, token.AuthorizationID) {
			n++
		}
	}
	return n
}

// startUnkept starts a program whose store takes no new secrets once the fault is switched on.
func startUnkept(t *testing.T, o apptest.Options) (*apptest.Program, apptest.StoreFault) {
	t.Helper()
	fault := noSecrets(t)
	sim := simulator.New(o.Sim)
	testkit.Must(t, sim.Start(t.Context()))
	t.Cleanup(sim.Close)
	return apptest.StartOn(t, sim, o, fault.Dir), fault
}

// wantFate, on a change's page: a token whose secret was read lives, and its page says so; one whose secret wasn't was
// revoked again. The page waits until that is settled, and the trail says how often the secret was shown.
func wantFate(d *apptest.Program, b *webtest.Browser, token simulator.Token, read int) {
	d.T.Helper()
	want := "couldn't keep its secret. It stood in the answer to your form"
	if read == 0 {
		want = "so patdesk revoked it"
	}
	now, _ := d.Sim.Token(token.AuthorizationID)
	if now.Revoked != (read == 0) || !strings.Contains(apptest.Says(b), want) {
		d.T.Errorf("read %d times; revoked: %t\n%s", read, now.Revoked, apptest.Says(b))
	}
	if n := shownInTrail(d, token); n != read {
		d.T.Errorf("the trail says that it was shown %d times, want %d", n, read)
	}
}

// A new secret that the store can't take: whoever gets the answer has it, the second click too; where nobody does, its
// token goes.
func TestUnkeptSecretAndItsBrowser(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb, how string
		twice     bool
	}{
		{"create", "reads", false}, {"create", "closes", false}, {"create", "resets", false}, {"rotate", "reads", false}, {"rotate", "closes", false},
		{"rotate", "resets", false}, {"create", "reads", true}, {"create", "resets", true}, {"rotate", "closes", true},
	} {
		t.Run(fmt.Sprintf("%s, %s, second click %t", c.verb, c.how, c.twice), func(t *testing.T) {
			t.Parallel()
			d, fault := startUnkept(t, apptest.Seeded())
			b := d.SignedIn(apptest.Mona)
			name := "made now"
			to, form := createForm(b, d.URL, "contoso", name)
			change := "Create made now"
			if c.verb == "rotate" {
				name, change = "Terraform", "Rotate Terraform"
				_, to, form = b.Open(d.URL + "/tokens?organization=contoso&q=Terraform").Click(name).Click("Rotate").Form("Rotate")
			}
			held := d.Sim.Hold(simulator.CallCreate, "", true)
			fault.Spoil()
			first, read := dial(d, false), 0
			first.ask(t, b, http.MethodPost, to, form)
			<-held.Reached()
			readers := []*dialed{first}
			if leave := leavings[c.how]; leave != nil {
				leave(t, first)
				readers = nil
			}
			if c.twice { // while the store is tried again and again
				second := dial(d, false)
				second.ask(t, b, http.MethodPost, to, form)
				readers = append(readers, second)
			}
			held.Release()
			testkit.Until(t, "the token is made", func() bool { return d.Sim.Created() > 0 })
			all := apptest.Made(d.Sim, name)
			token := all[len(all)-1]
			for _, reader := range readers {
				if read++; !strings.Contains(reader.answer(t), token.Secret) {
					t.Error("the answer lacks the secret")
				}
			}
			wantFate(d, apptest.OpenChange(b.Open(d.URL+"/changes"), change), token, read)
		})
	}
}

// A global token is replaced in a fast and in a slow organization, and the store can't take the fast one's secret. It
// is read when the page with both is written: not before, and not at all if the browser has left by then.
func TestUnkeptSecretBesideASlowOrganization(t *testing.T) {
	t.Parallel()
	for how, leave := range leavings {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			d, fault := startUnkept(t, apptest.Seeded())
			d.Sim.AddToken(simulator.Token{DisplayName: "Global clone", Owner: simulator.Mona, Scope: "vso.code_write", ValidTo: time.Now().AddDate(0, 0, 200)})
			b := d.SignedIn(apptest.Mona)
			apptest.ReplaceForm(t, d, b).Check("contoso").Check("fabrikam")
			_, to, form := b.Form("Create the tokens")
			slow := d.Sim.Hold(simulator.CallCreate, "fabrikam", false)
			fault.Spoil()
			c := dial(d, false)
			c.ask(t, b, http.MethodPost, to, form)
			<-slow.Reached()
			other := b.Twin()
			testkit.Until(t, "the fast one's secret is given up", func() bool {
				return outcomeIn(other.Open(d.URL+"/changes"), "contoso") == "Not confirmed"
			})
			fault.Mend()
			fast := apptest.NamedTokens(d, "Global clone")["contoso"]
			if shownInTrail(d, fast) != 0 || fast.Revoked {
				t.Errorf("before the page is written: shown %d times, revoked: %t", shownInTrail(d, fast), fast.Revoked)
			}
			read := 0
			if leave == nil {
				slow.Release()
				if read = 1; strings.Count(c.answer(t), fast.Secret) == 0 {
					t.Error("the page lacks the secret")
				}
			} else {
				leave(t, c)
				slow.Release()
			}
			testkit.Until(t, "the slow one's secret waits", func() bool { return outcomeIn(other.Open(d.URL+"/changes"), "fabrikam") == "Secret waiting" })
			testkit.Until(t, "the fast one's is settled", func() bool { return outcomeIn(other.Open(d.URL+"/changes"), "contoso") != "Not confirmed" })
			wantFate(d, other.Open(d.URL+changeIn(other, "contoso").Find("a").AttrOr("href", "")), fast, read)
		})
	}
}

// changeIn is the last change in an organization, in the list of changes.
func changeIn(b *webtest.Browser, organization string) *goquery.Selection {
	return b.Page.Find("table.changes tbody tr").FilterFunction(func(_ int, s *goquery.Selection) bool { return strings.Contains(s.Text(), organization) }).First()
}

func outcomeIn(b *webtest.Browser, organization string) string {
	return webtest.Fold(changeIn(b, organization).Find(".status").Text())
}

// The trail says that secrets were shown when the page or the file with them was written: not to a browser that leaves
// before it has taken all of it, not for a HEAD, not for a page that asks something else first.
func TestOnlyWrittenSecretsAreReportedShown(t *testing.T) {
	t.Parallel()
	const tokens = 30
	d, b := apptest.StartWithTokens(t, 1, 0, apptest.Options{})
	longNames(d.Sim, "org-01", tokens)
	apptest.WaitForBatch(t, apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Rotate selected").Press(fmt.Sprintf("Rotate %d tokens", tokens)))
	shown := func() int { return strings.Count(d.Log.String(), "event=show-secret") }
	testkit.Until(t, "the page is told", func() bool { return shown() >= tokens })
	want := shown()
	requests := func() int { return strings.Count(d.Log.String(), "msg=request") }
	b.Choose("Format", "JSON").Check("I know that this file holds secrets in plain text")
	_, file, form := b.Form("Download the secrets")
	for _, c := range []struct {
		method string
		to     *url.URL
		form   url.Values
	}{{http.MethodGet, b.URL, nil}, {http.MethodPost, file, form}} {
		before := requests()
		slow := dial(d, true)
		slow.ask(t, b, c.method, c.to, c.form)
		if _, err := slow.in.ReadByte(); err != nil {
			t.Fatal(err)
		}
		slow.reset(t)
		testkit.Until(t, "the request has ended", func() bool { return requests() > before })
		if shown() != want {
			t.Errorf("%s %s: told %d times to a browser that left", c.method, c.to.Path, shown()-want)
		}
		whole := dial(d, true)
		whole.ask(t, b, c.method, c.to, c.form)
		if secret := d.Sim.Secrets(); !strings.Contains(whole.answer(t), secret[len(secret)-1]) {
			t.Error("the answer lacks a secret")
		}
		want += tokens
		testkit.Until(t, "the whole answer is told", func() bool { return shown() >= want })
	}
	before := requests()
	head := dial(d, false)
	head.ask(t, b, http.MethodHead, b.URL, nil)
	testkit.Until(t, "the HEAD has ended", func() bool { return requests() > before })
	form.Del("format")
	if b.Post(file.String(), form); b.Status != http.StatusUnprocessableEntity {
		t.Errorf("%d", b.Status)
	}
	want += tokens // the page is shown again
	testkit.Until(t, "the page is told", func() bool { return shown() >= want })
	if shown() != want {
		t.Errorf("told %d times, want %d", shown(), want)
	}
}

// However a client asks for a page with a secret, it is told to be shown once for each whole answer: to one that speaks
// HTTP/1.0, wants the connection closed, or asks for a part of it, which it doesn't get.
func TestShowingToOtherClients(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	to, form := createForm(b, d.URL, "contoso", "shown to all")
	b.Post(to.String(), form)
	token := apptest.Made(d.Sim, "shown to all")[0]
	testkit.Until(t, "the page is told", func() bool { return shownInTrail(d, token) == 1 })
	var cookies []string
	for _, cookie := range b.Jar().Cookies(b.URL) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	head := fmt.Sprintf("Host: %s\r\nCookie: %s\r\n", b.URL.Host, strings.Join(cookies, "; "))
	want := 1
	for request, status := range map[string]int{
		"GET %s HTTP/1.0\r\n" + head + "\r\n":                                                http.StatusOK,
		"GET %s HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n":                           http.StatusOK,
		"GET %s HTTP/1.1\r\n" + head + "Range: bytes=0-99\r\nConnection: close\r\n\r\n":      http.StatusOK,
		"GET %s HTTP/1.1\r\n" + head + "Expect: 100-continue\r\nConnection: close\r\n\r\n":   http.StatusOK,
		"GET %s HTTP/1.1\r\n" + head + "If-None-Match: *\r\nConnection: close\r\n\r\n":       http.StatusOK,
		"OPTIONS %s HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n":                       http.StatusMethodNotAllowed,
		"POST %s HTTP/1.0\r\n" + head + "Origin: " + d.URL + "\r\nContent-Length: 0\r\n\r\n": http.StatusMethodNotAllowed,
	} {
		c := dial(d, false)
		if _, err := fmt.Fprintf(c, request, b.URL.Path); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if shown := status == http.StatusOK; err != nil || answer.StatusCode != status || strings.Contains(string(body), token.Secret) != shown {
			t.Errorf("%.40q: %d, %v", request, answer.StatusCode, err)
		} else if shown {
			want++
		}
		testkit.Until(t, "the answer is told", func() bool { return shownInTrail(d, token) >= want })
		if n := shownInTrail(d, token); n != want {
			t.Errorf("%.40q: told %d times, want %d", request, n, want)
		}
	}
}
