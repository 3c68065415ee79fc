package features

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/session/redisstore"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// replicas are several programs on one Redis, behind one address.
type replicas struct {
	t        *testing.T
	sim      *simulator.Simulator
	redis    string // its URL
	front    *httptest.Server
	programs []*apptest.Program
	at       []*url.URL // where each listens

	only atomic.Int64 // the one that gets every request; -1: all in turn
	turn atomic.Int64
}

// startReplicas starts n programs on the Redis at redisURL.
func startReplicas(t *testing.T, redisURL string, n int) *replicas {
	t.Helper()
	sim := simulator.New(apptest.Seeded().Sim)
	if err := sim.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	r := &replicas{t: t, sim: sim, redis: redisURL}
	r.front = httptest.NewServer(apptest.WholeRequests(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			i := r.only.Load()
			if i < 0 {
				i = r.turn.Add(1) % int64(len(r.at))
			}
			p.SetURL(r.at[i])
			p.Out.Host = p.In.Host
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}))
	t.Cleanup(r.front.Close)
	for i := range n {
		r.programs, r.at = append(r.programs, nil), append(r.at, nil)
		r.start(i, testkit.OldKey)
	}
	return r
}

// start starts the program number i, or starts it again, with these keys.
func (r *replicas) start(i int, keys string) {
	r.t.Helper()
	if r.programs[i] != nil {
		_ = r.programs[i].Stop()
	}
	address := "127.0.0.1:" + freeport.Port(r.t)
	r.programs[i] = apptest.StartOn(r.t, r.sim, apptest.Options{Env: map[string]string{
		"SESSION_TYPE": "redis", "REDIS_URL": r.redis, "SESSION_KEYS": keys, "BASE_URL": r.front.URL, "LISTEN_ADDRESS": address,
	}}, "")
	r.at[i] = &url.URL{Scheme: "http", Host: address}
}

// use sends every request to the program number i; -1 to all in turn.
func (r *replicas) use(i int) { r.only.Store(int64(i)) }

// get opens a page of the program number i without cookies.
func (r *replicas) get(i int, path string) (status int, body string, took time.Duration) {
	r.t.Helper()
	start := time.Now()
	answer, err := http.Get(r.at[i].String() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.StatusCode, string(b), time.Since(start)
}

// until repeats f until it says that it is so, and says how long that took.
func (r *replicas) until(what string, f func() bool) time.Duration {
	r.t.Helper()
	start := time.Now()
	for !f() {
		if time.Since(start) > 30*time.Second {
			r.t.Fatalf("%s: not within 30 s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
	return time.Since(start)
}

// newToken fills in the form for a new token.
func (r *replicas) newToken(b *webtest.Browser, name string) *webtest.Browser {
	r.t.Helper()
	return b.Open(r.front.URL+"/tokens/new?organization=contoso").Fill("Name", name).Choose("Wiki", "Read")
}

// everything is all that Redis keeps.
func everything(server *redistest.Server) string {
	keys, _ := server.Do("KEYS", "*").([]any)
	text := fmt.Sprint(keys)
	for _, key := range keys {
		text += fmt.Sprint(server.Do("DUMP", key)) // of any type; short texts are as they are in it
		if server.Do("TYPE", key) == "string" {
			text += fmt.Sprint(server.Do("GET", key)) // not compressed
		}
	}
	return text
}

// The sign-in begins on one replica and ends on another, and a secret that one has made others show.
func TestReplicas(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := startReplicas(t, "redis://"+server.Addr, 3)
	r.use(0)
	b := r.programs[0].Browser().Click("Sign in")
	r.use(1)
	b.Press("Continue as " + apptest.Mona)
	r.use(2)
	if b.Open(r.front.URL + "/tokens?organization=contoso"); b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		t.Fatalf("%d %s\n%s", b.Status, b.URL, b.Text())
	}
	r.use(0)
	r.newToken(b, "over replicas").Press("Create token")
	secret, page := apptest.SecretOf(b), b.URL.String()
	if secret == "" {
		t.Fatalf("no secret: %d\n%s", b.Status, b.Text())
	}
	for i := range r.programs {
		r.use(i)
		if b.Open(page); apptest.SecretOf(b) != secret {
			t.Errorf("replica %d shows %q\n%s", i, apptest.SecretOf(b), b.Text())
		}
	}
	for _, canary := range []string{secret, "over replicas", "Mona", "contoso", "vso."} {
		if strings.Contains(everything(server), canary) {
			t.Errorf("%q is readable in Redis", canary)
		}
	}
	r.use(1)
	b.Press("I have saved it")
	r.use(2)
	if b.Open(page); apptest.SecretOf(b) != "" {
		t.Error("the secret is shown after it was saved")
	}
	b.Press("Sign out")
	r.use(0)
	if b.Open(r.front.URL + "/tokens"); b.Has("button", "Sign out") {
		t.Error("still signed in on another replica")
	}
}

// Twenty clicks on one button, spread over two replicas, make one token and show one secret.
func TestReplicasCreateOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := startReplicas(t, "redis://"+server.Addr, 2)
	b := r.programs[0].SignedIn(apptest.Mona)
	r.use(-1)
	_, to, form := r.newToken(b, "only one").Form("Create token")
	var wg sync.WaitGroup
	secrets := make([]string, 20)
	for i := range secrets {
		wg.Go(func() { secrets[i] = apptest.SecretOf(b.Twin().Post(to.String(), form)) })
	}
	wg.Wait()
	for _, secret := range secrets {
		if secret == "" || secret != secrets[0] {
			t.Errorf("secrets: %q", secrets)
			break
		}
	}
	if n := r.sim.Calls("create"); n != 1 {
		t.Errorf("%d tokens were made", n)
	}
}

// When the access token has run out, parallel requests on two replicas refresh it once. The simulator takes a refresh
// token once only, so a second use would sign the person out.
func TestReplicasRefreshOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := startReplicas(t, "redis://"+server.Addr, 2)
	r.sim.SetFault("shortAccessToken", simulator.FaultOptions{Call: simulator.CallToken, Times: 1})
	b := r.programs[0].Browser()
	b.Open(r.front.URL + "/sign-in?return=/changes")
	apptest.SignIn(b, apptest.Mona)
	r.use(-1)
	before := r.sim.Calls("token.refresh_token")
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			twin := b.Twin().Open(r.front.URL + "/tokens?organization=contoso")
			if twin.Status != http.StatusOK || len(apptest.TokenNames(twin)) == 0 {
				t.Errorf("%d %s", twin.Status, twin.URL)
			}
		})
	}
	wg.Wait()
	if n := r.sim.Calls("token.refresh_token") - before; n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

