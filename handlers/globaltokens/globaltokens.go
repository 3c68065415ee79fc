// Package globaltokens has the pages about tokens for all organizations: the list, replacing one by a token for each
// organization, and what became of that.
package globaltokens

import (
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
)

// Handlers are the actions of this area.
type Handlers struct {
	Site      *web.Site
	Journal   *operation.Journal
	Inventory *inventory.Cache
	Outcomes  outcome.Outcomes
}
