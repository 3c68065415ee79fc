package sessiontest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

// TestBackend checks that what newBackend returns is a session.Backend as its documentation says. newBackend is called
// for each part of the suite, must return an empty store each time, and must use the real clock.
func TestBackend(t *testing.T, newBackend func(t *testing.T) session.Backend) {
	for _, part := range []struct {
		name string
		test func(*fixture)
	}{
		{"a record is kept as it was given", testRoundTrip},
		{"records of other kind, group or ID are others", testNames},
		{"create takes a free name only", testCreate},
		{"update replaces what was read", testUpdate},
		{"update never makes a record", testUpdateGone},
		{"delete and take", testDeleteAndTake},
		{"list", testList},
		{"records are read together", testReadMany},
		{"records that change while they are read together", testReadManyBesideWriters},
		{"many large records are read together", testReadManyLarge},
		{"reading together ends when it is to", testReadManyEnds},
		{"an expired record is gone", testExpiry},
		{"a value that is too large is refused", testTooLarge},
		{"of many creators and takers one wins", testOneWins},
		{"no update is lost", testNoLostUpdate},
		{"no update brings a record back", testNoRevival},
		{"locks", testLocks},
		{"many want one lock", testLockContention},
		{"a sweep leaves what is alive", testSweep},
		{"describe", testDescribe},
		{"ping", testPing},
	} {
		t.Run(part.name, func(t *testing.T) {
			b := newBackend(t)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			part.test(&fixture{Backend: b, t: t, ctx: t.Context()})
		})
	}
}

// fixture is a store with checks.
type fixture struct {
	session.Backend
	t   *testing.T
	ctx context.Context
}

// later is when records of the suite expire.
func later() time.Time { return time.Now().Add(time.Hour) }

func name(kind, group, id string) session.Name {
	return session.Key{Kind: kind, Group: group, ID: id}.Name()
}

func (f *fixture) create(n session.Name, value string) {
	f.t.Helper()
	if err := f.Create(f.ctx, n, []byte(value), later()); err != nil {
		f.t.Fatalf("Create: %v", err)
	}
}

// want checks the record's value and returns its version.
func (f *fixture) want(n session.Name, value string) (version string) {
	f.t.Helper()
	b, version, err := f.Read(f.ctx, n)
	if err != nil {
		f.t.Fatalf("Read: %v", err)
	}
	if string(b) != value {
		f.t.Errorf("Read = %.100q, want %.100q", b, value)
	}
	return version
}

func (f *fixture) wantGone(n session.Name) {
	f.t.Helper()
	if b, _, err := f.Read(f.ctx, n); !errors.Is(err, session.ErrNotFound) {
		f.t.Errorf("Read = %.100q, %v; want ErrNotFound", b, err)
	}
}

