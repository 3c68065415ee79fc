package azuredevops_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/testkit"
)

const (
	org    = "fabrikam"
	id     = "4ab5b3d4-8a0a-4b0f-9c5d-2f6f1c3b9a01"
	bearer = "bearer-CANARY"
	secret = "pat-CANARY"
	me     = "tenant.mona"
)

var wanted = azuredevops.Wanted{
	DisplayName: "Deploy <prod> 🚀",
	Scopes:      []string{"vso.code", "vso.project"},
	ValidTo:     time.Date(2027, 1, 31, 12, 30, 15, 123456789, time.FixedZone("", 3600)),
}

// A child process with this variable lists that endpoint's tokens and prints the outcome: some settings are read from
// the environment once per process.
const childEndpoint = "PATDESK_TEST_ENDPOINT"

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(childEndpoint); endpoint != "" {
		tokens, err := azuredevops.New(azuredevops.Options{Endpoint: endpoint}).As(me, signedIn).List(context.Background(), org, azuredevops.Active)
		var e *azuredevops.Error
		if errors.As(err, &e) {
			fmt.Print(e.Kind)
		} else {
			fmt.Printf("%d tokens", len(tokens))
		}
		return
	}
	os.Exit(m.Run())
}

func signedIn(context.Context) (string, error) { return bearer, nil }

// clock is handed in as clock and sleep: a sleep moves it.
type clock struct {
	*testkit.Clock
	mu    sync.Mutex
	slept []time.Duration
}

func newClock() *clock {
	return &clock{Clock: testkit.NewClockAt(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))}
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.Move(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, d)
	return ctx.Err()
}

// service is a stand-in of Azure DevOps that records what it was asked.
type service struct {
	*httptest.Server
	clock  *clock
	client *azuredevops.Client
	caller *azuredevops.Caller
	mu     sync.Mutex
	asked  []asked
}

type asked struct {
	method, path string
	query        map[string][]string
	header       http.Header
	body         map[string]any
}

// serve starts a service that answers with handler, and a client for it.
func serve(t *testing.T, o azuredevops.Options, handler http.HandlerFunc) *service {
	t.Helper()
	s := &service{clock: newClock()}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := asked{method: r.Method, path: r.URL.Path, query: r.URL.Query(), header: r.Header}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &a.body)
		s.mu.Lock()
		s.asked = append(s.asked, a)
		s.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	o.Endpoint, o.DiscoveryEndpoint = s.URL+"/pat/", s.URL+"/discovery"
	o.Now, o.Sleep = s.clock.Now, s.clock.Sleep
	s.client = azuredevops.New(o)
	s.caller = s.client.As(me, signedIn)
	return s
}

// requests returns what was asked for, with one of the methods if any is given.
func (s *service) requests(methods ...string) []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.asked), func(a asked) bool {
		return len(methods) > 0 && !slices.Contains(methods, a.method)
	})
}

// reply is one fixed answer.
type reply struct {
	status  int
	headers string // "Name: value" lines
	body    string
}

func (r reply) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8; api-version=7.1-preview.1")
	for line := range strings.Lines(r.headers) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		w.Header().Add(name, value)
		if name == "Content-Type" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, r.body)
}

// replies answers each request with the next of rs, and goes on with the last.
func replies(rs ...reply) http.HandlerFunc {
	var mu sync.Mutex
	i := 0
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		next := rs[min(i, len(rs)-1)]
		i++
		mu.Unlock()
		next.ServeHTTP(w, r)
	}
}

func ok(body string) reply { return reply{status: 200, body: body} }

// tokenJSON is a token as the service sends it.
func tokenJSON(id, secret string) string {
	return fmt.Sprintf(`{"displayName":"n","validTo":"2027-01-31T11:30:15.12Z","scope":"vso.code vso.project","targetAccounts":["a"],"validFrom":"2026-11-22T12:00:00.1234567Z","authorizationId":%q,"token":%s}`, id, secret)
}

func resultJSON(id, secret string) string {
	return `{"patToken":` + tokenJSON(id, secret) + `,"patTokenError":"none"}`
}

var emptyList = ok(`{"continuationToken":"","patTokens":[]}`)

// calls are all calls by name. They return whatever they return beside an error.
var calls = map[string]func(*azuredevops.Caller) (any, error){
	"list": func(c *azuredevops.Caller) (any, error) {
		return c.List(context.Background(), org, azuredevops.Active)
	},
	"get": func(c *azuredevops.Caller) (any, error) { return c.Get(context.Background(), org, id) },
	"create": func(c *azuredevops.Caller) (any, error) {
		token, secret, err := c.Create(context.Background(), org, wanted)
		return []any{token, secret}, err
	},
	"update": func(c *azuredevops.Caller) (any, error) { return c.Update(context.Background(), org, id, wanted) },
	"revoke": func(c *azuredevops.Caller) (any, error) { return nil, c.Revoke(context.Background(), org, id) },
	"organizations": func(c *azuredevops.Caller) (any, error) {
		return c.Organizations(context.Background())
	},
}

var (
	changes = []string{"create", "update", "revoke"}
	reads   = []string{"list", "get", "organizations"}
	every   = append(slices.Clone(reads), changes...)
)

func isChange(name string) bool { return slices.Contains(changes, name) }

// failure returns err as an *Error and checks what holds for each.
func failure(t *testing.T, err error) *azuredevops.Error {
	t.Helper()
	var e *azuredevops.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, want *azuredevops.Error", err, err)
	}
	if !slices.Contains(azuredevops.Kinds(), e.Kind) {
		t.Errorf("kind %q is not in Kinds()", e.Kind)
	}
	if e.Unknown && !isChange(e.Call) {
		t.Errorf("%s can't have an unknown outcome", e.Call)
	}
	if text := e.Error(); strings.Contains(text, "CANARY") {
		t.Errorf("error text holds a secret: %s", text)
	}
	for _, s := range []string{e.Code, e.ActivityID} {
		if len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("code or activity id is not clean: %q", s)
		}
	}
	return e
}
