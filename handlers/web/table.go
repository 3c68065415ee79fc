package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
)

// Table collects the routes, each with its policy: who may, how often, and on which page the form stands that is
// posted.
type Table struct {
	site         *Site
	outer, pages *chi.Mux
}

// NewTable makes a table with everything that stands around all routes.
func NewTable(site *Site) *Table {
	t := &Table{site: site, outer: chi.NewRouter(), pages: chi.NewRouter()}
	notFound := site.handle(endpoint{action: func(*Request) (Answer, error) { return nil, &HTTPError{Status: http.StatusNotFound} }})
	notAllowed := site.handle(endpoint{action: methodNotAllowed(t.pages)})
	t.outer.Use(site.front.outermost, site.front.clientAddress, site.front.identify, site.Health.closeWhenStopping, headAsGet)
	t.outer.NotFound(site.front.publicAddress(t.pages, notFound).ServeHTTP) // what isn't a path at all
	t.outer.MethodNotAllowed(site.front.publicAddress(t.pages, notAllowed).ServeHTTP)
	t.pages.Use(site.front.refuseCrossOrigin)
	t.pages.NotFound(notFound)
	t.pages.MethodNotAllowed(notAllowed)
	return t
}

// Handler is the whole program as one handler.
func (t *Table) Handler() http.Handler {
	t.outer.Mount("/", mounted{t.pages, t.site.front.publicAddress(t.pages, t.pages)})
	return t.outer
}

// mounted shows chi the routes behind a handler, so that the whole table can be walked (chi.Walk).
type mounted struct {
	*chi.Mux
	through http.Handler
}

func (m mounted) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.through.ServeHTTP(w, r) }

// headAsGet routes HEAD like GET; net/http leaves the body out.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			chi.RouteContext(r.Context()).RouteMethod = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// Probe answers those that watch the program, at the root and below the sub-path too.
func (t *Table) Probe(path string, h http.HandlerFunc) {
	t.outer.Get(path, h)
	t.pages.Get(path, h)
}

// File answers with a file or a text, without sign-in or limit.
func (t *Table) File(pattern string, h http.HandlerFunc) { t.pages.Get(pattern, h) }

// Any is File for every method.
func (t *Table) Any(pattern string, h http.Handler) { t.pages.Handle(pattern, h) }

// Anyone begins the routes that need no sign-in. What is posted there isn't limited.
func (t *Table) Anyone() Routes { return Routes{t, false} }

// SignedIn begins the routes that only signed-in people get to; others are led through a sign-in first, and back. What
// is posted there is limited by person.
func (t *Table) SignedIn() Routes { return Routes{t, true} }

// Routes are routes with the same policy.
type Routes struct {
	table    *Table
	signedIn bool
}

// endpoint is one route as it is answered.
type endpoint struct {
	action   Action
	step     string // of a form: what its path has behind that of the page that holds it
	maxBytes int64  // of a posted form; 0: maxFormBytes
}

// Policy is what one route asks for beside the others.
type Policy func(*Site, *endpoint)

// MaxBytes bounds a form that may be larger than usual.
func MaxBytes(n int64) Policy {
	return func(_ *Site, e *endpoint) { e.maxBytes = n }
}

// Get answers with a page.
func (r Routes) Get(pattern string, a Action, policies ...Policy) *FormPage {
	r.add(http.MethodGet, pattern, endpoint{action: a}, policies)
	return &FormPage{r, pattern}
}

func (r Routes) add(method, pattern string, e endpoint, policies []Policy) {
	for _, policy := range slices.Backward(policies) { // the first one is asked first
		policy(r.table.site, &e)
	}
	if r.signedIn {
		e.action = r.table.site.signedIn(e.action)
	}
	r.table.pages.Method(method, pattern, r.table.site.handle(e))
}

// FormPage is a page with forms.
type FormPage struct {
	routes  Routes
	pattern string
}

