package redisstore_test

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

// TestMain lets more tests run side by side than there are processors: they wait for servers and time limits most of
// the time.
func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))) // a number
	}
	os.Exit(m.Run())
}

// open opens a store that ends with the test.
func open(tb testing.TB, o redisstore.Options) *redisstore.Store {
	tb.Helper()
	s := redisstore.Open(o)
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// confirmed are all kinds of records of the suite.
var confirmed = []string{"note", "draft"}

// suite runs the suite of all backends on what o describes, with writes of all its kinds confirmed.
func suite(t *testing.T, o redisstore.Options, flush func()) {
	t.Helper()
	o.Confirm = confirmed
	sessiontest.TestBackend(t, func(t *testing.T) session.Backend {
		t.Helper()
		flush()
		return redisstore.Open(o)
	})
}

func flushAll(servers ...*redistest.Server) func() {
	return func() {
		for _, s := range servers {
			s.Do("FLUSHALL")
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	suite(t, redisstore.Options{Addresses: []string{server.Addr}}, flushAll(server))
}

func TestSocket(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	suite(t, redisstore.Options{Socket: server.Socket, Database: 3}, flushAll(server))
}

func TestReplica(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	redistest.StartReplica(t, server)
	suite(t, redisstore.Options{Addresses: []string{server.Addr}}, flushAll(server))
}

// tlsOf trusts the authority of c, and shows its certificate.
func tlsOf(t *testing.T, c redistest.Certificates) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(c.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	c := redistest.MakeCertificates(t)
	server := redistest.StartTLS(t, c, "--tls-auth-clients", "yes")
	suite(t, redisstore.Options{Addresses: []string{server.Addr}, TLS: tlsOf(t, c)}, flushAll(server))
}

// A Cluster names its servers by address, where its certificate may have a name alone.
func TestServerName(t *testing.T) {
	t.Parallel()
	c := redistest.MakeCertificates(t, "redis.example.com")
	server := redistest.StartTLS(t, c, "--cluster-enabled", "yes", "--cluster-port", freeport.Port(t), "--tls-cluster", "yes")
	server.Do("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	for name, want := range map[string]bool{"": false, "other.example.com": false, "redis.example.com": true} {
		for _, cluster := range []bool{false, true} {
			o := redisstore.Options{Cluster: cluster, Addresses: []string{server.Addr}, TLS: tlsOf(t, c)}
			o.TLS.ServerName = name
			s, err := open(t, o), error(nil)
			eventually(t, "the Cluster is there", func() bool {
				_, err = s.Check(t.Context())
				return err == nil || !strings.Contains(err.Error(), "CLUSTERDOWN")
			})
			if want && err != nil || !want && redisstore.FaultOf(err) != redisstore.Certificate {
				t.Errorf("%q, as a Cluster %v: %v", name, cluster, err)
			}
		}
	}
}

// What answers for every key is no Cluster for us, whatever it says of itself; one of several servers is.
func TestWhatLooksLikeACluster(t *testing.T) {
	t.Parallel()
	alone := redistest.StartCluster(t, 1)
	if _, err := open(t, redisstore.Options{Addresses: []string{alone[0].Addr}}).Check(t.Context()); err != nil {
		t.Errorf("a Cluster of one server: %v", err)
	}
	for _, n := range []int{2, 3} {
		servers := redistest.StartCluster(t, n)
		_, err := open(t, redisstore.Options{Addresses: []string{servers[0].Addr}}).Check(t.Context())
		if redisstore.FaultOf(err) != redisstore.IsCluster {
			t.Errorf("one of %d servers: %v", n, err)
		}
	}
}

// The two users of the documentation (docs/redis.md): by categories, and with the commands alone.
var users = map[string][]any{
	"categories": {"ACL", "SETUSER", "patdesk", "on", ">hush", "resetchannels", "~patdesk:*", "+@all", "-@dangerous", "+info"},
	"commands": {
		"ACL", "SETUSER", "patdesk", "on", ">hush", "~patdesk:*", "resetchannels", "-@all",
		"+ping", "+get", "+set", "+del", "+strlen", "+pexpire", "+pttl", "+zadd", "+zrem", "+zrangebyscore", "+zremrangebyscore", "+eval", "+wait", "+select",
	},
}

func TestLimitedUser(t *testing.T) {
	t.Parallel()
	for name, user := range users {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			redistest.StartReplica(t, server)
			server.Do(user...)
			o := redisstore.Options{Addresses: []string{server.Addr}, Database: 1, Username: "patdesk", Password: "hush"}
			suite(t, o, flushAll(server))
		})
	}
}

func TestSentinels(t *testing.T) {
	t.Parallel()
	w := redistest.StartSentinels(t)
	o := redisstore.Options{Addresses: redistest.Addresses(w.Sentinels), Master: redistest.MasterName}
	suite(t, o, flushAll(w.Primary))
	o.Master = "another"
	s := open(t, o)
	if _, err := s.Check(t.Context()); redisstore.FaultOf(err) != redisstore.NoSuchMaster {
		t.Errorf("a name that the Sentinels don't know: %v", err)
	}
	wantAllUnavailable(t, s, redisstore.CallTimeout+slack)
}

func TestCluster(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, 3)
	o := redisstore.Options{Cluster: true, Addresses: redistest.Addresses(servers[:2])}
	suite(t, o, flushAll(servers...))
	for _, server := range servers {
		server.Do(append(users["commands"], "+cluster|slots")...)
	}
	o.Username, o.Password, o.Confirm = "patdesk", "hush", confirmed
	t.Run("limited user", func(t *testing.T) {
		s, flush := open(t, o), flushAll(servers...)
		sessiontest.TestBackend(t, func(*testing.T) session.Backend {
			flush()
			return shared{s}
		})
	})
}

// shared is one store for all parts of a suite. A user who may not ask which servers have replicas waits a second for
// each to find out, and a new store for each part would do so each time.
type shared struct{ *redisstore.Store }

func (shared) Close() error { return nil }
