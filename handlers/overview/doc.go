// Package overview shows the tokens of all organizations: what needs attention and when they end; the list, of one or
// of all; and exports of it.
package overview

import (
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/inventory"
)

// Handlers are the actions of this area.
type Handlers struct {
	Inventory *inventory.Cache
	Outcomes  outcome.Outcomes
	summaries made[seen, summary]
	listings  made[listingFor, listing]
}

const (
	manySummaries = 64
	manyListings  = 128
)

// New makes the Handlers.
func New(all *inventory.Cache, outcomes outcome.Outcomes) *Handlers {
	return &Handlers{Inventory: all, Outcomes: outcomes, summaries: newMade[seen, summary](manySummaries), listings: newMade[listingFor, listing](manyListings)}
}
