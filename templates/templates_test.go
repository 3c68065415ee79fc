package templates_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"

	"github.com/patdesk/patdesk/templates"
)

func render(t *testing.T, page string, data any) string {
	t.Helper()
	var b bytes.Buffer
	if err := english.Render(&b, page, data); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parsed(t *testing.T, text string) *goquery.Document {
	t.Helper()
	d, err := goquery.NewDocumentFromReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// shown is the sample page in that state.
func shown(t *testing.T, page, state string) *goquery.Document {
	t.Helper()
	for _, s := range samples() {
		if s.page == page && s.state == state {
			return parsed(t, render(t, page, s.data))
		}
	}
	t.Fatalf("no sample %s/%s", page, state)
	return nil
}

// words is an element's text with single spaces: its accessible name, where nothing else gives it one.
func words(s *goquery.Selection) string {
	return strings.Join(strings.Fields(s.Text()), " ")
}

func names(s *goquery.Selection) []string {
	return s.Map(func(_ int, one *goquery.Selection) string { return words(one) })
}

// Each rule holds for every page in every state, with full data and with none.
func TestPages(t *testing.T) {
	t.Parallel()
	rules := map[string]func(*testing.T, *goquery.Document){
		"frame": checkFrame, "ids": checkIDs, "labels": checkLabels, "policy": checkPolicy, "tables": checkTables, "forms": checkForms,
	}
	seen := map[string]bool{}
	check := func(name, page string, data any) {
		seen[page] = true
		t.Run(name, func(t *testing.T) {
			text := render(t, page, data)
			checkWellFormed(t, text)
			document := parsed(t, text)
			for _, rule := range rules {
				rule(t, document)
			}
		})
	}
	for _, s := range samples() {
		check(s.page+"/"+s.state, s.page, s.data)
		check(s.page+"/"+s.state+"/empty", s.page, reflect.Zero(reflect.TypeOf(s.data)).Interface())
	}
	for _, name := range templates.Names() {
		if !seen[name] {
			t.Errorf("no sample of page %s", name)
		}
	}
}

func checkFrame(t *testing.T, d *goquery.Document) {
	for selector, want := range map[string]int{"html[lang=en]": 1, "h1": 1, "main#main": 1, "body > header": 1, "body > footer": 1, "a.skip-link[href='#main']": 1, "meta[name=viewport]": 1} {
		if got := d.Find(selector).Length(); got != want {
			t.Errorf("%d of %s", got, selector)
		}
	}
	if title := d.Find("head > title").Text(); !strings.HasSuffix(title, "patdesk") || strings.HasPrefix(title, " ") {
		t.Errorf("title %q", title)
	}
}

// checkIDs: ids are unique, and whatever is referred to is there.
func checkIDs(t *testing.T, d *goquery.Document) {
	ids := map[string]bool{}
	d.Find("[id]").Each(func(_ int, s *goquery.Selection) {
		id := s.AttrOr("id", "")
		if id == "" || strings.ContainsAny(id, " \t\n") || ids[id] {
			t.Errorf("id %q is empty, broken or there twice", id)
		}
		ids[id] = true
	})
	refer := func(kind, list string) {
		for id := range strings.FieldsSeq(list) {
			if !ids[id] {
				t.Errorf("%s refers to %q, which isn't there", kind, id)
			}
		}
	}
	for _, name := range []string{"aria-describedby", "aria-labelledby", "for", "form", "data-filters", "data-copies"} {
		d.Find("[" + name + "]").Each(func(_ int, s *goquery.Selection) {
			if name == "data-filters" && d.Find(".empty:not([hidden])").Length() > 0 {
				return // there is nothing to filter
			}
			refer(name, s.AttrOr(name, ""))
		})
	}
	d.Find("a[href^='#']").Each(func(_ int, s *goquery.Selection) { refer("link", s.AttrOr("href", "")[1:]) })
}

func checkLabels(t *testing.T, d *goquery.Document) {
	d.Find("input, select, textarea").Each(func(_ int, s *goquery.Selection) {
		if s.AttrOr("type", "") == "hidden" {
			return
		}
		if s.AttrOr("aria-labelledby", "") != "" {
			return // checkIDs looks for what it names
		}
		id := s.AttrOr("id", "")
		label := d.Find("label").FilterFunction(func(_ int, l *goquery.Selection) bool { return l.AttrOr("for", "") == id })
		if label.Length() != 1 {
			t.Errorf("%d labels for the field %q", label.Length(), id)
		}
	})
	d.Find("button, a, summary").Each(func(_ int, s *goquery.Selection) {
		// Without data there are no words to put on a link.
		if words(s) == "" && s.AttrOr("href", "-") != "" && s.AttrOr("aria-hidden", "") == "" {
			html, _ := goquery.OuterHtml(s)
			t.Errorf("a control without a name: %s", html)
		}
	})
	d.Find("fieldset").Each(func(_ int, s *goquery.Selection) {
		if s.Find("legend").Length() != 1 {
			t.Error("a fieldset without one legend")
		}
	})
	d.Find("svg").Each(func(_ int, s *goquery.Selection) {
		if s.AttrOr("aria-hidden", "") != "true" {
			t.Error("an icon is read aloud")
		}
	})
}

// checkPolicy: nothing that the content security policy would stop, nothing from elsewhere.
func checkPolicy(t *testing.T, d *goquery.Document) {
	d.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, a := range s.Get(0).Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Val, "javascript:") || a.Val == "#ZgotmplZ" {
				t.Errorf("<%s %s=%q>", goquery.NodeName(s), a.Key, a.Val)
			}
		}
	})
	d.Find("script, link, img").Each(func(_ int, s *goquery.Selection) {
		address := s.AttrOr("src", s.AttrOr("href", ""))
		if !strings.HasPrefix(address, "/pat/static/") && !strings.HasPrefix(address, "/static/") {
			t.Errorf("<%s> from %q", goquery.NodeName(s), address)
		}
	})
	if d.Find("style, iframe, object, embed, base").Length() > 0 || strings.TrimSpace(d.Find("script").Text()) != "" {
		t.Error("an element that the policy forbids")
	}
}

