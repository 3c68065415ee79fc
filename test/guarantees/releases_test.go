package guarantees

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// firstRecords is the commit whose records are kept in testdata/records. Nothing older has to be read.
const firstRecords = "5aaf4ca"

// leftStore is what stands in a store that an earlier release has left behind; see testdata/records/README.md.
type leftStore struct {
	At                    time.Time
	Batch, Plan, Calendar string // addresses
	Draft, State          string
	Person                string
	Cookies, Stranger     map[string]string // of the signed-in browser, and of one that wasn't signed in
	Secrets               map[string]string // SHA-256 by the token's name
}

func readLeftStore(t *testing.T, commit string) (leftStore, string) {
	t.Helper()
	folder := filepath.Join("testdata", "records", commit)
	content, err := os.ReadFile(filepath.Join(folder, "expected.json"))
	testkit.Must(t, err)
	var left leftStore
	testkit.Must(t, json.Unmarshal(content, &left))
	packed, err := os.Open(filepath.Join(folder, "store.tar.gz"))
	testkit.Must(t, err)
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	testkit.Must(t, err)
	dir := filepath.Join(t.TempDir(), "sessions")
	files := tar.NewReader(plain)
	for {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return left, dir
		}
		testkit.Must(t, err)
		path := filepath.Join(dir, filepath.FromSlash(head.Name))
		if head.Typeflag == tar.TypeDir {
			testkit.Must(t, os.MkdirAll(path, 0o700))
			continue
		}
		content, err := io.ReadAll(files)
		testkit.Must(t, err)
		testkit.Must(t, os.WriteFile(path, content, 0o600))
	}
}

// A store of the first release, whose last process was killed in the middle of a creation, tells today's program all
// that it told then: who is signed in, every change with its outcome, the secrets that wait, batches, the calendar,
// what was typed.
func TestStoreOfTheFirstRelease(t *testing.T) {
	t.Parallel()
	left, dir := readLeftStore(t, firstRecords)
	clock := testkit.NewClockAt(left.At.Add(2 * time.Minute))
	now := clock.Now
	sim := simulator.New(simulator.Options{Seed: true, Now: now})
	testkit.Must(t, sim.Start(context.Background()))
	t.Cleanup(sim.Close)
	candidates := map[string]string{}
	for _, name := range []string{"killed in the middle", "refused in doubt"} {
		candidates[name] = sim.AddToken(simulator.Token{
			DisplayName: name, Organization: "contoso", Scope: "vso.code", ValidFrom: left.At, ValidTo: left.At.Add(30 * 24 * time.Hour),
		}).AuthorizationID
	}
	const public = "http://localhost:8080" // cookies are named after it
	d := apptest.StartOn(t, sim, apptest.Options{Now: now, Env: map[string]string{"BASE_URL": public, "SECRET_DISPLAY_TIME": "1h"}}, dir)
	d.Via = dialing(sim, "localhost:8080", d.Address)
	b := withCookies(d, left.Cookies)
	if b.Open(public + "/changes"); b.Status != http.StatusOK || !strings.Contains(b.Text(), left.Person) {
		t.Fatalf("the session isn't there any more: %d\n%s", b.Status, apptest.Says(b))
	}
	wantSecret := func(name string) {
		t.Helper()
		if sum := sha256.Sum256([]byte(apptest.SecretOf(b))); hex.EncodeToString(sum[:]) != left.Secrets[name] {
			t.Errorf("the secret of %q isn't shown: %d\n%s", name, b.Status, apptest.Says(b))
		}
	}
	for _, name := range []string{"secret waiting", "killed with the secret kept"} {
		apptest.OpenChange(b.Open(public+"/changes"), "Create "+name)
		wantSecret(name)
	}
	for click, want := range map[string]string{
		"Create secret saved":           "You have saved its secret",
		"Rotate old one":                "The old token still works",
		"Change edited after":           "edited after",
		"Revoke revoked one":            "no longer works",
		"Create killed before the call": "This was not done",
	} {
		if apptest.OpenChange(b.Open(public+"/changes"), click); !strings.Contains(b.Text(), want) {
			t.Errorf("%s: %d\n%s", click, b.Status, apptest.Says(b))
		}
	}
	var shown []string
	b.Open(public + left.Batch).Page.Find("code.secret").Each(func(_ int, s *goquery.Selection) {
		sum := sha256.Sum256([]byte(s.Text()))
		shown = append(shown, hex.EncodeToString(sum[:]))
	})
	if want := []string{left.Secrets["Container scan"], left.Secrets["Terraform"]}; !sameSet(shown, want) {
		t.Errorf("the batch shows %d secrets: %d\n%s", len(shown), b.Status, apptest.Says(b))
	}
	if b.Open(public + left.Plan); b.Heading() != "Revoke one token?" {
		t.Errorf("the planned batch: %d %q\n%s", b.Status, b.Heading(), apptest.Says(b))
	}
	if feed := apptest.ReadFeed(t, d, http.MethodGet, public+left.Calendar); feed.Status != http.StatusOK || !strings.Contains(feed.Body, "SUMMARY:Token expires: Terraform (contoso)") {
		t.Errorf("the calendar: %d\n%s", feed.Status, feed.Body)
	}

	// What needs Azure DevOps asks for a new sign-in: the tokens in the store are another simulator's.
	apptest.SignIn(b.Open(public+"/sign-in?ended=1"), left.Person)
	clock.Move(time.Minute) // without a sign-in nothing could be looked at: the next look is due
	for name, id := range candidates {
		apptest.OpenChange(b.Open(public+"/changes"), "Create "+name)
		if strings.Contains(b.Text(), "This was not done") || b.Page.Find("#candidate-"+id).Length() != 1 {
			t.Errorf("%s: %d\n%s", name, b.Status, apptest.Says(b))
		}
	}
	if apptest.OpenChange(b.Open(public+"/changes"), "Create killed and looked at"); b.Page.Find("[id^=candidate-]").Length() != 1 {
		t.Errorf("the token that was named then isn't now: %d\n%s", b.Status, apptest.Says(b))
	}
	wantStrangersThings(t, d, public, left)
}

