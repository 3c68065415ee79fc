package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestNowIsTheReaders(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 3, 23, 30, 0, 0, time.UTC)
	o := Options{Now: func() time.Time { return at }}
	for cookie, want := range map[string]string{
		"":                                    "2026-12-03 23:30 UTC",
		"UTC":                                 "2026-12-03 23:30 UTC",
		"Asia/Seoul":                          "2026-12-04 08:30 Asia/Seoul",
		"America/Argentina/Buenos_Aires":      "2026-12-03 20:30 America/Argentina/Buenos_Aires",
		"Etc/GMT+3":                           "2026-12-03 20:30 Etc/GMT+3",
		"Asia/Nowhere":                        "2026-12-03 23:30 UTC",
		"Local":                               "2026-12-03 23:30 UTC",
		"posix/Asia/Seoul":                    "2026-12-03 23:30 UTC",
		"../../etc/passwd":                    "2026-12-03 23:30 UTC",
		"/usr/share/zoneinfo/Asia/Seoul":      "2026-12-03 23:30 UTC",
		"Asia/Seoul/../Tokyo":                 "2026-12-03 23:30 UTC",
		"<script>":                            "2026-12-03 23:30 UTC",
		"Asia/" + strings.Repeat("Seoul", 99): "2026-12-03 23:30 UTC",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if cookie != "" {
			r.Header.Set("Cookie", "patdesk-zone="+cookie)
		}
		now := o.nowFor(r)
		if got := now.Format("2006-01-02 15:04 ") + now.Location().String(); got != want {
			t.Errorf("%q: %s, want %s", cookie, got, want)
		}
	}
}

func TestDays(t *testing.T) {
	t.Parallel()
	paris := ZoneNamed("Europe/Paris")
	summer := time.Date(2026, 10, 25, 0, 30, 0, 0, paris) // of 25 hours: the clock goes back
	if got := Midnight(summer.Add(20 * time.Hour)); !got.Equal(time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC)) {
		t.Errorf("the day begins at %s", got.UTC())
	}
	if got := DayIn(time.Date(2026, 12, 3, 0, 0, 0, 0, time.UTC), paris); !got.Equal(time.Date(2026, 12, 2, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("that day begins there at %s", got.UTC())
	}
}
