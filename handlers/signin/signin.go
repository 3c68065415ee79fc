// Package signin has the pages around a session: what patdesk is, leaving for Entra ID, coming back, and signing out.
package signin

import (
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// Handlers are the actions of this area.
type Handlers struct {
	Site      *web.Site
	Sessions  *session.Manager
	Entra     *entra.Provider
	Journal   *operation.Journal
	Batches   *batch.Batches
	Inventory *inventory.Cache
}
