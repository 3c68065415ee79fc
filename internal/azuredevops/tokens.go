package azuredevops

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	pageSize     = 100 // the most that the service takes
	maxPages     = 500
	maxListBytes = 32 << 20 // of all pages together
	maxName      = 4 << 10  // bytes of a name that is sent; the service's own limit isn't published
)

// GlobalTokensEnd is when tokens for all organizations stop working
// (https://devblogs.microsoft.com/devops/retirement-of-global-personal-access-tokens-in-azure-devops/).
var GlobalTokensEnd = time.Date(2026, time.December, 1, 0, 0, 0, 0, time.UTC)

// GlobalTokensOver reports whether they have stopped by now.
func GlobalTokensOver(now time.Time) bool { return !now.Before(GlobalTokensEnd) }

// Token is a personal access token's record; never its secret.
type Token struct {
	AuthorizationID string    `json:"authorizationId"` // "": the service has sent none that can be one; nothing can be done with the token
	DisplayName     string    `json:"displayName"`
	Scopes          []string  `json:"scopes"`         // the wire's one string, split at spaces
	TargetAccounts  []string  `json:"targetAccounts"` // ids of organizations; nil: global
	ValidFrom       time.Time `json:"validFrom"`      // UTC
	ValidTo         time.Time `json:"validTo"`        // UTC; zero: not known
	Odd             []Member  `json:"odd,omitempty"`  // what the service has sent in a form that isn't understood
}

// Addressable reports whether something can be done with t: the service has said what it is called.
func (t Token) Addressable() bool { return t.AuthorizationID != "" }

// NotUnderstood reports whether this member of t's record came in a form that isn't understood.
func (t Token) NotUnderstood(m Member) bool {
	return slices.Contains(t.Odd, m) || slices.Contains(t.Odd, MemberRecord)
}

// Global reports whether t works in all organizations of its owner.
func (t Token) Global() bool { return t.TargetAccounts == nil }

// Ends is when t really stops working: a global token ends with all global ones, whatever its date says. Zero: that
// isn't known.
func (t Token) Ends() time.Time {
	if t.Global() && t.ValidTo.After(GlobalTokensEnd) {
		return GlobalTokensEnd
	}
	return t.ValidTo
}

// Status is what the list's filter that returned a token says of it. Nothing in the record does.
type Status string

// The filters of the list that a token's status is known by.
const (
	Active  Status = "active"
	Expired Status = "expired"
	Revoked Status = "revoked"
)

// Wanted is what a token is to be: for create all three, for update zero = leave as it is.
type Wanted struct {
	DisplayName string    `json:"displayName,omitempty"`
	Scopes      []string  `json:"scopes,omitempty"`
	ValidTo     time.Time `json:"validTo,omitzero"`
}

// ValidAuthorizationID reports whether id can be a token's id, so that nothing else gets into an address. Ids are
// GUIDs; the check is a little wider.
func ValidAuthorizationID(id string) bool {
	if id == "" || len(id) > 64 || id[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-'
	})
}

// List returns all pages of the organization's tokens with that status, each token once, in the order of the service.
// With an error it also returns the tokens it got before. They are shared with other callers: read only.
func (c *Caller) List(ctx context.Context, organization string, s Status) ([]Token, error) {
	var tokens distinct
	buffer := listBuffers.Get().(*[listBuffer]byte) //nolint:forcetypeassert,errcheck // nothing else is put there
	defer func() { clear(buffer[:]); listBuffers.Put(buffer) }()
	asked := map[string]bool{"": true}
	room, left := int64(maxListBytes), c.client.timeForRead()
	for next := ""; ; {
		q, err := c.listCall(organization, s, next)
		if err != nil {
			return nil, err
		}
		q.maxBody, q.time, q.buffer = min(maxListBody, room), left, buffer[:]
		a, err := c.do(ctx, q)
		if err != nil {
			return tokens.all, err
		}
		room -= int64(len(a.body))
		page, more, failure := c.client.pages.read(q, a)
		c.report(ctx, q, page...)
		tokens.add(page)
		switch {
		case failure != nil:
			return tokens.all, failure
		case more == "":
			return tokens.all, nil
		case asked[more] || len(asked) == maxPages:
			return tokens.all, q.notUnderstood(a, errEndless)
		}
		asked[more], next = true, more
	}
}

// listCall asks for one page. Filter, order and size are sent with each, as their defaults aren't documented.
func (c *Caller) listCall(organization string, s Status, next string) (call, error) {
	query := url.Values{
		"displayFilterOption": {string(s)},
		"sortByOption":        {"displayDate"},
		"isSortAscending":     {"false"},
		"$top":                {strconv.Itoa(pageSize)},
	}
	if next != "" {
		query.Set("continuationToken", next)
	}
	return c.patCall("list", http.MethodGet, organization, query, nil)
}

