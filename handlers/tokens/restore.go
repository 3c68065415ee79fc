package tokens

import (
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/operation"
)

// sentBefore reports whether this form has been sent already: its answer is then the operation's, whatever has become
// of the token since.
func (h *Handlers) sentBefore(v *web.Request, form string) bool {
	_, err := h.Journal.Find(v.Context(), v.Person(), form)
	return err == nil
}

// restoredForm decides what becomes of a kept form id: used again while it is unused, replaced when its operation has
// definitely failed, and left for its operation's page when that was carried out. Another person's input, left in the
// same browser, is not shown: a form id names its person.
func (h *Handlers) restoredForm(v *web.Request, form string, a operation.Action, target string) (next string, done *operation.Operation, mine bool) {
	person := v.Person()
	if err := h.Journal.Check(form, person, a, target); err != nil {
		return h.Journal.Form(person, a, target), nil, false
	}
	op, err := h.Journal.Find(v.Context(), person, form)
	switch {
	case err != nil: // never sent
		return form, nil, true
	case op.State == operation.Failed:
		return h.Journal.Form(person, a, target), nil, true
	default:
		return "", op, true
	}
}

// restoredOrNew is the form id for a page that has nothing else to restore.
func (h *Handlers) restoredOrNew(v *web.Request, a operation.Action, target string) (form string, done web.Answer) {
	kept, ok := v.Restore()
	if !ok {
		return h.Journal.Form(v.Person(), a, target), nil
	}
	next, op, _ := h.restoredForm(v, kept.Get("form"), a, target)
	if op != nil {
		return "", v.To(web.OperationPath(op.ID))
	}
	return next, nil
}
