package preflight

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/network"
)

const (
	dialTimeout = 5 * time.Second
	headTimeout = 7 * time.Second // until the answer's headers
)

// wire is a way to the services like that of the running program, which remembers how it went. It is an
// http.RoundTripper and may be used by several goroutines.
type wire struct {
	base  http.RoundTripper
	now   func() time.Time
	mu    sync.Mutex
	trips map[string]attempt
}

// attempt is the last call to a host.
type attempt struct {
	Host    string
	Proxy   string // "http://proxy:3128", without user and password; "" if it went directly
	Connect int    // the proxy's status when it was asked for the host; 0 if it wasn't, or didn't answer
	Status  int    // of the answer; 0 if there was none
	Header  http.Header
	Err     error // why there was none

	drift time.Duration // the host's clock minus ours
	dated bool          // drift is known
}

// newWire returns a wire over base; nil is a transport with the proxy that the environment names and the authorities
// that this machine trusts. now is the clock that is compared with the hosts'.
func newWire(base http.RoundTripper, now func() time.Time) *wire {
	w := &wire{base: base, now: now, trips: map[string]attempt{}}
	if base == nil {
		w.base = &http.Transport{
			Proxy:                  w.proxy,
			OnProxyConnectResponse: w.connected,
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:    dialTimeout, ResponseHeaderTimeout: headTimeout, ForceAttemptHTTP2: true,
		}
	}
	return w
}

// proxy is http.ProxyFromEnvironment, whose choice is remembered.
func (w *wire) proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	w.change(r.URL.Hostname(), func(t *attempt) { t.Proxy = withoutUser(u) })
	return u, err
}

func withoutUser(u *url.URL) string {
	if u == nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

func (w *wire) connected(_ context.Context, _ *url.URL, request *http.Request, answer *http.Response) error {
	host, _, err := net.SplitHostPort(request.Host)
	if err != nil {
		host = request.Host
	}
	w.change(host, func(t *attempt) { t.Connect = answer.StatusCode })
	return nil
}

func (w *wire) change(host string, f func(*attempt)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trips[host]
	t.Host = host
	f(&t)
	w.trips[host] = t
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, _, err := w.call(r)
	return answer, err
}

func (w *wire) call(r *http.Request) (answer *http.Response, trip attempt, err error) {
	start := w.now()
	answer, err = w.base.RoundTrip(r)
	end := w.now()
	w.change(r.URL.Hostname(), func(t *attempt) {
		if t.Err, t.Status, t.Header = err, 0, nil; err == nil {
			t.Status, t.Header = answer.StatusCode, answer.Header
			t.compare(start, end)
		}
		trip = *t
	})
	return answer, trip, err
}

// compare reads the host's clock.
func (t *attempt) compare(start, end time.Time) {
	if date, err := http.ParseTime(t.Header.Get("Date")); err == nil {
		// A Date has whole seconds: it was written half a second later on average, half way through the call.
		t.drift, t.dated = date.Add(time.Second/2).Sub(start.Add(end.Sub(start)/2)), true
	}
}

// get asks for an address and returns what became of it. The body isn't read and no redirect is followed.
func (w *wire) get(ctx context.Context, address string) attempt {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return attempt{Err: err}
	}
	answer, trip, err := w.call(r)
	if err == nil {
		_ = answer.Body.Close() // nothing was asked of it
	}
	return trip
}

// last is the last call to a host.
func (w *wire) last(host string) attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trips[host]
}

// drift is how far the hosts' clocks are ahead of ours, and how many hosts have sent theirs. It is the middle one of
// them, so that a single host whose clock is wrong says nothing of ours.
func (w *wire) drift() (drift time.Duration, hosts int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var drifts []time.Duration
	for _, t := range w.trips {
		if t.dated {
			drifts = append(drifts, t.drift)
		}
	}
	if len(drifts) == 0 {
		return 0, 0
	}
	slices.SortFunc(drifts, func(a, b time.Duration) int { return cmp.Compare(a.Abs(), b.Abs()) })
	return drifts[(len(drifts)-1)/2], len(drifts)
}

// leadsTo names the host that a redirect leads to, for the end of a sentence about an answer that isn't the service's.
func (t attempt) leadsTo() string {
	if to := network.LeadsTo(t.Header); to != "" {
		return ": it leads to " + to
	}
	return ""
}

// way says how the host was reached, for the end of a sentence.
func (t attempt) way() string {
	if t.Proxy == "" {
		return "directly"
	}
	return fmt.Sprintf("through the proxy %s", t.Proxy)
}
