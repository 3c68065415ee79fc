package preflight

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// All tries run at once, the rows keep their order, and one that nothing can stop is given up.
func TestRunIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		done := make(chan struct{})
		obedient := func(ctx context.Context) row {
			<-ctx.Done()
			return row{Outcome: outcomeWarning, Found: "late"}
		}
		quick := func(context.Context) row { return row{Outcome: outcomeOK} }
		deaf := func(context.Context) row { <-done; return row{Outcome: outcomeOK} }
		rows := runAll(t.Context(), 8*time.Second, []try{{"a", obedient}, {"b", deaf}, {"c", quick}, {"d", deaf}})
		var got []string
		for _, r := range rows {
			got = append(got, r.What+" "+string(r.Outcome))
		}
		if text := strings.Join(got, ", "); text != "a warning, b failed, c ok, d failed" || failures(rows) != 2 {
			t.Errorf("got %s", text)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		close(done)
	})
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	printTable(&b, []row{
		{What: "Entra ID", Outcome: outcomeOK, Found: "It answers."},
		{What: "Größe", Outcome: outcomeFailed, Found: strings.Repeat("word ", 30), Advice: "Do\nthis.\x1b[2J\u202e"},
	})
	want := `What      Result   What was found, and what to do
--------  -------  ------------------------------
Entra ID  ok       It answers.
Größe     failed   word word word word word word word word word word word word word word word word word word word word
                   word word word word word word word word word word
                   Do this. [2J
`
	if b.String() != want {
		t.Errorf("got\n%s, want\n%s", b.String(), want)
	}
}

// roundTrips is a transport that is one function.
type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// One host whose clock is wrong says nothing of ours, and an answer without a Date says nothing at all.
func TestDrift(t *testing.T) {
	now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	dates := map[string]string{
		"a.example": now.Add(2 * time.Second).Format(http.TimeFormat), "b.example": now.Add(-time.Second).Format(http.TimeFormat),
		"wrong.example": now.Add(-24 * time.Hour).Format(http.TimeFormat), "none.example": "", "odd.example": "yesterday",
	}
	w := newWire(roundTrips(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Date": {dates[r.URL.Hostname()]}}, Body: http.NoBody}, nil
	}), func() time.Time { return now })
	if _, hosts := w.drift(); hosts != 0 {
		t.Errorf("%d hosts before the first call", hosts)
	}
	for host := range dates {
		w.get(t.Context(), "https://"+host+"/")
	}
	if drift, hosts := w.drift(); drift.Abs() > 3*time.Second || hosts != 3 {
		t.Errorf("drift = %v, %d", drift, hosts)
	}
}
