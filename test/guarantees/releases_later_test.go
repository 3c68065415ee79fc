package guarantees

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// laterRecord is any record as a release stores it that has a later version of it.
type laterRecord map[string]json.RawMessage

func (laterRecord) StoredVersion() int { return 99 }

// storeBehind is a running program's folder as another release sees it.
type storeBehind struct {
	t       *testing.T
	dir     session.Backend
	records *session.Records
}

func openBehind(t *testing.T, dir string) storeBehind {
	t.Helper()
	backend, err := session.OpenDir(dir, time.Now)
	testkit.Must(t, err)
	keys, err := session.ParseKeys(testkit.OldKey)
	testkit.Must(t, err)
	m, err := session.New(backend, session.Options{Keys: keys, IdleTimeout: time.Hour, Lifetime: time.Hour})
	testkit.Must(t, err)
	batch.New(m.Records(), operation.New(m.Records(), operation.Options{}))
	calendar.New(m.Records(), time.Now)
	return storeBehind{t, backend, m.Records()}
}

// hide stores these records in a later version. What it returns puts them back, if nobody has touched them meanwhile.
func (s storeBehind) hide(keys ...session.Key) (restore func()) {
	s.t.Helper()
	type kept struct {
		name        session.Name
		value       []byte
		hidden      string
		hiddenValue string
	}
	var all []kept
	for _, key := range keys {
		value, _, err := s.dir.Read(context.Background(), key.Name())
		testkit.Must(s.t, err)
		testkit.Must(s.t, s.records.Change(context.Background(), key, &laterRecord{}, time.Time{}, func() error { return nil }))
		hiddenValue, hidden, err := s.dir.Read(context.Background(), key.Name())
		testkit.Must(s.t, err)
		all = append(all, kept{key.Name(), value, hidden, string(hiddenValue)})
	}
	return func() {
		s.t.Helper()
		for _, k := range all {
			value, _, err := s.dir.Read(context.Background(), k.name)
			if err != nil || string(value) != k.hiddenValue {
				s.t.Errorf("a record of kind %s that can't be read was touched: %v", k.name.Kind, err)
				continue
			}
			testkit.Must(s.t, s.dir.Update(context.Background(), k.name, k.hidden, k.value, time.Now().Add(time.Hour)))
		}
	}
}

// of are a person's records of a kind.
func (s storeBehind) of(kind, person string) (keys []session.Key) {
	s.t.Helper()
	testkit.Must(s.t, s.records.Each(context.Background(), kind, person, func(id string, _ func(any) error) error {
		keys = append(keys, session.Key{Kind: kind, Group: person, ID: id})
		return nil
	}))
	if len(keys) == 0 {
		s.t.Errorf("no record of kind %s", kind)
	}
	return keys
}