// A new key reaches all replicas as one that reads before the first one writes with it. Nobody notices.
func TestReplicasChangeKeys(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := startReplicas(t, "redis://"+server.Addr, 2)
	b := r.programs[0].SignedIn(apptest.Mona)
	r.newToken(b, "pending").Press("Create token")
	secret, page := apptest.SecretOf(b), b.URL.String()
	form := r.newToken(b, "typed before")
	for _, keys := range []string{testkit.OldKey + "," + testkit.NewKey, testkit.NewKey + "," + testkit.OldKey} {
		for restarted := range r.programs {
			r.start(restarted, keys)
			for i := range r.programs {
				r.use(i)
				if b.Twin().Open(page); secret == "" || apptest.SecretOf(b.Twin().Open(page)) != secret {
					t.Errorf("with %s on replica %d, replica %d doesn't show the secret", keys[:8], restarted, i)
				}
				other := r.programs[i].SignedIn(apptest.Jonas) // what one has written the other reads
				r.use(1 - i)
				if other.Open(r.front.URL + "/tokens?organization=contoso"); !other.Has("button", "Sign out") {
					t.Errorf("with %s on replica %d, a sign-in on %d doesn't count on the other", keys[:8], restarted, i)
				}
			}
		}
	}
	if form.Press("Create token"); apptest.SecretOf(form) == "" {
		t.Errorf("a form from before: %d\n%s", form.Status, form.Text())
	}
}

