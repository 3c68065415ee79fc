package templates_test

import (
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/templates"
)

// The page structs as the templates see them, filled richly. The real ones stand beside their handlers, where each is
// checked against its template; these show every state of every page.

type (
	base struct {
		Root, Title          string
		Failed               bool
		Demo                 bool
		Version, RequestID   string
		SignedIn             bool
		PersonName, Username string
		Organization         string
		Organizations        []organizationLink
		Notices              []notice
		SignOutAsks          bool
		Section              string
		Here                 string
		Zone                 string
		Languages            []templates.LanguageChoice
		Look                 look
	}
	look struct {
		Theme     string
		Shortcuts bool
	}
	organizationLink struct {
		Name, URL string
		Current   bool
	}
	notice     struct{ Kind, Text, LinkText, URL string }
	field      struct{ Label, Value string }
	nextAction struct {
		Text, URL string
		Primary   bool
	}
	when       = templates.When
	signInPage struct {
		base
		StartURL                                string
		Ended, KeptInput, Challenged, SignedOut bool
		Vaults, VaultsCheck                     bool
		Permissions                             []string
	}
	signOutPage struct {
		base
		Pending, Running []notice
	}
	signedOutPage struct {
		base
		EntraURL, HomeURL string
	}
	problemPage struct {
		base
		Status                int
		Heading, What, Advice string
		Details               []field
		Actions               []nextAction
		Resend                *resendForm
		Request               string
		Approve               *nextAction
	}
	resendForm struct {
		Action string
		Fields []hiddenField
	}
	vaultNote     struct{ Text, LinkText, URL string }
	tokenListPage struct {
		base
		VaultNote *vaultNote
		reading
		NewURL, ChooseURL                                  string
		Done                                               *notice
		GlobalHeading, GlobalNote                          string
		One, Query, Status, Sort, Order, From, To, Between string
		Tabs                                               []tab
		InPlaces, ScopeChoices, EndChoices, Kinds          []option
		Narrowed                                           bool
		Filtered                                           int
		Columns                                            []column
		Tokens                                             templates.Rows[tokenRow]
		Several                                            several
		Matching, Total, Anywhere, First, Last             int
		Page, Pages, Previous, Next                        int
		CSVURL, JSONURL, PrintURL                          string
		AllRows, TooManyToShow                             bool
		picking
	}
	tab struct {
		Value, Text string
		Current     bool
	}
	column   struct{ ID, Text, Sorted string }
	several  struct{ Organizations, Statuses bool }
	tokenRow struct {
		Several                   several
		Number                    int
		Name, URL, Class, Scopes  string
		FullAccess                bool
		Powerful, Organization    string
		Global, Tool              bool
		Expires                   when
		Urgency, Status           string
		MadeBy, Odd               string
		Kept, KeptOdd             string
		Unfinished, UnfinishedURL string
		Pick                      string
		Picked                    bool
	}
	partialProblem struct {
		Heading, What, Advice, RetryURL string
		Details                         []field
	}
	organizationsPage struct {
		base
		Action        string
		Choices       []organizationLink
		Typed, Error  string
		Problem       *partialProblem
		CanType, None bool
	}
	tokenPage struct {
		base
		Name, AuthorizationID, OrganizationText string
		Status, StatusClass                     string
		Scopes                                  []scopeRow
		Created, Expires                        when
		Urgency                                 string
		Global                                  bool
		GlobalNote, GlobalURL, MadeBy           string
		Targets                                 []string
		EditURL, RotateURL, RevokeURL           string
		WhyNot, ReplaceURL, AzureURL, BackURL   string
		Done                                    *notice
		Unfinished, UnfinishedURL               string
		Odd, NotCopyable                        string
		Vault                                   *vaultSection
	}
	vaultPlace struct {
		Text  string
		Marks []string
	}
	vaultSection struct {
		Places   []vaultPlace
		Secret   string
		Uses     []use
		Note     *vaultNote
		AdoptURL string
		NoneRead bool
		ReadURL  string
	}
	vaultsPage struct {
		base
		Vaults                           []vaultRead
		Reading, MayAdd                  bool
		AgreeURL, Typed, TypedError      string
		AddAction, RemoveAction, ListURL string
	}
	vaultRead struct {
		Name, Address, Holds, Problem string
		Added                         bool
	}
	adoptPage struct {
		base
		Problem                         *problemSummary
		TokenName, SecretError, BackURL string
		FormAction                      string
		Choices                         []option
	}
	scopeRow struct {
		ID          string
		Name        term
		Description string
		High, Known bool
		Implies     []string
	}
	term          struct{ Text, English string }
	tokenFormPage struct {
		base
		FormAction, Form    string
		Errors              []fieldError
		Problem             *problemSummary
		Remarks             []notice
		Name, NameError     string
		OrganizationChoices []option
		CanTypeOrganization bool
		OrganizationTyped   string
		OrganizationError   string
		Expiry              []option
		Date                string
		DateMin, DateMax    string
		ExpiryError         string
		Groups, MoreGroups  []scopeGroup
		OtherScopes         string
		ScopesError         string
		Full                bool
		FullName            term
		Presets             []preset
		JustChosen          bool
		NameNote, LinkURL   string
		Vault               *vaultPart
		ScopesURL           string
		CancelURL           string
		TokenName           string
		GlobalNote          string
		GlobalURL           string
		Current             []field
	}
	option struct {
		Value, Text, Hint string
		Selected          bool
	}
	fieldError     struct{ ID, Text string }
	problemSummary struct {
		Heading, What, Advice string
		Details               []field
	}
	scopeGroup struct {
		Name   term
		Slug   string
		Levels []scopeLevel
		Any    bool
		Words  string
	}
	scopeLevel struct {
		ID             string
		Text           term
		Description    string
		High, Selected bool
	}
	preset struct {
		ID, Name, Description string
		Scopes, TokenName     string
		Chosen                bool
	}
	revokePage struct {
		base
		Problem                     *problemSummary
		FormAction, Form, CancelURL string
		Name, OrganizationText      string
		Scopes                      []term
		Expires                     when
		MadeBy                      string
		Over                        bool
		GlobalNote, GlobalURL       string
	}
	rotatePage struct {
		base
		Problem                     *problemSummary
		Errors                      []fieldError
		FormAction, Form, CancelURL string
		Name, OrganizationText      string
		Scopes                      []term
		Expires                     when
		Expiry                      []option
		Date, DateMin, DateMax      string
		ExpiryError, SoonerNote     string
		Vault                       *vaultPart
		MadeBy                      string
		GlobalNote, GlobalURL       string
		ReplaceURL, RevokeURL       string
		Old                         []option
		Schedule                    *schedule
	}
	operationPage struct {
		base
		Heading                           string
		Named, InProgress                 bool
		State, Sentence, Advice           string
		Details                           []field
		Cause                             string
		TokenName, TokenURL, Organization string
		Secret                            string
		SecretUntil                       when
		SecretFake                        bool
		SecretNote                        string
		Uses                              []use
		Unkept                            bool
		Asked, Granted                    when
		Shortened, Warned                 bool
		Expires                           when
		Scopes                            []term
		SaveAction                        string
		Old                               *oldToken
		Vault                             *intoVault
		Candidates                        []candidate
		NextActions                       []nextAction
		DismissAction, CheckAction        string
		ReloadAfter                       int
	}
	use struct {
		ID    string
		Parts []usePart
	}
	usePart   struct{ ID, Shell, Lines string }
	vaultPart struct {
		Choices                                                 []option
		MayType                                                 bool
		Typed, VaultError, Secret, SecretError, SuggestedSecret string
		Unseen, MayDisable, DisableOld, Taken, Over, Chosen     bool
		Rows                                                    []vaultRow
		MayAtOnce, AtOnce                                       bool
	}
	vaultRow struct {
		ID, Field, Token, Organization, Secret, Error string
		Taken, Over                                   bool
	}
	intoVault struct {
		State, Secret, Version, Sentence string
		Problem                          *problemSummary
		TryAction, ShowAction, Previous  string
		DisableAction                    string
		Disabling                        *problemSummary
		Uses                             []use
	}
	oldToken struct {
		State, Name, URL         string
		Expires                  when
		Sentence                 string
		Problem                  *problemSummary
		RevokeAction, KeepAction string
		Schedule                 *schedule
	}
	schedule struct {
		At, Min, Max, Error, Action string
		Until                       when
		MayDrop                     bool
	}
	candidate struct {
		Name, AuthorizationID, URL string
		Created, Expires           when
		Scopes                     []term
		RevokeAction               string
		Likely, Revoking           bool
	}
	changesPage struct {
		base
		Count int
		Days  []changeDay
	}
	changeDay struct {
		Heading string
		Changes []changeRow
	}
	changeRow struct {
		When                                                  when
		What, Token, Organization, Outcome, OutcomeClass, URL string
		Why, Address, Browser                                 string
	}
	scopesPage struct {
		base
		Query  string
		Groups []scopeGroupRows
		Count  int
	}
	scopeGroupRows struct {
		Name   term
		Words  string
		Scopes []scopeRow
	}
	shortcutsPage struct{ base }
	jumpPage      struct {
		base
		Query  string
		Places []jumpPlace
		Unread bool
	}
	jumpPlace    struct{ Name, Where, URL string }
	sessionsPage struct {
		base
		Sessions  []sessionRow
		EndAction string
		Most      int
		Done      string
	}
	calendarPage struct {
		base
		Address                                       string
		Files                                         []calendarFile
		Exists                                        bool
		Made, Refreshed                               when
		Lapsed                                        bool
		Asked                                         when
		AskedBy                                       string
		Places                                        []calendarPlace
		Total, Counted                                int
		LocalOnly                                     bool
		Problem                                       *problemSummary
		Done                                          string
		Form, Mark                                    string
		MakeAction, RevokeAction, Public, OverviewURL string
		Language, SpeakAction                         string
	}
	calendarFile  struct{ Name, Purpose, Address string }
	calendarPlace struct {
		Organization string
		Count, Left  int
		Read, Failed when
		Undated      int
	}
	sessionRow struct {
		Started, LastSeen when
		Address, Browser  string
		Current           bool
	}
)

