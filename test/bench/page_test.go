package bench

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// BenchmarkListPage makes the list of 100 tokens in one process, with calls that are answered from memory.
func BenchmarkListPage(b *testing.B) {
	from := &replay{}
	d := apptest.Start(b, apptest.Options{Env: map[string]string{"LOG_LEVEL": "error"}, Sim: simulated(1), Wrap: from.wrap})
	addTokens(d.Sim)
	browser := d.SignedIn("Person 0").Open(d.URL + listPath)
	cookie := header(browser.Jar(), browser.URL)
	b.ReportAllocs()
	for b.Loop() {
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, d.URL+listPath, http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Cookie", cookie)
		answer, err := d.Transport().RoundTrip(request)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatal(answer.Status, err)
		}
		b.ReportMetric(float64(n)/1024, "KiB/page")
	}
}

// replay answers the call for a list as it was answered the first time.
type replay struct {
	mu    sync.Mutex
	known map[string]*httptest.ResponseRecorder
}

func (r *replay) wrap(next http.RoundTripper) http.RoundTripper {
	r.known = map[string]*httptest.ResponseRecorder{}
	return apptest.RoundTripFunc(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodGet || !strings.HasSuffix(request.URL.Path, "/pats") {
			return next.RoundTrip(request)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		key := request.URL.RequestURI()
		if r.known[key] == nil {
			answer, err := next.RoundTrip(request)
			if err != nil {
				return nil, err
			}
			defer answer.Body.Close()
			first := httptest.NewRecorder()
			for name, values := range answer.Header {
				first.Header()[name] = values
			}
			first.WriteHeader(answer.StatusCode)
			if _, err := io.Copy(first, answer.Body); err != nil {
				return nil, err
			}
			r.known[key] = first
		}
		again := *r.known[key]
		again.Body = bytes.NewBuffer(r.known[key].Body.Bytes())
		return again.Result(), nil
	})
}
