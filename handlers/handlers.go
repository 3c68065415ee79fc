// Package handlers holds what patdesk does on a request: the route table, one file for each action with its form
// and its page struct, the middleware, and the one place that turns an error into status, log record and page.
//
// A request is read into a visit; the action decides and returns an answer (a page or a redirect); respond.go
// writes it. Nothing is written before the decision has been made, so a failure always gets a whole page.
package handlers

import (
	"context"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// Options is what the handlers need to know of the configuration, and the parts they stand on.
type Options struct {
	Sessions *session.Manager
	Entra    *entra.Provider
	API      *azuredevops.Client
	Journal  *operation.Journal
	Calendar *calendar.Feeds

	BaseURL        *url.URL       // public address; nil if it is not configured
	Local          *url.URL       // address on the loopback interface, used when nothing else says the public one; may be nil
	TrustedProxies []netip.Prefix // peers whose forwarded headers count
	RedirectPath   string         // "/getAToken"

	SignInsPerMinute int // sign-ins that one network may begin; 0: any number
	ChangesPerMinute int // requests of one person that change something; 0: any number

	Organizations []string // fixed by the operator; empty = discovered
	ClientID      string   // named on the page that asks for admin approval
	AzureURL      string   // https://dev.azure.com, for links to the token page of Azure DevOps
	Demo          bool     // marks every page
	Version       string

	Now       func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil: slog.Default
	Telemetry Telemetry        // nil: nobody is told
}

// Handlers answers requests.
type Handlers struct {
	Options
	guard      *crossOriginGuard
	Inventory  *inventory.Cache
	forms      *formid.Forms
	limits     limits
	sending    sending
	finishWait time.Duration
	draining   drainState
}

// New makes Handlers. It fails only if a page that has to be there at any time can't be rendered.
func New(o Options) (*Handlers, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Telemetry == nil {
		o.Telemetry = nobody{}
	}
	h := &Handlers{
		Options: o, limits: newLimits(o), finishWait: finishWait,
	}
	if o.Sessions != nil {
		h.forms = formid.New(o.Sessions.Records(), o.Now)
	}
	h.Inventory = inventory.New(inventory.Options{
		Organizations: o.Organizations, SignInNeeded: signInHelps, Observe: h.observeRead, Now: o.Now, Log: o.Log,
	})
	guard, err := newCrossOriginGuard(o.BaseURL)
	if err != nil {
		return nil, err
	}
	h.guard = guard
	return h, nil
}

// owner is whose tokens the visitor's are.
func (h *Handlers) owner(v *visit) inventory.Owner {
	return inventory.Owner{
		Session: v.session.Hash(), Person: v.session.Person().Key(), API: h.caller(v),
		Typed: func() []string { return v.session.State().Organizations },
	}
}

// outdate drops what the session remembers of an organization, since something was changed there. A change of a
// global token is seen in all organizations.
func (h *Handlers) outdate(v *visit, organization string, t *azuredevops.Token, before time.Time) {
	if t != nil && t.Global() {
		organization = ""
	}
	h.Inventory.Invalidate(v.session.Hash(), organization, before)
}

// SnapshotBytes is how much memory people's tokens take that were read in the last minutes.
func (h *Handlers) SnapshotBytes() int64 { return h.Inventory.Bytes() }

// caller is the API on behalf of the visitor.
func (h *Handlers) caller(v *visit) *azuredevops.Caller {
	tokens, person := v.session.Tokens(), v.session.Person()
	return h.API.As(person.Key(), func(ctx context.Context) (string, error) {
		return h.Entra.AccessToken(ctx, tokens, person.Account)
	})
}
