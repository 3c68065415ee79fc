package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/vault"
	"github.com/patdesk/patdesk/templates"
)

// ProblemPage is every error that has a page of its own.
type ProblemPage struct {
	Base
	Status  int
	Heading string
	What    string
	Advice  string
	Details []Field // for support: activity id, error code, request id
	Actions []NextAction
	Resend  *resendForm // what was sent, to be sent again
	Request string      // to be copied, for an administrator
	Approve *NextAction // where they act
}

// resendForm sends a form again as it was.
type resendForm struct {
	Action string
	Fields []HiddenField
}

// ProblemSummary is an error shown above a form whose input is kept.
type ProblemSummary struct {
	Heading, What, Advice string
	Details               []Field
}

// HTTPError is a request that we refuse by ourselves. key names its words in the catalogue; empty = by status.
type HTTPError struct {
	Status int
	Key    string
	Data   map[string]any
	cause  error

	retryAfter time.Duration // 0: not said
}

func (e *HTTPError) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.Key)) // some have no key: their status says it all
	if e.cause != nil {
		return fmt.Sprintf("%s: %v", text, e.cause)
	}
	return text
}

func (e *HTTPError) Unwrap() error { return e.cause }

// UserError is an error put in words: what a page needs, whether it fills the page or stands above a form.
type UserError struct {
	Status     int
	Text       templates.Text
	Details    []Field
	RetryAfter time.Duration
	Named      bool   // the heading has the organization's name
	source     string // "azuredevops", "entra", "store", "http"
	kind       string
}

// Problem turns an error into its answer. A sign-in that ran out is no error: it leads through a new one and back.
func (s *Site) Problem(v *Request, err error) Answer {
	if v.Session != nil {
		if AnsweredBefore(v.Session, err) {
			err = &HTTPError{Status: http.StatusForbidden, Key: "signin.challengeRepeated"}
		} else if c, ok := NeedsSignIn(err); ok {
			result, failed := s.signInFirst(v, c)
			if failed == nil {
				return result
			}
			err = failed
		}
	}
	v.NoteError(err)
	if errors.Is(err, context.Canceled) && v.Context().Err() != nil {
		return Page{Status: 499, Template: "problem", Data: ProblemPage{Base: v.PlainBase("")}}
	}
	t := v.Describe(err)
	p := ProblemPage{
		Base: frame(v, t), Status: t.Status, Heading: t.Text.Title, What: t.Text.What, Advice: t.Text.Advice,
		Details: v.Support(t), Actions: s.wayOut(v, t), Resend: resend(v, t),
	}
	p.AskApproval(v, t)
	return Page{Status: t.Status, Template: "problem", Data: p, Header: RetryHeader(t.RetryAfter)}
}

// AskApproval adds what an administrator needs, where only one of those can help.
func (p *ProblemPage) AskApproval(v *Request, t UserError) {
	if t.kind != string(entra.KindAdminApproval) {
		return
	}
	consent := v.site.Entra.ConsentURL()
	p.Request = v.Words.Text("approval.request", "ClientID", v.site.ClientID, "URL", consent)
	p.Approve = &NextAction{Text: v.Words.Text("approval.open"), URL: consent}
}

// frame is the page's frame, without banners where the store can't be asked for them.
func frame(v *Request, t UserError) Base {
	if t.source == "store" {
		return v.PlainBase(t.Text.Title)
	}
	return v.Base(t.Text.Title, "")
}

// PlainBase is a frame that asks the store for nothing.
func (v *Request) PlainBase(title string) Base {
	return Base{
		Root: v.Address.root, Title: title, Demo: v.site.Demo, Version: v.site.Version, RequestID: v.RequestID(),
		Here: v.here(), Look: v.site.lookOf(v.Request),
	}
}

