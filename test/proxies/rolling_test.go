package proxies

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
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
	"github.com/patdesk/patdesk/internal/proxytest"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

var rollingInFull = flag.Bool("rolling", false, "restart replicas under the whole load, behind each proxy that can spread it; see make rolling")

// rolling is how hard a rolling restart is tried.
type rolling struct {
	program string // of the proxy
	once    bool   // HAProxy tries no request again: the replicas alone must see to it that none fails
	rate    int    // requests per second
	rounds  int    // restarts of each replica
	delay   string // SHUTDOWN_DELAY
}

// P7: two replicas on one Redis, restarted one after the other while people work: no request fails, nobody is signed
// out, and no secret is lost. A short form of what "make rolling" does.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	if !*rollingInFull {
		rollOver(t, rolling{"haproxy", true, 50, 1, "2s"})
		return
	}
	t.Run("haproxy that tries nothing again", func(t *testing.T) { rollOver(t, rolling{"haproxy", true, 300, 3, "5s"}) })
	programs := []string{"haproxy", "caddy", "nginx"}
	if *traefik != "" {
		programs = append(programs, "traefik")
	}
	for _, program := range programs {
		t.Run(program, func(t *testing.T) { rollOver(t, rolling{program, false, 300, 3, "5s"}) })
	}
}

func rollOver(t *testing.T, r rolling) {
	t.Helper()
	f := startFleet(t, r, 2)
	l := startLoad(t, f, r.rate)
	l.until(t, int64(r.rate))
	for range r.rounds {
		for i := range f.members {
			f.restart(i)
			l.until(t, l.done.Load()+int64(r.rate)/2)
		}
	}
	took := l.stop()
	t.Logf("behind %s: %d requests in %s, %.0f per second, %d failed; %d tokens made, %d sign-ins; slowest %s; restarts: %d",
		r.program, l.done.Load(), took.Round(time.Millisecond), float64(l.done.Load())/took.Seconds(), len(l.failures()), l.created.Load(), l.signedIn.Load(),
		time.Duration(l.slowest.Load()).Round(time.Millisecond), r.rounds*len(f.members))
	for _, failure := range l.failures()[:min(10, len(l.failures()))] {
		t.Error(failure)
	}
	if n := l.created.Load(); n == 0 || int64(f.sim.Created()) != n {
		t.Errorf("%d tokens were asked for and shown, %d made", n, f.sim.Created())
	}
	if l.signedIn.Load() == 0 {
		t.Error("nobody signed in meanwhile")
	}
}

// fleet is the built program as several processes on one Redis, behind a real proxy.
type fleet struct {
	t       *testing.T
	sim     *simulator.Simulator
	proxy   *proxytest.Proxy
	home    string
	env     [][]string // of each process
	members []*apptest.Process
}

func startFleet(t *testing.T, r rolling, n int) *fleet {
	t.Helper()
	f := &fleet{t: t, sim: startServices(t, apptest.Seeded().Sim), home: t.TempDir()}
	redis := redistest.Start(t)
	ca := filepath.Join(f.home, "ca.pem")
	testkit.Must(t, os.WriteFile(ca, f.sim.CertPEM(), 0o600))
	m := mount{program: r.program}
	var backends []string
	for range n {
		address := "127.0.0.1:" + freeport.Port(t)
		f.env = append(f.env, []string{
			"SSL_CERT_FILE=" + ca, "CLIENT_ID=" + f.sim.ClientID(), "CLIENT_SECRET=" + f.sim.ClientSecret(), "AUTHORITY=" + f.sim.Authority(), "ENDPOINT=" + f.sim.Endpoint(),
			"DISCOVERY_ENDPOINT=" + f.sim.DiscoveryEndpoint(), "SESSION_TYPE=redis", "REDIS_URL=redis://" + redis.Addr, "SESSION_KEYS=" + testkit.OldKey,
			"BASE_URL=" + m.example().URL(), "TRUSTED_PROXIES=127.0.0.1", "LISTEN_ADDRESS=" + address, "SHUTDOWN_DELAY=" + r.delay,
		})
		backends = append(backends, address)
		f.members = append(f.members, f.start(len(f.members)))
	}
	example := m.example(backends...)
	example.Once = r.once
	f.proxy = proxytest.Start(t, example)
	f.sim.SetRedirectURIs(f.proxy.URL() + "/getAToken")
	f.sim.SetPostLogoutURIs(f.proxy.URL() + "/")
	return f
}

func (f *fleet) start(i int) *apptest.Process {
	f.t.Helper()
	p := apptest.StartBinary(f.t, f.home, f.env[i]...)
	p.WaitFor("msg=serving")
	return p
}

// restart stops a process in order, starts it again, and waits until the proxy sends it visitors again.
func (f *fleet) restart(i int) {
	f.t.Helper()
	f.members[i].Terminate()
	f.members[i] = f.start(i)
	f.members[i].WaitFor("msg=request")
}

// browser is one of many visitors, each with an address of its own.
func (f *fleet) browser(n int) *webtest.Browser {
	return webtest.New(f.t, f.proxy.Transport(f.proxy.HTTPS, fmt.Sprintf("127.7.%d.%d", n/250, n%250+1), f.sim.CertPool()))
}

// load is many people at work.
type load struct {
	f     *fleet
	began time.Time
	end   context.CancelFunc
	all   sync.WaitGroup

	done, created, signedIn, slowest atomic.Int64

	mu     sync.Mutex
	failed []string
}

