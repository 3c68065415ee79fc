package templates

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// Languages are those that a visitor can choose among; the first is that of a visit which asks for none of them.
type Languages []*Words

// offered are all languages that the pages are written in, English first.
var offered = Languages{english, mustTranslation("words/ko.json"), mustTranslation("words/zh-Hant.json")}

// Offered are the languages that the pages are written in.
func Offered() Languages { return slices.Clone(offered) }

// LanguageChoice is a language as a page offers it.
type LanguageChoice struct {
	Tag     string // "zh-Hant"
	Name    string // in the language itself
	Current bool
}

// Choices are the languages for a page in current.
func (l Languages) Choices(current *Words) []LanguageChoice {
	out := make([]LanguageChoice, len(l))
	for i, w := range l {
		out[i] = LanguageChoice{Tag: w.Language(), Name: w.Text("language.name"), Current: w == current}
	}
	return out
}

// Has reports whether the language with that tag is offered.
func (l Languages) Has(tag string) bool { return l.exactly(tag) != nil }

// maxAcceptLanguage is how much of an Accept-Language header is read, in bytes: browsers send a tenth of it.
const maxAcceptLanguage = 1000

// Choose picks the words of one visit: the language that the visitor chose before, if it is offered, else the first
// that the Accept-Language header wants. Where none of them is offered, one that is written in another script does, such
// as Traditional for Simplified Chinese.
func (l Languages) Choose(choice, acceptLanguage string) *Words {
	if w := l.exactly(choice); w != nil {
		return w
	}
	if len(acceptLanguage) > maxAcceptLanguage {
		acceptLanguage = acceptLanguage[:strings.LastIndexByte(acceptLanguage[:maxAcceptLanguage], ',')+1]
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return l[0]
	}
	return cmp.Or(l.first(wanted, sameScript), l.first(wanted, sameLanguage), l[0])
}

// first is the first of the wanted languages that is offered, as same compares them.
func (l Languages) first(wanted []language.Tag, same func(a, b language.Tag) bool) *Words {
	for _, tag := range wanted {
		for _, w := range l {
			if w.tag != pseudoTag && same(tag, w.tag) {
				return w
			}
		}
	}
	return nil
}

func sameLanguage(a, b language.Tag) bool {
	baseA, _ := a.Base()
	baseB, _ := b.Base()
	return baseA == baseB
}

// sameScript tells Traditional from Simplified Chinese, also where only the region says which it is (zh-TW, zh-CN).
func sameScript(a, b language.Tag) bool {
	scriptA, _ := a.Script()
	scriptB, _ := b.Script()
	return scriptA == scriptB && sameLanguage(a, b)
}

func (l Languages) exactly(tag string) *Words {
	if i := slices.IndexFunc(l, func(w *Words) bool { return w.Language() == tag }); i >= 0 {
		return l[i]
	}
	return nil
}