// sample is a page in one of its states.
type sample struct {
	page  string // name of the template
	state string
	data  any
}

var seenAt = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func at(days int, minutes ...int) when {
	t := seenAt.AddDate(0, 0, days)
	for _, m := range minutes {
		t = t.Add(time.Duration(m) * time.Minute)
	}
	return english.At(t, seenAt)
}

func frame(title, section string) base {
	return base{
		Root: "/pat", Title: title, Demo: true, Version: "1.4.0", RequestID: "K3QX7M2ZP4TL6VNA", SignedIn: true,
		PersonName: "Mona Rivera", Username: "mona@contoso.example", Organization: "contoso", Section: section,
		Organizations: []organizationLink{
			{"contoso", "/pat/tokens?organization=contoso", true}, {"fabrikam", "/pat/tokens?organization=fabrikam", false},
			{"northwind-games", "/pat/tokens?organization=northwind-games", false},
		},
	}
}

func noticed(b base) base {
	b.SignOutAsks = true
	b.Notices = []notice{
		{"secret", "The secret of build agent 7 is waiting to be saved; the time runs out in 9 minutes.", "Show the secret", "/pat/operations/1"},
		{"rotation", "The rotation of nuget-publish isn't finished: the old token still works.", "Finish the rotation", "/pat/operations/2"},
		{"unknown", "We couldn't confirm what happened to terraform.", "Find out", "/pat/operations/3"},
		{"running", "Revoking 12 tokens: in progress.", "See progress", "/pat/bulk/1"},
	}
	return b
}

func inLanguages(b base) base {
	b.Here, b.Zone, b.Languages = "/tokens?q=x", "Asia/Seoul", templates.Languages{english, templates.Pseudo()}.Choices(english)
	return b
}

func visitor(title string) base {
	return base{Root: "/pat", Title: title, Version: "1.4.0", RequestID: "K3QX7M2ZP4TL6VNA"}
}

const hostile = `<img src=x onerror=alert(1)> "quoted" & 'single' — ünïcode 名前`

func samples() []sample {
	var all []sample
	for _, group := range [][]sample{frontSamples(), listSamples(), tokenSamples(), formSamples(), operationSamples(), vaultSamples(), otherSamples(), overviewSamples(), bulkSamples()} {
		all = append(all, group...)
	}
	return all
}

