package session_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

// records opens the store in dir as each of the processes does.
func records(dir string) (*session.Records, error) {
	d, err := session.OpenDir(dir, time.Now)
	if err != nil {
		return nil, err
	}
	m, err := session.New(d, session.Options{Keys: [][]byte{testKey('a')}, IdleTimeout: time.Hour, Lifetime: time.Hour})
	if err != nil {
		return nil, err
	}
	m.Records().Declare(session.Bound{Kind: "note", Each: session.MaxValue})
	return m.Records(), nil
}

func mustRecords(t *testing.T, dir string) *session.Records {
	t.Helper()
	r, err := records(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ---- one record, many readers and writers ------------------------------------------

// page is a value that shows whether it is whole: a count of all writes and a filling, after their hash. It is no JSON,
// as decoding that takes most of the time of a read under the race detector.
type page []byte

// newPage returns the page that is the count-th one, of any size.
func newPage(count int) page {
	content := binary.BigEndian.AppendUint64(nil, uint64(count))
	content = append(content, bytes.Repeat([]byte{byte(count)}, rand.IntN(12<<10))...)
	sum := sha256.Sum256(content)
	return append(sum[:], content...)
}

func (p page) count() int { return int(binary.BigEndian.Uint64(p[sha256.Size:])) }

func (p page) whole() bool {
	return len(p) >= sha256.Size+8 && sha256.Sum256(p[sha256.Size:]) == [sha256.Size]byte(p)
}

func readPage(ctx context.Context, d *session.Dir, k session.Key) (p page, version string, err error) {
	p, version, err = d.Read(ctx, k.Name())
	if err == nil && !p.whole() {
		err = errors.New("torn")
	}
	return p, version, err
}

// turnPage writes the page after the one that is there, and returns its count.
func turnPage(ctx context.Context, d *session.Dir, k session.Key) (count int, err error) {
	for {
		p, version, err := readPage(ctx, d, k)
		if err != nil {
			return 0, err
		}
		count := p.count() + 1
		if err := d.Update(ctx, k.Name(), version, newPage(count), hour()); !errors.Is(err, session.ErrConflict) {
			return count, err
		}
	}
}

const (
	mixedPages     = 3
	mixedReads     = 5000 // of each reader
	mixedReaders   = 2    // of each process
	mixedWriters   = 2    // of each process
	mixedProcesses = 2
)

func pageKey(i int) session.Key {
	return session.Key{Kind: "note", ID: "page " + strconv.Itoa(i%mixedPages)}
}

// TestNoTornReads: 4 writers and 4 readers in 2 processes; 20,000 reads, none of a torn or missing record, and not one
// of the writes is lost.
func TestNoTornReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir, time.Now)
	for i := range mixedPages {
		create(t, d, pageKey(i), string(newPage(0)), hour())
	}
	var all sync.WaitGroup
	writes := make([]int, mixedProcesses)
	for i := range mixedProcesses {
		cmd := process(t, "mix", dir)
		all.Go(func() {
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("process %d: %v", i, err)
			}
			writes[i], _ = strconv.Atoi(string(out))
		})
	}
	all.Wait()
	written, counted := writes[0]+writes[1], 0
	for i := range mixedPages {
		p, _, err := readPage(t.Context(), d, pageKey(i))
		if err != nil {
			t.Fatal(err)
		}
		counted += p.count()
	}
	if writes[0] == 0 || writes[1] == 0 || counted != written {
		t.Errorf("%v writes were done, %d are there", writes, counted)
	}
	t.Logf("%d reads beside %d writes", mixedReads*mixedReaders*mixedProcesses, written)
}

// readAndWrite writes as long as its readers read, and prints how many writes that were. It doesn't wait for the disk,
// so that there are more of them.
func readAndWrite(dir string) error {
	d, err := session.OpenDir(dir, time.Now)
	if err != nil {
		return err
	}
	d = session.WithoutSync(d)
	ctx, stop := context.WithCancelCause(context.Background())
	var readers, writers sync.WaitGroup
	for range mixedReaders {
		readers.Go(func() {
			if err := readPages(d); err != nil {
				stop(err)
			}
		})
	}
	counts := make([]int, mixedWriters)
	for w := range mixedWriters {
		writers.Go(func() {
			for ctx.Err() == nil {
				if _, err := turnPage(context.Background(), d, pageKey(counts[w])); err != nil {
					stop(err)
					return
				}
				counts[w]++
			}
		})
	}
	readers.Wait()
	stop(nil)
	writers.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	fmt.Print(counts[0] + counts[1])
	return nil
}

func readPages(d *session.Dir) error {
	for i := range mixedReads {
		if _, _, err := readPage(context.Background(), d, pageKey(i)); err != nil {
			return fmt.Errorf("read %d: %w", i, err)
		}
	}
	return nil
}