// Redis hangs: pages end in time and say what is the matter, readiness fails, liveness doesn't. All of it is over when
// Redis is back, and nobody has to sign in again.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := startReplicas(t, "redis://"+server.Addr, 1)
	b := r.programs[0].SignedIn(apptest.Mona)
	form := r.newToken(b.Twin(), "in the meantime")
	server.Hang()
	const bound = redisstore.CallTimeout + 2*time.Second // the machine may be busy
	check := func(what string, f func() int) {
		start := time.Now()
		if status, took := f(), time.Since(start); status != http.StatusServiceUnavailable || took > bound {
			t.Errorf("%s: %d after %v", what, status, took)
		}
	}
	check("a list", func() int { return b.Open(r.front.URL + "/tokens?organization=contoso").Status })
	if len(b.Heading()) < 8 || strings.Contains(b.Body, "goroutine") || strings.Contains(b.Text(), "redis") {
		t.Errorf("the page:\n%s", b.Text())
	}
	check("creating", func() int { return form.Press("Create token").Status })
	check("beginning to sign in", func() int { return browserAt(r.programs[0], "/sign-in/start").Status })
	r.until("not ready", func() bool { status, _, _ := r.get(0, "/readyz"); return status == http.StatusServiceUnavailable })
	if status, _, took := r.get(0, "/healthz"); status != http.StatusOK || took > time.Second {
		t.Errorf("/healthz: %d after %v", status, took)
	}
	var wg sync.WaitGroup
	for range 100 { // more than there are connections
		wg.Go(func() { check("one of many", func() int { return b.Twin().Open(r.front.URL + "/changes").Status }) })
	}
	wg.Wait()
	if n := r.sim.Calls("create"); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
	server.Wake()
	took := r.until("ready again", func() bool { status, _, _ := r.get(0, "/readyz"); return status == http.StatusOK })
	t.Logf("ready %v after Redis woke up", took)
	if b.Open(r.front.URL + "/tokens?organization=contoso"); b.Status != http.StatusOK || len(apptest.TokenNames(b)) == 0 {
		t.Errorf("afterwards: %d %s\n%s", b.Status, b.URL, b.Text())
	}
}

// browserAt opens a window on a page.
func browserAt(d *apptest.Program, path string) *webtest.Browser {
	d.T.Helper()
	return webtest.New(d.T, d.Transport()).Open(d.URL + path)
}

// Redis dies and comes back empty: in between a page says so at once, and afterwards people sign in again.
func TestRedisGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := startReplicas(t, "redis://"+server.Addr, 1)
	b := r.programs[0].SignedIn(apptest.Mona)
	form := r.newToken(b.Twin(), "typed before")
	server.Kill()
	for _, path := range []string{"/tokens?organization=contoso", "/changes", "/sessions"} {
		start := time.Now()
		if b.Open(r.front.URL + path); b.Status != http.StatusServiceUnavailable || time.Since(start) > 2*time.Second {
			t.Errorf("%s: %d after %v", path, b.Status, time.Since(start))
		}
	}
	r.until("not ready", func() bool { status, _, _ := r.get(0, "/readyz"); return status == http.StatusServiceUnavailable })
	server.Restart()
	r.until("ready again", func() bool { status, _, _ := r.get(0, "/readyz"); return status == http.StatusOK })
	checkSignsInAgain(t, r, b, form)
}

// Redis is emptied while people are signed in.
func TestRedisFlushed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := startReplicas(t, "redis://"+server.Addr, 1)
	b := r.programs[0].SignedIn(apptest.Mona)
	form := r.newToken(b.Twin(), "typed before")
	server.Do("FLUSHALL")
	checkSignsInAgain(t, r, b, form)
}

// checkSignsInAgain: a page leads to the sign-in and back, and a form that was sent keeps what was typed.
func checkSignsInAgain(t *testing.T, r *replicas, b, form *webtest.Browser) {
	t.Helper()
	form.Press("Create token")
	if form.Status >= http.StatusInternalServerError || !form.Has("link", "Sign in") {
		t.Fatalf("a form without a session: %d %s\n%s", form.Status, form.URL, form.Text())
	}
	apptest.SignIn(form, apptest.Mona)
	if _, _, values := form.Form("Create token"); values.Get("name") != "typed before" {
		t.Errorf("what was typed is lost: %v\n%s", values, form.Text())
	}
	if form.Press("Create token"); apptest.SecretOf(form) == "" {
		t.Errorf("%d\n%s", form.Status, form.Text())
	}
	if b.Open(r.front.URL + "/tokens?organization=contoso"); b.Status != http.StatusOK || len(apptest.TokenNames(b)) == 0 {
		t.Errorf("%d %s\n%s", b.Status, b.URL, b.Text())
	}
}

