package proxies

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/patdesk/patdesk/internal/proxytest"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// calendarAddress is of the form that ours have: what must not get into a log.
const calendarAddress = "Zk3vR9tXw2LmQ8bYc5NhJ7pDs1GfAe4KuTiVoBzrxC6qWlMnEyHjSgPdFaR0-_U"

// oddPaths are what no page links to. Those with an address in them are where a calendar's could be mistaken for
// another.
func oddPaths() []string {
	paths := []string{"/\xff", "/%ff", "/%00", "/%", "/%zz", "//", "///calendar", "/%2e%2e/%2e%2e", "/..", "/tokens/../calendar", "/%C8%BA%C8%BE", "/%C4%B0", "/%ED%A0%80", "/%C0%AF", "/%F4%90%80%80", "/%F0%9F%92%A9",
		"/calendar", "/calendar/", "/calendar/make", "/calendar/x", "/CALENDAR/x", "/" + strings.Repeat("a", 20_000), "/" + strings.Repeat("%C8%BA", 3000), "/" + strings.Repeat("/", 5000), "/?" + strings.Repeat("&", 9000), "/tokens/%ff/%ff", "/static/%ff", "/\xed\xa0\x80", "/;", "/~", "/#x", "/a b"}
	for _, before := range []string{"", "/%ff", "/%C8%BA", "/%C8%BE%C8%BE%C8%BE", "/%C8%BA%C8%BA%C8%BA%C8%BA%C8%BA%C8%BA%C8%BA%C8%BA%C8%BA%C8%BA", "/%C4%B0%C4%B0", "/%E1%BA%9E", "/%E2%84%AA", "/\xc8\xba", "/\xff\xff\xff", "/%ED%A0%80", "/%00", "/x/%ff%fe"} {
		for _, word := range []string{"/calendar/", "/CaLeNdAr/", "/calendar%2f", "/%63alendar/", "/calender/", "/calendar%5c", "/calendar", "/"} {
			for _, after := range []string{"", "/tokens.ics", "/TOKENS.ICS", "%00", "%ff/tokens.ics"} {
				paths = append(paths, before+word+calendarAddress+after)
			}
		}
		paths = append(paths, before+"/calendar/")
	}
	return paths
}

// oddRequests are whole requests, with the host filled in.
func oddRequests(host string) []string {
	var all []string
	for _, path := range oddPaths() {
		all = append(all, "GET "+path+" HTTP/1.1\r\nHost: "+host)
	}
	for _, line := range []string{
		"OPTIONS * HTTP/1.1\r\nHost: H", "GET * HTTP/1.1\r\nHost: H", "GET http://evil.example/calendar/x HTTP/1.1\r\nHost: H", "GET http://%ff/ HTTP/1.1\r\nHost: H", "GET x:y HTTP/1.1\r\nHost: H", "GET  HTTP/1.1\r\nHost: H",
		"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443", "CONNECT /calendar/x HTTP/1.1\r\nHost: H", "CONNECT * HTTP/1.1\r\nHost: H", "G\xffT / HTTP/1.1\r\nHost: H", "get / HTTP/1.1\r\nHost: H", strings.Repeat("M", 3000) + " / HTTP/1.1\r\nHost: H",
		"GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost:", "GET / HTTP/1.1\r\nHost: H\r\nHost: H", "GET / HTTP/1.1\r\nHost: \xff", "GET / HTTP/1.1\r\nHost: a b", "GET / HTTP/1.1\r\nHost: [::1", "GET / HTTP/1.1\r\nHost: %00", "GET / HTTP/1.1\r\nHost: " + strings.Repeat("a", 9000), "GET / HTTP/1.1\r\nHost: Ⱥ.example",
		"GET / HTTP/1.1\r\nHost: H\r\nExpect: evil", "POST / HTTP/1.1\r\nHost: H\r\nExpect: 100-continue, 200-ok\r\nContent-Length: 0", "GET / HTTP/1.1\r\nHost: H\r\nX: " + strings.Repeat("x", 60_000), "GET / HTTP/2.0\r\nHost: H", "PRI * HTTP/2.0", "GET / HTTP/9.9\r\nHost: H", "GET / HTTP/1.0", "GET /", "\x16\x03\x01\x02", "nonsense",
		"POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: evil", "POST / HTTP/1.1\r\nHost: H\r\nContent-Length: x", "POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 1\r\nContent-Length: 2", "GET / HTTP/1.1\r\nHost: H\r\nX: \x00", "GET / HTTP/1.1\r\nHost: H\r\n: x", "GET / HTTP/1.1\r\nHost: H\r\nno colon",
	} {
		all = append(all, strings.ReplaceAll(line, "Host: H", "Host: "+host))
	}
	return all
}

