package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

const (
	// progressWait is how long an operation's page waits for an outcome before it shows that work goes on.
	progressWait = 20 * time.Second
	// lookWait is how long it waits for a look that is due. A look that takes longer goes on without it.
	lookWait = 2 * time.Second
)

// operationPage shows one change: its progress, its secret, its outcome and the next step.
type operationPage struct {
	base
	Heading        string
	InProgress     bool
	State          string
	Sentence       string
	Advice         string
	Details        []field
	Cause          string // what went wrong on the way, beside Details
	TokenName      string
	TokenURL       string
	Organization   string
	Secret         string
	SecretUntil    when
	SecretFake     bool
	SecretNote     string
	Unkept         bool
	Asked, Granted when
	Shortened      bool
	Expires        when
	Scopes         []string
	SaveAction     string
	Old            *oldToken
	Candidates     []candidate
	NextActions    []nextAction
	DismissAction  string
	CheckAction    string
	ReloadAfter    int // seconds until the page is to be loaded again, as there may be more to see then; 0: it needn't be
}

// oldToken is the token that a rotation replaces.
type oldToken struct {
	State        string // "alive", "sent", "failed", "revoked", "kept"
	Name, URL    string
	Expires      when
	Sentence     string
	Problem      *problemSummary
	RevokeAction string
	KeepAction   string
}

// candidate is a token that fits an operation whose outcome is unknown.
type candidate struct {
	Name, AuthorizationID, URL string
	Created, Expires           when
	Scopes                     []string
	RevokeAction               string
	Likely                     bool // it is most likely what the operation has made
	Revoking                   bool // patdesk was asked to revoke it, and goes on with that
}

func (h *Handlers) showOperation(v *visit) (answer, error) {
	ctx, cancel := context.WithTimeout(v.Context(), progressWait)
	defer cancel()
	op, err := h.Journal.Wait(ctx, v.session.Person().Key(), v.param("operation"))
	if err != nil {
		return nil, err
	}
	if op.LookDue(h.Now()) {
		if op, err = h.lookInto(v, op); err != nil {
			return nil, err
		}
	}
	h.outdate(v, op.Organization, op.Before, op.Finished) // it may have ended after its form's answer
	return h.operationAnswer(v, op)
}

// lookInto looks for what a change of unknown outcome has done, as that is due. Whoever comes to see then finds it, and
// need not ask for it. If it can't be found out now, or not that fast, the operation's page says so.
func (h *Handlers) lookInto(v *visit, op *operation.Operation) (*operation.Operation, error) {
	ctx, cancel := context.WithTimeout(v.Context(), lookWait)
	defer cancel()
	err := h.Journal.LookNow(ctx, h.caller(v), op.Person)
	if _, signIn := needsSignIn(err); signIn {
		return nil, err
	}
	if err != nil {
		fieldsOf(v.Context()).Err = err
	}
	return h.Journal.Get(v.Context(), op.Person, op.ID)
}

// operationAnswer is the page of an operation as it stands. An outcome that isn't known, or a failure, is told with
// the status of what went wrong: neither is ever a 200.
func (h *Handlers) operationAnswer(v *visit, op *operation.Operation) (answer, error) {
	p, status, err := h.describeOperation(v, op, h.base(v, plaintext.InSentence(operationToken(op)), "changes"))
	if err != nil {
		return nil, err
	}
	p.Notices = slices.DeleteFunc(p.Notices, func(n notice) bool { return n.URL == v.link(operationPath(op.ID)) }) // this is what it leads to
	return page{status: status, template: "operation", data: p}, nil
}

// describeOperation says all that there is to say of an operation, and the status that fits.
func (h *Handlers) describeOperation(v *visit, op *operation.Operation, frame base) (operationPage, int, error) {
	words := h.operationWords(v, op)
	p := operationPage{
		base:  frame,
		State: string(op.State), InProgress: op.Phase() == operation.PhaseUnderWay,
		TokenName: operationToken(op), TokenURL: tokenURL(v, op.Organization, op.Result), Organization: op.Organization,
		SecretFake: h.Demo,
	}
	p.describeResult(v, op)
	status := http.StatusOK
	switch phase := op.Phase(); {
	case phase == operation.PhaseUnderWay:
		text := templates.Message("operation.inProgress", words)
		p.Heading, p.Sentence, p.Advice = text.Title, text.What, text.Advice
	case phase.Unknown():
		status = h.describeUnknown(v, op, &p, words)
	case phase == operation.PhaseFailed:
		t := h.wordFailure(v, op.Failure, op.Finished)
		status, p.Details = t.status, h.support(v, t)
		p.Heading, p.Sentence, p.Advice = t.text.Title, t.text.What, t.text.Advice
		p.NextActions = append(p.NextActions, nextAction{templates.Message("action.tryAgain", nil).Title, v.link(h.againPath(op)), true})
	default:
		if err := h.describeSuccess(v, op, &p, words); err != nil {
			return p, 0, err
		}
		if p.State != string(op.State) {
			status = http.StatusInternalServerError
		}
	}
	p.NextActions = append(p.NextActions, nextAction{Text: templates.Message("action.backToTokens", nil).Title, URL: v.link(listPath(op.Organization))})
	return p, status, nil
}

