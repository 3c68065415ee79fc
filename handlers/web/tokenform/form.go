// Package tokenform is the form for a new token and for changing one: its fields, the picker of scopes, and what is
// wrong with what was typed.
package tokenform

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/templates"
)

const maxNameLength = 1024 // characters; the service's own limit is not documented, it answers invalidDisplayName

const MaxTokenLife = 365 * 24 * time.Hour

// Page is the form for a new token and for changing one.
type Page struct {
	web.Base
	FormAction          string
	Form                string
	Errors              []web.FieldError
	Problem             *web.ProblemSummary
	Remarks             []web.Notice // on how this form was filled in, or that it was sent
	Name                string
	NameError           string
	OrganizationChoices []web.Option
	CanTypeOrganization bool
	OrganizationTyped   string
	OrganizationError   string
	Expiry              []web.Option
	Date                string
	DateMin, DateMax    string
	ExpiryError         string
	Groups              []scopeGroup // common ones, and those with a choice
	MoreGroups          []scopeGroup // folded away
	OtherScopes         string
	ScopesError         string
	Full                bool
	FullName            web.Term
	Presets             []Preset
	JustChosen          bool   // one of them was chosen on this form: the focus stays there
	NameNote            string // another token has this name
	LinkURL             string // opens this form, filled in as it is now
	ScopesURL           string
	CancelURL           string
	TokenName           string      // of the token being changed
	GlobalNote          string      // what becomes of it where it is global
	GlobalURL           string      // the form that replaces it then
	Vault               *VaultPart  // nil: secrets go into no vault
	Current             []web.Field // what it is now
}

// Form is what was typed. It is kept as typed until the service has taken it.
type Form struct {
	Name, Organization string
	Expiry, Date       string
	Zone               *time.Location // in which Date is a day; nil: that of the reader
	Scopes             Scopes
	FormID             string // the operation's form id
	Vault              Vault
}

// Faults are catalogue keys by field id.
type Faults map[string]string

// Add notes what is wrong with a field; "" says that nothing is.
func (f Faults) Add(field, key string) {
	if key != "" {
		f[field] = key
	}
}

// The order in which faults are listed, which is the order of the fields on the page.
var faultOrder = []string{"name", "organization", "expiry", "scopes", "vault", "vault-secret", "old"}

// KeepsLife is the choice of an expiry that gives a new token the length of life of its old one, see SameLife.
const KeepsLife = "same"

var lifeChoices = []struct {
	value string
	life  time.Duration
}{{"7", 7 * web.Day}, {"30", 30 * web.Day}, {"60", 60 * web.Day}, {"90", 90 * web.Day}, {"365", MaxTokenLife}}

// shortLife is the longest that a link from another site may propose.
const shortLife = 90 * web.Day

// KnownExpiry reports whether the form has that choice of an expiry.
func KnownExpiry(choice string) bool { return choice == "date" || lifeOf(choice) > 0 }

// ShortExpiry reports whether a choice of an expiry is of at most 90 days.
func ShortExpiry(choice string) bool { return lifeOf(choice) > 0 && lifeOf(choice) <= shortLife }

func lifeOf(choice string) time.Duration {
	for _, c := range lifeChoices {
		if c.value == choice {
			return c.life
		}
	}
	return 0
}

// Read takes what was typed from a form or an address.
func Read(values url.Values) Form {
	return Form{
		Name: strings.TrimSpace(values.Get("name")), Organization: strings.TrimSpace(values.Get("organization")),
		Expiry: values.Get("expiry"), Date: strings.TrimSpace(values.Get("date")), Zone: ReadZone(values),
		Scopes: ReadScopes(values), FormID: values.Get("form"), Vault: readVault(values),
	}
}

// ReadZone is the time zone in which a form asked for a date. The page that it is sent from may have been drawn before
// the browser has said where its reader lives, and what the page says counts.
func ReadZone(values url.Values) *time.Location {
	return web.ZoneNamed(values.Get(web.ZoneField))
}

// Texts words the faults, in the order of the fields, and by field.
func (f Faults) Texts(w *templates.Words) (list []web.FieldError, byField map[string]string) {
	byField = map[string]string{}
	for _, id := range slices.Concat(faultOrder, f.rows()) {
		if key, ok := f[id]; ok {
			text := w.Message(key, map[string]any{"Max": maxNameLength}).What
			list = append(list, web.FieldError{ID: id, Text: text})
			byField[id] = text
		}
	}
	return list, byField
}

// rows are the fields of secrets' names that faults are of, where there are several.
func (f Faults) rows() (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(f)) {
		if strings.HasPrefix(id, secretField+"-") {
			ids = append(ids, id)
		}
	}
	return ids
}

// NameFault says what is wrong with a name, as far as it can be known before the service says so.
func NameFault(name string) string {
	switch {
	case name == "":
		return "form.nameRequired"
	case utf8.RuneCountInString(name) > maxNameLength:
		return "form.nameTooLong"
	case strings.ContainsRune(name, utf8.RuneError) || strings.ContainsFunc(name, unicode.IsControl): // the rune stands for what isn't UTF-8
		return "form.nameInvalid"
	case web.Nameless(name):
		return "form.nameRequired"
	default:
		return ""
	}
}

