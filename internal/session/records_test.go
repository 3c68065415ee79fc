package session_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/testkit"
)

type note struct {
	Text string            `json:"text,omitempty"`
	More map[string]string `json:"more,omitempty"`
}

// store is Records over a Backend in memory, with a log.
type store struct {
	*session.Records
	backend *sessiontest.Memory
	clock   *testkit.Clock
	log     *bytes.Buffer
}

func newStore(tb testing.TB, keys ...[]byte) *store {
	tb.Helper()
	c := testkit.NewClock()
	return storeOver(tb, sessiontest.NewMemory(c.Now), c, keys...)
}

func storeOver(tb testing.TB, b *sessiontest.Memory, c *testkit.Clock, keys ...[]byte) *store {
	tb.Helper()
	var log bytes.Buffer
	m := newManager(tb, b, session.Options{Keys: keys, Now: c.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	return &store{m.Records(), b, c, &log}
}

func (s *store) create(tb testing.TB, k session.Key, value any) {
	tb.Helper()
	if err := s.Create(tb.Context(), k, value, s.clock.Now().Add(time.Hour)); err != nil {
		tb.Fatalf("Create: %v", err)
	}
}

// bytes are the stored ones of k, and the version to overwrite them.
func (s *store) bytes(tb testing.TB, k session.Key) (value []byte, version string) {
	tb.Helper()
	value, version, err := s.backend.Read(tb.Context(), k.Name())
	if err != nil {
		tb.Fatal(err)
	}
	return value, version
}

// overwrite puts bytes in the place of k's, behind Records' back.
func (s *store) overwrite(tb testing.TB, k session.Key, value []byte) {
	tb.Helper()
	_, version := s.bytes(tb, k)
	if err := s.backend.Update(tb.Context(), k.Name(), version, value, s.clock.Now().Add(time.Hour)); err != nil {
		tb.Fatal(err)
	}
}

func (s *store) wantNote(tb testing.TB, k session.Key, text string) {
	tb.Helper()
	var n note
	if err := s.Get(tb.Context(), k, &n); err != nil || n.Text != text {
		tb.Errorf("Get(%v) = %q, %v; want %q", k, n.Text, err, text)
	}
}

func (s *store) wantGone(tb testing.TB, k session.Key) {
	tb.Helper()
	var n note
	if err := s.Get(tb.Context(), k, &n); !errors.Is(err, session.ErrNotFound) {
		tb.Errorf("Get(%v) = %q, %v; want ErrNotFound", k, n.Text, err)
	}
}

var (
	single  = session.Key{Kind: "note", ID: "an id that only its holder knows"}
	grouped = session.Key{Kind: "note", Group: "mona", ID: "1"}
)

func TestRecordsVerbs(t *testing.T) {
	t.Parallel()
	for _, k := range []session.Key{single, grouped} {
		s := newStore(t)
		s.wantGone(t, k)
		s.create(t, k, note{Text: "one"})
		s.wantNote(t, k, "one")
		if err := s.Create(t.Context(), k, note{}, s.clock.Now().Add(time.Hour)); !errors.Is(err, session.ErrExists) {
			t.Errorf("the second Create: %v, want ErrExists", err)
		}
		var n note
		if err := s.Change(t.Context(), k, &n, time.Time{}, func() error { n.Text += " two"; return nil }); err != nil {
			t.Errorf("Change: %v", err)
		}
		s.wantNote(t, k, "one two")
		var taken note
		if err := s.Take(t.Context(), k, &taken); err != nil || taken.Text != "one two" {
			t.Errorf("Take = %q, %v", taken.Text, err)
		}
		if err := s.Take(t.Context(), k, &taken); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("the second Take: %v, want ErrNotFound", err)
		}
		if err := s.Change(t.Context(), k, &n, time.Time{}, func() error { return nil }); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Change of what is gone: %v, want ErrNotFound", err)
		}
		s.create(t, k, note{Text: "three"})
		if err := s.Delete(t.Context(), k); err != nil {
			t.Errorf("Delete: %v", err)
		}
		s.wantGone(t, k)
		if s.backend.Len() != 0 || s.log.Len() != 0 {
			t.Errorf("%d records are left; log: %s", s.backend.Len(), s.log)
		}
	}
}

