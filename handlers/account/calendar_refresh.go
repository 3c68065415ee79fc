package account

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/internal/session"
)

// RefreshCalendars puts what was read of an organization into the person's calendar. That fails for itself: a list is
// no worse for it.
func RefreshCalendars(feeds *calendar.Feeds, t web.Telemetry, log *slog.Logger) func(context.Context, inventory.Read) {
	return func(ctx context.Context, r inventory.Read) {
		err := refreshCalendar(context.WithoutCancel(ctx), feeds, r)
		switch {
		case errors.Is(err, session.ErrFull):
			t.Limited(web.LimitFull)
		case err != nil:
			log.WarnContext(ctx, "a calendar could not be refreshed", "request_id", web.RequestID(ctx), "error", err)
		}
	}
}

// refreshCalendar keeps the active tokens, if all of them were read. What an organization that there isn't any more had
// goes; any other failure says nothing about the tokens, and is noted.
func refreshCalendar(ctx context.Context, feeds *calendar.Feeds, r inventory.Read) error {
	for _, missing := range r.Failed {
		var api *azuredevops.Error
		switch {
		case missing.Status != azuredevops.Active:
			continue
		case errors.As(missing.Err, &api) && api.Kind == azuredevops.KindOrganization:
			return feeds.Forget(ctx, r.Person, r.Organization)
		case errors.Is(missing.Err, context.Canceled): // no request waited for it
			return nil
		}
		return feeds.Miss(ctx, r.Person, r.Organization, r.Begun)
	}
	if !slices.Contains(r.Statuses, azuredevops.Active) {
		return nil
	}
	if has, err := feeds.Has(ctx, r.Person); err != nil || !has {
		return err
	}
	var expiries []calendar.Expiry
	for _, t := range r.Tokens {
		if t.Status != azuredevops.Active {
			continue
		}
		e := calendar.Expiry{ID: t.AuthorizationID, Name: plaintext.Name(t.DisplayName), Begins: t.ValidFrom.UTC(), Global: t.Global()}
		if !t.ValidTo.IsZero() {
			e.Ends = t.Ends()
		}
		expiries = append(expiries, e)
	}
	return feeds.Refresh(ctx, r.Person, r.Organization, r.Begun, expiries)
}

// fillCalendar reads all organizations anew for a calendar that was just made, and waits for a moment until that is
// done. What takes longer goes on, and comes into the calendar later.
func (h *Handlers) fillCalendar(v *web.Request) {
	h.Inventory.Invalidate(v.Session.Hash(), "", h.Site.Now())
	_ = h.Inventory.Load(v.Context(), v.Owner(), time.After(calendarWait)) // each organization's failure stands on the overview
}
