package backing

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/testkit"
)

const object = "00000000-0000-4000-8000-00000000000a"

// azureRedis is a Redis that knows the identity by its object id, as Azure's do, and takes the tokens that allow is called with.
func azureRedis(t *testing.T, url string) (server *redistest.Server, cfg config.Config, allow func(tokens ...string)) {
	t.Helper()
	c := redistest.MakeCertificates(t)
	server = redistest.StartTLS(t, c)
	env := map[string]string{
		"CLIENT_ID": "00000000-0000-4000-8000-000000000001", "CLIENT_SECRET": "canary-secret", "SESSION_TYPE": "redis", "SESSION_KEYS": testkit.OldKey,
		"REDIS_URL": fmt.Sprintf(url, server.Addr, c.CA),
	}
	cfg, err := config.Load(func(name string) string { return env[name] }, "")
	if err != nil {
		t.Fatal(err)
	}
	return server, cfg, func(tokens ...string) {
		user := []any{"ACL", "SETUSER", object, "on", "resetpass", "resetchannels", "~*", "+@all", "-@dangerous", "+info"}
		for _, token := range tokens {
			user = append(user, ">"+token)
		}
		server.Do(user...)
	}
}

const byIdentity = "rediss://%s?auth=entra&ca=%s"

// A token ends while people work: Redis closes its connections and takes newer tokens only. No call fails, and no
// token is in the log.
func TestRedisByIdentity(t *testing.T) {
	var log testkit.Log
	identity := testkit.StartIdentity(t)
	server, cfg, allow := azureRedis(t, byIdentity)
	tokens := []string{testkit.TokenOf(object)}
	renew := func() { // the last two are good, since one is renewed before its end
		tokens = append(tokens[len(tokens)-1:], testkit.TokenOf(object))
		allow(tokens...)
		identity.Set(http.StatusOK, tokens[1], 4*time.Minute)
	}
	renew()
	store, _, err := OpenStore(t.Context(), cfg, time.Now, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	var work sync.WaitGroup
	var calls atomic.Int64
	done := make(chan struct{})
	for range 4 {
		work.Go(func() {
			n := session.Key{Kind: "note", Group: "mona", ID: rand.Text()}.Name()
			if err := store.Create(t.Context(), n, []byte("one"), time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
				return
			}
			for {
				select {
				case <-done:
					return
				default:
				}
				_, version, err := store.Read(t.Context(), n)
				if err == nil {
					err = store.Update(t.Context(), n, version, []byte("two"), time.Now().Add(time.Hour))
				}
				if err != nil {
					t.Error(err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for range 5 {
		renew()
		server.Do("CLIENT", "KILL", "USER", object)
		seen := calls.Load()
		testkit.Until(t, "work goes on", func() bool { return t.Failed() || calls.Load() > seen+20 })
	}
	close(done)
	work.Wait()
	if times, resource := identity.Asked(); times < 6 || resource != "https://redis.azure.com" {
		t.Errorf("asked %d times, for %s", times, resource)
	}
	if strings.Contains(log.String(), "canary") || strings.Contains(log.String(), "e30.") {
		t.Errorf("log: %s", &log)
	}
}

// What is wrong with the identity is said at start. What may pass is waited for.
func TestRedisByIdentityAtStart(t *testing.T) {
	identity := testkit.StartIdentity(t)
	token := testkit.TokenOf(object)
	for name, c := range map[string]struct {
		url, token string
		status     int
		fault      bool
		want       string
	}{
		"endpoint fails":  {byIdentity, "", http.StatusBadGateway, false, "what gives out tokens of Entra ID doesn't answer"},
		"refused":         {byIdentity, "", http.StatusBadRequest, false, "this machine's identity is refused a token of Entra ID (AADSTS700016)"},
		"no object id":    {byIdentity, testkit.TokenOf(""), http.StatusOK, false, "has no object id"},
		"not assigned":    {byIdentity, testkit.TokenOf("another"), http.StatusOK, true, "give the identity an access policy of that Redis, by its object id"},
		"the user's name": {"rediss://" + object + "@%s?auth=entra&ca=%s", token, http.StatusOK, false, ""},
		"a wrong user":    {"rediss://" + strings.Replace(object, "a", "b", 1) + "@%s?auth=entra&ca=%s", token, http.StatusOK, true, "a user in REDIS_URL must be that id"},
	} {
		t.Run(name, func(t *testing.T) {
			var log testkit.Log
			t.Setenv("AZURE_CLIENT_ID", rand.Text())
			identity.Set(c.status, c.token, time.Hour)
			_, cfg, allow := azureRedis(t, c.url)
			allow(token)
			store, _, err := OpenStore(t.Context(), cfg, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
			said := fmt.Sprint(err) + log.String()
			if (err != nil) != c.fault || !strings.Contains(said, c.want) || strings.Contains(said, "canary") || c.want == "" && log.Len() > 0 {
				t.Fatalf("want a fault %v and %q: %s", c.fault, c.want, said)
			}
			if err != nil {
				return
			}
			defer func() { _ = store.Close() }()
			identity.Set(http.StatusOK, token, time.Hour)
			if name == "no object id" { // which the library keeps
				return
			}
			if err := session.Probe(t.Context(), store, time.Now()); err != nil {
				t.Errorf("when the endpoint answers: %v", err)
			}
		})
	}
}