func TestRecordNeedsAnExpiry(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if err := s.Create(t.Context(), single, note{}, time.Time{}); err == nil {
		t.Error("Create took a record without an expiry")
	}
}

func TestGetLeavesNothingOfTheFormerValue(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.create(t, single, note{Text: "new"})
	n := note{More: map[string]string{"old": "value"}}
	if err := s.Get(t.Context(), single, &n); err != nil || n.Text != "new" || n.More != nil {
		t.Errorf("Get = %+v, %v", n, err)
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	t.Run("an error of change stops it", func(t *testing.T) {
		s := newStore(t)
		s.create(t, single, note{Text: "one"})
		stop := errors.New("stop")
		var n note
		err := s.Change(t.Context(), single, &n, time.Time{}, func() error { n.Text = "two"; return stop })
		if !errors.Is(err, stop) {
			t.Errorf("Change: %v", err)
		}
		s.wantNote(t, single, "one")
	})
	t.Run("nothing is lost", func(t *testing.T) {
		s := newStore(t)
		s.create(t, single, note{})
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				var n note
				err := s.Change(t.Context(), single, &n, time.Time{}, func() error {
					if n.More == nil {
						n.More = make(map[string]string)
					}
					n.More[strconv.Itoa(i)] = "x"
					return nil
				})
				if err != nil {
					t.Errorf("Change: %v", err)
				}
			})
		}
		all.Wait()
		var n note
		if err := s.Get(t.Context(), single, &n); err != nil || len(n.More) != 50 {
			t.Errorf("%d of 50 changes are there, %v", len(n.More), err)
		}
	})
	t.Run("a record that is deleted meanwhile stays deleted", func(t *testing.T) {
		s := newStore(t)
		s.create(t, single, note{})
		var n note
		err := s.Change(t.Context(), single, &n, time.Time{}, func() error { return s.Delete(t.Context(), single) })
		if !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Change: %v, want ErrNotFound", err)
		}
		s.wantGone(t, single)
	})
	t.Run("expiry", func(t *testing.T) {
		s := newStore(t) // create: an hour
		k2 := session.Key{Kind: "note", ID: "2"}
		s.create(t, single, note{})
		s.create(t, k2, note{})
		var n note
		if err := s.Change(t.Context(), single, &n, time.Time{}, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := s.Change(t.Context(), k2, &n, s.clock.Now().Add(2*time.Hour), func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		s.clock.Move(time.Hour - time.Second)
		s.wantNote(t, single, "")
		s.clock.Move(time.Second)
		s.wantGone(t, single)
		s.clock.Move(time.Hour - time.Second)
		s.wantNote(t, k2, "")
		s.clock.Move(time.Second)
		s.wantGone(t, k2)
	})
}

func TestEach(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ids := []string{"1", "2", "3", "4"}
	for _, id := range ids {
		s.create(t, session.Key{Kind: "note", Group: "mona", ID: id}, note{Text: "text " + id})
	}
	s.create(t, session.Key{Kind: "note", Group: "omar", ID: "5"}, note{Text: "omar's"})
	s.create(t, session.Key{Kind: "draft", Group: "mona", ID: "6"}, note{Text: "a draft"})
	damaged, _ := s.bytes(t, session.Key{Kind: "note", Group: "omar", ID: "5"})
	s.overwrite(t, session.Key{Kind: "note", Group: "mona", ID: "4"}, damaged)

	var seen []string
	err := s.Each(t.Context(), "note", "mona", func(id string, decode func(any) error) error {
		var n note
		if err := decode(&n); err != nil || n.Text != "text "+id {
			t.Errorf("record %s is %q, %v", id, n.Text, err)
		}
		seen = append(seen, id)
		return nil
	})
	slices.Sort(seen)
	if err != nil || !slices.Equal(seen, ids[:3]) {
		t.Errorf("Each saw %v, %v; want %v", seen, err, ids[:3])
	}
	stop := errors.New("stop")
	count := 0
	err = s.Each(t.Context(), "note", "mona", func(string, func(any) error) error { count++; return stop })
	if !errors.Is(err, stop) || count != 1 {
		t.Errorf("Each went on to %d records, %v", count, err)
	}
	if err := s.Each(t.Context(), "note", "", func(string, func(any) error) error { return nil }); err == nil {
		t.Error("Each listed records without a group")
	}
}

func TestEncryptionBindsARecordToItsKey(t *testing.T) {
	t.Parallel()
	keys := []session.Key{
		{Kind: "session", ID: "1"}, {Kind: "session", ID: "2"}, {Kind: "tokens", ID: "1"},
		{Kind: "session", Group: "mona", ID: "1"}, {Kind: "session", Group: "mona", ID: "2"},
		{Kind: "session", Group: "omar", ID: "1"}, {Kind: "tokens", Group: "mona", ID: "1"},
	}
	for _, from := range keys {
		for _, to := range keys {
			if from == to {
				continue
			}
			s := newStore(t)
			s.create(t, from, note{Text: "from"})
			s.create(t, to, note{Text: "to"})
			stolen, _ := s.bytes(t, from)
			s.overwrite(t, to, stolen)
			s.wantGone(t, to)
			s.wantNote(t, from, "from")
		}
	}
}

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	const canary = "canary-in-a-record"
	for _, k := range []session.Key{single, grouped} {
		s := newStore(t)
		s.create(t, k, note{Text: canary})
		whole, _ := s.bytes(t, k)
		if bytes.Contains(whole, []byte(canary)) {
			t.Fatal("the value is readable")
		}
		for i := range whole {
			for _, bit := range []byte{1, 0x80} {
				damaged := slices.Clone(whole)
				damaged[i] ^= bit
				s.overwrite(t, k, damaged)
				s.wantGone(t, k)
			}
			s.overwrite(t, k, whole[:i])
			s.wantGone(t, k)
		}
		s.overwrite(t, k, append(slices.Clone(whole), 0))
		s.wantGone(t, k)
		s.overwrite(t, k, whole)
		s.wantNote(t, k, canary)
		if lines := strings.Count(s.log.String(), "\n"); lines != 1 {
			t.Errorf("%d lines were logged, want one for the record:\n%s", lines, s.log)
		}
		if log := s.log.String(); strings.Contains(log, canary) || strings.Contains(log, k.ID+"\"") || strings.Contains(log, "id that only") {
			t.Errorf("the log tells too much: %s", log)
		}
	}
}

