package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"
)

const sensitive = "what-only-its-owner-may-know"

// faulty is a Telemetry that panics where it is asked to.
type faulty struct {
	request, done, limited, signIn bool
	seen                           atomic.Int32
}

func (f *faulty) Request(r *http.Request) (*http.Request, string, func(web.Seen)) {
	if f.request {
		panic(sensitive)
	}
	return r, "", func(web.Seen) {
		f.seen.Add(1)
		if f.done {
			panic(sensitive)
		}
	}
}

func (f *faulty) Limited(string) {
	if f.limited {
		panic(sensitive)
	}
}

func (f *faulty) SignIn(string) {
	if f.signIn {
		panic(sensitive)
	}
}

// faultyLog is a slog.Handler that panics when it is told of that.
type faultyLog struct {
	slog.Handler
	of string // "" is everything
}

func (l faultyLog) Handle(ctx context.Context, r slog.Record) error {
	if l.of == "" || r.Message == l.of {
		panic(sensitive)
	}
	return l.Handler.Handle(ctx, r)
}

func (l faultyLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// faultyBody panics when a form is read.
type faultyBody struct{}

func (faultyBody) Read([]byte) (int, error) { panic(errors.New(sensitive)) }

// Wherever something panics, the request gets one answer with all headers, one record and one measurement, and what was
// panicked with is in none of them.
func TestPanicsEverywhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		telemetry *faulty
		log       string
		change    func(*handlers.Options)
		target    string
		body      io.Reader
		status    int
	}{
		"action":           {change: func(o *handlers.Options) { o.Sessions = nil }, target: "/tokens", status: 500},
		"clock":            {change: func(o *handlers.Options) { o.Now = func() time.Time { panic(sensitive) } }, target: "/", status: 500},
		"body":             {target: "/sign-out", body: faultyBody{}, status: 500},
		"telemetry begins": {telemetry: &faulty{request: true}, target: "/", status: 200},
		"telemetry ends":   {telemetry: &faulty{done: true}, target: "/", status: 200},
		"telemetry counts": {telemetry: &faulty{limited: true}, change: func(o *handlers.Options) { o.SignInsPerMinute = 1 }, target: "/sign-in/start", status: 500},
		"health":           {change: func(o *handlers.Options) { o.Sessions = nil }, target: "/readyz", status: 500},
		"feed":             {change: func(o *handlers.Options) { o.Calendar = nil }, target: "/calendar/" + strings.Repeat("A", 64) + "/tokens.ics", status: 500},
		"log of panics":    {change: func(o *handlers.Options) { o.Sessions = nil }, log: "panic", target: "/tokens", status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			if c.telemetry == nil {
				c.telemetry = &faulty{}
			}
			w := newWorld(t, func(o *handlers.Options) {
				o.Telemetry = c.telemetry
				if c.log != "" {
					o.Log = slog.New(faultyLog{o.Log.Handler(), c.log})
				}
				if c.change != nil {
					c.change(o)
				}
			})
			r := httptest.NewRequest(http.MethodGet, localAddress+c.target, http.NoBody)
			if c.body != nil {
				r = httptest.NewRequest(http.MethodPost, localAddress+c.target, c.body)
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			answer := w.ask(r)
			for try := 0; try < 3 && c.telemetry.limited; try++ { // until the limit is reached
				w.log.Drain()
				answer = w.ask(httptest.NewRequest(http.MethodGet, localAddress+c.target, http.NoBody))
			}
			wantHeaders(t, answer)
			log := w.log.Drain()
			if answer.Code != c.status || strings.Count(log, "msg=request ") != 1 {
				t.Errorf("%d, want %d\n%s", answer.Code, c.status, log)
			}
			if strings.Contains(log+answer.Body.String(), sensitive) || !c.telemetry.request && c.telemetry.seen.Load() == 0 {
				t.Errorf("measured %d times\n%s\n%s", c.telemetry.seen.Load(), answer.Body, log)
			}
		})
	}
}

func wantHeaders(t *testing.T, answer *httptest.ResponseRecorder) {
	t.Helper()
	for _, name := range []string{"X-Request-Id", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Permissions-Policy"} {
		if len(answer.Header().Values(name)) != 1 {
			t.Errorf("%s: %q", name, answer.Header().Values(name))
		}
	}
	if got := answer.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
}

// A log that panics whatever it is given costs the record, and nothing else.
func TestBrokenLog(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"/", "/tokens", "/none", "/healthz"} {
		w := newWorld(t, func(o *handlers.Options) { o.Log = slog.New(faultyLog{o.Log.Handler(), ""}) })
		answer := w.get(target)
		wantHeaders(t, answer)
		if answer.Code >= 500 {
			t.Errorf("%s: %d", target, answer.Code)
		}
	}
}

