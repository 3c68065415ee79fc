package features

import (
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// A store that is there and refuses writes is noticed: /readyz says no, the log says why, /healthz stays as it is; and
// when it takes writes again, all is well by itself.
func TestReadyzNoticesAStoreThatRefusesWrites(t *testing.T) {
	t.Parallel()
	for _, fault := range apptest.StoreFaults(t) {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			sim := simulator.New(simulator.Options{})
			testkit.Must(t, sim.Start(t.Context()))
			t.Cleanup(sim.Close)
			wantNoticed(t, apptest.StartOn(t, sim, apptest.Options{}, fault.Dir), "", fault.Spoil, fault.Mend)
		})
	}
	t.Run("Redis is full", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		d := startReplicas(t, "redis://"+server.Addr, 1).programs[0]
		wantNoticed(t, d, "OOM", server.Fill, server.Empty)
	})
}

func wantNoticed(t *testing.T, d *apptest.Program, reason string, spoil, mend func()) {
	t.Helper()
	ready := func() int { answer, _ := apptest.Scrape(t, http.MethodGet, d.URL+"/readyz"); return answer.StatusCode }
	if status := ready(); status != http.StatusOK {
		t.Fatalf("before: %d", status)
	}
	spoil()
	begun := time.Now()
	testkit.Until(t, "it isn't ready", func() bool { return ready() == http.StatusServiceUnavailable })
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("noticed after %v", took)
	}
	if answer, _ := apptest.Scrape(t, http.MethodGet, d.URL+"/healthz"); answer.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d", answer.StatusCode)
	}
	if log := d.Log.String(); !strings.Contains(log, "can't be reached or written") || !strings.Contains(log, reason) {
		t.Errorf("the log doesn't say why:\n%s", log)
	}
	mend()
	testkit.Until(t, "it is ready again", func() bool { return ready() == http.StatusOK })
}

// Somebody who plans bulk changes as fast as they can, and confirms none, doesn't fill the store; beside them others
// sign in and create.
func TestPlansDontFillTheStore(t *testing.T) {
	t.Parallel()
	o := apptest.Options{Sim: apptest.ManyTokens(1)}
	other := o.Sim.People[0]
	other.Name, other.Username, other.ObjectID = apptest.Jonas, simulator.Jonas, "30aa0000-de30-4000-8000-000000000012"
	o.Sim.People = append(o.Sim.People, other)
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		o := o
		dir := t.TempDir() + "/sessions"
		o.Env = map[string]string{"RATE_LIMIT_CHANGES": "0", "SESSION_DIR": dir}
		d := apptest.Start(t, o)
		wantBounded(t, d, func() (bytes int64) {
			_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error { // files come and go
				if err == nil && e.Type().IsRegular() {
					if info, err := e.Info(); err == nil {
						bytes += info.Size()
					}
				}
				return nil
			})
			return bytes
		})
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		o := o
		o.Env = map[string]string{
			"RATE_LIMIT_CHANGES": "0", "SESSION_TYPE": "redis", "REDIS_URL": "redis://" + server.Addr, "SESSION_KEYS": testkit.OldKey,
		}
		wantBounded(t, apptest.Start(t, o), func() int64 {
			n, _ := server.Do("EVAL", "local n = 0; for _, k in ipairs(redis.call('KEYS', 'patdesk:*:*:*')) do n = n + redis.call('STRLEN', k) end; return n", 0).(int64)
			return n
		})
	})
}

// wantBounded has one person plan 25 changes over four connections, of which ten may stay.
func wantBounded(t *testing.T, d *apptest.Program, stored func() int64) {
	t.Helper()
	apptest.FillOrganizations(d.Sim, 50)
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	label := webtest.Fold(b.Page.Find("label[for=pick-all]").Text())
	_, to, form := b.Check(label).Form("Revoke selected")
	before := stored()
	planned := b.Twin().Post(to.String(), form)
	if planned.Status != http.StatusOK || !strings.HasPrefix(planned.URL.Path, "/bulk/") {
		t.Fatalf("%d at %s\n%s", planned.Status, planned.URL, planned.Text())
	}
	one := stored() - before
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 6 {
				if r := apptest.Sending(t.Context(), b, d.Transport(), to, form); (<-r).Status >= http.StatusBadRequest {
					t.Error("a plan was refused")
				}
			}
		})
	}
	group.Wait()
	if n := stored() - before; one < 10_000 || n > 11*one {
		t.Errorf("the plans take %d bytes, one of them %d", n, one)
	}
	other := d.SignedIn(apptest.Jonas).Open(d.URL+"/tokens/new?organization=org-01").Fill("Name", "beside").Choose("Code", "Read").Press("Create token")
	if other.Status != http.StatusOK || apptest.SecretOf(other) == "" {
		t.Errorf("another person: %d\n%s", other.Status, other.Text())
	}
}

