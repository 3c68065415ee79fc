package handlers

import (
	"context"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// bulkRunPage shows a batch that was confirmed: how far it is, its secrets, what is left to do.
type bulkRunPage struct {
	base
	Problem  *problemSummary
	Verb     string
	Sentence string
	State    string // "sent", "succeeded", "unknown"
	Running  bool
	Stopping bool // running, but nothing more is begun
	Address  string

	All, Done, Failed, Unknown, Doing, NotBegun int
	Finished                                    int // all that isn't in progress or still to be begun

	Halt       *problemSummary // why nothing more was begun
	Halts      []bulkHalt      // why not in single organizations
	StopAction string
	GoOnAction string
	Retries    int // operations that may be tried again
	RetryForm  string
	Dismiss    string

	Secrets        []bulkSecret
	SecretsMade    int    // while it is running
	SecretsURL     string // shows them while it is running
	SecretUntil    when   // the first of them
	SecretFake     bool
	SaveForm       string
	Download       string
	DownloadFormat []option

	OldAlive int // old tokens that still work
	OldReady int // of them: with a new secret that was saved
	Retire   string
	KeepOld  string

	ReloadAfter int // seconds, see operationPage

	Rows    []bulkRow
	LeftOut []bulkLeftOut
	BackURL string
	Return  string // where a step of one operation leads back to
}

// bulkHalt is an organization in which nothing more was begun, or which is waited for.
type bulkHalt struct {
	Organization, Heading, What, Advice string
	Until                               when
}

type bulkSecret struct {
	Number             int
	Name, Organization string
	Operation          string
	Secret             string
	Until              when
	SaveAction         string
}

// bulkRow is how one token stands.
type bulkRow struct {
	Name, URL, Organization   string
	State, StateText          string
	What                      string
	Before, After             when
	OperationURL, LinkText    string
	RetryForm, RetryOperation string
	RevokeOld                 string
}

// batchAnswer is the page of a batch that was confirmed.
func (h *Handlers) batchAnswer(v *visit, b *operation.Batch, no formState) (answer, error) {
	if !b.Running {
		h.lookIntoBatch(v, b)
	}
	h.outdate(v, "", nil, b.Ended)
	tally, verb, path := b.Count(), bulkVerb(b.Action), batchPath(b.ID)
	p := bulkRunPage{
		base: h.base(v, templates.Message("bulk.run."+verb, map[string]any{"Count": len(b.Items)}).Title, "changes"), Problem: no.problem, Verb: verb,
		Running: b.Running, Stopping: b.Running && (b.Stopped || b.Halt != nil), Address: v.link(path),
		All: len(b.Items), Done: tally.Done, Failed: tally.Failed, Unknown: tally.Unknown, Doing: tally.Doing, NotBegun: tally.NotBegun,
		Finished: tally.Done + tally.Failed + tally.Unknown, SecretFake: h.Demo, BackURL: v.link(backFrom(b.From)), Return: path,
		OldAlive: tally.OldAlive, SecretsMade: tally.Secrets, SecretsURL: v.link(path + "?secrets=show"),
	}
	p.tell(b)
	h.tellHalts(v, b, &p)
	p.Rows = h.batchRows(v, b)
	p.LeftOut = leftOut(v, b)
	if !b.Running || v.URL.Query().Get("secrets") == "show" {
		if err := h.tellSecrets(v, b, &p); err != nil {
			return nil, err
		}
	}
	if !b.Running && len(p.Secrets) == 0 { // a secret is not to move while it is copied
		p.ReloadAfter = reloadBatchAfter(v, b)
	}
	h.offerSteps(v, b, &p)
	p.Notices = slices.DeleteFunc(p.Notices, func(n notice) bool { return n.URL == p.Address })
	return page{status: no.status, template: "bulk-run", data: p, header: no.header}, nil
}

// tell sums the batch up.
func (p *bulkRunPage) tell(b *operation.Batch) {
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
	case p.Failed > 0:
		key, p.State = "bulk.state.partly", "unknown"
	}
	p.Sentence = templates.Message(key, map[string]any{"Count": p.Unknown}).What
}