func (p *operationPage) describeResult(v *visit, op *operation.Operation) {
	p.Scopes = scopeList(op.Want.Scopes)
	if op.Result == nil {
		p.Expires = v.when(op.Want.ValidTo)
		return
	}
	if len(op.Result.Scopes) > 0 {
		p.Scopes = scopeList(op.Result.Scopes)
	}
	p.Expires = v.when(op.Result.ValidTo)
	if p.Shortened = shortened(op); p.Shortened {
		p.Asked, p.Granted = v.when(op.Want.ValidTo), v.when(op.Result.ValidTo)
	}
}

func (h *Handlers) describeSuccess(v *visit, op *operation.Operation, p *operationPage, words map[string]any) error {
	text := templates.Message(successKey(op), words)
	p.Heading, p.Sentence, p.Advice = text.Title, text.What, text.Advice
	switch op.Phase() {
	case operation.PhaseShowOnce: // also where only the record of it couldn't be kept: the store isn't to be relied on now
		p.Secret, p.Unkept = op.Unkept, true
		p.SecretNote = templates.Message("operation.secretUnkept", words).What
	case operation.PhaseSecretWaiting:
		secret, err := h.Journal.RevealSecret(v.Context(), v.delivery, op.Person, op.ID)
		if err != nil {
			return err
		}
		p.Secret, p.SecretUntil, p.SaveAction = secret, v.when(op.SecretUntil), v.link(operationPath(op.ID)+"/acknowledge")
		if secret == "" { // its record can't be read any more: the key is gone, or the file
			p.SecretNote = templates.Message("operation.secretGone", words).What
			h.offerAnother(v, op, p)
		}
	case operation.PhaseSecretExpired:
		p.SecretNote = templates.Message("operation.secretExpired", words).What
		h.offerAnother(v, op, p)
	case operation.PhaseSecretUnkept:
		p.SecretNote = templates.Message("operation.secretGone", words).What
		h.offerAnother(v, op, p)
	case operation.PhaseOrphaned, operation.PhaseTakenBack:
		h.describeUnkept(v, op, p, words)
	default:
		if op.Secret == operation.SecretSaved {
			p.SecretNote = templates.Message("operation.secretSaved", words).What
		}
	}
	if p.Old = h.describeOld(v, op); p.Old != nil && p.Old.State == string(operation.OldSent) && p.Secret == "" { // a secret is not to move while it is copied
		p.ReloadAfter = reloadAfter(v, op)
	}
	return nil
}

// describeUnkept: the store couldn't take the secret, and no browser is known to have got it. The token was to be revoked
// then: it was, or it is named to be revoked by its owner. A visit before that is settled, or after a process that died
// before it, shows what is known.
func (h *Handlers) describeUnkept(v *visit, op *operation.Operation, p *operationPage, words map[string]any) {
	switch {
	case op.Phase() == operation.PhaseTakenBack:
		p.describeOrphan(v, op, templates.Message("operation.orphanRevoked", words))
	case len(op.Revoking) > 0:
		p.describeOrphan(v, op, templates.Message("operation.orphanRevoking", words))
		p.ReloadAfter = reloadAfter(v, op)
	case len(op.Candidates) > 0:
		p.describeOrphan(v, op, templates.Message("operation.orphanLeft", words))
	default:
		p.describeOrphan(v, op, templates.Message("operation.orphanUnsettled", words))
		h.offerAnother(v, op, p)
	}
}

// describeOrphan: a token whose secret nobody has is no success.
func (p *operationPage) describeOrphan(v *visit, op *operation.Operation, text templates.Text) {
	p.Heading, p.Sentence, p.Advice, p.State = text.Title, text.What, text.Advice, string(operation.Unknown)
	p.nameCandidates(v, op)
	if op.Pending() {
		p.DismissAction = v.link(operationPath(op.ID) + "/dismiss")
	}
}

