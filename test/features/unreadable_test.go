package features

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// Whatever bytes a link or a form brings, pages are UTF-8 without control characters, in what they repeat of it and in
// their links too.
func TestPagesAreTextWhateverIsSent(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	check := func(what string) {
		t.Helper()
		if b.Status >= http.StatusInternalServerError {
			t.Errorf("%s: %d", what, b.Status)
		}
		control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }
		if !utf8.ValidString(b.Body) || strings.ContainsFunc(b.Body, control) {
			t.Errorf("%s: the page isn't readable text", what)
		}
	}
	bad := []string{"%ff%fe", "%c3%28", "%ed%a0%80", "%f8%88%80%80%80", "%e2%82", "a%00b", "%01%1b%7f%c2%85", "ok%fftoo"}
	for _, path := range []string{
		"/tokens?organization=contoso&q=", "/tokens?organization=", "/tokens?status=", "/scopes?q=", "/tokens?q=", "/tokens?scope=", "/tokens?from=",
		"/tokens/new?organization=contoso&name=", "/tokens/new?organization=contoso&scopes=", "/organizations?organization=", "/bulk?action=revoke&token=",
		"/sign-in?return=/overview&x=", "/global-tokens?retry=", "/no-such-page?q=", "/tokens/contoso/", "/tokens/",
	} {
		text := strings.Join(bad, "-")
		b.Open(d.URL + path + text)
		check(path + text)
	}
	for _, text := range bad {
		b.Open(d.URL + "/scopes?q=" + text)
		check(text)
		b.Open(d.URL + "/tokens?organization=contoso&q=" + text)
		check(text)
	}
	b.Open(d.URL + "/tokens?%ff=1&q=%ff&q=build")
	check("a name that isn't UTF-8")
	if b.Open(d.URL + "/scopes?q=%ffwiki"); !strings.Contains(b.Body, `value="`+"\ufffd"+`wiki"`) {
		t.Error("what was asked for isn't shown in its field")
	}
}

func TestFormsAreTextWhateverIsSent(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	for what, value := range map[string]string{"not UTF-8": "x\xff\xfey", "half a surrogate": "x\xed\xa0\x80", "cut short": "x\xe2\x82"} {
		_, to, form := b.Open(d.URL + "/tokens/new?organization=contoso").Form("Create token")
		for _, name := range []string{"name", "date"} {
			changed := url.Values{"scope": {"vso.wiki"}, "\xff": {"\xff"}}
			for k, v := range form {
				changed[k] = v
			}
			changed.Set(name, value)
			if b.Post(to.String(), changed); b.Status != http.StatusUnprocessableEntity || !utf8.ValidString(b.Body) {
				t.Errorf("%s as %s: %d, UTF-8: %t", what, name, b.Status, utf8.ValidString(b.Body))
			}
			if name == "name" && !strings.Contains(b.Text(), "Enter a name without line breaks, control characters or \ufffd.") {
				t.Errorf("%s: the form doesn't say what is wrong with the name", what)
			}
		}
	}
	if made := d.Sim.Created(); made != 0 {
		t.Errorf("%d tokens made", made)
	}
}