// lookIntoBatch looks for what operations of unknown outcome have done, where that is due: see lookInto.
func (h *Handlers) lookIntoBatch(v *visit, b *operation.Batch) {
	due := func(item operation.BatchItem) bool { return item.Operation != nil && item.Operation.LookDue(h.Now()) }
	if !slices.ContainsFunc(b.Items, due) {
		return
	}
	ctx, cancel := context.WithTimeout(v.Context(), lookWait)
	defer cancel()
	if err := h.Journal.LookNow(ctx, h.caller(v), b.Person); err != nil {
		fieldsOf(v.Context()).Err = err
	}
	if seen, err := h.Journal.Batch(v.Context(), b.Person, b.ID); err == nil { // otherwise they are shown as they were
		*b = *seen
	}
}

// reloadBatchAfter is reloadAfter of a batch in which something may turn up.
func reloadBatchAfter(v *visit, b *operation.Batch) (seconds int) {
	for _, item := range b.Items {
		if item.Operation != nil && item.Operation.Pending() {
			seconds = sooner(seconds, reloadAfter(v, item.Operation))
		}
	}
	return seconds
}

// tellHalts says why nothing more is begun, everywhere or in single organizations, and which are being waited for.
func (h *Handlers) tellHalts(v *visit, b *operation.Batch, p *bulkRunPage) {
	if b.Halt != nil && !b.Interrupted() { // that the batch's state says
		p.Halt, _ = h.refusal(v, b.Halt, b.Ended)
	}
	names := map[string]string{}
	for _, item := range b.Items {
		names[strings.ToLower(item.Organization)] = item.Organization
	}
	for at, halt := range b.Halted {
		text := h.wordFailure(v, halt.In(names[at]), b.Ended).text
		if b.Action == operation.Rotate && slices.ContainsFunc(b.Items, func(i operation.BatchItem) bool { return strings.EqualFold(i.Organization, at) && mayHaveMade(i) }) {
			text.Advice = templates.Message("bulk.haltedInDoubt", nil).Advice // nobody is to be told to try those again
		}
		p.Halts = append(p.Halts, bulkHalt{Organization: names[at], Heading: text.Title, What: text.What, Advice: text.Advice})
	}
	for at, until := range b.Resting {
		if b.Running && until.After(v.now) {
			text := templates.Message("bulk.resting", map[string]any{"Organization": names[at]})
			p.Halts = append(p.Halts, bulkHalt{Organization: names[at], Heading: text.Title, What: text.What, Until: v.when(until)})
		}
	}
	slices.SortFunc(p.Halts, func(a, b bulkHalt) int { return strings.Compare(a.Organization, b.Organization) })
}

func (h *Handlers) batchRows(v *visit, b *operation.Batch) []bulkRow {
	rows := make([]bulkRow, 0, len(b.Items))
	for i := range b.Items {
		item := &b.Items[i]
		row := bulkRow{
			Name: shownName(item.Before.DisplayName), URL: tokenURL(v, item.Organization, &item.Before), Organization: worksIn(&item.Before, item.Organization),
			Before: v.when(item.Before.ValidTo), After: v.when(item.ValidTo),
		}
		h.tellItem(v, b, item, &row)
		row.StateText = templates.Message("bulk.item."+row.State, nil).Title
		if !b.Running && item.MayRetry() {
			row.RetryForm, row.RetryOperation = v.link(batchPath(b.ID)+"/retry"), item.Operation.ID
		}
		rows = append(rows, row)
	}
	return rows
}

