package azuredevops

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Caps of what is in an answer. They are far over anything real and keep a body within its own cap from unfolding into
// many times its size.
const (
	maxItems    = 1000     // of a list in an answer; the service sends at most 100 tokens
	maxAccounts = 100      // of a token
	maxScopes   = 500      // of a token; there are about a hundred
	maxText     = 16 << 10 // bytes of a text in an answer, and of the scopes that are sent
)

// wireToken is a token as the service sends it.
type wireToken struct {
	AuthorizationID text     `json:"authorizationId"`
	DisplayName     text     `json:"displayName"`
	Scope           text     `json:"scope"`
	TargetAccounts  accounts `json:"targetAccounts"`
	ValidFrom       moment   `json:"validFrom"`
	ValidTo         moment   `json:"validTo"`
	Secret          text     `json:"token"`
}

// token returns the record, and whether it can be one.
func (w *wireToken) token() (Token, bool) {
	scopes := strings.Fields(string(w.Scope))
	return Token{
		AuthorizationID: string(w.AuthorizationID),
		DisplayName:     string(w.DisplayName),
		Scopes:          scopes,
		TargetAccounts:  w.TargetAccounts,
		ValidFrom:       w.ValidFrom.Time,
		ValidTo:         w.ValidTo.Time,
	}, ValidAuthorizationID(string(w.AuthorizationID)) && len(scopes) <= maxScopes
}

// wireResult is the answer to get, create, update and, if not empty, revoke.
type wireResult struct {
	PatToken      *wireToken    `json:"patToken"`
	PatTokenError patTokenError `json:"patTokenError"`
}

// wirePage is one page of a list. Older answers have it, or only its tokens, in value.
type wirePage struct {
	wireTokens
	Value         *wireValue    `json:"value"`
	PatTokenError patTokenError `json:"patTokenError"`
}

type wireTokens struct {
	ContinuationToken text      `json:"continuationToken"`
	PatTokens         tokenList `json:"patTokens"`
}

// tokenList knows a list that is null, which is empty, from one that isn't there.
type tokenList struct {
	there  bool
	tokens list[wireToken]
}

// UnmarshalJSON reads an array or null.
func (l *tokenList) UnmarshalJSON(b []byte) error {
	l.there = true
	return json.Unmarshal(b, &l.tokens)
}

type wireValue wireTokens

// UnmarshalJSON reads an array of tokens or a page of them.
func (v *wireValue) UnmarshalJSON(b []byte) error {
	if b[0] != '[' {
		return json.Unmarshal(b, (*wireTokens)(v))
	}
	return json.Unmarshal(b, &v.PatTokens)
}

// list is a JSON array of at most maxItems.
type list[T any] []T

// UnmarshalJSON reads an array that isn't too long.
func (l *list[T]) UnmarshalJSON(b []byte) error { return bounded(b, maxItems, (*[]T)(l)) }

// accounts are the organizations of a token: null is nil, [] is not.
type accounts []string

// UnmarshalJSON reads an array that isn't too long, or null.
func (a *accounts) UnmarshalJSON(b []byte) error { return bounded(b, maxAccounts, (*[]string)(a)) }

// bounded decodes an array only after it has counted its items.
func bounded[T any](b []byte, limit int, into *[]T) error {
	if commas(b) >= limit {
		return errType
	}
	return json.Unmarshal(b, into)
}

// commas returns how many commas separate the items of b, a valid JSON value.
func commas(b []byte) (n int) {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 1:
			n++
		}
	}
	return n
}

// text is a string of at most maxText bytes; null is "".
type text string

// UnmarshalJSON reads a string that isn't too long, or null.
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > maxText {
		return errType
	}
	return json.Unmarshal(b, (*string)(t))
}

// presence reports whether a field is there and isn't null.
type presence []byte

// UnmarshalJSON reads anything.
func (p *presence) UnmarshalJSON(b []byte) error {
	*p = append((*p)[:0], b...)
	return nil
}

func (p presence) there() bool { return len(p) > 0 && string(p) != "null" }

// moment is a date in RFC 3339 with up to seven decimals, or without a zone, which means UTC. null and "" are the zero
// time.
type moment struct{ time.Time }

// UnmarshalJSON reads a date, "" or null.
func (m *moment) UnmarshalJSON(b []byte) error {
	var s text
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, string(s)); err == nil {
			m.Time = t.UTC()
			return nil
		}
	}
	return errType
}

// patTokenError is that field: a name, in older answers a number, or nothing.
type patTokenError string

// UnmarshalJSON reads a name, a number or null.
func (p *patTokenError) UnmarshalJSON(b []byte) error {
	if b[0] == '"' || string(b) == "null" {
		return json.Unmarshal(b, (*text)(p))
	}
	if len(b) > maxText || !strings.ContainsRune("-0123456789", rune(b[0])) {
		return errType
	}
	*p = patTokenError(b)
	if i, err := strconv.Atoi(string(b)); err == nil && i >= 0 && i < len(patTokenErrors) {
		*p = patTokenError(patTokenErrors[i])
	}
	return nil
}

// failed says that it is neither absent nor "none".
func (p patTokenError) failed() bool {
	return p != "" && !strings.EqualFold(string(p), string(patTokenErrorNone))
}

// kind returns the Kind that stands for p.
func (p patTokenError) kind() Kind {
	if k, ok := lookupPatTokenError(string(p)); ok {
		return k
	}
	return KindUnknownPatError
}

// withoutBOM drops the byte order mark that the service puts before some bodies.
func withoutBOM(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) }

// wholeObject says that b is one JSON object from beginning to end.
func wholeObject(b []byte) bool {
	b = bytes.TrimSpace(withoutBOM(b))
	return bytes.HasPrefix(b, []byte("{")) && json.Valid(b)
}

// decode reads a result into v. The failure doesn't tell more than that there is one: the errors of encoding/json quote
// the body.
func (q call) decode(a answer, v any) *Error {
	if err := json.Unmarshal(withoutBOM(a.body), v); err != nil {
		return q.notUnderstood(a, errType)
	}
	return nil
}

// notUnderstood is the Error of a result that isn't one. A change may have been carried out all the same.
func (q call) notUnderstood(a answer, cause error) *Error {
	e := q.fail(KindNotUnderstood, cause)
	e.describe(answer{status: a.status, header: a.header})
	e.Unknown = q.change()
	return e
}

// refused is the Error of a result that names a patTokenError: nothing was done, if that can only be the service's.
func (q call) refused(a answer, p patTokenError) *Error {
	e := q.fail(p.kind(), nil)
	e.describe(answer{status: a.status, header: a.header})
	e.Code = printable(string(p))
	e.Unknown = q.change() && !a.names(p)
	return e
}