var requestRecord = regexp.MustCompile(`(?m)^.* msg=request .*$`)

// Whatever comes over the wire gets an answer with all headers, and is one record in the log, in which no calendar's
// address stands, whatever stands around it; answers of net/http's own included.
func TestEveryRequestIsAnsweredAndRecorded(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	r := apptest.Record(t, d)
	requests := oddRequests(apptest.HostOf(t, d.URL))
	var mu sync.Mutex
	before := len(requestRecord.FindAllString(d.Log.String(), -1))
	statuses := map[int]int{}
	for _, request := range requests {
		answer := apptest.Raw(t, d, request+"\r\nConnection: close\r\n\r\n")
		mu.Lock()
		statuses[answer.StatusCode]++
		mu.Unlock()
		if answer.StatusCode < 200 || answer.StatusCode == http.StatusInternalServerError || answer.StatusCode > 505 {
			t.Errorf("%.100q: %d", request, answer.StatusCode)
		}
	}
	for _, a := range r.Answers() {
		apptest.CheckAnswer(t, a, false)
	}
	var records []string
	testkit.Until(t, "all is recorded", func() bool {
		records = requestRecord.FindAllString(d.Log.String(), -1)
		return len(records) >= before+len(requests)
	})
	if len(records) != before+len(requests) {
		t.Errorf("%d records of %d requests", len(records)-before, len(requests))
	}
	for i := 0; i+8 <= len(calendarAddress); i++ {
		if strings.Contains(d.Log.String(), calendarAddress[i:i+8]) {
			t.Fatalf("a part of an address is in the log:\n%s", regexp.MustCompile(`(?m)^.*`+regexp.QuoteMeta(calendarAddress[i:i+8])+`.*$`).FindString(d.Log.String()))
		}
	}
	for _, status := range []int{200, 400, 404, 417, 431, 501, 505} {
		if statuses[status] == 0 {
			t.Errorf("no answer with status %d was seen: %v", status, statuses)
		}
	}
	if found := apptest.TroubleInLog.FindString(d.Log.String()); found != "" {
		t.Errorf("the log tells of %q", found)
	}
}

// Behind nginx as deploy/proxy configures it, none of these takes a replica out: for everybody else both go on
// answering.
func TestOddRequestsHarmNoOthers(t *testing.T) {
	t.Parallel()
	m := mount{program: "nginx"}
	o := apptest.Seeded()
	o.Env = m.settings()
	sim, dir := startServices(t, o.Sim), t.TempDir()+"/sessions"
	var programs []*apptest.Program
	var backends []string
	for range 2 {
		programs = append(programs, apptest.StartOn(t, sim, o, dir))
		backends = append(backends, programs[len(programs)-1].Address)
	}
	p := proxytest.Start(t, m.example(backends...))
	odd, visitors := &wire{t: t, p: p}, &wire{t: t, p: p}
	for _, path := range oddPaths() {
		if u, err := url.Parse(path); err != nil || len(path) > 4000 || u.Path == "" {
			continue // nginx refuses these itself
		}
		if a := odd.ask("GET "+path, p.Host(), ""); a.Status >= 500 {
			t.Errorf("%.100q: %d", path, a.Status)
		}
		if a := visitors.ask("GET /healthz", p.Host(), ""); a.Status != http.StatusOK {
			t.Fatalf("after %.100q: another visitor gets %d", path, a.Status)
		}
	}
	for i, d := range programs {
		if n := len(requestRecord.FindAllString(d.Log.String(), -1)); n < 50 {
			t.Errorf("replica %d has seen %d requests", i, n)
		}
	}
}
