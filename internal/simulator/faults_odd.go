package simulator

import (
	"bytes"
	"cmp"
	"net/http"
	"regexp"
	"strings"
)

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