func TestValueOfAnotherShape(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.create(t, single, map[string]any{"text": []string{"a list"}})
	s.wantGone(t, single)
	if !strings.Contains(s.log.String(), "kind=note") {
		t.Errorf("log: %s", s.log)
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	oldKey, newKey := testKey('o'), testKey('n')
	before := newStore(t, oldKey)
	rolling := storeOver(t, before.backend, before.clock, newKey, oldKey) // the first replica that has it
	after := storeOver(t, before.backend, before.clock, newKey)
	later := session.Key{Kind: "note", ID: "later"}

	before.create(t, single, note{Text: "made before"})
	rolling.wantNote(t, single, "made before")
	after.wantGone(t, single)

	rolling.create(t, later, note{Text: "made with the new key"})
	after.wantNote(t, later, "made with the new key")
	before.wantGone(t, later)
	rolling.wantNote(t, later, "made with the new key") // the one that lacks the key destroyed nothing

	var n note
	if err := rolling.Change(t.Context(), single, &n, time.Time{}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	after.wantNote(t, single, "made before")

	// Before the key is used, every replica is given it as an older one.
	prepared := storeOver(t, before.backend, before.clock, oldKey, newKey)
	prepared.wantNote(t, later, "made with the new key")
	third := session.Key{Kind: "note", ID: "third"}
	prepared.create(t, third, note{Text: "still with the old key"})
	before.wantNote(t, third, "still with the old key")
}

func TestMAC(t *testing.T) {
	t.Parallel()
	oldKey, newKey := testKey('o'), testKey('n')
	before, both, after := newStore(t, oldKey), newStore(t, newKey, oldKey), newStore(t, newKey)
	mac := before.MAC("form", "mona", "create")
	for name, c := range map[string]struct {
		got, want bool
	}{
		"the same":        {before.CheckMAC(mac, "form", "mona", "create"), true},
		"an older key":    {both.CheckMAC(mac, "form", "mona", "create"), true},
		"the newest key":  {after.CheckMAC(both.MAC("form", "x"), "form", "x"), true},
		"a key that went": {after.CheckMAC(mac, "form", "mona", "create"), false},
		"another purpose": {before.CheckMAC(mac, "state", "mona", "create"), false},
		"other parts":     {before.CheckMAC(mac, "form", "omar", "create"), false},
		"other borders":   {before.CheckMAC(mac, "form", "monac", "reate"), false},
		"part in purpose": {before.CheckMAC(mac, "formmona", "create"), false},
		"fewer parts":     {before.CheckMAC(mac, "form", "mona"), false},
		"an empty part":   {before.CheckMAC(mac, "form", "mona", "create", ""), false},
		"cut":             {before.CheckMAC(mac[:16], "form", "mona", "create"), false},
		"none":            {before.CheckMAC(nil, "form", "mona", "create"), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: CheckMAC = %v", name, c.got)
		}
	}
}

func TestRecordsSayThatTheStoreFails(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.create(t, single, note{})
	s.create(t, grouped, note{})
	cause := errors.New("the disk is on fire")
	s.backend.Fail(func(string, session.Name) error { return cause })
	var n note
	errs := map[string]error{
		"Create": s.Create(t.Context(), session.Key{Kind: "note", ID: "x"}, n, s.clock.Now().Add(time.Hour)),
		"Get":    s.Get(t.Context(), single, &n),
		"Change": s.Change(t.Context(), single, &n, time.Time{}, func() error { return nil }),
		"Delete": s.Delete(t.Context(), single),
		"Take":   s.Take(t.Context(), single, &n),
		"Each":   s.Each(t.Context(), "note", "mona", func(string, func(any) error) error { return nil }),
	}
	_, errs["Lock"] = s.Lock(t.Context(), single)
	_, _, errs["TryLock"] = s.TryLock(t.Context(), single)
	for method, err := range errs {
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, cause) || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: %v, want ErrUnavailable and its cause", method, err)
		}
	}
	s.backend.Fail(nil)
	s.wantNote(t, single, "")
}

