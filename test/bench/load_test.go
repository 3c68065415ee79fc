package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// run is what wrk and the kernel say of one measurement.
type run struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       time.Duration // of the server's process, for one request
	peak      int           // memory resident at most so far, in KiB
}

// TestLoad prints how the list of 100 tokens compares with passing the call for it on.
func TestLoad(t *testing.T) {
	if !*load {
		return // make bench
	}
	u := startUpstream(t)
	folder := startPatdesk(t, u, people)
	redis := startPatdesk(t, u, people, "SESSION_TYPE=redis", "REDIS_URL=redis://"+redistest.Start(t).Addr, "SESSION_KEYS="+apptest.CanaryKey)
	floor, floorPID := startFloor(t, u)
	fmt.Printf("| upstream delay | connections | server | req/s | ratio | CPU ms | ratio | p50 ms | above | p99 ms | peak MB | calls per page |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, delay := range []time.Duration{0, 100 * time.Millisecond} {
		for _, connections := range []int{1, 16, 128} {
			u.delay.Store(int64(delay))
			base := drive(t, u, "floor", floor+"/", []string{"x=y"}, connections, floorPID, nil)
			drive(t, u, "sessions in a folder", folder.url+listPath, folder.cookies, connections, folder.Cmd.Process.Pid, &base)
			drive(t, u, "sessions in Redis", redis.url+listPath, redis.cookies, connections, redis.Cmd.Process.Pid, &base)
		}
	}
}

// drive loads one server and prints a line of it.
func drive(t *testing.T, u *upstream, name, address string, cookies []string, connections, pid int, floor *run) run {
	t.Helper()
	lasts := *lasts
	if lasts == 0 {
		lasts = 5 * time.Second
	}
	script := wrkScript(t, cookies)
	wrk(t, script, address, connections, time.Second) // warm
	lists, others, used := u.lists.Load(), u.other.Load(), cpuOf(t, pid)
	r := wrk(t, script, address, connections, lasts)
	requests := r.perSecond * lasts.Seconds()
	r.cpu, r.peak = time.Duration(float64(cpuOf(t, pid)-used)/requests), peakOf(t, pid)
	of := func(a, b float64) string { return "" }
	above := ""
	if floor != nil {
		of = func(a, b float64) string { return fmt.Sprintf("%.2f", a/b) }
		above = ms(r.p50 - floor.p50)
	} else {
		floor = &r
	}
	fmt.Printf("| %v | %d | %s | %.0f | %s | %s | %s | %s | %s | %s | %d | %.2f + %.2f |\n", time.Duration(u.delay.Load()), connections, name,
		r.perSecond, of(r.perSecond, floor.perSecond), ms(r.cpu), of(float64(r.cpu), float64(floor.cpu)), ms(r.p50), above, ms(r.p99), r.peak/1024,
		float64(u.lists.Load()-lists)/requests, float64(u.other.Load()-others)/requests)
	return r
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

// wrkScript has each request made as the next person.
func wrkScript(t *testing.T, cookies []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cookies.lua")
	text := "local cookies = {\"" + strings.Join(cookies, "\",\n\"") + "\"}\nlocal i = 0\nrequest = function()\n  i = i % #cookies + 1\n  return wrk.format(nil, nil, {[\"Cookie\"] = cookies[i]})\nend\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	rate       = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	percentile = regexp.MustCompile(`(50|99)%\s+([0-9.]+)(us|ms|s)\b`)
	refused    = regexp.MustCompile(`(?m)^\s*(Non-2xx or 3xx responses|Socket errors):.*$`)
)

func wrk(t *testing.T, script, address string, connections int, lasts time.Duration) (r run) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts+time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(int(lasts.Seconds()))+"s", "--timeout", "60s", "--latency", "-s", script, address).CombinedOutput()
	if bad := refused.Find(out); err != nil || bad != nil {
		t.Fatalf("%s: %v\n%s", address, errors.Join(err, errors.New(string(bad))), out)
	}
	if m := rate.FindSubmatch(out); m != nil {
		r.perSecond, _ = strconv.ParseFloat(string(m[1]), 64)
	}
	for _, m := range percentile.FindAllSubmatch(out, -1) {
		d, err := time.ParseDuration(string(m[2]) + string(m[3]))
		if err != nil {
			t.Fatal(err)
		}
		if string(m[1]) == "50" {
			r.p50 = d
		} else {
			r.p99 = d
		}
	}
	if r.perSecond == 0 || r.p50 == 0 {
		t.Fatalf("wrk said nothing of use:\n%s", out)
	}
	return r
}

// cpuOf is the processor time that a process has used (proc(5): utime and stime, in ticks of 10 ms).
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// peakOf is how much memory was resident at most, in KiB.
func peakOf(t *testing.T, pid int) int { return statusOf(t, pid, "VmHWM:") }

// statusOf is a number in a process's status (proc(5)).
func statusOf(t *testing.T, pid int, name string) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}
