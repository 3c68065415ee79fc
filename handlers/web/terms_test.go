package web

import (
	"slices"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/templates"
)

// A scope is found by its words in the language of the visit, by Azure DevOps' own, and by its id.
func TestScopesAreFoundInEveryLanguage(t *testing.T) {
	t.Parallel()
	pseudo := templates.Pseudo()
	text := Searchable(pseudo, []string{"vso.code_write"})
	for _, query := range []string{"Read & write", "code:", "vso.code_write", "ŕéáð ŵŕíţé", "ÇÓÐÉ vso"} {
		if !SearchFor(query).In(text) {
			t.Errorf("%q isn't found in %q", query, text)
		}
	}
	if SearchFor("code packaging").In(text) {
		t.Error("a word that isn't there is found")
	}
}

func TestTerms(t *testing.T) {
	t.Parallel()
	english, pseudo := templates.Offered()[0], templates.Pseudo()
	for _, s := range azuredevops.Scopes() {
		if got := ScopeTerm(english, s.ID); got != (Term{Text: s.Term()}) {
			t.Errorf("%s is called %+v in English", s.ID, got)
		}
		if got := ScopeTerm(pseudo, s.ID); got.Text == s.Term() || got.English != s.Term() {
			t.Errorf("%s is called %+v in another language", s.ID, got)
		}
	}
	for _, tool := range azuredevops.Tools() {
		if got := ToolName(english, tool); got != tool.Term() {
			t.Errorf("%s is called %q", tool, got)
		}
	}
	if got := ScopeTerm(pseudo, "vso.newest_thing"); got != (Term{Text: "vso.newest_thing"}) {
		t.Errorf("an unknown scope is called %+v", got)
	}
	if got := ScopeList(pseudo, []string{"vso.code"}); got != pseudo.Text("scopes.withTermPlain", "Name", ScopeTerm(pseudo, "vso.code").Text, "Term", "Code: Read") {
		t.Errorf("in plain text: %q", got)
	}
}

// English groups stand where they stood before their names were words of a language.
func TestGroupsAreInTheOrderOfTheirNames(t *testing.T) {
	t.Parallel()
	var got, want []azuredevops.GroupID
	for _, g := range ScopeGroups(templates.Offered()[0]) {
		got = append(got, g.ID)
	}
	for _, g := range azuredevops.Groups() {
		want = append(want, g.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the groups are %q, want %q", got, want)
	}
}