// The primary dies right after a secret was made: it is shown all the same, and patdesk goes on by itself.
func TestRedisFailsOver(t *testing.T) {
	t.Parallel()
	w := redistest.StartSentinels(t)
	r := startReplicas(t, "redis+sentinel://"+strings.Join(redistest.Addresses(w.Sentinels), ",")+"/"+redistest.MasterName, 2)
	b := r.programs[0].SignedIn(apptest.Mona)
	r.newToken(b, "before the failover").Press("Create token")
	w.Primary.Kill()
	died := time.Now()
	secret, page := apptest.SecretOf(b), b.URL.String()
	if secret == "" {
		t.Fatalf("no secret: %d\n%s", b.Status, b.Text())
	}
	r.use(1)
	r.until("the page of the secret is back", func() bool {
		start := time.Now()
		b.Open(page)
		if took := time.Since(start); took > redisstore.CallTimeout+2*time.Second {
			t.Errorf("a page took %v", took)
		}
		if b.Status >= http.StatusInternalServerError && b.Status != http.StatusServiceUnavailable {
			t.Errorf("a page with status %d\n%s", b.Status, b.Text())
		}
		return b.Status == http.StatusOK && b.Has("button", "Sign out")
	})
	t.Logf("pages are back %v after the primary died", time.Since(died))
	if apptest.SecretOf(b) != secret {
		t.Errorf("shows %q, want %q\n%s", apptest.SecretOf(b), secret, b.Text())
	}
	if r.newToken(b, "after the failover").Press("Create token"); apptest.SecretOf(b) == "" {
		t.Errorf("creating afterwards: %d\n%s", b.Status, b.Text())
	}
}

// What an operator has to mend stops the start, with what to put where, and no password is told.
func TestRedisStartFaults(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	certificates := redistest.MakeCertificates(t)
	encrypted := redistest.StartTLS(t, certificates)
	cluster := redistest.StartCluster(t, 2)
	server.Do("ACL", "SETUSER", "patdesk", "on", ">hushhush", "~other:*", "+@all", "-@dangerous")
	env := map[string]string{
		"CLIENT_ID": "3b2f1c9e-7a44-4b1c-9c55-0f6a5d1e2c3b", "CLIENT_SECRET": "canary-7c1f", "LISTEN_ADDRESS": "127.0.0.1:0",
		"SESSION_TYPE": "redis", "SESSION_KEYS": testkit.OldKey,
	}
	for _, c := range []struct{ name, url, words string }{
		{"wrong password", "redis://patdesk:canary-7c1f@" + server.Addr, "REDIS_PASSWORD_FILE"},
		{"prefix", "redis://patdesk:hushhush@" + server.Addr, "ACL"},
		{"database", "redis://" + server.Addr + "/77", "no database of the number"},
		{"not trusted", "rediss://" + encrypted.Addr, "?ca=file"},
		{"a Cluster", "redis://" + cluster[0].Addr, "redis+cluster://"},
		{"no Cluster", "redis+cluster://" + server.Addr, "isn't part of a Cluster"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env["REDIS_URL"] = c.url
			said := failsToStart(t, env)
			if !strings.Contains(said, "REDIS_URL leads to a Redis that can't be used") || !strings.Contains(said, c.words) {
				t.Error(said)
			}
			if strings.Contains(said, "canary") || strings.Contains(said, "hushhush") {
				t.Errorf("a secret is told:\n%s", said)
			}
		})
	}
}

// A Redis that isn't there yet doesn't stop the start.
func TestRedisComesLater(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	r := startReplicas(t, "redis://"+server.Addr, 1)
	if status, _, _ := r.get(0, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", status)
	}
	if !strings.Contains(r.programs[0].Log.String(), "Redis can't be used yet") {
		t.Errorf("nothing is said:\n%s", r.programs[0].Log)
	}
	server.Restart()
	r.until("ready", func() bool { status, _, _ := r.get(0, "/readyz"); return status == http.StatusOK })
	if b := r.programs[0].SignedIn(apptest.Mona); len(apptest.TokenNames(b)) == 0 {
		t.Errorf("%d %s", b.Status, b.URL)
	}
}

// A Redis that drops records is warned of, where it can be known.
func TestRedisEvictionIsWarnedOf(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	r := startReplicas(t, "redis://"+server.Addr, 1)
	if !strings.Contains(r.programs[0].Log.String(), "noeviction") {
		t.Errorf("nothing is said:\n%s", r.programs[0].Log)
	}
}

