// Package outcome shows what became of operations: the page of one, which also stands among the results of several, and
// the words for its state. Several areas answer with it.
package outcome

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// LookWait is how long it waits for a look that is due. A look that takes longer goes on without it.
const LookWait = 2 * time.Second

// Page shows one change: its progress, its secret, its outcome and the next step.
type Page struct {
	web.Base
	Heading        string
	Named          bool // the heading has the organization's name
	InProgress     bool
	State          string
	Sentence       string
	Advice         string
	Details        []web.Field
	Cause          string // what went wrong on the way, beside Details
	TokenName      string
	TokenURL       string
	Organization   string
	Secret         string
	SecretUntil    templates.When
	SecretFake     bool
	SecretNote     string
	Uses           []Use // where such a token goes
	Unkept         bool
	Asked, Granted templates.When
	Shortened      bool
	Warned         bool // it succeeded, but not as it was meant: it mustn't look like a plain success
	Expires        templates.When
	Scopes         []web.Term
	SaveAction     string
	Old            *oldToken
	Vault          *IntoVault
	Candidates     []candidate
	NextActions    []web.NextAction
	DismissAction  string
	CheckAction    string
	ReloadAfter    int // seconds until the page is to be loaded again, as there may be more to see then; 0: it needn't be
}

// oldToken is the token that a rotation replaces.
type oldToken struct {
	State        string // "alive", "scheduled", "sent", "failed", "revoked", "kept"
	Name, URL    string
	Expires      templates.When
	Sentence     string
	Problem      *web.ProblemSummary
	RevokeAction string
	KeepAction   string
	Schedule     *Schedule // nil: no time can be chosen
}

// candidate is a token that fits an operation whose outcome is unknown.
type candidate struct {
	Name, AuthorizationID, URL string
	Created, Expires           templates.When
	Scopes                     []web.Term
	RevokeAction               string
	Likely                     bool // it is most likely what the operation has made
	Revoking                   bool // patdesk was asked to revoke it, and goes on with that
}

// Answer is the page of an operation as it stands. An outcome that isn't known, or a failure, is shown with the status
// of what went wrong: neither is ever a 200.
func (o *Outcomes) Answer(v *web.Request, op *operation.Operation) (web.Answer, error) {
	p, status, err := o.Describe(v, op, v.Base("", "changes").In(op.Organization))
	if err != nil {
		return nil, err
	}
	p.Title = v.Words.Text("operation.pageTitle", "Heading", p.Heading, "Token", plaintext.InSentence(web.OperationToken(v.Words, op)))
	p.LeaveOut(func(n web.Notice) bool { return n.URL == v.Link(web.OperationPath(op.ID)) }) // this is what it leads to
	return web.Page{Status: status, Template: "operation", Data: p}, nil
}

// Describe says all that there is to say of an operation, and the status that fits.
func (o *Outcomes) Describe(v *web.Request, op *operation.Operation, frame web.Base) (Page, int, error) {
	words := web.OperationWords(v, op)
	p := Page{
		Base:  frame,
		State: string(op.State), InProgress: op.Phase() == operation.PhaseUnderWay || op.Phase() == operation.PhaseDelivering,
		TokenName: web.OperationToken(v.Words, op), TokenURL: web.TokenURL(v, op.Organization, op.Result), Organization: web.ChangedIn(v.Words, op),
		SecretFake: o.Demo,
	}
	p.describeResult(v, op)
	status := http.StatusOK
	switch phase := op.Phase(); {
	case phase == operation.PhaseUnderWay:
		text := v.Words.Message("operation.inProgress", words)
		p.Heading, p.Sentence, p.Advice = text.Title, text.What, text.Advice
	case phase.Unknown():
		status = describeUnknown(v, op, &p, words)
	case phase == operation.PhaseFailed:
		t := web.DescribeChange(v, op)
		status, p.Details = t.Status, v.Support(t)
		p.Heading, p.Sentence, p.Advice, p.Named = t.Text.Title, t.Text.What, t.Text.Advice, t.Named
		if web.KeptByRotation(op) { // the same again would be refused again
			p.NextActions = append(p.NextActions, web.NextAction{Text: v.Words.Message("action.replace", nil).Title, URL: v.Link(web.ReplacementPath(op.Organization, *op.Before)), Primary: true})
			break
		}
		p.NextActions = append(p.NextActions, web.NextAction{Text: v.Words.Message("action.tryAgain", nil).Title, URL: v.Link(againPath(v, op)), Primary: true})
	default:
		if err := o.describeSuccess(v, op, &p, words); err != nil {
			return p, 0, err
		}
		if p.State != string(op.State) {
			status = http.StatusInternalServerError
		}
	}
	p.NextActions = append(p.NextActions, web.NextAction{Text: v.Words.Message("action.backToTokens", nil).Title, URL: v.Link(web.ListPath(op.Organization))})
	return p, status, nil
}

