package azuredevops

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// A value that spoils the JSON around it (an unescaped quotation mark, NaN, a comma too many) costs its own record at
// most. So what isn't JSON, not even repaired, is read record by record, and such a record member by member.

// memberStart is where the value of each member begins that is looked for in text which isn't JSON.
var memberStart = func() map[string]*regexp.Regexp {
	starts := map[string]*regexp.Regexp{}
	for _, name := range append([]string{"token", "patToken"}, memberNames...) {
		starts[name] = regexp.MustCompile(`(?i)"` + name + `"\s*:\s*`)
	}
	return starts
}()

// recordEnd is what follows a record in a list.
var recordEnd = regexp.MustCompile(`\}[\s,]*[{\]]`)

// salvagedPage reads a page whose tokens stand in an array. Without an array there is no page, nor with one that was cut.
func salvagedPage(b []byte) (p wirePage, ok bool) {
	list := valueOf(b, "patTokens")
	if list == nil {
		list = valueOf(b, "value")
	}
	if !bytes.HasPrefix(list, []byte("[")) {
		return p, false
	}
	head := b[:len(b)-len(list)]
	rest := list[1:]
	for p.patTokens.there = true; len(p.patTokens.items) < maxItems; {
		rest = bytes.TrimLeft(rest, " \t\r\n,")
		if len(rest) == 0 || rest[0] == ']' {
			break
		}
		var one wireToken
		one, rest = salvagedRecord(rest)
		p.patTokens.items = append(p.patTokens.items, one)
	}
	outside := append(bytes.Clone(head), rest...)
	p.continuationToken.odd = !salvageMember(outside, "continuationToken", &p.continuationToken) && memberStart["continuationToken"].Match(outside)
	_ = salvageMember(outside, "patTokenError", &p.patTokenError) // without it there was none
	return p, len(rest) > 0 && bytes.HasSuffix(bytes.TrimSpace(rest), []byte("}")) && !memberStart["authorizationId"].Match(outside)
}

// salvagedRecord reads the first record of a list, and returns what comes after it.
func salvagedRecord(b []byte) (one wireToken, rest []byte) {
	d := decoderOf(b)
	if value, err := d.ReadValue(); err == nil {
		_ = one.UnmarshalJSON(value) // it takes anything
		return one, b[d.InputOffset():]
	}
	if b[0] != '{' {
		_, rest, _ = bytes.Cut(b, []byte(",")) // an array in the array is JSON, or hopeless
		return wireToken{odd: true}, rest
	}
	if end := recordEnd.FindIndex(b); end != nil {
		b, rest = b[:end[0]+1], b[end[0]+1:]
	}
	if unmarshal(b, &one) == nil {
		return one, rest
	}
	return salvagedToken(b), rest
}

// salvagedToken reads the members of a record that can be made out. Of which organizations it is mustn't be guessed.
func salvagedToken(b []byte) wireToken {
	w := wireToken{there: true}
	w.AuthorizationID.odd = !salvageMember(b, "authorizationId", &w.AuthorizationID)
	w.DisplayName.odd = !salvageMember(b, "displayName", &w.DisplayName)
	w.Scope.odd = !salvageMember(b, "scope", &w.Scope)
	if !salvageMember(b, "targetAccounts", &w.TargetAccounts) {
		w.TargetAccounts = accounts{ids: []string{}, odd: true}
	}
	w.ValidFrom.odd = !salvageMember(b, "validFrom", &w.ValidFrom)
	w.ValidTo.odd = !salvageMember(b, "validTo", &w.ValidTo)
	w.Secret.odd = !salvageMember(b, "token", &w.Secret)
	return w
}

// salvagedResult reads the result of a call about one token.
func salvagedResult(b []byte) (w wireResult, ok bool) {
	record := valueOf(b, "patToken")
	if !bytes.HasPrefix(record, []byte("{")) || !bytes.HasSuffix(bytes.TrimSpace(b), []byte("}")) {
		return w, false
	}
	w.PatToken = salvagedToken(record)
	_ = salvageMember(b, "patTokenError", &w.PatTokenError)
	return w, true
}

// salvageMember reads the one member of that name. One that is there twice, or isn't followed by what follows a value,
// isn't read.
func salvageMember(b []byte, name string, to json.Unmarshaler) bool {
	value := valueOf(b, name)
	if value == nil {
		return false
	}
	d := decoderOf(value)
	one, err := d.ReadValue()
	if err != nil {
		return false
	}
	after := bytes.TrimLeft(value[d.InputOffset():], " \t\r\n")
	if len(after) == 0 || bytes.IndexByte([]byte(",}]"), after[0]) < 0 {
		return false
	}
	return to.UnmarshalJSON(one) == nil
}

// valueOf is b from where the value of the one member of that name begins, nil if there isn't exactly one.
func valueOf(b []byte, name string) []byte {
	at := memberStart[name].FindAllIndex(b, 2)
	if len(at) != 1 {
		return nil
	}
	return b[at[0][1]:]
}
