package handlers

import (
	"slices"

	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// signOutPage asks before signing out while secrets are waiting to be saved, and leads on to Entra afterwards.
type signOutPage struct {
	base
	Pending []notice
	Running []notice // batches that end with the session
}

// signedOutPage follows signing out: our session is over, Entra's may not be. It is an answer of 200, because a
// form's redirect to another site is stopped by our content security policy.
type signedOutPage struct {
	base
	EntraURL string // Entra's end-session address, "" if unknown
	HomeURL  string
}

func (h *Handlers) askSignOut(v *visit) (answer, error) {
	if !v.session.SignedIn() {
		return v.to("/"), nil
	}
	return h.signOutQuestion(v)
}

func (h *Handlers) signOutQuestion(v *visit) (answer, error) {
	p := signOutPage{base: h.base(v, templates.Message("signOut.title", nil).Title, "")}
	notices := p.Notices
	p.Notices = nil // each stands on the page once
	for _, n := range notices {
		switch n.Kind {
		case "secret":
			p.Pending = append(p.Pending, n)
		case "running":
			p.Running = append(p.Running, n)
		default:
			p.Notices = append(p.Notices, n)
		}
	}
	return page{template: "sign-out", data: p}, nil
}

// signOut ends our session on the server, then leads to Entra's sign-out.
func (h *Handlers) signOut(v *visit) (answer, error) {
	if !v.session.SignedIn() {
		return v.to("/"), nil
	}
	person := v.session.Person()
	if v.PostForm.Get("confirmed") != "yes" {
		pending, err := h.Journal.Pending(v.Context(), person.Key())
		if err != nil || secretWaits(pending) || h.batchRuns(v) { // also where it can't be known
			return h.signOutQuestion(v)
		}
	}
	entraURL := h.Entra.SignOutURL(v.Context(), v.address.url("/"), person.Username)
	if err := h.Sessions.SignOut(v.w, v.Request); err != nil {
		return nil, err
	}
	audit.Record(v.Context(), h.Log, "sign-out")
	h.Inventory.Forget(v.session.Hash())
	v.w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	p := signedOutPage{base: h.plainBase(v, templates.Message("signedOut.title", nil).Title), EntraURL: entraURL, HomeURL: v.link("/")}
	return page{template: "signed-out", data: p}, nil
}

// batchRuns says if a batch is being run: it begins nothing more once its person has signed out.
func (h *Handlers) batchRuns(v *visit) bool {
	open, err := h.Journal.OpenBatches(v.Context(), v.session.Person().Key())
	return err == nil && slices.ContainsFunc(open, func(b operation.OpenBatch) bool { return b.Running })
}

// secretWaits says if a secret waits to be saved, or will in a moment.
func secretWaits(pending []operation.Operation) bool {
	for i := range pending {
		if kind, _ := noticeKind(&pending[i]); kind == "secret" {
			return true
		}
	}
	return false
}
