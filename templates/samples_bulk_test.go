package templates_test

import (
	"fmt"

	"github.com/patdesk/patdesk/templates"
)

// The pages about many tokens at once; see samples_test.go.

type (
	picking struct {
		PickAction, PickForm, PickAll string
		PickedAll                     bool
		PickMatching, PickGlobal      int
		PickHidden                    []string
		PickCount                     string
	}
	bulkPage struct {
		base
		Problem *problemSummary
		Action  string
		Fields  []hiddenField
		Count   int
		Chosen  bool
		First   int
		Verb    string
		BackURL string
	}
	bulkPlanPage struct {
		base
		Problem                  *problemSummary
		Errors                   []fieldError
		Verb                     string
		Lead, Warning, Button    string
		Address, Form, CancelURL string
		Rows                     []bulkPlanRow
		Places, Tools            int
		LeftOut                  []bulkLeftOut
		Expiry                   []option
		Date, DateMin, DateMax   string
		ExpiryError              string
		Choice, ChoiceDate       string
		ChoiceText               string
		Global                   bool
		Globals                  int
		GlobalNote               string
		ToolTokens               []string
		RevokeTools, RevokeForm  string
		View                     string
		Vault                    *vaultPart
	}
	bulkPlanRow struct {
		Name, URL, Organization, MadeBy string
		Odd                             string
		Over                            bool
		Scopes                          []term
		Expires, New                    when
	}
	bulkLeftOut struct {
		Name, URL, Organization string
		Expires                 when
		Why                     string
	}
	bulkRunPage struct {
		base
		Problem                                     *problemSummary
		Verb, Sentence, State                       string
		Running, Stopping                           bool
		Address                                     string
		All, Done, Failed, Unknown, Doing, NotBegun int
		Finished                                    int
		Halt                                        *problemSummary
		Halts                                       []bulkHalt
		Retries                                     int
		MayDismiss                                  bool
		Secrets                                     []bulkSecret
		SecretsMade                                 int
		SecretUntil                                 when
		SecretFake                                  bool
		ReloadAfter                                 int
		DownloadFormat                              []option
		OldAlive, OldReady                          int
		ForVault, Delivered, Undelivered            int
		MayDeliver                                  int
		Rows                                        []bulkRow
		LeftOut                                     []bulkLeftOut
		BackURL, Return                             string
	}
	bulkHalt struct {
		Organization, Heading, What, Advice string
		Named                               bool
		Until                               when
		Details                             []field
	}
	bulkSecret struct {
		Number                        int
		Name, Organization, Operation string
		Secret                        string
		Until                         when
		SaveAction                    string
	}
	bulkRow struct {
		Name, URL, Organization, State, StateText, What string
		Before, After                                   when
		OperationURL, LinkText                          string
		Retry, RevokeOld, Deliver, Show, Disable        string
	}
)

func picks(n int) picking {
	return picking{
		PickAction: "/pat/bulk", PickForm: "form", PickAll: "/tokens?organization=contoso", PickMatching: n, PickGlobal: n / 3,
		PickHidden: []string{"fabrikam/7"}, PickCount: "2 selected in 2 organizations",
	}
}

