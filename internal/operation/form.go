package operation

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

const (
	// formLife is how long a form may be sent after it was drawn. It must stay well below finishedLife, so that the
	// record of an operation outlives every chance to send its form again.
	formLife = 12 * time.Hour
	// formSkew is how far ahead the clock of the replica that drew the form may be.
	formSkew = time.Hour

	idSize   = 16 // random bytes: 128 bits can't be guessed
	timeSize = 8

	formPurpose  = "operation form"
	stampPurpose = "operation form stamp"
)

// A form id is stateless: random ‖ seconds since 1970 ‖ stamp ‖ MAC over random and time with person, action and target.
// So drawing a form writes nothing, any replica can check it, and a form outlives the session in which it was drawn (but
// not the person). The random part is the operation's ID. The stamp is a MAC over random and time alone: it shows that a
// form was drawn here when its person can't be told any more, because the sign-in is over.
var formEncoding = base64.RawURLEncoding.Strict()

// Form returns a new form id, bound to person, action and target ("organization/authorizationId", or "" for create).
func (j *Journal) Form(person string, a Action, target string) string {
	b := make([]byte, idSize, idSize+timeSize+2*sha256.Size)
	rand.Read(b)
	id := formEncoding.EncodeToString(b)
	drawn := j.options.Now().Unix()
	b, _ = binary.Append(b, binary.BigEndian, drawn) // an int64 has a size, so it never fails
	b = append(b, j.records.MAC(stampPurpose, id, strconv.FormatInt(drawn, 10))...)
	b = append(b, j.records.MAC(formPurpose, formParts(id, drawn, person, a, target)...)...)
	return formEncoding.EncodeToString(b)
}

// Check says if form is genuine: ErrForged, or ErrStale after 12 hours.
func (j *Journal) Check(form, person string, a Action, target string) error {
	_, err := j.check(form, person, a, target)
	return err
}

// check is Check and returns the operation's ID.
func (j *Journal) check(form, person string, a Action, target string) (id string, err error) {
	f, ok := parseForm(form)
	if !ok || !j.records.CheckMAC(f.mac, formPurpose, formParts(f.id, f.drawn, person, a, target)...) {
		return "", ErrForged
	}
	if !j.fresh(f) {
		return "", ErrStale
	}
	return f.id, nil
}

func (j *Journal) fresh(f formID) bool {
	age := j.options.Now().Sub(time.Unix(f.drawn, 0))
	return age <= formLife && age >= -formSkew
}

// Drew says that form was drawn here, for whomever, and isn't stale. It is for deciding what may be kept for somebody
// who isn't signed in any more; only Check says whose form it is.
func (j *Journal) Drew(form string) bool {
	f, ok := parseForm(form)
	return ok && j.fresh(f) && j.records.CheckMAC(f.stamp, stampPurpose, f.id, strconv.FormatInt(f.drawn, 10))
}

// formID is a form id taken apart, unchecked.
type formID struct {
	id         string
	drawn      int64 // seconds since 1970
	stamp, mac []byte
}

func parseForm(form string) (f formID, ok bool) {
	b, err := formEncoding.DecodeString(form)
	if err != nil || len(b) != idSize+timeSize+2*sha256.Size {
		return f, false
	}
	if _, err := binary.Decode(b[idSize:], binary.BigEndian, &f.drawn); err != nil {
		return f, false
	}
	f.id = formEncoding.EncodeToString(b[:idSize])
	f.stamp, f.mac = b[idSize+timeSize:][:sha256.Size], b[idSize+timeSize+sha256.Size:]
	return f, true
}

func formParts(id string, drawn int64, person string, a Action, target string) []string {
	return []string{id, strconv.FormatInt(drawn, 10), person, string(a), target}
}

// fingerprint tells requests of the same form apart by what they ask for, all but ValidTo (see sameExpiry). The token as
// it was is left out: it changes by the very operation. Where the form's content is given, that alone counts: what is
// derived from it (which fields differ from the token as it is, a date counted from now) differs between two clicks.
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

// repeats says if r asks for the same as an earlier request with the same form, of which the fingerprint and ValidTo are
// known.
func (r *Request) repeats(fingerprint string, validTo time.Time, elapsed time.Duration) bool {
	return r.fingerprint() == fingerprint && (r.Content != "" || sameExpiry(validTo, r.Want.ValidTo, elapsed))
}

// sameExpiry says if second, asked for elapsed after first, can come from the same choice on a form: a fixed date stays,
// "90 days" moves with the clock. A form lives half a day, so another choice of days is always told apart.
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

// wanted is what the service is to be asked for: a rotation keeps the old token's name, and its scopes unless others were
// chosen.
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
