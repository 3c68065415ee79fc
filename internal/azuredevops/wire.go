package azuredevops

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Caps of what is in an answer. They are far over anything real and keep a body within its own cap from unfolding into
// many times its size.
const (
	maxItems    = 1000     // of a list in an answer that are looked at; the service sends at most 100 tokens
	maxAccounts = 100      // of a token
	maxScopes   = 500      // of a token; there are about a hundred
	maxText     = 16 << 10 // bytes of a text in an answer, and of the scopes that are sent
)

// Members of a token's record, as Token.Odd names them.
const (
	MemberRecord         Member = "record" // the whole: what stands in its place is no object
	MemberID             Member = "authorizationId"
	MemberDisplayName    Member = "displayName"
	MemberScope          Member = "scope"
	MemberTargetAccounts Member = "targetAccounts"
	MemberValidFrom      Member = "validFrom"
	MemberValidTo        Member = "validTo"
)

// Member is a part of a token's record, as the service calls it.
type Member string

// Members returns all of them.
func Members() []Member {
	return []Member{MemberRecord, MemberID, MemberDisplayName, MemberScope, MemberTargetAccounts, MemberValidFrom, MemberValidTo}
}

// wireToken is a token as the service sends it. Each member is read by itself: what can't be understood costs nothing
// but that member. Of one that comes twice the last that is understood counts.
type wireToken struct {
	AuthorizationID text     `json:"authorizationId"`
	DisplayName     text     `json:"displayName"`
	Scope           words    `json:"scope"`
	TargetAccounts  accounts `json:"targetAccounts"`
	ValidFrom       moment   `json:"validFrom"`
	ValidTo         moment   `json:"validTo"`
	Secret          text     `json:"token"`

	there bool // it is an object
	odd   bool // it is something else, and not null
}

// UnmarshalJSON reads an object, or an array of one. It takes anything else, too, and understands nothing of it.
func (w *wireToken) UnmarshalJSON(b []byte) error {
	type members wireToken
	switch b[0] {
	case '{':
		w.there = true
		return json.Unmarshal(b, (*members)(w))
	case '[':
		if one, more := split(b, 1); len(one) == 1 && !more && one[0][0] == '{' {
			return w.UnmarshalJSON(one[0])
		}
	}
	w.odd = string(b) != "null"
	return nil
}

// token returns the record. Without an id that can be one it has none, and can't be asked for.
func (w *wireToken) token() Token {
	t := Token{
		DisplayName: w.DisplayName.string, Scopes: w.Scope.words, TargetAccounts: w.TargetAccounts.ids,
		ValidFrom: w.ValidFrom.Time, ValidTo: w.ValidTo.Time,
	}
	if !w.there {
		return Token{TargetAccounts: []string{}, Odd: []Member{MemberRecord}}
	}
	if id := plainID(w.AuthorizationID.string); ValidAuthorizationID(id) {
		t.AuthorizationID = id
	}
	for _, m := range []struct {
		name Member
		odd  bool
	}{
		{MemberID, t.AuthorizationID == ""},
		{MemberDisplayName, w.DisplayName.odd},
		{MemberScope, w.Scope.odd},
		{MemberTargetAccounts, w.TargetAccounts.odd},
		{MemberValidFrom, w.ValidFrom.odd},
		{MemberValidTo, t.ValidTo.IsZero()},
	} {
		if m.odd {
			t.Odd = append(t.Odd, m.name)
		}
	}
	return t
}

// plainID is an id without the spaces and the braces in which some programs write GUIDs.
func plainID(id string) string {
	id = strings.TrimSpace(id)
	if inner, ok := strings.CutPrefix(id, "{"); ok {
		id = strings.TrimSuffix(inner, "}")
	}
	return id
}

// wireResult is the answer to get, create, update and, if not empty, revoke.
type wireResult struct {
	PatToken      wireToken     `json:"patToken"`
	PatTokenError patTokenError `json:"patTokenError"`
}

// reads is a *T that reads itself from any JSON value.
type reads[T any] interface {
	*T
	json.Unmarshaler
}

// list is a JSON array, of which it holds at most maxItems, or null.
type list[T any, P reads[T]] struct {
	there bool // as an array
	null  bool
	items []T
	more  bool
}

// UnmarshalJSON reads an array or null. Anything else is no list.
func (l *list[T, P]) UnmarshalJSON(b []byte) error {
	switch {
	case b[0] == '[':
		l.there = true
		l.items, l.more = items[T, P](b, maxItems)
	case string(b) == "null":
		l.null = true
	}
	return nil
}

