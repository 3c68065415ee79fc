package operation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// canary marks every secret, so that one in a log or in the store is found.
const canary = "pat-CANARY-"

// azure is a stand-in of the service for one organization. It keeps tokens, counts calls and fails on demand: before is
// asked before a call is carried out, after when it was and its answer is about to be given.
type azure struct {
	now func() time.Time

	mu            sync.Mutex
	before, after func(ctx context.Context, call string) error
	tokens        []*pat
	calls         map[string]int
}

type pat struct {
	azuredevops.Token
	secret  string
	revoked bool
}

func newAzure(now func() time.Time) *azure {
	return &azure{now: now, calls: map[string]int{}}
}

// call counts a call, asks the hooks, and carries it out in between.
func (a *azure) call(ctx context.Context, name string, do func() error) error {
	a.mu.Lock()
	a.calls[name]++
	before, after := a.before, a.after
	a.mu.Unlock()
	if before != nil {
		if err := before(ctx, name); err != nil {
			return err
		}
	}
	a.mu.Lock()
	err := do()
	a.mu.Unlock()
	if err != nil || after == nil {
		return err
	}
	return after(ctx, name)
}

func (a *azure) List(ctx context.Context, _ string, s azuredevops.Status) (list []azuredevops.Token, err error) {
	if s == azuredevops.Expired {
		return nil, fmt.Errorf("list of %s tokens was not expected", s)
	}
	err = a.call(ctx, "list", func() error {
		for _, p := range a.tokens {
			if p.revoked == (s == azuredevops.Revoked) && (p.revoked || p.active(a.now())) {
				list = append(list, p.Token)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (a *azure) Get(ctx context.Context, _, id string) (t azuredevops.Token, err error) {
	err = a.call(ctx, "get", func() error {
		p := a.find(id)
		if p == nil {
			return refusal("get", "authorizationNotFound", 404)
		}
		t = p.Token
		return nil
	})
	return t, err
}

func (a *azure) Create(ctx context.Context, _ string, w azuredevops.Wanted) (t azuredevops.Token, secret string, err error) {
	err = a.call(ctx, "create", func() error {
		t, secret = a.add(w.DisplayName, w.Scopes, w.ValidTo)
		return nil
	})
	if err != nil {
		return azuredevops.Token{}, "", err
	}
	return t, secret, nil
}

func (a *azure) Update(ctx context.Context, _, id string, w azuredevops.Wanted) (t azuredevops.Token, err error) {
	err = a.call(ctx, "update", func() error {
		p := a.find(id)
		if p == nil || !p.active(a.now()) {
			return refusal("update", "authorizationNotFound", 404)
		}
		if w.DisplayName != "" {
			p.DisplayName = w.DisplayName
		}
		if w.Scopes != nil {
			p.Scopes = w.Scopes
		}
		if !w.ValidTo.IsZero() {
			p.ValidTo = w.ValidTo
		}
		t = p.Token
		return nil
	})
	return t, err
}

// Revoke, like the client, takes a token that is gone for revoked.
func (a *azure) Revoke(ctx context.Context, _, id string) error {
	return a.call(ctx, "revoke", func() error {
		if p := a.find(id); p != nil {
			p.revoked = true
		}
		return nil
	})
}

func (p *pat) active(now time.Time) bool { return !p.revoked && now.Before(p.ValidTo) }

func (a *azure) find(id string) *pat {
	i := slices.IndexFunc(a.tokens, func(p *pat) bool { return p.AuthorizationID == id })
	if i < 0 {
		return nil
	}
	return a.tokens[i]
}

// add makes a token, as somebody else would. The caller of the methods above holds the lock; tests call make.
func (a *azure) add(name string, scopes []string, validTo time.Time) (azuredevops.Token, string) {
	n := len(a.tokens) + 1
	p := &pat{
		Token: azuredevops.Token{
			AuthorizationID: fmt.Sprintf("00000000-0000-0000-0000-%012d", n), DisplayName: name, Scopes: slices.Clone(scopes),
			TargetAccounts: []string{"contoso"}, ValidFrom: a.now(), ValidTo: validTo,
		},
		secret: fmt.Sprintf("%s%06d", canary, n),
	}
	a.tokens = append(a.tokens, p)
	return p.Token, p.secret
}

func (a *azure) make(name string, scopes []string, validTo time.Time) azuredevops.Token {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, _ := a.add(name, scopes, validTo)
	return t
}

// fail sets the hooks; nil for none.
func (a *azure) fail(before, after func(ctx context.Context, call string) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.before, a.after = before, after
}

func (a *azure) count(call string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[call]
}

// ids of the tokens that are active, in the order of their creation.
func (a *azure) active() (ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.tokens {
		if p.active(a.now()) {
			ids = append(ids, p.AuthorizationID)
		}
	}
	return ids
}

// all returns copies of all tokens.
func (a *azure) all() (all []pat) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.tokens {
		all = append(all, *p)
	}
	return all
}

// on is a hook that answers call with err.
func on(call string, err error) func(context.Context, string) error {
	return func(_ context.Context, c string) error {
		if c == call {
			return err
		}
		return nil
	}
}

// times is a hook that answers the first n calls with err.
func times(n int, call string, err error) func(context.Context, string) error {
	var mu sync.Mutex
	return func(_ context.Context, c string) error {
		mu.Lock()
		defer mu.Unlock()
		if c != call || n == 0 {
			return nil
		}
		n--
		return err
	}
}

// refusal is a no: a definite one, unless its status is one of those that stand before the service.
func refusal(call string, kind azuredevops.Kind, status int) error {
	unknown := status/100 < 4 || status == 408 || status == 429
	return &azuredevops.Error{Call: call, Organization: "contoso", Kind: kind, Status: status, ActivityID: "activity-1", Unknown: unknown}
}

// lost is an answer that leaves open what was done.
func lost(call string, kind azuredevops.Kind) error {
	return &azuredevops.Error{Call: call, Organization: "contoso", Kind: kind, Unknown: true, Err: errors.New("cut")}
}
