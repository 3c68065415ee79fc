package tracing

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A collector that is busy is asked again, one that refuses isn't, and nothing is sent anywhere else with our headers.
func TestUpload(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for name, c := range map[string]struct {
		answers []int
		posts   int32
		fails   bool
	}{
		"taken":            {[]int{200}, 1, false},
		"busy, then taken": {[]int{503, 200}, 2, false},
		"always busy":      {[]int{429, 503, 502, 200}, 3, true},
		"refused":          {[]int{401, 200}, 1, true},
		"redirected":       {[]int{307, 200}, 1, true},
		"not found":        {[]int{404, 200}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			var posts atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := posts.Add(1)
				if r.Header.Get("Api-Key") != "canary-key" {
					t.Errorf("headers %v", r.Header)
				}
				w.Header().Set("Location", other.URL)
				w.WriteHeader(c.answers[n-1])
			}))
			defer server.Close()
			k := newClient(Options{Endpoint: server.URL + "/v1/traces", Headers: map[string]string{"api-key": "canary-key"}})
			k.pause = time.Millisecond
			err := k.UploadTraces(t.Context(), nil)
			if (err != nil) != c.fails || posts.Load() != c.posts {
				t.Errorf("%d posts, %v", posts.Load(), err)
			}
			if err != nil && (strings.Contains(err.Error(), "http:") || strings.Contains(err.Error(), "canary")) {
				t.Errorf("the error names the address or the key: %v", err)
			}
		})
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// A collector that is gone for an hour fills no log.
func TestComplaintsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := &complaints{log: slog.New(slog.NewTextHandler(&log, nil)), now: time.Now}
		for range 3600 {
			c.Handle(errors.New("gone"))
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "\n"); n != 60 {
			t.Errorf("%d lines in an hour", n)
		}
	})
}

// Traces that are off cost nothing and fail nothing.
func TestOff(t *testing.T) {
	var tracer *Tracer
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	on, id, done := tracer.Request(r)
	done("/", 200)
	header := http.Header{}
	tracer.Call(t.Context(), "entra", "keys", header)(200, "ok", "")
	if on != r || id != "" || len(header) > 0 || tracer.Stop(t.Context()) != nil {
		t.Error("something was traced")
	}
	if n := testing.AllocsPerRun(100, func() {
		_, _, done := tracer.Request(r)
		done("/", 200)
	}); n > 0 {
		t.Errorf("%v allocations for a request that isn't traced", n)
	}
}

// A fault in sending stays in it: the library calls in a goroutine of its own, where a panic would end the process.
func TestPanicWhileSending(t *testing.T) {
	c := newClient(Options{Endpoint: "http://127.0.0.1:1"})
	c.http = nil
	if err := c.UploadTraces(t.Context(), nil); err == nil {
		t.Error("a fault is called a success")
	}
	(&complaints{now: func() time.Time { panic("clock") }, log: slog.New(slog.DiscardHandler)}).Handle(errors.New("x"))
}