// checkTables: role attributes keep a table a table where narrow windows show its rows as cards. The list of tokens does
// without: it has too many rows, and today's browsers don't take a table's meaning from how it is shown
// (https://developer.mozilla.org/docs/Web/HTML/Reference/Elements/table#displaying_large_tables_in_small_spaces).
func checkTables(t *testing.T, d *goquery.Document) {
	d.Find("table").Each(func(_ int, table *goquery.Selection) {
		if words(table.Find("caption")) == "" {
			t.Error("a table without a caption")
		}
		for selector, role := range map[string]string{"thead, tbody": "rowgroup", "tr": "row", "td": "cell", "thead th": "columnheader", "tbody th": "rowheader"} {
			table.Find(selector).Each(func(_ int, s *goquery.Selection) {
				if s.AttrOr("role", "") != role && !table.HasClass("list") {
					t.Errorf("<%s> lacks the role %s", goquery.NodeName(s), role)
				}
			})
		}
		if table.AttrOr("role", "") != "table" && !table.HasClass("list") {
			t.Error("a table without its role")
		}
		table.Find("tbody tr").Each(func(_ int, row *goquery.Selection) {
			if columns := table.Find("thead th").Length(); columns > 0 && row.Children().Length() != columns {
				t.Errorf("%d cells under %d headings", row.Children().Length(), columns)
			}
		})
	})
}

// checkForms: the first submit button of a form is what Enter presses, so it must not be a preset.
func checkForms(t *testing.T, d *goquery.Document) {
	d.Find("form").Each(func(_ int, form *goquery.Selection) {
		if _, ok := form.Attr("action"); !ok {
			t.Error("a form without an action")
		}
		if form.Find("input:not([type=hidden]), select, textarea").Length() == 0 {
			return // there is nothing to press Enter in
		}
		if button := form.Find("button").First(); button.AttrOr("name", "") != "" || button.AttrOr("type", "") != "submit" {
			t.Errorf("Enter presses %q", words(button))
		}
	})
}