// tellItem words how one token stands.
func (h *Handlers) tellItem(v *visit, b *operation.Batch, item *operation.BatchItem, row *bulkRow) {
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
		row.After = v.when(op.Result.ValidTo)
	}
	switch phase := op.Phase(); phase {
	case operation.PhaseUnderWay:
	case operation.PhaseTakenBack:
		row.State, row.What = string(operation.Failed), templates.Message("operation.orphanRevoked", h.operationWords(v, op)).What
	case operation.PhaseOrphaned:
		row.State, row.What = string(operation.Unknown), templates.Message("bulk.orphaned", h.operationWords(v, op)).What
		row.OperationURL, row.LinkText = v.link(operationPath(op.ID)), templates.Message("bulk.findOut", nil).Title
	case operation.PhaseFailed:
		row.What = h.failureWords(v, op)
	case operation.PhaseUnreadable:
		row.What = templates.Message("operation.unreadable", nil).What
	default:
		if !phase.Unknown() {
			h.tellDone(v, b, item, row)
			return
		}
		if op.Dismissed {
			row.What = templates.Message("bulk.dismissed", nil).What
			return
		}
		row.What = templates.Message(unknownKey(op), h.operationWords(v, op)).What
		row.OperationURL, row.LinkText = v.link(operationPath(op.ID)), templates.Message("bulk.findOut", nil).Title
	}
}

func (h *Handlers) failureWords(v *visit, op *operation.Operation) string {
	if op.Failure.NoLongerActive() {
		return templates.Message("bulk.noLongerActive", nil).What
	}
	text := h.wordFailure(v, op.Failure, op.Finished).text
	return text.Title + ". " + text.What + " " + text.Advice
}

// tellDone words what was done, with what is left of a rotation.
func (h *Handlers) tellDone(v *visit, b *operation.Batch, item *operation.BatchItem, row *bulkRow) {
	op := item.Operation
	words := h.operationWords(v, op)
	switch {
	case b.Action == operation.Revoke && item.Already:
		row.What = templates.Message("bulk.already", nil).What
	case shortened(op):
		row.What = templates.Message("bulk.shortened", words).What
	}
	if b.Action != operation.Rotate {
		return
	}
	row.URL = tokenURL(v, op.Organization, op.Result)
	row.OperationURL, row.LinkText = v.link(operationPath(op.ID)), templates.Message("bulk.seeRotation", nil).Title
	switch op.Phase() {
	case operation.PhaseSecretWaiting:
		row.State = "waitingSecret"
	case operation.PhaseSecretExpired, operation.PhaseSecretUnkept:
		row.State = "lostSecret"
		if !op.Dismissed {
			row.What = templates.Message("bulk.lostSecret", nil).What
		} else {
			row.What = ""
		}
	case operation.PhaseHalfWay:
		row.State = "oldAlive"
		if op.Old == operation.OldFailed && op.OldFailure != nil {
			row.State = "oldFailed"
			row.What = h.wordFailure(v, op.OldFailure, op.Finished).text.Title + "."
		}
		if !b.Running {
			row.RevokeOld = v.link(operationPath(op.ID) + "/revoke-old")
		}
	}
}

// offerSteps offers what can be done now.
func (h *Handlers) offerSteps(v *visit, b *operation.Batch, p *bulkRunPage) {
	step := func(verb string) string { return v.link(batchPath(b.ID) + "/" + verb) }
	if b.Running {
		if !p.Stopping {
			p.StopAction = step("stop")
		}
		return
	}
	for i := range b.Items {
		item := &b.Items[i]
		if item.MayRetry() {
			p.Retries++
		}
		if op := item.Operation; op != nil && op.Phase() == operation.PhaseHalfWay {
			p.OldReady++
		}
	}
	if p.NotBegun > 0 {
		p.GoOnAction = step("go-on")
	}
	if p.Retries > 0 {
		p.RetryForm = step("retry")
	}
	if p.OldAlive > 0 {
		p.KeepOld = step("keep-old")
	}
	if p.OldReady > 0 {
		p.Retire = step("revoke-old")
	}
	if !b.Dismissed && p.OldAlive == 0 && p.SecretsMade == 0 && (p.NotBegun+p.Failed > 0 || slices.ContainsFunc(b.Items, pendingItem)) {
		p.Dismiss = step("dismiss")
	}
}

// mayHaveMade says that a token may have been made whose owner hasn't settled what becomes of it.
func mayHaveMade(item operation.BatchItem) bool {
	if item.Operation == nil {
		return false
	}
	switch item.Operation.Phase() {
	case operation.PhaseInDoubt, operation.PhaseFound, operation.PhaseUnreadable:
		return true
	}
	return false
}

