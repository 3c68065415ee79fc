package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzhttp"

	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// Download is a file to be saved.
type Download struct {
	Name, ContentType string
	Content           []byte
}

// Answer is what an action decided: a page or a redirect.
type Answer interface{ isAnswer() }

// Page is an HTML page; template names it, data embeds base.
type Page struct {
	Status   int // 0 = 200
	Template string
	Data     any
	Header   http.Header
	Private  bool // shows something that opens something, beside what an operation hands out
}

// Redirect answers 303 See Other: the browser follows with a GET, whatever the method was.
type Redirect struct{ To string }

func (Download) isAnswer() {}

func (d Download) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", d.ContentType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.Name}))
	w.Header().Set("Content-Length", strconv.Itoa(len(d.Content)))
	_, err := w.Write(d.Content)
	return err
}

func (Page) isAnswer() {}

func (Redirect) isAnswer() {}

// handle makes an http.HandlerFunc of an action.
func (s *Site) handle(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, cmp.Or(e.maxBytes, maxFormBytes)) // answered as 413
		v := &Request{
			Request: withReadableQuery(r), Writer: w, site: s, Words: s.wordsFor(r),
			Address: AddressOf(r.Context()), Now: s.nowFor(r), step: e.step, Delivery: new(operation.Delivery)}
		defer v.Delivery.Done(errNotShown) // if it panics
		result, err := s.decide(v, e.action)
		if err != nil { // what was handed out doesn't stand on the page of an error
			v.Delivery.Done(err)
			result = s.Problem(v, err)
		}
		boundWrite(w, v.Delivery)
		v.Delivery.Done(s.write(v, result))
	}
}

// decide reads the session and lets the action decide.
func (s *Site) decide(v *Request, a Action) (Answer, error) {
	opened, err := s.Sessions.Open(v.Request)
	if err != nil {
		return nil, err
	}
	v.Session = opened
	if err := s.bar(v); err != nil {
		return nil, err
	}
	if opened = v.Session; opened.SignedIn() {
		fields := fieldsOf(v.Context())
		fields.Person, fields.Session = opened.Person().ObjectID, opened.Hash()
	}
	v.Request = v.WithContext(audit.WithActor(v.Context(), audit.Actor{
		Person: opened.Person(), Session: opened.Hash(), RequestID: v.RequestID(), Origin: OriginOf(v.Request),
	}))
	if v.Method == http.MethodPost {
		if err := v.ParseForm(); err != nil {
			return nil, badForm(err)
		}
		v.PostForm, _ = cleaned(v.PostForm, validText)
	}
	return a(v)
}

// bar ends the session of a person who wouldn't be let in any more: ALLOWED_TENANTS or AUTHORITY has changed.
func (s *Site) bar(v *Request) error {
	if !v.Session.SignedIn() || s.Entra.TenantAllowed(v.Session.Person().TenantID) {
		return nil
	}
	if err := s.Sessions.End(v.Writer, v.Request); err != nil {
		return err
	}
	s.Inventory.Forget(v.Session.Hash())
	v.Session, v.Barred = &session.Session{}, true
	return nil
}

func badForm(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return &HTTPError{Status: http.StatusRequestEntityTooLarge, cause: err}
	}
	return &HTTPError{Status: http.StatusBadRequest, cause: err}
}

// signedIn lets only signed-in people through. Others are led to the sign-in page, and from there back to where they
// wanted to go, with what they had typed.
func (s *Site) signedIn(a Action) Action {
	return func(v *Request) (Answer, error) {
		if v.Session.SignedIn() {
			return a(v)
		}
		if v.Barred {
			return nil, ErrBarred
		}
		return s.signInFirst(v, Challenge{})
	}
}

// write reports whether the answer, with all that stands in it, was written to the browser's connection. A browser that
// has gone before is not written to, whatever the network takes.
func (s *Site) write(v *Request, result Answer) error {
	gone := v.Context().Err()
	err := s.writeAnswer(v, result)
	switch {
	case gone != nil:
		return gone
	case v.Method == http.MethodHead:
		return errNotShown
	case err != nil:
		return err
	default:
		return writeThrough(v.Writer, v.Delivery)
	}
}

// writeAnswer renders into memory first: a template that fails must not leave half a page behind.
func (s *Site) writeAnswer(v *Request, result Answer) error {
	switch result := result.(type) {
	case Redirect:
		http.Redirect(v.Writer, v.Request, bounded(result.To), http.StatusSeeOther)
		return errNotShown
	case Download:
		return send(v, false, result.write)
	case Page:
		body := pageBuffers.Get().(*bytes.Buffer) //nolint:forcetypeassert,errcheck // nothing else is put there
		defer reuse(body)
		if err := v.Words.Render(body, result.Template, result.Data); err != nil {
			s.Log.ErrorContext(v.Context(), "page could not be rendered", "request_id", v.RequestID(), "template", result.Template, "error", err)
			s.writePlain(v.Writer, v.Request, http.StatusInternalServerError)
			return err
		}
		return send(v, result.Private, func(w http.ResponseWriter) error { return writePage(w, result, body.Bytes()) })
	default:
		s.Log.ErrorContext(v.Context(), "action without an answer", "request_id", v.RequestID(), "answer", fmt.Sprintf("%T", result))
		s.writePlain(v.Writer, v.Request, http.StatusInternalServerError)
		return errNotShown
	}
}

