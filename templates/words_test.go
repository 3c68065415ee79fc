package templates_test

import (
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
	intermediary notUnderstood tooLarge timeout connection tls canceled paused busy overloaded unknownPatError
	none displayNameRequired invalidDisplayName invalidValidTo invalidScope userIdRequired invalidUserId invalidUserType
	accessDenied failedToIssueAccessToken invalidClient invalidClientType invalidClientId invalidTargetAccounts
	hostAuthorizationNotFound authorizationNotFound failedToUpdateAccessToken sourceNotSupported invalidSourceIP invalidSource
	duplicateHash sshPolicyDisabled invalidToken tokenNotFound invalidAuthorizationId failedToReadTenantPolicy
	globalPatPolicyViolation fullScopePatPolicyViolation patLifespanPolicyViolation invalidTokenType invalidAudience
	invalidSubject deploymentHostNotSupported disablePatCreationPolicyViolation failedToReadOrgPolicy
	globalPATCreationBlocked expiredPatCannotBeExtended`

const entraKinds = `
	declined consent adminApproval conditionalAccess notAssigned wrongTenant interaction tooLong expired forged misconfigured
	unavailable other`

const statuses = `400 403 404 405 413 415 421 422 429 500 503`

// Everything that can fail has a heading, a sentence and an advice.
func TestEveryFailureIsWordedAndAdvisedOn(t *testing.T) {
	t.Parallel()
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

// placeholders are what messages may be filled with, as translators are told.
func placeholders(t *testing.T) (names []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/translating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z][A-Za-z]*)` \\|").FindAllStringSubmatch(string(page), -1) {
		names = append(names, row[1])
	}
	return names
}

// A message has to read well in each of its variants.
func TestMessagesReadWell(t *testing.T) {
	t.Parallel()
	known := placeholders(t)
	inPages := map[string]bool{}
	for _, c := range pageCalls(t) {
		inPages[c.key] = true // those are always filled; see TestPagesFillTheirMessages
	}
	for _, key := range english.Keys() {
		base, missing := variant(key)
		for _, count := range []string{"1", "5"} {
			values := []any{}
			for _, name := range known {
				switch {
				case slices.Contains(missing, name):
				case name == "Count":
					values = append(values, name, count)
				default:
					values = append(values, name, "<"+name+">")
				}
			}
			text := english.Text(base, values...)
			if text == "" {
				t.Errorf("%s is empty", key)
			}
			if fault := readsBadly.FindString(text); fault != "" && !inPages[key] {
				t.Errorf("%s: %q in %q", key, fault, text)
			}
			isSentence := strings.HasSuffix(base, ".what") || strings.HasSuffix(base, ".advice")
			if isSentence && !fragments.MatchString(key) && !strings.ContainsAny(text[len(text)-1:], ".?") {
				t.Errorf("%s: no end to the sentence %q", key, text)
			}
			for _, name := range missing {
				if strings.Contains(text, "<"+name+">") {
					t.Errorf("%s names what it does without: %q", key, text)
				}
			}
		}
	}
}

// variant is the message that key is a variant of, and the placeholders that it does without.
func variant(key string) (base string, missing []string) {
	parts := strings.Split(key, ".without")
	return parts[0], parts[1:]
}

// A message that can do without several values has a variant for each that may be missing, and for all together.
func TestVariantsAreComplete(t *testing.T) {
	t.Parallel()
	without := map[string][][]string{}
	for _, key := range english.Keys() {
		if base, missing := variant(key); len(missing) > 0 {
			without[base] = append(without[base], missing)
		}
	}
	for base, variants := range without {
		var optional []string
		for _, missing := range variants {
			if !slices.IsSorted(missing) {
				t.Errorf("%s: %q in another order than the alphabet's", base, missing)
			}
			optional = append(optional, missing...)
		}
		optional = unordered(optional)
		if want := 1<<len(optional) - 1; len(variants) != want || !english.Has(base) {
			t.Errorf("%s: %d variants for %q", base, len(variants), optional)
		}
		for _, name := range optional {
			if !strings.Contains(english.Forms(base)["other"], "{{."+name+"}}") {
				t.Errorf("%s asks for no %s, and has a variant without", base, name)
			}
		}
	}
}

