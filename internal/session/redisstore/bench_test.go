package redisstore_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
)

// BenchmarkOpen opens a session by its cookie, as every request does.
func BenchmarkOpen(b *testing.B) {
	server := redistest.Start(b)
	s := open(b, redisstore.Options{Addresses: []string{server.Addr}})
	m, err := session.New(s, session.Options{Keys: [][]byte{make([]byte, session.KeySize)}, IdleTimeout: time.Hour, Lifetime: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	w := httptest.NewRecorder()
	person := session.Person{TenantID: "t", ObjectID: "o"}
	if _, err := m.SignIn(w, httptest.NewRequest(http.MethodGet, "/", nil), person, make([]byte, 6000), time.Now()); err != nil {
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

// BenchmarkCreate writes records of a token cache's size: without a replica, and confirmed by one.
func BenchmarkCreate(b *testing.B) {
	for _, kind := range []string{"note", "secret"} {
		b.Run(kind, func(b *testing.B) {
			server := redistest.Start(b)
			redistest.StartReplica(b, server)
			s := open(b, redisstore.Options{Addresses: []string{server.Addr}, Confirm: []string{"secret"}})
			value := make([]byte, 6000)
			for b.Loop() {
				if err := s.Create(b.Context(), name(kind, "mona", time.Now().String()), value, later()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
