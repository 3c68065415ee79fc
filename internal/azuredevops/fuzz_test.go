package azuredevops_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// canned answers every request in the same way, without a network.
type canned struct {
	status  int
	headers string
	body    string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	for line := range strings.Lines(c.headers) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		h.Set(name, value)
	}
	return &http.Response{StatusCode: c.status, Header: h, Body: io.NopCloser(strings.NewReader(c.body)), ContentLength: -1, Request: r}, nil
}

// Whatever the service answers: no panic, only clean errors, a secret only from a 2xx, and never a failed change that
// claims to be certain when it isn't.
func FuzzAnswers(f *testing.F) {
	for _, s := range []canned{
		{200, "", resultJSON(id, `"`+secret+`"`)},
		{200, "", bom + resultJSON(id, "null")},
		{200, "", `{"continuationToken":"x","patTokens":[` + tokenJSON(id, "null") + `,{}],"patTokens":null}`},
		{200, "", `{"count":1,"value":[` + tokenJSON(id, "null") + `]}`},
		{200, "", `{"value":{"continuationToken":null,"patTokens":[{"validTo":"2027-01-31T11:30:15","targetAccounts":[null,"a"]}]}}`},
		{200, "", `{"value":[{"accountId":"1","accountName":"contoso","accountStatus":1}],"id":"` + id + `"}`},
		{200, "", `{"patTokenError":27,"patToken":{"token":7}}`},
		{200, "Retry-After: 5", `{"patToken":[{"patToken":{}}]}`},
		{203, "Content-Type: text/html", signInPage},
		{302, "Location: https://elsewhere.example/_signin", ""},
		{400, "", `{"$id":"1","message":"FullScopePatPolicyViolation","typeKey":"SessionTokenCreateException"}`},
		{400, "", `{"message":" . ","typeKey":null,"patTokenError":"none"}`},
		{401, "WWW-Authenticate: Bearer claims=\"eyJhIjoxfQ==\"", ""},
		{401, "X-TFS-ServiceError: TF400813%3A%zz", notMember},
		{404, "", `{"typeKey":"AuthorizationNotFoundException"}`},
		{429, "Retry-After: Sun, 22 Nov 2026 12:00:03 GMT", `{"message":"TF400733"}`},
		{500, "ActivityId: \x01\xff", `{"message":"TF400898: Activity Id: 5a3b1c9e-0000-4000-8000-000000000001."}`},
		{99, "Content-Type: ;", "\x00"},
	} {
		f.Add(s.status, s.headers, s.body)
	}
	f.Fuzz(func(t *testing.T, status int, headers, body string) {
		answer := canned{status, headers, body}
		clock := newClock()
		for _, name := range every {
			client := azuredevops.New(azuredevops.Options{HTTPClient: &http.Client{Transport: answer}, Now: clock.Now, Sleep: clock.Sleep})
			result, err := calls[name](client.As(me, signedIn))
			if err == nil {
				if parts, ok := result.([]any); ok && (parts[1] == "" || status/100 != 2) {
					t.Errorf("create with status %d succeeded with secret %q", status, parts[1])
				}
				if status/100 != 2 && status != http.StatusNotFound && status/100 != 4 {
					t.Errorf("%s succeeded with status %d", name, status)
				}
				continue
			}
			e := failure(t, err)
			certain := status/100 == 3 || status/100 == 4 || status == 203 || e.Kind == azuredevops.KindUnknownPatError || !isOwn(e.Kind)
			if isChange(name) && !e.Unknown && !certain {
				t.Errorf("%s with status %d is certain: %+v", name, status, *e)
			}
		}
	})
}

// isOwn says that k is a kind of this package and not a patTokenError.
func isOwn(k azuredevops.Kind) bool {
	for _, name := range patTokenErrors {
		if name == string(k) {
			return false
		}
	}
	return true
}
