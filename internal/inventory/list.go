package inventory

import (
	"context"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
)

const (
	manyLists = 128 // that are kept
	keptSize  = 100 // tokens in one of them at most: the answer to one call
)

// list is a list of one status as the service has it: an answer that is the same again has the same tokens, in the same
// place (see azuredevops.Caller.List).
type list struct {
	organization string
	status       azuredevops.Status
	first        *azuredevops.Token
	count        int
}

// List asks an organization for the lists of several statuses, side by side. What could be read comes back together
// with the failures. A list of one status that is the answer to one call has a Reading, the same one if the service says
// the same as lately.
func (c *Cache) List(ctx context.Context, o Owner, organization string, statuses []azuredevops.Status) Organization {
	r := Read{Person: o.Person, Organization: organization, Begun: c.options.Now(), Statuses: statuses}
	found, failed := readLists(ctx, o.API, organization, statuses)
	all := c.listed(organization, statuses, found, failed)
	if c.options.Observe != nil {
		r.Tokens, r.Failed = all.Tokens, all.Failed
		c.options.Observe(ctx, r)
	}
	return all
}

func (c *Cache) listed(organization string, statuses []azuredevops.Status, found [][]azuredevops.Token, failed []Missing) Organization {
	if len(found) != 1 || len(failed) > 0 || len(found[0]) == 0 || len(found[0]) > keptSize {
		return Organization{Name: organization, Tokens: merged(organization, statuses, found), Failed: failed}
	}
	of := list{organization, statuses[0], &found[0][0], len(found[0])}
	known, ok := c.lists.Get(of)
	if !ok {
		known = Organization{Name: organization, Reading: c.readings.Add(1), Tokens: merged(organization, statuses, found)}
		c.lists.Add(of, known)
	}
	return known
}

// readLists asks for each list. found is in the order of statuses; of one that failed it has what came before.
func readLists(ctx context.Context, api *azuredevops.Caller, organization string, statuses []azuredevops.Status) (found [][]azuredevops.Token, failed []Missing) {
	found = make([][]azuredevops.Token, len(statuses))
	errs := make([]error, len(statuses))
	var group panics.Group
	for i, status := range statuses {
		group.Go(func() error {
			found[i], errs[i] = api.List(ctx, organization, status)
			return nil // each failure is shown beside the others' results
		})
	}
	_ = group.Wait() // always nil, see above
	for i, err := range errs {
		if err != nil {
			failed = append(failed, Missing{statuses[i], err})
		}
	}
	return found, failed
}

// merged is the tokens of an organization's lists, each once.
func merged(organization string, statuses []azuredevops.Status, found [][]azuredevops.Token) []Token {
	count := 0
	for i := range found {
		count += len(found[i])
	}
	tokens := make([]Token, 0, count)
	for i, status := range statuses {
		for k := range found[i] {
			tokens = append(tokens, Token{Token: found[i][k], Status: status, Organization: organization})
		}
	}
	if len(statuses) > 1 { // each of them lists a token once
		tokens = once(tokens, anyToken)
	}
	markTwins(tokens, anyToken)
	return tokens
}
