package operation

import (
	"crypto/sha256"
	"encoding/base64"

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

// Target is what the form is bound to.
func (r *Request) Target() string {
	if r.Before == nil {
		return ""
	}
	return r.Organization + "/" + r.Before.AuthorizationID
}

// fingerprint distinguishes what requests with the same form ask for: by what was typed. What is derived from that
// (which fields differ from the token as it is, a date counted from now) differs between two clicks.
func (r *Request) fingerprint() string {
	sum := sha256.Sum256([]byte(string(r.Action) + "\n" + r.Target() + "\n" + r.Content))
	return base64.RawURLEncoding.EncodeToString(sum[:])
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
