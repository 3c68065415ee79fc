package templates_test

import (
	"slices"

	"github.com/patdesk/patdesk/templates"
)

// The pages over all organizations; see samples_test.go.

type (
	overviewPage struct {
		base
		VaultNote         *vaultNote
		NewURL, ChooseURL string
		reading
		ListURL   string
		Attention []attentionGroup
		Quiet     bool
		Empty     bool
		Timeline  *timeline
		Active    int
		Places    []place
	}
	place struct {
		Name, URL string
		Active    int
		Unread    bool
	}
	reading struct {
		Address          string
		Since            when
		AgainURL         string
		Loading, Finding bool
		Count, Read      int
		Reading          []string
		Unfound          *partialProblem
		Problems         []organizationProblem
	}
	organizationProblem struct {
		Organization, Heading, What, Advice string
		Named                               bool
		Until                               when
		Partly                              bool
		RetryURL, RetryText                 string
		Details                             []field
	}
	attentionGroup struct {
		ID, Heading, What string
		Urgent            bool
		Count             int
		Lines             templates.Rows[attentionLine]
		AllText, AllURL   string
	}
	attentionLine struct {
		Name, URL, Facts, ISO string
		Action                nextAction
	}
	timeline struct {
		Months                            []timelineMonth
		Marks                             templates.Rows[timelineMark]
		Total                             int
		GlobalX, GlobalText, GlobalAnchor string
	}
	globalTokensPage struct {
		base
		reading
		Heading, What string
		Dead          bool
		Tokens        []globalToken
		BackURL       string
		Complete      bool
	}
	globalToken struct {
		Name, URL, MadeBy     string
		Odd                   string
		Scopes                []term
		FullAccess            bool
		Created, Expires      when
		ReplaceURL, RevokeURL string
	}
	globalReplacePage struct {
		tokenFormPage
		Heading, What string
		Dead          bool
		OldName       string
		OldScopes     []term
		OldExpires    when
		MadeBy        string
		Places        []option
		PlacesError   string
		Hidden        []hiddenField
		Old           []option
	}
	hiddenField  struct{ Name, Value string }
	replacedPage struct {
		base
		Name                                 string
		Loading                              bool
		Made, All                            int
		Results                              []replacedResult
		OldState, OldWhat, RevokeURL, OldURL string
		BackURL                              string
		Unsaved                              int
		SaveAll, Return                      string
		SecretFake, Warned                   bool
		ReloadAfter                          int
	}
	replacedResult struct {
		operationPage
		Number                              int
		Place, OperationID, PageURL, Return string
		Retry                               *replacedRetry
	}
	replacedRetry struct {
		Action string
		Fields []hiddenField
	}
	timelineMonth struct{ X, Name string }
	timelineMark  struct {
		X, Width, LabelX  string
		Y, Height, LabelY int
		First, Last       when
		Count             int
		Names             shownNames
		More              int
		URL, Class        string
	}
)

type shownNames [2]string

func (s shownNames) All() []string {
	return slices.DeleteFunc(slices.Clone(s[:]), func(name string) bool { return name == "" })
}

func fullReading() reading {
	return reading{Address: "/pat/overview?q=x", Since: at(0, -1), AgainURL: "/pat/overview?retry=", Read: 2, Count: 3, Problems: []organizationProblem{
		{Organization: "fabrikam", Heading: "A security rule blocks this", What: "A policy refused.", Advice: "Try elsewhere.", RetryURL: "/pat/overview?retry=fabrikam", RetryText: "Try again", Details: []field{{"Activity ID", "d3b7a1f0"}}},
		{Organization: "northwind", Heading: "northwind is paused", Named: true, Until: at(0, 1), Partly: true, RetryURL: "/pat/overview?retry=northwind", RetryText: "Try again"},
	}}
}

func fullOverview() overviewPage {
	return overviewPage{
		base: frame("Overview", "overview").in(""), NewURL: "/pat/tokens/new", ChooseURL: "/pat/organizations", reading: fullReading(),
		Attention: []attentionGroup{
			{ID: "ending", Heading: "About to expire", What: "Rotate them.", Urgent: true, Count: 7, AllText: "Show all 7", AllURL: "/pat/tokens?is=ending", Lines: templates.Rows[attentionLine]{
				{hostile, "/pat/tokens/contoso/1", "contoso · made by Git Credential Manager · expires in 2 days", at(2).ISO, nextAction{"Rotate", "/pat/tokens/contoso/1/rotate", false}},
			}},
			{ID: "expired30", Heading: "Expired in the last 30 days", What: "Replace them.", Count: 1, Lines: templates.Rows[attentionLine]{
				{"old", "/pat/tokens/contoso/2", "Global · expired 2 days ago", at(-2).ISO, nextAction{"Replace", "/pat/tokens/new", false}},
			}},
		},
		Timeline: &timeline{
			Months: []timelineMonth{{"2.19%", "Dec"}, {"10.68%", "Jan"}}, Total: 4, GlobalX: "2.19%", GlobalText: "1 Dec: global tokens end", GlobalAnchor: "start",
			Marks: templates.Rows[timelineMark]{
				{"0.00%", "1.64%", "0.82%", 20, 84, 15, at(0), at(6), 3, shownNames{hostile, "b"}, 1, "/pat/tokens?from=2026-11-22", "urgent"},
				{"9.59%", "1.64%", "10.41%", 76, 28, 71, at(35), at(41), 1, shownNames{"c"}, 0, "/pat/tokens/contoso/3", ""},
			},
		},
		ListURL: "/pat/tokens", Active: 3000, Places: []place{{"contoso", "/pat/tokens?organization=contoso", 2990, false}, {"fabrikam", "/pat/tokens?organization=fabrikam", 0, true}},
	}
}

