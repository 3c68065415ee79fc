package bulk

import (
	"cmp"
	"slices"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
)

// Why a chosen token is left out. Each has its words in the catalogue, "bulk.leftOut.<reason>".
const (
	leftGlobal   = "global"   // of what isn't revoked: it has to be replaced, see /global-tokens
	leftExpired  = "expired"  // nothing can be done with it any more
	leftRevoked  = "revoked"  // likewise
	leftGone     = "gone"     // it isn't there
	leftUnread   = "unread"   // its organization couldn't be read, so nothing is known of it
	leftRotating = "rotating" // its rotation isn't finished
	leftLonger   = "longer"   // it lasts at least as long as that already
	leftOdd      = "odd"      // what is needed of it isn't understood
	leftUnnamed  = "unnamed"  // the service has sent no id by which it could be named
)

// chosenToken is one that was ticked, with what is known of it.
type chosenToken struct {
	organization, id string
	token            *inventory.Token // nil: not found
	unread           bool             // because its organization couldn't be read
}

// planBulk says which of the chosen tokens something can be done with. rotating are those whose rotation isn't
// finished.
func planBulk(action operation.Action, chosen []chosenToken, rotating func(id string) bool) (items []batch.Item, left []batch.LeftOut) {
	seen := map[string]bool{}
	for _, c := range chosen {
		if seen[c.id] && c.id != "" {
			continue
		}
		seen[c.id] = true
		reason := whyLeftOut(action, c, rotating)
		switch {
		case reason == "":
			items = append(items, batch.Item{Organization: c.organization, Before: c.token.Token})
		case c.token == nil:
			left = append(left, batch.LeftOut{Organization: c.organization, Token: azuredevops.Token{AuthorizationID: c.id, TargetAccounts: []string{}}, Reason: reason})
		default:
			left = append(left, batch.LeftOut{Organization: c.organization, Token: c.token.Token, Reason: reason})
		}
	}
	return items, left
}

func whyLeftOut(action operation.Action, c chosenToken, rotating func(id string) bool) string {
	switch {
	case c.token == nil && c.unread:
		return leftUnread
	case c.token == nil:
		return leftGone
	case !c.token.Addressable():
		return leftUnnamed
	case c.token.Status == azuredevops.Revoked:
		return leftRevoked
	case c.token.Status == azuredevops.Expired:
		return leftExpired
	case c.token.Global() && action != operation.Revoke:
		return leftGlobal
	case action == operation.Rotate && rotating(c.id):
		return leftRotating
	case action == operation.Rotate && !web.Copyable(&c.token.Token), action == operation.Update && c.token.ValidTo.IsZero():
		return leftOdd
	}
	return ""
}

// bulkExpiry is when tokens are to end: a choice of the form for one token, or tokenform.KeepsLife.
type bulkExpiry struct {
	choice, date string
	zone         *time.Location // in which date is a day
}

// bulkExpiryOf is what was chosen, or what is proposed.
func bulkExpiryOf(action operation.Action, choice, date string, zone *time.Location) bulkExpiry {
	switch {
	case choice != "":
		return bulkExpiry{choice, date, zone}
	case action == operation.Rotate:
		return bulkExpiry{choice: tokenform.KeepsLife}
	default:
		return bulkExpiry{choice: "90"}
	}
}

// fault says what is wrong with the choice, as a key of the catalogue.
func (e bulkExpiry) fault(action operation.Action, planned time.Time) string {
	form := tokenform.Form{Expiry: e.choice, Date: e.date, Zone: e.zone}
	switch {
	case action == operation.Revoke:
		return ""
	case e.choice == tokenform.KeepsLife && action == operation.Rotate:
		return form.DateFault()
	}
	_, fault := form.ValidTo(planned)
	return fault
}

// settle gives each token of a plan its new end, and leaves out those that it would shorten. Ends are counted from when
// the batch was planned, so that what happens is what the page has shown.
func (e bulkExpiry) settle(b *batch.Batch) {
	if b.Action == operation.Revoke {
		return
	}
	end, _ := tokenform.Form{Expiry: e.choice, Date: e.date, Zone: e.zone}.ValidTo(b.Planned) // its fault was found before
	settled := make([]batch.Item, 0, len(b.Items))                                            // the plan's own stay as they are
	for _, item := range b.Items {
		if b.Action == operation.Update && end.Sub(item.Before.ValidTo) <= time.Minute {
			b.LeftOut = append(b.LeftOut, batch.LeftOut{Organization: item.Organization, Token: item.Before, Reason: leftLonger})
			continue
		}
		if item.ValidTo = end; e.choice == tokenform.KeepsLife {
			life := cmp.Or(item.Life, tokenform.SameLife(item.Before, 0)) // planned by a release that didn't note it
			item.ValidTo = b.Planned.Add(life).UTC().Truncate(time.Second)
		}
		settled = append(settled, item)
	}
	b.Items = settled
}

// leaveOutRotating leaves out what has begun to be rotated since the plan was made, in another window.
func leaveOutRotating(b *batch.Batch, rotating func(id string) bool) {
	if b.Action != operation.Rotate {
		return
	}
	b.Items = slices.DeleteFunc(b.Items, func(item batch.Item) bool {
		is := rotating(item.Before.AuthorizationID)
		if is {
			b.LeftOut = append(b.LeftOut, batch.LeftOut{Organization: item.Organization, Token: item.Before, Reason: leftRotating})
		}
		return is
	})
}