func pendingItem(item operation.BatchItem) bool {
	return item.Operation != nil && item.Operation.Pending()
}

// tellSecrets shows the secrets that wait.
func (h *Handlers) tellSecrets(v *visit, b *operation.Batch, p *bulkRunPage) error {
	err := h.eachSecret(v, b, func(op *operation.Operation, secret string) {
		p.Secrets = append(p.Secrets, bulkSecret{
			Number: len(p.Secrets) + 1, Name: operationToken(op), Organization: op.Organization, Operation: op.ID, Secret: secret,
			Until: v.when(op.SecretUntil), SaveAction: v.link(operationPath(op.ID) + "/acknowledge"),
		})
		if p.SecretUntil.ISO == "" || v.when(op.SecretUntil).ISO < p.SecretUntil.ISO {
			p.SecretUntil = v.when(op.SecretUntil)
		}
	})
	if err != nil || len(p.Secrets) == 0 {
		return err
	}
	p.SaveForm, p.Download = v.link(batchPath(b.ID)+"/saved"), v.link(batchPath(b.ID)+"/download")
	chosen := v.PostForm.Get("format")
	for _, format := range []string{"env", "json"} {
		text := templates.Message("bulk.format."+format, nil)
		p.DownloadFormat = append(p.DownloadFormat, option{
			Value: format, Text: text.Title, Hint: text.What, Selected: format == chosen || chosen == "" && format == "env",
		})
	}
	return nil
}

// batchNotices are the banners of batches that aren't finished. secrets counts what waits to be saved, by batch.
func (h *Handlers) batchNotices(v *visit, secrets map[string]int) (out []notice, open map[string]bool, err error) {
	batches, err := h.Journal.OpenBatches(v.Context(), v.session.Person().Key())
	if err != nil {
		return nil, nil, err
	}
	open = map[string]bool{}
	for _, b := range batches {
		open[b.ID] = true
		if v.URL.Path == batchPath(b.ID) {
			continue
		}
		kind, key, count := "unknown", "notice.batch."+bulkVerb(b.Action), b.Count
		switch {
		case b.Running:
			kind, key = "running", "notice.batchRunning."+bulkVerb(b.Action)
		case secrets[b.ID] > 0:
			kind, key, count = "secret", "notice.batchSecrets", secrets[b.ID]
		}
		text := templates.Message(key, map[string]any{"Count": count})
		out = append(out, notice{Kind: kind, Text: text.What, LinkText: text.Title, URL: v.link(batchPath(b.ID))})
	}
	return out, open, nil
}

// batchChanges are the person's batches as the list of changes shows them.
func (h *Handlers) batchChanges(v *visit) ([]changeRow, error) {
	batches, err := h.Journal.RecentBatches(v.Context(), v.session.Person().Key())
	var out []changeRow
	for i := range batches {
		b := &batches[i]
		words := map[string]any{"Count": len(b.Items), "Done": b.Tally.Done}
		state := "partly"
		switch {
		case b.Running:
			state = "sent"
		case b.Ended.IsZero() || b.Working:
			state = "halfway"
		case b.Tally.Done == len(b.Items):
			state = "succeeded"
		}
		out = append(out, changeRow{
			When: v.when(b.Started), What: templates.Message("bulk.change."+bulkVerb(b.Action), words).Title,
			Token: templates.Message("bulk.changeTokens", words).Title, Organization: batchPlaces(b),
			Outcome: templates.Message("bulk.outcome."+state, words).Title, OutcomeClass: map[string]string{"partly": "unknown"}[state] + strings.TrimPrefix(state, "partly"),
			URL: v.link(batchPath(b.ID)), started: b.Started, Address: b.Asked.Address, Browser: browserName(b.Asked.Browser),
		})
	}
	return out, err
}

// batchPlaces names the organization of a batch, or counts them.
func batchPlaces(b *operation.Batch) string {
	if n := placesOf(b); n != 1 {
		return templates.Message("bulk.places", map[string]any{"Count": n}).Title
	}
	return b.Items[0].Organization
}
