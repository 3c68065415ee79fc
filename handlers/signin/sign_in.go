package signin

import (
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/entra"
)

// signInPage is home for people who are not signed in.
type signInPage struct {
	web.Base
	StartURL    string
	Ended       bool // the sign-in had ended
	KeptInput   bool // what was typed is kept and comes back
	SignedOut   bool
	Challenged  bool // Azure DevOps asks for one more check of the person
	Vaults      bool // Microsoft is to ask if patdesk may reach vaults
	VaultsCheck bool // the vault, or a policy for vaults, asks for one more check of the person
	Permissions []string
}

// attempt is what is kept on the server between leaving for Entra and coming back.
type attempt struct {
	Entra  entra.Attempt `json:"entra"`
	Return string        `json:"return"`
	Draft  string        `json:"draft,omitempty"`
}

// Home leads to the overview, or says what patdesk is.
func (h *Handlers) Home(v *web.Request) (web.Answer, error) {
	if v.Session.SignedIn() {
		return v.To(web.OverviewPath), nil
	}
	if v.Barred {
		return nil, web.ErrBarred
	}
	return h.SignIn(v)
}

// SignIn says what patdesk does and what it will ask for. Signing in starts with a link, not a form: see
// contentSecurityPolicy.
func (h *Handlers) SignIn(v *web.Request) (web.Answer, error) {
	query := v.URL.Query()
	returnTo, kept := web.SafeReturn(query.Get("return")), query.Get("draft")
	if v.Session.SignedIn() && kept == "" && query.Get("ended") == "" {
		return v.To(returnTo), nil
	}
	p := signInPage{
		Base:       v.Base(v.Words.Message("signin.title", nil).Title, ""),
		StartURL:   v.Link(web.StartPath(returnTo, kept)),
		Ended:      query.Get("ended") != "" || v.Session.Ended(),
		KeptInput:  kept != "" && query.Get("typed") != "",
		Challenged: query.Get("check") != "",
		Vaults:     query.Get("vaults") == "agree" && h.Site.Vaults != nil, VaultsCheck: query.Get("vaults") == "check" && h.Site.Vaults != nil,
	}
	for _, key := range []string{"permissions.read", "permissions.manage", "permissions.profile", "permissions.identity"} {
		p.Permissions = append(p.Permissions, v.Words.Message(key, nil).What)
	}
	return web.Page{Template: "sign-in", Data: p}, nil
}

// Start leaves for Entra.
func (h *Handlers) Start(v *web.Request) (web.Answer, error) {
	query := v.URL.Query()
	kept := attempt{Return: web.SafeReturn(query.Get("return"))}
	options := entra.BeginOptions{RedirectURI: v.Address.URL(h.Site.RedirectPath), Prompt: "select_account"}
	if id := query.Get("draft"); id != "" {
		var d web.Draft
		if err := h.Sessions.Draft(v.Request, id, &d); err == nil {
			kept.Return, kept.Draft = web.SafeReturn(d.Path), id
			if options.Claims = d.Claims; d.Vaults {
				options.Scopes = h.Site.VaultScopes
			}
		} else if web.StoreDown(err) {
			return nil, err
		}
	}
	if v.Session.SignedIn() { // again, as the same person: no need to choose
		options.LoginHint, options.Prompt = v.Session.Person().Username, ""
	}
	to, begun, err := h.Entra.Begin(v.Context(), options)
	if err != nil {
		return nil, err
	}
	kept.Entra = begun
	id, err := h.Sessions.KeepAttempt(v.Writer, v.Request, begun.State, kept, web.AttemptLife)
	if err != nil {
		return nil, err
	}
	h.Site.Limits.SignInBegun(v, id)
	return web.Redirect{To: to}, nil
}