// pageBuffers are those that pages were rendered into.
var pageBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// reuse gives a buffer back, with nothing left of its page, unless it has become large.
func reuse(b *bytes.Buffer) {
	const most = 256 << 10 // bytes
	if b.Cap() > most {
		return
	}
	clear(b.Bytes()[:b.Len()])
	b.Reset()
	pageBuffers.Put(b)
}

// maxLocation bounds an address that is redirected to, in bytes: the head of an answer has to stay below 4 KB, with
// cookies.
const maxLocation = 3100

// bounded is an address without its query if it is one of ours that is too long: the page opens as it is without. Those
// of Entra ID are bounded where they are made.
func bounded(to string) string {
	if len(to) <= maxLocation || !strings.HasPrefix(to, "/") {
		return to
	}
	to, _, _ = strings.Cut(to, "?")
	return to
}

func writePage(w http.ResponseWriter, p Page, body []byte) error {
	for name, values := range p.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(cmp.Or(p.Status, http.StatusOK))
	_, err := w.Write(body)
	return err
}

// writePlain is the page for when nothing else can be trusted: no session, no address, no journal.
func (s *Site) writePlain(w http.ResponseWriter, r *http.Request, status int) {
	words := s.wordsFor(r)
	text := words.Message("http."+strconv.Itoa(status), map[string]any{"Address": s.homeAddress()})
	p := ProblemPage{
		Base:   Base{Root: AddressOf(r.Context()).root, Title: text.Title, Demo: s.Demo, Version: s.Version, RequestID: RequestID(r.Context()), Look: s.lookOf(r)},
		Status: status, Heading: text.Title, What: text.What, Advice: text.Advice,
		Details: []Field{{Label: words.Message("label.requestID", nil).Title, Value: RequestID(r.Context())}},
	}
	if home := s.homeFrom(r); home != "" {
		p.Actions = []NextAction{{Text: words.Message("action.open", nil).Title, URL: home, Primary: true}}
	}
	var body bytes.Buffer
	if err := words.Render(&body, "problem", p); err != nil {
		http.Error(w, http.StatusText(status), status)
		return
	}
	_ = writePage(w, Page{Status: status}, body.Bytes()) // the visitor may be gone
}

// homeFrom is where a page that stands alone leads to: the start page under the name that the visitor's browser used, or
// else under ours.
func (s *Site) homeFrom(r *http.Request) string {
	if a := AddressOf(r.Context()); a.Origin != "" {
		return a.root + "/"
	}
	return s.homeAddress()
}

func (s *Site) homeAddress() string {
	for _, u := range []*url.URL{s.BaseURL, s.Local} {
		if u != nil {
			return addressFrom(u).URL("/")
		}
	}
	return ""
}

// StoreDown reports whether the session store could not be asked or written.
func StoreDown(err error) bool { return errors.Is(err, session.ErrUnavailable) }

// padding is by how many bytes at most a compressed answer is longer than need be. How many follows from its content,
// so that repeating a request doesn't average it out.
const padding = 64

// compress has what a handler writes compressed, if the browser takes that and it is worth it.
var compress = newCompress()

func newCompress() func(http.Handler) http.HandlerFunc {
	// A list of 100 tokens takes a tenth of the time that it takes at the usual level, and gets 6 % larger.
	wrap, err := gzhttp.NewWrapper(gzhttp.EnableZstd(false), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.RandomJitter(padding, 0, false))
	if err != nil {
		panic(err) // the options are literals
	}
	return wrap
}

// compressible reports whether the length of the answer may depend on all of its content. It may not where a secret
// stands beside text that an attacker chose: a right guess at the secret makes such an answer shorter (BREACH,
// https://www.breachattack.com). So an answer with a secret is never compressed, nor is one that another site has a
// browser ask for in words of its own.
func compressible(v *Request, private bool) bool {
	if private || v.Delivery.HandedOut() || v.Delivery.Awaited() {
		return false
	}
	return !v.fromElsewhere() || v.Method != http.MethodPost && v.URL.RawQuery == ""
}

// Compressed has a handler's answers compressed. It is for what has no secret in it.
func Compressed(h http.HandlerFunc) http.HandlerFunc { return compress(h) }

// send writes an answer, compressed if it may be. private says that there is a secret in it that no operation has
// handed out.
func send(v *Request, private bool, write func(http.ResponseWriter) error) (err error) {
	if !compressible(v, private) {
		return write(v.Writer)
	}
	compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { err = write(w) })).ServeHTTP(v.Writer, v.Request)
	return err
}