// Describe words an error.
func (v *Request) Describe(err error) UserError {
	var (
		api     *azuredevops.Error
		sign    *entra.Error
		safe    *vault.Error
		refused *HTTPError
		known   *failure.Failure
	)
	switch {
	case errors.As(err, &refused):
		return httpUserError(v.Words, refused)
	case errors.Is(err, session.ErrFull):
		v.site.Limits.CountFull(err)
		status, key := FormRefusal(err)
		return httpUserError(v.Words, &HTTPError{Status: status, Key: key, cause: err})
	case errors.As(err, &api), errors.As(err, &safe), errors.As(err, &sign):
		return v.DescribeFailure(failure.Of(err), v.Now)
	case errors.As(err, &known) && !StoreDown(err):
		return v.DescribeFailure(known, v.Now)
	case errors.Is(err, operation.ErrNotKept):
		return storeUserError(v.Words, "store.notKept")
	case errors.Is(err, calendar.ErrUnreadable):
		return httpUserError(v.Words, &HTTPError{Status: http.StatusServiceUnavailable, Key: "calendar.unreadable", cause: err})
	case errors.Is(err, operation.ErrUnreadable):
		return httpUserError(v.Words, &HTTPError{Status: http.StatusServiceUnavailable, Key: "operation.unreadable", cause: err})
	case errors.Is(err, operation.ErrNotFound):
		return httpUserError(v.Words, &HTTPError{Status: http.StatusNotFound, Key: "operation.notFound"})
	case StoreDown(err):
		return storeUserError(v.Words, "store.unavailable")
	default:
		return httpUserError(v.Words, &HTTPError{Status: http.StatusInternalServerError})
	}
}

func httpUserError(w *templates.Words, e *HTTPError) UserError {
	key := cmp.Or(e.Key, "http."+strconv.Itoa(e.Status))
	return UserError{Status: e.Status, Text: w.Message(key, e.Data), source: "http", kind: key, RetryAfter: e.retryAfter}
}

func storeUserError(w *templates.Words, key string) UserError {
	return UserError{Status: http.StatusServiceUnavailable, Text: w.Message(key, nil), source: "store", kind: key, RetryAfter: 10 * time.Second}
}

// DescribeFailure words a failure, live or as an operation recorded it, which was seen at that time.
func (v *Request) DescribeFailure(f *failure.Failure, seen time.Time) UserError {
	t := UserError{source: f.Source, kind: f.Kind, RetryAfter: max(0, seen.Add(f.RetryAfter).Sub(v.Now))}
	words := map[string]any{
		"Organization": f.Organization, "Code": f.Code, "Status": f.Status, "ClientID": v.site.ClientID,
		"Tenant": v.Session.Person().TenantID, "Username": v.Session.Person().Username,
	}
	if t.RetryAfter > 0 {
		over := v.When(v.Now.Add(t.RetryAfter))
		words["RetryAfter"], words["Clock"] = over.Relative, over.Clock
	}
	switch f.Source {
	case failure.SourceEntra:
		t.Status = entraStatus(entra.Kind(f.Kind))
		t.Text = v.Words.Message("entra."+f.Kind, words)
	case failure.SourceVault:
		t.Status = vaultStatus(vault.Kind(f.Kind))
		words["Vault"], words["Secret"] = vault.ShortName(f.Vault), vault.Reference{Vault: f.Vault, Name: f.Name}.String()
		t.Text = v.Words.Message("vault."+f.Kind, words)
	case failure.SourceStore:
		t.Status = http.StatusServiceUnavailable
		if strings.HasPrefix(f.Kind, failure.FullPrefix) {
			t.Status = http.StatusTooManyRequests
		}
		t.Text = v.Words.Message("store."+f.Kind, words)
	case failure.SourceOperation:
		t.Status = http.StatusBadGateway
		t.Text = v.Words.Message("operation."+f.Kind, words)
	default:
		t.Status = apiStatus(azuredevops.Kind(f.Kind))
		t.Text = v.Words.Message("azuredevops."+f.Kind, words)
		t.Named = f.Organization != "" && v.Words.Has("azuredevops."+f.Kind+".title.withoutOrganization")
	}
	t.Details = failureDetails(v.Words, f)
	return t
}

// keptByRotation are refusals of what a rotation takes over from the old token: its form has no field to change that.
var keptByRotation = []azuredevops.Kind{
	"displayNameRequired", "invalidDisplayName", "invalidScope", "fullScopePatPolicyViolation", "disablePatCreationPolicyViolation",
}

