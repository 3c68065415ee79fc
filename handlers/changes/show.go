package changes

import (
	"context"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/operation"
)

// progressWait is how long an operation's page waits for an outcome before it shows that work goes on.
const progressWait = 20 * time.Second

// Show is the page of an operation. It waits a while for one that is under way, and looks for an outcome that is in
// doubt.
func (h *Handlers) Show(v *web.Request) (web.Answer, error) {
	ctx, cancel := context.WithTimeout(v.Context(), progressWait)
	defer cancel()
	op, err := h.Journal.Wait(ctx, v.Person(), v.Param("operation"))
	if err != nil {
		return nil, err
	}
	if op.LookDue(h.Site.Now()) {
		if op, err = h.lookInto(v, op); err != nil {
			return nil, err
		}
	}
	v.Invalidate(op.Organization, op.Before, op.Finished) // it may have ended after its form's answer
	return h.Outcomes.Answer(v, op)
}

// lookInto looks for what a change of unknown outcome has done, as that is due. So the page shows it
// and need not ask for it. If it can't be found out now, or not that fast, the operation's page says so.
func (h *Handlers) lookInto(v *web.Request, op *operation.Operation) (*operation.Operation, error) {
	ctx, cancel := context.WithTimeout(v.Context(), outcome.LookWait)
	defer cancel()
	err := h.Journal.LookNow(ctx, v.Caller(), op.Person)
	if _, signIn := web.NeedsSignIn(err); signIn {
		return nil, err
	}
	if err != nil {
		v.NoteError(err)
	}
	return h.Journal.Get(v.Context(), op.Person, op.ID)
}
