package changes

import (
	"cmp"
	"slices"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

const shownChanges = 100

// changesPage lists the person's own last changes.
type changesPage struct {
	web.Base
	Count int
	Days  []changeDay
}

// changeDay are the changes of one day, the latest first.
type changeDay struct {
	Heading string
	Changes []changeRow
}

type changeRow struct {
	When                                                  templates.When
	What, Token, Organization, Outcome, OutcomeClass, URL string // What in the tense of the outcome
	Why                                                   string // it was refused, or isn't known: heading of the cause
	Address, Browser                                      string // it was asked for from there
	started                                               time.Time
}

// batchChanges are the person's batches as the list of changes shows them.
func (h *Handlers) batchChanges(v *web.Request) ([]changeRow, error) {
	batches, err := h.Batches.Recent(v.Context(), v.Person())
	var out []changeRow
	for i := range batches {
		b := &batches[i]
		words := map[string]any{"Count": len(b.Items), "Done": b.Tally.Done}
		state, class, tense := "partly", "unknown", tenseTried
		switch {
		case b.Running:
			state, class, tense = "sent", "sent", tenseDoing
		case b.Ended.IsZero() || b.Working:
			state, class, tense = "halfway", "halfway", tenseDoing
		case b.Tally.Done == len(b.Items):
			state, class, tense = "succeeded", "succeeded", tenseDone
		}
		out = append(out, changeRow{
			When: v.When(b.Started), What: v.Words.Text(tense.many + web.BulkVerb(b.Action)),
			Token: v.Words.Message("bulk.changeTokens", words).Title, Organization: batchPlaces(v.Words, b),
			Outcome: v.Words.Message("bulk.outcome."+state, words).Title, OutcomeClass: class,
			URL: v.Link(web.BatchPath(b.ID)), started: b.Started, Address: b.Asked.Address, Browser: web.BrowserName(v.Words, b.Asked.Browser),
		})
	}
	return out, err
}

// batchPlaces names the organization of a batch, or counts them.
func batchPlaces(w *templates.Words, b *batch.Batch) string {
	global, n := slices.ContainsFunc(b.Items, func(item batch.Item) bool { return item.Before.Global() }), outcome.Organizations(b)
	switch {
	case global && n > 1:
		return w.Message("bulk.placesGlobal", map[string]any{"Count": n}).Title
	case global:
		return w.Message("organization.all", nil).Title
	case n != 1:
		return w.Message("bulk.places", map[string]any{"Count": n}).Title
	}
	return b.Items[0].Organization
}

// List shows the person's last changes.
func (h *Handlers) List(v *web.Request) (web.Answer, error) {
	operations, err := h.Journal.Recent(v.Context(), v.Person(), shownChanges)
	if err != nil {
		return nil, err
	}
	p := changesPage{Base: v.Base(v.Words.Message("changes.title", nil).Title, "changes")}
	rows, err := h.batchChanges(v)
	if err != nil {
		return nil, err
	}
	for i := range operations {
		op := &operations[i]
		rows = append(rows, changeRow{
			When: v.When(op.Started), What: v.Words.Text(tenseOf(op).one + string(op.Action)), Token: web.OperationToken(v.Words, op),
			Organization: web.ChangedIn(v.Words, op), Outcome: v.Words.Message("outcome."+shownOutcome(op), nil).Title, OutcomeClass: shownOutcome(op),
			URL: v.Link(web.OperationPath(op.ID)), started: op.Started,
			Why: changeCause(v, op), Address: op.From.Address, Browser: web.BrowserName(v.Words, op.From.Browser),
		})
	}
	slices.SortStableFunc(rows, func(a, b changeRow) int { return b.started.Compare(a.started) })
	p.fill(v, rows[:min(len(rows), shownChanges)])
	return web.Page{Template: "changes", Data: p}, nil
}

// fill groups rows by the day on which they began.
func (p *changesPage) fill(v *web.Request, rows []changeRow) {
	today, last := v.When(v.Now).Date, ""
	for _, row := range rows {
		if row.When.Date != last {
			last = row.When.Date
			day := changeDay{Heading: last}
			if last == today {
				day.Heading = v.Words.Text("changes.today")
			}
			p.Days = append(p.Days, day)
		}
		day := &p.Days[len(p.Days)-1]
		day.Changes = append(day.Changes, row)
	}
	p.Count = len(rows)
}

// tense is how keys of words for a change begin, of one token and of many.
type tense struct{ one, many string }

var (
	tenseDone  = tense{"change.", "bulk.change."}
	tenseDoing = tense{"changing.", "bulk.changing."}
	tenseTried = tense{"tried.", "bulk.tried."}
)

func tenseOf(op *operation.Operation) tense {
	switch shown := shownOutcome(op); {
	case shown == string(operation.Sent):
		return tenseDoing
	case shown == string(operation.Failed), shown == string(operation.Unknown):
		return tenseTried
	default:
		return tenseDone
	}
}

// changeCause is why a change wasn't done, or isn't known to be.
func changeCause(v *web.Request, op *operation.Operation) string {
	cause := op.Failure
	if op.State == operation.Succeeded && op.Old == operation.OldFailed {
		cause = op.OldFailure
	}
	if cause == nil || op.State == operation.Sent {
		return ""
	}
	return v.DescribeFailure(cause, op.Finished).Text.Title
}

// shownPhases are the phases that the list of changes shows otherwise than by the operation's state.
var shownPhases = map[operation.Phase]string{
	operation.PhaseTakenBack:       string(operation.Failed),
	operation.PhaseOrphaned:        string(operation.Unknown),
	operation.PhaseDelivering:      "delivering",
	operation.PhaseUndelivered:     "undelivered",
	operation.PhaseSecretWaiting:   "waiting",
	operation.PhaseSecretExpired:   "secretExpired",
	operation.PhaseSecretUnkept:    "secretExpired",
	operation.PhaseScheduled:       "scheduled",
	operation.PhaseMissed:          "missed",
	operation.PhaseHalfWay:         "halfway",
	operation.PhasePreviousEnabled: "previousEnabled",
}

// shownOutcome is how the list of changes shows an operation.
func shownOutcome(op *operation.Operation) string {
	phase := op.Phase()
	if phase == operation.PhaseDone && outcome.Shortened(op) {
		return "shortened"
	}
	return cmp.Or(shownPhases[phase], string(op.State))
}
