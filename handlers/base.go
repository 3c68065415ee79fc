package handlers

import (
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// base is what the layout needs; every page struct embeds it.
type base struct {
	Root          string // path prefix of all our links: "" or "/pat"
	Title         string
	Demo          bool
	Version       string
	RequestID     string
	SignedIn      bool
	PersonName    string
	Username      string
	Organization  string                     // the current one, "" if none
	Organizations []organizationLink         // for the switcher
	Notices       []notice                   // on every page: secrets that wait, rotations half-way, unknown outcomes
	Here          string                     // address of the page below the root, to come back to
	Languages     []templates.LanguageChoice // to choose among; none where there is one language
	Section       string                     // active entry of the navigation: "overview", "tokens", "changes", "scopes", "sessions"
}

type organizationLink struct {
	Name, URL string
	Current   bool
}

// notice is a banner. Kind: "secret", "rotation", "running", "unknown", "done" or "warning".
type notice struct {
	Kind, Text, LinkText, URL string
}

type field struct{ Label, Value string }

// link offered as a next step.
type nextAction struct {
	Text, URL string
	Primary   bool
}

type when = templates.When

// base fills what every page shows. It reads the journal (for banners) and only what is already known of the
// organizations: no page view costs a call to Azure DevOps for its frame.
func (h *Handlers) base(v *visit, title, section string) base {
	b := base{
		Root: v.address.root, Title: title, Demo: h.Demo, Version: h.Version,
		RequestID: requestID(v.Context()), Section: section,
	}
	if v.session == nil || !v.session.SignedIn() {
		return b
	}
	person := v.session.Person()
	b.SignedIn, b.PersonName, b.Username = true, person.Name, person.Username
	if b.PersonName == "" {
		b.PersonName = person.Username
	}
	b.Organization = h.currentOrganization(v)
	for _, name := range h.Inventory.Known(h.owner(v)) {
		b.Organizations = append(b.Organizations, organizationLink{
			Name: name, URL: v.link(listPath(name)), Current: name == b.Organization,
		})
	}
	b.Notices = h.notices(v)
	return b
}

// notices lists what waits for the person, on every page but the one that it leads to.
func (h *Handlers) notices(v *visit) []notice {
	pending, err := h.pending(v)
	if err != nil {
		h.Log.WarnContext(v.Context(), "unfinished operations could not be listed", "error", err)
		text := templates.Message("notice.unreadable", nil)
		return []notice{{Kind: "warning", Text: text.What}}
	}
	h.Journal.LookSoon(v.Context(), h.caller(v), v.session.Person().Key(), pending)
	secrets := map[string]int{} // that wait to be saved, by batch
	for i := range pending {
		if kind, _ := noticeKind(&pending[i]); kind == "secret" {
			secrets[pending[i].Batch]++
		}
	}
	out, batches, err := h.batchNotices(v, secrets)
	if err != nil {
		h.Log.WarnContext(v.Context(), "unfinished batches could not be listed", "error", err)
		text := templates.Message("notice.unreadable", nil)
		out = []notice{{Kind: "warning", Text: text.What}}
	}
	for i := range pending {
		op := &pending[i]
		if v.URL.Path == operationPath(op.ID) || batches[op.Batch] { // the batch's banner stands for all of its operations
			continue
		}
		kind, key := noticeKind(op)
		text := templates.Message(key, h.operationWords(v, op))
		out = append(out, notice{Kind: kind, Text: text.What, LinkText: text.Title, URL: v.link(operationPath(op.ID))})
	}
	return out
}

// noticeKind says which banner an unfinished operation gets: the most pressing first.
func noticeKind(op *operation.Operation) (kind, key string) {
	switch op.Phase() {
	case operation.PhaseSecretWaiting:
		return "secret", "notice.secretWaiting"
	case operation.PhaseUnderWay:
		if op.Action == operation.Create || op.Action == operation.Rotate {
			return "secret", "notice.secretComing"
		}
		return "unknown", "notice.inProgress"
	case operation.PhaseFound:
		return "unknown", "notice.found"
	case operation.PhaseSecretUnkept, operation.PhaseOrphaned, operation.PhaseTakenBack:
		return "unknown", "notice.secretUnkept"
	case operation.PhaseHalfWay:
		return "rotation", "notice.rotation"
	case operation.PhaseSecretExpired:
		if op.OldOpen() {
			return "rotation", "notice.rotation"
		}
		return "unknown", "notice.secretExpired"
	default:
		return "unknown", "notice.unknown"
	}
}
