package handlers

import (
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
	"github.com/patdesk/patdesk/templates"
)

// problemPage is every error that has a page of its own.
type problemPage struct {
	base
	Status  int
	Heading string
	What    string
	Advice  string
	Details []field // for support: activity id, error code, request id
	Actions []nextAction
	Resend  *resendForm // what was sent, to be sent again
}

// resendForm sends a form again as it was.
type resendForm struct {
	Action string
	Fields []hiddenField
}

// problemSummary is an error shown above a form whose input is kept.
type problemSummary struct {
	Heading, What, Advice string
	Details               []field
}

// httpError is a request that we refuse by ourselves. key names its words in the catalogue; empty = by status.
type httpError struct {
	status int
	key    string
	data   map[string]any
	cause  error

	retryAfter time.Duration // 0: not said
}

func (e *httpError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%d %s: %v", e.status, e.key, e.cause)
	}
	return fmt.Sprintf("%d %s", e.status, e.key)
}

func (e *httpError) Unwrap() error { return e.cause }

// trouble is an error put in words: what a page needs, whether it fills the page or stands above a form.
type trouble struct {
	status     int
	text       templates.Text
	details    []field
	retryAfter time.Duration
	source     string // "azuredevops", "entra", "store", "http"
	kind       string
}

// problem turns an error into its answer. A sign-in that ran out is no error: it leads through a new one and back.
func (h *Handlers) problem(v *visit, err error) answer {
	if v.session != nil {
		if answeredBefore(v.session, err) {
			err = &httpError{status: http.StatusForbidden, key: "signin.challengeRepeated"}
		} else if c, ok := needsSignIn(err); ok {
			result, failed := h.signInFirst(v, c)
			if failed == nil {
				return result
			}
			err = failed
		}
	}
	fieldsOf(v.Context()).Err = err
	if errors.Is(err, context.Canceled) && v.Context().Err() != nil {
		return page{status: 499, template: "problem", data: problemPage{base: h.plainBase(v, "")}}
	}
	t := h.trouble(v, err)
	p := problemPage{
		base: h.frame(v, t), Status: t.status, Heading: t.text.Title, What: t.text.What, Advice: t.text.Advice,
		Details: h.support(v, t), Actions: h.wayOut(v, t), Resend: resend(v, t),
	}
	return page{status: t.status, template: "problem", data: p, header: retryHeader(t.retryAfter)}
}

// frame is the page's frame, without banners where the store can't be asked for them.
func (h *Handlers) frame(v *visit, t trouble) base {
	if t.source == "store" {
		return h.plainBase(v, t.text.Title)
	}
	return h.base(v, t.text.Title, "")
}

func (h *Handlers) plainBase(v *visit, title string) base {
	return base{Root: v.address.root, Title: title, Demo: h.Demo, Version: h.Version, RequestID: requestID(v.Context())}
}

func (h *Handlers) trouble(v *visit, err error) trouble {
	var (
		api     *azuredevops.Error
		sign    *entra.Error
		refused *httpError
		known   *failure.Failure
	)
	switch {
	case errors.As(err, &refused):
		return httpTrouble(refused)
	case errors.Is(err, session.ErrFull):
		h.countFull(err)
		status, key := formRefusal(err)
		return httpTrouble(&httpError{status: status, key: key, cause: err})
	case errors.As(err, &api):
		return h.wordFailure(v, failure.Of(err), v.now)
	case errors.As(err, &sign):
		return h.wordFailure(v, failure.Of(err), v.now)
	case errors.As(err, &known) && !storeDown(err):
		return h.wordFailure(v, known, v.now)
	case errors.Is(err, operation.ErrNotKept), errors.Is(err, operation.ErrStopping):
		return storeTrouble("store.notKept")
	case errors.Is(err, calendar.ErrUnreadable):
		return httpTrouble(&httpError{status: http.StatusServiceUnavailable, key: "calendar.unreadable", cause: err})
	case errors.Is(err, operation.ErrUnreadable):
		return httpTrouble(&httpError{status: http.StatusServiceUnavailable, key: "operation.unreadable", cause: err})
	case errors.Is(err, operation.ErrNotFound):
		return httpTrouble(&httpError{status: http.StatusNotFound, key: "operation.notFound"})
	case storeDown(err):
		return storeTrouble("store.unavailable")
	default:
		return httpTrouble(&httpError{status: http.StatusInternalServerError})
	}
}

