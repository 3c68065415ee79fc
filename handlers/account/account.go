// Package account has what a person has here beside tokens: sessions, the address of a calendar, keyboard shortcuts.
package account

import (
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/session"
)

// Handlers are the actions of this area.
type Handlers struct {
	Site      *web.Site
	Sessions  *session.Manager
	Entra     *entra.Provider
	Calendar  *calendar.Feeds
	Inventory *inventory.Cache
}