// A replica is killed while Azure DevOps makes a token and doesn't answer. The others find out when its lease is over,
// say that the outcome isn't known, and name the token that was made; nothing is sent a second time.
func TestReplicaIsKilled(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := startReplicas(t, "redis://"+server.Addr, 2)
	_ = r.programs[0].Stop()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, r.sim.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	process := apptest.StartBinary(t, dir, "SSL_CERT_FILE="+ca, "CLIENT_ID="+r.sim.ClientID(), "CLIENT_SECRET="+r.sim.ClientSecret(),
		"AUTHORITY="+r.sim.Authority(), "ENDPOINT="+r.sim.Endpoint(), "DISCOVERY_ENDPOINT="+r.sim.DiscoveryEndpoint(),
		"SESSION_TYPE=redis", "REDIS_URL="+r.redis, "SESSION_KEYS="+testkit.OldKey, "BASE_URL="+r.front.URL, "LISTEN_ADDRESS="+r.at[0].Host)
	process.WaitFor("serving")
	b := r.programs[1].SignedIn(apptest.Mona)
	_, to, form := r.newToken(b, "cut short").Form("Create token")
	r.sim.SetFault("hangAfterDoing", simulator.FaultOptions{Call: "create"})
	before := r.sim.Calls("create")
	posted := make(chan int, 1)
	go func() { posted <- b.Twin().Post(to.String(), form).Status }()
	r.until("the token is made", func() bool {
		return slices.ContainsFunc(r.sim.Tokens("contoso"), func(t simulator.Token) bool { return t.DisplayName == "cut short" })
	})
	if err := process.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if status := <-posted; status != http.StatusBadGateway {
		t.Errorf("the front answers %d", status)
	}
	r.sim.ClearFaults()
	r.use(1)
	died := time.Now()
	b.Post(to.String(), form) // waits for the one that has died
	t.Logf("known %v after the replica was killed", time.Since(died))
	if time.Since(died) > 10*time.Second || apptest.SecretOf(b) != "" || !b.Has("button", "Revoke this token") && !b.Has("button", "Check again") {
		t.Errorf("after %v: %d %s\n%s", time.Since(died), b.Status, b.URL, b.Text())
	}
	if b.Has("button", "Check again") {
		b.Press("Check again")
	}
	b.Press("Revoke this token")
	alive := slices.ContainsFunc(r.sim.Tokens("contoso"), func(t simulator.Token) bool { return t.DisplayName == "cut short" && !t.Revoked })
	if n := r.sim.Calls("create") - before; alive || n != 1 {
		t.Errorf("alive: %v, %d creates\n%s", alive, n, b.Text())
	}
}

// Redis hangs between the claim and the secret: the secret is in the answer itself.
func TestRedisHangsWhileATokenIsMade(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := startReplicas(t, "redis://"+server.Addr, 1)
	b := r.programs[0].SignedIn(apptest.Mona)
	r.newToken(b, "shown at once")
	r.sim.SetFault("slow", simulator.FaultOptions{Call: "create", Delay: time.Second})
	before := r.sim.Calls("create")
	answered := make(chan time.Time, 1)
	go func() {
		r.until("the call is sent", func() bool { return r.sim.Calls("create") > before })
		server.Hang()
		answered <- time.Now()
	}()
	b.Press("Create token")
	t.Logf("answered %v after Redis stopped", time.Since(<-answered))
	server.Wake()
	if apptest.SecretOf(b) == "" || b.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d\n%s\n%s", b.Status, b.Text(), r.programs[0].Log)
	}
	if n := r.sim.Calls("create") - before; n != 1 {
		t.Errorf("%d creates", n)
	}
}

// Bulk work over two replicas on Redis with a replica that confirms each write of a batch: begun on one, seen through
// both, its secrets saved and its old tokens revoked whoever answers.
func TestBulkOnRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	redistest.StartReplica(t, server)
	r := startReplicas(t, "redis://"+server.Addr, 2)
	b := r.programs[0].SignedIn(apptest.Mona)
	apptest.PickAll(b, r.front.URL+"/tokens?organization=fabrikam&q=Code", "Rotate selected")
	count := b.Page.Find("tbody").First().Find("tr").Length()
	before := r.sim.Created()
	apptest.WaitForBatch(t, b.Press(fmt.Sprintf("Rotate %d tokens", count)))
	if r.sim.Created()-before != count || apptest.CountStates(b)["Secret waiting"] != count || b.Page.Find("code.secret").Length() != count {
		t.Fatalf("%d created of %d, %v\n%s", r.sim.Created()-before, count, apptest.CountStates(b), apptest.Says(b))
	}
	b.Press(fmt.Sprintf("I have saved all %d", count)).Check("The new secrets are in place")
	apptest.WaitForBatch(t, b.Press(fmt.Sprintf("Revoke the %d old tokens", count)))
	if r.sim.Revoked() != count || apptest.CountStates(b)["Done"] != count || apptest.Banners(b.Open(r.front.URL+"/tokens")) != "" {
		t.Errorf("%d revoked of %d, waiting %q\n%s", r.sim.Revoked(), count, apptest.Banners(b), apptest.Says(b))
	}
}