func httpTrouble(e *httpError) trouble {
	key := e.key
	if key == "" {
		key = "http." + strconv.Itoa(e.status)
	}
	return trouble{status: e.status, text: templates.Message(key, e.data), source: "http", kind: key, retryAfter: e.retryAfter}
}

func storeTrouble(key string) trouble {
	return trouble{status: http.StatusServiceUnavailable, text: templates.Message(key, nil), source: "store", kind: key, retryAfter: 10 * time.Second}
}

// wordFailure words a failure, live or as an operation recorded it, which was seen at that time.
func (h *Handlers) wordFailure(v *visit, f *failure.Failure, seen time.Time) trouble {
	t := trouble{source: f.Source, kind: f.Kind, retryAfter: max(0, seen.Add(f.RetryAfter).Sub(v.now))}
	words := map[string]any{
		"Organization": f.Organization, "Code": f.Code, "Status": f.Status, "ClientID": h.ClientID,
		"Tenant": v.session.Person().TenantID, "Username": v.session.Person().Username,
	}
	if t.retryAfter > 0 {
		over := v.when(v.now.Add(t.retryAfter))
		words["RetryAfter"], words["Clock"] = over.Relative, over.Clock
	}
	switch f.Source {
	case failure.SourceEntra:
		t.status = entraStatus(entra.Kind(f.Kind))
		t.text = templates.Message("entra."+f.Kind, words)
	case failure.SourceStore:
		t.status = http.StatusServiceUnavailable
		if strings.HasPrefix(f.Kind, failure.FullPrefix) {
			t.status = http.StatusTooManyRequests
		}
		t.text = templates.Message("store."+f.Kind, words)
	case failure.SourceOperation:
		t.status = http.StatusBadGateway
		t.text = templates.Message("operation."+f.Kind, words)
	default:
		t.status = apiStatus(azuredevops.Kind(f.Kind))
		t.text = templates.Message("azuredevops."+f.Kind, words)
	}
	t.details = failureDetails(f)
	return t
}

func failureDetails(f *failure.Failure) []field {
	var out []field
	add := func(key, value string) {
		if value != "" && value != "0" {
			out = append(out, field{templates.Message(key, nil).Title, value})
		}
	}
	add("label.activityID", f.ActivityID)
	add("label.code", f.Code)
	if f.Source == failure.SourceAzureDevOps {
		add("label.status", strconv.Itoa(f.Status))
	}
	return out
}

// support adds our own request id to what the service told.
func (h *Handlers) support(v *visit, t trouble) []field {
	return append(t.details, field{templates.Message("label.requestID", nil).Title, requestID(v.Context())})
}

// wayOut offers the next steps, the one that fits best first: the same page again where that can help, a sign-in or
// another organization where those are what's missing, otherwise the list.
func (h *Handlers) wayOut(v *visit, t trouble) []nextAction {
	var out []nextAction
	add := func(key, url string) {
		out = append(out, nextAction{Text: templates.Message(key, nil).Title, URL: url, Primary: len(out) == 0})
	}
	signedIn := v.session != nil && v.session.SignedIn()
	if t.status == http.StatusTooManyRequests && t.source == "http" {
		return h.sameAgain(v)
	}
	if !signedIn && t.source == "http" {
		add("action.signIn", v.link(startPath("/", "")))
		return out
	}
	read, back := v.Method == http.MethodGet || v.Method == http.MethodHead, "/"
	if read && v.URL.Path != h.RedirectPath {
		back = v.here()
	}
	unaccepted, elsewhere := t.kind == string(azuredevops.KindSignIn), t.kind == string(azuredevops.KindOrganization)
	if unaccepted {
		add("action.signInAgain", v.link(startPath(back, "")))
	}
	if signedIn && elsewhere {
		add("action.otherOrganization", v.link(OrganizationsPath))
	}
	canHelp := t.status >= 500 || t.status == http.StatusTooManyRequests || t.status == http.StatusForbidden && t.source == "azuredevops"
	if canHelp && back != "/" && t.source != "http" {
		add("action.tryAgain", v.link(back))
	}
	if !unaccepted && (!signedIn || t.source == "entra" || t.kind == string(azuredevops.KindRefused)) {
		add("action.signInAgain", v.link(startPath(back, "")))
	}
	if signedIn {
		add("action.backToTokens", v.link(listPath("")))
	}
	if signedIn && t.source == "azuredevops" && !elsewhere {
		add("action.otherOrganization", v.link(OrganizationsPath))
	}
	return out
}