// checkWellFormed: each element is closed where it has to be, in the right order; browsers would guess.
func checkWellFormed(t *testing.T, text string) {
	void := strings.Fields("meta link input br hr img wbr")
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		kind := z.Next()
		tag, _ := z.TagName()
		name := string(tag)
		switch kind {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) || len(open) > 0 {
				t.Errorf("%v; left open: %v", z.Err(), open)
			}
			return
		case html.StartTagToken:
			if !slices.Contains(void, name) {
				open = append(open, name)
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func TestUnknownPage(t *testing.T) {
	t.Parallel()
	if err := english.Render(io.Discard, "no-such", nil); err == nil {
		t.Error("a page that isn't there was rendered")
	}
	if english.Page("no-such") != nil {
		t.Error("a page that isn't there was found")
	}
}

func TestPageThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	if err := english.Render(io.Discard, "tokens", struct{ Root string }{}); err == nil {
		t.Error("a page was rendered from a struct that doesn't fit")
	}
}

// ---- Controls are found by role and name ------------------------------------------------

func TestSignInIsTheOnlyControlOfThatName(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"first", "ended", "kept", "challenged", "signed-out"} {
		d := shown(t, "sign-in", state)
		found := d.Find("a, button").FilterFunction(func(_ int, s *goquery.Selection) bool {
			return strings.Contains(strings.ToLower(words(s)), "sign in")
		})
		if got := names(found); !slices.Equal(got, []string{"Sign in"}) || goquery.NodeName(found) != "a" {
			t.Errorf("%s: %q", state, got)
		}
		if d.Find("form").Length() != 0 {
			t.Errorf("%s: a form's way to Entra would be stopped", state)
		}
	}
}

func TestSignOutIsAFormInTheFrameOnce(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		d := parsed(t, render(t, s.page, s.data))
		buttons := d.Find("form[method=post][action='/pat/sign-out'] button")
		signedIn := d.Find(".account").Length() == 1
		if signedIn != (buttons.Length() == 1 && words(buttons) == "Sign out") {
			t.Errorf("%s/%s: signed in %v, buttons %q", s.page, s.state, signedIn, names(buttons))
		}
	}
}

func TestTokenList(t *testing.T) {
	t.Parallel()
	d := shown(t, "tokens", "full")
	rows := slices.DeleteFunc(fullList().Tokens, func(r tokenRow) bool { return r.URL == "" }) // without an id
	links := d.Find("tbody tr th[scope=row] > a")
	if links.Length() != len(rows) {
		t.Fatalf("%d links for %d tokens", links.Length(), len(rows))
	}
	links.Each(func(i int, link *goquery.Selection) {
		if link.Text() != rows[i].Name || link.AttrOr("href", "") != rows[i].URL {
			t.Errorf("link %q to %q, want %q to %q", link.Text(), link.AttrOr("href", ""), rows[i].Name, rows[i].URL)
		}
	})
	if got := names(d.Find("thead th button")); !slices.Equal(got, []string{"Name", "Scopes", "Expires", "Organization", "Status"}) {
		t.Errorf("columns %q", got)
	}
	if sorted := d.Find("th[aria-sort]"); words(sorted) != "Expires" || sorted.AttrOr("aria-sort", "") != "ascending" {
		t.Errorf("sorted by %q", names(sorted))
	}
	if got := names(d.Find("nav[aria-label=Status] button[aria-current]")); !slices.Equal(got, []string{"All"}) {
		t.Errorf("current filter %q", got)
	}
	if got := words(d.Find("caption")); got != "10 of 42 tokens" {
		t.Errorf("caption %q", got)
	}
	if got := d.Find("#list input[type=hidden], #list select").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("name", "") }); !slices.Equal(got, []string{"status", "sort", "order", "token", "organization", "scope", "within"}) {
		t.Errorf("the search forgets all but %q", got)
	}
	for _, word := range []string{"Git Credential Manager", "Rotation not finished", "Global", "Full access", "High privilege, over 180 days", "in 3 days", "Work Items: Read"} {
		if !strings.Contains(words(d.Find("table")), word) {
			t.Errorf("the table doesn't say %q", word)
		}
	}
}

