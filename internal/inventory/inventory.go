package inventory

import (
	"slices"
	"time"
)

// Inventory is what is known of a person's tokens at one moment.
type Inventory struct {
	Discovering   bool  // the organizations themselves are still being looked for
	DiscoveryErr  error // why they couldn't be found
	Organizations []Organization
	Since         time.Time // the oldest of what was read; zero: nothing was
}

// Organization is how far one organization was read.
type Organization struct {
	Name    string
	Loading bool
	Reading uint64 // which reading of it this is: two that are the same have the same tokens; 0: one that doesn't come again
	Failed  []Missing
	Tokens  []Token // as the organization lists them; not to be changed
}

// Loading counts the organizations that are still being read.
func (i Inventory) Loading() (n int) {
	for _, o := range i.Organizations {
		if o.Loading {
			n++
		}
	}
	return n
}

// Complete reports whether nothing is still being read.
func (i Inventory) Complete() bool { return !i.Discovering && i.Loading() == 0 }

// ComesAgain reports whether all of it is of readings that can be the same again.
func (i Inventory) ComesAgain() bool {
	return i.Complete() && !slices.ContainsFunc(i.Organizations, func(o Organization) bool { return o.Reading == 0 })
}

// inventoryOf is what these organizations hold at this moment.
func inventoryOf(all []*orgTokens) (i Inventory) {
	for _, one := range all {
		o := Organization{Name: one.organization, Loading: !closed(one.done)}
		if !o.Loading {
			o.Failed, o.Tokens, o.Reading = one.failed, one.tokens, one.number
			if i.Since.IsZero() || one.ended.Before(i.Since) {
				i.Since = one.ended
			}
		}
		i.Organizations = append(i.Organizations, o)
	}
	return i
}

// Tokens are those of all organizations, each once, a global one too. They are put together anew by each call.
func (i Inventory) Tokens() []Token {
	var all []Token
	for _, o := range i.Organizations {
		all = append(all, o.Tokens...)
	}
	all = once(all, (*Token).Global) // each organization's own are so already
	markTwins(all, (*Token).Global)
	return all
}

// SignInErr is the error that leads to a new sign-in, where nothing at all could be read for want of one; needed says
// of an error that a new sign-in helps.
func (i Inventory) SignInErr(needed func(error) bool) error {
	if i.DiscoveryErr != nil && needed(i.DiscoveryErr) {
		return i.DiscoveryErr
	}
	for _, o := range i.Organizations {
		if o.Loading || len(o.Failed) == 0 || len(o.Tokens) > 0 {
			return nil
		}
		if !needed(o.Failed[0].Err) {
			return nil
		}
	}
	if len(i.Organizations) == 0 {
		return nil
	}
	return i.Organizations[0].Failed[0].Err
}
