package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/patdesk/patdesk/internal/session"
)

const sessionCookie = "__Host-patdesk-session"

// get reads b's session through gorilla's interface, in a request of its own.
func get(t *testing.T, b *browser) (*sessions.Session, *http.Request) {
	t.Helper()
	r := b.request()
	gs, err := b.m.Get(r, sessionCookie)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return gs, r
}

func TestGorillaStore(t *testing.T) {
	t.Parallel()
	var _ sessions.Store = (*session.Manager)(nil)
	f := newFixture(t)
	b := f.browser()
	if gs, _ := get(t, b); !gs.IsNew || gs.ID != "" || len(gs.Values) != 0 {
		t.Fatalf("Get without a cookie = %+v; want a new session", gs)
	}
	b.signIn(mona, "cache")
	c := b.cookies()
	if len(c) != 1 || c[0].Name != sessionCookie || len(c[0].Value) != 43 {
		t.Errorf("cookies: %v", c)
	}
	gs, r := get(t, b)
	if gs.IsNew || gs.ID != c[0].Value {
		t.Errorf("read %+v", gs)
	}
	if same, _ := f.Get(r, sessionCookie); same != gs {
		t.Error("Get read the session twice in one request")
	}
	w := httptest.NewRecorder()
	if err := gs.Save(r, w); err != nil || len(w.Result().Cookies()) != 1 || w.Result().Cookies()[0].Value != c[0].Value {
		t.Errorf("Save of what was read: %v, cookies %v", err, w.Result().Cookies())
	}
	old := b.copy()
	gs.Options.MaxAge = -1
	w = httptest.NewRecorder()
	if err := gs.Save(r, w); err != nil {
		t.Fatal(err)
	}
	b.receive(w)
	if gs, _ := get(t, old); !gs.IsNew || len(b.cookies()) != 0 || f.backend.Len() != 0 {
		t.Errorf("a removed session is %+v; cookies %v, %d records", gs, b.cookies(), f.backend.Len())
	}
}

func TestGorillaStoreTakesNoForeignID(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	genuine := f.browser()
	genuine.signIn(mona, "cache")
	for name, cookie := range map[string]*http.Cookie{
		"an unknown id":            {Name: sessionCookie, Value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"the id of another cookie": {Name: "second", Value: genuine.cookies()[0].Value},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(cookie)
		gs, err := f.New(r, cookie.Name)
		if err != nil || !gs.IsNew || gs.ID != "" || len(gs.Values) != 0 {
			t.Errorf("%s: %+v, %v; want a new session", name, gs, err)
		}
		gs.ID = cookie.Value
		w := httptest.NewRecorder()
		if err := f.Save(r, w, gs); err == nil || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s was taken over (%v)", name, err)
		}
	}
}

func TestGorillaStoreErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	gs, r := get(t, b)
	gs.Values["text"] = "value"
	if err := gs.Save(r, httptest.NewRecorder()); err == nil {
		t.Error("Save took a value, which isn't kept")
	}
	f.backend.Fail(func(string, session.Name) error { return errors.New("gone") })
	if gs, err := f.New(b.request(), sessionCookie); !errors.Is(err, session.ErrUnavailable) || gs == nil {
		t.Errorf("New = %v, %v; want a session and ErrUnavailable", gs, err)
	}
}

func TestGorillaSessionEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	f.clock.Move(time.Hour - time.Second)
	if gs, _ := get(t, b); gs.IsNew {
		t.Error("over before its time")
	}
	f.clock.Move(time.Hour)
	if gs, _ := get(t, b); !gs.IsNew {
		t.Error("still there after the idle timeout")
	}
}