// Whatever kind of record a newer release has written: every page answers, nothing that was done is called not done or
// done again, nothing of it is changed or dropped, and when a program that can read it is back all is as it was. A short run
// has half of the kinds.
func TestRecordsOfALaterRelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/sessions"
	o := apptest.Seeded()
	o.Env = map[string]string{"SESSION_KEYS": testkit.OldKey, "SESSION_DIR": dir}
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	to, form := createForm(b, d.URL, "contoso", "by the newer one")
	created := b.Post(to.String(), form).URL.String()
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	apptest.Tick(b, "Terraform, contoso").Press("Rotate selected")
	rotated := apptest.WaitForBatch(t, b.Press("Rotate one token")).URL.String()
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	apptest.Tick(b, "Container scan, fabrikam").Press("Revoke selected")
	plan := b.URL.String()
	_, confirm, confirmed := b.Form("Revoke one token")
	at := b.Twin()
	feed := apptest.NewCalendar(t, at, d.URL)
	public, _ := at.Page.Find("input[name=public]").Attr("value")
	secret := apptest.SecretOf(b.Open(created))
	s := openBehind(t, dir)
	var signedIn struct {
		Person session.Person `json:"Person"`
	}
	testkit.Must(t, s.records.Get(t.Context(), session.Key{Kind: "session", ID: sessionOf(d, b)}, &signedIn))
	person := signedIn.Person.Key()
	all := map[string][]session.Key{"calendaraddress": {{Kind: "calendaraddress", ID: public}}}
	for _, kind := range []string{"operation", "unfinished", "secret", "openbatch", "batch", "calendarpart", "calendar", "presence"} {
		all[kind] = s.of(kind, person)
	}
	for _, kind := range testkit.Sample(t, len(all)/2, slices.Sorted(maps.Keys(all))) {
		keys := all[kind]
		t.Run(kind, func(t *testing.T) {
			s.t = t
			restore := s.hide(keys...)
			for _, path := range []string{"/", "/tokens?organization=contoso", "/overview", "/changes", "/sessions", "/calendar", "/global-tokens", "/readyz"} {
				if b.Open(d.URL + path); b.Status != http.StatusOK {
					t.Errorf("%s: %d\n%s", path, b.Status, apptest.Says(b))
				}
			}
			for _, page := range []string{created, rotated, plan} {
				b.Open(page)
				readable := b.Status == http.StatusOK && !strings.Contains(apptest.Says(b), "This was not done")
				if !readable && (b.Status != http.StatusServiceUnavailable || !strings.Contains(apptest.Says(b), "can't read")) {
					t.Errorf("%s: %d\n%s", page, b.Status, apptest.Says(b))
				}
			}
			r := apptest.Send(t.Context(), b, d.Transport(), to, form)
			if strings.Contains(r.Says(), "Nothing was changed") || r.Status >= http.StatusInternalServerError && r.Status != http.StatusServiceUnavailable {
				t.Errorf("the form sent again: %s", r.Says())
			}
			if answer := apptest.ReadFeed(t, d, http.MethodGet, feed); answer.Status != http.StatusOK && answer.Status != http.StatusServiceUnavailable {
				t.Errorf("the calendar: %d", answer.Status) // programs that read it must not think that it is gone
			}
			if kind == "batch" {
				if r := apptest.Send(t.Context(), b, d.Transport(), confirm, confirmed); r.Status != http.StatusServiceUnavailable {
					t.Errorf("confirming it: %s", r.Says())
				}
			}
			restore()
			if b.Open(created); apptest.SecretOf(b) != secret || b.Status != http.StatusOK {
				t.Errorf("afterwards: %d\n%s", b.Status, apptest.Says(b))
			}
			if got := apptest.Banners(b.Open(d.URL + "/sessions")); !strings.Contains(got, "by the newer one") || !strings.Contains(got, "new secret") {
				t.Errorf("afterwards there waits: %q", got)
			}
			if answer := apptest.ReadFeed(t, d, http.MethodGet, feed); answer.Status != http.StatusOK {
				t.Errorf("the calendar afterwards: %d", answer.Status)
			}
		})
	}
	if n := createsOf(d.Sim, "by the newer one"); n != 1 || d.Sim.Created() != 2 || d.Sim.Revoked() != 0 {
		t.Errorf("%d creates of it, %d in all, %d revoked", n, d.Sim.Created(), d.Sim.Revoked())
	}
	for _, kind := range []string{"tokens", "session"} {
		t.Run(kind, func(t *testing.T) {
			s.t = t
			b := d.SignedIn(apptest.Mona)
			s.hide(session.Key{Kind: kind, ID: sessionOf(d, b)})
			b.Open(d.URL + "/tokens?organization=contoso")
			if b.Has("link", "Sign in") {
				apptest.SignIn(b, apptest.Mona)
			}
			if b.Status != http.StatusOK || !b.Has("button", "Sign out") {
				t.Errorf("%d at %s\n%s", b.Status, b.URL, apptest.Says(b))
			}
		})
	}
}

// sessionOf is the id in the browser's session cookie.
func sessionOf(d *apptest.Program, b *webtest.Browser) string {
	d.T.Helper()
	for _, c := range b.Jar().Cookies(apptest.MustParse(d.T, d.URL)) {
		if strings.Contains(c.Name, "session") {
			return c.Value
		}
	}
	d.T.Fatal("nobody is signed in")
	return ""
}
