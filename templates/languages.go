package templates

import (
	"slices"

	"golang.org/x/text/language"
)

// Languages are those that a visitor can choose among; the first is that of a visit which asks for none of them.
type Languages []*Words

// Offered are the languages that the pages are written in.
func Offered() Languages { return Languages{english} }

// LanguageChoice is a language as a page offers it.
type LanguageChoice struct {
	Tag     string // "zh-Hant"
	Name    string // in the language itself
	Current bool
}

// Choices are the languages for a page in current. There are none if there is nothing to choose.
func (l Languages) Choices(current *Words) []LanguageChoice {
	if len(l) < 2 {
		return nil
	}
	out := make([]LanguageChoice, len(l))
	for i, w := range l {
		out[i] = LanguageChoice{Tag: w.Language(), Name: w.Text("language.name"), Current: w == current}
	}
	return out
}

// Has says if the language with that tag is offered.
func (l Languages) Has(tag string) bool { return l.exactly(tag) != nil }

// Choose picks the words of one visit: the language that the visitor chose before, if it is offered, else the best
// match of the Accept-Language header.
func (l Languages) Choose(choice, acceptLanguage string) *Words {
	if w := l.exactly(choice); w != nil {
		return w
	}
	if len(l) == 1 {
		return l[0]
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return l[0]
	}
	var tags []language.Tag
	for _, w := range l {
		if w.tag != pseudoTag {
			tags = append(tags, w.tag)
		}
	}
	if _, i, confidence := language.NewMatcher(tags).Match(wanted...); confidence > language.No {
		return l.exactly(tags[i].String())
	}
	return l[0]
}

func (l Languages) exactly(tag string) *Words {
	if i := slices.IndexFunc(l, func(w *Words) bool { return w.Language() == tag }); i >= 0 {
		return l[i]
	}
	return nil
}