func TestNewTokenIsOfferedOncePerPage(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		if s.page != "tokens" {
			continue
		}
		found := parsed(t, render(t, s.page, s.data)).Find("a, button").FilterFunction(func(_ int, c *goquery.Selection) bool { return words(c) == "New token" })
		if found.Length() != 1 {
			t.Errorf("%s: %d controls named New token", s.state, found.Length())
		}
	}
}

func TestEmptyListSaysWhatToDoNext(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{
		"first": "Create the first one", "no-active": "Create one where a program", "no-expired": "No expired tokens", "no-revoked": "No revoked tokens",
		"nothing-found": "Try part of a name", "trouble": "couldn't be read",
	} {
		if got := words(shown(t, "tokens", state).Find("main")); !strings.Contains(got, want) {
			t.Errorf("%s: %q is missing in %q", state, want, got)
		}
	}
}

func TestTokenForm(t *testing.T) {
	t.Parallel()
	d := shown(t, "token-new", "fresh")
	for label, name := range map[string]string{"Name": "name", "Organization": "organization", "Date": "date", "Other scopes": "other", "Full access": "full"} {
		found := d.Find("label").FilterFunction(func(_ int, s *goquery.Selection) bool { return s.Text() == label })
		if field := d.Find("#" + found.AttrOr("for", "none")); found.Length() != 1 || field.AttrOr("name", "") != name {
			t.Errorf("label %q leads to %q", label, field.AttrOr("name", ""))
		}
	}
	if got := names(d.Find("#expiry label")); !slices.Equal(got, []string{"7 days", "30 days", "60 days", "90 days", "One year", "Custom date", "Date"}) {
		t.Errorf("expiry %q", got)
	}
	code := d.Find("fieldset").FilterFunction(func(_ int, s *goquery.Selection) bool { return s.Find("legend").Text() == "Code" })
	if got := code.Find("label").Map(func(_ int, s *goquery.Selection) string { return s.Text() }); !slices.Equal(got, []string{"None", "Read", "Read & write", "Read, write, & manage", "Full", "Status"}) {
		t.Errorf("levels of Code: %q", got)
	}
	if chosen := code.Find("input[checked]"); chosen.AttrOr("value", "") != "vso.code_write" || chosen.AttrOr("name", "") != "scope-code" || chosen.Length() != 1 {
		t.Errorf("chosen in Code: %d, %q", chosen.Length(), chosen.AttrOr("value", ""))
	}
	write := d.Find("input[value='vso.code_write']")
	if described := words(d.Find("[id='" + write.AttrOr("aria-describedby", "") + "']")); !strings.HasPrefix(described, "High privilege Also push") {
		t.Errorf("Read & write is described as %q", described)
	}
	if none := d.Find("input[name=scope-packaging][checked]"); none.AttrOr("value", "-") != "" || none.Length() != 1 {
		t.Error("a group without a choice isn't at None")
	}
}

func TestTemplatesKeepEnterForCreating(t *testing.T) {
	t.Parallel()
	d := shown(t, "token-new", "fresh")
	first := d.Find("#token-form button[type=submit]").First() // in tree order: the one that Enter presses
	if first.AttrOr("name", "") != "" || first.AttrOr("formmethod", "") != "" {
		t.Errorf("Enter presses %q", words(first))
	}
	templates := d.Find(".templates button")
	if got := names(templates); !slices.Equal(got, []string{"Clone and push", "Publish packages", "Run pipelines", "Read-only reporting"}) {
		t.Errorf("templates %q", got)
	}
	templates.Each(func(i int, b *goquery.Selection) {
		if b.AttrOr("formmethod", "") != "get" || b.AttrOr("name", "") != "preset" || b.AttrOr("aria-pressed", "") != strconv.FormatBool(i == 0) {
			t.Errorf("template %q sends something else, or looks chosen", words(b))
		}
	})
	if all := d.Find(".templates button, .picker input"); !all.First().Is(".templates button") {
		t.Error("the picker stands before the templates")
	}
}