func overviewSamples() []sample {
	loading, finding, none, quiet := fullOverview(), overviewPage{base: frame("Overview", "overview"), reading: reading{Loading: true, Finding: true}}, overviewPage{base: frame("Overview", "overview"), ChooseURL: "/pat/organizations"}, fullOverview()
	loading.Loading, loading.Read, loading.Reading = true, 1, []string{"fabrikam", "northwind"}
	none.Unfound = &partialProblem{"Azure DevOps is unavailable", "It is overloaded.", "Try again.", "/pat/overview?retry=", []field{{"Activity ID", "d3b7a1f0-63f1-4c4e-9a0e-3f2a6f1c9b11"}}}
	none.VaultNote = &vaultNote{"patdesk can show more.", "Agree", "/pat/vaults"}
	quiet.Attention, quiet.Quiet, quiet.Problems, quiet.Timeline = nil, true, nil, nil
	return []sample{
		{"overview", "full", fullOverview()}, {"overview", "loading", loading}, {"overview", "finding", finding}, {"overview", "unfound", none}, {"overview", "quiet", quiet},
		{"global-tokens", "before", globalTokensSample(false)}, {"global-tokens", "after", globalTokensSample(true)}, {"global-tokens", "none", globalTokensPage{base: frame("Replace global tokens", "overview"), Complete: true}},
		{"global-replace", "fresh", replaceSample(false)}, {"global-replace", "faulty", replaceSample(true)}, {"global-result", "mixed", resultSample()},
	}
}

func globalTokensSample(dead bool) globalTokensPage {
	p := globalTokensPage{base: frame("Replace global tokens", "overview"), reading: fullReading(), Heading: "Global tokens stop working", What: "Replace them.", Dead: dead, BackURL: "/pat/overview"}
	p.Loading, p.Reading = true, []string{"northwind"}
	p.Tokens = []globalToken{
		{hostile, "/pat/tokens/contoso/1", "Git Credential Manager", english.Text("token.odd", "Members", "its name"), terms("Code: Read"), false, at(-9), at(9), "/pat/global-tokens/contoso/1", "/pat/tokens/contoso/1/revoke"},
		{"everything", "/pat/tokens/contoso/2", "", "", terms("Full access"), true, at(-9), at(90), "/pat/global-tokens/contoso/2", "/pat/tokens/contoso/2/revoke"},
	}
	return p
}

func replaceSample(faulty bool) globalReplacePage {
	p := globalReplacePage{
		tokenFormPage: newForm(), Heading: "Global tokens stop working", What: "Replace them.", OldName: hostile, OldScopes: terms("Full access"), OldExpires: at(90), MadeBy: "Git Credential Manager",
		Places: []option{{"contoso", "contoso", "", true}, {"fabrikam", "fabrikam", "couldn't be read just now", false}}, Hidden: []hiddenField{{"form:contoso", "f0rm"}, {"form:fabrikam", "f0rm"}},
		Old: []option{{"later", "Revoke it later", "Nothing is stopped.", true}, {"now", "Revoke it at once", "", false}},
	}
	p.Presets, p.Dead = nil, faulty
	if faulty {
		p.PlacesError = "Choose at least one organization."
		p.Errors = []fieldError{{"places", p.PlacesError}}
	}
	return p
}

func resultSample() replacedPage {
	unkept := withSecret(operationSample("created", "succeeded"))
	unkept.Unkept, unkept.SaveAction, unkept.SecretNote = true, "", english.Message("operation.secretUnkept", nil).What
	saved := operationSample("created", "succeeded")
	saved.SecretNote = english.Message("operation.secretSaved", nil).What
	failed, progress, unknown := operationSample("created", "failed"), operationSample("inProgress", "sent"), operationSample("unknownCreate", "unknown")
	failed.Details, progress.InProgress, unknown.DismissAction = []field{{"Activity ID", "d3b7a1f0"}}, true, "/pat/operations/1/dismiss"
	return replacedPage{
		base: frame("New tokens", "overview"), Name: "vsce publish", Loading: true, Made: 3, All: 6, OldState: "alive", OldWhat: "It still works.", RevokeURL: "/pat/tokens/contoso/1/revoke",
		OldURL: "/pat/tokens/contoso/1", BackURL: "/pat/global-tokens", Unsaved: 2, SaveAll: "/pat/global-tokens/contoso/1/result/saved", Return: "/global-tokens/contoso/1/result", SecretFake: true,
		Results: []replacedResult{
			{operationPage: withSecret(operationSample("created", "succeeded")), Number: 1, Place: "contoso", PageURL: "/pat/operations/1", Return: "/global-tokens/contoso/1/result"},
			{operationPage: unkept, Number: 2, Place: "fabrikam"}, {operationPage: saved, Number: 3, Place: "northwind"},
			{operationPage: failed, Number: 4, Place: "adatum", Retry: &replacedRetry{"/pat/global-tokens/contoso/1", []hiddenField{{"organization", "adatum"}}}},
			{operationPage: progress, Number: 5, Place: "litware"}, {operationPage: unknown, Number: 6, Place: "wingtip", PageURL: "/pat/operations/6"},
		},
	}
}
