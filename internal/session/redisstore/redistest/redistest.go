// Package redistest runs real Redis servers for tests, in every way that patdesk can use: alone, with TLS, behind
// Sentinels, as a Cluster. It needs Debian's redis-server and redis-sentinel. Everything listens on free ports of this
// machine, keeps nothing, and ends with the test.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/patdesk/patdesk/internal/freeport"
)

// startLimit is how long a server, or several that have to agree, may take to be ready.
const startLimit = 30 * time.Second

// Server is one running redis-server or redis-sentinel.
type Server struct {
	Addr   string // host:port
	Socket string // a Unix socket; not of a Sentinel

	tb     testing.TB
	cmd    *exec.Cmd
	log    *output
	ended  chan struct{}
	client *redis.Client
}

// Start runs a redis-server with more options, as on its command line.
func Start(tb testing.TB, options ...string) *Server {
	tb.Helper()
	dir := tempDir(tb)
	socket := filepath.Join(dir, "redis.sock")
	return start(tb, "redis-server", dir, socket, append([]string{
		"--save", "", "--appendonly", "no", "--unixsocket", socket, "--unixsocketperm", "700",
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}, options...))
}

// tempDir is a folder whose path is short enough for a socket.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "redistest-") //nolint:usetesting // tb.TempDir's paths hold the test's name
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(tb testing.TB, program, dir, socket string, options []string) *Server {
	tb.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		tb.Fatalf("%s is missing; scripts/test-deps installs it: %v", program, err)
	}
	for range 5 { // another program may take the port before Redis does
		port := freeport.Port(tb)
		s := &Server{Addr: "127.0.0.1:" + port, Socket: socket, tb: tb, log: &output{}}
		args := append([]string{}, options...)
		if program == "redis-sentinel" {
			args = append(options[:1:1], append([]string{"--port", port}, options[1:]...)...)
		} else {
			args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no"}, args...)
		}
		s.run(path, args)
		tb.Cleanup(func() { s.Kill() })
		s.client = redis.NewClient(&redis.Options{Addr: s.Addr, Protocol: 2, DisableIdentity: true, MaxRetries: -1, PipelinePoolSize: -1})
		tb.Cleanup(func() { _ = s.client.Close() })
		if s.answers() {
			return s
		}
		s.Kill()
		tb.Logf("%s didn't start:\n%s", program, s.log)
	}
	tb.Fatalf("%s doesn't start", program)
	return nil
}

// run starts the process.
func (s *Server) run(path string, args []string) {
	s.tb.Helper()
	s.cmd = exec.CommandContext(context.WithoutCancel(s.tb.Context()), path, args...) // #nosec G204 -- for tests
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() { _ = cmd.Wait(); close(ended) }()
}

// Restart starts a server again that was killed, empty, under the same address.
func (s *Server) Restart() {
	s.tb.Helper()
	s.run(s.cmd.Path, s.cmd.Args[1:])
	if !s.answers() {
		s.tb.Fatalf("the server doesn't start again:\n%s", s.log)
	}
}

// answers waits until the server accepts connections; false if it ended.
func (s *Server) answers() bool {
	limit := time.After(startLimit)
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", s.Addr)
		if err == nil {
			_ = conn.Close()
			return true
		}
		select {
		case <-s.ended:
			return false
		case <-limit:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Kill ends the server at once, as a crash would.
func (s *Server) Kill() {
	_ = s.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	<-s.ended
}

// Far is an address under which the server is reached over a line on which each way takes half of roundTrip.
func (s *Server) Far(roundTrip time.Duration) string {
	s.tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(s.tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).DialContext(context.WithoutCancel(s.tb.Context()), "tcp", s.Addr)
			if err != nil {
				_ = near.Close()
				continue
			}
			go carry(near, far, roundTrip/2)
			go carry(far, near, roundTrip/2)
		}
	}()
	return listener.Addr().String()
}

// carry brings each piece that comes from one end to the other after a delay, until one end closes.
func carry(from, to net.Conn, delay time.Duration) {
	type piece struct {
		bytes []byte
		due   time.Time
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer func() { _ = to.Close() }()
		for p := range pieces {
			<-time.After(time.Until(p.due))
			if _, err := to.Write(p.bytes); err != nil {
				_ = from.Close()
			}
		}
	}()
	defer close(pieces)
	for {
		b := make([]byte, 64<<10)
		n, err := from.Read(b)
		if n > 0 {
			pieces <- piece{b[:n], time.Now().Add(delay)}
		}
		if err != nil {
			return
		}
	}
}