// wantStrangersThings: what a browser that wasn't signed in has typed, and the sign-in that it has begun, are still
// known.
func wantStrangersThings(t *testing.T, d *apptest.Program, public string, left leftStore) {
	t.Helper()
	b := withCookies(d, left.Stranger)
	known := b.Open(public + "/getAToken?code=of-another-simulator&state=" + left.State).Text()
	if unknown := b.Open(public + "/getAToken?code=of-another-simulator&state=" + left.State).Text(); known == unknown {
		t.Errorf("the sign-in that was begun isn't known:\n%s", known)
	}
	apptest.SignIn(b.Open(public+"/sign-in?draft="+left.Draft), apptest.Jonas)
	if value, _ := b.Page.Find("#name").Attr("value"); value != "typed before the sign-in" {
		t.Errorf("what was typed is gone: %s\n%s", b.URL, apptest.Says(b))
	}
}

// dialing is a browser's way to the simulator, and to the program under the name that its cookies were made for.
func dialing(sim *simulator.Simulator, name, address string) http.RoundTripper {
	trip := sim.Client().Transport.(*http.Transport).Clone() //nolint:errcheck,forcetypeassert // it is one
	trip.DialContext = func(ctx context.Context, network, to string) (net.Conn, error) {
		if to == name {
			to = address
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	return trip
}

// withCookies opens a window that has cookies of an earlier one.
func withCookies(d *apptest.Program, values map[string]string) *webtest.Browser {
	b := webtest.New(d.T, d.Transport())
	var cookies []*http.Cookie
	for name, value := range values {
		cookies = append(cookies, &http.Cookie{Name: name, Value: value, Path: "/"})
	}
	b.Jar().SetCookies(apptest.MustParse(d.T, d.URL), cookies)
	return b
}

func sameSet(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// oldProgram builds the program as it was at a commit, with the points at which tests can hold it.
func oldProgram(t *testing.T, commit string) string {
	t.Helper()
	source := t.TempDir()
	tree := exec.Command("git", "archive", commit)
	tree.Dir = testkit.Root
	unpack := exec.Command("tar", "-x", "-C", source)
	var err error
	unpack.Stdin, err = tree.StdoutPipe()
	testkit.Must(t, err)
	testkit.Must(t, unpack.Start())
	if err := errors.Join(tree.Run(), unpack.Wait()); err != nil {
		t.Fatalf("%s can't be had: %v. These tests build the program of earlier commits: they need git and the whole history (git fetch --unshallow)", commit, err)
	}
	path := filepath.Join(source, "patdesk-old")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "faultpoints", "-o", path, ".")
	build.Dir, build.Env = source, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the program of %s: %v\n%s", commit, err, output)
	}
	return path
}

// commitBefore is the one that the working tree was made from, or its parent if nothing was changed since.
func commitBefore(t *testing.T) string {
	t.Helper()
	status := exec.Command("git", "status", "--porcelain", "--untracked-files=no")
	status.Dir = testkit.Root
	changed, err := status.Output()
	if err != nil {
		t.Fatalf("git status: %v", err)
	}
	if len(changed) > 0 {
		return "HEAD"
	}
	return "HEAD^"
}

// While one release replaces another, both share a store: the one that served before the records in testdata, and the
// commit before this one, each as the older process and as the newer one. In a short run each of them shares one kind of
// store, and both kinds are shared.
func TestReleasesShareAStore(t *testing.T) {
	t.Parallel()
	for i, release := range []struct{ name, commit string }{{"first release", firstRecords}, {"commit before", commitBefore(t)}} {
		t.Run(release.name, func(t *testing.T) {
			t.Parallel()
			old := oldProgram(t, release.commit)
			for _, store := range testkit.SampleFor(t, i, 1, []string{"folder", "Redis"}) {
				t.Run(store, func(t *testing.T) {
					t.Parallel()
					var settings []string
					if store == "Redis" {
						settings = []string{"SESSION_TYPE=redis", "REDIS_URL=redis://" + redistest.Start(t).Addr, "SESSION_KEYS=" + testkit.OldKey}
					}
					besideAnOlder(t, old, settings...)
				})
			}
		})
	}
}

// besideAnOlder runs an older program and today's on one store.
func besideAnOlder(t *testing.T, old string, settings ...string) {
	s := apptest.NewSite(t, 2, apptest.Seeded().Sim, settings...)
	s.Members[0].Program = old
	restart(s.Members[0])
	s.Front.Use(0)
	b := s.SignedIn(apptest.Mona)
	for i, who := range []string{"older", "newer"} {
		for _, d := range deathsInACreate {
			t.Run(who+" killed "+d.when, func(t *testing.T) { d.besideTheOther(t, s, b, i) })
		}
		t.Run(who+" begins, the other one finishes", func(t *testing.T) { finishedByTheOther(t, s, b, i) })
		t.Run(who+" killed in the middle of a batch", func(t *testing.T) { batchOverReleases(t, s, b, i) })
	}
	s.WantQuietLog()
}

// deathInACreate is a point of a creation at which its process dies, and what is told of its token then.
type deathInACreate struct {
	when         string
	hold         func(s *apptest.Site, i int) (reached, release func())
	fate, settle string
}

var deathsInACreate = []deathInACreate{
	{"when the service has made the token", func(s *apptest.Site, _ int) (reached, release func()) {
		held := s.Sim.Hold(simulator.CallCreate, "", true)
		return func() { <-held.Reached() }, held.Release
	}, "named", "Revoke this token"},
	{"with the secret kept", func(s *apptest.Site, i int) (reached, release func()) {
		s.Members[i].HoldAt("kept")
		return s.Members[i].Held, func() {}
	}, "shown", "I have saved it"},
}

// besideTheOther: one process dies, the other one tells what became of the token, and the first one too when it is
// back. The form makes no second token.
func (d deathInACreate) besideTheOther(t *testing.T, s *apptest.Site, b *webtest.Browser, i int) {
	t.Helper()
	name := fmt.Sprintf("number %d died %s", i, d.when)
	s.Front.Use(i)
	to, form := createForm(b, s.URL, "contoso", name)
	reached, release := d.hold(s, i)
	answer := apptest.Sending(context.Background(), b, s.Trip(), to, form)
	reached()
	s.Members[i].Kill()
	release()
	<-answer
	s.Front.Use(1 - i)
	apptest.OpenChange(b.Open(s.URL+"/changes"), "Create "+name)
	if tokens := apptest.Made(s.Sim, name); len(tokens) != 1 || apptest.Fate(b, tokens[0]) != d.fate || strings.Contains(b.Text(), "This was not done") {
		t.Errorf("%d tokens, at the other process: %d\n%s", len(tokens), b.Status, apptest.Says(b))
	}
	r := apptest.Send(context.Background(), b, s.Trip(), to, form)
	if n := createsOf(s.Sim, name); n != 1 {
		t.Errorf("the form sent again, to the other process: %d creates, %s", n, r.Says())
	}
	s.Members[i].Start()
	s.Front.Use(i)
	if b.Open(b.URL.String()); apptest.Fate(b, apptest.Made(s.Sim, name)[0]) != d.fate {
		t.Errorf("after its restart it says: %d\n%s", b.Status, apptest.Says(b))
	}
	b.Press(d.settle)
}

// finishedByTheOther: a rotation begun here is finished there, and each says so.
func finishedByTheOther(t *testing.T, s *apptest.Site, b *webtest.Browser, i int) {
	name := "rotated by the " + []string{"older", "newer"}[i]
	old := s.Sim.AddToken(simulator.Token{
		DisplayName: name, Organization: "contoso", Scope: "vso.code",
		ValidFrom: time.Now().Add(-time.Hour), ValidTo: time.Now().Add(10 * 24 * time.Hour),
	})
	s.Front.Use(i)
	b.Open(s.URL + "/tokens/contoso/" + old.AuthorizationID + "/rotate").Press("Rotate")
	change := b.URL.String()
	s.Front.Use(1 - i)
	if b.Open(change); apptest.SecretOf(b) == "" {
		t.Fatalf("the secret isn't shown by the other: %d\n%s", b.Status, apptest.Says(b))
	}
	b.Press("I have saved it")
	s.Front.Use(i)
	if b.Open(change); apptest.SecretOf(b) != "" {
		t.Errorf("the secret that was saved is shown: %d\n%s", b.Status, apptest.Says(b))
	}
	s.Front.Use(1 - i)
	b.Open(change).Press(named(b, "Revoke the old token", "The new one is in place"))
	s.Front.Use(i)
	if now, _ := s.Sim.Token(old.AuthorizationID); !now.Revoked || strings.Contains(b.Open(change).Text(), "still works") {
		t.Errorf("revoked: %v; %d\n%s", now.Revoked, b.Status, apptest.Says(b))
	}
}

// named is the one of the buttons' names that the page has: that of today, or of the first release.
func named(b *webtest.Browser, names ...string) string {
	for _, name := range names {
		if b.Has("button", name) {
			return name
		}
	}
	return names[0]
}

// batchOverReleases: a batch whose process dies is gone on with by the other one, and each token gets one successor.
func batchOverReleases(t *testing.T, s *apptest.Site, b *webtest.Browser, i int) {
	const tokens = 4
	s.Front.Use(i)
	name := func(n int) string { return fmt.Sprintf("%d in a batch of the %s", n, []string{"older", "newer"}[i]) }
	for n := range tokens {
		s.Sim.AddToken(simulator.Token{
			DisplayName: name(n), Organization: "contoso", Scope: "vso.code",
			ValidFrom: time.Now().Add(-time.Hour), ValidTo: time.Now().Add(10 * 24 * time.Hour),
		})
	}
	b.Open(s.URL + "/tokens?organization=contoso")
	for n := range tokens {
		apptest.Tick(b, name(n)+", contoso")
	}
	_, to, form := b.Press(named(b, "Rotate selected", "Rotate chosen")).Form("Rotate 4 tokens")
	s.Members[i].HoldAt("kept")
	if r := apptest.Send(context.Background(), b, s.Trip(), to, form); r.Status != http.StatusSeeOther {
		t.Fatal(r.Says())
	}
	s.Members[i].Held()
	s.Members[i].Kill()
	s.Front.Use(1 - i)
	apptest.WaitForBatch(t, b.Open(to.String()))
	if n := apptest.CountStates(b)["Not started"]; n > 0 {
		apptest.WaitForBatch(t, b.Press(named(b, apptest.GoOn(n), fmt.Sprintf("Go on with the %d not begun", n), "Go on with the one not begun")))
	}
	var here map[string]int
	testkit.Until(t, "the lock of who died is free", func() bool {
		here = apptest.CountStates(b.Open(to.String()))
		return here["In progress"] == 0
	})
	s.Members[i].Start()
	s.Front.Use(i)
	if there := apptest.CountStates(b.Open(to.String())); !maps.Equal(here, there) {
		t.Errorf("the other one says %v, after its restart this one %v\n%s", here, there, apptest.Says(b))
	}
	creates := 0
	for n := range tokens {
		one := createsOf(s.Sim, name(n)) // none if its worker died before
		if creates += one; one > 1 {
			t.Errorf("%q: %d creates", name(n), one)
		}
	}
	if told := here["Secret waiting"] + here["Not confirmed"]; creates > told || told+here["Failed"] != tokens || here["Secret waiting"] == 0 {
		t.Errorf("%d creates, told are %v", creates, here)
	}
	saved := fmt.Sprintf("I have saved all %d", here["Secret waiting"])
	if !b.Has("button", saved) {
		return
	}
	b.Press(saved)
	s.Front.Use(1 - i)
	if b.Open(to.String()); b.Page.Find("code.secret").Length() != 0 {
		t.Errorf("secrets that were saved are shown by the other one: %d\n%s", b.Status, apptest.Says(b))
	}
}
