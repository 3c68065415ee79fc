package features

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// docs/links.md names the templates with their scopes, the expiries and the parts that there are, and no others; and a
// link of each fills in what it says.
func TestLinksAreAsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/links.md")
	if err != nil {
		t.Fatal(err)
	}
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedInAt(apptest.Mona, "/tokens?organization=contoso")
	b.Edit(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") }) // typed
	fills := func(query string) (form map[string][]string, scopes string) {
		_, _, values := b.Open(d.URL + "/tokens/new?organization=contoso&" + query).Form("Create token")
		var chosen []string
		for name, value := range values {
			if strings.HasPrefix(name, "scope-") || name == "other" {
				chosen = append(chosen, strings.Fields(strings.Join(value, " "))...)
			}
		}
		slices.Sort(chosen)
		if strings.Contains(b.Text(), "left out") || strings.Contains(b.Text(), "doesn't have") || strings.Contains(b.Text(), "doesn't know") {
			t.Errorf("%s: %s", query, b.Text())
		}
		return values, strings.Join(chosen, " ")
	}

	var templates []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| `([a-z_. ]+)` \\|$").FindAllStringSubmatch(string(page), -1) {
		templates = append(templates, row[1])
		if _, scopes := fills("preset=" + row[1]); scopes != row[2] {
			t.Errorf("the template %s: %q, documented as %q", row[1], scopes, row[2])
		}
	}
	if offered := valuesOf(b.Page.Find("button[name=preset]")); !slices.Equal(offered, templates) {
		t.Errorf("templates: %q, documented %q", offered, templates)
	}

	row := regexp.MustCompile("(?m)^\\| `expiry` \\| (.*) \\|$").FindStringSubmatch(string(page))
	if row == nil {
		t.Fatal("docs/links.md says nothing about expiries")
	}
	var expiries []string
	for _, value := range regexp.MustCompile("`([a-z0-9]+)`").FindAllStringSubmatch(row[1], -1) {
		expiries = append(expiries, value[1])
		if form, _ := fills("expiry=" + value[1]); !slices.Equal(form["expiry"], value[1:]) {
			t.Errorf("the expiry %s: %q", value[1], form["expiry"])
		}
	}
	if offered := valuesOf(b.Page.Find("input[name=expiry]")); !slices.Equal(offered, expiries) {
		t.Errorf("expiries: %q, documented %q", offered, expiries)
	}

	day := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	parts := map[string]string{"name": "build agent 7", "organization": "contoso", "expiry": "date", "date": day}
	form, scopes := fills("name=build+agent+7&expiry=date&date=" + day + "&scope=vso.code+vso.build")
	for name, value := range parts {
		if !slices.Equal(form[name], []string{value}) {
			t.Errorf("%s: %q", name, form[name])
		}
	}
	if scopes != "vso.build vso.code" {
		t.Errorf("scopes: %q", scopes)
	}
	var documented []string
	for _, part := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| [^`|]").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, part[1])
	}
	if want := []string{"name", "organization", "preset", "scope", "date"}; !slices.Equal(documented, want) {
		t.Errorf("parts: %q, want %q and expiry", documented, want)
	}
}

func valuesOf(found *goquery.Selection) (out []string) {
	for _, one := range found.EachIter() {
		out = append(out, one.AttrOr("value", ""))
	}
	return out
}
