package simulator

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"

	_ "embed"
)

// panelPath is the page of faults.
const panelPath = "/simulator"

// pagePolicy is the Content-Security-Policy of the simulator's own pages, but for form-action.
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"

//go:embed style.css
var styleCSS []byte

// serveMachines serves what programs ask: false if it isn't for them.
func (s *Simulator) serveMachines(w http.ResponseWriter, r *http.Request) bool {
	return s.serveVault(w, r) || s.serveDiscovery(w, r) || s.servePATs(w, r) || s.serveEntra(w, r)
}

// serveBrowsers serves what people see: false if there is no such page.
func (s *Simulator) serveBrowsers(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == "/" {
		http.Redirect(w, r, panelPath, http.StatusSeeOther)
		return true
	}
	return s.ServePage(w, r)
}

// ServePage serves what people see beside another program's pages, on its address: false if it isn't for the simulator.
func (s *Simulator) ServePage(w http.ResponseWriter, r *http.Request) bool {
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case rest == "oauth2/v2.0/authorize":
		s.guarded(w, r, func() { s.serveAuthorize(w, r, tenant) })
	case rest == "oauth2/v2.0/logout":
		s.serveLogout(w, r)
	case r.URL.Path == panelPath:
		s.guarded(w, r, func() { s.servePanel(w, r) })
	case r.URL.Path == panelPath+"/style.css":
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(styleCSS)
	case r.URL.Path == "/_signin":
		s.serve(w, r, CallSignIn, "", (*exchange).signInPage200)
	default:
		return false
	}
	return true
}

// guarded refuses POSTs from other sites, which could otherwise switch faults or sign a user in. See
// https://pkg.go.dev/net/http#CrossOriginProtection.
func (s *Simulator) guarded(w http.ResponseWriter, r *http.Request, serve func()) {
	http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { serve() })).ServeHTTP(w, r)
}

func (s *Simulator) serveUnknown(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, CallUnknown, "", func(*exchange) *answer {
		return htmlAnswer(http.StatusNotFound, "<!DOCTYPE html><title>Not found</title><h1>Not found</h1>")
	})
}

// signInPage200 is where redirect302 leads: it must never see a bearer.
func (x *exchange) signInPage200() *answer { return htmlAnswer(http.StatusOK, signInHTML()) }

// pageAnswer renders one of the simulator's own pages.
func pageAnswer(status int, t *template.Template, view any) *answer {
	var b bytes.Buffer
	if err := t.Execute(&b, view); err != nil {
		panic(err) // our own template and our own struct
	}
	a := newAnswer(status, "text/html; charset=utf-8", b.Bytes())
	a.header.Set("Content-Security-Policy", pagePolicy+"; form-action 'self'")
	a.header.Set("Referrer-Policy", "same-origin")
	a.header.Set("Cache-Control", "no-store")
	return a
}
