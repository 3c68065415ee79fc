// Package web is what every page shares: the request as an action sees it and the answer that it returns, errors as
// status, log record and page, the frame with its banners, forms with their drafts and limits, addresses and paths, the
// table of routes, and the middleware that stands around all of them.
//
// A request is read into a Request; the action decides and returns an Answer (a page, a redirect or a download);
// respond.go writes it. Nothing is written before the decision has been made, so a failure always gets a whole page.
package web

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/vault"
	"github.com/patdesk/patdesk/templates"
)

// Options is what pages need to know of the configuration, and the parts they stand on.
type Options struct {
	Sessions  *session.Manager
	Entra     *entra.Provider
	API       *azuredevops.Client
	Journal   *operation.Journal
	Batches   *batch.Batches
	Inventory *inventory.Cache

	Vaults      *vault.Client // people's; nil: none, and nothing of them is on any page
	VaultScopes []string      // what a person's access token for them is asked for with

	BaseURL        *url.URL       // public address; nil if it is not configured
	Local          *url.URL       // address on the loopback interface, used when nothing else says the public one; may be nil
	AnyPort        bool           // with Local alone: another port leads there, so any name of this machine is ours, at any port
	TrustedProxies []netip.Prefix // peers whose forwarded headers count
	RedirectPath   string         // "/getAToken"

	SignInsPerMinute int // sign-ins that one network may begin; 0: any number
	ChangesPerMinute int // requests of one person that change something; 0: any number

	ClientID  string              // named on the page that asks for admin approval
	Demo      bool                // marks every page
	Languages templates.Languages // nil: all that pages are written in
	Version   string

	Now       func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil: slog.Default
	Telemetry Telemetry        // nil: none
}

// WithDefaults fills in what was left out.
func (o Options) WithDefaults() Options {
	if o.Languages == nil {
		o.Languages = templates.Offered()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Telemetry == nil {
		o.Telemetry = noTelemetry{}
	}
	return o
}

// Site is what the pages of one patdesk share.
type Site struct {
	Options
	Limits *Limits
	Health *Health
	Forms  *formid.Forms

	readings *vault.Readings // of Vaults; nil: none
	front    *front
	sending  sending
}

// New makes a Site. It fails only if BaseURL can't be an origin.
func New(o Options) (*Site, error) {
	s := &Site{Options: o, Limits: newLimits(o), Health: &Health{Sessions: o.Sessions, Entra: o.Entra}}
	s.sending.forms = map[string]chan struct{}{}
	if o.Vaults != nil {
		s.readings = vault.NewReadings(o.Vaults, o.Log)
	}
	if o.Sessions != nil {
		s.Forms = formid.New(o.Sessions.Records(), o.Now)
	}
	guard, err := newCrossOriginGuard(o.BaseURL)
	if err != nil {
		return nil, err
	}
	s.front = &front{site: s, guard: guard}
	return s, nil
}

// front is what stands around all routes: the outermost handler, and the addresses that a request came from and to.
type front struct {
	site  *Site
	guard *http.CrossOriginProtection
}
