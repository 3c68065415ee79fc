package handlers

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

// handle makes an http.HandlerFunc of an action.
func (h *Handlers) handle(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, cmp.Or(e.maxBytes, maxFormBytes)) // answered as 413
		v := &visit{Request: r, w: w, address: addressOf(r.Context()), now: h.Now(), step: e.step, delivery: operation.NewDelivery()}
		defer v.delivery.Done(errNotShown) // if it panics
		result, err := h.decide(v, e.action)
		if err != nil { // what was handed out doesn't stand on the page of an error
			v.delivery.Done(err)
			result = h.problem(v, err)
		}
		boundWrite(w, v.delivery)
		v.delivery.Done(h.write(v, result))
	}
}

// decide reads the session and lets the action decide.
func (h *Handlers) decide(v *visit, a action) (answer, error) {
	opened, err := h.Sessions.Open(v.Request)
	if err != nil {
		return nil, err
	}
	v.session = opened
	if err := h.bar(v); err != nil {
		return nil, err
	}
	if opened = v.session; opened.SignedIn() {
		fields := fieldsOf(v.Context())
		fields.Person, fields.Session = opened.Person().ObjectID, opened.Hash()
	}
	v.Request = v.WithContext(audit.WithActor(v.Context(), audit.Actor{
		Person: opened.Person(), Session: opened.Hash(), RequestID: requestID(v.Context()), Origin: originOf(v.Request),
	}))
	if v.Method == http.MethodPost {
		if err := v.ParseForm(); err != nil {
			return nil, badForm(err)
		}
	}
	return a(v)
}

// bar ends the session of somebody who wouldn't be let in any more: ALLOWED_TENANTS or AUTHORITY has changed.
func (h *Handlers) bar(v *visit) error {
	if !v.session.SignedIn() || h.Entra.TenantAllowed(v.session.Person().TenantID) {
		return nil
	}
	if err := h.Sessions.End(v.w, v.Request); err != nil {
		return err
	}
	h.Inventory.Forget(v.session.Hash())
	v.session, v.barred = &session.Session{}, true
	return nil
}

func badForm(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &httpError{status: http.StatusRequestEntityTooLarge, cause: err}
	}
	return &httpError{status: http.StatusBadRequest, cause: err}
}

// errBarred says why a session is over, and that another account may do. It leads nowhere by itself: that would go round in
// circles.
var errBarred = &httpError{status: http.StatusForbidden, key: "signin.barred"}

// signedIn lets only signed-in people through. Others are led to the sign-in page, and from there back to where
// they wanted to go, with what they had typed.
func (h *Handlers) signedIn(a action) action {
	return func(v *visit) (answer, error) {
		if v.session.SignedIn() {
			return a(v)
		}
		if v.barred {
			return nil, errBarred
		}
		return h.signInFirst(v, challenge{})
	}
}

// write reports whether the answer, with all that stands in it, was written to the browser's connection. A browser that has
// gone before is not written to, whatever the network takes.
func (h *Handlers) write(v *visit, result answer) error {
	gone := v.Context().Err()
	err := h.writeAnswer(v, result)
	switch {
	case gone != nil:
		return gone
	case v.Method == http.MethodHead:
		return errNotShown
	case err != nil:
		return err
	default:
		return writeThrough(v.w, v.delivery)
	}
}

// writeAnswer renders into memory first: a template that fails must not leave half a page behind.
func (h *Handlers) writeAnswer(v *visit, result answer) error {
	switch result := result.(type) {
	case redirect:
		http.Redirect(v.w, v.Request, bounded(result.to), http.StatusSeeOther)
		return errNotShown
	case download:
		return result.write(v.w)
	case page:
		var body bytes.Buffer
		if err := templates.Render(&body, result.template, result.data); err != nil {
			h.Log.ErrorContext(v.Context(), "page could not be rendered", "request_id", requestID(v.Context()), "template", result.template, "error", err)
			h.writePlain(v.w, v.Request, http.StatusInternalServerError)
			return err
		}
		return h.writePage(v.w, result, body.Bytes())
	default:
		h.Log.ErrorContext(v.Context(), "action without an answer", "request_id", requestID(v.Context()), "answer", fmt.Sprintf("%T", result))
		h.writePlain(v.w, v.Request, http.StatusInternalServerError)
		return errNotShown
	}
}

// maxLocation bounds an address that is redirected to, in bytes: the head of an answer has to stay below 4 KB, with cookies.
const maxLocation = 3100

// bounded is an address without its query if it is one of ours that is too long: the page opens as it is without. Those of
// Entra ID are bounded where they are made.
func bounded(to string) string {
	if len(to) <= maxLocation || !strings.HasPrefix(to, "/") {
		return to
	}
	to, _, _ = strings.Cut(to, "?")
	return to
}

func (h *Handlers) writePage(w http.ResponseWriter, p page, body []byte) error {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if p.status == 0 {
		p.status = http.StatusOK
	}
	w.WriteHeader(p.status)
	_, err := w.Write(body)
	return err
}

// writePlain is the page for when nothing else can be trusted: no session, no address, no journal.
func (h *Handlers) writePlain(w http.ResponseWriter, r *http.Request, status int) {
	text := templates.Message("http."+strconv.Itoa(status), map[string]any{"Address": h.homeAddress()})
	p := problemPage{
		base:   base{Root: addressOf(r.Context()).root, Title: text.Title, Demo: h.Demo, Version: h.Version, RequestID: requestID(r.Context())},
		Status: status, Heading: text.Title, What: text.What, Advice: text.Advice,
		Details: []field{{Label: templates.Message("label.requestID", nil).Title, Value: requestID(r.Context())}},
	}
	var body bytes.Buffer
	if err := templates.Render(&body, "problem", p); err != nil {
		http.Error(w, http.StatusText(status), status)
		return
	}
	_ = h.writePage(w, page{status: status}, body.Bytes()) // the visitor may be gone
}

func (h *Handlers) homeAddress() string {
	for _, u := range []*url.URL{h.BaseURL, h.Local} {
		if u != nil {
			return addressFrom(u).url("/")
		}
	}
	return ""
}

// storeDown says that the session store could not be asked or written.
func storeDown(err error) bool { return errors.Is(err, session.ErrUnavailable) }
