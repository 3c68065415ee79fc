package simulator

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// defaultHuge is how long a huge body is, in bytes after unpacking.
const defaultHuge = 10 << 30

// connectionFaults are about the bytes on the line.
func connectionFaults() []Fault {
	g := GroupConnection
	return slices.Concat(
		twofold("reset", "resetAfterDoing", g, "The connection is reset without an answer.",
			func(_ *exchange, _ FaultOptions, a *answer) *answer { a.send = reset; return a }),
		twofold("cutBody", "cutBodyAfterDoing", g, "The connection ends in the middle of the answer.", cutBody),
		hangFaults("hang", "hangAfterDoing", "The answer never comes.", GroupConnection, devOpsCalls, changeCalls, 0),
		[]Fault{{Name: "slow", Group: g, Calls: devOpsCalls, Sentence: "The answer comes 3 seconds late.",
			before: func(x *exchange, o FaultOptions) *answer { return x.hold(cmp.Or(o.Delay, 3*time.Second)) }},
			{Name: "slowDrip", Group: g, Calls: devOpsCalls, after: slowDrip,
				Sentence: "The answer comes byte by byte, one a second."}},
		twofold("hugeBody", "hugeBodyAfterDoing", g, "JSON of 10 GB.", hugeBody),
		twofold("gzipBomb", "gzipBombAfterDoing", g, "A compressed answer of 10 MB that unpacks to 10 GB.", gzipBomb),
	)
}

// hangFaults wait before the service acts, or after it has. With a delay they go on after it.
func hangFaults(name, afterDoing, sentence, group string, calls, changes []string, delay time.Duration) []Fault {
	return []Fault{
		{Name: name, Group: group, Calls: calls, Sentence: sentence,
			before: func(x *exchange, o FaultOptions) *answer { return x.hold(cmp.Or(o.Delay, delay)) }},
		{Name: afterDoing, Group: group, Calls: changes, Sentence: "What was asked is done first. " + sentence,
			after: func(x *exchange, o FaultOptions, a *answer) *answer {
				if broken := x.hold(cmp.Or(o.Delay, delay)); broken != nil {
					return broken
				}
				return a
			}},
	}
}

// hold waits; nil means that the time has passed and things go on. Otherwise the client or the simulator has gone.
func (x *exchange) hold(d time.Duration) *answer {
	if x.s.wait(x.r, d) {
		return nil
	}
	a := newAnswer(0, "", nil)
	a.send = reset
	return a
}

// reset ends the connection with RST. Where the connection can't be had (HTTP/2), the stream is aborted.
func reset(w http.ResponseWriter, _ *http.Request) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}

// cutBody promises the whole body and breaks off.
func cutBody(_ *exchange, o FaultOptions, a *answer) *answer {
	status, body := a.status, a.body
	if len(body) == 0 { // a revoke has no body: break off within the head
		a.send = reset
		return a
	}
	a.send = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body[:cutAt(len(body), o)])
		flush(w)
		panic(http.ErrAbortHandler)
	}
	return a
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// slowDrip sends one byte at a time.
func slowDrip(x *exchange, o FaultOptions, a *answer) *answer {
	status, body := a.status, a.body
	a.send = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		for _, b := range body {
			flush(w)
			if !x.s.wait(r, cmp.Or(o.Delay, time.Second)) {
				panic(http.ErrAbortHandler)
			}
			if _, err := w.Write([]byte{b}); err != nil {
				return
			}
		}
	}
	return a
}

// hugeBody sends valid JSON that has no end within reason.
func hugeBody(x *exchange, o FaultOptions, _ *answer) *answer {
	start, more := `{"patToken":{"displayName":"`, bytes.Repeat([]byte("x"), 64<<10)
	if x.call == CallList {
		row := encode((&Token{DisplayName: "One of very many", Scope: "vso.code", AuthorizationID: newGUID()}).wire(nil))
		start, more = `{"continuationToken":"","patTokens":[`, bytes.Repeat(append(row, ','), 200)
	}
	a := x.json(http.StatusOK, nil)
	a.send = func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(start))
		x.repeat(w, r, more, cmp.Or(max(o.Bytes, 0), defaultHuge), int64(len(more)))
	}
	return a
}

// gzipMember is 10 MB of spaces, compressed: 10 KB. A gzip stream may have many members.
const gzipMemberLength = 10 << 20

var gzipMember = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(bytes.Repeat([]byte(" "), gzipMemberLength)) // into memory
	_ = z.Close()
	return b.Bytes()
})

func gzipBomb(x *exchange, o FaultOptions, _ *answer) *answer {
	a := x.json(http.StatusOK, nil)
	a.header.Set("Content-Encoding", "gzip")
	a.send = func(w http.ResponseWriter, r *http.Request) {
		x.repeat(w, r, gzipMember(), cmp.Or(max(o.Bytes, 0), defaultHuge), gzipMemberLength)
	}
	return a
}

// repeat writes the same piece until as many bytes are out (each piece counts for worth), the client has gone, or the
// simulator closes.
func (x *exchange) repeat(w http.ResponseWriter, r *http.Request, piece []byte, limit, worth int64) {
	for sent := int64(0); sent < limit; sent += worth {
		select {
		case <-r.Context().Done():
			return
		case <-x.s.done:
			return
		default:
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}
