package azuredevops

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/patdesk/patdesk/internal/network"
)

const (
	maxTries = 3                // of a read
	maxPause = 10 * time.Second // that a call waits before it goes on; a person is waiting too
	busyFor  = 5 * time.Second  // after which it is worth trying again what one of our own bounds has refused
)

// Caps of an answer's body, after decompression.
const (
	maxBody      = 1 << 20
	maxListBody  = 8 << 20
	maxErrorBody = 128 << 10 // of what isn't a result; the longest known has an image of 40 KB in it
)

// call is one request to be made, the same at every try.
type call struct {
	name         string // for Error.Call
	organization string
	method       string
	url          string
	body         []byte // JSON, nil for none
	maxBody      int64
	buffer       []byte // nil, or for the answer's body, if that fits: it is read before another call uses it
	namesToken   bool   // the address names one token
	time         *allowance
}

// allowance is the time that is left for what was asked for, with all its pages and tries. The service's time is that
// of the exchanges alone. Pauses, and waiting for one's turn here, have a time of their own: they say nothing about the
// service, and don't shorten what it is given.
type allowance struct {
	service, waiting time.Duration
	turn             time.Duration // the longest wait for one's turn
}

func (c *Client) timeForRead() *allowance {
	return &allowance{service: c.timeout, waiting: c.timeout * 2 / 3, turn: c.timeout / 3}
}

// timeForChange leaves less for waiting: what is in flight when the program stops must end in time.
func (c *Client) timeForChange() *allowance {
	return &allowance{service: c.changeTimeout, waiting: c.changeTimeout / 6, turn: c.timeout / 3}
}

// errTimeUp is the cause of the end of an exchange that has used up the service's time. Every other end is our side's.
var errTimeUp = errors.New("the service has used up its time")

// change reports whether the call must be sent at most once.
func (q call) change() bool { return q.method != http.MethodGet }

// fail returns an Error of this call.
func (q call) fail(k Kind, cause error) *Error {
	return &Error{Call: q.name, Organization: printable(q.organization), Kind: k, Err: cause}
}

// paused returns the Error of a call that wasn't sent because of a pause.
func (q call) paused(k Kind, left time.Duration) *Error {
	e := q.fail(k, nil)
	e.RetryAfter = left
	return e
}

// answer is a result: status 2xx, body read whole, JSON or empty.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do makes the call and returns its result. It is the one way to the network. A read that met a passing fault is tried
// again; a change never.
func (c *Caller) do(ctx context.Context, q call) (answer, error) {
	bearer, err := c.bearer(ctx)
	if err != nil {
		return answer{}, err
	}
	if bearer == "" || strings.ContainsFunc(bearer, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return answer{}, q.fail(KindSignIn, errNoBearer)
	}
	p, left := c.client.guards.admit(c.person, q.organization)
	if p == nil {
		return answer{}, q.paused(KindPaused, left)
	}
	var v verdict
	defer func() { p.done(v) }()
	for try := 1; ; try++ {
		var a answer
		var failure *Error
		a, v, failure = c.client.send(ctx, q, bearer, p)
		if failure == nil {
			return a, nil
		}
		if q.change() || try == maxTries || !failure.passing() || !c.client.rest(ctx, q.time, failure.RetryAfter, try) {
			return answer{}, failure
		}
	}
}

// passing reports whether the same read may well succeed in a moment.
func (e *Error) passing() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable || e.Kind == KindConnection
}

// rest waits before the next try: as long as the service asked for, else longer each time, a little at random so that
// those who failed together don't come back together. It returns false at once if that is too long to wait for.
func (c *Client) rest(ctx context.Context, t *allowance, asked time.Duration, try int) bool {
	d := asked
	if d == 0 {
		d = time.Duration(try*try) * 250 * time.Millisecond
	}
	if d > maxPause || d >= min(t.waiting, remaining(ctx)) {
		return false
	}
	d += rand.N(d/4 + time.Millisecond) //nolint:gosec // nothing secret about it
	t.waiting -= d
	return c.sleep(ctx, d) == nil
}

// send makes one exchange with the service, in its turn.
func (c *Client) send(ctx context.Context, q call, bearer string, p *pass) (answer, verdict, *Error) {
	if left, kind := p.held(q.change()); left > 0 && !c.rest(ctx, q.time, left, 0) && ctx.Err() == nil {
		return answer{}, neutral, q.paused(kind, left)
	}
	if failure := q.waitForTurn(ctx, p); failure != nil {
		return answer{}, neutral, failure
	}
	defer p.give()
	if paused := p.pausedFor(); paused > 0 {
		return answer{}, neutral, q.paused(KindPaused, paused)
	}

	header := http.Header{}
	done := c.watch(ctx, q.name, header)
	begun := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, q.time.service, errTimeUp)
	defer cancel()
	a, failure := c.converse(ctx, q, bearer, p, header)
	q.time.service -= time.Since(begun)
	done(exchangeOf(a, failure))
	return a, verdictOf(ctx, failure), failure
}

// waitForTurn waits until one of the bounds lets another exchange begin; its slot must be given back.
func (q call) waitForTurn(ctx context.Context, p *pass) *Error {
	begun := time.Now()
	bound, own, err := p.take(ctx, min(q.time.turn, q.time.waiting))
	q.time.waiting -= time.Since(begun)
	switch {
	case err != nil:
		return q.fail(KindCanceled, err)
	case bound != "" && own:
		return q.paused(KindBusy, busyFor)
	case bound != "":
		return q.paused(KindOverloaded, busyFor)
	}
	return nil
}

