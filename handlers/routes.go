package handlers

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/static"
)

// Routes is the whole program as one handler. Everything that needs a signed-in person stands in one group, so
// that no second list has to agree with this one.
func (h *Handlers) Routes() http.Handler {
	app := chi.NewRouter()
	notFound, notAllowed := h.handle(h.notFound), h.handle(h.methodNotAllowed(app))

	r := chi.NewRouter()
	r.Use(h.outermost, h.clientAddress, h.identify, h.closeWhenStopping, headAsGet)
	r.Get("/healthz", h.healthz)
	r.Get("/readyz", h.readyz)
	r.NotFound(h.publicAddress(app, notFound).ServeHTTP) // what isn't a path at all
	r.MethodNotAllowed(h.publicAddress(app, notAllowed).ServeHTTP)

	app.Use(h.guard.protect(h), h.limitBody)
	app.NotFound(notFound)
	app.MethodNotAllowed(notAllowed)

	app.Get("/healthz", h.healthz) // below the sub-path too
	app.Get("/readyz", h.readyz)
	app.Handle("/static/*", static.Handler())
	app.Get("/favicon.ico", static.Favicon)
	app.Get("/robots.txt", h.robots)

	app.Get("/", h.handle(h.home))
	app.Get("/sign-in", h.handle(h.signIn))
	app.Get("/sign-in/start", h.handle(h.startSignIn))
	app.Get(h.RedirectPath, h.handle(h.finishSignIn))
	app.Post("/sign-out", h.handle(h.signOut))
	app.Get("/sign-out", h.handle(h.askSignOut))
	app.Get("/scopes", h.handle(h.listScopes))
	app.Get("/calendar/{address}/tokens.ics", h.limitGuesses(h.serveCalendar, h.unknownCalendar)) // open to all who know the address

	app.Group(func(in chi.Router) {
		get := func(path string, a action) { in.Get(path, h.handle(h.signedIn(a))) }
		post := func(path string, a action) { in.Post(path, h.handle(h.signedIn(h.paced(a)))) }
		form := func(path string, of operation.Action, a action) { in.Post(path, h.form(of, a)) } // carries out one operation

		get("/overview", h.overview)
		get("/overview.csv", h.exportCSV)
		get("/overview.json", h.exportJSON)
		get("/global-tokens", h.listGlobalTokens)
		get("/global-tokens/{organization}/{id}", h.askReplace)
		post("/global-tokens/{organization}/{id}", h.replaceGlobal)
		get("/global-tokens/{organization}/{id}/result", h.showReplaced)

		get("/organizations", h.chooseOrganization)
		get("/tokens", h.listTokens)
		get("/tokens/new", h.newToken)
		form("/tokens/new", operation.Create, h.createToken)
		get("/tokens/{organization}/{id}", h.showToken)
		get("/tokens/{organization}/{id}/edit", h.editToken)
		form("/tokens/{organization}/{id}/edit", operation.Update, h.updateToken)
		get("/tokens/{organization}/{id}/revoke", h.askRevoke)
		form("/tokens/{organization}/{id}/revoke", operation.Revoke, h.revokeToken)
		get("/tokens/{organization}/{id}/rotate", h.askRotate)
		form("/tokens/{organization}/{id}/rotate", operation.Rotate, h.rotateToken)

		get("/operations/{operation}", h.showOperation)
		post("/operations/{operation}/acknowledge", h.acknowledgeSecret)
		post("/operations/{operation}/revoke-old", h.revokeOld)
		post("/operations/{operation}/keep-old", h.keepOld)
		post("/operations/{operation}/check", h.checkOperation)
		post("/operations/{operation}/revoke-candidate", h.revokeCandidate)
		post("/operations/{operation}/dismiss", h.dismissOperation)

		h.bulkRoutes(get, post)

		get("/changes", h.listChanges)
		get("/calendar", h.showCalendar)
		post("/calendar/make", h.makeCalendarAddress)
		post("/calendar/revoke", h.revokeCalendarAddress)
		get("/sessions", h.listSessions)
		post("/sessions/end-others", h.endOtherSessions)
	})

	r.Mount("/", mounted{app, h.publicAddress(app, app)})
	return r
}

// bulkRoutes are for many tokens at once.
func (h *Handlers) bulkRoutes(get, post func(path string, a action)) {
	get("/bulk", h.restoreSelection)
	post("/bulk", h.selectTokens)
	get("/bulk/{batch}", h.showBatch)
	post("/bulk/{batch}", h.startBatch)
	post("/bulk/{batch}/stop", h.stopBatch)
	post("/bulk/{batch}/go-on", h.goOn)
	post("/bulk/{batch}/retry", h.retryBatch)
	post("/bulk/{batch}/saved", h.saveBatch)
	post("/bulk/{batch}/download", h.downloadSecrets)
	post("/bulk/{batch}/revoke-old", h.retireBatch)
	post("/bulk/{batch}/keep-old", h.keepOldOnes)
	post("/bulk/{batch}/dismiss", h.dismissBatch)
}

// mounted shows chi the routes behind a handler, so that the whole table can be walked (chi.Walk).
type mounted struct {
	*chi.Mux
	through http.Handler
}

func (m mounted) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.through.ServeHTTP(w, r) }

// headAsGet routes HEAD like GET; net/http leaves the body out.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			chi.RouteContext(r.Context()).RouteMethod = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}