// scopesOf are the scopes that a token was made with, or those that were asked for where the service names none.
func scopesOf(op *operation.Operation) []string {
	if op.Result != nil && len(op.Result.Scopes) > 0 {
		return op.Result.Scopes
	}
	return op.Want.Scopes
}

func (p *Page) describeResult(v *web.Request, op *operation.Operation) {
	p.Scopes = web.ScopeTerms(v.Words, scopesOf(op))
	if op.Result == nil {
		p.Expires = v.When(op.Want.ValidTo)
		return
	}
	p.Expires = web.TokenEnds(v, op.Result)
	if p.Shortened, p.Warned = Shortened(op), Shortened(op); p.Shortened {
		p.Asked, p.Granted = v.When(op.Want.ValidTo), v.When(op.Result.ValidTo)
	}
}

func (o *Outcomes) describeSuccess(v *web.Request, op *operation.Operation, p *Page, words map[string]any) error {
	text := v.Words.Message(successKey(op), words)
	p.Heading, p.Sentence, p.Advice = text.Title, text.What, text.Advice
	switch op.Phase() {
	case operation.PhaseShowOnce: // also where only the record of it couldn't be kept: the store isn't to be relied on now
		p.Secret, p.Unkept = op.Unkept, true
		p.SecretNote, p.Warned = v.Words.Message("operation.secretUnkept", words).What, true
	case operation.PhaseDelivering:
		text = v.Words.Message("operation.delivering", words)
		p.Heading, p.Sentence, p.Advice = text.Title, text.What, text.Advice
	case operation.PhaseUndelivered:
		text = v.Words.Message("operation.undelivered", words)
		p.Heading, p.Sentence, p.Advice, p.Warned = text.Title, text.What, text.Advice, true
	case operation.PhasePreviousEnabled:
		text = v.Words.Message("operation.previousEnabled", words)
		if p.Warned = true; op.Pending() {
			p.Heading, p.Sentence, p.Advice = text.Title, text.What, text.Advice
			p.DismissAction = v.Link(web.OperationPath(op.ID) + "/dismiss")
		}
	case operation.PhaseSecretWaiting:
		secret, err := o.Journal.RevealSecret(v.Context(), v.Delivery, op.Person, op.ID)
		if err != nil {
			return err
		}
		p.Secret, p.SecretUntil, p.SaveAction = secret, v.When(op.SecretUntil), v.Link(web.OperationPath(op.ID)+"/acknowledge")
		if secret == "" { // its record can't be read any more: the key is gone, or the file
			describeLost(v, op, p, v.Words.Message("operation.secretGone", words))
		}
	case operation.PhaseSecretExpired:
		describeLost(v, op, p, v.Words.Message("operation.secretExpired", words))
	case operation.PhaseSecretUnkept:
		describeLost(v, op, p, v.Words.Message("operation.secretGone", words))
	case operation.PhaseOrphaned, operation.PhaseTakenBack:
		describeUnkept(v, op, p, words)
	default:
		if op.Secret == operation.SecretSaved {
			p.SecretNote = v.Words.Message("operation.secretSaved", words).What
		}
	}
	p.Vault = DescribeInto(v, op)
	if p.Secret != "" && op.Result != nil {
		p.Uses = usesOf(op.Organization, scopesOf(op), strings.Contains(v.UserAgent(), "Windows"))
	}
	if p.Old = describeOld(v, op); p.Old != nil && p.Old.State == string(operation.OldSent) && p.Secret == "" { // a secret is not to move while it is copied
		p.ReloadAfter = ReloadAfter(v, op)
	}
	return nil
}

// describeUnkept: the store couldn't take the secret, and no browser is known to have got it. The token was to be
// revoked then: it was, or it is named to be revoked by its owner. A visit before that is settled, or after a process
// that died before it, shows what is known.
func describeUnkept(v *web.Request, op *operation.Operation, p *Page, words map[string]any) {
	switch {
	case op.Phase() == operation.PhaseTakenBack:
		p.describeOrphan(v, op, v.Words.Message("operation.orphanRevoked", words))
	case len(op.Revoking) > 0:
		p.describeOrphan(v, op, v.Words.Message("operation.orphanRevoking", words))
		p.ReloadAfter = ReloadAfter(v, op)
	case len(op.Candidates) > 0:
		p.describeOrphan(v, op, v.Words.Message("operation.orphanLeft", words))
	default:
		p.describeOrphan(v, op, v.Words.Message("operation.orphanUnsettled", words))
		offerAnother(v, op, p)
	}
}