// DescribeChange words why a change was not done, with the advice that its form allows for.
func DescribeChange(v *Request, op *operation.Operation) UserError {
	t := v.DescribeFailure(op.Failure, op.Finished)
	if KeptByRotation(op) {
		keeps := v.Words.Message("rotate.keeps", nil).Advice
		if t.kind == "invalidScope" || t.kind == "displayNameRequired" || t.kind == "invalidDisplayName" {
			t.Text.Advice = keeps
		} else {
			t.Text.Advice = v.Words.Sentences(t.Text.Advice, keeps)
		}
	}
	return t
}

// KeptByRotation reports whether op is a rotation that was refused for what it keeps of the old token.
func KeptByRotation(op *operation.Operation) bool {
	return op.Action == operation.Rotate && op.Failure != nil && op.Failure.Source == failure.SourceAzureDevOps &&
		slices.Contains(keptByRotation, azuredevops.Kind(op.Failure.Kind))
}

// DescribeBeside words what failed in one organization where others stand beside it: to choose another one is no advice
// there.
func DescribeBeside(v *Request, err error) UserError {
	return Beside(v, v.Describe(err))
}

// Beside is DescribeBeside of what is worded already.
func Beside(v *Request, t UserError) UserError {
	if key := "beside." + t.kind; v.Words.Has(key) {
		t.Text.Advice = v.Words.Message(key, nil).Advice
	}
	return t
}

func failureDetails(w *templates.Words, f *failure.Failure) []Field {
	var out []Field
	add := func(key, value string) {
		if value != "" && value != "0" {
			out = append(out, Field{w.Message(key, nil).Title, value})
		}
	}
	add("label.activityID", f.ActivityID)
	if f.Kind != string(azuredevops.KindIntermediary) { // its words have the host
		add("label.code", f.Code)
	}
	if f.Source == failure.SourceAzureDevOps {
		add("label.status", strconv.Itoa(f.Status))
	}
	return out
}

// Support adds our own request id to what the service reports.
func (v *Request) Support(t UserError) []Field {
	return append(t.Details, Field{v.Words.Message("label.requestID", nil).Title, v.RequestID()})
}

// wayOut offers the next steps, the one that fits best first: the same page again where that can help, a sign-in or
// another organization where those are what's missing, otherwise the list.
func (s *Site) wayOut(v *Request, t UserError) []NextAction {
	var out []NextAction
	add := func(key, url string) {
		out = append(out, NextAction{Text: v.Words.Message(key, nil).Title, URL: url, Primary: len(out) == 0})
	}
	signedIn := v.Session != nil && v.Session.SignedIn()
	if t.Status == http.StatusTooManyRequests && t.source == "http" {
		return s.sameAgain(v)
	}
	if !signedIn && t.source == "http" {
		add("action.signIn", v.Link(StartPath("/", "")))
		return out
	}
	read, back := v.Method == http.MethodGet || v.Method == http.MethodHead, "/"
	if read && v.URL.Path != s.RedirectPath {
		back = v.Here()
	}
	unaccepted, elsewhere := t.kind == string(azuredevops.KindSignIn), t.kind == string(azuredevops.KindOrganization)
	if unaccepted {
		add("action.signInAgain", v.Link(StartPath(back, "")))
	}
	if signedIn && elsewhere {
		add("action.otherOrganization", v.Link(OrganizationsPath))
	}
	canHelp := t.Status >= 500 || t.Status == http.StatusTooManyRequests || t.Status == http.StatusForbidden && t.source == "azuredevops"
	if canHelp && back != "/" && t.source != "http" {
		add("action.tryAgain", v.Link(back))
	}
	useless := signedIn && t.kind == string(entra.KindTooLong) // the next sign-in would be asked for the same
	if !unaccepted && !useless && (!signedIn || t.source == "entra" || t.kind == string(azuredevops.KindRefused)) {
		add("action.signInAgain", v.Link(StartPath(back, "")))
	}
	if signedIn {
		add("action.backToTokens", v.Link(ListPath("")))
	}
	if signedIn && t.source == "azuredevops" && !elsewhere {
		add("action.otherOrganization", v.Link(OrganizationsPath))
	}
	return out
}

