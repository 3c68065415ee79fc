// Package overview shows the tokens of all organizations: what needs attention, when they end, the table, and exports
// of it.
package overview

import "github.com/patdesk/patdesk/internal/inventory"

// Handlers are the actions of this area.
type Handlers struct {
	Inventory *inventory.Cache
}
