package simulator

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// oauthError is one of Entra's errors, as the token endpoint or a redirect reports it. See
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
type oauthError struct {
	status   int // at the token endpoint
	name     string
	number   int // AADSTS…
	text     string
	suberror string
	subcode  string // error_subcode on a redirect
	claims   string
}

func unknownTenant(tenant string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_tenant", 90002, "Tenant '" + tenant + "' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", "", "", ""}
}

func unknownClient(id string) *oauthError {
	return &oauthError{status: http.StatusBadRequest, name: "unauthorized_client", number: 700016, text: "Application with identifier '" + id + "' was not found in the directory."}
}

func badRequestError(number int, format string, a ...any) *oauthError {
	return &oauthError{status: http.StatusBadRequest, name: "invalid_request", number: number, text: fmt.Sprintf(format, a...)}
}

func badGrant(number int, format string, a ...any) *oauthError {
	return &oauthError{status: http.StatusBadRequest, name: "invalid_grant", number: number, text: fmt.Sprintf(format, a...)}
}

func badClient(number int, format string, a ...any) *oauthError {
	return &oauthError{status: http.StatusUnauthorized, name: "invalid_client", number: number, text: fmt.Sprintf(format, a...)}
}

func badScope(format string, a ...any) *oauthError {
	return &oauthError{status: http.StatusBadRequest, name: "invalid_scope", number: 70011, text: fmt.Sprintf(format, a...)}
}

// missingParameter is AADSTS900144.
func missingParameter(name string) *oauthError {
	return badRequestError(900144, "The request body must contain the following parameter: '%s'.", name)
}

func suberror(s string, e *oauthError) *oauthError {
	e.suberror = s
	return e
}

// description is the error_description: the text with its ids, over several lines.
func (e *oauthError) description(trace, correlation string, at time.Time) string {
	return fmt.Sprintf("AADSTS%d: %s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s",
		e.number, e.text, trace, correlation, at.Format("2006-01-02 15:04:05Z"))
}

// entraError is the token endpoint's JSON form of an error.
func (x *exchange) entraError(e *oauthError) *answer {
	now, correlation := x.s.now(), x.correlationID()
	body := map[string]any{
		"error":             e.name,
		"error_description": e.description(x.seen.ActivityID, correlation, now),
		"error_codes":       []int{e.number},
		"timestamp":         now.Format("2006-01-02 15:04:05Z"),
		"trace_id":          x.seen.ActivityID,
		"correlation_id":    correlation,
		"error_uri":         x.s.machineBase(x.r) + "/error?code=" + strconv.Itoa(e.number),
	}
	if e.suberror != "" {
		body["suberror"] = e.suberror
	}
	if e.claims != "" {
		body["claims"] = e.claims
	}
	return entraJSON(e.status, body)
}

// correlationID is the client's own id for the request if it sent one.
func (x *exchange) correlationID() string {
	return cmp.Or(x.r.Header.Get("Client-Request-Id"), x.seen.ActivityID)
}
