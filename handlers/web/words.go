package web

import (
	"cmp"
	"maps"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// DateLayout is that of <input type=date>.
const DateLayout = "2006-01-02"

// Day is one of 24 hours.
const Day = 24 * time.Hour

// NameOf names a token, by its id if it has no name that shows.
func NameOf(t *azuredevops.Token) string {
	if t == nil {
		return ""
	}
	return cmp.Or(visible(t.DisplayName), t.AuthorizationID)
}

// Nameless reports whether nothing of a name shows.
func Nameless(name string) bool { return plaintext.Blank(name) }

// visible is a name, "" for one of which nothing shows.
func visible(name string) string {
	if Nameless(name) {
		return ""
	}
	return name
}

// ShownName is a token's name, or what stands for one that has none that shows.
func ShownName(w *templates.Words, name string) string {
	if Nameless(name) {
		return w.Message("token.unnamed", nil).Title
	}
	return name
}

// WorksIn names the organizations where a token works that is read and changed through this one.
func WorksIn(w *templates.Words, t *azuredevops.Token, organization string) string {
	if t.Global() {
		return w.Message("organization.all", nil).Title
	}
	return organization
}

// Ends words when a token stops working. A global one stops with all global ones, whatever its own date, which is named
// beside that; one that was revoked has stopped before.
func Ends(v *Request, t inventory.Token) templates.When {
	if t.Status == azuredevops.Revoked {
		return v.When(t.ValidTo)
	}
	return TokenEnds(v, &t.Token)
}

// TokenEnds is Ends of a token that isn't revoked.
func TokenEnds(v *Request, known *azuredevops.Token) templates.When {
	t := inventory.Token{Token: *known}
	if t.Ends().Equal(t.ValidTo) {
		return v.When(t.ValidTo)
	}
	end := v.When(t.Ends())
	end.Note = GlobalText(v, "global.ends.", map[string]any{"Date": v.When(t.ValidTo).Date}).Title
	return end
}

// StatusOf words a token's status. A global one that all global ones have stopped with reads as over, although the
// service still lists it as active.
func StatusOf(v *Request, t inventory.Token) (text, class string) {
	if t.GlobalOver(v.Now) {
		return v.Words.Message("status.stopped", nil).Title, string(azuredevops.Expired)
	}
	return v.Words.Message("status."+string(t.Status), nil).Title, string(t.Status)
}

// GlobalOver reports whether t is global and has stopped with all global tokens.
func GlobalOver(v *Request, t *azuredevops.Token) bool {
	return t.Global() && azuredevops.GlobalTokensOver(v.Now)
}

// GlobalText is the message with that prefix for the time before or after global tokens end. Before, it can name how far
// away that is.
func GlobalText(v *Request, prefix string, words map[string]any) templates.Text {
	tense, all := "after", map[string]any{}
	maps.Copy(all, words)
	if !azuredevops.GlobalTokensOver(v.Now) {
		tense, all["When"] = "before", v.When(azuredevops.GlobalTokensEnd).Relative
	}
	return v.Words.Message(prefix+tense, all)
}

// ChangedIn names the organizations that a change is about: all of them where it changes a global token itself.
func ChangedIn(w *templates.Words, op *operation.Operation) string {
	if (op.Action == operation.Update || op.Action == operation.Revoke) && op.Before != nil {
		return WorksIn(w, op.Before, op.Organization)
	}
	return op.Organization
}

// OddText says what of a token's record isn't understood, "" if all of it is.
func OddText(w *templates.Words, t *azuredevops.Token) string {
	if len(t.Odd) == 0 {
		return ""
	}
	var members []string
	for _, m := range t.Odd {
		members = append(members, w.Text("tokenMember."+string(m)))
	}
	text := w.Text("token.odd", "Members", w.List(members))
	if !t.Addressable() {
		text = w.Sentences(text, w.Text("token.unaddressed"))
	}
	return text
}

// Copyable reports whether a token's name and scopes are known, so that another one can be made like it.
func Copyable(t *azuredevops.Token) bool {
	return strings.TrimSpace(t.DisplayName) != "" && len(t.Scopes) > 0 &&
		!t.NotUnderstood(azuredevops.MemberDisplayName) && !t.NotUnderstood(azuredevops.MemberScope)
}

// TokenURL is a token's page, for links from operations.
func TokenURL(v *Request, organization string, t *azuredevops.Token) string {
	if t == nil || t.AuthorizationID == "" {
		return ""
	}
	return v.Link(TokenPath(organization, t.AuthorizationID, ""))
}

// BulkVerbs are what can be done with many tokens at once, by the word in addresses.
var BulkVerbs = map[string]operation.Action{"rotate": operation.Rotate, "extend": operation.Update, "revoke": operation.Revoke}

// BulkVerb is the word for an action.
func BulkVerb(a operation.Action) string {
	for verb, action := range BulkVerbs {
		if action == a {
			return verb
		}
	}
	return ""
}

// OperationWords is what the catalogue's sentences about an operation can name.
func OperationWords(v *Request, op *operation.Operation) map[string]any {
	words := map[string]any{
		"Organization": op.Organization, "Token": plaintext.InSentence(OperationToken(v.Words, op)), "Action": string(op.Action),
		"Until": v.When(op.SecretUntil).Relative, "Asked": v.When(op.Want.ValidTo).Date, "Sent": v.When(op.Started).Clock,
	}
	if v.Now.Before(op.LookUntil) && (op.State != operation.Unknown || !op.Dismissed) {
		words["LookUntil"] = v.When(op.LookUntil).Clock
	}
	if !op.RevokeAt.IsZero() {
		at := v.When(op.RevokeAt)
		words["Date"], words["Clock"] = at.Date, v.Words.Clock(at.ISO) // it was chosen to the minute
	}
	if op.Into != nil {
		words["Secret"] = op.Into.Secret.String()
	}
	if op.Result != nil {
		words["Granted"] = v.When(op.Result.ValidTo).Date
	}
	return words
}

// OperationToken names the token that an operation is about.
func OperationToken(w *templates.Words, op *operation.Operation) string {
	return cmp.Or(visible(op.Want.DisplayName), NameOf(op.Before), NameOf(op.Result), w.Message("token.unnamed", nil).Title)
}

// browsers and systems are what the User-Agent of a browser has in it, the more special ones first: nearly all of them
// call themselves Safari and Linux too.
var (
	browsers = []productMark{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}}
	systems  = []productMark{{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

type productMark struct{ mark, name string }

func productName(marks []productMark, userAgent string) string {
	for _, m := range marks {
		if strings.Contains(userAgent, m.mark) {
			return m.name
		}
	}
	return ""
}

// BrowserName words a User-Agent: "Firefox on Windows". One that isn't a known browser's stays as it is.
func BrowserName(w *templates.Words, userAgent string) string {
	browser := productName(browsers, userAgent)
	if browser == "" {
		return userAgent
	}
	return w.Message("sessions.browser", map[string]any{"Browser": browser, "System": productName(systems, userAgent)}).Title
}