// items are at most limit of those of an array; more: it has others.
func items[T any, P reads[T]](b []byte, limit int) (found []T, more bool) {
	parts, more := split(b, limit)
	found = make([]T, len(parts))
	for i, part := range parts {
		_ = P(&found[i]).UnmarshalJSON(part) // it takes anything
	}
	return found, more
}

// split returns at most limit items of an array, as parts of b, which is a valid JSON value; more: it has others.
func split(b []byte, limit int) (parts [][]byte, more bool) {
	depth, quoted, start := 0, false, 1
	end := func(i int) {
		if part := bytes.TrimSpace(b[start:i]); len(part) > 0 {
			parts = append(parts, part)
		}
		start = i + 1
	}
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
			if depth--; depth == 0 {
				end(i)
			}
		case c == ',' && depth == 1:
			if end(i); len(parts) == limit {
				return parts, true
			}
		}
	}
	return parts, false
}

// texts are the strings of an array; odd: it has other items, or more than limit.
func texts(b []byte, limit int) (found []string, odd bool) {
	all, more := items[text, *text](b, limit)
	for _, t := range all {
		odd = odd || t.odd || t.string == ""
		if !t.odd && t.string != "" {
			found = append(found, t.string)
		}
	}
	return found, odd || more
}

// accounts are the organizations of a token: null is nil, anything else isn't.
type accounts struct {
	ids []string
	odd bool
}

// UnmarshalJSON reads an array of strings, a string of one or several, or null.
func (a *accounts) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		return nil
	case b[0] == '[':
		a.ids, a.odd = texts(b, maxAccounts)
	case b[0] == '"':
		var t text
		_ = t.UnmarshalJSON(b) // never fails
		a.ids = strings.FieldsFunc(t.string, func(r rune) bool { return r == ',' || r == ';' || r == ' ' })
		a.odd = t.odd || len(a.ids) == 0 || len(a.ids) > maxAccounts
		a.ids = a.ids[:min(len(a.ids), maxAccounts)]
	default:
		a.odd = a.ids == nil
	}
	if a.ids == nil {
		a.ids = []string{}
	}
	return nil
}

// words are a token's scopes: one string, separated by spaces.
type words struct {
	words []string
	odd   bool
}

// UnmarshalJSON reads a string, an array of strings, or null.
func (w *words) UnmarshalJSON(b []byte) error {
	var found []string
	var odd bool
	switch {
	case string(b) == "null":
		return nil
	case b[0] == '[':
		found, odd = texts(b, maxScopes)
	case b[0] == '"':
		var t text
		_ = t.UnmarshalJSON(b) // never fails
		found, odd = []string{t.string}, t.odd
	default:
		odd = true
	}
	if found = strings.Fields(strings.Join(found, " ")); len(found) > maxScopes {
		found, odd = found[:maxScopes], true
	}
	if len(found) > 0 || !odd || len(w.words) == 0 {
		w.words, w.odd = found, odd
	}
	return nil
}

// text is a string of at most maxText bytes; null is "". Where some programs write a number, or an array of one
// string, that is meant.
type text struct {
	string string
	odd    bool
}

// UnmarshalJSON reads a string, a number, an array of one of them, or null.
func (t *text) UnmarshalJSON(b []byte) error {
	t.odd = false
	switch {
	case string(b) == "null":
	case b[0] == '"' && len(b) <= maxText+2:
		if inner := b[1 : len(b)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
			t.string = string(inner)
			return nil
		}
		_ = json.Unmarshal(b, &t.string) // b is a JSON string
	case b[0] == '"':
		t.string, t.odd = beginning(b), true
	case isNumber(b) && len(b) <= maxText:
		t.string = string(b)
	default:
		if b[0] == '[' {
			if one, more := split(b, 1); len(one) == 1 && !more && (one[0][0] == '"' || isNumber(one[0])) {
				return t.UnmarshalJSON(one[0])
			}
		}
		t.odd = t.string == ""
	}
	return nil
}

// beginning is that of a JSON string which is too long.
func beginning(b []byte) (s string) {
	const escape = len(`\ud83d\ude00`) // the longest, which may be cut through
	for n := maxText; n > maxText-escape; n-- {
		if json.Unmarshal(append(bytes.Clone(b[:n]), '"'), &s) == nil {
			break
		}
	}
	return strings.TrimRight(s, "\ufffd") // a character that was cut through
}