// Post does what a form on the page asks for. The form is posted to the page's own path with step behind it.
func (p *FormPage) Post(step string, a Action, policies ...Policy) *FormPage {
	if p.routes.signedIn {
		a = p.routes.table.site.Limits.paced(a)
	}
	p.routes.add(http.MethodPost, p.pattern+step, endpoint{action: a, step: step}, policies)
	return p
}

// Form is a form that begins one operation, posted to its page's own path.
type Form struct {
	Action operation.Action // its id is drawn for that, and for the token that the path names
	Act    Action
	// Sent answers a form that was sent before, with what became of it. That costs no work, so it isn't limited.
	Sent func(*Request, *operation.Operation) (Answer, error)
	// TooSoon shows the form again, filled in, when it came too soon. nil: a page that sends it again.
	TooSoon func(*Request, FormState) (Answer, error)
}

// For is a form like f that begins an operation of that kind.
func (f Form) For(a operation.Action, act Action) Form {
	f.Action, f.Act = a, act
	return f
}

// Again is a form like f that is shown again, filled in, when it came too soon.
func (f Form) Again(tooSoon func(*Request, FormState) (Answer, error)) Form {
	f.TooSoon = tooSoon
	return f
}

// Form carries out one operation.
func (p *FormPage) Form(f Form) *FormPage {
	site := p.routes.table.site
	p.routes.add(http.MethodPost, p.pattern, endpoint{action: site.sending.once(site, f)}, nil)
	return p
}

// sending is the forms that are about to be carried out. One that is sent twice at once waits here until the first is
// under way, or has come to nothing.
type sending struct {
	mu    sync.Mutex
	forms map[string]chan struct{}
}

// once carries out f's operation unless it was sent before or comes too soon. Both are looked at before anything is
// done.
func (s *sending) once(site *Site, f Form) Action {
	return func(v *Request) (Answer, error) {
		ctx, cancel := context.WithTimeout(v.Context(), ChangeWait)
		defer cancel()
		r := operation.Request{
			Form: v.PostForm.Get("form"), Person: v.Person(), Action: f.Action, Content: v.PostForm.Encode(), Delivery: v.Delivery,
		}
		if f.Action != operation.Create {
			r.Organization, r.Before = v.Param("organization"), &azuredevops.Token{AuthorizationID: v.Param("id")}
		}
		begun, over, err := s.enter(ctx, r.Person+"\n"+r.Form)
		if err != nil {
			return nil, err
		}
		defer over()
		if op, sent, err := site.Journal.Repeat(ctx, r); err != nil || sent && op.State != operation.Failed {
			over()
			if err != nil {
				return nil, err
			}
			return f.Sent(v, op)
		}
		v.Begun = begun
		if wait := site.Limits.changes.Take(r.Person); wait > 0 {
			return site.Limits.tooSoon(v, f, site.Limits.tooMany(v, limitChanges, wait))
		}
		return f.Act(v)
	}
}

// tooSoon answers a form that came too soon. Nothing was done, so the same form can be sent again.
func (l *Limits) tooSoon(v *Request, f Form, e *HTTPError) (Answer, error) {
	if f.TooSoon == nil {
		return nil, e
	}
	v.NoteError(e)
	return f.TooSoon(v, FormState{Status: e.Status, Problem: Summary(v.Words, e.Key, e.Data), Form: v.PostForm.Get("form"), Header: RetryHeader(e.retryAfter)})
}

// enter waits until no other request is here with the same form. begun and over let the next one in.
func (s *sending) enter(ctx context.Context, form string) (begun, over func(), err error) {
	mine := make(chan struct{})
	for {
		s.mu.Lock()
		other := s.forms[form]
		if other == nil {

			s.forms[form] = mine
			s.mu.Unlock()
			leave := sync.OnceFunc(func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.forms, form)
				close(mine)
			})
			return leave, leave, nil
		}
		s.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// formPath is the path of the page that holds the posted form.
func (v *Request) formPath() string {
	return (&url.URL{Path: strings.TrimSuffix(v.URL.Path, v.step)}).EscapedPath()
}