func TestFailedFormsSaySoInTheirTitle(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{"fresh": "New token · patdesk", "faulty": "Error: New token · patdesk"} {
		if got := shown(t, "token-new", state).Find("title").Text(); got != want {
			t.Errorf("%s: %q", state, got)
		}
	}
}

func TestFaultsLeadToTheirFields(t *testing.T) {
	t.Parallel()
	d := shown(t, "token-new", "faulty")
	summary := d.Find("[role=alert]")
	if got := summary.Find("a").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("href", "") }); !slices.Equal(got, []string{"#name", "#organization", "#date", "#scopes"}) {
		t.Errorf("summary links to %q", got)
	}
	for _, id := range []string{"name", "organization", "date", "other"} {
		field := d.Find("#" + id)
		if field.AttrOr("aria-invalid", "") != "true" {
			t.Errorf("%s isn't marked", id)
		}
		described := ""
		for ref := range strings.FieldsSeq(field.AttrOr("aria-describedby", "")) {
			described += words(d.Find("#"+ref)) + " "
		}
		if !strings.Contains(described, "Enter") && !strings.Contains(described, "Choose") {
			t.Errorf("%s doesn't say what is wrong: %q", id, described)
		}
	}
	if d.Find("#other").AttrOr("value", "") != hostile || d.Find("#organization").AttrOr("value", "") != "con toso" {
		t.Error("what was typed is lost")
	}
}

func TestEditKeepsTheSecret(t *testing.T) {
	t.Parallel()
	d := shown(t, "token-edit", "edit")
	if !strings.Contains(words(d.Find("main")), "The secret stays the same") {
		t.Error("the page doesn't say that the secret stays the same")
	}
	if got := words(d.Find("#token-form button[type=submit]").First()); got != "Save changes" {
		t.Errorf("button %q", got)
	}
	if got := words(d.Find("#expiry label").First()); got != "Keep 1 Dec 2026" {
		t.Errorf("first expiry %q", got)
	}
}

func TestControlsByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		page, state, control, name string
		count                      int
	}{
		{"token", "active", "a", "Edit", 1}, {"token", "active", "a", "Rotate", 1}, {"token", "active", "a", "Revoke", 1},
		{"token", "expired", "a", "Edit", 0}, {"token", "expired", "a", "Create a replacement", 1},
		{"token-new", "fresh", "button", "Create token", 1}, {"token-new", "fresh", "a", "Cancel", 1}, {"token-new", "fresh", "a", "All scopes explained", 1},
		{"token-revoke", "ask", "button", "Revoke", 1}, {"token-revoke", "ask", "a", "Cancel", 1},
		{"token-rotate", "ask", "button", "Rotate", 1}, {"token-rotate", "ask", "a", "Cancel", 1},
		{"operation", "created", "button", "Copy", 1}, {"operation", "created", "button", "I have saved it", 1},
		{"operation", "unkept", "button", "I have saved it", 0}, {"operation", "unkept", "button", "Copy", 1},
		{"operation", "rotated", "button", "Revoke the old token", 1}, {"operation", "rotated", "button", "Keep the old token", 1},
		{"operation", "old-failed", "button", "Revoke the old token", 1},
		{"operation", "old-revoked", "button", "Revoke the old token", 0},
		{"operation", "unknown", "button", "Check again", 1}, {"operation", "unknown", "button", "Dismiss", 1},
		{"operation", "unknown-several", "button", "Revoke this token", 2},
		{"tokens", "full", "button", "Search", 1}, {"scopes", "found", "button", "Search", 1},
		{"organizations", "typing", "button", "Open", 1}, {"sign-out", "pending", "button", "Sign out", 1},
		{"sessions", "two", "button", "End all my other sessions", 1},
		{"calendar", "none", "button", "Make an address", 1}, {"calendar", "none", "button", "Revoke the address", 0}, {"calendar", "made", "button", "Copy", 1}, {"calendar", "made", "button", "Copy the address of metrics", 1},
		{"calendar", "kept", "button", "Make a new address", 1}, {"calendar", "kept", "button", "Revoke the address", 1}, {"calendar", "kept", "button", "Copy", 0}, {"problem", "throttled", "a", "Try again", 1},
	} {
		found := shown(t, c.page, c.state).Find(c.control).FilterFunction(func(_ int, s *goquery.Selection) bool { return words(s) == c.name })
		if found.Length() != c.count {
			t.Errorf("%s/%s: %d of %q, want %d", c.page, c.state, found.Length(), c.name, c.count)
		}
	}
}