// Do sends a command, as a user who may do everything, and returns the answer.
func (s *Server) Do(args ...any) any {
	s.tb.Helper()
	answer, err := s.client.Do(context.Background(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		s.tb.Fatalf("%v: %v", args, err)
	}
	return answer
}

// Fill takes all memory but room for a word or two, under names of its own. Empty ends that. Redis itself says when it
// is full: what it uses changes with the buffers of its connections.
func (s *Server) Fill() {
	s.tb.Helper()
	s.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	s.Do("CONFIG", "SET", "maxmemory", s.Do("EVAL", "return 1048576 + tonumber(string.match(redis.call('INFO', 'memory'), 'used_memory:(%d+)'))", 0))
	for i := 0; ; i++ {
		if s.Do("EVAL", "local r = redis.pcall('SET', KEYS[1], string.rep('x', 8000)); return r.err and 1 or 0", 1, fmt.Sprint("ballast:", i)) == int64(1) {
			s.Do("DEL", fmt.Sprint("ballast:", i-1))
			return
		}
	}
}

// Empty takes away what Fill has filled it with.
func (s *Server) Empty() {
	s.tb.Helper()
	s.Do("CONFIG", "SET", "maxmemory", 0)
	s.Do("EVAL", "for _, k in ipairs(redis.call('KEYS', 'ballast:*')) do redis.call('DEL', k) end", 0)
}

// Addresses are those of servers.
func Addresses(servers []*Server) []string {
	list := make([]string, 0, len(servers))
	for _, s := range servers {
		list = append(list, s.Addr)
	}
	return list
}

// eventually waits until f says that it is so.
func eventually(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	limit := time.After(startLimit)
	for !f() {
		select {
		case <-limit:
			tb.Fatalf("%s: not within %v", what, startLimit)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Watched is a primary with a replica and three Sentinels that watch them. The servers' clients must know the primary
// by MasterName.
type Watched struct {
	Primary, Replica *Server
	Sentinels        []*Server
}

// MasterName is what the Sentinels of StartSentinels call their primary.
const MasterName = "mymaster"

// StartSentinels runs a primary, its replica and three Sentinels. A primary that doesn't answer for a second is
// replaced.
func StartSentinels(tb testing.TB) *Watched {
	tb.Helper()
	w := &Watched{Primary: Start(tb)}
	w.Replica = StartReplica(tb, w.Primary)
	host, port, _ := net.SplitHostPort(w.Primary.Addr)
	for range 3 {
		dir := tempDir(tb)
		config := filepath.Join(dir, "sentinel.conf")
		text := fmt.Sprintf("bind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %[2]s 1000\n"+
			"sentinel failover-timeout %[2]s 5000\n", dir, MasterName, host, port)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		w.Sentinels = append(w.Sentinels, start(tb, "redis-sentinel", dir, "", []string{config}))
	}
	for _, s := range w.Sentinels {
		eventually(tb, "the Sentinels know each other and the replica", func() bool {
			others, _ := s.Do("SENTINEL", "SENTINELS", MasterName).([]any)
			replicas, _ := s.Do("SENTINEL", "REPLICAS", MasterName).([]any)
			return len(others) == 2 && len(replicas) == 1
		})
	}
	return w
}

// StartReplica runs a replica of primary, and waits until it is in step.
func StartReplica(tb testing.TB, primary *Server) *Server {
	tb.Helper()
	host, port, _ := net.SplitHostPort(primary.Addr)
	replica := Start(tb, "--replicaof", host+" "+port)
	eventually(tb, "the replica is connected", func() bool {
		return strings.Contains(fmt.Sprint(primary.Do("INFO", "replication")), "state=online")
	})
	return replica
}

// slots is the number of slots of every Cluster.
const slots = 16384

// StartCluster runs a Cluster of n primaries.
func StartCluster(tb testing.TB, n int) []*Server {
	tb.Helper()
	var servers []*Server
	for i := range n {
		s := startMember(tb)
		s.Do("CLUSTER", "ADDSLOTSRANGE", i*slots/n, (i+1)*slots/n-1)
		servers = append(servers, s)
	}
	for _, s := range servers[1:] {
		meet(tb, servers[0], s)
	}
	wantComplete(tb, servers)
	return servers
}

// wantComplete waits until the servers know each other.
func wantComplete(tb testing.TB, servers []*Server) {
	tb.Helper()
	for _, s := range servers {
		eventually(tb, "the Cluster is complete", func() bool {
			info := fmt.Sprint(s.Do("CLUSTER", "INFO"))
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(len(servers)))
		})
	}
}

// AddReplicas gives each primary of a Cluster a replica, which replaces it when it doesn't answer for two seconds.
func AddReplicas(tb testing.TB, primaries []*Server) []*Server {
	tb.Helper()
	all := slices.Clone(primaries)
	for range primaries {
		s := startMember(tb)
		meet(tb, primaries[0], s)
		all = append(all, s)
	}
	wantComplete(tb, all)
	replicas := all[len(primaries):]
	for i, primary := range primaries {
		replicas[i].Do("CLUSTER", "REPLICATE", primary.Do("CLUSTER", "MYID"))
		eventually(tb, "the replica is connected", func() bool {
			return strings.Contains(fmt.Sprint(primary.Do("INFO", "replication")), "state=online")
		})
	}
	return replicas
}

func startMember(tb testing.TB) *Server {
	tb.Helper()
	return Start(tb, "--cluster-enabled", "yes", "--cluster-port", freeport.Port(tb), "--cluster-node-timeout", "2000")
}

func meet(tb testing.TB, one, other *Server) {
	tb.Helper()
	host, port, _ := net.SplitHostPort(other.Addr)
	bus, _ := other.Do("CONFIG", "GET", "cluster-port").([]any)
	one.Do("CLUSTER", "MEET", host, port, bus[1])
}