// TestNothingReadableIsStored looks through all that a signed-in person, an attempt, a draft and an operation leave in
// the folder: names of files and their content.
func TestNothingReadableIsStored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := newManager(t, openDir(t, dir, time.Now), session.Options{Now: time.Now, Keys: [][]byte{testKey('k')}})
	b := newBrowser(t, m)
	secrets := []string{mona.Name, mona.Username, mona.ObjectID, mona.Account, mona.Key(), "canary", "Browser/1.0", "192.0.2.1", string(testKey('k'))}
	b.signIn(mona, "canary of the token cache")
	b.keepAttempt("canary-state", "canary verifier")
	secrets = append(secrets, b.keepDraft("canary typed text"))
	if err := b.open().Change(t.Context(), func(s *session.State) { s.Organization = "canary-organization" }); err != nil {
		t.Fatal(err)
	}
	err := m.Records().Create(t.Context(), session.Key{Kind: "secret", Group: mona.Key(), ID: "canary-id"}, note{Text: "canary PAT"}, hour())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.cookies() {
		secrets = append(secrets, c.Value, strings.Split(c.Value, ".")[0])
	}
	read := 0
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		content := []byte(path)
		if e.Type().IsRegular() {
			stored, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = append(content, stored...)
			read++
		}
		for _, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds %q", path, secret)
			}
		}
		return nil
	})
	if err != nil || read < 6 {
		t.Errorf("read %d files, %v", read, err)
	}
}