// ---- a writer that is killed ---------------------------------------------------------

// TestKilledWriter kills a writing process, mostly between its write and its rename, and finds each time the last
// record that it finished or the one after it, no lock held, and nothing left behind after a sweep.
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir, time.Now)
	create(t, d, noteKey, string(newPage(0)), hour())
	leftovers, round := 0, 0
	for ; round < 25 || round < 100 && leftovers < 3; round++ {
		last := killWriter(t, dir, 1+rand.IntN(20))
		left, err := os.ReadDir(filepath.Join(dir, ".tmp"))
		if err != nil {
			t.Fatal(err)
		}
		leftovers += len(left)
		p, _, err := readPage(t.Context(), d, noteKey)
		if err != nil {
			t.Fatalf("round %d: the record is damaged: %v", round, err)
		}
		if p.count() != last && p.count() != last+1 {
			t.Errorf("round %d: the record is number %d; number %d was finished", round, p.count(), last)
		}
		wantSweep(t, d, time.Now(), 0)
		if left := files(t, filepath.Join(dir, ".tmp")); len(left) != 0 {
			t.Errorf("round %d: left after the sweep: %v", round, left)
		}
	}
	t.Logf("%d of %d kills left a temporary file", leftovers, round)
}

// killWriter starts a writer, kills it after it has finished n records, and returns the number of the last one that it
// said was finished.
func killWriter(t *testing.T, dir string, n int) (last int) {
	t.Helper()
	cmd := process(t, "write", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
		if i == n {
			<-time.After(rand.N(3 * time.Millisecond)) // not always at the same point of the next one
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // says that it was killed
	return last
}

// writeUntilKilled prints the number of each record that it has finished.
func writeUntilKilled(dir string) error {
	d, err := session.OpenDir(dir, time.Now)
	for err == nil {
		var count int
		count, err = turnPage(context.Background(), d, noteKey)
		fmt.Println(count)
	}
	return err
}

// ---- locks over processes --------------------------------------------------------------

func TestLockOfAProcessThatDies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustRecords(t, dir)
	cmd := process(t, "hold a lock", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the process said %q, %v", line, err)
	}
	if _, ok, err := r.TryLock(t.Context(), noteKey); ok || err != nil {
		t.Errorf("TryLock while another process holds it = %v, %v", ok, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	release, ok, err := r.TryLock(t.Context(), noteKey)
	if !ok || err != nil {
		t.Fatalf("TryLock after its holder died = %v, %v", ok, err)
	}
	release()
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// holdLock holds a lock until its input ends.
func holdLock(dir string) error {
	r, err := records(dir)
	if err != nil {
		return err
	}
	if _, err := r.Lock(context.Background(), noteKey); err != nil {
		return err
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func TestOneLockInTwoProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustRecords(t, dir)
	var all sync.WaitGroup
	for range 2 {
		cmd := process(t, "count", dir)
		all.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if content, err := os.ReadFile(counterFile(dir)); string(content) != "200" {
		t.Errorf("the counter is %q, %v; want 200", content, err)
	}
}

func counterFile(dir string) string { return filepath.Join(dir, "counter.txt") }

// countUnderLock adds 100 to the number in a file, in four goroutines, one step at a time.
func countUnderLock(dir string) error {
	r, err := records(dir)
	if err != nil {
		return err
	}
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			for range 25 {
				errs[i] = errors.Join(errs[i], countOnce(r, counterFile(dir)))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func countOnce(r *session.Records, file string) error {
	release, err := r.Lock(context.Background(), noteKey)
	if err != nil {
		return err
	}
	defer release()
	content, _ := os.ReadFile(file)
	n, _ := strconv.Atoi(string(content))
	return os.WriteFile(file, []byte(strconv.Itoa(n+1)), 0o600)
}

// ---- keys ------------------------------------------------------------------------------

func TestKeysOfProcessesThatStartAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sessions")
	outputs := make([]string, 4)
	var all sync.WaitGroup
	for i := range outputs {
		cmd := process(t, "keys", dir)
		all.Go(func() {
			out, err := cmd.Output()
			if err != nil {
				t.Error(err)
			}
			outputs[i] = string(out)
		})
	}
	all.Wait()
	for _, out := range outputs {
		if out != outputs[0] || strings.Count(out, "\n") != 1 {
			t.Errorf("the keys differ: %q", outputs)
			return
		}
	}
}

func printKeys(dir string) error {
	keys, err := session.LoadOrCreateKeys(dir)
	for _, key := range keys {
		fmt.Println(base64.StdEncoding.EncodeToString(key))
	}
	return err
}