// verdictOf an exchange. One that ended because our caller went away, or had no time any more, says nothing.
func verdictOf(ctx context.Context, failure *Error) verdict {
	switch cause := context.Cause(ctx); {
	case failure == nil:
		return healthy
	case cause != nil && !errors.Is(cause, errTimeUp):
		return neutral
	}
	return failure.verdict()
}

func exchangeOf(a answer, failure *Error) Exchange {
	if failure != nil {
		return Exchange{failure.Status, failure.Kind, failure.ActivityID}
	}
	return Exchange{Status: a.status, ActivityID: activityID(a.header)}
}

// converse sends the request and reads the answer. header goes along with it.
func (c *Client) converse(ctx context.Context, q call, bearer string, p *pass, header http.Header) (answer, *Error) {
	response, sent, err := c.exchange(ctx, q, bearer, header)
	if err != nil {
		failure := q.broken(ctx, err)
		failure.Unknown = q.change() && sent
		return answer{}, failure
	}
	defer response.Body.Close()
	asked := network.RetryAfter(response.Header, c.now(), maxRetryAfter)
	if asked > 0 && holding(response.StatusCode) {
		p.slowDown(response.StatusCode, asked)
	}
	grow := p.grow
	if q.change() { // its answer may hold a secret that is sent only once
		grow = func(int64) bool { return true }
	}
	a, failure := q.read(ctx, response, grow)
	if failure != nil {
		failure.RetryAfter = cmp.Or(asked, failure.RetryAfter)
		return answer{}, failure
	}
	return a, nil
}

// holding reports whether Retry-After with this status is about the requests to come.
func holding(status int) bool {
	return status/100 == 2 || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// exchange sends the request and returns the answer with its body still to be read. Without an answer, sent says
// whether the request may have gone out.
//
// The transport is used without an http.Client around it, so that nothing follows redirects or keeps cookies.
func (c *Client) exchange(ctx context.Context, q call, bearer string, header http.Header) (response *http.Response, sent bool, err error) {
	transport := c.reads
	if q.change() {
		transport = c.changes
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	request, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return nil, false, err
	}
	maps.Copy(request.Header, header)
	if q.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	// With GetBody the transport would be free to send a change again.
	request.GetBody = nil
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Accept", "application/json")
	// Other languages have made the PAT endpoints answer 500 TF400898.
	request.Header.Set("Accept-Language", "en-US")
	request.Header.Set("X-Tfs-Fedauthredirect", "Suppress")
	request.Header.Set("User-Agent", "patdesk")
	response, err = transport.RoundTrip(request)
	// Without a connection nothing was sent. A transport that isn't known to report connections may have had one.
	t, reports := transport.(*http.Transport)
	if reports && errors.Is(err, syscall.ETIMEDOUT) {
		t.CloseIdleConnections() // their other ends may be gone, too
	}
	return response, connected.Load() || !reports && !dialing(err), err
}

// read reads and judges the answer.
func (q call) read(ctx context.Context, response *http.Response, grow func(int64) bool) (answer, *Error) {
	a := answer{status: response.StatusCode, header: response.Header}
	var err error
	if !a.result() {
		a.body, err = io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
		if a.status == http.StatusOK && len(a.body) == 0 && err == nil {
			return a, nil
		}
		return answer{}, q.judge(a)
	}
	if response.ContentLength > q.maxBody {
		err = errLength
	} else {
		a.body, err = readUpTo(response.Body, q.maxBody, grow, q.buffer)
	}
	// What is whole in itself counts, even if the connection broke at its very end: it may hold a secret that is sent
	// only once.
	if err == nil || wholeObject(a.body) {
		return a, nil
	}
	failure := q.broken(ctx, err)
	switch {
	case errors.Is(err, errLength):
		failure = q.fail(KindTooLarge, errLength)
	case errors.Is(err, errMemory):
		failure = q.paused(KindOverloaded, busyFor)
		failure.Err = errMemory
	}
	failure.describe(a)
	failure.Unknown = q.change()
	return answer{}, failure
}

// readUpTo returns the whole of r, or errLength if that is more than limit. With another error it returns what came
// before. It gathers parts, of which first is the first if it isn't nil, and joins them at the end: one growing buffer
// would cost twice the limit before it is reached. Beyond the first few parts grow is asked, once, for the memory of the
// rest.
func readUpTo(r io.Reader, limit int64, grow func(int64) bool, first []byte) ([]byte, error) {
	const free = 5 // parts: 248 KB, without first
	var parts [][]byte
	total := int64(0)
	for {
		if len(parts) == free && !grow(limit) {
			return join(parts), errMemory
		}
		part := first
		if len(parts) > 0 || first == nil {
			part = make([]byte, (unitBytes>>free)<<min(len(parts), free)) // 8 to 256 KB
		}
		n, err := fill(r, part)
		parts, total = append(parts, part[:n]), total+int64(n)
		switch {
		case total > limit:
			return nil, errLength
		case errors.Is(err, io.EOF):
			return join(parts), nil
		case err != nil:
			return join(parts), err
		}
	}
}

func join(parts [][]byte) []byte {
	if len(parts) == 1 {
		return parts[0]
	}
	return bytes.Join(parts, nil)
}

// fill reads until part is full or r fails, which it says in r's own words: an unexpected end must not look like the
// end.
func fill(r io.Reader, part []byte) (n int, err error) {
	for n < len(part) && err == nil {
		var m int
		m, err = r.Read(part[n:])
		n += m
	}
	return n, err
}
