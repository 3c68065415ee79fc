package handlers

import (
	"net/http"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/static"
)

// Routes is the whole program as one handler.
func (h *Handlers) Routes() http.Handler {
	t := newTable(h)
	t.Any(StaticPattern, static.Handler())
	t.File("/favicon.ico", http.HandlerFunc(static.Favicon))
	t.File("/robots.txt", http.HandlerFunc(h.robots))
	t.File(FeedPattern, h.limitGuesses(h.serveCalendar, h.unknownCalendar)) // open to all who know the address

	anyone := t.Anyone()
	anyone.Get(HomePath, h.home)
	anyone.Get(SignInPath, h.signIn)
	anyone.Get(StartSignInPath, h.startSignIn, Opened, SignIns)
	anyone.Get(h.RedirectPath, h.finishSignIn, Finishing)
	anyone.Get(SignOutPath, h.askSignOut).Post("", h.signOut)
	anyone.Get(ScopesPath, h.listScopes)

	in := t.SignedIn()
	in.Get(OverviewPath, h.overview)
	in.Get(OverviewPath+".csv", h.exportCSV)
	in.Get(OverviewPath+".json", h.exportJSON)
	in.Get(GlobalTokensPath, h.listGlobalTokens)
	in.Get(GlobalPattern, h.askReplace).Post("", h.replaceGlobal)
	in.Get(GlobalPattern+"/result", h.showReplaced)

	in.Get(OrganizationsPath, h.chooseOrganization)
	in.Get(TokensPath, h.listTokens)
	in.Get(NewTokenPath, h.newToken).Form(Form{operation.Create, h.createToken, h.outcome, h.createTooSoon})
	in.Get(TokenPattern, h.showToken)
	in.Get(TokenPattern+"/edit", h.editToken).Form(Form{operation.Update, h.updateToken, h.outcome, nil})
	in.Get(TokenPattern+"/revoke", h.askRevoke).Form(Form{operation.Revoke, h.revokeToken, h.outcome, nil})
	in.Get(TokenPattern+"/rotate", h.askRotate).Form(Form{operation.Rotate, h.rotateToken, h.outcome, nil})

	in.Get(OperationPattern, h.showOperation).
		Post("/acknowledge", h.acknowledgeSecret).
		Post("/revoke-old", h.revokeOld).
		Post("/keep-old", h.keepOld).
		Post("/check", h.checkOperation).
		Post("/revoke-candidate", h.revokeCandidate).
		Post("/dismiss", h.dismissOperation)
	in.Get(ChangesPath, h.listChanges)

	in.Get(BulkPath, h.restoreSelection).Post("", h.selectTokens, MaxBytes(maxSelectionBytes))
	in.Get(BatchPattern, h.showBatch).
		Post("", h.startBatch).
		Post("/stop", h.stopBatch).
		Post("/go-on", h.goOn).
		Post("/retry", h.retryBatch).
		Post("/saved", h.saveBatch).
		Post("/download", h.downloadSecrets).
		Post("/revoke-old", h.retireBatch).
		Post("/keep-old", h.keepOldOnes).
		Post("/dismiss", h.dismissBatch)

	in.Get(CalendarPath, h.showCalendar).
		Post(MakeStep, h.makeCalendarAddress).
		Post(RevokeStep, h.revokeCalendarAddress)
	in.Get(SessionsPath, h.listSessions).Post("/end-others", h.endOtherSessions)
	return t.Handler()
}
