package azuredevops_test

import (
	"context"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// That there is no such token is believed whatever the status, from the service itself.
func TestMissingTokenWhateverTheStatus(t *testing.T) {
	t.Parallel()
	const (
		own     = `{"$id":"1","message":"No such token.","typeName":"Microsoft.VisualStudio.Services.DelegatedAuthorization.SessionTokenNotFoundException, Microsoft.VisualStudio.Services.WebApi","typeKey":"SessionTokenNotFoundException","errorCode":0,"eventId":3000}`
		foreign = `{"message":"No such token.","typeKey":"SessionTokenNotFoundException"}`
		byType  = `{"message":"CORP\user has no such token.","typeName":"Microsoft.VisualStudio.Services.DelegatedAuthorization.SessionTokenNotFoundException, Microsoft.VisualStudio.Services.WebApi","errorCode":0}`
	)
	for _, status := range []int{400, 401, 403, 404, 409, 410, 500, 502} {
		for body, headers := range map[string]string{own: "", foreign: activity, byType: ""} {
			s := serve(t, azuredevops.Options{}, reply{status, headers, body}.ServeHTTP)
			if e := failure(t, s.caller.Revoke(context.Background(), org, id)); !e.Missing() {
				t.Errorf("%d: %+v", status, *e)
			}
			s.Close()
		}
		s := serve(t, azuredevops.Options{}, reply{status, "", foreign}.ServeHTTP)
		if e := failure(t, s.caller.Revoke(context.Background(), org, id)); e.Missing() {
			t.Errorf("%d from anybody: %+v", status, *e)
		}
		s.Close()
	}
}

// A refusal that names no user means that the sign-in isn't accepted.
func TestRefusalOfNobody(t *testing.T) {
	for message, want := range map[string]azuredevops.Kind{
		"TF400813: The user '' is not authorized to access this resource.":     azuredevops.KindSignIn,
		"TF400813: The user ' ' is not authorized to access this resource.":    azuredevops.KindSignIn,
		`TF400813: The user \"\" is not authorized to access this resource.`:   azuredevops.KindSignIn,
		"TF400813: The user  is not authorized to access this resource.":       azuredevops.KindSignIn,
		"TF400813: Resource not available for anonymous access.":               azuredevops.KindSignIn,
		`TF400813: The user 'CORP\vault' is not authorized.`:                   azuredevops.KindRefused,
		"TF400813: The user 'aaaa' is not authorized to access this resource.": azuredevops.KindRefused,
		"TF400813: The user 'o''x' is not authorized to access this resource.": azuredevops.KindRefused,
	} {
		s := serve(t, azuredevops.Options{}, reply{401, activity, `{"message":"` + message + `","typeKey":"InvalidIdentityException"}`}.ServeHTTP)
		_, err := s.caller.List(context.Background(), org, azuredevops.Active)
		if e := failure(t, err); e.Kind != want {
			t.Errorf("%s: %s", message, e.Kind)
		}
	}
}

// Retry-After is at least what was asked for, in every form, and bounded.
func TestRetryAfterForms(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"5": 5 * time.Second, "1.5": 1500 * time.Millisecond, "0.2": 200 * time.Millisecond, "5, 20": 20 * time.Second, "20,5": 20 * time.Second, "120s": 2 * time.Minute,
		"5\nRetry-After: 30": 30 * time.Second, "99999999999999999999": 24 * time.Hour, "1e9": 24 * time.Hour, "Inf": 24 * time.Hour, "NaN": 0, "-5": 0, "soon": 0, "": 0, ",": 0,
		"30 seconds": 30 * time.Second, "2sec": 2 * time.Second, `"7"`: 7 * time.Second, "1m30s": 90 * time.Second, "500ms": 500 * time.Millisecond, "5;20": 20 * time.Second, "+9": 9 * time.Second, "0": 0, "1e999": 24 * time.Hour,
		"5, Sun, 22 Nov 2026 12:10:00 GMT": 10 * time.Minute, "Sun, 22 Nov 2026 12:10:00 GMT, 1200": 20 * time.Minute, "Sun, 22 Nov 2026 12:10:00 GMT, Sun, 22 Nov 2026 12:20:00 GMT": 20 * time.Minute,
		"Sun, 22 Nov 2026 12:10:00 UTC": 10 * time.Minute, "Sun, 22 Nov 2026 14:10:00 +0200": 10 * time.Minute, "2026-11-22T14:10:00.5+02:00": 10*time.Minute + 500*time.Millisecond, "Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour,
		"Sun, 22 Nov 2026 12:10:00 GMT": 10 * time.Minute, "Sunday, 22-Nov-26 12:10:00 GMT": 10 * time.Minute, "Sun Nov 22 12:10:00 2026": 10 * time.Minute, "2026-11-22T12:10:00Z": 10 * time.Minute, "Sun, 22 Nov 2026 11:00:00 GMT": 0,
	} {
		s := serve(t, azuredevops.Options{}, reply{429, "Retry-After: " + header + "\n", ""}.ServeHTTP)
		_, _, err := s.caller.Create(context.Background(), org, wanted)
		if e := failure(t, err); e.RetryAfter != want {
			t.Errorf("%q: %v, want %v", header, e.RetryAfter, want)
		}
		s.Close()
	}
}
