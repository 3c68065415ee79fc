package security

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// A link from another site fills in the form for a new token with nothing dangerous, and the page says that it was one:
// no Full access, no unknown organization, no scopes beyond one preset's, no long life. Loading the page again says the
// same. Our own links fill in what they name.
func TestLinksFromOtherSites(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedInAt(apptest.Mona, "/tokens?organization=contoso")
	const said = "A link from another site filled in this form."
	sources := map[string]func(*http.Request){
		"cross-site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":       func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"unheard of":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "evil") },
		"an old browser":  func(r *http.Request) { r.Header.Set("Referer", "https://evil.example/x") },
		"a strange place": func(r *http.Request) { r.Header.Set("Referer", "http://localhost.evil.example/") },
	}
	filled := func(b *webtest.Browser) (chosen []string, organization string) {
		_, _, form := b.Form("Create token")
		for name, values := range form {
			if name == "full" || name == "other" || strings.HasPrefix(name, "scope-") {
				chosen = append(chosen, strings.Fields(strings.Join(values, " "))...)
			}
		}
		slices.Sort(chosen)
		return chosen, form.Get("organization")
	}
	for _, c := range []struct {
		query  string
		scopes string
		left   []string
		expiry string
	}{
		{"?name=n&organization=contoso&full=1&expiry=365", "", []string{"Full access", "an expiry"}, "30"},
		{"?name=n&organization=evil&scope=app_token", "", []string{"Full access", "an organization"}, "30"},
		{"?organization=evil", "", []string{"an organization"}, "30"},
		{"?other=app_token&organization=CONTOSO", "", []string{"Full access"}, "30"},
		{"?scope=vso.code_write+vso.build_execute+vso.packaging", "vso.code_write", []string{"beyond"}, "30"},
		{"?scope-code=vso.code&scope-build=vso.build_execute", "vso.code", []string{"beyond"}, "30"},
		{"?scope-code=app_token", "", []string{"Full access"}, "30"},
		{"?scope=vso.code_full&other=vso.security_manage", "", []string{"beyond"}, "30"},
		{"?scope=vso.code&name=n&expiry=7", "vso.code", nil, "7"},
		{"?preset=clone-and-push&full=1&expiry=date&date=2027-01-01", "vso.code_write", []string{"an expiry"}, "30"},
		{"?left=full,evil&from=elsewhere", "", []string{"Full access"}, "30"},
		{"?name=" + strings.Repeat("x", 300), "", nil, "30"},
	} {
		for source, edit := range sources {
			link := b.Twin()
			link.Edit(edit)
			link.Open(d.URL + "/tokens/new" + c.query)
			for range 2 {
				chosen, organization := filled(link)
				_, _, form := link.Form("Create token")
				if link.Status != http.StatusOK || !strings.Contains(link.Text(), said) || strings.Join(chosen, " ") != c.scopes || form.Get("expiry") != c.expiry {
					t.Errorf("%s, %s: %d, scopes %q, expiry %q\n%s", source, c.query, link.Status, chosen, form.Get("expiry"), link.Text())
				}
				if organization != "contoso" || strings.Contains(link.Body, `value="evil"`) { // the one that was last looked at
					t.Errorf("%s, %s: organization %q", source, c.query, organization)
				}
				for _, words := range []string{"Full access, which was left out", "beyond those of a preset, which were", "an organization that isn't known to be yours, which", "an expiry of its own, which"} {
					want := slices.ContainsFunc(c.left, func(left string) bool { return strings.Contains(words, left) })
					if strings.Contains(link.Text(), words) != want {
						t.Errorf("%s, %s: %q is said: %t", source, c.query, words, !want)
					}
				}
				link.Open(link.URL.String())
			}
		}
	}
	for name, edit := range map[string]func(*http.Request){
		"a page of ours": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, "typed": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
		"an old browser": func(r *http.Request) { r.Header.Set("Referer", d.URL+"/tokens") }, "nothing said": func(*http.Request) {},
	} {
		own := b.Twin()
		own.Edit(edit)
		own.Open(d.URL + "/tokens/new?organization=contoso&name=n&scope=vso.code_full+vso.build&expiry=365")
		if chosen, _ := filled(own); strings.Join(chosen, " ") != "vso.build vso.code_full" || strings.Contains(own.Text(), said) {
			t.Errorf("%s: %q\n%s", name, chosen, own.Text())
		}
	}
}