// DateFault says that a date was typed and something else than it was chosen. A browser without scripts leaves that as
// it is, and which of the two is meant only their owner knows.
func (f Form) DateFault() string {
	if f.Expiry != "date" && f.Date != "" {
		return "form.dateNotChosen"
	}
	return ""
}

// ValidTo is the end that was chosen: a number of days from now, or the end of a day.
func (f Form) ValidTo(now time.Time) (time.Time, string) {
	if fault := f.DateFault(); fault != "" {
		return time.Time{}, fault
	}
	if life := lifeOf(f.Expiry); life > 0 {
		return now.Add(life).UTC().Truncate(time.Second), ""
	}
	if f.Expiry != "date" {
		return time.Time{}, "form.expiryRequired"
	}
	if f.Zone != nil {
		now = now.In(f.Zone)
	}
	date, err := time.ParseInLocation(web.DateLayout, f.Date, now.Location())
	switch {
	case err != nil:
		return time.Time{}, "form.dateInvalid"
	case date.Before(web.Midnight(now)):
		return time.Time{}, "form.datePast"
	case date.After(now.Add(MaxTokenLife)):
		return time.Time{}, "form.dateTooFar"
	}
	end := date.AddDate(0, 0, 1).Add(-time.Second).UTC()
	if latest := now.Add(MaxTokenLife).UTC().Truncate(time.Second); end.After(latest) {
		end = latest
	}
	return end, ""
}

// DateRange are the first and the last day that may be chosen at now, in its time zone.
func DateRange(now time.Time) (first, last string) {
	return now.Format(web.DateLayout), now.Add(MaxTokenLife).Format(web.DateLayout)
}

// ExpiryOptions are the choices of an end; keep is the date of the one that a token has, "" if it has none yet.
func (f Form) ExpiryOptions(v *web.Request, keep string) []web.Option {
	var out []web.Option
	if keep != "" {
		out = append(out, web.Option{Value: "keep", Text: v.Words.Message("expiry.keep", map[string]any{"Date": keep}).Title})
	}
	for _, c := range lifeChoices {
		text := v.Words.Message("expiry."+c.value, map[string]any{"Date": v.When(v.Now.Add(c.life)).Date})
		out = append(out, web.Option{Value: c.value, Text: text.Title, Hint: text.What})
	}
	own := v.Words.Message("expiry.date", nil)
	out = append(out, web.Option{Value: "date", Text: own.Title, Hint: own.What})
	for i := range out {
		out[i].Selected = out[i].Value == f.Expiry
	}
	return out
}

// Fill puts what was typed, and what is wrong with it, into the page.
func (f Form) Fill(v *web.Request, p *Page, faults Faults, keep string) {
	list, byField := faults.Texts(v.Words)
	p.Errors, p.NameError, p.OrganizationError = list, byField["name"], byField["organization"]
	p.ExpiryError, p.ScopesError = byField["expiry"], byField["scopes"]
	p.Name, p.Date, p.Form = f.Name, f.Date, f.FormID
	p.DateMin, p.DateMax = DateRange(v.Now)
	p.Expiry = f.ExpiryOptions(v, keep)
	p.Groups, p.MoreGroups = f.Scopes.groups(v.Words)
	p.OtherScopes, p.Full = f.Scopes.other, f.Scopes.Full
	p.Failed = p.Problem != nil || len(list) > 0
	p.ScopesURL, p.FullName = v.Link(web.ScopesPath), web.ScopeTerm(v.Words, azuredevops.FullAccess)
}

// WantedScopes returns the chosen scopes, and notes what is wrong with them.
func (f Form) WantedScopes(faults Faults) []string {
	scopes, fault := f.Scopes.All()
	faults.Add("scopes", fault)
	return scopes
}

// SameLife is the length of life that a new token gets which is to live as long as t. given is how long t's present end
// was given for, where that is known (operation.Journal.GivenLives), 0 where it isn't. Then all that is known is t's
// beginning and end, and each extension moves the end but not the beginning: what lies between them is taken for what t
// was given up to 90 days, and where it is a year, the most that the service gives at once. Anything else may be the sum
// of several extensions, and counts as 90 days. So extending a token and rotating it again and again never makes its
// life longer and longer. It is in whole days, between one and MaxTokenLife, but for tokens of less than a day.
func SameLife(t azuredevops.Token, given time.Duration) time.Duration {
	if given > 0 {
		return min(wholeDays(given), MaxTokenLife)
	}
	life := wholeDays(t.ValidTo.Sub(t.ValidFrom))
	switch {
	case t.ValidFrom.IsZero() || life <= 0:
		return 30 * web.Day
	case life <= longestSum:
		return life
	case life == MaxTokenLife, life == MaxTokenLife+web.Day: // of a leap year
		return MaxTokenLife
	default:
		return longestSum
	}
}

// longestSum is the longest life that is believed to have been given at once, but for a year.
const longestSum = 90 * web.Day

// wholeDays takes off what isn't a whole day. A plan of many tokens counts from when it was made, up to two hours before
// it is carried out; a life is not to lose a day by that each time.
func wholeDays(life time.Duration) time.Duration {
	if days := (life + 3*time.Hour).Truncate(web.Day); days > 0 {
		return days
	}
	return life
}