// task is one kind of request and what its answer must be.
type task struct {
	path   string
	form   url.Values // nil: it is read
	status int
	text   string
}

// startLoad signs people in, and has them send rate requests per second until it is stopped.
func startLoad(t *testing.T, f *fleet, rate int) *load {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	l := &load{f: f, end: end}
	t.Cleanup(func() { l.stop() })
	var clients []*client
	for i, person := range []string{apptest.Mona, apptest.Jonas, apptest.Mona, apptest.Jonas, apptest.Mona} {
		b := f.browser(i).Open(f.proxy.URL() + "/sign-in?return=/changes")
		apptest.SignIn(b, person)
		if !b.Has("button", "Sign out") {
			t.Fatalf("%d %s\n%s", b.Status, b.URL, b.Text())
		}
		trip := f.proxy.Transport(f.proxy.HTTPS, "", f.sim.CertPool())
		trip.MaxIdleConnsPerHost = 64
		clients = append(clients, &client{cookie: apptest.SessionCookie(t, b, f.proxy.URL()), trip: trip})
	}
	style := webtest.New(t, clients[0].trip).Open(f.proxy.URL()+"/").Page.Find("link[rel=stylesheet]").AttrOr("href", "")
	visits := []task{
		{"/tokens?organization=contoso", nil, 200, "Sign out"}, {"/changes", nil, 200, "Sign out"}, {"/sessions", nil, 200, "Sign out"}, {"/tokens/new", nil, 200, "Sign out"},
		{style, nil, 200, "body"}, {style, nil, 200, "body"}, {"/sign-in?return=/changes&ended=1", nil, 200, ""}, {"/scopes", nil, 200, "Sign out"},
		{"/sign-in/start", nil, 303, ""}, {"/tokens/new", url.Values{"name": {""}, "form": {"forged"}}, 422, "Sign out"},
	}
	l.began = time.Now()
	l.all.Go(func() { l.send(ctx, rate, clients, visits) })
	for i := range 2 {
		l.all.Go(func() { l.work(ctx, i) })
	}
	return l
}

// mostAtOnce bounds how many requests wait for an answer; so a machine that is too slow lowers the rate.
const mostAtOnce = 64

// send sends the requests, evenly spread over time.
func (l *load) send(ctx context.Context, rate int, clients []*client, visits []task) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	places := make(chan struct{}, mostAtOnce)
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		places <- struct{}{}
		l.all.Go(func() {
			defer func() { <-places }()
			l.count(clients[i%len(clients)].send(l.f.proxy.URL(), visits[i%len(visits)]))
		})
	}
}

// work is a person who makes tokens, one after the other, and another who signs in and out.
func (l *load) work(ctx context.Context, who int) {
	b, person := l.f.browser(100+who), []string{apptest.Jonas, apptest.Mona}[who]
	apptest.SignIn(b.Open(l.f.proxy.URL()+"/sign-in?return=/changes"), person)
	for i := 0; ctx.Err() == nil; i++ {
		start := time.Now()
		if who == 0 {
			name := fmt.Sprint("made under way ", i)
			secret := apptest.SecretOf(b.Open(l.f.proxy.URL()+"/tokens/new?organization=fabrikam").Fill("Name", name).Choose("Wiki", "Read").Press("Create token"))
			if secret == "" {
				l.count(0, fmt.Errorf("no secret of %s: %d %s", name, b.Status, b.Text()))
				return
			}
			l.created.Add(1)
			b.Press("I have saved it")
		} else {
			b.Press("Sign out")
			apptest.SignIn(b.Open(l.f.proxy.URL()+"/sign-in?return=/changes"), person)
			if !b.Has("button", "Sign out") {
				l.count(0, fmt.Errorf("signing in ended at %s: %d %s", b.URL, b.Status, b.Text()))
				return
			}
			l.signedIn.Add(1)
		}
		l.count(time.Since(start), nil)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (l *load) count(took time.Duration, err error) {
	l.done.Add(1)
	for old := l.slowest.Load(); took > time.Duration(old); old = l.slowest.Load() {
		l.slowest.CompareAndSwap(old, int64(took))
	}
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, fmt.Sprintf("after %s: %v", time.Since(l.began).Round(time.Millisecond), err))
}

func (l *load) failures() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.failed)
}

// until waits until so many requests were answered.
func (l *load) until(t *testing.T, n int64) {
	t.Helper()
	testkit.Until(t, "requests are answered", func() bool { return l.done.Load() >= n })
}

// stop ends the load when all that is under way was answered, and returns how long it went on.
func (l *load) stop() time.Duration {
	l.end()
	l.all.Wait()
	return time.Since(l.began)
}

// client is a signed-in browser that only sends requests: it reads no pages.
type client struct {
	cookie *http.Cookie
	trip   http.RoundTripper
}

func (c *client) send(base string, v task) (time.Duration, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	method, address := http.MethodGet, base+v.path
	if v.form != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(v.form.Encode()))
	if err != nil {
		return 0, err
	}
	request.AddCookie(c.cookie)
	if v.form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", base)
	}
	answer, err := c.trip.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return 0, err
	}
	if answer.StatusCode != v.status || !strings.Contains(string(body), v.text) {
		return 0, fmt.Errorf("%s %s: %s\n%.300s", method, v.path, answer.Status, body)
	}
	return time.Since(start), nil
}