func frontSamples() []sample {
	permissions := []string{
		english.Message("permissions.read", nil).What, english.Message("permissions.manage", nil).What,
		english.Message("permissions.profile", nil).What, english.Message("permissions.identity", nil).What,
	}
	approval := english.Message("entra.adminApproval", map[string]string{"ClientID": "3f0c1a52-9a0b-4f0e-8d7e-2a1b0c9d8e7f"})
	return []sample{
		{"sign-in", "first", signInPage{base: visitor("Sign in"), StartURL: "/pat/sign-in/start", Permissions: permissions}},
		{"sign-in", "ended", signInPage{base: visitor("Sign in"), StartURL: "/pat/sign-in/start?draft=1", Ended: true, KeptInput: true, Permissions: permissions}},
		{"sign-in", "kept", signInPage{base: visitor("Sign in"), StartURL: "/pat/sign-in/start?draft=1", KeptInput: true}},
		{"sign-in", "challenged", signInPage{base: visitor("Sign in"), StartURL: "/pat/sign-in/start?draft=1", KeptInput: true, Challenged: true}},
		{"sign-in", "vaults", signInPage{base: visitor("Sign in"), StartURL: "/pat/sign-in/start?draft=1", KeptInput: true, Vaults: true}},
		{"sign-in", "vaults-check", signInPage{base: visitor("Sign in"), StartURL: "/pat/sign-in/start?draft=1", KeptInput: true, VaultsCheck: true}},
		{"sign-in", "signed-out", signInPage{base: visitor("Sign in"), StartURL: "/pat/sign-in/start", SignedOut: true}},
		{"sign-out", "pending", signOutPage{base: frame("Sign out?", "sign-out"), Pending: noticed(base{}).Notices[:1]}},
		{"signed-out", "entra", signedOutPage{base: visitor("You are signed out"), EntraURL: "https://login.microsoftonline.com/organizations/oauth2/v2.0/logout?post_logout_redirect_uri=https%3A%2F%2Fpatdesk.example%2Fpat%2F&logout_hint=mona", HomeURL: "/pat/"}},
		{"signed-out", "plain", signedOutPage{base: visitor("You are signed out"), HomeURL: "/pat/"}},
		{"sign-out", "plain", signOutPage{base: frame("Sign out?", "sign-out")}},
		{"problem", "throttled", problemPage{
			base: frame("Azure DevOps asks you to slow down", ""), Status: 429, Heading: "Azure DevOps asks you to slow down",
			What: "You, or a tool that works in your name, sent too many requests in a short time, so Azure DevOps makes you wait.", Advice: "Try again in 2 minutes.",
			Details: []field{{"Activity ID", "d3b7a1f0-63f1-4c4e-9a0e-3f2a6f1c9b11"}, {"Error code", "TF400733"}, {"HTTP status", "429"}, {"Request ID", "K3QX7M2ZP4TL6VNA"}},
			Actions: []nextAction{{"Try again", "/pat/tokens", true}, {"Back to tokens", "/pat/tokens", false}},
		}},
		{"problem", "too soon", problemPage{
			base: frame("Please slow down", ""), Status: 429, Heading: "Please slow down", What: "You asked for more changes than patdesk takes from one person in a minute.",
			Advice: "From 14:03:20 UTC on you can send it again.", Actions: []nextAction{{"Back to the page", "/pat/operations/x", false}},
			Resend: &resendForm{"/pat/operations/x/revoke-candidate", []hiddenField{{"authorizationId", "x"}, {"confirmed", "yes"}}},
		}},
		{"problem", "approval", problemPage{
			base: visitor(approval.Title), Status: 403, Heading: approval.Title, What: approval.What, Advice: approval.Advice,
			Details: []field{{"Correlation ID", "d3b7a1f0-63f1-4c4e-9a0e-3f2a6f1c9b11"}, {"Entra error", "AADSTS90094"}},
			Actions: []nextAction{{"Sign in again", "/pat/sign-in/start", true}},
		}},
	}
}

// in is the frame around what is about that organization.
func (b base) in(organization string) base {
	b.Organization = organization
	return b
}

func list(status string) tokenListPage {
	return tokenListPage{
		base: frame("Tokens in contoso", "tokens"), One: "contoso", NewURL: "/pat/tokens/new", Status: status, Sort: "expires", Order: "asc", ChooseURL: "/pat/organizations",
		Tabs:    []tab{{"active", "Active", status == "active"}, {"expired", "Expired", status == "expired"}, {"revoked", "Revoked", status == "revoked"}, {"all", "All", status == "all"}},
		Columns: []column{{"name", "Name", ""}, {"scopes", "Scopes", ""}, {"expires", "Expires", "ascending"}}, Page: 1, Pages: 1,
		InPlaces: []option{{"", "All organizations", "", false}, {"contoso", "contoso", "", true}, {"fabrikam", "fabrikam", "", false}}, ScopeChoices: []option{{"", "Any scope", "", true}},
		EndChoices: []option{{"", "Any time", "", true}, {"7", "7 days", "", false}}, Kinds: []option{{"full", "Full access", "", false}, {"tool", "Made by a tool", "", false}},
		CSVURL: "/pat/tokens.csv", JSONURL: "/pat/tokens.json", PrintURL: "/pat/tokens?rows=all",
	}
}

func fullList() tokenListPage {
	p := list("all")
	p.base, p.picking, p.Several = noticed(p.base), picks(42), several{true, true}
	p.Columns = append(p.Columns, column{"organization", "Organization", ""}, column{"status", "Status", ""})
	p.Total, p.Matching, p.Anywhere = 42, 10, 42
	note := english.Message("global.before", nil)
	p.GlobalHeading, p.GlobalNote = note.Title, note.What
	p.Problems = []organizationProblem{{Heading: "Some tokens are missing here", What: "contoso: the revoked tokens couldn't be read.", Advice: "Azure DevOps took too long to answer. Try again in a minute.", RetryURL: "/pat/tokens", RetryText: "Try again", Details: []field{{"Activity ID", "d3b7a1f0-63f1-4c4e-9a0e-3f2a6f1c9b11"}}}}
	p.Tokens = templates.Rows[tokenRow]{
		{Pick: "contoso/1", Name: "build agent 7", URL: "/pat/tokens/contoso/1", Scopes: "Agent Pools: Read & manage", Organization: "contoso", Expires: at(3), Urgency: "urgent", Status: "Active", Class: "active"},
		{Pick: "contoso/2", Name: "vsce publish", URL: "/pat/tokens/contoso/2", Scopes: "Marketplace: Manage", Powerful: "High privilege, over 180 days", Organization: "All organizations", Global: true, Expires: at(165), Status: "Active", Class: "active"},
		{Pick: "contoso/3", Picked: true, Name: "nuget-publish", URL: "/pat/tokens/contoso/3", Scopes: "Packaging: Read & write", Organization: "contoso", Expires: at(20), Urgency: "soon", Status: "Active", Class: "active", Unfinished: "Rotation not finished", UnfinishedURL: "/pat/operations/2"},
		{Pick: "contoso/4", Name: "git: https://dev.azure.com/contoso on MONA-LAPTOP", URL: "/pat/tokens/contoso/4", Scopes: "Code: Read & write", Organization: "contoso", Tool: true, Expires: at(88), Status: "Active", Class: "active", MadeBy: "Git Credential Manager"},
		{Name: hostile, Odd: english.Text("token.odd", "Members", "its ID"), Organization: "contoso", Expires: at(88), Status: "Active", Class: "active"},
		{Pick: "contoso/5", Name: "migration 2025", URL: "/pat/tokens/contoso/5", Scopes: "Full access", FullAccess: true, Organization: "contoso", Expires: at(65), Status: "Active", Class: "active"},
		{Pick: "contoso/6", Name: "reporting", URL: "/pat/tokens/contoso/6", Scopes: "Analytics: Read, Build: Read, Code: Read, Test Management: Read, Wiki: Read, Work Items: Read", Organization: "contoso", Expires: at(335), Status: "Active", Class: "active"},
		{Name: "old deploy", URL: "/pat/tokens/contoso/7", Scopes: "Release: Read, write, & execute, Code: Read", Organization: "contoso", Expires: at(-5), Status: "Expired", Class: "expired"},
		{Name: "leaked-by-accident-with-a-very-long-name-that-nobody-can-break-anywhere-at-all", URL: "/pat/tokens/contoso/8", Scopes: "Code: Read", Organization: "contoso", Expires: at(50), Status: "Revoked", Class: "revoked"},
		{Pick: "contoso/9", Name: hostile, URL: "/pat/tokens/contoso/9", Scopes: "vso.something_new", Organization: "contoso", Expires: at(50), Status: "Active", Class: "active"},
	}
	for i := range p.Tokens {
		p.Tokens[i].Number, p.Tokens[i].Several = i+1, p.Several
	}
	return p
}