// nameCandidates lists the tokens that the person may have to revoke.
func (p *operationPage) nameCandidates(v *visit, op *operation.Operation) {
	for _, t := range op.Candidates {
		p.Candidates = append(p.Candidates, candidate{
			Name: shownName(t.DisplayName), AuthorizationID: t.AuthorizationID, URL: tokenURL(v, op.Organization, &t),
			Created: v.when(t.ValidFrom), Expires: v.when(t.ValidTo), Scopes: scopeList(t.Scopes),
			RevokeAction: v.link(operationPath(op.ID) + "/revoke-candidate"),
			Likely:       op.Ours || op.State == operation.Succeeded && op.Result != nil && op.Result.AuthorizationID == t.AuthorizationID,
			Revoking:     slices.Contains(op.Revoking, t.AuthorizationID),
		})
	}
}

// offerAnother: a token whose secret nobody has is of no use; the way on is to rotate or to revoke it.
func (h *Handlers) offerAnother(v *visit, op *operation.Operation, p *operationPage) {
	if op.Result == nil {
		return
	}
	p.NextActions = append(p.NextActions,
		nextAction{templates.Message("action.rotateNew", nil).Title, v.link(tokenPath(op.Organization, op.Result.AuthorizationID, "rotate")), true},
		nextAction{templates.Message("action.revokeNew", nil).Title, v.link(tokenPath(op.Organization, op.Result.AuthorizationID, "revoke")), false})
	if !op.Dismissed {
		p.DismissAction = v.link(operationPath(op.ID) + "/dismiss")
	}
}

func (h *Handlers) describeOld(v *visit, op *operation.Operation) *oldToken {
	if op.Old == operation.OldNone || op.Before == nil {
		return nil
	}
	words := h.operationWords(v, op)
	key := map[operation.OldState]string{
		operation.OldAlive: "operation.oldAlive", operation.OldSent: "operation.oldSent", operation.OldFailed: "operation.oldFailed",
		operation.OldRevoked: "operation.oldRevoked", operation.OldKept: "operation.oldKept",
	}[op.Old]
	old := &oldToken{
		State: string(op.Old), Name: nameOf(op.Before), URL: tokenURL(v, op.Organization, op.Before),
		Expires: v.when(op.Before.ValidTo), Sentence: templates.Message(key, words).What,
	}
	if op.OldOpen() {
		old.RevokeAction = v.link(operationPath(op.ID) + "/revoke-old")
		old.KeepAction = v.link(operationPath(op.ID) + "/keep-old")
	}
	if op.Old == operation.OldFailed && op.OldFailure != nil && op.OldFailure.Unknown {
		old.State, old.Sentence = string(operation.OldSent), templates.Message("operation.oldUnknown", words).What
	}
	if op.Old == operation.OldFailed && op.OldFailure != nil {
		old.Problem, _ = h.refusal(v, op.OldFailure, op.Finished)
	}
	return old
}

// describeUnknown says what may have happened, what was found, and the one right next step. A second try is offered only
// when nothing more can turn up of the first.
func (h *Handlers) describeUnknown(v *visit, op *operation.Operation, p *operationPage, words map[string]any) int {
	text := templates.Message(unknownKey(op), words)
	p.Heading, p.Sentence, p.Advice = text.Title, text.What, text.Advice
	status := http.StatusBadGateway
	if op.Failure != nil {
		t := h.wordFailure(v, op.Failure, op.Finished)
		p.Cause, p.Details = t.text.What, h.support(v, t)
		if t.status >= http.StatusInternalServerError || t.status == http.StatusTooManyRequests {
			status = t.status
		}
	}
	p.nameCandidates(v, op)
	if op.Dismissed {
		if op.Phase() == operation.PhaseInDoubt {
			p.Advice = templates.Message("operation.dismissedInDoubt", words).Advice
		}
		return status
	}
	p.ReloadAfter = reloadAfter(v, op)
	p.CheckAction = v.link(operationPath(op.ID) + "/check")
	p.DismissAction = v.link(operationPath(op.ID) + "/dismiss")
	if op.Failure != nil && op.Failure.Kind == string(azuredevops.KindSignIn) && op.Phase() == operation.PhaseInDoubt {
		p.Advice += " " + templates.Message("operation.notLetIn", words).Advice
		p.NextActions = append(p.NextActions, nextAction{templates.Message("action.signInAgain", nil).Title, v.link(startPath(operationPath(op.ID), "")), true})
	}
	if phase := op.Phase(); phase == operation.PhaseNothingFound || phase == operation.PhaseCleared {
		p.NextActions = append(p.NextActions, nextAction{templates.Message("action.tryAgain", nil).Title, v.link(h.againPath(op)), true})
	}
	return status
}

// Bounds of the time after which a page is loaded again that waits for a look.
const (
	soonestReload = 3 * time.Second
	latestReload  = 5 * time.Minute
)

