package templates_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/templates"
)

// What internal/azuredevops can answer: its own kinds, then the service's values of patTokenError
// (https://learn.microsoft.com/rest/api/azure/devops/tokens/pats).
const azureDevOpsKinds = `
	signIn refused claims forbidden conditionalAccess servicePrincipal organization badRequest throttled server unavailable
	notUnderstood tooLarge timeout connection tls canceled paused busy overloaded unknownPatError
	none displayNameRequired invalidDisplayName invalidValidTo invalidScope userIdRequired invalidUserId invalidUserType
	accessDenied failedToIssueAccessToken invalidClient invalidClientType invalidClientId invalidTargetAccounts
	hostAuthorizationNotFound authorizationNotFound failedToUpdateAccessToken sourceNotSupported invalidSourceIP invalidSource
	duplicateHash sshPolicyDisabled invalidToken tokenNotFound invalidAuthorizationId failedToReadTenantPolicy
	globalPatPolicyViolation fullScopePatPolicyViolation patLifespanPolicyViolation invalidTokenType invalidAudience
	invalidSubject deploymentHostNotSupported disablePatCreationPolicyViolation failedToReadOrgPolicy
	globalPATCreationBlocked expiredPatCannotBeExtended`

const entraKinds = `
	declined consent adminApproval conditionalAccess notAssigned wrongTenant interaction expired forged misconfigured
	unavailable other`

const statuses = `400 403 404 405 413 415 421 422 429 500 503`

// Everything that can fail has a heading, a sentence and an advice.
func TestEveryFailureIsWordedAndAdvisedOn(t *testing.T) {
	for prefix, names := range map[string]string{"azuredevops.": azureDevOpsKinds, "entra.": entraKinds, "http.": statuses, "store.": "unavailable notKept", "limit.": "signIns finishing changes guesses"} {
		for name := range strings.FieldsSeq(names) {
			key := prefix + name
			if !english.Has(key) {
				t.Errorf("no words for %s", key)
				continue
			}
			if text := english.Message(key, nil); text.Title == "" || text.What == "" || text.Advice == "" {
				t.Errorf("%s lacks a part: %+v", key, text)
			}
		}
	}
}

// english is what pages say unless a test is about languages.
var english = templates.Offered()[0]

// entries are the keys that Message takes. What only pages ask for is always filled; see TestPagesFillTheirMessages.
func entries(t *testing.T) []string {
	t.Helper()
	inPages := map[string]bool{}
	for _, c := range pageCalls(t) {
		inPages[c.key] = true
	}
	var out []string
	for _, key := range english.Keys() {
		if inPages[key] {
			continue
		}
		for _, part := range []string{".title", ".what", ".advice"} {
			if whole := strings.TrimSuffix(key, part); whole != key && english.Message(whole, nil).Title != english.Text(key) {
				key = whole
			}
		}
		out = append(out, key)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A message has to read well whatever is known and whatever isn't. How many is always known.
func TestMessagesReadWellWithAndWithoutValues(t *testing.T) {
	all := map[string]string{}
	for _, name := range templates.Placeholders {
		all[name] = "<" + name + ">"
	}
	all["Count"] = "5"
	for _, key := range entries(t) {
		for _, values := range []map[string]string{all, {"Count": "5"}, {"Count": "1"}} {
			maps.Copy(values, map[string]string{"Day": "1", "Month": "Dec", "Year": "2026", "Time": "09:39"}) // those are never missing
			text := english.Message(key, values)
			if text == (templates.Text{}) {
				t.Errorf("%s is empty", key)
			}
			for _, part := range []string{text.Title, text.What, text.Advice} {
				if fault := readsBadly.FindString(part); fault != "" {
					t.Errorf("%s with %v: %q in %q", key, values, fault, part)
				}
			}
			for _, sentence := range []string{text.What, text.Advice} {
				if sentence != "" && !fragments.MatchString(key) && !strings.ContainsAny(sentence[len(sentence)-1:], ".?") {
					t.Errorf("%s: no end to the sentence %q", key, sentence)
				}
			}
		}
	}
}

// What these say isn't a sentence but an entry of a list, a hint or a few words in a table.
var fragments = regexp.MustCompile(`^(permissions\.|expiry\.|notice\.rotation$|bulk\.(sameLife|format\.))`)

// Two spaces, a space before a full stop, brackets around nothing, a value that isn't there, a slip of the keyboard.
var readsBadly = regexp.MustCompile(`  | [.,;:?]|\(\)|“”|<no value>|\.\.|[Tt]he the|named$|for $`)

func TestMessagesUseOnlyKnownPlaceholders(t *testing.T) {
	source, err := os.ReadFile("words/en.json")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\.([A-Z][A-Za-z]*)[ })]`).FindAllStringSubmatch(string(source), -1) {
		used[m[1]] = true
		if !slices.Contains(templates.Placeholders, m[1]) {
			t.Errorf("nobody fills .%s", m[1])
		}
	}
	for _, name := range templates.Placeholders {
		if !used[name] {
			t.Errorf("no message uses .%s", name)
		}
	}
}

func TestNoMessageIsWrittenTwice(t *testing.T) {
	source, err := os.ReadFile("words/en.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range english.Keys() {
		quoted, _ := json.Marshal(key)
		if n := strings.Count(string(source), "\n  "+string(quoted)+":"); n != 1 {
			t.Errorf("%s stands %d times in the file", key, n)
		}
	}
}

func TestAdminApprovalNamesWhatToGrant(t *testing.T) {
	text := english.Message("entra.adminApproval", map[string]string{"ClientID": "3f0c1a52"})
	for _, needed := range []string{"vso.pats,", "vso.pats_manage", "vso.profile", "499b84ac-1321-427f-aa17-267ca6975798", "3f0c1a52", "delegated"} {
		if !strings.Contains(text.Advice, needed) {
			t.Errorf("%q is missing in %q", needed, text.Advice)
		}
	}
}

func TestMessageTakesItsValuesFromMapsAndStructs(t *testing.T) {
	type values struct {
		RetryAfter string
		Status     int
		hidden     string
	}
	for name, data := range map[string]any{
		"map of strings":    map[string]string{"RetryAfter": "in 2 minutes"},
		"map of anything":   map[string]any{"RetryAfter": "in 2 minutes", "Status": 0, "Code": nil},
		"struct":            values{RetryAfter: "in 2 minutes", hidden: "x"},
		"pointer to struct": &values{RetryAfter: "in 2 minutes"},
	} {
		if got := english.Message("azuredevops.throttled", data).Advice; got != "Try again in 2 minutes." {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := english.Message("azuredevops.server", map[string]any{"Status": 502}).What; !strings.Contains(got, "(HTTP 502)") {
		t.Errorf("a number is lost: %q", got)
	}
	if got := english.Message("azuredevops.server", map[string]any{"Status": 0}).What; strings.Contains(got, "HTTP") {
		t.Errorf("a status is shown although there is none: %q", got)
	}
}

func TestUnknownMessage(t *testing.T) {
	if english.Has("no.such") {
		t.Error("Has finds what isn't there")
	}
	if got := english.Message("no.such", nil); got != english.Message("unknown", nil) || got.Title == "" {
		t.Errorf("no.such is %+v", got)
	}
}

// Values come from outside and are data, never templates.
func TestValuesAreNotExecuted(t *testing.T) {
	got := english.Message("azuredevops.unknownPatError", map[string]string{"Code": "{{.Token}}<b>"}).Title
	if got != "Azure DevOps refused: {{.Token}}<b>" {
		t.Errorf("%q", got)
	}
}
