package security

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// A link from another site fills in the form for a new token with nothing dangerous, and the page says that it was one:
// no Full access, no unknown organization, no scopes beyond one template's, at most 90 days. Loading the page again says
// the same. An address that was typed, or opened by another program, chooses no Full access either. Our own links fill in
// what they name. What nobody knows is said. In a short run each of these links comes from two of the sources.
func TestLinksFromOtherSites(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedInAt(apptest.Mona, "/tokens?organization=contoso")
	const said = "A link filled in this form."
	from := func(page string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Referer", page)
		}
	}
	sources := map[string]func(*http.Request){
		"cross-site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":       func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"unheard of":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "evil") },
		"an old browser":  from("https://evil.example/x"),
		"a strange place": from("http://localhost.evil.example/"),
		"nothing said":    from(""),
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
	names := slices.Sorted(maps.Keys(sources))
	for i, c := range []struct {
		query  string
		scopes string
		left   []string
		expiry string
	}{
		{"?name=n&organization=contoso&full=1&expiry=365", "", []string{"Full access", "90 days"}, "30"},
		{"?name=n&organization=evil&scope=app_token", "", []string{"Full access", "an organization"}, "30"},
		{"?organization=evil", "", []string{"an organization"}, "30"},
		{"?other=app_token&organization=CONTOSO", "", []string{"Full access"}, "30"},
		{"?scope=vso.code_write+vso.build_execute+vso.packaging", "vso.code_write", []string{"beyond"}, "30"},
		{"?scope-code=vso.code&scope-build=vso.build_execute", "vso.code", []string{"beyond"}, "30"},
		{"?scope-code=app_token", "", []string{"Full access"}, "30"},
		{"?scope=vso.code_full&other=vso.security_manage", "", []string{"beyond"}, "30"},
		{"?scope=vso.code&name=n&expiry=7", "vso.code", nil, "7"},
		{"?scope=vso.code&name=n&expiry=90", "vso.code", nil, "90"},
		{"?preset=clone-and-push&full=1&expiry=date&date=2027-01-01", "vso.code_write", []string{"Full access", "90 days"}, "30"},
		{"?preset=clone-and-push&scope=vso.build", "vso.code_write", []string{"beyond"}, "30"},
		{"?preset=everything&scope=vso.code", "vso.code", []string{"a template that"}, "30"},
		{"?expiry=45&name=n", "", []string{"an expiry that"}, "30"},
		{"?scopes=vso.code&name=n", "", []string{"parts"}, "30"},
		{"?left=full,evil&from=elsewhere", "", []string{"Full access"}, "30"},
		{"?name=" + strings.Repeat("x", 300), "", nil, "30"},
	} {
		for _, source := range testkit.SampleFor(t, i, 2, names) {
			link := b.Twin()
			link.Edit(sources[source])
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
				for _, words := range []string{
					"Full access, which was left out", "beyond those of a template, which were", "an organization that isn't known to be yours, which",
					"more than 90 days, which", "a template that patdesk doesn't have", "an expiry that this form doesn't have", "parts that patdesk doesn't know",
				} {
					want := slices.ContainsFunc(c.left, func(left string) bool { return strings.Contains(words, left) })
					if strings.Contains(link.Text(), words) != want {
						t.Errorf("%s, %s: %q is said: %t", source, c.query, words, !want)
					}
				}
				link.Open(link.URL.String())
			}
		}
	}
	for name, c := range map[string]struct {
		edit func(*http.Request)
		ours bool
	}{
		"a page of ours": {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, true},
		"an old browser": {from(d.URL + "/tokens"), true},
		"typed":          {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") }, false},
	} {
		own := b.Twin()
		own.Edit(c.edit)
		own.Open(d.URL + "/tokens/new?organization=contoso&name=n&scope=vso.code_full+vso.build&expiry=365")
		if chosen, _ := filled(own); strings.Join(chosen, " ") != "vso.build vso.code_full" || strings.Contains(own.Text(), said) == c.ours {
			t.Errorf("%s: %q\n%s", name, chosen, own.Text())
		}
		for _, full := range []string{"&full=yes", "&scope=app_token", "&other=app_token"} {
			own.Open(d.URL + "/tokens/new?organization=contoso&name=n" + full)
			if chosen, _ := filled(own); len(chosen) > 0 != c.ours || strings.Contains(own.Text(), "Full access, which was left out") == c.ours {
				t.Errorf("%s, %s: %q\n%s", name, full, chosen, own.Text())
			}
		}
		own.Open(d.URL + "/tokens/new?organization=contoso&name=n&preset=nothing&expiry=0&mode=dark")
		for _, words := range []string{"a template that patdesk doesn't have", "an expiry that this form doesn't have", "parts that patdesk doesn't know"} {
			if !strings.Contains(own.Text(), words) {
				t.Errorf("%s: %q isn't said", name, words)
			}
		}
	}
}

// The form's own link fills it in as it stands, without Full access, for whoever opens it.
func TestLinkToForm(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedInAt(apptest.Mona, "/tokens/new?organization=fabrikam&name=shared&scope=vso.code_status&expiry=60")
	link := b.Page.Find("#form-link").AttrOr("href", "")
	if want := "/tokens/new?expiry=60&name=shared&organization=fabrikam&preset=report-statuses"; link != want {
		t.Errorf("the link is %q, want %q", link, want)
	}
	full := b.Twin()
	full.Open(d.URL + "/tokens/new?organization=contoso&scope=vso.build+vso.wiki").Check("Full access").Press("Create token") // its name is missing
	if link := full.Page.Find("#form-link").AttrOr("href", ""); link != "/tokens/new?expiry=30&organization=contoso&scope=vso.build+vso.wiki" {
		t.Errorf("with Full access the link is %q", link)
	}
	other := d.SignedInAt(apptest.Mona, "/tokens")
	other.Edit(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	other.Open(d.URL + link)
	_, _, form := other.Form("Create token")
	if form.Get("name") != "shared" || form.Get("organization") != "fabrikam" || form.Get("expiry") != "60" || form.Get("scope-code") != "vso.code_status" {
		t.Errorf("it fills in %v", form)
	}
}
