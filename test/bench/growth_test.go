package bench

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// point is what one page costs at one size.
type point struct {
	size int
	cpu  time.Duration
}

// curve is how a page's processor time grows.
type curve struct {
	name   string
	points []point
}

// TestGrowth prints how the processor time of pages grows, and draws it: docs/growth.svg.
func TestGrowth(t *testing.T) {
	if !*load {
		return // make bench
	}
	curves := []curve{{name: "tokens of the organization (list)"}, {name: "organizations of 100 tokens (kept overview)"}, {name: "sessions in the folder (changes)"}, {name: "sessions in Redis (changes)"}}
	for _, n := range []int{10, 100, 1000, 5000} {
		curves[0].points = append(curves[0].points, point{n, costOf(t, 1, n, "/tokens?organization=org-01")})
	}
	for _, n := range []int{1, 10, 50} {
		curves[1].points = append(curves[1].points, point{n, costOf(t, n, 100, "/overview")})
	}
	u := startUpstream(t)
	folder := startPatdesk(t, u, 1)
	server := redistest.Start(t)
	inRedis := startPatdesk(t, u, 1, "SESSION_TYPE=redis", "REDIS_URL=redis://"+server.Addr, "SESSION_KEYS="+apptest.CanaryKey)
	first := sessionFile(t, folder.dir)
	for _, n := range []int{1, 1000, 100_000} {
		copies(t, first, n)
		fillRedis(server, n)
		curves[2].points = append(curves[2].points, point{n, folder.cpu(t, folder.cookies[0], "/changes", 200)})
		curves[3].points = append(curves[3].points, point{n, inRedis.cpu(t, inRedis.cookies[0], "/changes", 200)})
	}
	fmt.Println()
	for _, c := range curves {
		for _, p := range c.points {
			fmt.Printf("| %s | %d | %s ms |\n", c.name, p.size, ms(p.cpu))
		}
	}
	testkit.Must(t, os.WriteFile(filepath.Join(testkit.Root, "docs", "growth.svg"), []byte(drawn(curves)), 0o600))
}

// costOf is the processor time of a page of somebody with so many organizations and tokens in each.
func costOf(t *testing.T, organizations, each int, path string) time.Duration {
	t.Helper()
	u := startUpstreamOf(t, apptest.ManyTokens(organizations))
	apptest.FillOrganizations(u.sim, each)
	p := startPatdesk(t, u, 0)
	b := p.signedIn(t, u, apptest.Mona)
	apptest.OpenWhole(t, b, p.url+path)
	return p.cpu(t, header(b.Jar(), b.URL), path, max(10, min(200, 20_000/(organizations*each))))
}

// cpu is the processor time that the program takes for a page, opened so often.
func (p *patdesk) cpu(t *testing.T, cookie, path string, times int) time.Duration {
	t.Helper()
	for range 5 {
		get(t, p.url+path, cookie, "identity")
	}
	used := cpuOf(t, p.Cmd.Process.Pid)
	for range times {
		get(t, p.url+path, cookie, "identity")
	}
	return (cpuOf(t, p.Cmd.Process.Pid) - used) / time.Duration(times)
}

// fillRedis has the session that is there in so many copies, which nothing reads.
func fillRedis(server *redistest.Server, count int) {
	server.Do("EVAL", `local first = redis.call('KEYS', 'patdesk:session:*')[1]; local value = redis.call('GET', first)
for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'patdesk:session:' .. string.format('%064x', i), value, 'EX', 3600) end`, "0", fmt.Sprint(count))
}

// Ten organizations of three pages are read in little more than the time of one of them, and shown from then on for a few
// times the cost of a list of 100.
func TestOverviewOfTen(t *testing.T) {
	if !*load {
		return // make bench; calls are counted in test/features
	}
	const delay = 200 * time.Millisecond
	u := startUpstreamOf(t, apptest.ManyTokens(10))
	apptest.FillOrganizations(u.sim, 300)
	p := startPatdesk(t, u, 0)
	b := p.signedIn(t, u, apptest.Mona)
	apptest.OpenWhole(t, b, p.url+"/overview") // makes the answers
	u.delay.Store(int64(delay))
	begun := time.Now()
	b.Open(p.url + "/tokens?retry=") // forgets everything
	apptest.OpenWhole(t, b, p.url+"/overview")
	took := time.Since(begun)
	u.delay.Store(0)
	kept := p.cpu(t, header(b.Jar(), b.URL), "/overview", 40)
	list := costOf(t, 1, 100, "/tokens?organization=org-01")
	fmt.Printf("\nOverview of 10 x 300 tokens: read in %s ms, %.2f times three calls of %v; from what was read %s ms of processor time, %.1f times the list of 100's\n",
		ms(took), float64(took)/float64(3*delay), delay, ms(kept), float64(kept)/float64(list))
}

// TestTenThousandSessions prints how much memory 10,000 sessions take that are all in use.
func TestTenThousandSessions(t *testing.T) {
	if !*load {
		return // make bench
	}
	u := startUpstream(t)
	p := startPatdesk(t, u, 1)
	var sessions errgroup.Group
	sessions.SetLimit(4)
	for i := range 10_000 {
		sessions.Go(func() error {
			b := p.signedIn(t, u, fmt.Sprintf("Person %d", i%people))
			if b.Open(p.url + listPath); b.Status != http.StatusOK {
				return fmt.Errorf("session %d: %d", i, b.Status)
			}
			return nil
		})
	}
	testkit.Must(t, sessions.Wait())
	pid := p.Cmd.Process.Pid
	fmt.Printf("\n10,000 sessions in use: %d MB of its own, %d with its file, %d at most\n", statusOf(t, pid, "RssAnon:")>>10, statusOf(t, pid, "VmRSS:")>>10, peakOf(t, pid)>>10)
}

// drawn is a picture of curves, one beside the other, each on its own scale from zero.
func drawn(curves []curve) string {
	const wide, high, margin = 320, 200, 40
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#555">`+"\n", 2*wide, 2*high)
	for i, c := range curves {
		x0, y0 := float64(i%2*wide+margin), float64(i/2*high+high-margin)
		last := c.points[len(c.points)-1].size
		most := time.Duration(1)
		for _, p := range c.points {
			most = max(most, p.cpu)
		}
		var line []string
		for _, p := range c.points {
			x, y := x0+float64(wide-2*margin)*float64(p.size)/float64(last), y0-float64(high-2*margin)*float64(p.cpu)/float64(most)
			line = append(line, fmt.Sprintf("%.1f,%.1f", x, y))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="#0a66c2"/>`+"\n", x, y)
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="#0a66c2"/><path d="M%.1f %.1fV%.1fH%.1f" fill="none" stroke="#999"/>`+"\n",
			strings.Join(line, " "), x0, y0-float64(high-2*margin), y0, x0+float64(wide-2*margin))
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f">%s</text><text x="%.1f" y="%.1f" text-anchor="end">%d</text><text x="%.1f" y="%.1f">%s ms</text>`+"\n",
			x0-margin/2, y0-float64(high-2*margin)-18, c.name, x0+float64(wide-2*margin), y0+14, last, x0+4, y0-float64(high-2*margin)-4, ms(most))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