func listSamples() []sample {
	found, none, first, trouble, everywhere, loading := list("active"), list("active"), list("all"), list("active"), fullList(), fullList()
	found.Done = &notice{Kind: "done", Text: english.Message("operation.revoked", map[string]string{"Token": "old deploy"}).What}
	found.Query, found.Narrowed, found.Tokens, found.Matching, found.Total, found.Anywhere, found.picking = "code", true, fullList().Tokens[3:4], 1, 12, 12, picks(1)
	found.Columns, found.Page, found.Pages, found.Next, found.Filtered, found.From, found.Between = list("active").Columns, 1, 3, 2, 1, "2026-11-22", english.Text("overview.onlyBetween", "From", "22 Nov 2026", "To", "…")
	found.Tokens[0].Several = found.Several
	none.Query, none.Narrowed, none.Total, none.Anywhere = hostile, true, 12, 12
	trouble.Problems = fullList().Problems
	everywhere.One, everywhere.Problems, everywhere.Notices, everywhere.GlobalNote = "", nil, nil, ""
	everywhere.base, everywhere.reading = frame("All tokens", "tokens").in(""), fullReading()
	loading.reading, loading.One = reading{Loading: true, Count: 3, Read: 1, Reading: []string{"fabrikam", "northwind"}, Address: "/pat/tokens"}, ""
	nowhere := tokenListPage{base: frame("All tokens", "tokens").in(""), NewURL: "/pat/tokens/new", ChooseURL: "/pat/organizations", Status: "active"}
	return []sample{
		{"tokens", "full", fullList()}, {"tokens", "found", found}, {"tokens", "nothing-found", none}, {"tokens", "first", first},
		{"tokens", "no-expired", list("expired")}, {"tokens", "no-revoked", list("revoked")}, {"tokens", "no-active", list("active")},
		{"tokens", "trouble", trouble}, {"tokens", "everywhere", everywhere}, {"tokens", "loading", loading}, {"tokens", "nowhere", nowhere},
		{"organizations", "choices", organizationsPage{base: frame("Choose an organization", ""), Action: "/pat/tokens", Choices: frame("", "").Organizations, CanType: true}},
		{"organizations", "languages", organizationsPage{base: inLanguages(visitor("Choose an organization")), Action: "/pat/tokens", CanType: true}},
		{"organizations", "typing", organizationsPage{base: frame("Choose an organization", ""), Action: "/pat/tokens", CanType: true, Typed: "con toso", Error: english.Message("form.organizationInvalid", nil).What,
			Problem: &partialProblem{"Your organizations couldn't be looked up", "patdesk has no permission to list them (vso.profile).", "Type the name instead.", "/pat/organizations", nil}}},
		{"organizations", "none", organizationsPage{base: frame("Choose an organization", "")}},
	}
}

// terms are names that Azure DevOps gives, in English.
func terms(texts ...string) []term {
	var out []term
	for _, text := range texts {
		out = append(out, term{Text: text})
	}
	return out
}

func tokenSamples() []sample {
	scopes := []scopeRow{
		{ID: "vso.code_write", Name: term{Text: "Code: Read & write"}, Description: "Also push, delete, run pull requests, and change branch policies", High: true, Known: true, Implies: []string{"vso.code", "vso.hooks_write", "vso.hooks", "vso.profile"}},
		{ID: "vso.build", Name: term{Text: "Build: Read"}, Description: "See builds, definitions, artifacts", Known: true},
		{ID: "vso.something_new", Name: term{Text: "vso.something_new"}},
	}
	active := tokenPage{
		Vault: &vaultSection{
			Places: []vaultPlace{{"In team/ci", []string{"An older version of this secret can still be read."}}},
			Note:   &vaultNote{"patdesk can show more.", "Agree", "/pat/vaults"}, AdoptURL: "/pat/tokens/contoso/1/vault", ReadURL: "/pat/vaults",
			Secret: "team/ci", Uses: []use{{"vault-az", []usePart{{"vault-az", "sh", "az keyvault secret show"}}}, {"vault-csi", []usePart{{"vault-csi", "yaml", "kind: SecretProviderClass"}}}},
		},
		Unfinished: "Rotation not finished", UnfinishedURL: "/pat/operations/2",
		base: frame("nuget-publish", "tokens"), Name: "nuget-publish", AuthorizationID: "4ab5f1c2-7c2b-4f7e-9f43-0d7b1f5f2c10", OrganizationText: "contoso",
		Status: "Active", StatusClass: "active", Scopes: scopes, Created: at(-70), Expires: at(3), Urgency: "urgent", Targets: []string{"contoso"},
		EditURL: "edit", RotateURL: "rotate", RevokeURL: "revoke", ReplaceURL: "/pat/tokens/new?like=4ab5", AzureURL: "https://dev.azure.com/contoso/_usersSettings/tokens",
		BackURL: "/pat/tokens", Done: &notice{Kind: "done", Text: "Changes saved. The secret stays the same."},
	}
	expired, global := active, active
	expired.Vault = &vaultSection{NoneRead: true, ReadURL: "/pat/vaults"}
	expired.Status, expired.StatusClass, expired.Expires, expired.Urgency, expired.Done = "Expired", "expired", at(-5), "past", nil
	expired.EditURL, expired.RotateURL, expired.RevokeURL = "", "", ""
	expired.WhyNot = english.Message("form.expiredCannotChange", map[string]string{"Token": "nuget-publish"}).What
	global.Global, global.OrganizationText, global.Targets, global.GlobalNote, global.MadeBy, global.Done = true, "All organizations", nil, english.Message("global.before", nil).What, "Git Credential Manager", &notice{Kind: "warning", Text: english.Message("operation.updatedShortened", map[string]string{"Token": "nuget-publish", "Asked": "1 Mar 2027", "Granted": "22 Dec 2026"}).What}
	global.Scopes, global.GlobalURL = nil, "/pat/global-tokens/contoso/4ab5"
	global.Expires.Note = "stops with all global tokens; its own date is 14 Mar 2027"
	return []sample{{"token", "active", active}, {"token", "expired", expired}, {"token", "global", global}}
}