// A sentence is whole: it branches nowhere, so that a translator sees all of it.
func TestMessagesHaveNoBranches(t *testing.T) {
	t.Parallel()
	action := regexp.MustCompile(`\{\{.*?\}\}`)
	for _, key := range english.Keys() {
		for _, form := range english.Forms(key) {
			for _, found := range action.FindAllString(form, -1) {
				if !regexp.MustCompile(`^\{\{\.[A-Z][A-Za-z]*\}\}$`).MatchString(found) {
					t.Errorf("%s has %s", key, found)
				}
			}
		}
	}
}

// What these say isn't a sentence but an entry of a list, a hint or a few words in a table.
var fragments = regexp.MustCompile(`^(preset\.|permissions\.|expiry\.|notice\.rotation$|bulk\.(sameLife|format\.)|changes\.what$)`)

// Two spaces, a space before a full stop, brackets around nothing, a value that isn't there, a slip of the keyboard.
var readsBadly = regexp.MustCompile(`  | [.,;:?]|\(\)|“”|<no value>|\.\.|[Tt]he the|named$|for $`)

func TestMessagesUseOnlyKnownPlaceholders(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("words/en.json")
	if err != nil {
		t.Fatal(err)
	}
	used, known := map[string]bool{}, placeholders(t)
	for _, m := range regexp.MustCompile(`\.([A-Z][A-Za-z]*)[ })]`).FindAllStringSubmatch(string(source), -1) {
		used[m[1]] = true
		if !slices.Contains(known, m[1]) {
			t.Errorf("nobody fills .%s", m[1])
		}
	}
	for _, name := range known {
		if !used[name] {
			t.Errorf("no message uses .%s", name)
		}
	}
}

func TestNoMessageIsWrittenTwice(t *testing.T) {
	t.Parallel()
	for _, w := range templates.Offered() {
		name := "words/" + w.Language() + ".json"
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		written := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^  "([^"]+)":`).FindAllStringSubmatch(string(source), -1) {
			if written[m[1]] {
				t.Errorf("%s: %s stands there twice", name, m[1])
			}
			written[m[1]] = true
		}
		if len(written) < 1000 {
			t.Errorf("%s: only %d messages were found", name, len(written))
		}
	}
}

func TestAdminApprovalNamesWhatToGrant(t *testing.T) {
	t.Parallel()
	text := english.Text("approval.request", "ClientID", "3f0c1a52", "URL", "https://login.example/organizations/adminconsent")
	for _, needed := range []string{"vso.pats ", "vso.pats_manage", "vso.profile", "499b84ac-1321-427f-aa17-267ca6975798", "3f0c1a52", "delegated", "https://login.example/"} {
		if !strings.Contains(text, needed) {
			t.Errorf("%q is missing in %q", needed, text)
		}
	}
}

func TestMessageTakesItsValuesFromMapsAndStructs(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	if english.Has("no.such") {
		t.Error("Has finds what isn't there")
	}
	if got := english.Message("no.such", nil); got != english.Message("unknown", nil) || got.Title == "" {
		t.Errorf("no.such is %+v", got)
	}
}

// Values come from outside and are data, never templates.
func TestValuesAreNotExecuted(t *testing.T) {
	t.Parallel()
	got := english.Message("azuredevops.unknownPatError", map[string]string{"Code": "{{.Token}}<b>"}).Title
	if got != "Azure DevOps refused: {{.Token}}<b>" {
		t.Errorf("%q", got)
	}
}

// A line doesn't end between a number and what it counts, in languages where it could.
func TestNumbersStayWithWhatTheyCount(t *testing.T) {
	t.Parallel()
	apart := regexp.MustCompile(`(\d|\{\{\.(Count|Max|Done|All)\}\})( \p{Han}|(분|시간|일|년) (후|전)(\W|$))|[\d}][年月日]`)
	for _, tag := range []string{"ko", "zh-Hant"} {
		source, err := os.ReadFile("words/" + tag + ".json")
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer(`\u00a0`, "\u00a0", `\u2060`, "\u2060").Replace(string(source))
		for i, line := range strings.Split(text, "\n") {
			if found := apart.FindString(line); found != "" {
				t.Errorf("%s.json, line %d: %q can end a line", tag, i+1, found)
			}
		}
	}
}
