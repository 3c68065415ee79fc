package inventory

import "time"

// Inventory is what is known of a person's tokens at one moment.
type Inventory struct {
	Discovering   bool  // the organizations themselves are still being looked for
	DiscoveryErr  error // why they couldn't be found
	Organizations []Organization
	Tokens        []Token   // each once, a global one too
	Since         time.Time // the oldest of what was read; zero: nothing was
}

// Organization is how far one organization was read.
type Organization struct {
	Name    string
	Loading bool
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

// Complete says that nothing is still being read.
func (i Inventory) Complete() bool { return !i.Discovering && i.Loading() == 0 }

// inventoryOf is what these organizations hold at this moment.
func inventoryOf(all []*orgTokens) (i Inventory) {
	for _, one := range all {
		o := Organization{Name: one.organization, Loading: !closed(one.done)}
		if !o.Loading {
			o.Failed, o.Tokens = one.failed, one.tokens
			if i.Since.IsZero() || one.ended.Before(i.Since) {
				i.Since = one.ended
			}
			i.Tokens = append(i.Tokens, one.tokens...)
		}
		i.Organizations = append(i.Organizations, o)
	}
	i.Tokens = once(i.Tokens, Token.Global) // each organization's own are so already
	markTwins(i.Tokens, Token.Global)
	return i
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