func expiries(keep bool) []option {
	all := []option{{"7", "7 days", "29 Nov 2026", false}, {"30", "30 days", "22 Dec 2026", false}, {"60", "60 days", "21 Jan 2027", false}, {"90", "90 days", "20 Feb 2027", !keep}, {"365", "One year", "22 Nov 2027", false}, {"date", "Custom date", "", false}}
	if keep {
		all = append([]option{{"keep", "Keep 1 Dec 2026", "", true}}, all...)
	}
	return all
}

func group(name, slug string, chosen int, levels ...scopeLevel) scopeGroup {
	g := scopeGroup{Name: term{Text: name}, Slug: slug, Levels: levels, Any: chosen > 0}
	if g.Any {
		g.Levels[chosen-1].Selected = true
	}
	return g
}

func groups() []scopeGroup {
	read := func(id, text string) scopeLevel {
		return scopeLevel{ID: id, Text: term{Text: "Read"}, Description: text}
	}
	return []scopeGroup{
		group("Advanced Security", "advanced-security", 0, scopeLevel{"vso.advsec", term{Text: "Read"}, "See security alerts and analysis results", true, false}, scopeLevel{"vso.advsec_write", term{Text: "Read & write"}, "Also upload SARIF analyses", true, false}, scopeLevel{"vso.advsec_manage", term{Text: "Read, write, & manage"}, "Also read upload details, delete analyses, change alert state", true, false}),
		group("Agent Pools", "agent-pools", 0, read("vso.agentpools", "See pools, queues, agents and their jobs"), scopeLevel{"vso.agentpools_manage", term{Text: "Read & manage"}, "Administer pools, queues, agents (register an agent)", true, false}),
		group("Analytics", "analytics", 0, read("vso.analytics", "Query Analytics data")),
		group("Build", "build", 1, read("vso.build", "See builds, definitions, artifacts; build hooks"), scopeLevel{"vso.build_execute", term{Text: "Read & execute"}, "Also queue and edit builds and definitions", true, false}),
		group("Code", "code", 2, read("vso.code", "Read and search repositories, commits, pull request metadata"), scopeLevel{"vso.code_write", term{Text: "Read & write"}, "Also push, delete, run pull requests; also branch policies and pull request bypass", true, false}, scopeLevel{"vso.code_manage", term{Text: "Read, write, & manage"}, "Also create, rename, delete repositories", true, false}, scopeLevel{"vso.code_full", term{Text: "Full"}, "Also older client-object-model APIs", true, false}, scopeLevel{"vso.code_status", term{Text: "Status"}, "Read and write commit and pull request statuses only", false, false}),
		group("MemberEntitlement Management", "memberentitlement-management", 0, read("vso.memberentitlementmanagement", "See users, licences, project and extension access"), scopeLevel{"vso.memberentitlementmanagement_write", term{Text: "Read & write"}, "Also change them", true, false}),
		group("Notifications", "notifications", 0, read("vso.notification", "See subscriptions and event metadata"), scopeLevel{"vso.notification_write", term{Text: "Read & write"}, "Also edit subscriptions", false, false}, scopeLevel{"vso.notification_manage", term{Text: "Read, write, & manage"}, "Also administer them", false, false}, scopeLevel{"vso.notification_diagnostics", term{Text: "Diagnostics"}, "Read notification logs, switch diagnostics on", false, false}),
		group("Packaging", "packaging", 0, read("vso.packaging", "Restore packages, list feeds"), scopeLevel{"vso.packaging_write", term{Text: "Read & write"}, "Also publish packages, create feeds", true, false}, scopeLevel{"vso.packaging_manage", term{Text: "Read, write, & manage"}, "Also delete packages, administer feeds", true, false}),
		group("Work Items", "work-items", 0, read("vso.work", "Read boards, queries, work items"), scopeLevel{"vso.work_write", term{Text: "Read & write"}, "Also create and edit", false, false}, scopeLevel{"vso.work_full", term{Text: "Read, write, & manage"}, "Everything in work tracking", false, false}),
	}
}

func newForm() tokenFormPage {
	return tokenFormPage{
		base: frame("New token", "tokens"), FormAction: "/pat/tokens/new", Form: "f0rm", Name: "build agent 8",
		OrganizationChoices: []option{{"contoso", "contoso", "", true}, {"fabrikam", "fabrikam", "", false}},
		Expiry:              expiries(false), DateMin: "2026-11-23", DateMax: "2027-11-22", Groups: groups()[4:], MoreGroups: groups()[:4], FullName: term{Text: "Full access"},
		Presets: []preset{
			{"git", "Clone and push", "Work with Git repositories from your machine or a build agent.", "vso.code_write", "Clone and push 2026-11-22", true},
			{"packages", "Publish packages", "Restore and publish NuGet, npm, Maven and Python packages.", "vso.packaging_write", "Publish packages 2026-11-22", false},
			{"pipelines", "Run pipelines", "Start builds and read their results.", "vso.build_execute", "Run pipelines 2026-11-22", false},
			{"report", "Read-only reporting", "Read work items, builds, tests and analytics.", "vso.analytics", "Read-only reporting 2026-11-22", false},
		},
		ScopesURL: "/pat/scopes", CancelURL: "/pat/tokens", LinkURL: "/pat/tokens/new?name=build+agent+8",
		NameNote: english.Text("tokenForm.nameTaken", "Organization", "contoso"),
	}
}