// ---- The secret --------------------------------------------------------------------------

func TestSecretIsShownForCopyingOnly(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		text := render(t, s.page, s.data)
		p, ok := s.data.(operationPage)
		want := 0
		if ok && p.Secret != "" {
			want = 1
		}
		if p, ok := s.data.(replacedPage); ok {
			want = p.Unsaved
		}
		if p, ok := s.data.(bulkRunPage); ok {
			want = len(p.Secrets)
		}
		if got := strings.Count(text, secret); got != want {
			t.Errorf("%s/%s: the secret stands there %d times", s.page, s.state, got)
		}
	}
	d := shown(t, "operation", "created")
	field := d.Find("#secret")
	if field.Text() != secret || field.AttrOr("translate", "") != "no" || field.AttrOr("spellcheck", "") != "false" {
		t.Error("the secret may be translated, spelt or padded")
	}
	if _, hidden := d.Find("[data-copies=secret]").Attr("hidden"); !hidden {
		t.Error("the Copy button shows although no script has come to serve it")
	}
	if d.Find("#copied[role=status]").Length() != 1 {
		t.Error("nothing would say that it was copied")
	}
	for _, word := range []string{"Key Vault", "e-mail", "pipeline", "Git credential manager", "09:39 UTC", "I have saved it"} {
		if !strings.Contains(words(d.Find(".secret-panel")), word) {
			t.Errorf("the panel doesn't say %q", word)
		}
	}
}

func TestOnlyWorkInProgressReloads(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		want, kinds := false, 0
		for _, field := range []string{"InProgress", "Loading", "Running", "ReloadAfter"} {
			if v := reflect.ValueOf(s.data).FieldByName(field); v.IsValid() && (v.Kind() == reflect.Bool || v.Kind() == reflect.Int) {
				want, kinds = want || !v.IsZero(), kinds+1
			}
		}
		if _, batch := s.data.(bulkRunPage); kinds == 0 || batch && want && strings.Contains(render(t, s.page, s.data), `class="secret-panel"`) {
			continue // secrets are not to move while they are copied
		}
		if reloads := strings.Contains(render(t, s.page, s.data), `http-equiv="refresh"`); reloads != want {
			t.Errorf("%s %s: reloads by itself: %v", s.page, s.state, reloads)
		}
	}
}

func TestDemoMarksEveryPage(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		v := reflect.ValueOf(s.data).FieldByName("base").FieldByName("Demo").Bool()
		d := parsed(t, render(t, s.page, s.data))
		if marked := strings.HasPrefix(words(d.Find("header p").First()), "Demo."); marked != v {
			t.Errorf("%s/%s: demo %v, marked %v", s.page, s.state, v, marked)
		}
	}
}

// ---- Names from outside ---------------------------------------------------------------------

func TestNamesAreTextNeverMarkup(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		d := parsed(t, render(t, s.page, s.data))
		if d.Find("img").Length() != 0 {
			t.Errorf("%s/%s: a name became an element", s.page, s.state)
		}
	}
	if !strings.Contains(shown(t, "tokens", "full").Find("tbody").Text(), hostile) {
		t.Error("an odd name isn't shown as it is")
	}
}
