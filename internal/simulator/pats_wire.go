package simulator

import (
	"net/http"
	"strings"
	"time"
)

// wireToken is a token as the API returns it, fields in the service's order.
type wireToken struct {
	DisplayName     string   `json:"displayName"`
	ValidTo         string   `json:"validTo"`
	Scope           string   `json:"scope"`
	TargetAccounts  []string `json:"targetAccounts"`
	ValidFrom       string   `json:"validFrom"`
	AuthorizationID string   `json:"authorizationId"`
	Token           *string  `json:"token"`
}

// wireList is the answer of list.
type wireList struct {
	ContinuationToken *string     `json:"continuationToken"`
	PatTokens         []wireToken `json:"patTokens"`
}

// wireResult is the answer of get, create and update.
type wireResult struct {
	PatToken      *wireToken `json:"patToken"`
	PatTokenError string     `json:"patTokenError"`
}

// wireResult72 is the same in API version 7.2, which adds a message.
type wireResult72 struct {
	wireResult
	PatTokenErrorMessage *string `json:"patTokenErrorMessage"`
}

// wire turns a token into the API's form; the secret only if it is given.
func (t *Token) wire(secret *string) *wireToken {
	return &wireToken{DisplayName: t.DisplayName, ValidTo: wireTime(t.ValidTo), Scope: t.Scope,
		TargetAccounts: t.TargetAccounts, ValidFrom: wireTime(t.ValidFrom), AuthorizationID: t.AuthorizationID, Token: secret}
}

// wireTime leaves out zeros at the end, as the service does: …23.319 is written …23.32.
func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// patResult is the answer of a call that worked.
func (x *exchange) patResult(t *wireToken) *answer {
	return x.patAnswer(http.StatusOK, t, "none", nil)
}

// patError is the answer of a call that was refused with a patTokenError.
func (x *exchange) patError(value string) *answer {
	message := "The request was refused: " + value + "."
	return x.patAnswer(x.s.o.ErrorStatus, nil, value, &message)
}

func (x *exchange) patAnswer(status int, t *wireToken, value string, message *string) *answer {
	result := wireResult{PatToken: t, PatTokenError: value}
	if strings.HasPrefix(x.apiVersion(), "7.2") {
		return x.json(status, wireResult72{result, message})
	}
	return x.json(status, result)
}

// json is an answer whose Content-Type names the version, as the service does.
func (x *exchange) json(status int, v any) *answer {
	a := newAnswer(status, "application/json; charset=utf-8", encode(v))
	if version := x.apiVersion(); version != "" {
		a.header.Set("Content-Type", "application/json; charset=utf-8; api-version="+version)
	}
	return a
}

// serviceError is Azure DevOps' usual form of an error.
type serviceError struct {
	ID             string  `json:"$id"`
	InnerException *string `json:"innerException"`
	Message        string  `json:"message"`
	TypeName       string  `json:"typeName"`
	TypeKey        string  `json:"typeKey"`
	ErrorCode      int     `json:"errorCode"`
	EventID        int     `json:"eventId"`
}

func vssError(typeKey, message string) serviceError {
	return serviceError{ID: "1", Message: message, TypeKey: typeKey, EventID: 3000,
		TypeName: "Microsoft.VisualStudio.Services.Common." + typeKey + ", Microsoft.VisualStudio.Services.Common"}
}
