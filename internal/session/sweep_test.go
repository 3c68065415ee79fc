package session_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

// TestSweepDelaysNoRequest sweeps 30,000 expired records away while others are read and changed all the time: no call
// may take a second.
func TestSweepDelaysNoRequest(t *testing.T) {
	const expired, alive = 30_000, 1000
	dir := t.TempDir()
	d := session.WithoutSync(openDir(t, dir, time.Now))
	fill(t, d, dir, "old", expired, time.Now().Add(time.Minute))
	fill(t, d, dir, "new", alive, hour())

	stop := make(chan struct{})
	var callers sync.WaitGroup
	var reads, updates calls
	callers.Go(func() {
		reads.repeat(stop, func(i int) { wantValue(t, d, sweptKey("new", i%alive), "value") })
	})
	callers.Go(func() {
		updates.repeat(stop, func(i int) {
			name := sweptKey("new", i%alive).Name()
			_, version, err := d.Read(t.Context(), name)
			if err == nil {
				err = d.Update(t.Context(), name, version, []byte("value"), hour())
			}
			if err != nil {
				t.Errorf("Update: %v", err)
			}
		})
	})
	start := time.Now()
	wantSweep(t, d, time.Now().Add(2*time.Minute), expired)
	took := time.Since(start)
	close(stop)
	callers.Wait()
	t.Logf("swept in %v; meanwhile %d reads, the longest %v, and %d updates, the longest %v",
		took, reads.count, reads.longest, updates.count, updates.longest)
	if reads.count < 100 || updates.count < 100 || reads.longest > time.Second || updates.longest > time.Second {
		t.Error("the sweep held up others")
	}
	if left := len(files(t, dir)); left != alive {
		t.Errorf("%d records are left, want %d", left, alive)
	}
}

// calls counts and times them.
type calls struct {
	count   int
	longest time.Duration
}

// repeat calls f about a thousand times a second until stop is closed.
func (c *calls) repeat(stop <-chan struct{}, f func(i int)) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-stop:
			return
		case <-pace.C:
		}
		start := time.Now()
		f(c.count)
		c.count++
		c.longest = max(c.longest, time.Since(start))
	}
}

func sweptKey(series string, i int) session.Key {
	return session.Key{Kind: "session", ID: series + strconv.Itoa(i)}
}

// fill makes n records: one by Create, and the others as files with the same content. Of each folder only the first one
// is written and the others are links to it, which is quicker and the same to those who read or remove them.
func fill(t *testing.T, d *session.Dir, dir, series string, n int, expires time.Time) {
	t.Helper()
	file := func(i int) string {
		id := sweptKey(series, i).Name().ID
		return filepath.Join(dir, "session", id[:2], id)
	}
	create(t, d, sweptKey(series, 0), "value", expires)
	content, err := os.ReadFile(file(0))
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{} // the first file of each folder
	for i := 1; i < n; i++ {
		folder := filepath.Dir(file(i))
		if first, ok := written[folder]; ok {
			err = os.Link(first, file(i))
		} else {
			written[folder] = file(i)
			err = errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(file(i), content, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	wantValue(t, d, sweptKey(series, n-1), "value")
}