// resend is a form that came too soon, so that what was typed or chosen isn't lost; nil for everything else.
func resend(v *Request, t UserError) *resendForm {
	if v.Method != http.MethodPost || t.kind != "limit."+limitChanges {
		return nil
	}
	form := &resendForm{Action: v.Link(v.URL.EscapedPath())}
	for _, name := range slices.Sorted(maps.Keys(v.PostForm)) {
		for _, value := range v.PostForm[name] {
			form.Fields = append(form.Fields, HiddenField{name, value})
		}
	}
	return form
}

// sameAgain leads a request that came too soon to where it came from. The address that a person comes back to from
// Entra can only be loaded again: it holds a code, which no link may.
func (s *Site) sameAgain(v *Request) []NextAction {
	switch {
	case v.URL.Path == s.RedirectPath:
		return nil
	case v.Method == http.MethodPost:
		return []NextAction{{Text: v.Words.Message("action.goBack", nil).Title, URL: v.Link(SafeReturn(v.formPath()))}}
	default:
		return []NextAction{{Text: v.Words.Message("action.tryAgain", nil).Title, URL: v.Link(v.Here()), Primary: true}}
	}
}

// RetryHeader says after how long to try again; nil where that isn't known.
func RetryHeader(after time.Duration) http.Header {
	if after <= 0 {
		return nil
	}
	seconds := int64((after + time.Second - 1) / time.Second)
	return http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}}
}

// apiStatus is the status of a page about a failure of the API. 5xx: the fault lies behind us.
func apiStatus(k azuredevops.Kind) int {
	if k.NotFound() {
		return http.StatusNotFound
	}
	switch k {
	case azuredevops.KindSignIn, azuredevops.KindRefused, azuredevops.KindForbidden, azuredevops.KindConditionalAccess,
		azuredevops.KindServicePrincipal, azuredevops.KindClaims:
		return http.StatusForbidden
	case azuredevops.KindThrottled, azuredevops.KindBusy:
		return http.StatusTooManyRequests
	case azuredevops.KindUnavailable, azuredevops.KindPaused, azuredevops.KindOverloaded:
		return http.StatusServiceUnavailable
	case azuredevops.KindTimeout:
		return http.StatusGatewayTimeout
	case azuredevops.KindServer, azuredevops.KindNotUnderstood, azuredevops.KindOrganizationsOdd, azuredevops.KindTooLarge, azuredevops.KindConnection,
		azuredevops.KindIntermediary, azuredevops.KindTLS, azuredevops.KindBadRequest, azuredevops.KindCanceled,
		"failedToIssueAccessToken", "failedToUpdateAccessToken", "failedToReadTenantPolicy", "failedToReadOrgPolicy":
		return http.StatusBadGateway
	case "displayNameRequired", "invalidDisplayName", "invalidValidTo", "invalidScope":
		return http.StatusUnprocessableEntity
	case "expiredPatCannotBeExtended":
		return http.StatusConflict
	default: // every other patTokenError is a refusal: policy, person, client or organization
		return http.StatusForbidden
	}
}

func entraStatus(k entra.Kind) int {
	switch k {
	case entra.KindExpired, entra.KindForged:
		return http.StatusBadRequest
	case entra.KindMisconfigured:
		return http.StatusInternalServerError
	case entra.KindUnavailable:
		return http.StatusServiceUnavailable
	case entra.KindOther:
		return http.StatusBadGateway
	default:
		return http.StatusForbidden
	}
}

// methodNotAllowed says which methods the path takes (RFC 9110, section 15.5.6).
func methodNotAllowed(routes chi.Routes) Action {
	return func(v *Request) (Answer, error) {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			lookup := method
			if method == http.MethodHead {
				lookup = http.MethodGet
			}
			if routes.Match(chi.NewRouteContext(), lookup, v.URL.EscapedPath()) {
				v.Writer.Header().Add("Allow", method)
			}
		}
		return nil, &HTTPError{Status: http.StatusMethodNotAllowed}
	}
}