// page reads one page of a list and the continuation token of the next, "" at the end.
func (q call) page(a answer) ([]Token, string, *Error) {
	w, err := readPage(a.body)
	if err != nil {
		return nil, "", q.notUnderstood(a, errType)
	}
	if w.patTokenError.failed() {
		return nil, "", q.refused(a, w.patTokenError)
	}
	found := w.wireTokens
	if !found.patTokens.there && (w.value.patTokens.there || w.value.patTokens.null) {
		next := found.continuationToken
		if found = w.value; found.continuationToken.string == "" {
			found.continuationToken = next
		}
	}
	if !found.patTokens.there && !found.patTokens.null {
		return nil, "", q.notUnderstood(a, errType)
	}
	tokens := make([]Token, len(found.patTokens.items))
	for i := range tokens {
		tokens[i] = found.patTokens.items[i].token()
	}
	tokens = once(tokens)
	if found.patTokens.more {
		return tokens, "", q.notUnderstood(a, errLength)
	}
	if found.continuationToken.odd {
		return tokens, "", q.notUnderstood(a, errType)
	}
	return tokens, strings.TrimSpace(found.continuationToken.string), nil
}

// report says what of the tokens in an answer isn't understood.
func (c *Caller) report(ctx context.Context, q call, tokens ...Token) {
	n, odd := 0, map[Member]bool{}
	for i := range tokens {
		if len(tokens[i].Odd) > 0 {
			n++
		}
		for _, m := range tokens[i].Odd {
			odd[m] = true
		}
	}
	if n > 0 {
		c.client.odd(ctx, Oddity{Call: q.name, Organization: printable(q.organization), Count: n, Members: slices.Sorted(maps.Keys(odd))})
	}
}

// Get returns one token. Its status is not known from this answer.
func (c *Caller) Get(ctx context.Context, organization, authorizationID string) (Token, error) {
	q, err := c.tokenCall("get", http.MethodGet, organization, authorizationID)
	if err != nil {
		return Token{}, err
	}
	return c.record(ctx, q, authorizationID)
}

// Create makes a token and returns its record and its secret. It is never retried. Without a secret there is always an
// error; if its Token is set, the service says that it has made that token.
func (c *Caller) Create(ctx context.Context, organization string, w Wanted) (Token, string, error) {
	body := wantedBody(w)
	body["allOrgs"] = false
	q, err := c.patCall("create", http.MethodPost, organization, nil, body)
	if err != nil {
		return Token{}, "", err
	}
	if k := w.invalid(true); k != "" {
		return Token{}, "", q.fail(k, errName)
	}
	a, err := c.do(ctx, q)
	if err != nil {
		return Token{}, "", err
	}
	token, secret, err := q.created(a)
	if err == nil {
		c.report(ctx, q, token)
	}
	return token, secret, err
}

// created reads the answer to create. A secret that came counts, whatever else is missing or odd: it won't be sent
// again.
func (q call) created(a answer) (Token, string, error) {
	w, failure := q.decodeRecord(a)
	if failure != nil {
		return Token{}, "", failure
	}
	token, made := w.PatToken.token(), w.PatToken.there
	failure = q.notUnderstood(a, errNoSecret)
	switch {
	case w.PatTokenError.failed():
		failure = q.refused(a, w.PatTokenError)
		if token.Addressable() {
			failure.Unknown, failure.Err = true, errContradicted
		}
	case w.PatToken.Secret.string != "" && !w.PatToken.Secret.odd:
		return token, w.PatToken.Secret.string, nil
	}
	if made && token.Addressable() {
		failure.Token = &token
	}
	return Token{}, "", failure
}

// Update changes the fields set in w. The token's secret stays the same. It is never retried.
func (c *Caller) Update(ctx context.Context, organization, authorizationID string, w Wanted) (Token, error) {
	body := wantedBody(w)
	if len(body) == 0 {
		return Token{}, call{name: "update", organization: organization}.fail(KindBadRequest, errNothing)
	}
	body["authorizationId"] = authorizationID
	q, err := c.patCall("update", http.MethodPut, organization, nil, body)
	if err != nil {
		return Token{}, err
	}
	q.namesToken = true
	if !ValidAuthorizationID(authorizationID) {
		return Token{}, q.fail(kindInvalidAuthorizationID, errName)
	}
	if k := w.invalid(false); k != "" {
		return Token{}, q.fail(k, errName)
	}
	return c.record(ctx, q, authorizationID)
}

// Revoke ends a token. nil means that the service says so. It is safe to call again. That there is no such token
// (Error.Missing) is an error: a token that was just made may not be visible yet.
func (c *Caller) Revoke(ctx context.Context, organization, authorizationID string) error {
	q, err := c.tokenCall("revoke", http.MethodDelete, organization, authorizationID)
	if err != nil {
		return err
	}
	a, err := c.do(ctx, q)
	if err != nil {
		return err
	}
	return q.revoked(a, authorizationID)
}

