package web

import (
	"net/http"
	"net/url"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

// wordsFor are those of the visitor's language: the one that was chosen in this browser, else what the browser asks
// for.
func (o Options) wordsFor(r *http.Request) *templates.Words {
	choice := ""
	if o.Sessions != nil {
		choice = o.Sessions.Preference(r, session.Language)
	}
	return o.Languages.Choose(choice, r.Header.Get("Accept-Language"))
}

// WordsForProgram are for programs that read an address, and have no cookies: in the language that was chosen for the
// address, "" if none was, else in the one that they ask for.
func (o Options) WordsForProgram(r *http.Request, chosen string) *templates.Words {
	return o.Languages.Choose(chosen, r.Header.Get("Accept-Language"))
}

// WordsOf are those of a language; nil if it isn't offered.
func (o Options) WordsOf(tag string) *templates.Words {
	if !o.Languages.Has(tag) {
		return nil
	}
	return o.Languages.Choose(tag, "")
}

// ChooseLanguage keeps the language that was chosen at the foot of a page, and leads back there.
func (s *Site) ChooseLanguage(v *Request) (Answer, error) {
	tag := v.PostForm.Get("language")
	if !s.Languages.Has(tag) {
		return nil, &HTTPError{Status: http.StatusBadRequest}
	}
	s.Sessions.SetPreference(v.Writer, session.Language, tag)
	return v.To(choiceReturn(v.PostForm.Get("return"))), nil
}

// choiceReturn is where a choice at the foot of a page was made. Other than after signing in, that may be the page
// where one signs in.
func choiceReturn(raw string) string {
	back := SafeReturn(raw)
	if u, err := url.Parse(raw); err == nil && back == HomePath && len(raw) <= maxReturnPath && u.Scheme == "" && u.Host == "" && u.Path == SignInPath {
		back = (&url.URL{Path: SignInPath, RawQuery: u.Query().Encode()}).String()
	}
	return back
}
