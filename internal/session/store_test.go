package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/patdesk/patdesk/internal/session"
)

const storeCookie = "__Host-other"

// saved stores values in a new gorilla session and returns the browser that has its cookie.
func saved(t *testing.T, f *fixture, values map[any]any) *browser {
	t.Helper()
	b := f.browser()
	r, w := b.request(), httptest.NewRecorder()
	gs, err := f.Get(r, storeCookie)
	if err != nil || !gs.IsNew || gs.ID != "" || len(gs.Values) != 0 {
		t.Fatalf("Get without a cookie = %+v, %v; want a new session", gs, err)
	}
	for k, v := range values {
		gs.Values[k] = v
	}
	if err := sessions.Save(r, w); err != nil {
		t.Fatalf("Save: %v", err)
	}
	b.receive(w)
	return b
}

// get reads b's session in a request of its own.
func get(t *testing.T, b *browser) (*sessions.Session, *http.Request) {
	t.Helper()
	r := b.request()
	gs, err := b.m.Get(r, storeCookie)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return gs, r
}

func TestGorillaStore(t *testing.T) {
	var _ sessions.Store = (*session.Manager)(nil)
	f := newFixture(t)
	b := saved(t, f, map[any]any{"text": "value", "number": 7, "gone": true})
	c := b.cookies()
	if len(c) != 1 || c[0].Name != storeCookie || len(c[0].Value) != 43 {
		t.Errorf("cookies: %v", c)
	}
	gs, r := get(t, b)
	if gs.IsNew || gs.ID != c[0].Value || gs.Values["text"] != "value" || gs.Values["number"] != 7 || gs.Values["gone"] != true {
		t.Errorf("read %+v", gs)
	}
	if same, _ := f.Get(r, storeCookie); same != gs {
		t.Error("Get read the session twice in one request")
	}
	gs.AddFlash("hello")
	delete(gs.Values, "gone")
	if err := gs.Save(r, httptest.NewRecorder()); err != nil {
		t.Fatal(err)
	}
	gs, r = get(t, b)
	if flashes := gs.Flashes(); len(flashes) != 1 || flashes[0] != "hello" || gs.Values["gone"] != nil || gs.Values["number"] != 7 {
		t.Errorf("read %+v with %v", gs, flashes)
	}
	old := b.copy()
	gs.Options.MaxAge = -1
	w := httptest.NewRecorder()
	if err := gs.Save(r, w); err != nil {
		t.Fatal(err)
	}
	b.receive(w)
	if gs, _ := get(t, old); !gs.IsNew || len(b.cookies()) != 0 || f.backend.Len() != 0 {
		t.Errorf("a removed session is %+v; cookies %v, %d records", gs, b.cookies(), f.backend.Len())
	}
}

func TestGorillaStoreLosesNothing(t *testing.T) {
	f := newFixture(t)
	b := saved(t, f, map[any]any{"kept": "value"})
	var all sync.WaitGroup
	for i := range 50 {
		gs, r := get(t, b) // all read before any writes
		all.Go(func() {
			gs.Values[strconv.Itoa(i)] = i
			if err := gs.Save(r, httptest.NewRecorder()); err != nil {
				t.Errorf("Save: %v", err)
			}
		})
	}
	all.Wait()
	gs, _ := get(t, b)
	for i := range 50 {
		if gs.Values[strconv.Itoa(i)] != i {
			t.Errorf("value %d was lost", i)
		}
	}
	if gs.Values["kept"] != "value" {
		t.Error("the first value was lost")
	}
}

// TestGorillaStoreWritesChangesOnly: what a request only read it doesn't put back.
func TestGorillaStoreWritesChangesOnly(t *testing.T) {
	f := newFixture(t)
	b := saved(t, f, map[any]any{"a": "old", "b": "old", "c": "old"})
	slow, slowRequest := get(t, b)
	quick, quickRequest := get(t, b)
	quick.Values["a"] = "new"
	delete(quick.Values, "b")
	if err := quick.Save(quickRequest, httptest.NewRecorder()); err != nil {
		t.Fatal(err)
	}
	slow.Values["c"] = "new"
	if err := slow.Save(slowRequest, httptest.NewRecorder()); err != nil {
		t.Fatal(err)
	}
	if gs, _ := get(t, b); gs.Values["a"] != "new" || gs.Values["b"] != nil || gs.Values["c"] != "new" {
		t.Errorf("the session holds %v", gs.Values)
	}
}

func TestGorillaStoreRevivesNothing(t *testing.T) {
	f := newFixture(t)
	b := saved(t, f, map[any]any{"text": "value"})
	slow, slowRequest := get(t, b)
	gs, r := get(t, b)
	gs.Options.MaxAge = -1
	if err := gs.Save(r, httptest.NewRecorder()); err != nil {
		t.Fatal(err)
	}
	slow.Values["text"] = "late"
	w := httptest.NewRecorder()
	if err := slow.Save(slowRequest, w); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Save: %v, want ErrNotFound", err)
	}
	if f.backend.Len() != 0 || len(w.Result().Cookies()) != 0 {
		t.Error("the session came back")
	}
}

func TestGorillaStoreTakesNoForeignID(t *testing.T) {
	f := newFixture(t)
	genuine := saved(t, f, map[any]any{"text": "value"})
	for name, cookie := range map[string]*http.Cookie{
		"an unknown id":            {Name: storeCookie, Value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"the id of another cookie": {Name: "second", Value: genuine.cookies()[0].Value},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(cookie)
		gs, err := f.New(r, cookie.Name)
		if err != nil || !gs.IsNew || gs.ID != "" || len(gs.Values) != 0 {
			t.Errorf("%s: %+v, %v; want a new session", name, gs, err)
		}
		gs.ID = cookie.Value
		if err := f.Save(r, httptest.NewRecorder(), gs); err != nil || gs.ID == cookie.Value {
			t.Errorf("%s was taken over (%v)", name, err)
		}
	}
}

func TestGorillaStoreErrors(t *testing.T) {
	f := newFixture(t)
	b := saved(t, f, map[any]any{"text": "value"})
	gs, r := get(t, b)
	gs.Values[7] = "a name that is no string"
	if err := gs.Save(r, httptest.NewRecorder()); err == nil {
		t.Error("a value without a name was saved")
	}
	delete(gs.Values, 7)
	gs.Values["f"] = func() {}
	if err := gs.Save(r, httptest.NewRecorder()); err == nil {
		t.Error("a function was saved")
	}
	f.backend.Fail(func(string, session.Name) error { return errors.New("gone") })
	if gs, err := f.New(b.request(), storeCookie); !errors.Is(err, session.ErrUnavailable) || gs == nil {
		t.Errorf("New = %v, %v; want a session and ErrUnavailable", gs, err)
	}
}

func TestGorillaSessionEnds(t *testing.T) {
	f := newFixture(t)
	b := saved(t, f, map[any]any{"text": "value"})
	f.clock.pass(time.Hour - time.Second)
	if gs, _ := get(t, b); gs.IsNew {
		t.Error("over before its time")
	}
	f.clock.pass(time.Hour)
	if gs, _ := get(t, b); !gs.IsNew {
		t.Error("still there after the idle timeout")
	}
}
