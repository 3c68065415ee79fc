package tokens

import (
	"net/url"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// What a link may have asked for and didn't get, in the address and in the catalogue.
const (
	leftFull           = "full"
	leftScopes         = "scopes"
	leftOrganization   = "organization"
	leftExpiry         = "expiry"
	leftUnknownPreset  = "unknownPreset"
	leftUnknownExpiry  = "unknownExpiry"
	leftUnknownElement = "unknownElement"
)

var leftOuts = []string{leftFull, leftScopes, leftOrganization, leftExpiry, leftUnknownPreset, leftUnknownExpiry, leftUnknownElement}

// source is where the address of a filled form comes from.
type source int

const (
	elsewhere source = iota // another site, also by way of a sign-in; or the browser doesn't say where
	direct                  // typed, a bookmark, or opened by another program, such as one for mail
	ours                    // a page of ours
)

func sourceOf(v *web.Request, journal *operation.Journal) source {
	switch v.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return ours
	case "none":
		if journal.Check(v.URL.Query().Get("form"), v.Person(), operation.Create, "") == nil {
			return ours // no one else knows an id of the person's forms
		}
		return direct
	case "": // the browser is an old one, and may say where the link stood
		from, err := url.Parse(v.Header.Get("Referer"))
		if err == nil && strings.EqualFold(from.Scheme+"://"+from.Host, v.Address.Origin) {
			return ours
		}
	}
	return elsewhere
}

// elements are what an address may fill the form with, and what we add to it ourselves.
var elements = []string{"name", "organization", "expiry", "date", "preset", "scope", "other", "full", "zone", "form", "from", "left", "draft"}

// filled is what an address fills the form for a new token with: of what isn't ours, nothing that its owner wouldn't
// want to have overlooked. What is left out is named in the address, so that the page still says so when it is loaded
// again.
func (h *Handlers) filled(v *web.Request, asked url.Values) url.Values {
	from := sourceOf(v, h.Journal)
	out, left := url.Values{}, strings.Split(asked.Get("left"), ",")
	for name := range asked {
		if !slices.Contains(elements, name) && !slices.Contains(tokenform.VaultFields(), name) && !strings.HasPrefix(name, "scope-") {
			left = append(left, leftUnknownElement)
		} else if value := asked.Get(name); value != "" {
			out.Set(name, value)
		}
	}
	if from != ours { // where a secret goes is its owner's to say
		for _, name := range tokenform.VaultFields() {
			if out.Has(name) {
				left = append(left, leftUnknownElement)
			}
			out.Del(name)
		}
	}
	drop := func(reason string, names ...string) {
		left = append(left, reason)
		for _, name := range names {
			out.Del(name)
		}
	}
	if out.Has("preset") && tokenform.PresetScopes(out.Get("preset")) == nil {
		drop(leftUnknownPreset, "preset")
	}
	if out.Has("expiry") && !tokenform.KnownExpiry(out.Get("expiry")) {
		drop(leftUnknownExpiry, "expiry", "date")
	}
	if from == elsewhere && out.Has("expiry") && !tokenform.ShortExpiry(out.Get("expiry")) {
		drop(leftExpiry, "expiry", "date")
	}
	if name := out.Get("organization"); name != "" && !mayPropose(v, h.Inventory, name, from) {
		drop(leftOrganization, "organization")
	}
	if from != ours {
		left = append(left, tame(out, from)...)
	}
	return noted(out, left, from != ours && slices.ContainsFunc([]string{"name", "expiry", "preset", "scope"}, out.Has))
}

// mayPropose reports whether an address may choose that organization.
func mayPropose(v *web.Request, known *inventory.Cache, name string, from source) bool {
	if from != elsewhere {
		return known.Allowed(name) || !known.Fixed() // what can't be a name stands in the field, to be mended
	}
	names, _ := known.Organizations(v.Context(), v.Owner()) // those that are known count, whatever failed
	return inventory.ContainsFold(names, name)
}

// noted writes into an address that a link has filled in the form, and what it didn't get.
func noted(out url.Values, left []string, link bool) url.Values {
	left = slices.DeleteFunc(slices.Clone(leftOuts), func(one string) bool { return !slices.Contains(left, one) })
	if out.Del("left"); len(left) > 0 {
		out.Set("left", strings.Join(left, ","))
	}
	if link || len(left) > 0 {
		out.Set("from", "link")
	}
	return out
}

// tame takes Full access out of an address, and where another site had it, what goes beyond the scopes of one preset.
// It returns what it has taken.
func tame(address url.Values, from source) (left []string) {
	chosen := tokenform.ReadScopes(address)
	named := slices.Concat(strings.Fields(address.Get("scope")), tokenform.PresetScopes(address.Get("preset")), chosen.Picked, chosen.Typed())
	if chosen.Full || slices.Contains(named, azuredevops.FullAccess) {
		left = append(left, leftFull)
	}
	named = slices.DeleteFunc(named, func(id string) bool { return id == azuredevops.FullAccess })
	scopes := named
	if from == elsewhere {
		if scopes = withinPreset(named); len(scopes) < len(named) {
			left = append(left, leftScopes)
		}
	}
	for name := range address {
		if strings.HasPrefix(name, "scope-") || name == "scope" || name == "other" || name == "full" {
			address.Del(name)
		}
	}
	if !address.Has("preset") && len(scopes) > 0 {
		address.Set("scope", strings.Join(scopes, " "))
	}
	return left
}

// withinPreset are those of the scopes that one preset has, the one that has most of them.
func withinPreset(named []string) (within []string) {
	for _, p := range azuredevops.Presets() {
		these := slices.DeleteFunc(slices.Clone(named), func(id string) bool { return !slices.Contains(p.Scopes, id) })
		if len(these) > len(within) {
			within = these
		}
	}
	return within
}

// linkNotice says that a link has filled in the form, and what of it was left out.
func linkNotice(w *templates.Words, values url.Values) web.Notice {
	text := w.Message("newToken.fromLink", nil)
	sentences, left := []string{text.What}, strings.Split(values.Get("left"), ",")
	for _, one := range leftOuts {
		if slices.Contains(left, one) {
			sentences = append(sentences, w.Message("newToken.left."+one, nil).What)
		}
	}
	return web.Notice{Kind: "warning", Text: w.Sentences(append(sentences, text.Advice)...)}
}

// linkTo is the address that fills in the form as it is: what docs/links.md promises, and never Full access.
func linkTo(f tokenform.Form) string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("name", f.Name)
	set("organization", f.Organization)
	if set("expiry", f.Expiry); f.Expiry == "date" {
		set("date", f.Date)
	}
	scopes := slices.DeleteFunc(slices.Concat(f.Scopes.Picked, f.Scopes.Typed()), func(id string) bool { return id == azuredevops.FullAccess })
	if preset := tokenform.PresetOf(scopes); preset != "" {
		set("preset", preset)
	} else {
		set("scope", strings.Join(scopes, " "))
	}
	return web.NewTokenPath + "?" + q.Encode()
}