func (f *fixture) wantError(what string, got, want error) {
	f.t.Helper()
	if !errors.Is(got, want) {
		f.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func testRoundTrip(f *fixture) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, value := range []string{"", "x", string(all), strings.Repeat("large", 100_000)} {
		n := name("note", "", strconv.Itoa(i))
		f.create(n, value)
		f.want(n, value)
	}
	n := name("note", "", "own")
	given := []byte("given")
	if err := f.Create(f.ctx, n, given, later()); err != nil {
		f.t.Fatal(err)
	}
	copy(given, "XXXXX")
	read, _, _ := f.Read(f.ctx, n)
	copy(read, "YYYYY")
	f.want(n, "given")
	f.wantGone(name("note", "", "another"))
}

func testNames(f *fixture) {
	names := []session.Name{
		name("note", "", "1"), name("draft", "", "1"), name("note", "", "2"),
		name("note", "mona", "1"), name("note", "mona", "2"), name("note", "omar", "1"), name("draft", "mona", "1"),
	}
	for i, n := range names {
		f.create(n, strconv.Itoa(i))
	}
	for i, n := range names {
		f.want(n, strconv.Itoa(i))
	}
	for i, n := range names {
		if err := f.Delete(f.ctx, n); err != nil {
			f.t.Fatal(err)
		}
		f.wantGone(n)
		for j, other := range names[i+1:] {
			f.want(other, strconv.Itoa(i+1+j))
		}
	}
}

func testCreate(f *fixture) {
	n := name("note", "mona", "1")
	f.create(n, "first")
	f.wantError("the second Create", f.Create(f.ctx, n, []byte("second"), later()), session.ErrExists)
	f.want(n, "first")
}

func testUpdate(f *fixture) {
	n := name("note", "", "1")
	f.create(n, "one")
	first := f.want(n, "one")
	if err := f.Update(f.ctx, n, first, []byte("two, which is longer"), later()); err != nil {
		f.t.Fatalf("Update: %v", err)
	}
	second := f.want(n, "two, which is longer")
	f.wantError("Update of a former version", f.Update(f.ctx, n, first, []byte("lost"), later()), session.ErrConflict)
	f.want(n, "two, which is longer")
	if err := f.Update(f.ctx, n, second, []byte("one"), later()); err != nil {
		f.t.Fatalf("Update: %v", err)
	}
	f.wantError("Update of a former version with the same value", f.Update(f.ctx, n, first, []byte("lost"), later()), session.ErrConflict)
	f.want(n, "one")
}

func testUpdateGone(f *fixture) {
	n := name("note", "", "1")
	f.wantError("Update", f.Update(f.ctx, n, "", []byte("x"), later()), session.ErrNotFound)
	f.wantGone(n)
	f.create(n, "one")
	version := f.want(n, "one")
	if err := f.Delete(f.ctx, n); err != nil {
		f.t.Fatal(err)
	}
	f.wantError("Update after Delete", f.Update(f.ctx, n, version, []byte("x"), later()), session.ErrNotFound)
	f.wantGone(n)
	f.create(n, "one")
	f.wantError("Update of the former record", f.Update(f.ctx, n, version, []byte("x"), later()), session.ErrConflict)
	f.want(n, "one")
}

func testDeleteAndTake(f *fixture) {
	n := name("note", "mona", "1")
	f.create(n, "one")
	for range 2 {
		if err := f.Delete(f.ctx, n); err != nil {
			f.t.Fatalf("Delete: %v", err)
		}
		f.wantGone(n)
	}
	f.create(n, "two")
	if b, err := f.Take(f.ctx, n); err != nil || string(b) != "two" {
		f.t.Errorf("Take = %q, %v", b, err)
	}
	_, err := f.Take(f.ctx, n)
	f.wantError("the second Take", err, session.ErrNotFound)
	f.wantGone(n)
	f.create(n, "three")
	f.want(n, "three")
}

func testList(f *fixture) {
	list := func(kind, group string) []session.Name {
		f.t.Helper()
		names, err := f.List(f.ctx, kind, name(kind, group, "").Group)
		if err != nil {
			f.t.Fatalf("List: %v", err)
		}
		slices.SortFunc(names, func(a, b session.Name) int { return strings.Compare(a.ID, b.ID) })
		return names
	}
	if got := list("note", "mona"); len(got) != 0 {
		f.t.Errorf("List of an empty store = %v", got)
	}
	want := map[string][]session.Name{}
	for _, group := range []string{"mona", "omar"} {
		for i := range 20 {
			n := name("note", group, strconv.Itoa(i))
			f.create(n, "x")
			want[group] = append(want[group], n)
		}
	}
	f.create(name("draft", "mona", "1"), "x")
	for group, names := range want {
		slices.SortFunc(names, func(a, b session.Name) int { return strings.Compare(a.ID, b.ID) })
		if got := list("note", group); !slices.Equal(got, names) {
			f.t.Errorf("List of group %q = %v, want %v", group, got, names)
		}
	}
	if err := f.Delete(f.ctx, want["mona"][0]); err != nil {
		f.t.Fatal(err)
	}
	if got := list("note", "mona"); !slices.Equal(got, want["mona"][1:]) {
		f.t.Errorf("List after Delete = %v", got)
	}
}

// readMany returns what ReadMany says of each name: "gone", or the value.
func (f *fixture) readMany(names []session.Name) []string {
	f.t.Helper()
	said := make([]string, len(names))
	err := f.ReadMany(f.ctx, names, func(i int, value []byte, err error) error {
		switch {
		case said[i] != "":
			f.t.Errorf("record %d is told twice", i)
		case errors.Is(err, session.ErrNotFound):
			said[i] = "gone"
		default:
			said[i] = "has " + string(value)
		}
		return ignoreGone(err)
	})
	if err != nil {
		f.t.Fatalf("ReadMany: %v", err)
	}
	return said
}

// ignoreGone lets ReadMany go on after a record that is gone.
func ignoreGone(err error) error {
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}

func testReadMany(f *fixture) {
	for _, group := range []string{"mona", ""} {
		var names []session.Name
		var want []string
		for i := range 100 {
			n := name("note", group, strconv.Itoa(i))
			names = append(names, n)
			switch i % 10 {
			case 3: // never made; others of that name are
				f.create(name("draft", group, strconv.Itoa(i)), "a draft")
				f.create(name("note", "omar"+group, strconv.Itoa(i)), "omar's")
				want = append(want, "gone")
				continue
			case 5:
				if err := f.Create(f.ctx, n, []byte("old"), time.Now().Add(-time.Minute)); err != nil {
					f.t.Fatal(err)
				}
				want = append(want, "gone")
				continue
			case 7:
				f.create(n, "")
				want = append(want, "has ")
				continue
			}
			f.create(n, strconv.Itoa(i))
			want = append(want, "has "+strconv.Itoa(i))
		}
		if err := f.Delete(f.ctx, names[0]); err != nil {
			f.t.Fatal(err)
		}
		want[0] = "gone"
		if got := f.readMany(names); !slices.Equal(got, want) {
			f.t.Errorf("ReadMany of group %q = %q, want %q", group, got, want)
		}
	}
	f.readMany(nil)
	mixed := []session.Name{name("note", "mona", "1"), name("note", "omar", "1")}
	if err := f.ReadMany(f.ctx, mixed, func(int, []byte, error) error { return nil }); err == nil {
		f.t.Error("records of two groups were read together")
	}
	if err := f.ReadMany(f.ctx, []session.Name{{Kind: "note", Group: "../mona", ID: "1"}}, func(int, []byte, error) error { return nil }); err == nil {
		f.t.Error("a name that isn't one was read")
	}
}

// What is written, deleted and made anew meanwhile is seen as it was before or after, and whole; all else as it is.
func testReadManyBesideWriters(f *fixture) {
	var names []session.Name
	for i := range 200 {
		names = append(names, name("note", "mona", strconv.Itoa(i)))
		f.create(names[i], "0")
	}
	done := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := w; ; i += 4 {
				select {
				case <-done:
					return
				default:
				}
				n := names[i%len(names)]
				if err := f.Delete(f.ctx, n); err != nil {
					f.t.Errorf("Delete: %v", err)
				}
				if err := f.Create(f.ctx, n, []byte("1"), later()); err != nil {
					f.t.Errorf("Create: %v", err)
				}
			}
		})
	}
	for range 5 {
		for i, said := range f.readMany(names) {
			if touched := i%4 < 2; said != "has 0" && (!touched || said != "has 1" && said != "gone") {
				f.t.Errorf("record %d: %q", i, said)
			}
		}
	}
	close(done)
	writers.Wait()
}

