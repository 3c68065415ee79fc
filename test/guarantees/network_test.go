package guarantees

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// line is the TCP connection between the program and Azure DevOps, or between a browser and the program. Toxics of
// Shopify's toxiproxy make it slow, break or swallow what goes over it (https://github.com/Shopify/toxiproxy#toxics).
type line struct {
	t        testing.TB
	listener net.Listener
	to       string // host:port of who answers

	mu       sync.Mutex
	up, down toxics.Toxic // for connections that are made from now on; nil: none
	open     map[net.Conn]bool
	spoilt   int   // connections that were made with a toxic on
	longest  int64 // bytes that one connection has brought down
}

// newLine is a line to what listens at that host and port.
func newLine(t testing.TB, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{t: t, listener: listener, to: to, open: map[net.Conn]bool{}}
	go l.serve()
	t.Cleanup(func() { _ = listener.Close(); l.cut() })
	return l
}

// endpoint is ENDPOINT for a program that is to use the line.
func (l *line) endpoint() string { return "https://" + l.listener.Addr().String() }

// spoil puts toxics on the connections that are made from now on; heal takes them off.
func (l *line) spoil(up, down toxics.Toxic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.down, l.spoilt, l.longest = up, down, 0, 0
}

func (l *line) heal() (spoilt int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.down = nil, nil
	return l.spoilt
}

// cut ends all connections there are.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.Close()
	}
}

func (l *line) serve() {
	for {
		program, err := l.listener.Accept()
		if err != nil {
			return
		}
		service, err := net.Dial("tcp", l.to)
		if err != nil {
			_ = program.Close()
			continue
		}
		l.mu.Lock()
		up, down := l.up, l.down
		if up != nil || down != nil {
			l.spoilt++
		}
		l.open[program], l.open[service] = true, true
		l.mu.Unlock()
		for _, toxic := range []toxics.Toxic{up, down} {
			if _, reset := toxic.(*toxics.ResetToxic); reset {
				abrupt(program)
				abrupt(service)
			}
		}
		go l.carry(program, service, up)
		go func() {
			n := l.carry(service, program, down)
			l.mu.Lock()
			l.longest = max(l.longest, n)
			l.mu.Unlock()
		}()
	}
}

// carry brings what comes from one end to the other through a toxic, and ends both when there is no more.
func (l *line) carry(from, to net.Conn, toxic toxics.Toxic) int64 {
	if toxic == nil {
		toxic = new(toxics.NoopToxic)
	}
	in, out := make(chan *stream.StreamChunk), make(chan *stream.StreamChunk)
	stub := toxics.NewToxicStub(in, out)
	if s, ok := toxic.(toxics.StatefulToxic); ok {
		stub.State = s.NewState()
	}
	go func() {
		_, _ = io.Copy(stream.NewChanWriter(in), from) // how it ended is the other end's concern
		close(in)
	}()
	go stub.Run(&toxics.ToxicWrapper{Toxic: toxic, Toxicity: 1})
	n, _ := io.Copy(to, stream.NewChanReader(out))
	_, _ = to.Close(), from.Close()
	for range in { // what nobody wants any more
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, from)
	return n
}

// behindLine starts the program so that it reaches Azure DevOps over a line.
func behindLine(t *testing.T, callTimeout time.Duration) (*apptest.Program, *line) {
	t.Helper()
	options := apptest.Seeded().Sim
	options.FullHandshakes = true // or else what is cut depends on how far the connection before came
	sim := simulator.New(options)
	if err := sim.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	l := newLine(t, strings.TrimPrefix(sim.Endpoint(), "https://"))
	o := apptest.Options{Env: map[string]string{"ENDPOINT": l.endpoint()}, CallTimeout: callTimeout}
	return apptest.StartOn(t, sim, o, t.TempDir()+"/sessions"), l
}

// toxic is a fault of the network, and whether what goes over it arrives in the end.
type toxic struct {
	name     string
	up, down toxics.Toxic
	passes   bool
}