func formSamples() []sample {
	fresh, faulty, refused, edit := newForm(), newForm(), newForm(), newForm()
	faulty.Failed, refused.Failed = true, true
	faulty.Name, faulty.NameError = "", "Enter a name for the token."
	faulty.CanTypeOrganization, faulty.OrganizationTyped, faulty.OrganizationError = true, "con toso", english.Message("form.organizationInvalid", nil).What
	faulty.Date, faulty.ExpiryError = "2026-01-01", "Choose a date in the future."
	faulty.ScopesError, faulty.OtherScopes, faulty.Full = "Choose either Full access or single scopes, not both.", hostile, true
	faulty.Errors = []fieldError{{"name", faulty.NameError}, {"organization", faulty.OrganizationError}, {"date", faulty.ExpiryError}, {"scopes", faulty.ScopesError}}
	refusal := english.Message("azuredevops.fullScopePatPolicyViolation", nil)
	refused.Full, refused.Problem = true, &problemSummary{refusal.Title, refusal.What, refusal.Advice, []field{{"Activity ID", "d3b7a1f0-63f1-4c4e-9a0e-3f2a6f1c9b11"}}}
	edit.base, edit.TokenName, edit.Name, edit.Presets = frame("Edit nuget-publish", "tokens"), "nuget-publish", "nuget-publish", nil
	edit.Expiry, edit.OrganizationChoices = expiries(true), nil
	edit.Current = []field{{"Name", "nuget-publish"}, {"Scopes", "Code: Read & write, Build: Read"}, {"Expires", "1 Dec 2026, in 9 days"}}
	revoke := revokePage{base: frame("Revoke nuget-publish?", "tokens"), FormAction: "revoke", Form: "f0rm", CancelURL: "token", Name: "nuget-publish", OrganizationText: "contoso", Scopes: terms("Packaging: Read & write"), Expires: at(20), MadeBy: "Git Credential Manager"}
	revokeAgain := revoke
	revokeAgain.GlobalNote = english.Message("global.revoke.before", nil).What
	revokeAgain.GlobalURL = "/pat/global-tokens/contoso/4ab5"
	revokeAgain.MadeBy, revokeAgain.Problem = "", refused.Problem
	rotate := rotatePage{base: frame("Rotate nuget-publish", "tokens"), FormAction: "rotate", Form: "f0rm", CancelURL: "token", Name: "nuget-publish", OrganizationText: "contoso", Scopes: terms("Packaging: Read & write", "Code: Read"), Expires: at(20), DateMin: "2026-11-23", DateMax: "2027-11-22"}
	rotate.Expiry = append([]option{{"same", "As long as before, 90 days", "20 Feb 2027", true}}, expiries(true)[1:]...)
	rotate.Expiry[1].Hint = english.Message("expiry.sooner", map[string]string{"Date": "29 Nov 2026"}).What
	rotate.SoonerNote = english.Message("rotate.sooner", map[string]string{"Date": "12 Dec 2026"}).What
	for _, value := range []string{"confirm", "now", "later"} {
		text := english.Message("rotate.old."+value, nil)
		rotate.Old = append(rotate.Old, option{value, text.Title, text.What, value == "confirm"})
	}
	vaults := []option{{"", "None: I save it myself", "", false}, {"https://team.vault.azure.net", "team.vault.azure.net", "", false}, {"other", "Another vault", "", true}}
	faulty.Vault = &vaultPart{Choices: vaults, MayType: true, Typed: hostile, VaultError: english.Message("form.vaultInvalid", nil).What, Chosen: true}
	fresh.Vault = &vaultPart{Choices: vaults[:2]}
	rotate.Vault = &vaultPart{Choices: vaults, MayType: true, Secret: "nuget", SecretError: english.Message("form.secretTaken", nil).What, SuggestedSecret: "nuget-publish", Unseen: true, MayDisable: true, DisableOld: true, Taken: true, Over: true, Chosen: true}
	adopt := adoptPage{base: frame("Which secret has this token?", "tokens"), TokenName: hostile, FormAction: "vault", BackURL: "token", Choices: []option{{"https://team.vault.azure.net ci", "team/ci", "", true}}}
	adoptAgain := adopt
	adoptAgain.Failed, adoptAgain.Problem, adoptAgain.SecretError = true, refused.Problem, "Choose a secret."
	read := vaultsPage{base: frame("Vaults", ""), MayAdd: true, AddAction: "/pat/vaults", RemoveAction: "/pat/vaults/remove", ListURL: "/pat/tokens?is=unstored", Vaults: []vaultRead{
		{Name: "team.vault.azure.net", Holds: "3 secrets name a token."}, {Name: "other.vault.azure.net", Address: "https://other.vault.azure.net", Problem: "You may not list its secrets.", Added: true},
	}}
	readNone, readSoon := vaultsPage{base: frame("Vaults", ""), MayAdd: true, AddAction: "/pat/vaults", Typed: hostile, TypedError: english.Message("form.vaultInvalid", nil).What}, read
	readNone.Failed, readSoon.Reading, readSoon.AgreeURL = true, true, "/pat/vaults/agree"
	rotate.Schedule = &schedule{Min: "2026-12-01T10:00", Max: "2026-12-01T20:00", Until: at(1)}
	rotateAgain := rotate
	rotateAgain.Schedule = &schedule{At: "2026-12-09T10:00", Min: "2026-12-01T10:00", Max: "2026-12-01T20:00", Until: at(1), Error: english.Message("form.scheduleLate", nil).What}
	rotateAgain.GlobalNote = english.Message("global.rotate.before", map[string]string{"Organization": "contoso"}).What
	rotateAgain.MadeBy, rotateAgain.Problem, rotateAgain.Errors = "Git Credential Manager", refused.Problem, []fieldError{{"old", "Choose what happens to the old token."}}
	rotateAgain.Date, rotateAgain.ExpiryError = "2026-12-24", english.Message("form.dateNotChosen", nil).What
	return []sample{
		{"vaults", "read", read}, {"vaults", "none", readNone}, {"vaults", "agree", readSoon},
		{"token-adopt", "ask", adopt}, {"token-adopt", "refused", adoptAgain},
		{"token-new", "fresh", fresh}, {"token-new", "faulty", faulty}, {"token-new", "refused", refused}, {"token-edit", "edit", edit},
		{"token-revoke", "ask", revoke}, {"token-revoke", "refused", revokeAgain}, {"token-rotate", "ask", rotate}, {"token-rotate", "refused", rotateAgain},
	}
}

const secret = "5xFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeAZDO7Qk2"

// operation is an operation page whose words come from the catalogue.
func operationSample(key, state string) operationPage {
	text := english.Message("operation."+key, map[string]string{"Token": "nuget-publish", "Organization": "contoso", "Asked": "1 Mar 2027", "Granted": "22 Dec 2026", "Sent": "09:31:02 UTC", "Secret": "team/ci-nuget", "Until": "in 9 minutes"})
	return operationPage{base: frame(text.Title, "tokens"), Heading: text.Title, State: state, Sentence: text.What, Advice: text.Advice, TokenName: "nuget-publish", Organization: "contoso"}
}