// FuzzRecord stores arbitrary bytes, as they are or laid over a genuine record: they are never taken for one, and break
// nothing. The key is another one in each process that fuzzes.
func FuzzRecord(f *testing.F) {
	random := make([]byte, session.KeySize)
	rand.Read(random)
	s := newStore(f, random)
	s.create(f, single, note{Text: "genuine"})
	genuine, _ := s.bytes(f, single)
	s.create(f, grouped, note{Text: "genuine"})
	other, _ := s.bytes(f, grouped)
	f.Add(genuine, false)
	f.Add(other, false)
	f.Add(genuine[:45], false)
	f.Add([]byte{}, false)
	f.Add([]byte{}, true)
	f.Add([]byte{3}, true)
	f.Add(append(make([]byte, len(genuine)), 1), true)
	f.Fuzz(func(t *testing.T, stored []byte, over bool) {
		if len(stored) > session.MaxValue {
			return
		}
		if over {
			stored = layOver(genuine, stored)
		}
		s.overwrite(t, single, stored)
		var n note
		err := s.Get(t.Context(), single, &n)
		if bytes.Equal(stored, genuine) {
			if err != nil || n.Text != "genuine" {
				t.Errorf("the genuine record is %q, %v", n.Text, err)
			}
		} else if !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Get = %q, %v; want ErrNotFound", n.Text, err)
		}
	})
}

// layOver flips the bits of b that are set in flips, and appends what flips has more.
func layOver(b, flips []byte) []byte {
	b = append(slices.Clone(b), make([]byte, max(0, len(flips)-len(b)))...)
	for i, flip := range flips {
		b[i] ^= flip
	}
	return b
}

// FuzzFile puts arbitrary bytes in the place of a record's file.
func FuzzFile(f *testing.F) {
	dir := f.TempDir()
	d := session.WithoutSync(openDir(f, dir, time.Now))
	if err := d.Create(f.Context(), noteKey.Name(), []byte("value"), hour()); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(noteFile(dir))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{whole, whole[:len(whole)-5], whole[:27], {}, []byte("PDR1"), append([]byte("PDR2"), whole[4:]...)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(noteFile(dir), content, 0o600); err != nil {
			t.Fatal(err)
		}
		value, _, err := d.Read(t.Context(), noteKey.Name())
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Read: %v, want ErrNotFound", err)
		}
		if err == nil && !bytes.HasSuffix(content, value) {
			t.Errorf("Read = %q of %q", value, content)
		}
	})
}

// However many records can't be read, the log names a thousand of them, and says that there are more.
func TestUnreadableRecordsDontFillTheLog(t *testing.T) {
	t.Parallel()
	s := newStore(t, testKey('a'))
	other := storeOver(t, s.backend, s.clock, testKey('b'))
	for i := range 1500 {
		s.create(t, session.Key{Kind: "note", Group: "mona", ID: strconv.Itoa(i)}, note{})
	}
	for range 3 {
		if err := other.Each(t.Context(), "note", "mona", func(string, func(any) error) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if log := other.log.String(); strings.Count(log, "\n") != 1001 || strings.Count(log, "more stored records") != 1 {
		t.Errorf("%d lines", strings.Count(log, "\n"))
	}
}
