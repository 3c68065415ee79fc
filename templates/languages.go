package templates

import (
	"slices"

	"golang.org/x/text/language"
)

// Languages are those that a visitor can choose among; the first is that of a visit which asks for none of them.
type Languages []*Words

// Offered are the languages that the pages are written in.
func Offered() Languages { return Languages{english} }

// Choose picks the words of one visit: the language that the visitor chose before, if it is offered, else the best
// match of the Accept-Language header.
func (l Languages) Choose(choice, acceptLanguage string) *Words {
	if i := slices.IndexFunc(l, func(w *Words) bool { return w.Language() == choice }); i >= 0 {
		return l[i]
	}
	tags := make([]language.Tag, len(l))
	for i, w := range l {
		tags[i] = w.tag
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return l[0]
	}
	_, i, _ := language.NewMatcher(tags).Match(wanted...)
	return l[i]
}
