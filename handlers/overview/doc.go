// Package overview shows the tokens of all organizations: what needs attention and when they end; the list, of one or
// of all; and exports of it.
package overview

import (
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/inventory"
)

// Handlers are the actions of this area.
type Handlers struct {
	Inventory *inventory.Cache
	Outcomes  outcome.Outcomes
	summaries *lru.Cache[seen, summary]
	listings  *lru.Cache[listingFor, keptListing]
}

// New makes the Handlers.
func New(all *inventory.Cache, outcomes outcome.Outcomes) *Handlers {
	return &Handlers{Inventory: all, Outcomes: outcomes, summaries: newSummaries(), listings: newListings()}
}
