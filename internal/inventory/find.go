package inventory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
)

// Find reads a token and its status. The status is known only from the list that holds the token, so the list of active
// ones is read beside it, and the others only where that one doesn't hold it.
func (c *Cache) Find(ctx context.Context, o Owner, organization, id string) (Token, error) {
	var (
		group   panics.Group
		single  azuredevops.Token
		active  []azuredevops.Token
		getErr  error
		listErr error
	)
	group.Go(func() error { single, getErr = o.API.Get(ctx, organization, id); return nil })
	group.Go(func() error { active, listErr = o.API.List(ctx, organization, azuredevops.Active); return nil })
	_ = group.Wait() // both errors are looked at below
	api, ok := errors.AsType[*azuredevops.Error](getErr)
	if getErr != nil && (!ok || !api.Kind.NotFound() && api.Kind != azuredevops.KindNotUnderstood) {
		return Token{}, getErr // where this answer holds no such token, a list may still hold it
	}
	for _, status := range []azuredevops.Status{azuredevops.Active, azuredevops.Revoked, azuredevops.Expired} {
		tokens, err := active, listErr
		if status != azuredevops.Active {
			tokens, err = o.API.List(ctx, organization, status)
		}
		// a part of a list may hold it, too
		if i := slices.IndexFunc(tokens, func(t azuredevops.Token) bool { return strings.EqualFold(t.AuthorizationID, id) }); i >= 0 {
			if getErr != nil {
				single = tokens[i]
			}
			return Token{Token: single, Status: status, Organization: organization}, nil
		}
		if err != nil {
			return Token{}, err
		}
	}
	if getErr != nil {
		return Token{}, getErr
	}
	// The service knows it, no list holds it: the dates are all there is to go by. Without one it may be active, and
	// can be revoked.
	status := azuredevops.Revoked
	switch {
	case single.ValidTo.IsZero():
		status = azuredevops.Active
	case single.ValidTo.Before(c.options.Now()):
		status = azuredevops.Expired
	}
	return Token{Token: single, Status: status, Organization: organization}, nil
}
