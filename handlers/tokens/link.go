package tokens

import (
	"net/url"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

// What a link from elsewhere may have asked for and didn't get, in the address and in the catalogue.
const (
	leftFull         = "full"
	leftScopes       = "scopes"
	leftOrganization = "organization"
	leftExpiry       = "expiry"
)

var leftOuts = []string{leftFull, leftScopes, leftOrganization, leftExpiry}

// fromForeignLink says that another site led here, also by way of a sign-in. Browsers that don't say so may say where
// the link stood.
func fromForeignLink(v *web.Request) bool {
	switch v.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		from, err := url.Parse(v.Header.Get("Referer"))
		return err != nil || from.Host != "" && !strings.EqualFold(from.Scheme+"://"+from.Host, v.Address.Origin)
	default:
		return true
	}
}

// tamed is what a link from elsewhere may fill the form for a new token with: nothing that its owner wouldn't want to
// have overlooked. What is left out is named in the address, so that the page still says so when it is loaded again.
func (h *Handlers) tamed(v *web.Request, asked url.Values) url.Values {
	out, left := url.Values{"from": {"link"}}, strings.Split(asked.Get("left"), ",")
	keep := func(name, value string) {
		if value != "" {
			out.Set(name, value)
		}
	}
	keep("name", asked.Get("name"))
	keep("form", asked.Get("form"))
	if name := strings.TrimSpace(asked.Get("organization")); name != "" {
		if names, _ := h.Inventory.Organizations(v.Context(), v.Owner()); inventory.ContainsFold(names, name) { // those that are known count, whatever failed
			keep("organization", name)
		} else {
			left = append(left, leftOrganization)
		}
	}
	if expiry := asked.Get("expiry"); expiry == "7" || expiry == "30" {
		keep("expiry", expiry)
	} else if expiry != "" {
		left = append(left, leftExpiry)
	}
	if preset := asked.Get("preset"); tokenform.PresetScopes(preset) != nil {
		keep("preset", preset)
	} else {
		scopes, beyond := withinPreset(namedScopes(asked))
		keep("scope", strings.Join(scopes, " "))
		left = append(left, beyond...)
	}
	var known []string
	for _, one := range leftOuts {
		if slices.Contains(left, one) {
			known = append(known, one)
		}
	}
	keep("left", strings.Join(known, ","))
	return out
}

// namedScopes are all scopes that an address names, in whatever way.
func namedScopes(asked url.Values) []string {
	chosen := tokenform.ReadScopes(asked)
	named := slices.Concat(strings.Fields(asked.Get("scope")), chosen.Picked, chosen.Typed())
	if chosen.Full {
		named = append(named, azuredevops.FullAccess)
	}
	return named
}

// withinPreset are those of the scopes that one preset has, the one that has most of them; beyond says which others
// there were.
func withinPreset(named []string) (within, beyond []string) {
	for _, p := range azuredevops.Presets() {
		var these []string
		for _, id := range p.Scopes {
			if slices.Contains(named, id) {
				these = append(these, id)
			}
		}
		if len(these) > len(within) {
			within = these
		}
	}
	for _, id := range named {
		switch {
		case id == azuredevops.FullAccess:
			beyond = append(beyond, leftFull)
		case !slices.Contains(within, id):
			beyond = append(beyond, leftScopes)
		}
	}
	return within, beyond
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
