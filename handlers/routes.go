package handlers

import (
	"net/http"

	"github.com/patdesk/patdesk/handlers/bulk"
	"github.com/patdesk/patdesk/handlers/overview"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/static"
)

// Routes is the whole program as one handler.
func (h *Handlers) Routes() http.Handler {
	t := web.NewTable(h.Site)
	t.Probe(web.HealthPath, h.Site.Health.Healthz)
	t.Probe(web.ReadyPath, h.Site.Health.Readyz)
	t.Any(web.StaticPattern, static.Handler())
	t.File(web.FaviconPath, static.Favicon)
	t.File(web.RobotsPath, web.Robots)
	for _, file := range web.FeedFiles { // open to all who know the address
		t.File(web.FeedPath("{address}", file), web.Compressed(h.Site.Limits.LimitGuesses(h.account.ServeFeed(file), h.account.UnknownFeed)))
	}

	anyone := t.Anyone()
	anyone.Get(web.HomePath, h.signin.Home).Post(web.ThemeStep, h.Site.ChooseTheme).Post(web.LanguageStep, h.Site.ChooseLanguage)
	anyone.Get(web.SignInPath, h.signin.SignIn)
	anyone.Get(web.StartSignInPath, h.signin.Start, web.Opened, web.SignIns)
	anyone.Get(h.Site.RedirectPath, h.signin.Finish, web.Finishing)
	anyone.Get(web.SignOutPath, h.signin.AskSignOut).Post("", h.signin.SignOut)
	anyone.Get(web.ScopesPath, h.tokens.ListScopes)
	anyone.Get(web.ShortcutsPath, h.account.ShowShortcuts).Post("", h.account.SwitchShortcuts)

	in := t.SignedIn()
	in.Get(web.OverviewPath, h.overview.Show)
	in.Get(web.OverviewPath+".csv", overview.Moved(".csv"))
	in.Get(web.OverviewPath+".json", overview.Moved(".json"))
	in.Get(web.TokensPath, h.overview.List)
	in.Get(web.TokensPath+".csv", h.overview.CSV)
	in.Get(web.TokensPath+".json", h.overview.JSON)
	in.Get(web.GlobalTokensPath, h.global.List)
	in.Get(web.GlobalPattern, h.global.AskReplace).Post("", h.global.Replace)
	in.Get(web.GlobalPattern+"/result", h.global.Result).Post("/saved", h.global.SaveAll)

	form := web.Form{Sent: h.tokens.Sent}
	in.Get(web.OrganizationsPath, h.tokens.ChooseOrganization)
	in.Get(web.NewTokenPath, h.tokens.New).Form(form.For(operation.Create, h.tokens.Create).Again(h.tokens.CreateTooSoon))
	in.Get(web.TokenPattern, h.tokens.Show)
	in.Get(web.VaultsPath, h.account.ShowVaults).Post("", h.account.AddVault).Post("/remove", h.account.RemoveVault)
	in.Get(web.AgreePath, web.Agree)
	in.Get(web.TokenPattern+"/vault", h.tokens.AskAdopt).Post("", h.tokens.Adopt)
	in.Get(web.TokenPattern+"/edit", h.tokens.Edit).Form(form.For(operation.Update, h.tokens.Update))
	in.Get(web.TokenPattern+"/revoke", h.tokens.AskRevoke).Form(form.For(operation.Revoke, h.tokens.Revoke))
	in.Get(web.TokenPattern+"/rotate", h.tokens.AskRotate).Form(form.For(operation.Rotate, h.tokens.Rotate))

	in.Get(web.OperationPattern, h.changes.Show).
		Post("/acknowledge", h.changes.Acknowledge).
		Post("/revoke-old", h.changes.RevokeOld).
		Post("/keep-old", h.changes.KeepOld).Post("/schedule", h.changes.ScheduleRevoke).
		Post("/deliver", h.changes.Deliver).
		Post("/show-instead", h.changes.ShowInstead).
		Post("/disable-previous", h.changes.DisablePrevious).
		Post("/check", h.changes.Check).
		Post("/revoke-candidate", h.changes.RevokeCandidate).Post("/dismiss", h.changes.Dismiss)
	in.Get(web.ChangesPath, h.changes.List)

	in.Get(web.BulkPath, h.bulk.Selection).Post("", h.bulk.Select, web.MaxBytes(bulk.MaxSelectionBytes))
	in.Get(web.BatchPattern, h.bulk.Show).
		Post("", h.bulk.Start).
		Post("/stop", h.bulk.Stop).
		Post("/go-on", h.bulk.GoOn).
		Post("/retry", h.bulk.GoOn).
		Post("/saved", h.bulk.Save).
		Post("/download", h.bulk.Download).
		Post("/deliver", h.bulk.Deliver).
		Post("/revoke-old", h.bulk.RevokeOld).
		Post("/keep-old", h.bulk.KeepOld).Post("/dismiss", h.bulk.Dismiss)

	in.Get(web.CalendarPath, h.account.ShowCalendar).
		Post(web.MakeStep, h.account.MakeCalendar).
		Post(web.RevokeStep, h.account.RevokeCalendar).
		Post(web.SpeakStep, h.account.SpeakCalendar)
	in.Get(web.JumpPath, h.account.Jump)
	in.Get(web.SessionsPath, h.account.ListSessions).Post("/end-others", h.account.EndOtherSessions)
	return t.Handler()
}
