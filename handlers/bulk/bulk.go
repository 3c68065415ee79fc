// Package bulk has the pages of changes to many tokens at once: choosing them, the plan, the run, and its secrets.
package bulk

import (
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
)

// Handlers are the actions of this area.
type Handlers struct {
	Site      *web.Site
	Entra     *entra.Provider
	Journal   *operation.Journal
	Batches   *batch.Batches
	Inventory *inventory.Cache
}
