package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// exchange is one request on its way through the simulator.
type exchange struct {
	s      *Simulator
	r      *http.Request
	call   string
	org    string
	body   []byte
	faults []activeFault // those that hit this request
	seen   *Request
}

// answer is what a call gives back, whole, so that a fault can still change it.
type answer struct {
	status int
	header http.Header
	body   []byte
	// foreign: it comes from something in between, and has none of the service's headers.
	foreign bool
	// send replaces writing the answer, for faults of the connection itself.
	send func(w http.ResponseWriter, r *http.Request)
}

func newAnswer(status int, contentType string, body []byte) *answer {
	a := &answer{status: status, header: http.Header{}, body: body}
	if contentType != "" {
		a.header.Set("Content-Type", contentType)
	}
	return a
}

func htmlAnswer(status int, page string) *answer {
	return newAnswer(status, "text/html; charset=utf-8", []byte(page))
}

// encode writes JSON as the service does: without escaping < and &.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // our own types always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// serve runs one call: note it, let faults answer instead, do it, let faults change the answer, send it.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request, call, org string, do func(*exchange) *answer) {
	x := s.begin(r, call, org)
	x.holdHere(false)
	a := x.answerInstead()
	if a == nil {
		a = do(x)
		x.holdHere(true)
		a = x.spoil(a)
	}
	x.finish(w, a)
}

// begin reads the request, counts it, and takes the faults that hit it.
func (s *Simulator) begin(r *http.Request, call, org string) *exchange {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Body = io.NopCloser(bytes.NewReader(body))
	x := &exchange{s: s, r: r, call: call, org: org, body: body}
	x.seen = &Request{Time: s.now(), Call: call, Organization: org, Method: r.Method, Host: r.Host,
		Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(),
		Body: string(body[:min(len(body), maxRememberedBody)]), ActivityID: newGUID()}
	s.mu.Lock()
	s.record.note(x.seen)
	s.mu.Unlock()
	x.takeFaults(call)
	return x
}

// takeFaults takes the faults that hit a call, and notes them.
func (x *exchange) takeFaults(call string) {
	who, _ := x.caller()
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.faults = x.s.matchFaults(call, x.org, who.Username)
	for _, f := range x.faults {
		x.seen.Faults = append(x.seen.Faults, f.fault.Name)
	}
}

// finish sends the answer and notes its status.
func (x *exchange) finish(w http.ResponseWriter, a *answer) {
	if !a.foreign {
		x.s.addHeaders(x, a)
	}
	maps.Copy(w.Header(), a.header)
	if a.send != nil {
		a.send(w, x.r)
		return
	}
	x.s.mu.Lock()
	x.seen.Status = a.status
	x.s.mu.Unlock()
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if x.r.Method != http.MethodHead && a.status != http.StatusNoContent {
		_, _ = w.Write(a.body)
	}
}

// wait blocks for d (0: for ever), until the client has gone or the simulator closes; it says whether the time has
// passed.
func (s *Simulator) wait(r *http.Request, d time.Duration) bool {
	var after <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-after:
		return true
	case <-r.Context().Done():
	case <-s.done:
	}
	return false
}

// errNotObject is what decodeObject says of JSON that isn't an object.
var errNotObject = errors.New("not a JSON object")

// decodeObject reads a JSON object and nothing after it.
func decodeObject(body []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	if fields == nil {
		return nil, errNotObject
	}
	return fields, nil
}