// describeOrphan: a token whose secret is lost is no success.
func (p *Page) describeOrphan(v *web.Request, op *operation.Operation, text templates.Text) {
	p.Heading, p.Sentence, p.Advice, p.State = text.Title, text.What, text.Advice, string(operation.Unknown)
	p.nameCandidates(v, op)
	if op.Pending() {
		p.DismissAction = v.Link(web.OperationPath(op.ID) + "/dismiss")
	}
}

// nameCandidates lists the tokens that the person may have to revoke.
func (p *Page) nameCandidates(v *web.Request, op *operation.Operation) {
	for _, t := range op.Candidates {
		p.Candidates = append(p.Candidates, candidate{
			Name: web.ShownName(v.Words, t.DisplayName), AuthorizationID: t.AuthorizationID, URL: web.TokenURL(v, op.Organization, &t),
			Created: v.When(t.ValidFrom), Expires: v.When(t.ValidTo), Scopes: web.ScopeTerms(v.Words, t.Scopes),
			RevokeAction: v.Link(web.OperationPath(op.ID) + "/revoke-candidate"),
			Likely:       op.Ours || op.State == operation.Succeeded && op.Result != nil && op.Result.AuthorizationID == t.AuthorizationID,
			Revoking:     slices.Contains(op.Revoking, t.AuthorizationID),
		})
	}
}

// describeLost: a token whose secret was not saved is there, but of no use.
func describeLost(v *web.Request, op *operation.Operation, p *Page, text templates.Text) {
	p.Heading, p.Sentence, p.Advice, p.Warned = text.Title, text.What, text.Advice, true
	offerAnother(v, op, p)
}

// offerAnother: a token whose secret is lost is of no use; the way on is to rotate or to revoke it.
func offerAnother(v *web.Request, op *operation.Operation, p *Page) {
	if op.Result == nil {
		return
	}
	p.NextActions = append(p.NextActions,
		web.NextAction{Text: v.Words.Message("action.rotateNew", nil).Title, URL: v.Link(web.TokenPath(op.Organization, op.Result.AuthorizationID, "rotate")), Primary: true},
		web.NextAction{Text: v.Words.Message("action.revokeNew", nil).Title, URL: v.Link(web.TokenPath(op.Organization, op.Result.AuthorizationID, "revoke")), Primary: false})
	if !op.Dismissed {
		p.DismissAction = v.Link(web.OperationPath(op.ID) + "/dismiss")
	}
}

func describeOld(v *web.Request, op *operation.Operation) *oldToken {
	if op.Old == operation.OldNone || op.Before == nil {
		return nil
	}
	words := web.OperationWords(v, op)
	key := map[operation.OldState]string{
		operation.OldAlive: "operation.oldAlive", operation.OldSent: "operation.oldSent", operation.OldFailed: "operation.oldFailed",
		operation.OldRevoked: "operation.oldRevoked", operation.OldKept: "operation.oldKept",
	}[op.Old]
	old := &oldToken{
		State: string(op.Old), Name: web.NameOf(op.Before), URL: web.TokenURL(v, op.Organization, op.Before),
		Expires: web.TokenEnds(v, op.Before), Sentence: v.Words.Message(key, words).What,
	}
	if op.Old == operation.OldAlive && op.EndsSooner() {
		old.Sentence = v.Words.Message("operation.oldLonger", words).What
	}
	old.describeSchedule(v, op, words)
	if op.OldOpen() && !op.AwaitsVault() {
		old.RevokeAction = v.Link(web.OperationPath(op.ID) + "/revoke-old")
	}
	if op.OldOpen() {
		old.KeepAction = v.Link(web.OperationPath(op.ID) + "/keep-old")
	}
	if op.Old == operation.OldFailed && op.OldFailure != nil && op.OldFailure.Unknown {
		old.State, old.Sentence = string(operation.OldSent), v.Words.Message("operation.oldUnknown", words).What
	}
	if op.Old == operation.OldFailed && op.OldFailure != nil {
		old.Problem = web.FailureSummary(v, op.OldFailure, op.Finished)
	}
	return old
}