func bulkSamples() []sample {
	text := func(key string, n int) templates.Text {
		return english.Message(key, map[string]any{"Count": n, "Max": 500})
	}
	problem := func(key string, n int) *problemSummary {
		t := text(key, n)
		return &problemSummary{Heading: t.Title, What: t.What, Advice: t.Advice}
	}
	fields := []hiddenField{{"form", "f"}, {"view", "/overview"}, {"token", "contoso/1"}, {"token", "contoso/2"}}
	left := []bulkLeftOut{
		{Name: "vsce publish", URL: "/pat/tokens/contoso/2", Organization: "contoso", Expires: at(165), Why: text("bulk.leftOut.global", 0).What},
		{Name: hostile, Organization: "fabrikam", Why: text("bulk.leftOut.gone", 0).What},
	}
	plan := func(verb string) bulkPlanPage {
		t := text("bulk.plan."+verb, 2)
		p := bulkPlanPage{
			base: frame(t.Title, "tokens"), Verb: verb, Lead: t.What, Warning: t.Advice, Button: text("bulk.do."+verb, 2).Title,
			Address: "/pat/bulk/1", Form: "form", CancelURL: "/pat/tokens", Places: 2, Tools: 1, LeftOut: left, Global: true, Globals: 1, GlobalNote: "One of them is global.", ChoiceText: "90 days", ToolTokens: []string{"contoso/1"}, RevokeTools: "/pat/bulk?do=revoke", RevokeForm: "form",
			Rows: []bulkPlanRow{
				{Name: "build agent 7", URL: "/pat/tokens/contoso/1", Organization: "contoso", Scopes: terms("Agent Pools: Read & manage"), Expires: at(3), New: at(90)},
				{Name: hostile, URL: "/pat/tokens/contoso/2", Organization: "fabrikam", MadeBy: "Git Credential Manager", Odd: english.Text("token.odd", "Members", "its name"), Scopes: terms("Code: Read"), Expires: at(30), New: at(90)},
			},
		}
		if verb != "revoke" {
			p.Choice, p.Expiry, p.DateMin, p.DateMax = "90", []option{{Value: "90", Text: "90 days", Selected: true}, {Value: "date", Text: "Custom date"}}, "2026-11-22", "2027-11-22"
		}
		return p
	}
	faulty, nothing := plan("extend"), plan("revoke")
	faulty.ExpiryError, faulty.Errors, faulty.Rows = "Enter a date.", []fieldError{{"expiry", "Enter a date."}}, nil
	nothing.Rows, nothing.Problem = nil, problem("bulk.nothingToDo", 0)
	run := func(verb string) bulkRunPage {
		return bulkRunPage{
			base: frame(text("bulk.run."+verb, 4).Title, "changes"), Verb: verb, Address: "/pat/bulk/1", BackURL: "/pat/tokens", Return: "/bulk/1", All: 4,
			LeftOut: left,
		}
	}
	running := run("rotate")
	running.Running, running.State, running.Sentence = true, "sent", text("bulk.state.running", 0).What
	running.Done, running.Doing, running.NotBegun, running.Finished, running.SecretsMade = 1, 1, 2, 1, 1
	running.Halts = []bulkHalt{{Organization: "contoso", Heading: text("bulk.resting", 0).Title, What: text("bulk.resting", 0).What, Until: at(1)}}
	running.Rows = []bulkRow{{Name: "one", URL: "/pat/tokens/contoso/1", Organization: "contoso", State: "sent", StateText: "In progress", Before: at(3), After: at(90)}}
	secrets := run("rotate")
	secrets.State, secrets.Sentence, secrets.Done, secrets.Finished, secrets.OldAlive = "succeeded", text("bulk.state.done", 0).What, 4, 4, 2
	secrets.SecretUntil, secrets.SecretFake = at(0), true
	secrets.DownloadFormat = []option{{Value: "env", Text: ".env", Hint: "for shells", Selected: true}, {Value: "json", Text: "JSON"}}
	for i := range 2 {
		secrets.Secrets = append(secrets.Secrets, bulkSecret{Number: i + 1, Name: hostile, Organization: "contoso", Operation: fmt.Sprint(i), Secret: secret, Until: at(0), SaveAction: "/pat/operations/1/acknowledge"})
	}
	partly := run("rotate")
	partly.State, partly.Sentence, partly.Done, partly.Failed, partly.Unknown, partly.NotBegun, partly.Finished = "unknown", text("bulk.state.halted", 0).What, 1, 1, 1, 1, 3
	partly.Halt, partly.Problem = problem("entra.interaction", 0), problem("bulk.notSure", 0)
	partly.Retries, partly.MayDismiss = 1, true
	partly.OldAlive, partly.OldReady = 1, 1
	partly.ReloadAfter = 15
	partly.Rows = []bulkRow{
		{Name: "done", URL: "/pat/tokens/contoso/1", Organization: "contoso", State: "oldAlive", StateText: "Old token still works", OperationURL: "/pat/operations/1", LinkText: "See the rotation", RevokeOld: "/pat/operations/1/revoke-old", Before: at(3), After: at(90)},
		{Name: hostile, Organization: "fabrikam", State: "failed", StateText: "Failed", What: "You don't have access.", Retry: "2", Before: at(3), After: at(90)},
	}
	vaulted, intoVault := run("rotate"), plan("rotate")
	vaulted.State, vaulted.Sentence, vaulted.ForVault, vaulted.Delivered, vaulted.Undelivered, vaulted.MayDeliver = "unknown", text("bulk.state.undelivered", 0).What, 4, 3, 1, 1
	vaulted.Rows = []bulkRow{
		{Name: "done", URL: "/pat/tokens/contoso/1", Organization: "contoso", State: "previousEnabled", StateText: "Previous version still enabled", What: "In team/ci-nuget", Disable: "/pat/operations/1/disable-previous", Before: at(3), After: at(90)},
		{Name: hostile, Organization: "fabrikam", State: "undelivered", StateText: "Secret not in the vault", What: "You may not do this.", Deliver: "/pat/operations/2/deliver", Show: "/pat/operations/2/show-instead", Before: at(3), After: at(90)},
	}
	intoVault.Vault = &vaultPart{
		Choices: []option{{Text: "None: I save it myself"}, {Value: "https://team.vault.azure.net", Text: "team.vault.azure.net", Selected: true}}, Chosen: true, Unseen: true, MayDisable: true, MayAtOnce: true, AtOnce: true,
		Rows: []vaultRow{
			{ID: "vault-secret-001", Field: "vault-secret:1", Token: "build agent 7", Organization: "contoso", Secret: "build-agent-7"},
			{ID: "vault-secret-002", Field: "vault-secret:2", Token: hostile, Organization: "fabrikam", Secret: "smtp-password", Error: english.Message("form.secretTaken", nil).What, Taken: true, Over: true},
		},
	}
	revoked := run("revoke")
	revoked.State, revoked.Sentence, revoked.Done, revoked.Finished, revoked.LeftOut = "succeeded", text("bulk.state.done", 0).What, 4, 4, nil
	revoked.Rows = []bulkRow{{Name: "one", URL: "/pat/tokens/contoso/1", Organization: "contoso", State: "succeeded", StateText: "Done", What: text("bulk.already", 0).What}}
	leaving := signOutPage{base: frame("Sign out?", "sign-out"), Running: []notice{{"running", text("notice.batchRunning.rotate", 4).What, "See progress", "/pat/bulk/1"}}}
	return []sample{
		{"bulk", "too-many", bulkPage{base: frame("Change several tokens", "tokens"), Problem: problem("bulk.tooMany", 5000), Action: "/pat/bulk", Fields: fields, Chosen: true, First: 500, Verb: "rotate", BackURL: "/pat/overview"}},
		{"bulk", "kept", bulkPage{base: frame("Change several tokens", "tokens"), Action: "/pat/bulk", Fields: fields, Chosen: true, Count: 2, BackURL: "/pat/overview"}},
		{"bulk", "nothing", bulkPage{base: frame("Change several tokens", "tokens"), Problem: problem("bulk.nothingChosen", 0), Action: "/pat/bulk", BackURL: "/pat/overview"}},
		{"bulk-plan", "revoke", plan("revoke")}, {"bulk-plan", "rotate", plan("rotate")}, {"bulk-plan", "extend", plan("extend")},
		{"bulk-plan", "faulty", faulty}, {"bulk-plan", "nothing", nothing},
		{"bulk-run", "running", running}, {"bulk-run", "secrets", secrets}, {"bulk-run", "partly", partly}, {"bulk-run", "revoked", revoked}, {"bulk-plan", "vault", intoVault}, {"bulk-run", "vault", vaulted},
		{"sign-out", "running", leaving},
	}
}