func withSecret(p operationPage) operationPage {
	for _, id := range strings.Fields("git nuget npm pip maven agent extension az curl") {
		p.Uses = append(p.Uses, use{id, []usePart{{id, "sh", "read -rs PAT\ncurl https://dev.azure.com/contoso"}, {id, "ps1", "Read-Host 'Token' -AsSecureString"}, {id, "xml", "<id>FEED</id>"}}})
	}
	p.Secret, p.SecretUntil, p.SecretFake, p.SaveAction = secret, at(0, 9), true, "/pat/operations/1/acknowledge"
	p.Scopes, p.Expires, p.TokenURL = terms("Packaging: Read & write", "Code: Read"), at(90), "/pat/tokens/contoso/3"
	return p
}

// vaultSamples are operations whose secret is for a vault.
func vaultSamples() []sample {
	key := "https://team.vault.azure.net/secrets/ci-nuget"
	written := withOld(operationSample("rotated", "succeeded"), "revoked", "oldRevoked")
	written.Vault = &intoVault{
		State: "written", Secret: "team/ci-nuget", Version: "0123456789abcdef0123456789abcdef", Sentence: english.Text("intoVault.writtenUnseen", "Secret", "team/ci-nuget"),
		Previous: english.Text("intoVault.previousEnabled"), DisableAction: "/pat/operations/1/disable-previous",
		Disabling: &problemSummary{"The vault is busy", hostile, "Try again in a minute.", []field{{"Code", "Throttled"}}},
	}
	for _, id := range strings.Fields("vault-pipeline vault-group vault-az vault-github vault-external vault-csi") {
		written.Vault.Uses = append(written.Vault.Uses, use{id, []usePart{{id, "sh", "az keyvault secret show --id " + key}, {id, "yaml", "steps:\n- task: AzureKeyVault@2"}}})
	}
	pending := operationSample("delivering", "succeeded")
	pending.InProgress, pending.Vault = true, &intoVault{State: "pending", Secret: "team/ci-nuget", Sentence: english.Text("intoVault.pending", "Secret", "team/ci-nuget")}
	failed := withOld(operationSample("undelivered", "succeeded"), "alive", "oldAlive")
	failed.Warned = true
	failed.Vault = &intoVault{
		State: "failed", Secret: "team/ci-nuget", Sentence: english.Text("intoVault.failed", "Secret", "team/ci-nuget"),
		Problem:   &problemSummary{"You may not write to this vault", hostile, "Ask for the role Key Vault Secrets Officer.", []field{{"Code", "ForbiddenByRbac"}}},
		TryAction: "/pat/operations/1/deliver", ShowAction: "/pat/operations/1/show-instead",
	}
	shown := operationSample("rotated", "succeeded")
	shown.Vault, shown.Secret, shown.SecretUntil, shown.SaveAction = &intoVault{State: "written", Secret: "team/ci-nuget"}, secret, at(0, 9), "/pat/operations/1/acknowledge"
	return []sample{{"operation", "in-vault", written}, {"operation", "in-vault-and-shown", shown}, {"operation", "vault-pending", pending}, {"operation", "vault-failed", failed}}
}

func withOld(p operationPage, state, sentence string) operationPage {
	text := english.Message("operation."+sentence, nil)
	p.Old = &oldToken{State: state, Name: "nuget-publish", URL: "/pat/tokens/contoso/3", Expires: at(20), Sentence: text.What + " " + text.Advice}
	return p
}

func operationSamples() []sample {
	support := []field{{"Activity ID", "d3b7a1f0-63f1-4c4e-9a0e-3f2a6f1c9b11"}, {"Request ID", "K3QX7M2ZP4TL6VNA"}}
	progress := operationSample("inProgress", "sent")
	progress.InProgress = true
	shortened := withSecret(operationSample("createdShortened", "succeeded"))
	shortened.Asked, shortened.Granted, shortened.Shortened, shortened.Warned, shortened.Expires = at(99), at(30), true, true, at(30)
	unkept := withSecret(operationSample("created", "succeeded"))
	unkept.Unkept, unkept.SaveAction, unkept.SecretUntil, unkept.SecretNote = true, "", when{}, english.Message("operation.secretUnkept", nil).What
	saved := operationSample("created", "succeeded")
	saved.SecretNote = english.Message("operation.secretSaved", nil).What
	saved.NextActions = []nextAction{{"Show the token", "/pat/tokens/contoso/3", true}, {"Back to tokens", "/pat/tokens", false}}
	expired := operationSample("secretExpired", "succeeded")
	expired.Warned, expired.DismissAction = true, "/pat/operations/1/dismiss"
	alive := withOld(withSecret(operationSample("rotated", "succeeded")), "alive", "oldAlive")
	alive.Old.RevokeAction, alive.Old.KeepAction = "/pat/operations/1/revoke-old", "/pat/operations/1/keep-old"
	failedOld := withOld(operationSample("rotated", "succeeded"), "failed", "oldFailed")
	failedOld.Old.RevokeAction, failedOld.Old.KeepAction = "/pat/operations/1/revoke-old", "/pat/operations/1/keep-old"
	failedOld.Old.Problem = &problemSummary{"Azure DevOps took too long to answer", "No answer came in the time that patdesk waits.", "Try again in a minute.", support}
	later, late := withOld(operationSample("rotated", "succeeded"), "scheduled", "oldScheduled"), withOld(operationSample("rotated", "succeeded"), "alive", "oldMissed")
	later.Old.Schedule = &schedule{At: "2026-12-01T12:00", Min: "2026-12-01T10:00", Max: "2026-12-01T20:00", Until: at(1), Action: "/pat/operations/1/schedule", MayDrop: true}
	late.Old.Schedule, late.Old.RevokeAction = &schedule{Until: at(1), Action: "/pat/operations/1/schedule", Error: english.Message("form.schedulePast", nil).What}, "/pat/operations/1/revoke-old"
	failed := operationSample("created", "failed")
	reason := english.Message("azuredevops.throttled", map[string]string{"RetryAfter": "in 2 minutes"})
	failed.Heading, failed.Title, failed.Sentence, failed.Advice = reason.Title, reason.Title, reason.What, reason.Advice
	failed.Details, failed.NextActions = support, []nextAction{{"Open a new form", "/pat/tokens/new", true}}
	unknown := operationSample("unknownCreate", "unknown")
	unknown.CheckAction, unknown.Details, unknown.DismissAction = "/pat/operations/1/check", support, "/pat/operations/1/dismiss"
	several := operationSample("unknownSeveral", "unknown")
	several.DismissAction = "/pat/operations/1/dismiss"
	for _, id := range []string{"4ab5f1c2-7c2b-4f7e-9f43-0d7b1f5f2c10", "9cd1e2f3-1111-4f7e-9f43-0d7b1f5f2c10"} {
		several.Candidates = append(several.Candidates, candidate{Name: "nuget-publish", AuthorizationID: id, URL: "/pat/tokens/contoso/" + id, Created: at(0, -2), Expires: at(90), Scopes: terms("Packaging: Read & write"), RevokeAction: "/pat/operations/1/revoke-candidate"})
	}
	one := several
	lost := english.Message("operation.unknownOne", map[string]string{"Sent": "09:31:02 UTC"})
	one.base, one.Heading, one.Sentence, one.Advice, one.Candidates = frame(lost.Title, ""), lost.Title, lost.What, lost.Advice, slices.Clone(several.Candidates[:1])
	one.Candidates[0].Likely, one.ReloadAfter = true, 15
	fits := operationSample("unknownFits", "unknown")
	fits.Candidates = slices.Clone(several.Candidates[:1])
	fits.Candidates[0].Revoking = true
	return []sample{
		{"operation", "in-progress", progress}, {"operation", "created", withSecret(operationSample("created", "succeeded"))}, {"operation", "shortened", shortened},
		{"operation", "unkept", unkept}, {"operation", "saved", saved}, {"operation", "secret-expired", expired}, {"operation", "rotated", alive},
		{"operation", "old-failed", failedOld}, {"operation", "old-later", later}, {"operation", "old-late", late}, {"operation", "old-revoked", withOld(operationSample("rotated", "succeeded"), "revoked", "oldRevoked")},
		{"operation", "old-kept", withOld(operationSample("rotated", "succeeded"), "kept", "oldKept")}, {"operation", "failed", failed},
		{"operation", "unknown", unknown}, {"operation", "unknown-several", several}, {"operation", "unknown-one", one}, {"operation", "unknown-fits", fits}, {"operation", "revoked", operationSample("revoked", "succeeded")},
	}
}

