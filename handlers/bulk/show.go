package bulk

import (
	"context"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// bulkRunPage shows a batch that was confirmed: how far it is, its secrets, what is left to do.
type bulkRunPage struct {
	web.Base
	Problem  *web.ProblemSummary
	Verb     string
	Sentence string
	State    string // "sent", "succeeded", "unknown"
	Running  bool
	Stopping bool // running, but nothing more is begun
	Address  string

	All, Done, Failed, Unknown, Doing, NotBegun int
	Finished                                    int // all that isn't in progress or still to be begun

	Halt       *web.ProblemSummary // why nothing more was begun
	Halts      []bulkHalt          // why not in single organizations
	Retries    int                 // operations that may be tried again
	MayDismiss bool

	Secrets        []bulkSecret
	SecretsMade    int            // while it is running
	SecretUntil    templates.When // the first of them
	SecretFake     bool
	DownloadFormat []web.Option

	ForVault    int // secrets that are for a vault
	Delivered   int // of them: in it
	Undelivered int // of them: to be tried again, or shown
	MayDeliver  int // that can be tried again

	OldAlive int // old tokens that still work
	OldReady int // of them: with a new secret that was saved

	ReloadAfter int // seconds, see Page

	Rows    []bulkRow
	LeftOut []bulkLeftOut
	BackURL string
	Return  string // where a step of one operation leads back to
}

// bulkHalt is an organization in which nothing more was begun, or which is waited for.
type bulkHalt struct {
	Organization, Heading, What, Advice string
	Named                               bool // the heading has the organization's name
	Until                               templates.When
	Details                             []web.Field
}

type bulkSecret struct {
	Number             int
	Name, Organization string
	Operation          string
	Secret             string
	Until              templates.When
	SaveAction         string
}

// bulkRow is how one token stands.
type bulkRow struct {
	Name, URL, Organization string
	State, StateText        string
	What                    string
	Before, After           templates.When
	OperationURL, LinkText  string
	Retry                   string // the operation that may be tried again
	RevokeOld               string
	Deliver, Show           string // a secret that isn't in its vault
	Disable                 string // the previous version in the vault
}

// batchAnswer is the page of a batch that was confirmed.
func (h *Handlers) batchAnswer(v *web.Request, b *batch.Batch, state web.FormState) (web.Answer, error) {
	if !b.Running {
		h.lookIntoBatch(v, b)
	}
	v.Invalidate("", nil, b.Ended)
	tally, verb, path := b.Count(), web.BulkVerb(b.Action), web.BatchPath(b.ID)
	title := v.Words.Text("bulk.run."+verb, "Count", len(b.Items))
	if !b.Running && tally.Done == len(b.Items) {
		title = v.Words.Text("bulk.ran."+verb, "Count", len(b.Items))
	} else if !b.Running {
		title = v.Words.Text("bulk.partly."+verb, "Done", tally.Done, "Count", len(b.Items))
	}
	p := bulkRunPage{
		Base: v.Base(title, "changes"), Problem: state.Problem, Verb: verb,
		Running: b.Running, Stopping: b.Running && (b.Stopped || b.Halt != nil), Address: v.Link(path),
		All: len(b.Items), Done: tally.Done, Failed: tally.Failed, Unknown: tally.Unknown, Doing: tally.Doing, NotBegun: tally.NotBegun,
		Finished: tally.Done + tally.Failed + tally.Unknown, SecretFake: h.Site.Demo, BackURL: v.Link(backFrom(b.From)), Return: path,
		OldAlive: tally.OldAlive, SecretsMade: tally.Secrets,
		Delivered: tally.Delivered, Undelivered: tally.Undelivered,
	}
	p.summarize(v.Words, b)
	describeHalts(v, b, &p)
	p.Rows = batchRows(v, b)
	p.LeftOut = leftOut(v, b)
	if !b.Running || v.URL.Query().Get("secrets") == "show" {
		if err := h.showSecrets(v, b, &p); err != nil {
			return nil, err
		}
	}
	if !b.Running && len(p.Secrets) == 0 { // a secret is not to move while it is copied
		p.ReloadAfter = reloadBatchAfter(v, b)
	}
	if forVault(b) {
		web.ForgetVaults(v)
		p.ForVault = len(b.Items)
	}
	if !b.Running {
		offerSteps(b, &p)
	}
	p.LeaveOut(func(n web.Notice) bool { return n.URL == p.Address })
	p.Base.Failed = p.Problem != nil
	return web.Page{Status: state.Status, Template: "bulk-run", Data: p, Header: state.Header}, nil
}

// summarize sums the batch up.
func (p *bulkRunPage) summarize(w *templates.Words, b *batch.Batch) {
	key := "bulk.state.done"
	p.State = "succeeded"
	switch {
	case p.Stopping:
		key, p.State = "bulk.state.stopping", "sent"
	case p.Running:
		key, p.State = "bulk.state.running", "sent"
	case p.NotBegun > 0 && b.Stopped:
		key, p.State = "bulk.state.stopped", "unknown"
	case p.NotBegun > 0 && (b.Working || b.Interrupted()):
		key, p.State = "bulk.state.interrupted", "unknown"
	case p.NotBegun > 0:
		key, p.State = "bulk.state.halted", "unknown"
	case p.Unknown > 0:
		key, p.State = "bulk.state.unknown", "unknown"
	case p.Undelivered > 0:
		key, p.State = "bulk.state.undelivered", "unknown"
	case p.Failed > 0:
		key, p.State = "bulk.state.partly", "unknown"
	case slices.ContainsFunc(b.Items, notAsAsked):
		key, p.State = "bulk.state.otherwise", "unknown"
	}
	p.Sentence = w.Message(key, map[string]any{"Count": p.Unknown}).What
}

// lookIntoBatch looks for what operations of unknown outcome have done, where that is due: see lookInto.
func (h *Handlers) lookIntoBatch(v *web.Request, b *batch.Batch) {
	due := func(item batch.Item) bool {
		return item.Operation != nil && item.Operation.LookDue(h.Site.Now())
	}
	if !slices.ContainsFunc(b.Items, due) {
		return
	}
	ctx, cancel := context.WithTimeout(v.Context(), outcome.LookWait)
	defer cancel()
	if err := h.Journal.LookNow(ctx, v.Caller(), b.Person); err != nil {
		v.NoteError(err)
	}
	if seen, err := h.Batches.Get(v.Context(), b.Person, b.ID); err == nil { // otherwise they are shown as they were
		*b = *seen
	}
}

// reloadBatchAfter is ReloadAfter of a batch in which something may turn up.
func reloadBatchAfter(v *web.Request, b *batch.Batch) (seconds int) {
	for _, item := range b.Items {
		if item.Operation != nil && item.Operation.Pending() {
			seconds = outcome.Sooner(seconds, outcome.ReloadAfter(v, item.Operation))
		}
	}
	return seconds
}

// describeHalts says why nothing more is begun, everywhere or in single organizations, and which are being waited for.
func describeHalts(v *web.Request, b *batch.Batch, p *bulkRunPage) {
	if b.Halt != nil && !b.Interrupted() { // that the batch's state says
		p.Halt = web.FailureSummary(v, ofVault(b, b.Halt), b.Ended)
	}
	names := map[string]string{}
	for _, item := range b.Items {
		names[strings.ToLower(item.Organization)] = item.Organization
	}
	for at, halt := range b.Halted {
		described := web.Beside(v, v.DescribeFailure(halt.In(names[at]), b.Ended))
		if b.Action == operation.Rotate && slices.ContainsFunc(b.Items, func(i batch.Item) bool { return strings.EqualFold(i.Organization, at) && mayHaveMade(i) }) {
			described.Text.Advice = v.Words.Message("bulk.haltedInDoubt", nil).Advice // the person must not be advised to try those again
		}
		p.Halts = append(p.Halts, bulkHalt{Organization: names[at], Heading: described.Text.Title, Named: described.Named, What: described.Text.What, Advice: described.Text.Advice, Details: v.Support(described)})
	}
	for at, until := range b.Resting {
		if b.Running && until.After(v.Now) {
			text := v.Words.Message("bulk.resting", map[string]any{"Organization": names[at]})
			p.Halts = append(p.Halts, bulkHalt{Organization: names[at], Heading: text.Title, What: text.What, Until: v.When(until)})
		}
	}
	slices.SortFunc(p.Halts, func(a, b bulkHalt) int { return strings.Compare(a.Organization, b.Organization) })
}

func batchRows(v *web.Request, b *batch.Batch) []bulkRow {
	rows := make([]bulkRow, 0, len(b.Items))
	for i := range b.Items {
		item := &b.Items[i]
		row := bulkRow{
			Name: web.ShownName(v.Words, item.Before.DisplayName), URL: web.TokenURL(v, item.Organization, &item.Before), Organization: web.WorksIn(v.Words, &item.Before, item.Organization),
			Before: v.When(item.Before.ValidTo), After: v.When(item.ValidTo),
		}
		describeItem(v, b, item, &row)
		row.StateText = v.Words.Message("bulk.item."+row.State, nil).Title
		if !b.Running && item.MayRetry() {
			row.Retry = item.Operation.ID
		}
		rows = append(rows, row)
	}
	return rows
}

// describeItem words how one token stands.
func describeItem(v *web.Request, b *batch.Batch, item *batch.Item, row *bulkRow) {
	op := item.Operation
	if op == nil {
		row.State = "notBegun"
		if _, halted := b.Halted[strings.ToLower(item.Organization)]; b.Running && !b.Stopped && b.Halt == nil && !halted {
			row.State = "toCome"
		}
		return
	}
	row.State = string(op.State)
	if op.Result != nil && b.Action != operation.Revoke {
		row.After = v.When(op.Result.ValidTo)
	}
	switch phase := op.Phase(); phase {
	case operation.PhaseUnderWay:
	case operation.PhaseDelivering:
		row.State = "delivering"
	case operation.PhaseTakenBack:
		row.State, row.What = string(operation.Failed), v.Words.Message("operation.orphanRevoked", web.OperationWords(v, op)).What
	case operation.PhaseOrphaned:
		row.State, row.What = string(operation.Unknown), v.Words.Message("bulk.orphaned", web.OperationWords(v, op)).What
		row.OperationURL, row.LinkText = v.Link(web.OperationPath(op.ID)), v.Words.Message("bulk.findOut", nil).Title
	case operation.PhaseFailed:
		row.What = failureWords(v, op)
	case operation.PhaseUnreadable:
		row.What = v.Words.Message("operation.unreadable", nil).What
	default:
		if !phase.Unknown() {
			describeDone(v, b, item, row)
			return
		}
		if op.Dismissed {
			row.What = v.Words.Message("bulk.dismissed", nil).What
			return
		}
		row.What = v.Words.Message(outcome.UnknownKey(op), web.OperationWords(v, op)).What
		row.OperationURL, row.LinkText = v.Link(web.OperationPath(op.ID)), v.Words.Message("bulk.findOut", nil).Title
	}
}

func failureWords(v *web.Request, op *operation.Operation) string {
	if op.Failure.NoLongerActive() {
		return v.Words.Message("bulk.noLongerActive", nil).What
	}
	text := web.Beside(v, web.DescribeChange(v, op)).Text
	return v.Words.Sentences(v.Words.Text("sentence.heading", "Heading", text.Title), text.What, text.Advice)
}

// describeDone words what was done, with what is left of a rotation.
func describeDone(v *web.Request, b *batch.Batch, item *batch.Item, row *bulkRow) {
	op := item.Operation
	words := web.OperationWords(v, op)
	switch {
	case b.Action == operation.Revoke && item.Already:
		row.What = v.Words.Message("bulk.already", nil).What
	case outcome.Shortened(op):
		row.What = v.Words.Message("bulk.shortened", words).What
	}
	if b.Action != operation.Rotate {
		return
	}
	row.URL = web.TokenURL(v, op.Organization, op.Result)
	row.OperationURL, row.LinkText = v.Link(web.OperationPath(op.ID)), v.Words.Message("bulk.seeRotation", nil).Title
	describeInVault(v, b, op, row)
	switch op.Phase() {
	case operation.PhaseUndelivered:
		row.State = "undelivered"
	case operation.PhaseSecretWaiting:
		row.State = "waitingSecret"
	case operation.PhaseSecretExpired, operation.PhaseSecretUnkept:
		row.State = "lostSecret"
		if row.What = ""; !op.Dismissed {
			row.What = v.Words.Message("bulk.lostSecret", nil).What
		}
	case operation.PhaseHalfWay, operation.PhaseScheduled, operation.PhaseMissed:
		row.State = "oldAlive"
		if op.Old == operation.OldFailed && op.OldFailure != nil {
			row.State = "oldFailed"
			row.What = v.Words.Text("sentence.heading", "Heading", v.DescribeFailure(op.OldFailure, op.Finished).Text.Title)
		}
		if !b.Running {
			row.RevokeOld = v.Link(web.OperationPath(op.ID) + "/revoke-old")
		}
	}
}

// offerSteps says what can be done once nothing is at work.
func offerSteps(b *batch.Batch, p *bulkRunPage) {
	for i := range b.Items {
		item := &b.Items[i]
		if item.MayRetry() {
			p.Retries++
		}
		if item.Operation != nil && item.Operation.MayDeliver() {
			p.MayDeliver++
		}
		if item.Phase().OldLeft() {
			p.OldReady++
		}
	}
	p.MayDismiss = !b.Dismissed && p.OldAlive == 0 && p.SecretsMade+p.Undelivered == 0 && (p.NotBegun+p.Failed > 0 || slices.ContainsFunc(b.Items, pendingItem))
}

// notAsAsked reports whether a token was changed, but its secret wasn't saved or it ends sooner than was asked for.
func notAsAsked(item batch.Item) bool {
	switch item.Phase() {
	case "":
		return false
	case operation.PhaseSecretExpired, operation.PhaseSecretUnkept:
		return true
	}
	return outcome.Shortened(item.Operation)
}

// mayHaveMade reports whether a token may have been made whose owner hasn't settled what becomes of it.
func mayHaveMade(item batch.Item) bool {
	phase := item.Phase()
	return phase == operation.PhaseInDoubt || phase == operation.PhaseFound || phase == operation.PhaseUnreadable
}

func pendingItem(item batch.Item) bool {
	return item.Operation != nil && item.Operation.Pending()
}

// showSecrets shows the secrets that wait.
func (h *Handlers) showSecrets(v *web.Request, b *batch.Batch, p *bulkRunPage) error {
	err := h.eachSecret(v, b, func(op *operation.Operation, secret string) {
		p.Secrets = append(p.Secrets, bulkSecret{
			Number: len(p.Secrets) + 1, Name: web.OperationToken(v.Words, op), Organization: op.Organization, Operation: op.ID, Secret: secret,
			Until: v.When(op.SecretUntil), SaveAction: v.Link(web.OperationPath(op.ID) + "/acknowledge"),
		})
		if p.SecretUntil.ISO == "" || v.When(op.SecretUntil).ISO < p.SecretUntil.ISO {
			p.SecretUntil = v.When(op.SecretUntil)
		}
	})
	if err != nil || len(p.Secrets) == 0 {
		return err
	}
	chosen := v.PostForm.Get("format")
	for _, format := range []string{"env", "json"} {
		text := v.Words.Message("bulk.format."+format, nil)
		p.DownloadFormat = append(p.DownloadFormat, web.Option{
			Value: format, Text: text.Title, Hint: text.What, Selected: format == chosen || chosen == "" && format == "env",
		})
	}
	return nil
}