// describeUnknown says what may have happened, what was found, and the one right next step. A second try is offered
// only when nothing more can turn up of the first.
func describeUnknown(v *web.Request, op *operation.Operation, p *Page, words map[string]any) int {
	text := v.Words.Message(UnknownKey(op), words)
	p.Heading, p.Sentence, p.Advice = text.Title, text.What, text.Advice
	status := http.StatusBadGateway
	if op.Failure != nil {
		t := v.DescribeFailure(op.Failure, op.Finished)
		p.Cause, p.Details = t.Text.What, v.Support(t)
		if t.Status >= http.StatusInternalServerError || t.Status == http.StatusTooManyRequests {
			status = t.Status
		}
	}
	p.nameCandidates(v, op)
	if op.Dismissed {
		if op.Phase() == operation.PhaseInDoubt {
			p.Advice = v.Words.Message("operation.dismissedInDoubt", words).Advice
		}
		return status
	}
	p.ReloadAfter = ReloadAfter(v, op)
	p.CheckAction = v.Link(web.OperationPath(op.ID) + "/check")
	p.DismissAction = v.Link(web.OperationPath(op.ID) + "/dismiss")
	if op.Failure != nil && op.Failure.Kind == string(azuredevops.KindSignIn) && op.Phase() == operation.PhaseInDoubt {
		p.Advice = v.Words.Sentences(p.Advice, v.Words.Message("operation.notLetIn", words).Advice)
		p.NextActions = append(p.NextActions, web.NextAction{Text: v.Words.Message("action.signInAgain", nil).Title, URL: v.Link(web.StartPath(web.OperationPath(op.ID), "")), Primary: true})
	}
	if phase := op.Phase(); phase == operation.PhaseNothingFound || phase == operation.PhaseCleared {
		p.NextActions = append(p.NextActions, web.NextAction{Text: v.Words.Message("action.tryAgain", nil).Title, URL: v.Link(againPath(v, op)), Primary: true})
	}
	return status
}

// Bounds of the time after which a page is loaded again that waits for a look.
const (
	soonestReload = 3 * time.Second
	latestReload  = 5 * time.Minute
)

// ReloadAfter is after how many seconds a page about op is to be loaded again: after the next look, as long as
// something may turn up; 0: it needn't be.
func ReloadAfter(v *web.Request, op *operation.Operation) int {
	next := op.LooksAgain()
	if next.IsZero() {
		return 0
	}
	wait := min(max(next.Sub(v.Now)+time.Second, soonestReload), latestReload)
	return int(wait.Round(time.Second) / time.Second)
}

// Sooner is the smaller one of two numbers of seconds of which 0 means never.
func Sooner(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// UnknownKey names the sentence for an operation in doubt.
func UnknownKey(op *operation.Operation) string {
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
func againPath(v *web.Request, op *operation.Operation) string {
	verb := map[operation.Action]string{operation.Update: "edit", operation.Revoke: "revoke", operation.Rotate: "rotate"}[op.Action]
	if verb != "" && op.Before != nil {
		return web.TokenPath(op.Organization, op.Before.AuthorizationID, verb)
	}
	q := url.Values{"organization": {op.Organization}, "name": {op.Want.DisplayName}, "scope": {strings.Join(op.Want.Scopes, " ")}}
	if !op.Want.ValidTo.IsZero() {
		q.Set("expiry", "date")
		q.Set("date", op.Want.ValidTo.In(v.Now.Location()).Format(web.DateLayout))
	}
	return web.NewTokenPath + "?" + q.Encode()
}

// Done says what was just done, on the page that a successful change leads to; nil where that isn't known.
func (o Outcomes) Done(v *web.Request) *web.Notice {
	id := v.URL.Query().Get("done")
	if id == "" {
		return nil
	}
	op, err := o.Journal.Get(v.Context(), v.Person(), id)
	if err != nil || op.State != operation.Succeeded {
		return nil
	}
	text := v.Words.Message(successKey(op), web.OperationWords(v, op))
	notice := web.Notice{Kind: "done", Text: v.Words.Sentences(text.What, text.Advice)}
	if Shortened(op) {
		notice.Kind = "warning"
	}
	return &notice
}

// Outcomes describes operations.
type Outcomes struct {
	Journal *operation.Journal
	Demo    bool // secrets are made up
}

// Organizations counts those that a batch changes tokens of.
func Organizations(b *batch.Batch) int {
	names := map[string]bool{}
	for _, item := range b.Items {
		names[strings.ToLower(item.Organization)] = true
	}
	return len(names)
}

// successKey names the sentence for a change that succeeded.
func successKey(op *operation.Operation) string {
	key := map[operation.Action]string{
		operation.Create: "operation.created", operation.Update: "operation.updated",
		operation.Revoke: "operation.revoked", operation.Rotate: "operation.rotated",
	}[op.Action]
	switch {
	case Shortened(op):
		key += "Shortened"
	case op.Action == operation.Revoke && op.Before != nil && op.Before.Global():
		key = "operation.revokedGlobal"
	}
	return key
}

// Shortened reports whether the service gave an earlier end than was asked for. It rounds to hundredths of a second
// and, where a policy says so, cuts; a minute separates the two.
func Shortened(op *operation.Operation) bool {
	return op.Result != nil && !op.Result.ValidTo.IsZero() && !op.Want.ValidTo.IsZero() && op.Want.ValidTo.Sub(op.Result.ValidTo) > time.Minute
}