// reloadAfter is after how many seconds a page about op is to be loaded again: after the next look, as long as something may
// turn up; 0: it needn't be.
func reloadAfter(v *visit, op *operation.Operation) int {
	next := op.LooksAgain()
	if next.IsZero() {
		return 0
	}
	wait := min(max(next.Sub(v.now)+time.Second, soonestReload), latestReload)
	return int(wait.Round(time.Second) / time.Second)
}

// sooner is the smaller one of two numbers of seconds of which 0 means never.
func sooner(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func unknownKey(op *operation.Operation) string {
	switch op.Action {
	case operation.Update:
		return "operation.unknownUpdate"
	case operation.Revoke:
		return "operation.unknownRevoke"
	}
	switch op.Phase() {
	case operation.PhaseFound:
		return foundKey(op)
	case operation.PhaseNothingFound:
		return "operation.unknownNone"
	case operation.PhaseCleared:
		return "operation.unknownCleared"
	}
	switch {
	case len(op.Revoked) > 0:
		return "operation.unknownRevoked"
	case op.Action == operation.Rotate:
		return "operation.unknownRotate"
	default:
		return "operation.unknownCreate"
	}
}

func foundKey(op *operation.Operation) string {
	switch {
	case len(op.Candidates) > 1:
		return "operation.unknownSeveral"
	case !op.Ours:
		return "operation.unknownFits"
	case op.Action == operation.Rotate:
		return "operation.unknownSuccessor"
	default:
		return "operation.unknownOne"
	}
}

// againPath is the form of the same change, filled with what was asked for.
func (h *Handlers) againPath(op *operation.Operation) string {
	verb := map[operation.Action]string{operation.Update: "edit", operation.Revoke: "revoke", operation.Rotate: "rotate"}[op.Action]
	if verb != "" && op.Before != nil {
		return tokenPath(op.Organization, op.Before.AuthorizationID, verb)
	}
	q := url.Values{"organization": {op.Organization}, "name": {op.Want.DisplayName}, "scope": {strings.Join(op.Want.Scopes, " ")}}
	if !op.Want.ValidTo.IsZero() {
		q.Set("expiry", "date")
		q.Set("date", op.Want.ValidTo.UTC().Format(dateLayout))
	}
	return NewTokenPath + "?" + q.Encode()
}

// changesPage lists the person's own last changes.
type changesPage struct {
	base
	Changes []changeRow
}

type changeRow struct {
	When                                                  when
	What, Token, Organization, Outcome, OutcomeClass, URL string
	Why                                                   string // it was refused, or isn't known: heading of the cause
	Address, Browser                                      string // it was asked for from there
	started                                               time.Time
}

const shownChanges = 100

func (h *Handlers) listChanges(v *visit) (answer, error) {
	operations, err := h.Journal.Recent(v.Context(), v.session.Person().Key(), shownChanges)
	if err != nil {
		return nil, err
	}
	p := changesPage{base: h.base(v, templates.Message("changes.title", nil).Title, "changes")}
	if p.Changes, err = h.batchChanges(v); err != nil {
		return nil, err
	}
	for i := range operations {
		op := &operations[i]
		p.Changes = append(p.Changes, changeRow{
			When: v.when(op.Started), What: templates.Message("change."+string(op.Action), nil).Title, Token: operationToken(op),
			Organization: op.Organization, Outcome: templates.Message("outcome."+outcome(op), nil).Title, OutcomeClass: outcome(op),
			URL: v.link(operationPath(op.ID)), started: op.Started,
			Why: h.changeCause(v, op), Address: op.From.Address, Browser: browserName(op.From.Browser),
		})
	}
	slices.SortStableFunc(p.Changes, func(a, b changeRow) int { return b.started.Compare(a.started) })
	p.Changes = p.Changes[:min(len(p.Changes), shownChanges)]
	return page{template: "changes", data: p}, nil
}

// changeCause is why a change wasn't done, or isn't known to be.
func (h *Handlers) changeCause(v *visit, op *operation.Operation) string {
	cause := op.Failure
	if op.State == operation.Succeeded && op.Old == operation.OldFailed {
		cause = op.OldFailure
	}
	if cause == nil || op.State == operation.Sent {
		return ""
	}
	return h.wordFailure(v, cause, op.Finished).text.Title
}

// outcome is an operation's phase as the list of changes shows it.
func outcome(op *operation.Operation) string {
	switch op.Phase() {
	case operation.PhaseTakenBack:
		return string(operation.Failed)
	case operation.PhaseOrphaned:
		return string(operation.Unknown)
	case operation.PhaseSecretWaiting:
		return "waiting"
	case operation.PhaseSecretExpired, operation.PhaseSecretUnkept:
		return "secretExpired"
	case operation.PhaseHalfWay:
		return "halfway"
	default:
		return string(op.State)
	}
}
