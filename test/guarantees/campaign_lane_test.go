package guarantees

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// hurry is how much faster the clocks of programs and services run here: a list that lags for a minute does so for a
// second, and what is looked at again in two minutes is so in two seconds. Calls and stops have limits in real time.
const hurry = 60

// laneKind is what a lane's programs run on.
type laneKind struct {
	name        string
	processes   int
	redis       bool
	standstills []time.Duration // of a process that is frozen
}

var laneKinds = []laneKind{
	{"one process", 1, false, []time.Duration{200 * time.Millisecond, 1500 * time.Millisecond}},
	{"two processes on one folder", 2, false, []time.Duration{200 * time.Millisecond, 1500 * time.Millisecond}},
	// The longest loses the locks that the process holds: they are leases of 6 s.
	{"two processes on one Redis", 2, true, []time.Duration{200 * time.Millisecond, 1500 * time.Millisecond, 7 * time.Second}},
}

// lane is a site on which rounds are played one after the other. Each round has a person and organizations of its own,
// so that what befalls one doesn't pause another.
type lane struct {
	*apptest.Site
	*tally
	kind   laneKind
	stores []apptest.StoreFault
	clock  func() time.Time
	keeper int64 // the person with very many tokens
}

const hoard = "hoard" // the organization with very many tokens

func organizationsOf(n int64) []string {
	return []string{fmt.Sprintf("round-%d", n), fmt.Sprintf("round-%d-b", n), fmt.Sprintf("round-%d-c", n)}
}

func personOf(n int64) string { return fmt.Sprintf("Person %d", n) }

func usernameOf(n int64) string { return fmt.Sprintf("person%d@contoso.example", n) }

// newLane starts lane i of several.
func newLane(t *testing.T, total *tally, kind laneKind, i, lanes, rounds int64) *lane {
	t.Helper()
	start := time.Unix(0, time.Now().UnixNano()) // without the monotonic clock, which other processes don't share
	l := &lane{tally: total, kind: kind, keeper: rounds, clock: func() time.Time { return start.Add(hurry * time.Since(start)) }}
	o := simulator.Options{KeepSecrets: true, Now: l.clock, AccessTokenLifetime: 10 * 24 * time.Hour, Organizations: []simulator.Organization{}}
	join := func(n int64, organizations ...string) {
		p := simulator.Person{Name: personOf(n), Username: usernameOf(n), ObjectID: fmt.Sprintf("30aa0000-de30-4000-8000-%012d", n), TenantID: simulator.DefaultTenantID}
		for k, name := range organizations {
			p.Organizations = append(p.Organizations, name)
			o.Organizations = append(o.Organizations, simulator.Organization{Name: name, ID: fmt.Sprintf("00000000-0b60-4000-8%03d-%012d", k, n), TenantID: p.TenantID})
		}
		o.People = append(o.People, p)
	}
	for n := i; n < rounds; n += lanes {
		join(n, organizationsOf(n)...)
	}
	join(rounds, hoard)
	settings := []string{
		fmt.Sprintf("PATDESK_CLOCK=%d %d", start.UnixNano(), hurry), "PATDESK_CALL_TIMEOUT=1s", "PATDESK_STOP_TIMEOUT=3s",
		"SESSION_IDLE_TIMEOUT=24h", "SESSION_LIFETIME=168h", "SECRET_DISPLAY_TIME=1h", "RATE_LIMIT_SIGN_INS=0", "RATE_LIMIT_CHANGES=0",
	}
	if kind.redis {
		server := redistest.Start(t)
		settings = append(settings, "SESSION_TYPE=redis", "REDIS_URL=redis://"+server.Addr, "SESSION_KEYS="+testkit.OldKey)
		l.stores = redisFaults(server)
	} else {
		gone := apptest.FolderGone(t)
		settings = append(settings, "SESSION_DIR="+gone.Dir)
		l.stores = []apptest.StoreFault{gone}
	}
	l.Site = apptest.NewSite(t, kind.processes, o, settings...)
	if !kind.redis {
		l.Dir = l.stores[0].Dir
	}
	for k := range 2000 {
		l.Sim.AddToken(simulator.Token{DisplayName: fmt.Sprintf("one of very many tokens %04d", k), Scope: "vso.code", Organization: hoard, Owner: usernameOf(rounds)})
	}
	return l
}

// redisFaults are those of a Redis that go away without what it holds.
func redisFaults(server *redistest.Server) []apptest.StoreFault {
	return []apptest.StoreFault{
		{Name: "Redis is full", Spoil: func() { server.Do("CONFIG", "SET", "maxmemory", "1") }, Mend: func() { server.Do("CONFIG", "SET", "maxmemory", "0") }},
		{Name: "Redis hangs", Spoil: server.Hang, Mend: server.Wake},
	}
}

// lastLogs is the end of what the processes have to say.
func (l *lane) lastLogs() string {
	text := ""
	for _, m := range l.Members {
		text += "…" + m.Log.Since(max(0, m.Log.Len()-6000)) + "\n"
	}
	return text
}

// clearFaults switches all off that a round has switched on. What lags goes on lagging.
func (l *lane) clearFaults() { l.Sim.ClearFaults() }

// How a browser reads.
const (
	slowReader     = "slowly"
	abortingReader = "only the beginning"
)

// readingSpeed is that of a slow reader, in bytes a second.
const readingSpeed = 512

// reading is how the round's browsers are connected.
func (r *round) reading() http.RoundTripper {
	if r.reader == "" {
		return r.Trip()
	}
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, err := narrow(ctx, address)
		if err != nil || r.reader == abortingReader {
			return &abortingConn{Conn: conn, left: 600}, err
		}
		return &slowConn{Conn: conn, left: 2 * readingSpeed}, nil
	}}
}

// narrow connects with room for little that isn't read yet.
func narrow(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if narrowed, ok := conn.(*net.TCPConn); ok {
		err = narrowed.SetReadBuffer(2 << 10)
	}
	return conn, err
}

// slowConn reads readingSpeed bytes a second, and no more than left of them: nobody waits for ever.
type slowConn struct {
	net.Conn
	left int
}

func (c *slowConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.Conn.Read(p[:min(len(p), readingSpeed/8)])
	if c.left -= n; c.left < readingSpeed { // the first bytes come quickly
		<-time.After(time.Second / 8)
	}
	return n, err
}

// abortingConn breaks off in the middle of an answer.
type abortingConn struct {
	net.Conn
	left int
}

func (c *abortingConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// crawlAt has a page of megabytes read from that process, at readingSpeed. It returns when some of it has come; the
// returned function breaks it off.
func (r *round) crawlAt(m *apptest.Member) (end func()) {
	r.add("a page of megabytes is read very slowly")
	client := http.Client{Jar: r.other.Jar(), Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return narrow(ctx, m.Address)
	}}}
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+"/tokens?organization="+hoard, http.NoBody)
	testkit.Must(r.T, err)
	answer, err := client.Do(request)
	testkit.Must(r.T, err)
	_, err = io.CopyN(io.Discard, answer.Body, readingSpeed)
	testkit.Must(r.T, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := io.CopyN(io.Discard, answer.Body, readingSpeed/8); err != nil {
				return
			}
			<-time.After(time.Second / 8)
		}
	}()
	return func() { cancel(); <-done; answer.Body.Close() }
}