// What was begun when the panic came isn't passed off as a whole answer, nor are its headers left on the error's page;
// an answer that was whole already stays what it is.
func TestPanicsHalfWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serve  http.HandlerFunc
		status int
		cut    bool
	}{
		"before the head": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Disposition", "attachment")
			w.Header().Set("Content-Length", "7")
			w.Header().Set("Cache-Control", "public, max-age=31536000")
			panic(sensitive)
		}, 500, false},
		"after the head": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK); panic(sensitive) }, 200, true},
		"within the body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "7")
			_, _ = io.WriteString(w, "half")
			panic(sensitive)
		}, 200, true},
		"of unknown length": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "half"); panic(sensitive) }, 200, true},
		"when it is whole": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "whole")
			panic(sensitive)
		}, 200, false},
		"on purpose": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 200, true},
	} {
		w := newWorld(t, nil)
		recorder, thrown := httptest.NewRecorder(), any(nil)
		func() {
			defer func() { thrown = recover() }()
			web.Outermost(w.h.Site, c.serve).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, localAddress+"/", http.NoBody))
		}()
		err, _ := thrown.(error)
		if cut := errors.Is(err, http.ErrAbortHandler); cut != c.cut || thrown != nil && !cut || recorder.Code != c.status {
			t.Errorf("%s: %d, thrown %v", name, recorder.Code, thrown)
		}
		if c.status == 500 {
			wantHeaders(t, recorder)
			if recorder.Header().Get("Content-Disposition") != "" {
				t.Errorf("%s: %v", name, recorder.Header())
			}
		}
		if log := w.log.Drain(); strings.Count(log, "msg=request ") != 1 || strings.Contains(log, sensitive) {
			t.Errorf("%s: %s", name, log)
		}
	}
}

// If not even the plain page can be sent, bare words are, with all headers.
func TestFaultWithoutAPage(t *testing.T) {
	t.Parallel()
	for n := 1; n < 6; n++ {
		w := newWorld(t, nil)
		recorder := httptest.NewRecorder()
		web.Outermost(w.h.Site, http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { panic(sensitive) })).ServeHTTP(
			&onceBroken{ResponseWriter: recorder, after: n}, httptest.NewRequest(http.MethodGet, localAddress+"/", http.NoBody))
		wantHeaders(t, recorder)
		if log := w.log.Drain(); recorder.Code != 500 || recorder.Body.Len() == 0 || strings.Count(log, "msg=request ") != 1 || strings.Contains(log, sensitive) {
			t.Errorf("%d: %d %q\n%s", n, recorder.Code, recorder.Body, log)
		}
	}
}

// onceBroken panics once, when it has been asked for its header so often.
type onceBroken struct {
	http.ResponseWriter
	after int
}

func (o *onceBroken) Header() http.Header {
	o.after--
	if o.after == 0 {
		panic(sensitive)
	}
	return o.ResponseWriter.Header()
}

// Nothing of a calendar's address gets into the log, whatever stands around it, and each request is one record.
func FuzzCalendarAddressInLog(f *testing.F) {
	const address = "Zk3vR9tXw2LmQ8bYc5NhJ7pDs1GfAe4KuTiVoBzrxC6qWlMnEyHjSgPdFaR0-_UQ"
	for _, path := range []string{
		"/calendar/%s/tokens.ics", "/\xff/calendar/%s", "/\xc8\xba\xc8\xba\xc8\xba\xc8\xba/calendar/%s/tokens.ics", "/ȾȾȾȾ/CALENDAR/%s", "/" + strings.Repeat("\xff", 20) + "/calendar/%s", "/" + strings.Repeat("Ⱥ", 9) + "/calendar/%s", "/İ/Calendar/%s", "/calender/%s/tokens.ics", "/%s", "/x/%s/",
		"/calendar%s", "/calendar\\%s", "/calendar//%s", "/pat/calendar/%s/tokens.ics", "/calendar/make/%s", "/calendar/%s/metrics", "/calendar/%s/tokens.atom", "/calendar/\n%s", "/calendar", "/calendar/", "/calendar/make", "calendar/%s", "*", "", "/%%63alendar/%s",
		"/\xed\xa0\x80/calendar/%s", "/tokens/calendar/%s", "/static/calendar/%s",
	} {
		f.Add(path, 0, len(address), false)
		f.Add(path, 3, 40, true)
	}
	w := newWorld(f, nil)
	routes := w.h.Routes()
	f.Fuzz(func(t *testing.T, path string, from, to int, post bool) {
		if from < 0 || to > len(address) || from > to || !strings.Contains(path, "%s") {
			path, from, to = path+"%s", 0, len(address)
		}
		r := httptest.NewRequest(http.MethodGet, localAddress+"/", http.NoBody)
		if post {
			r.Method = http.MethodPost
		}
		r.URL.Path = strings.ReplaceAll(path, "%s", address[from:to])
		w.log.Drain()
		answer := httptest.NewRecorder()
		routes.ServeHTTP(answer, r)
		log := w.log.Drain()
		if strings.Count(log, "msg=request ") != 1 || strings.Count(log, " path=") != 1 || answer.Code >= 500 {
			t.Fatalf("%q: %d\n%s", r.URL.Path, answer.Code, log)
		}
		if strings.Contains(log, "route=/") && !strings.Contains(log, "route=/calendar/{address}") && !strings.Contains(log, "route=/*") && to-from < 48 {
			return // a part of an address as the name of something else
		}
		for i := from; i+12 <= to; i++ {
			if strings.Contains(log, address[i:i+12]) {
				t.Fatalf("%q is in the log:\n%s", r.URL.Path, log)
			}
		}
	})
}
