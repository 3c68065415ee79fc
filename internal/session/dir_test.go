package session_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

var noteKey = session.Key{Kind: "note", ID: "1"}

// noteFile is where Dir keeps the record noteKey, as its documentation says.
func noteFile(dir string) string {
	id := noteKey.Name().ID
	return filepath.Join(dir, "note", id[:2], id)
}

func create(t *testing.T, b session.Backend, k session.Key, value string, expires time.Time) {
	t.Helper()
	if err := b.Create(t.Context(), k.Name(), []byte(value), expires); err != nil {
		t.Fatalf("Create: %v", err)
	}
}

func wantValue(t *testing.T, b session.Backend, k session.Key, value string) {
	t.Helper()
	got, _, err := b.Read(t.Context(), k.Name())
	if err != nil || string(got) != value {
		t.Errorf("Read = %.50q, %v; want %.50q", got, err, value)
	}
}

func wantGone(t *testing.T, b session.Backend, k session.Key) {
	t.Helper()
	if got, _, err := b.Read(t.Context(), k.Name()); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Read = %.50q, %v; want ErrNotFound", got, err)
	}
}

func hour() time.Time { return time.Now().Add(time.Hour) }

// files lists the files under dir but for the locks of stripes, which stay.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		stripeLock := filepath.Base(filepath.Dir(path)) == ".locks" && len(e.Name()) == 2
		if err != nil || e.IsDir() || stripeLock {
			return err
		}
		list = append(list, strings.TrimPrefix(path, dir))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDirRefusesNamesThatAreNotHashes(t *testing.T) {
	t.Parallel()
	d := openDir(t, t.TempDir(), time.Now)
	id := noteKey.Name().ID
	for _, name := range []session.Name{
		{}, {Kind: "note"}, {Kind: "note", ID: "1"}, {Kind: "note", ID: strings.ToUpper(id)}, {Kind: "note", ID: id + "0"},
		{Kind: "../note", ID: id}, {Kind: "", ID: id}, {Kind: ".locks", ID: id}, {Kind: "note", Group: "..", ID: id},
		{Kind: "note", ID: "../../" + id[6:]},
	} {
		if err := d.Create(t.Context(), name, nil, hour()); err == nil {
			t.Errorf("Create took the name %+v", name)
		}
		if _, _, err := d.Read(t.Context(), name); err == nil || errors.Is(err, session.ErrNotFound) {
			t.Errorf("Read of %+v: %v, want it refused", name, err)
		}
		if _, err := d.Lock(t.Context(), name); err == nil {
			t.Errorf("Lock took the name %+v", name)
		}
	}
	if _, err := d.List(t.Context(), "..", ""); err == nil {
		t.Error("List took the kind ..")
	}
}

func TestDirWithDamagedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir, time.Now)
	create(t, d, noteKey, "value", hour())
	whole, err := os.ReadFile(noteFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty":            {},
		"half a head":      whole[:10],
		"another format":   append([]byte("XXXX"), whole[4:]...),
		"longer than ours": append(whole, make([]byte, session.MaxValue+1)...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(noteFile(dir), content, 0o600); err != nil {
				t.Fatal(err)
			}
			wantGone(t, d, noteKey)
			wantDamaged(t, d, noteKey.Name())
			if _, err := d.Take(t.Context(), noteKey.Name()); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("Take: %v, want ErrNotFound", err)
			}
			if err := d.Update(t.Context(), noteKey.Name(), "", nil, hour()); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("Update: %v, want ErrNotFound", err)
			}
			if err := d.Create(t.Context(), noteKey.Name(), nil, hour()); !errors.Is(err, session.ErrExists) {
				t.Errorf("Create: %v, want ErrExists: what was claimed must not be claimed again", err)
			}
			if err := d.Delete(t.Context(), noteKey.Name()); err != nil {
				t.Errorf("Delete: %v", err)
			}
			create(t, d, noteKey, "again", hour())
			wantValue(t, d, noteKey, "again")
		})
	}
}