func networkFaults() []toxic {
	return []toxic{
		{"latency", &toxics.LatencyToxic{Latency: 60, Jitter: 30}, &toxics.LatencyToxic{Latency: 60, Jitter: 30}, true},
		{"bandwidth", nil, &toxics.BandwidthToxic{Rate: 40}, true},
		{"slicer", nil, &toxics.SlicerToxic{AverageSize: 64, SizeVariation: 32, Delay: 100}, true},
		{"slow close", nil, &toxics.SlowCloseToxic{Delay: 200}, true},
		{"reset at once", nil, &toxics.ResetToxic{}, false},
		{"reset of the request", &toxics.ResetToxic{Timeout: 20}, nil, false},
		{"no answer", nil, &toxics.TimeoutToxic{Timeout: 200}, false},
		{"black hole", &toxics.TimeoutToxic{}, nil, false},
		{"black hole on the way back", nil, &toxics.TimeoutToxic{}, false},
		{"cut request", &toxics.LimitDataToxic{Bytes: 1000}, nil, false},
		{"cut handshake", nil, &toxics.LimitDataToxic{Bytes: 300}, false},
		{"cut answer", nil, &toxics.LimitDataToxic{Bytes: 1800}, false},
	}
}

// Whatever the network does to a call, the page says what has become of it, and nothing is sent twice. In a short run four
// faults befall each kind of call, not the same ones.
func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	for i, verb := range []string{"list", "create", "edit", "revoke", "rotate"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			d, l := behindLine(t, 3*time.Second)
			b := d.SignedIn(apptest.Mona)
			for _, fault := range testkit.SampleFor(t, i, 4, networkFaults()) {
				t.Run(fault.name, func(t *testing.T) {
					c := newNetworkCase(t, d, b, verb, verb+" over "+fault.name)
					if verb == "list" {
						l.cut() // so that the next call needs a new connection; a change always has its own
					}
					l.spoil(fault.up, fault.down)
					c.act()
					if spoilt := l.heal(); spoilt == 0 {
						t.Fatal("the fault hit nothing")
					}
					if b.Status >= 500 == fault.passes {
						t.Errorf("%d\n%s", b.Status, apptest.Says(b))
					}
					l.cut()
					c.wantTruth()
				})
			}
		})
	}
}

// networkCase is one use of the program, over a network that does something to it.
type networkCase struct {
	t          *testing.T
	d          *apptest.Program
	b          *webtest.Browser
	verb, name string
	old        simulator.Token
	button     string
}

// newNetworkCase prepares a token of that name and opens the page to be used, while the network is well.
func newNetworkCase(t *testing.T, d *apptest.Program, b *webtest.Browser, verb, name string) *networkCase {
	t.Helper()
	c := &networkCase{t: t, d: d, b: b, verb: verb, name: name}
	if b.Open(d.URL + "/tokens?organization=contoso"); b.Status != http.StatusOK { // also ends a series of failures
		t.Fatalf("before the fault: %d\n%s", b.Status, apptest.Says(b))
	}
	if verb != "create" {
		c.old = d.Sim.AddToken(simulator.Token{DisplayName: name, Scope: "vso.code", Organization: "contoso", Owner: simulator.Mona})
	}
	page := d.URL + "/tokens/contoso/" + c.old.AuthorizationID + "/" + verb
	switch verb {
	case "create":
		createForm(b, d.URL, "contoso", name)
		c.button = "Create token"
	case "edit":
		b.Open(page).Fill("Name", name+" again")
		c.button = "Save changes"
	case "revoke":
		b.Open(page)
		c.button = "Revoke"
	case "rotate":
		b.Open(page).Choose("The old token", "Revoke it at once")
		c.button = "Rotate"
	}
	return c
}

func (c *networkCase) act() {
	if c.verb == "list" {
		c.b.Open(c.d.URL + "/tokens" + apptest.Query("organization", "contoso", "q", c.name))
		return
	}
	c.b.Press(c.button)
}

