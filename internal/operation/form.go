package operation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// Form returns a new form id, bound to person, action and target ("organization/authorizationId", or "" for create).
// Its name is the operation's ID.
func (j *Journal) Form(person string, a Action, target string) string {
	return j.forms.Draw(person, string(a), target)
}

// Check reports whether form is genuine: formid.ErrForged, or formid.ErrStale when it is too old.
func (j *Journal) Check(form, person string, a Action, target string) error {
	_, err := j.forms.Check(form, person, string(a), target)
	return err
}

// fingerprint distinguishes requests of the same form by what they ask for, all but ValidTo (see sameExpiry). The token
// as it was is left out: it changes by the very operation. Where the form's content is given, that alone counts: what
// is derived from it (which fields differ from the token as it is, a date counted from now) differs between two clicks.
func (r *Request) fingerprint() string {
	if r.Content != "" {
		sum := sha256.Sum256([]byte(string(r.Action) + "\n" + r.Target + "\n" + r.Content))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	b, err := json.Marshal(struct {
		Action                     Action
		Target, Organization, Name string
		Scopes                     []string
		Expires, RevokeAtOnce      bool
	}{r.Action, r.Target, r.Organization, r.Want.DisplayName, scopeSet(r.Want.Scopes), !r.Want.ValidTo.IsZero(), r.RevokeAtOnce})
	if err != nil {
		panic("operation: strings and bools always encode: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// repeats reports whether r asks for the same as an earlier request with the same form, of which the fingerprint and
// ValidTo are known.
func (r *Request) repeats(fingerprint string, validTo time.Time, elapsed time.Duration) bool {
	return r.fingerprint() == fingerprint && (r.Content != "" || sameExpiry(validTo, r.Want.ValidTo, elapsed))
}

// sameExpiry reports whether second, asked for elapsed after first, can come from the same choice on a form: a fixed
// date stays, "90 days" moves with the clock. A form lives half a day, so another choice of days always differs.
func sameExpiry(first, second time.Time, elapsed time.Duration) bool {
	moved := second.Sub(first)
	return moved >= -time.Minute && moved <= max(elapsed, 0)+time.Minute
}

// scopeSet is scopes without order and repetition.
func scopeSet(scopes []string) []string {
	set := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if s = strings.TrimSpace(s); s != "" {
			set = append(set, s)
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// wanted is what the service is to be asked for: a rotation keeps the old token's name, and its scopes unless others
// were chosen.
func (r *Request) wanted() azuredevops.Wanted {
	w := r.Want
	if r.Action != Rotate || r.Before == nil {
		return w
	}
	w.DisplayName = r.Before.DisplayName
	if len(w.Scopes) == 0 {
		w.Scopes = r.Before.Scopes
	}
	return w
}