// wantDamaged: read together with others, it is the one that can't be read.
func wantDamaged(t *testing.T, b session.Backend, n session.Name) {
	t.Helper()
	other := session.Key{Kind: n.Kind, ID: "another"}.Name()
	err := b.Create(t.Context(), other, []byte("whole"), hour())
	if err != nil && !errors.Is(err, session.ErrExists) {
		t.Fatal(err)
	}
	err = b.ReadMany(t.Context(), []session.Name{other, n, other}, func(i int, value []byte, err error) error {
		if i == 1 && !errors.Is(err, session.ErrDamaged) || i != 1 && (err != nil || string(value) != "whole") {
			t.Errorf("ReadMany says of %d: %q, %v", i, value, err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("ReadMany: %v", err)
	}
}

// Ten thousand records beside other people's are read in a moment.
func TestDirReadsTenThousandTogether(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir, time.Now)
	first := session.Key{Kind: "note", Group: "mona", ID: "0"}
	create(t, d, first, "mona's", hour())
	create(t, d, session.Key{Kind: "note", Group: "omar", ID: "0"}, "omar's", hour())
	folder := filepath.Join(dir, "note", first.Name().Group)
	whole, err := os.ReadFile(filepath.Join(folder, first.Name().ID))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 10_000; i++ {
		id := session.Key{Kind: "note", Group: "mona", ID: strconv.Itoa(i)}.Name().ID
		if err := os.WriteFile(filepath.Join(folder, id), whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names, err := d.List(t.Context(), "note", first.Name().Group)
	if err != nil {
		t.Fatal(err)
	}
	seen, begun := map[int]bool{}, time.Now()
	err = d.ReadMany(t.Context(), names, func(i int, value []byte, err error) error {
		if seen[i] = true; err == nil && string(value) != "mona's" {
			t.Errorf("record %d is %q", i, value)
		}
		return err
	})
	if err != nil || len(seen) != 10_000 {
		t.Errorf("%d records were read, %v", len(seen), err)
	}
	t.Logf("%d records in %v", len(seen), time.Since(begun))
}

func TestDirFolderVanishesAndReturns(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sessions")
	d := openDir(t, dir, time.Now)
	create(t, d, noteKey, "value", hour())
	for name, vanish := range map[string]func() error{
		"gone":   func() error { return nil },
		"a file": func() error { return os.WriteFile(dir, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.Rename(dir, dir+".away"); err != nil {
				t.Fatal(err)
			}
			if err := vanish(); err != nil {
				t.Fatal(err)
			}
			for method, err := range callAll(t, d) {
				if !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("%s: %v, want ErrUnavailable", method, err)
				}
			}
			_ = os.Remove(dir)
			if err := os.Rename(dir+".away", dir); err != nil {
				t.Fatal(err)
			}
			wantValue(t, d, noteKey, "value")
			if err := d.Ping(t.Context()); err != nil {
				t.Errorf("Ping: %v", err)
			}
		})
	}
}

// callAll calls the methods of b and returns their errors.
func callAll(t *testing.T, b session.Backend) map[string]error {
	t.Helper()
	ctx, name := t.Context(), noteKey.Name()
	errs := map[string]error{
		"Create": b.Create(ctx, name, nil, hour()),
		"Update": b.Update(ctx, name, "", nil, hour()),
		"Delete": b.Delete(ctx, name),
		"Ping":   b.Ping(ctx),
	}
	_, _, errs["Read"] = b.Read(ctx, name)
	_, errs["Take"] = b.Take(ctx, name)
	_, errs["List"] = b.List(ctx, name.Kind, session.Key{Group: "mona"}.Name().Group)
	_, errs["Lock"] = b.Lock(ctx, name)
	_, _, errs["TryLock"] = b.TryLock(ctx, name)
	_, errs["Sweep"] = b.Sweep(ctx, time.Now())
	return errs
}

func TestDirIsEmptiedWhileRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir, time.Now)
	create(t, d, noteKey, "value", hour())
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	wantGone(t, d, noteKey)
	create(t, d, noteKey, "again", hour())
	wantValue(t, d, noteKey, "again")
}

func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	clock := &now
	d := openDir(t, dir, func() time.Time { return *clock })
	ungrouped := session.Key{Kind: "note", ID: "short"}
	grouped := session.Key{Kind: "note", Group: "mona", ID: "short"}
	long := session.Key{Kind: "note", Group: "omar", ID: "long"}
	renewed := session.Key{Kind: "note", Group: "omar", ID: "renewed"}
	for _, k := range []session.Key{ungrouped, grouped, renewed} {
		create(t, d, k, "short", now.Add(time.Minute))
	}
	create(t, d, long, "long", now.Add(time.Hour))
	_, version, _ := d.Read(t.Context(), renewed.Name())
	if err := d.Update(t.Context(), renewed.Name(), version, []byte("renewed"), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}

	wantSweep(t, d, now.Add(time.Minute-time.Second), 0)
	wantValue(t, d, ungrouped, "short")
	wantSweep(t, d, now.Add(time.Minute), 2)
	wantGone(t, d, ungrouped)
	wantGone(t, d, grouped)
	wantValue(t, d, renewed, "renewed")
	wantValue(t, d, long, "long")
	if _, err := os.Stat(filepath.Join(dir, "note", grouped.Name().Group)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of a group without records is still there (%v)", err)
	}

	create(t, d, grouped, "again", now.Add(time.Hour))
	wantValue(t, d, grouped, "again")
	wantSweep(t, d, now.Add(2*time.Hour), 3)
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func wantSweep(t *testing.T, d *session.Dir, now time.Time, want int) {
	t.Helper()
	if removed, err := d.Sweep(t.Context(), now); removed != want || err != nil {
		t.Errorf("Sweep = %d, %v; want %d", removed, err, want)
	}
}

// renewal is a context that calls renew when somebody begins to wait, once.
type renewal struct {
	context.Context
	renew func()
}

func (r *renewal) Done() <-chan struct{} {
	if renew := r.renew; renew != nil {
		r.renew = nil
		renew()
	}
	return r.Context.Done()
}

// TestSweepLooksAgain: a record is renewed after the sweep saw that it has expired, before it gets the lock to remove
// it.
func TestSweepLooksAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	d, other := openDir(t, dir, time.Now), openDir(t, dir, time.Now)
	create(t, d, noteKey, "value", now.Add(time.Minute))
	renewed := false
	ctx := &renewal{t.Context(), func() {
		_, version, err := other.Read(t.Context(), noteKey.Name())
		if err == nil {
			err = other.Update(t.Context(), noteKey.Name(), version, []byte("renewed"), now.Add(2*time.Hour))
		}
		renewed = err == nil
	}}
	if removed, err := d.Sweep(ctx, now.Add(time.Hour)); removed != 0 || err != nil || !renewed {
		t.Errorf("Sweep = %d, %v; renewed meanwhile: %v", removed, err, renewed)
	}
	wantValue(t, d, noteKey, "renewed")
}

func TestSweepRemovesWhatACrashLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir, time.Now)
	create(t, d, noteKey, "value", hour())
	held, err := d.Lock(t.Context(), session.Key{Kind: "note", ID: "held"}.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer held()
	holding := files(t, filepath.Join(dir, ".locks"))

	stripe := noteKey.Name().ID[:2]
	leftovers := []string{
		filepath.Join(dir, ".tmp", stripe),
		filepath.Join(dir, ".tmp", "00"),
		filepath.Join(dir, ".locks", session.Key{ID: "of a dead process"}.Name().ID),
	}
	for _, file := range leftovers {
		if err := os.WriteFile(file, []byte("half a rec"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, version, _ := d.Read(t.Context(), noteKey.Name())
	if err := d.Update(t.Context(), noteKey.Name(), version, []byte("new"), hour()); err != nil {
		t.Errorf("Update over a leftover: %v", err)
	}
	wantSweep(t, d, time.Now(), 0)
	for _, file := range leftovers {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", file, err)
		}
	}
	wantValue(t, d, noteKey, "new")
	if left := files(t, filepath.Join(dir, ".locks")); len(left) != len(holding) || left[0] != holding[0] {
		t.Errorf("the held lock is %v after the sweep, want %v", left, holding)
	}
}

func TestExpiryInTheFileHeadCannotBeExtended(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	m := newManager(t, openDir(t, dir, func() time.Time { return now }), session.Options{Now: func() time.Time { return now }})
	if err := m.Records().Create(t.Context(), noteKey, note{Text: "value"}, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(noteFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	content[5]++ // of the eight bytes of the expiry: centuries later
	if err := os.WriteFile(noteFile(dir), content, 0o600); err != nil {
		t.Fatal(err)
	}
	var value note
	now = now.Add(time.Minute - time.Second)
	if err := m.Records().Get(t.Context(), noteKey, &value); err != nil || value.Text != "value" {
		t.Errorf("a second before it expires: %q, %v", value, err)
	}
	now = now.Add(time.Second)
	if err := m.Records().Get(t.Context(), noteKey, &value); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("when it has expired: %v, want ErrNotFound", err)
	}
}
