// Package handlers is the route table, which carries the policy of every route, and puts the areas of pages together.
//
// Each area has a folder: its actions, a file each, with their forms and page structs. Areas stand on handlers/web and
// on the packages below, never on each other.
package handlers

import (
	"github.com/patdesk/patdesk/handlers/account"
	"github.com/patdesk/patdesk/handlers/bulk"
	"github.com/patdesk/patdesk/handlers/changes"
	"github.com/patdesk/patdesk/handlers/globaltokens"
	"github.com/patdesk/patdesk/handlers/overview"
	"github.com/patdesk/patdesk/handlers/signin"
	"github.com/patdesk/patdesk/handlers/tokens"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/inventory"
)

// Options is what the handlers need.
type Options struct {
	web.Options // but Inventory, which New makes

	Calendar      *calendar.Feeds
	Organizations []string // fixed by the operator; empty = discovered
	AzureURL      string   // https://dev.azure.com, for links to the token page of Azure DevOps
}

// Handlers answers requests.
type Handlers struct {
	Site     *web.Site
	signin   *signin.Handlers
	account  *account.Handlers
	tokens   *tokens.Handlers
	overview *overview.Handlers
	global   *globaltokens.Handlers
	changes  *changes.Handlers
	bulk     *bulk.Handlers
}

// New makes Handlers.
func New(o Options) (*Handlers, error) {
	o.Options = o.WithDefaults()
	o.Inventory = inventory.New(inventory.Options{
		Organizations: o.Organizations, SignInNeeded: web.SignInHelps, Observe: account.RefreshCalendars(o.Calendar, o.Telemetry, o.Log), Now: o.Now, Log: o.Log,
	})
	site, err := web.New(o.Options)
	if err != nil {
		return nil, err
	}
	outcomes := outcome.Outcomes{Journal: o.Journal, Demo: o.Demo}
	return &Handlers{
		Site:     site,
		signin:   &signin.Handlers{Site: site, Sessions: o.Sessions, Entra: o.Entra, Journal: o.Journal, Batches: o.Batches, Inventory: o.Inventory},
		account:  &account.Handlers{Site: site, Sessions: o.Sessions, Entra: o.Entra, Calendar: o.Calendar, Inventory: o.Inventory},
		tokens:   &tokens.Handlers{Site: site, Journal: o.Journal, Inventory: o.Inventory, Outcomes: outcomes, AzureURL: o.AzureURL},
		overview: overview.New(o.Inventory, outcomes),
		global:   &globaltokens.Handlers{Site: site, Journal: o.Journal, Inventory: o.Inventory, Outcomes: outcomes},
		changes:  &changes.Handlers{Site: site, Journal: o.Journal, Batches: o.Batches, Outcomes: outcomes},
		bulk:     &bulk.Handlers{Site: site, Entra: o.Entra, Journal: o.Journal, Batches: o.Batches, Inventory: o.Inventory},
	}, nil
}
