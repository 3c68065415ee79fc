package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// answered are n tokens as they come out of an answer: each with strings of its own, which are parts of larger ones.
func answered(organization string, n int) []Token {
	tokens := make([]Token, 0, 2*n)
	for i := range n {
		text := fmt.Sprintf("%08d-0000-0000-0000-000000000000 %s build agent of team %d vso.code vso.build_execute %s", i, organization, i, strings.Repeat("x", 400))
		scopes := strings.Index(text, "vso.code")
		tokens = append(tokens, Token{Organization: organization, Status: azuredevops.Active, Token: azuredevops.Token{
			AuthorizationID: text[:36], DisplayName: text[37 : scopes-1], Scopes: strings.Split(text[scopes:scopes+26], " "),
			TargetAccounts: []string{strings.Clone(text[:36][9:])}, ValidFrom: start, ValidTo: start.Add(day),
		}})
	}
	return tokens
}

// readOf reads an organization into a session's snapshot, and waits for it.
func readOf(s *snapshots, session, organization string, read func() ([]Token, []Missing)) *orgTokens {
	p := s.open(session).read(slog.New(slog.DiscardHandler), organization, read)
	<-p.done
	return p
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Whatever people have, their snapshots stay within their bounds, as counted and as the heap has it.
func TestSnapshotsAreBoundedInBytes(t *testing.T) {
	for what, test := range map[string]struct {
		sessions, organizations, tokens int
		whole                           bool // the last one's is
		kept                            int  // sessions at least
	}{
		"60 people with 5,000 tokens":  {60, 1, 5000, true, 60},
		"120 people with 5,000 tokens": {120, 5, 1000, true, 60},
		"one with 50,000":              {1, 1, 50_000, true, 1},
		"one with 150,000":             {1, 15, 10_000, false, 1},
		"six with 100,000":             {6, 2, 50_000, true, 4},
	} {
		t.Run(what, func(t *testing.T) {
			now := start
			s := newSnapshots(func() time.Time { return now })
			lists := map[string][]Token{}
			for o := range test.organizations {
				lists[fmt.Sprint("org-", o)] = answered(fmt.Sprint("org-", o), test.tokens)
			}
			before := heap()
			var last []*orgTokens
			for session := range test.sessions {
				now = now.Add(time.Second / 10)
				last = nil
				for name, tokens := range lists {
					last = append(last, readOf(s, fmt.Sprint(session), name, func() ([]Token, []Missing) { return tokens, nil }))
				}
			}
			count, cut := 0, 0
			for _, p := range last {
				count += len(p.tokens)
				cut += len(p.failed)
			}
			if whole := count == test.organizations*test.tokens; whole != test.whole || whole != (cut == 0) {
				t.Errorf("%d tokens of the last one are there, %d parts are cut", count, cut)
			}
			clear(last)
			grown, counted := heap()-before, s.Bytes()
			t.Logf("%d sessions, %d MB counted, %d MB of memory", s.all.Len(), counted>>20, grown>>20)
			if counted > snapshotBytes || grown > snapshotBytes*5/4 || grown > counted*3/2+1<<20 || s.all.Len() < test.kept {
				t.Errorf("%d sessions, %d MB counted, %d MB of memory", s.all.Len(), counted>>20, grown>>20)
			}
			runtime.KeepAlive(lists)
			for _, key := range s.all.Keys() {
				s.forget(key)
			}
			if s.Bytes() != 0 {
				t.Errorf("%d bytes count for nothing", s.Bytes())
			}
		})
	}
}

// What is read again, outdated, dropped while it is read, or given up counts once, or no more.
func TestSnapshotsCountWhatIsThere(t *testing.T) {
	now := start
	s := newSnapshots(func() time.Time { return now })
	some := func() ([]Token, []Missing) { return answered("contoso", 10), nil }
	readOf(s, "mona", "contoso", some)
	one := s.Bytes()
	now = now.Add(2 * snapshotLife)
	if readOf(s, "mona", "contoso", some); s.Bytes() != one || one <= orgBytes {
		t.Errorf("read twice it counts %d, once %d", s.Bytes(), one)
	}
	readOf(s, "mona", "fabrikam", some)
	if s.Invalidate("mona", "contoso", now); s.Bytes() != one {
		t.Errorf("outdated, %d bytes are left of two parts, of %d each", s.Bytes(), one)
	}
	for what, drop := range map[string]func(){
		"outdated": func() { s.Invalidate("omar", "", now) }, "forgotten": func() { s.forget("omar") },
	} {
		p := readOf(s, "omar", "contoso", func() ([]Token, []Missing) { drop(); return some() })
		if len(p.tokens) != 10 || s.Bytes() != one {
			t.Errorf("%s while it was read: who waits gets %d tokens, and %d bytes are kept", what, len(p.tokens), s.Bytes()-one)
		}
	}
	readOf(s, "omar", "contoso", some)
	now = now.Add(3 * snapshotLife)
	if s.open("lisa"); s.all.Len() != 1 || s.Bytes() != 0 {
		t.Errorf("%d sessions and %d bytes are kept of what nobody looks at", s.all.Len(), s.Bytes())
	}
}

// What is kept is what was read.
func TestCompact(t *testing.T) {
	tokens := answered("contoso", 3)
	tokens[1].TargetAccounts = nil
	tokens[2].TargetAccounts, tokens[2].Scopes = []string{}, nil
	kept := compact(tokens)
	for i := range tokens {
		a, b := tokens[i], kept[i]
		if a.AuthorizationID != b.AuthorizationID || a.DisplayName != b.DisplayName || !slices.Equal(a.Scopes, b.Scopes) || a.Global() != b.Global() || a.Status != b.Status {
			t.Errorf("%+v became %+v", a, b)
		}
	}
}

// What was cut off is said to be missing, not to be gone.
func TestSnapshotThatIsCutSaysSo(t *testing.T) {
	s := newSnapshots(func() time.Time { return start })
	p := readOf(s, "mona", "contoso", func() ([]Token, []Missing) {
		tokens := answered("contoso", 2)
		tokens[1].DisplayName = strings.Repeat("x", sessionBytes)
		tokens[1].Status = azuredevops.Revoked
		return tokens, nil
	})
	var e *azuredevops.Error
	if len(p.tokens) != 1 || len(p.failed) != 1 || p.failed[0].Status != azuredevops.Revoked || !errors.As(p.failed[0].Err, &e) || e.Kind != azuredevops.KindTooLarge {
		t.Errorf("%d tokens, %+v", len(p.tokens), p.failed)
	}
}

// What discovery said is bounded in bytes, too.
func TestOrganizationCacheIsBoundedInBytes(t *testing.T) {
	c := newDiscoveries(func() time.Time { return start })
	names := make([]azuredevops.Organization, 1000)
	for i := range names {
		names[i] = azuredevops.Organization{ID: strings.Repeat("x", 36), Name: strings.Repeat("y", 50)}
	}
	for i := range 1000 {
		c.put(fmt.Sprint(i), discovered{organizations: names, until: start.Add(time.Minute)})
		if _, ok := c.get(fmt.Sprint(i)); !ok {
			t.Fatal("what was just found is forgotten")
		}
	}
	if c.bytes > maxDiscoveryBytes || c.kept.Len() < 50 {
		t.Errorf("%d bytes of %d sessions", c.bytes, c.kept.Len())
	}
	for _, key := range c.kept.Keys() {
		c.forget(key)
	}
	if c.bytes != 0 {
		t.Errorf("%d bytes count for nothing", c.bytes)
	}
}

// A reading in the background that panics costs its organization's part and nothing else: whoever waits is let go and
// is shown a failure, and the next one can read.
func TestPanicsInBackgroundReads(t *testing.T) {
	const sensitive = "what-only-its-owner-may-know"
	var written bytes.Buffer // the log is written before anybody who waits is let go
	log := slog.New(slog.NewTextHandler(&written, nil))
	all := newSnapshots(time.Now)
	s := all.open("session")
	for range 2 * readsAtOnce { // no slot is lost
		read := s.read(log, "contoso", func() ([]Token, []Missing) { panic(sensitive) })
		<-read.done
		if len(read.failed) != 1 || strings.Contains(read.failed[0].Err.Error(), sensitive) {
			t.Fatal(read.failed)
		}
		all.Invalidate("session", "contoso", time.Now().Add(time.Hour))
	}
	found := s.discover(log, func() ([]string, error) { panic(sensitive) })
	<-found.done
	if found.err == nil {
		t.Error("a fault is called a success")
	}
	if log := written.String(); strings.Contains(log, sensitive) || strings.Count(log, "msg=panic") != 2*readsAtOnce+1 {
		t.Error(log)
	}
}