// What docs/limits.md says can pile up are the kinds of records that there are, with their bounds.
func TestEveryKindOfRecordHasABound(t *testing.T) {
	t.Parallel()
	m, err := session.New(sessiontest.NewMemory(time.Now), session.Options{
		Keys: [][]byte{make([]byte, session.KeySize)}, IdleTimeout: time.Hour, Lifetime: time.Hour, PerPerson: 100,
	})
	testkit.Must(t, err)
	batch.New(m.Records(), operation.New(m.Records(), operation.Options{}))
	calendar.New(m.Records(), time.Now)
	if err := m.Records().Create(t.Context(), session.Key{Kind: "unheard", ID: "of"}, struct{}{}, time.Now().Add(time.Hour)); err == nil {
		t.Error("a record of a kind without a bound was made")
	}
	doc := testkit.ReadFile(t, "docs/limits.md")
	rows := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) \\|").FindAllStringSubmatch(string(doc), -1) {
		rows[row[1]] = row[2:]
	}
	for _, bound := range m.Records().Bounds() {
		row := rows[bound.Kind]
		if row == nil {
			t.Errorf("%s: no row", bound.Kind)
			continue
		}
		delete(rows, bound.Kind)
		if each := kilobytes(int64(bound.Each)); !strings.Contains(row[1], each) {
			t.Errorf("%s: one record has at most %q, not %s", bound.Kind, row[1], each)
		}
		if bound.Records > 0 && (!strings.Contains(row[2], thousands(bound.Records)) || !strings.Contains(row[2], kilobytes(bound.Bytes))) {
			t.Errorf("%s: %q doesn't say %d, %s", bound.Kind, row[2], bound.Records, kilobytes(bound.Bytes))
		}
		if bound.Records == 0 && bound.Why == "" {
			t.Errorf("%s: nothing bounds it", bound.Kind)
		}
	}
	for kind := range rows {
		t.Errorf("%s: there is no such kind", kind)
	}
}

// kilobytes writes a size as the table has it.
func kilobytes(bytes int64) string {
	if bytes%(1<<20) == 0 {
		return strconv.FormatInt(bytes>>20, 10) + " MB"
	}
	return strconv.FormatInt(bytes>>10, 10) + " KB"
}

func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return strconv.Itoa(n/1000) + "," + strconv.Itoa(1000 + n%1000)[1:]
}

// What counts is what is done, whatever form id comes with it: neither an invented one nor one that was carried out
// lets anything else through. Only a form that repeats its own change is free, and causes no work.
func TestFormIDsGiveNoWayAroundTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 8
	d := apptest.Start(t, apptest.Options{Sim: simulator.Options{Seed: true}, Env: map[string]string{"RATE_LIMIT_CHANGES": strconv.Itoa(limit)}})
	b := d.SignedIn(apptest.Mona)
	made := b.Twin().Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "once").Choose("Code", "Read")
	_, create, form := made.Form("Create token")
	made.Press("Create token")
	operation := made.URL.String()
	edit := b.Twin().Open(d.URL + "/tokens?organization=contoso").Click("once").Click("Edit")
	_, change, edited := edit.Fill("Name", "twice").Form("Save changes")
	edit.Press("Save changes")
	reads := d.Sim.Calls(simulator.CallGet)
	for range limit + 5 {
		if again := b.Twin().Post(create.String(), form); again.URL.String() != operation {
			t.Fatalf("the same form: %d at %s", again.Status, again.URL)
		}
		if status := (<-apptest.Sending(t.Context(), b, d.Transport(), change, edited)).Status; status >= http.StatusBadRequest {
			t.Fatalf("the same change: %d", status)
		}
	}
	if n := d.Sim.Calls(simulator.CallCreate); n != 1 {
		t.Errorf("%d tokens were made", n)
	}
	if n := d.Sim.Calls(simulator.CallGet) - reads; n > 0 {
		t.Errorf("the same change made %d calls", n)
	}
	for path, id := range map[string]string{
		"/bulk?do=revoke": form.Get("form"), "/operations/none/check": form.Get("form"), "/tokens/new": edited.Get("form"), "/calendar/make": strings.Repeat("A", 118),
	} {
		let := 0
		for range 2 * limit {
			if (<-apptest.Sending(t.Context(), b, d.Transport(), create.ResolveReference(&url.URL{Path: strings.Split(path, "?")[0]}), url.Values{"form": {id}})).Status != http.StatusTooManyRequests {
				let++
			}
		}
		if let > limit+2 {
			t.Errorf("%s: %d were let through", path, let)
		}
	}
}
