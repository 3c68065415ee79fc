package batch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
)

// listTimeout bounds one list of an organization's tokens.
const listTimeout = 15 * time.Second

// activeTokens is what a run knows of the active tokens of one organization: one list, asked for when the run comes
// there, and what the run itself has made since. So an organization is listed once, not before each creation. Of the
// list only what is about the batch's own tokens is kept.
type activeTokens struct {
	service      operation.Service
	organization string

	mu     sync.Mutex
	lists  int                 // that were asked for
	whole  bool                // one of them was read to its end
	active map[string]bool     // by id: whether a token of the batch is active, as the last of them says
	ids    map[string][]string // of active tokens, by name, for the names of the batch's tokens
}

func newActiveTokens(s operation.Service, organization string) *activeTokens {
	return &activeTokens{service: s, organization: organization, active: map[string]bool{}, ids: map[string][]string{}}
}

// expect has what the list says of t kept.
func (a *activeTokens) expect(t azuredevops.Token) {
	a.active[t.AuthorizationID] = false
	a.ids[strings.TrimSpace(t.DisplayName)] = nil
}

// list lists the organization if that wasn't done yet, or where again is wanted, but not too often; not ok: it wasn't.
// Of a list that isn't whole the names count: what was there is no new token.
func (a *activeTokens) list(ctx context.Context, again bool) (ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.whole && !again || a.lists >= listsPerOrganization || ctx.Err() != nil {
		return false
	}
	a.lists++
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	tokens, err := a.service.List(ctx, a.organization, azuredevops.Active)
	listed := map[string]bool{}
	for _, t := range tokens {
		listed[t.AuthorizationID] = true
		if a.add(t.DisplayName, t.AuthorizationID); t.NotUnderstood(azuredevops.MemberDisplayName) {
			a.addToAll(t.AuthorizationID)
		}
	}
	if err != nil || slices.ContainsFunc(tokens, func(t azuredevops.Token) bool { return !t.Addressable() }) { // which may be any
		return false
	}
	a.whole = true
	for id := range a.active {
		a.active[id] = listed[id]
	}
	return true
}

// add keeps that a token of that name is there; a is locked.
func (a *activeTokens) add(name, id string) {
	name = strings.TrimSpace(name)
	if ids, expected := a.ids[name]; expected && id != "" && !slices.Contains(ids, id) {
		a.ids[name] = append(ids, id)
	}
}

// addToAll keeps that a token is there whose name isn't understood; a is locked.
func (a *activeTokens) addToAll(id string) {
	for name := range a.ids {
		a.add(name, id)
	}
}

// remember keeps what an operation of the run has made, or may have: it is none of the next one's.
func (a *activeTokens) remember(op *operation.Operation) {
	if op == nil || !op.Makes() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if op.Result != nil {
		a.add(op.Want.DisplayName, op.Result.AuthorizationID)
	}
	for _, t := range op.Candidates {
		a.add(t.DisplayName, t.AuthorizationID)
	}
}

// gone reports whether t isn't active any more: a whole list lacked it.
func (a *activeTokens) gone(t azuredevops.Token) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	active, expected := a.active[t.AuthorizationID]
	return a.whole && expected && !active
}

// named are the active tokens that have t's name, as far as is known before its successor is made.
func (a *activeTokens) named(t azuredevops.Token) *operation.KnownTokens {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &operation.KnownTokens{IDs: slices.Clone(a.ids[strings.TrimSpace(t.DisplayName)]), All: a.whole}
}

// activeOnly is a Service that neither replaces nor extends a token that isn't active any more, and takes it for
// revoked: since the batch was confirmed that may have happened elsewhere.
type activeOnly struct {
	operation.Service
	token  azuredevops.Token
	active *activeTokens
}

// Create makes the successor of a token that is active.
func (a *activeOnly) Create(ctx context.Context, organization string, w azuredevops.Wanted) (azuredevops.Token, string, error) {
	if a.active.gone(a.token) {
		return azuredevops.Token{}, "", noToken("create", organization)
	}
	return a.Service.Create(ctx, organization, w)
}

// Update extends a token that is active.
func (a *activeOnly) Update(ctx context.Context, organization, id string, w azuredevops.Wanted) (azuredevops.Token, error) {
	if a.active.gone(a.token) {
		return azuredevops.Token{}, noToken("update", organization)
	}
	t, err := a.Service.Update(ctx, organization, id, w)
	var e *azuredevops.Error
	if errors.As(err, &e) && !e.Unknown && e.Kind == "failedToUpdateAccessToken" { // all that it may say of one that was revoked meanwhile
		if a.active.list(ctx, true) && a.active.gone(a.token) {
			return t, noToken("update", organization)
		}
	}
	return t, err
}

// Revoke revokes a token. One that the service doesn't know, and the batch's list neither, is gone: it needn't be
// listed for each.
func (a *activeOnly) Revoke(ctx context.Context, organization, id string) error {
	err := a.Service.Revoke(ctx, organization, id)
	var e *azuredevops.Error
	if errors.As(err, &e) && e.Missing() && (a.active.gone(a.token) || a.active.list(ctx, true) && a.active.gone(a.token)) {
		return nil
	}
	return err
}

// noToken says that the token is no longer active, so that nothing was changed.
func noToken(call, organization string) error {
	return &azuredevops.Error{Call: call, Organization: organization, Kind: failure.KindNoLongerActive}
}