// resend is a form that came too soon, so that what was typed or chosen isn't lost; nil for everything else.
func resend(v *visit, t trouble) *resendForm {
	if v.Method != http.MethodPost || t.kind != "limit."+limitChanges {
		return nil
	}
	form := &resendForm{Action: v.link(v.URL.EscapedPath())}
	for _, name := range slices.Sorted(maps.Keys(v.PostForm)) {
		for _, value := range v.PostForm[name] {
			form.Fields = append(form.Fields, hiddenField{name, value})
		}
	}
	return form
}

// sameAgain leads a request that came too soon to where it came from. The address that somebody comes back to from Entra
// can only be loaded again: it holds a code, which no link may.
func (h *Handlers) sameAgain(v *visit) []nextAction {
	switch {
	case v.URL.Path == h.RedirectPath:
		return nil
	case v.Method == http.MethodPost:
		return []nextAction{{Text: templates.Message("action.goBack", nil).Title, URL: v.link(safeReturn(v.formPath()))}}
	default:
		return []nextAction{{Text: templates.Message("action.tryAgain", nil).Title, URL: v.link(v.here()), Primary: true}}
	}
}

func retryHeader(after time.Duration) http.Header {
	if after <= 0 {
		return nil
	}
	seconds := int64((after + time.Second - 1) / time.Second)
	return http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}}
}

// apiStatus is the status of a page that tells of a failure of the API. 5xx: the fault lies behind us.
func apiStatus(k azuredevops.Kind) int {
	switch k {
	case azuredevops.KindSignIn, azuredevops.KindRefused, azuredevops.KindForbidden, azuredevops.KindConditionalAccess,
		azuredevops.KindServicePrincipal, azuredevops.KindClaims:
		return http.StatusForbidden
	case azuredevops.KindOrganization, "authorizationNotFound", "tokenNotFound", "hostAuthorizationNotFound":
		return http.StatusNotFound
	case azuredevops.KindThrottled, azuredevops.KindBusy:
		return http.StatusTooManyRequests
	case azuredevops.KindUnavailable, azuredevops.KindPaused, azuredevops.KindOverloaded:
		return http.StatusServiceUnavailable
	case azuredevops.KindTimeout:
		return http.StatusGatewayTimeout
	case azuredevops.KindServer, azuredevops.KindNotUnderstood, azuredevops.KindTooLarge, azuredevops.KindConnection,
		azuredevops.KindTLS, azuredevops.KindBadRequest, azuredevops.KindCanceled,
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

func (h *Handlers) notFound(*visit) (answer, error) {
	return nil, &httpError{status: http.StatusNotFound}
}

// methodNotAllowed says which methods the path takes (RFC 9110, section 15.5.6).
func (h *Handlers) methodNotAllowed(routes chi.Routes) action {
	return func(v *visit) (answer, error) {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			lookup := method
			if method == http.MethodHead {
				lookup = http.MethodGet
			}
			if routes.Match(chi.NewRouteContext(), lookup, v.URL.EscapedPath()) {
				v.w.Header().Add("Allow", method)
			}
		}
		return nil, &httpError{status: http.StatusMethodNotAllowed}
	}
}
