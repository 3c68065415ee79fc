package test

import (
	"net/http"
	"testing"

	"github.com/patdesk/patdesk/internal/webtest"
)

const pseudoName = "⟦Éñğļíšĥ⟧"

// The language that is chosen at the foot of a page lasts: in this browser, through signing in and out.
func TestChosenLanguageLasts(t *testing.T) {
	t.Parallel()
	d := startDesk(t, deskOptions{pseudo: true})
	language := func(b *webtest.Browser) string { return b.Page.Find("html").AttrOr("lang", "") }
	b := d.browser()
	if got := language(b); got != "en" {
		t.Fatalf("starts in %q", got)
	}
	b.Open(d.url + "/sign-in?return=%2Fscopes").Press(pseudoName)
	if got := language(b); got != "en-XA" || b.URL.Path != "/sign-in" || b.URL.Query().Get("return") != "/scopes" {
		t.Errorf("chosen at the sign-in page: %q at %s", got, b.URL)
	}
	b.Click("⟦Šíğñ íñ⟧").Press("Continue as " + mona)
	if b.Open(d.url + "/tokens"); language(b) != "en-XA" || b.Page.Find(".account").Length() != 1 {
		t.Errorf("after signing in: %q\n%s", language(b), b.Text())
	}
	if got := language(d.browser()); got != "en" {
		t.Errorf("another browser is in %q", got)
	}
	b.Open(d.url + "/tokens?q=build").Press("English")
	if got := language(b); got != "en" || b.URL.Path != "/tokens" || b.URL.Query().Get("q") != "build" {
		t.Errorf("back to English: %q at %s", got, b.URL)
	}
	b.Post(d.url+"/language", map[string][]string{"language": {"xx"}})
	if b.Status != http.StatusBadRequest {
		t.Errorf("a language that isn't offered: %d", b.Status)
	}
}

// Where there is one language, no page speaks of any, and there is nothing to post.
func TestOneLanguageIsNotOffered(t *testing.T) {
	t.Parallel()
	d := startDesk(t, deskOptions{})
	b := d.browser()
	if b.Page.Find("form[action$='/language']").Length() != 0 {
		t.Error("a choice of one language")
	}
	if b.Post(d.url+"/language", map[string][]string{"language": {"en"}}); b.Status < 400 || b.Status >= 500 {
		t.Errorf("answered with %d", b.Status)
	}
}
