package simulator

import (
	"bytes"
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// contentFaults answer with a good status and bad content.
func contentFaults() []Fault {
	g := GroupContent
	return slices.Concat(
		twofold("htmlOK", "htmlOKAfterDoing", g, "200 with a web page.", func(*exchange, FaultOptions, *answer) *answer {
			return htmlAnswer(http.StatusOK, "<!DOCTYPE html><title>Azure DevOps</title><h1>We are moving things around</h1>")
		}),
		twofold("emptyOK", "emptyOKAfterDoing", g, "200 with nothing in it.", func(x *exchange, _ FaultOptions, _ *answer) *answer {
			a := x.json(http.StatusOK, nil)
			a.body = nil
			return a
		}),
		twofold("cutJSON", "cutJSONAfterDoing", g, "JSON that stops in the middle, in a complete answer.", cutJSON),
		twofold("wrongTypes", "wrongTypesAfterDoing", g, "JSON whose fields have other types.", wrongTypes),
		twofold("missingFields", "missingFieldsAfterDoing", g, "JSON without the fields that matter.", func(x *exchange, _ FaultOptions, _ *answer) *answer {
			return x.json(http.StatusOK, map[string]any{"value": nil, "count": 0})
		}),
		[]Fault{
			{Name: "duplicateKeys", Group: g, Calls: devOpsCalls, after: duplicateKeys,
				Sentence: "JSON in which fields come twice, first with a wrong value."},
			{Name: "repeatingContinuation", Group: g, Calls: []string{CallList},
				Sentence: "Every page of the list says that there is one more, always the same."},
			{Name: "endlessList", Group: g, Calls: []string{CallList},
				Sentence: "Every page of the list says that there is one more, under another continuation token."},
			{Name: "secretMissing", Group: g, Calls: []string{CallCreate},
				Sentence: "The token is made, but its secret isn't told."},
			{Name: "shortenedValidTo", Group: g, Calls: []string{CallCreate, CallUpdate}, Value: "days at most, 7 if not given",
				Sentence: "The token gets a shorter life than was asked for."},
			{Name: "noAccounts", Group: g, Calls: []string{CallAccounts}, before: func(x *exchange, _ FaultOptions) *answer {
				return x.json(http.StatusOK, map[string]any{"count": 0, "value": []any{}})
			}, Sentence: "Discovery finds no organization."},
		})
}

// cutAt is where to cut n bytes: at o.Bytes, in the middle if that is 0, before the first if it is negative.
func cutAt(n int, o FaultOptions) int {
	if o.Bytes == 0 {
		return n / 2
	}
	return int(min(max(o.Bytes, 0), int64(max(n-1, 0))))
}

func cutJSON(x *exchange, o FaultOptions, a *answer) *answer {
	if len(a.body) == 0 { // a revoke has nothing to cut
		a = x.json(http.StatusOK, map[string]any{"patToken": nil})
	}
	a.body = a.body[:cutAt(len(a.body), o)]
	return a
}

func wrongTypes(x *exchange, _ FaultOptions, _ *answer) *answer {
	token := map[string]any{"displayName": 42, "validTo": []int{2026}, "scope": map[string]bool{"vso.code": true},
		"targetAccounts": "all", "validFrom": false, "authorizationId": false, "token": map[string]int{"x": 1}}
	switch x.call {
	case CallList:
		return x.json(http.StatusOK, map[string]any{"continuationToken": 5, "patTokens": token})
	case CallProfile:
		return x.json(http.StatusOK, map[string]any{"id": 7, "displayName": []string{}})
	case CallAccounts:
		return x.json(http.StatusOK, map[string]any{"count": "one", "value": map[string]any{"accountName": 1}})
	}
	return x.json(http.StatusOK, map[string]any{"patToken": token, "patTokenError": 0})
}

// duplicated are the fields that duplicateKeys puts in twice.
var duplicated = map[string]string{ //nolint:gosec // no credential, as it says itself
	`"displayName":`:       `"The wrong one"`,
	`"token":`:             `"FAKE-DEMO-SECRET-THE-WRONG-ONE"`,
	`"continuationToken":`: `"wrong"`,
	`"accountName":`:       `"wrong"`,
	`"publicAlias":`:       `"wrong"`,
}

func duplicateKeys(_ *exchange, _ FaultOptions, a *answer) *answer {
	for name, wrong := range duplicated {
		a.body = bytes.Replace(a.body, []byte(name), []byte(name+wrong+","+name), 1)
	}
	return a
}

// spoilPage makes the list endless: Simulator.mu is held.
func (x *exchange) spoilPage(l *wireList, want string, rest []wireToken) {
	next := ""
	switch {
	case x.has("repeatingContinuation"):
		next = "+/" + guidFrom(want)
	case x.has("endlessList"):
		next = newContinuation()
	default:
		return
	}
	x.s.pats.remember(next, page{want, rest})
	l.ContinuationToken = &next
}

// reportedSecret is the secret in the answer to create.
func (x *exchange) reportedSecret(t *Token) *string {
	if x.has("secretMissing") {
		return nil
	}
	return &t.Secret
}

// shortened is the expiry under the fault shortenedValidTo: a shorter life, or half of one that is short already.
func (x *exchange) shortened(wanted, now time.Time) time.Time {
	o, ok := x.fault("shortenedValidTo")
	if !ok {
		return wanted
	}
	days, err := strconv.Atoi(o.Value)
	if err != nil || days < 1 {
		days = 7
	}
	if most := now.AddDate(0, 0, days); wanted.After(most) {
		return most
	}
	return now.Add(wanted.Sub(now) / 2)
}

// oddFaults answer rightly but for one value.
func oddFaults() []Fault {
	return []Fault{
		{Name: "oddMember", Group: GroupContent, Calls: []string{CallList, CallGet, CallCreate, CallUpdate}, after: oddMember,
			Value:    "a member of the first token in the answer, a colon, and how it is sent; without the latter it is left out",
			Sentence: "One member of a token is of another form than agreed."},
		{Name: "oddRecord", Group: GroupContent, Calls: []string{CallList}, after: oddRecord, Value: "what stands there, null if not given",
			Sentence: "Something else than a token stands among the active ones."},
		{Name: "oddAccount", Group: GroupContent, Calls: []string{CallAccounts}, after: oddAccount, Value: "what stands there, null if not given",
			Sentence: "Something else than an organization stands in the list of organizations."},
		{Name: "oddPatTokenError", Group: GroupContent, Calls: []string{CallGet, CallCreate, CallUpdate}, Value: "what stands there, {} if not given",
			after: func(_ *exchange, o FaultOptions, a *answer) *answer {
				return a.with("patTokenError", cmp.Or(o.Value, "{}"))
			}, Sentence: "The member that says how it went is of another form than agreed."},
	}
}

func oddMember(_ *exchange, o FaultOptions, a *answer) *answer {
	name, value, _ := strings.Cut(cmp.Or(o.Value, "validTo:{}"), ":")
	return a.with(name, value)
}

// with is a with the first member of that name as it is given: any bytes, "" for no such member.
func (a *answer) with(name, value string) *answer {
	member := regexp.MustCompile(`"` + regexp.QuoteMeta(name) + `":(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^,}\]]*),?`)
	at := member.FindIndex(a.body)
	if at == nil || a.status != http.StatusOK {
		return a
	}
	instead := ""
	if value != "" {
		instead = `"` + name + `":` + value
		if bytes.HasSuffix(a.body[at[0]:at[1]], []byte(",")) {
			instead += ","
		}
	}
	a.body = bytes.Join([][]byte{a.body[:at[0]], []byte(instead), a.body[at[1]:]}, nil)
	return a
}

func oddRecord(x *exchange, o FaultOptions, a *answer) *answer {
	if filter := strings.ToLower(queryFold(x.r.URL.Query(), "displayFilterOption")); filter != "" && filter != "active" {
		return a
	}
	return a.first(`"patTokens":[`, cmp.Or(o.Value, "null"))
}

func oddAccount(_ *exchange, o FaultOptions, a *answer) *answer {
	return a.first(`"value":[`, cmp.Or(o.Value, "null"))
}

// first is a with one more item at the beginning of a list.
func (a *answer) first(list, item string) *answer {
	if !bytes.Contains(a.body, []byte(list+"]")) {
		item += ","
	}
	a.body = bytes.Replace(a.body, []byte(list), []byte(list+item), 1)
	return a
}
