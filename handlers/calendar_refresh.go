package handlers

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/session"
)

// read is readLists, and lets the person's calendar know what was found. That fails for itself: a list is no worse for it.
func (h *Handlers) read(ctx context.Context, person string, caller *azuredevops.Caller, organization string, statuses []azuredevops.Status) (tokens []listedToken, failed []missingPart) {
	begun := h.Now()
	tokens, failed = readLists(ctx, caller, organization, statuses)
	err := h.refreshCalendar(context.WithoutCancel(ctx), person, organization, begun, statuses, tokens, failed)
	switch {
	case errors.Is(err, session.ErrFull):
		h.Telemetry.Limited(limitFull)
	case err != nil:
		h.Log.WarnContext(ctx, "a calendar could not be refreshed", "request_id", requestID(ctx), "error", err)
	}
	return tokens, failed
}

// refreshCalendar keeps the active tokens, if all of them were read. What an organization that there isn't any more had
// goes; any other failure says nothing about the tokens.
func (h *Handlers) refreshCalendar(
	ctx context.Context, person, organization string, begun time.Time, statuses []azuredevops.Status, tokens []listedToken, failed []missingPart,
) error {
	for _, part := range failed {
		var api *azuredevops.Error
		if part.status == azuredevops.Active && errors.As(part.err, &api) && api.Kind == azuredevops.KindOrganization {
			return h.Calendar.Forget(ctx, person, organization)
		}
		if part.status == azuredevops.Active {
			return nil
		}
	}
	if !slices.Contains(statuses, azuredevops.Active) {
		return nil
	}
	var expiries []calendar.Expiry
	for _, t := range tokens {
		if t.status == azuredevops.Active && !t.ValidTo.IsZero() {
			expiries = append(expiries, calendar.Expiry{ID: t.AuthorizationID, Name: namedPlainly(t.DisplayName), Ends: endOf(t), Global: t.Global()})
		}
	}
	return h.Calendar.Refresh(ctx, person, organization, begun, expiries)
}

// endOf is when a token really stops working: a global one ends with all global ones, whatever its date says.
func endOf(t listedToken) time.Time {
	if t.Global() && t.ValidTo.After(globalTokensEnd) {
		return globalTokensEnd
	}
	return t.ValidTo
}

// fillCalendar reads all organizations anew for a calendar that was just made, and waits for a moment until that is done.
// What takes longer goes on, and comes into the calendar later.
func (h *Handlers) fillCalendar(v *visit) {
	h.snapshots.outdate(v.session.Hash(), "", h.Now())
	enough := time.NewTimer(calendarWait)
	defer enough.Stop()
	_ = h.takeStock(v, enough.C) // each organization's failure stands on the overview
}