// isNumber reports whether b, a JSON value, is a number.
func isNumber(b []byte) bool { return b[0] == '-' || b[0] >= '0' && b[0] <= '9' }

// presence reports whether a field is there and isn't null.
type presence []byte

// UnmarshalJSON reads anything.
func (p *presence) UnmarshalJSON(b []byte) error {
	*p = append((*p)[:0], b...)
	return nil
}

func (p presence) there() bool { return len(p) > 0 && string(p) != "null" }

// patTokenError is that field: a name, in older answers a number, or nothing.
type patTokenError string

// patTokenErrorOdd stands for a value that is neither.
const patTokenErrorOdd patTokenError = "?"

// UnmarshalJSON reads a name, a number or null.
func (p *patTokenError) UnmarshalJSON(b []byte) error {
	var t text
	_ = t.UnmarshalJSON(b) // never fails
	name := strings.TrimSpace(t.string)
	switch i, err := strconv.Atoi(name); {
	case t.odd, b[0] == '[':
		*p = patTokenErrorOdd
	case err == nil && i >= 0 && i < len(patTokenErrors):
		*p = patTokenError(patTokenErrors[i])
	case name != "":
		*p = patTokenError(name)
	}
	return nil
}

// odd reports whether there is one that can't be understood.
func (p patTokenError) odd() bool { return p == patTokenErrorOdd }

// failed reports whether it is neither absent nor "none".
func (p patTokenError) failed() bool {
	return p != "" && !p.odd() && !strings.EqualFold(string(p), string(patTokenErrorNone))
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

// wholeObject reports whether b is one JSON object from beginning to end.
func wholeObject(b []byte) bool {
	b = bytes.TrimSpace(withoutBOM(b))
	return bytes.HasPrefix(b, []byte("{")) && unmarshal(b, new(presence)) == nil
}

// decode reads a result into v. The failure doesn't tell more than that there is one: the errors of encoding/json quote
// the body.
func (q call) decode(a answer, v any) *Error {
	if unmarshal(a.body, v) != nil {
		return q.notUnderstood(a, errType)
	}
	return nil
}

// decodeRecord reads a result about one token, or what can be made out of it.
func (q call) decodeRecord(a answer) (w wireResult, failure *Error) {
	if failure = q.decode(a, &w); failure != nil && !json.Valid(withoutBOM(a.body)) {
		if salvaged, ok := salvagedResult(a.body); ok {
			return salvaged, nil
		}
	}
	return w, failure
}

// unmarshal reads JSON, as it is or repaired.
func unmarshal(b []byte, v any) error {
	b = withoutBOM(b)
	err := json.Unmarshal(b, v)
	var syntax *json.SyntaxError
	for _, endings := range []bool{false, true} {
		if !errors.As(err, &syntax) {
			break
		}
		if mended := repaired(b, endings); mended != nil {
			err = json.Unmarshal(mended, v)
		}
	}
	return err
}

// brokenEnding is what follows a text whose last character is a backslash that was not escaped.
var brokenEnding = regexp.MustCompile(`^\\"\s*(?:[}\]]|,\s*"[A-Za-z]+"\s*:)`)

// repaired makes JSON of what some programs take for it: in texts, a backslash that begins no escape ("CORP\vault")
// stands for itself, and a control character for a space. endings: so does a backslash before what looks like the
// quotation mark at the end. nil: there is nothing of that in b.
func repaired(b []byte, endings bool) (mended []byte) {
	quoted, copied := false, 0
	mend := func(at int, with string) {
		mended = append(append(mended, b[copied:at]...), with...)
		copied = at + 1
	}
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case !quoted:
			quoted = c == '"'
		case c == '\\':
			n := escapeLength(b[i:])
			if n == 0 || endings && brokenEnding.Match(b[i:]) {
				mend(i, `\\`)
				continue
			}
			i += n - 1
		case c == '"':
			quoted = false
		case c < ' ':
			mend(i, " ")
		}
	}
	if mended != nil {
		mended = append(mended, b[copied:]...)
	}
	return mended
}

// escapeLength is the length of the escape that b begins with, 0 if that is none (RFC 8259, 7).
func escapeLength(b []byte) int {
	if len(b) > 1 && strings.IndexByte(`"\/bfnrt`, b[1]) >= 0 {
		return 2
	}
	if len(b) < 6 || b[1] != 'u' {
		return 0
	}
	if _, err := hex.DecodeString(string(b[2:6])); err != nil {
		return 0
	}
	return 6
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