func otherSamples() []sample {
	changes := changesPage{base: frame("Changes", "changes"), Count: 4, Days: []changeDay{{"Today", []changeRow{
		{at(0, -4), "Created", "build agent 8", "contoso", "Secret waiting", "succeeded", "/pat/operations/1", "", "198.51.100.7", "Firefox on Windows"},
		{at(0, -190), "Rotated", "nuget-publish", "contoso", "Old token still works", "halfway", "/pat/operations/2", "", "2001:db8:85a3:8d3:1319:8a2e:370:7348", "curl/8.5.0"},
	}}, {at(-1).Date, []changeRow{
		{at(-1), "Tried to revoke", strings.Repeat("long", 20), "fabrikam", "Failed", "failed", "/pat/operations/3", "You don't have access to this in fabrikam", "198.51.100.7", hostile},
		{at(-2), "Tried to change", hostile, "contoso", "Not confirmed", "unknown", "", "", "", ""},
	}}}}
	keysOn := frame("Keyboard shortcuts", "")
	keysOn.Look.Shortcuts = true
	reference := scopesPage{base: frame("Scopes", "scopes"), Query: "code", Count: 3, Groups: []scopeGroupRows{
		{term{Text: "Build"}, "pipeline", []scopeRow{{ID: "vso.build", Name: term{Text: "Build: Read"}, Description: "See builds, definitions, artifacts; build hooks", Known: true, Implies: []string{"vso.hooks_write", "vso.hooks", "vso.profile"}}}},
		{term{Text: "Code"}, "git", []scopeRow{{ID: "vso.code", Name: term{Text: "Code: Read"}, Description: "Read and search repositories, commits, pull request metadata", Known: true}, {ID: "vso.code_write", Name: term{Text: "Code: Read & write"}, Description: "Also push, delete, run pull requests", High: true, Known: true, Implies: []string{"vso.code"}}}},
	}}
	open := reference
	open.base = visitor("Scopes")
	const browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	calendar := calendarPage{base: frame("Calendar of expiries", "overview"), Form: "form", MakeAction: "/pat/calendar/make", Language: "한국어", SpeakAction: "/pat/calendar/language", RevokeAction: "/pat/calendar/revoke", OverviewURL: "/pat/overview"}
	calendar.Files = []calendarFile{{"tokens.atom", "A feed.", ""}, {"metrics", "Metrics.", ""}}
	kept := calendar
	kept.Exists, kept.Mark, kept.Public, kept.Made, kept.Refreshed, kept.Asked, kept.AskedBy = true, "mark", "mark", at(-9), at(0, -5), at(0, -190), hostile+", from 198.51.100.7"
	kept.Total, kept.Counted = 5010, 5012
	kept.Places = []calendarPlace{{"contoso", 12, 0, at(0, -5), when{}, 1}, {strings.Repeat("long", 12), 5000, 730, at(-40), at(0, -5), 0}, {"fabrikam", 0, 0, when{}, at(0, -5), 0}}
	made, changed, dry := kept, kept, kept
	made.Asked, made.AskedBy, made.Address, made.LocalOnly = when{}, "", "https://tools.example/pat/calendar/"+strings.Repeat("x", 64)+"/tokens.ics", true
	made.Files = []calendarFile{{"tokens.atom", "A feed.", strings.Replace(made.Address, ".ics", ".atom", 1)}, {"metrics", "Metrics.", strings.Replace(made.Address, "tokens.ics", "metrics", 1)}}
	changed.Problem = &problemSummary{Heading: "Your calendar's address was changed in the meantime", What: "Nothing was changed now."}
	dry.Lapsed, dry.Places, dry.Done = true, nil, "Done."
	return []sample{
		{"changes", "some", changes}, {"changes", "none", changesPage{base: frame("Changes", "changes")}},
		{"scopes", "found", reference}, {"scopes", "visitor", open}, {"scopes", "none", scopesPage{base: frame("Scopes", "scopes"), Query: "nothing"}},
		{"sessions", "two", sessionsPage{base: frame("Sessions", "sessions"), EndAction: "/pat/sessions/end-others", Done: "One other session was ended.", Sessions: []sessionRow{{at(0, -300), at(0), "198.51.100.7", browser, true}, {at(-1), at(0, -50), "2001:db8::7", "", false}}, Most: 100}},
		{"calendar", "none", calendar}, {"calendar", "made", made}, {"calendar", "kept", kept}, {"calendar", "changed", changed}, {"calendar", "dry", dry},
		{"shortcuts", "on", shortcutsPage{keysOn}}, {"shortcuts", "off", shortcutsPage{frame("Keyboard shortcuts", "")}},
		{"jump", "all", jumpPage{base: frame("Go to", ""), Unread: true, Places: []jumpPlace{{"Overview", "", "/pat/overview"}, {"build", "contoso", "/pat/tokens/contoso/1"}}}},
		{"jump", "none", jumpPage{base: frame("Go to", ""), Query: "nothing"}},
		{"sessions", "one", sessionsPage{base: frame("Sessions", "sessions"), Sessions: []sessionRow{{at(0, -300), at(0), "198.51.100.7", browser, true}}}},
	}
}
