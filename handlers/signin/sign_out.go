package signin

import (
	"slices"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
)

// signOutPage asks before signing out while secrets are waiting to be saved, and leads on to Entra afterwards.
type signOutPage struct {
	web.Base
	Pending []web.Notice
	Running []web.Notice // batches that end with the session
}

// signedOutPage follows signing out: our session is over, Entra's may not be. It is an answer of 200, because a form's
// redirect to another site is stopped by our content security policy.
type signedOutPage struct {
	web.Base
	EntraURL string // Entra's end-session address, "" if unknown
	HomeURL  string
}

// AskSignOut asks before signing out.
func (h *Handlers) AskSignOut(v *web.Request) (web.Answer, error) {
	if !v.Session.SignedIn() {
		return v.To("/"), nil
	}
	return signOutQuestion(v)
}

func signOutQuestion(v *web.Request) (web.Answer, error) {
	p := signOutPage{Base: v.Base(v.Words.Message("signOut.title", nil).Title, "sign-out")}
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
	return web.Page{Template: "sign-out", Data: p}, nil
}

// SignOut ends our session on the server, then leads to Entra's sign-out.
func (h *Handlers) SignOut(v *web.Request) (web.Answer, error) {
	if !v.Session.SignedIn() {
		return v.To("/"), nil
	}
	person := v.Session.Person()
	if v.PostForm.Get("confirmed") != "yes" {
		pending, err := h.Journal.Pending(v.Context(), person.Key())
		if err != nil || secretWaits(pending) || h.batchRuns(v) { // also where it can't be known
			return signOutQuestion(v)
		}
	}
	entraURL := h.Entra.SignOutURL(v.Context(), v.Address.URL("/"), person.Username)
	if err := h.Sessions.SignOut(v.Writer, v.Request); err != nil {
		return nil, err
	}
	audit.Record(v.Context(), h.Site.Log, "sign-out")
	h.Inventory.Forget(v.Session.Hash())
	v.Writer.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	p := signedOutPage{Base: v.PlainBase(v.Words.Message("signedOut.title", nil).Title), EntraURL: entraURL, HomeURL: v.Link("/")}
	return web.Page{Template: "signed-out", Data: p}, nil
}

// batchRuns reports whether a batch is being run: it begins nothing more once its person has signed out.
func (h *Handlers) batchRuns(v *web.Request) bool {
	open, err := h.Batches.Open(v.Context(), v.Person())
	return err == nil && slices.ContainsFunc(open, func(b batch.Summary) bool { return b.Running })
}

// secretWaits reports whether a secret waits to be saved, or will in a moment.
func secretWaits(pending []operation.Operation) bool {
	for i := range pending {
		if kind, _ := web.NoticeKind(&pending[i]); kind == "secret" {
			return true
		}
	}
	return false
}
