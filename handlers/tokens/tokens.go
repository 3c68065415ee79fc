// Package tokens has the pages of single tokens: looking at one, creating, changing, revoking and rotating it.
package tokens

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
	AzureURL  string // https://dev.azure.com, for links to the token page of Azure DevOps
}