// wantTruth compares what the page says with what the service has done.
func (c *networkCase) wantTruth() {
	c.t.Helper()
	if c.b.Has("button", "Check again") {
		c.b.Press("Check again")
	}
	now, _ := c.d.Sim.Token(c.old.AuthorizationID)
	switch c.verb {
	case "list":
		if complete := len(apptest.TokenNames(c.b)) == 1; complete != (c.b.Status == http.StatusOK) {
			c.t.Errorf("complete: %t, but %d\n%s", complete, c.b.Status, apptest.Says(c.b))
		}
	case "edit":
		c.wantSaid(now.DisplayName == c.name+" again")
	case "revoke":
		c.wantSaid(now.Revoked)
	case "create":
		c.wantAccount(apptest.Made(c.d.Sim, c.name))
	case "rotate":
		c.wantAccount(apptest.Made(c.d.Sim, c.name)[1:])
		if said := strings.Contains(c.b.Text(), "The old token is revoked"); said != now.Revoked {
			c.t.Errorf("the old token is revoked: %t\n%s", now.Revoked, apptest.Says(c.b))
		}
	}
}

func (c *networkCase) wantSaid(done bool) {
	c.t.Helper()
	if said := c.b.Status == http.StatusOK; said != done {
		c.t.Errorf("done: %t, but the page is %d\n%s", done, c.b.Status, apptest.Says(c.b))
	}
}

// wantAccount checks that there is one new token at most, that the page accounts for it, and that it tells of none that
// isn't there.
func (c *networkCase) wantAccount(tokens []simulator.Token) {
	c.t.Helper()
	if n := createsOf(c.d.Sim, c.name); n > 1 || len(tokens) > 1 {
		c.t.Errorf("%d creates, %d tokens", n, len(tokens))
	}
	if len(tokens) == 0 {
		if c.b.Status < 400 || apptest.SecretOf(c.b) != "" || c.b.Has("button", "Revoke this token") {
			c.t.Errorf("nothing was made, but %d\n%s", c.b.Status, apptest.Says(c.b))
		}
		return
	}
	if got := apptest.Fate(c.b, tokens[0]); got == "lost" || got == "shown" != (c.b.Status == http.StatusOK) {
		c.t.Errorf("%s, %d\n%s", got, c.b.Status, apptest.Says(c.b))
	}
}

// F3: the connection ends after k bytes of the answer to a create, for many k from the first byte of the TLS handshake
// to the last byte of all; in a short run for a third as many of those before the last.
func TestAnswerCutAnywhere(t *testing.T) {
	t.Parallel()
	d, l := behindLine(t, 5*time.Second)
	b := d.SignedIn(apptest.Mona)
	try := func(k int64) string {
		name := fmt.Sprintf("cut after %d bytes", k)
		c := newNetworkCase(t, d, b, "create", name)
		l.spoil(nil, &toxics.LimitDataToxic{Bytes: k})
		c.act()
		l.heal()
		c.wantTruth()
		if tokens := apptest.Made(d.Sim, name); len(tokens) == 1 {
			return apptest.Fate(b, tokens[0])
		}
		return "not made"
	}
	if got := try(1 << 20); got != "shown" {
		t.Fatalf("uncut: %s", got)
	}
	whole := l.longest
	var early []int64
	for k := int64(1); k < whole-30; k += whole / 20 {
		early = append(early, k)
	}
	fates := map[string]int{}
	for _, k := range testkit.Sample(t, len(early)/3, early) {
		fates[try(k)]++
	}
	for k := whole - 30; k <= whole; k += 5 { // the last bytes are never stepped over
		fates[try(k)]++
	}
	t.Logf("cut at %v of %d bytes", fates, whole)
	for _, want := range []string{"not made", "named", "shown"} {
		if fates[want] == 0 {
			t.Errorf("no cut came to %q: %v", want, fates)
		}
	}
	if fates["lost"] > 0 {
		t.Errorf("%v", fates)
	}
}

// abrupt makes closing a connection a reset.
func abrupt(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it may be closed already
	}
}
