package simulator

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxDisplayName is the simulator's own limit: Microsoft documents none.
const maxDisplayName = 255

// defaultLife is what a token gets whose creator didn't say: the dialog's preset.
const defaultLife = 30 * 24 * time.Hour

// create answers POST.
func (x *exchange) create(p Person, o Organization) *answer {
	c, refused := x.change()
	if refused != nil {
		return refused
	}
	now := x.s.now()
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	t := Token{Owner: p.Username, Organization: o.Name, TargetAccounts: []string{o.ID}, ValidFrom: serviceGrain(now)}
	if value := x.createError(c); value != "" {
		return x.patError(value)
	}
	t.DisplayName, t.Scope = *c.displayName, *c.scope
	validTo := now.Add(defaultLife)
	if c.validTo != nil {
		validTo = *c.validTo
	}
	var value string
	if t.ValidTo, value = x.expiry(validTo, now, now); value != "" {
		return x.patError(value)
	}
	made := x.s.pats.add(x.s, t)
	x.keepLag(made.AuthorizationID, nil)
	x.s.record.created++
	return x.patResult(made.wire(x.reportedSecret(made)))
}

// createError is the patTokenError that the wish deserves, "" if none.
func (x *exchange) createError(c change) string {
	switch {
	case c.allOrgs:
		return "globalPATCreationBlocked"
	case c.displayName == nil:
		return "displayNameRequired"
	case displayNameError(*c.displayName) != "":
		return displayNameError(*c.displayName)
	case c.scope == nil || !validScope(*c.scope):
		return "invalidScope"
	case c.badTime:
		return "invalidValidTo"
	}
	return ""
}

func displayNameError(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "displayNameRequired"
	case utf8.RuneCountInString(name) > maxDisplayName, strings.ContainsFunc(name, unicode.IsControl):
		return "invalidDisplayName"
	}
	return ""
}

// expiry decides when a token ends: in the future, within a year, and within the maximum lifespan counted from its
// start. Too far is shortened.
func (x *exchange) expiry(wanted, now, start time.Time) (time.Time, string) {
	if !wanted.After(now) {
		return time.Time{}, "invalidValidTo"
	}
	if year := now.Add(defaultLifespanOfAYear); wanted.After(year.Add(time.Minute)) {
		wanted = year
	}
	if most := x.s.o.MaxLifespan; most > 0 && wanted.After(start.Add(most)) {
		wanted = start.Add(most)
	}
	return serviceGrain(x.shortened(wanted, now)), ""
}

// update answers PUT: fields that weren't sent stay; the reply never has a secret.
func (x *exchange) update(p Person, o Organization) *answer {
	c, refused := x.change()
	if refused != nil {
		return refused
	}
	if !isGUID(c.id) {
		return x.patError("invalidAuthorizationId")
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	t := x.s.pats.visible(c.id, p, o)
	if t == nil {
		return x.unknownToken()
	}
	if refused := x.notThereYet(t); refused != nil {
		return refused
	}
	changed := t.clone()
	if value := x.applyUpdate(&changed, c); value != "" {
		return x.patError(value)
	}
	x.keepLag(c.id, t)
	*t = changed
	return x.patResult(t.wire(nil))
}

// applyUpdate changes t as wished, or returns the patTokenError.
func (x *exchange) applyUpdate(t *Token, c change) string {
	now := x.s.now()
	switch {
	case c.allOrgs:
		return "globalPATCreationBlocked"
	case t.Revoked:
		return "failedToUpdateAccessToken"
	case t.Status(now) == "expired":
		return "expiredPatCannotBeExtended"
	case c.badTime:
		return "invalidValidTo"
	}
	if c.displayName != nil {
		if value := displayNameError(*c.displayName); value != "" {
			return value
		}
		t.DisplayName = *c.displayName
	}
	if c.scope != nil {
		if !validScope(*c.scope) {
			return "invalidScope"
		}
		t.Scope = *c.scope
	}
	if c.validTo == nil {
		return ""
	}
	validTo, value := x.expiry(*c.validTo, now, t.ValidFrom)
	if value == "" && !validTo.After(now) { // the lifespan counts from creation
		return "patLifespanPolicyViolation"
	}
	if value == "" {
		t.ValidTo = validTo
	}
	return value
}
