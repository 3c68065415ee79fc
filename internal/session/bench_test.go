package session_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

func BenchmarkRecords(b *testing.B) {
	m := newManager(b, openDir(b, b.TempDir(), time.Now), session.Options{Now: time.Now})
	r := m.Records()
	value := struct{ Text []byte }{make([]byte, 6000)} // about a token cache
	key := func(i int) session.Key { return session.Key{Kind: "note", ID: string(rune(i))} }
	b.Run("Create", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			k := session.Key{Kind: "bench", Group: b.Name(), ID: time.Now().String()}
			if err := r.Create(b.Context(), k, value, time.Now().Add(time.Hour)); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := r.Create(b.Context(), key(1), value, time.Now().Add(time.Hour)); err != nil {
		b.Fatal(err)
	}
	into := value
	b.Run("Get", func(b *testing.B) {
		for b.Loop() {
			if err := r.Get(b.Context(), key(1), &into); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Change", func(b *testing.B) {
		for b.Loop() {
			if err := r.Change(b.Context(), key(1), &into, time.Time{}, func() error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	m := newManager(b, openDir(b, b.TempDir(), time.Now), session.Options{Now: time.Now})
	w := httptest.NewRecorder()
	if _, err := m.SignIn(w, httptest.NewRequest(http.MethodGet, "/", nil), mona, make([]byte, 6000), time.Now()); err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if s, err := m.Open(r); err != nil || !s.SignedIn() {
				b.Errorf("Open = %v, %v", s, err)
				return
			}
		}
	})
}