// More than may be in memory or on a line at a time is read all the same.
func testReadManyLarge(f *fixture) {
	var names []session.Name
	for i := range 12 {
		names = append(names, name("note", "mona", strconv.Itoa(i)))
		f.create(names[i], strings.Repeat(strconv.Itoa(i%10), session.MaxValue-i))
	}
	for i, said := range f.readMany(names) {
		if want := "has " + strings.Repeat(strconv.Itoa(i%10), session.MaxValue-i); said != want {
			f.t.Errorf("record %d: %d bytes, %.20q; want %d", i, len(said), said, len(want))
		}
	}
}

func testReadManyEnds(f *fixture) {
	var names []session.Name
	for i := range 50 {
		names = append(names, name("note", "mona", strconv.Itoa(i)))
		f.create(names[i], "x")
	}
	enough, count := errors.New("enough"), 0
	err := f.ReadMany(f.ctx, names, func(int, []byte, error) error {
		if count++; count == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || count != 3 {
		f.t.Errorf("ReadMany = %v after %d records, want the error of the third", err, count)
	}
}

func testExpiry(f *fixture) {
	past := time.Now().Add(-time.Second)
	n := name("note", "mona", "1")
	if err := f.Create(f.ctx, n, []byte("old"), past); err != nil {
		f.t.Fatalf("Create: %v", err)
	}
	f.wantGone(n)
	_, err := f.Take(f.ctx, n)
	f.wantError("Take", err, session.ErrNotFound)
	f.create(n, "new")
	version := f.want(n, "new")
	if err := f.Update(f.ctx, n, version, []byte("ended"), past); err != nil {
		f.t.Fatalf("Update: %v", err)
	}
	f.wantGone(n)
	f.wantError("Update", f.Update(f.ctx, n, version, []byte("x"), later()), session.ErrNotFound)
	f.wantGone(n)
}

func testTooLarge(f *fixture) {
	n := name("note", "", "1")
	f.wantError("Create", f.Create(f.ctx, n, make([]byte, session.MaxValue+1), later()), session.ErrTooLarge)
	f.wantGone(n)
	largest := strings.Repeat("x", session.MaxValue)
	f.create(n, largest)
	version := f.want(n, largest)
	f.wantError("Update", f.Update(f.ctx, n, version, make([]byte, session.MaxValue+1), later()), session.ErrTooLarge)
	f.want(n, largest)
}

// together calls f n times at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func testOneWins(f *fixture) {
	for round := range 5 {
		n := name("note", "mona", strconv.Itoa(round))
		var created, taken atomic.Int32
		together(20, func(i int) {
			switch err := f.Create(f.ctx, n, []byte(strconv.Itoa(i)), later()); {
			case err == nil:
				created.Add(1)
			case !errors.Is(err, session.ErrExists):
				f.t.Errorf("Create: %v", err)
			}
		})
		together(20, func(int) {
			switch _, err := f.Take(f.ctx, n); {
			case err == nil:
				taken.Add(1)
			case !errors.Is(err, session.ErrNotFound):
				f.t.Errorf("Take: %v", err)
			}
		})
		if created.Load() != 1 || taken.Load() != 1 {
			f.t.Errorf("%d created it and %d took it, want one each", created.Load(), taken.Load())
		}
	}
}

func testNoLostUpdate(f *fixture) {
	n := name("note", "", "counter")
	f.create(n, "0")
	const each, writers = 25, 8
	together(writers, func(int) {
		for range each {
			if err := Increment(f.ctx, f, n); err != nil {
				f.t.Errorf("Increment: %v", err)
			}
		}
	})
	f.want(n, strconv.Itoa(each*writers))
}

// Increment adds one to the number in the record n, compare-and-set.
func Increment(ctx context.Context, b session.Backend, n session.Name) error {
	for {
		value, version, err := b.Read(ctx, n)
		if err != nil {
			return err
		}
		i, err := strconv.Atoi(string(bytes.TrimSpace(value)))
		if err != nil {
			return err
		}
		err = b.Update(ctx, n, version, []byte(strconv.Itoa(i+1)), later())
		if !errors.Is(err, session.ErrConflict) {
			return err
		}
	}
}

func testNoRevival(f *fixture) {
	for round := range 50 {
		n := name("session", "", strconv.Itoa(round))
		f.create(n, "0")
		together(4, func(i int) {
			if i == 0 {
				if err := f.Delete(f.ctx, n); err != nil {
					f.t.Errorf("Delete: %v", err)
				}
				return
			}
			for range 3 {
				if err := Increment(f.ctx, f, n); err != nil && !errors.Is(err, session.ErrNotFound) {
					f.t.Errorf("Increment: %v", err)
				}
			}
		})
		f.wantGone(n)
	}
}

func testLocks(f *fixture) {
	n, other := name("note", "", "1"), name("note", "", "2")
	release, err := f.Lock(f.ctx, n)
	if err != nil {
		f.t.Fatalf("Lock: %v", err)
	}
	if _, ok, err := f.TryLock(f.ctx, n); ok || err != nil {
		f.t.Errorf("TryLock of a held lock = %v, %v", ok, err)
	}
	freeOther, ok, err := f.TryLock(f.ctx, other)
	if !ok || err != nil {
		f.t.Fatalf("TryLock of another lock = %v, %v", ok, err)
	}
	freeOther()

	f.create(n, "one") // the record isn't what is locked
	if err := Increment(f.ctx, f, name("note", "", "none")); !errors.Is(err, session.ErrNotFound) {
		f.t.Errorf("Increment: %v", err)
	}

	ended, cancel := context.WithCancel(f.ctx)
	cancel()
	if _, err := f.Lock(ended, n); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		f.t.Errorf("Lock that is given up: %v, want ErrUnavailable and context.Canceled", err)
	}

	release()
	again, ok, err := f.TryLock(f.ctx, n)
	if !ok || err != nil {
		f.t.Fatalf("TryLock of a released lock = %v, %v", ok, err)
	}
	release() // a second time: must not free the new holder's
	if _, ok, _ := f.TryLock(f.ctx, n); ok {
		f.t.Error("releasing a lock twice took it from its next holder")
	}
	again()
}