// revoked reads the answer to revoke: 204, or a result without an error, of this token if it names one. A 200 that says nothing is what a proxy may
// answer, too.
func (q call) revoked(a answer, authorizationID string) error {
	if a.status != http.StatusOK && a.status != http.StatusNoContent {
		return q.notUnderstood(a, errType)
	}
	if a.status == http.StatusNoContent {
		return nil
	}
	var w wireResult
	if len(a.body) > 0 {
		if failure := q.decode(a, &w); failure != nil {
			return failure
		}
	}
	if w.PatTokenError.failed() {
		return q.refused(a, w.PatTokenError)
	}
	other := w.PatToken.odd || w.PatToken.there && !strings.EqualFold(w.PatToken.token().AuthorizationID, authorizationID)
	if other || w.PatTokenError.odd() || w.PatTokenError == "" && !w.PatToken.there {
		return q.notUnderstood(a, errVague)
	}
	return nil
}

// record makes a call whose result is the token with that id.
func (c *Caller) record(ctx context.Context, q call, authorizationID string) (Token, error) {
	a, err := c.do(ctx, q)
	if err != nil {
		return Token{}, err
	}
	w, failure := q.decodeRecord(a)
	if failure != nil {
		return Token{}, failure
	}
	if w.PatTokenError.failed() {
		return Token{}, q.refused(a, w.PatTokenError)
	}
	token := w.PatToken.token()
	if !token.Addressable() && !q.change() { // it was asked for by its id
		token.AuthorizationID = authorizationID
	}
	switch {
	case !w.PatToken.there, q.change() && w.PatTokenError.odd():
		return Token{}, q.notUnderstood(a, errNoRecord)
	case !strings.EqualFold(token.AuthorizationID, authorizationID):
		return Token{}, q.notUnderstood(a, errOtherRecord)
	}
	c.report(ctx, q, token)
	return token, nil
}

// tokenCall is a call whose address names a token.
func (c *Caller) tokenCall(name, method, organization, authorizationID string) (call, error) {
	q, err := c.patCall(name, method, organization, url.Values{"authorizationId": {authorizationID}}, nil)
	if err == nil && !ValidAuthorizationID(authorizationID) {
		return call{}, q.fail(kindInvalidAuthorizationID, errName)
	}
	q.namesToken = true
	return q, err
}

// patCall is a call to the one address of the PAT API.
func (c *Caller) patCall(name, method, organization string, query url.Values, body map[string]any) (call, error) {
	q := call{name: name, organization: organization, method: method, maxBody: maxBody, time: c.client.timeForRead()}
	if q.change() {
		q.time = c.client.timeForChange()
	}
	if !ValidOrganization(organization) {
		return q, q.fail(KindOrganization, errName)
	}
	if query == nil {
		query = url.Values{}
	}
	query.Set("api-version", c.client.apiVersion)
	q.url = c.client.endpoint + "/" + url.PathEscape(organization) + "/_apis/tokens/pats?" + query.Encode()
	if body != nil {
		// Strings, a bool: this can't fail.
		q.body, _ = json.Marshal(body)
	}
	return q, nil
}

// wantedBody is w as the service reads it: the fields that are set. Dates are in UTC with milliseconds, which is about
// what the service keeps.
func wantedBody(w Wanted) map[string]any {
	body := map[string]any{}
	if w.DisplayName != "" {
		body["displayName"] = w.DisplayName
	}
	if len(w.Scopes) > 0 {
		body["scope"] = strings.Join(w.Scopes, " ")
	}
	if !w.ValidTo.IsZero() {
		body["validTo"] = w.ValidTo.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return body
}

// invalid is what the service would say of w, as far as it need not be asked; "" if nothing is wrong. whole: all fields
// must be set.
func (w Wanted) invalid(whole bool) Kind {
	scope := strings.Join(w.Scopes, " ")
	switch {
	case whole && w.DisplayName == "":
		return kindDisplayNameRequired
	case len(w.DisplayName) > maxName || !utf8.ValidString(w.DisplayName):
		return kindInvalidDisplayName
	case whole && len(w.Scopes) == 0, len(scope) > maxText, !plain(scope, len(w.Scopes)):
		return kindInvalidScope
	case whole && w.ValidTo.IsZero():
		return kindInvalidValidTo
	}
	return ""
}

// plain reports whether scope is n words of printable ASCII with single spaces between.
func plain(scope string, n int) bool {
	if strings.ContainsFunc(scope, func(r rune) bool { return r < ' ' || r > '~' }) {
		return false
	}
	words := strings.Fields(scope)
	return len(words) == n && strings.Join(words, " ") == scope
}