func testLockContention(f *fixture) {
	n := name("note", "", "1")
	count := 0
	together(10, func(int) {
		for range 5 {
			release, err := f.Lock(f.ctx, n)
			if err != nil {
				f.t.Errorf("Lock: %v", err)
				return
			}
			count++ // for the race detector, too
			release()
		}
	})
	if count != 50 {
		f.t.Errorf("count = %d, want 50: two held the lock at once", count)
	}
}

func testSweep(f *fixture) {
	alive := []session.Name{name("note", "", "1"), name("note", "mona", "1")}
	for _, n := range alive {
		f.create(n, "x")
	}
	if err := f.Create(f.ctx, name("note", "mona", "2"), nil, time.Now().Add(-time.Minute)); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.Sweep(f.ctx, time.Now()); err != nil {
		f.t.Fatalf("Sweep: %v", err)
	}
	for _, n := range alive {
		f.want(n, "x")
	}
}

func testDescribe(f *fixture) {
	now := time.Now()
	for i, size := range []int{30, 10, 20} {
		name := session.Key{Kind: "note", Group: "mona", ID: strconv.Itoa(i)}.Name()
		if err := f.Create(f.ctx, name, make([]byte, size), now.Add(time.Duration(size)*time.Minute)); err != nil {
			f.t.Fatal(err)
		}
	}
	group := session.Key{Group: "mona"}.Name().Group
	described, err := f.Describe(f.ctx, "note", group)
	var sizes []int
	for _, s := range described {
		sizes = append(sizes, s.Size)
		if _, _, err := f.Read(f.ctx, s.Name); err != nil || s.Expires.UnixMilli() != now.Add(time.Duration(s.Size)*time.Minute).UnixMilli() {
			f.t.Errorf("%+v: %v", s, err)
		}
	}
	if err != nil || !slices.Equal(sizes, []int{10, 20, 30}) {
		f.t.Errorf("Describe: records of %v bytes, %v; want the one that expires first first", sizes, err)
	}
	if described, err := f.Describe(f.ctx, "other", group); err != nil || len(described) != 0 {
		f.t.Errorf("Describe of nothing: %v, %v", described, err)
	}
}

func testPing(f *fixture) {
	if err := f.Ping(f.ctx); err != nil {
		f.t.Errorf("Ping: %v", err)
	}
}
