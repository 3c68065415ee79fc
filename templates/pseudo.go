package templates

import (
	"regexp"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// pseudoTag matches no Accept-Language header: to x/text it is as good for en-GB as "en" is.
var pseudoTag = language.MustParse("en-XA")

// Pseudo is English with accents on every letter and brackets around every message: what stands on a page without them
// is text that no translator could reach, and a bracket in the middle of a sentence shows that it is glued.
var Pseudo = sync.OnceValue(func() *Words {
	messages := make([]*i18n.Message, 0, len(english.messages))
	for _, m := range english.messages {
		messages = append(messages, &i18n.Message{ID: m.ID, One: disguise(m.One), Other: disguise(m.Other)})
	}
	return newWords(pseudoTag, messages)
})

// kept is what a translation keeps: placeholders, tags, entities.
var kept = regexp.MustCompile(`\{\{.*?\}\}|<[^>]*>|&\w+;`)

var accents = strings.NewReplacer(
	"a", "á", "b", "ƀ", "c", "ç", "d", "ð", "e", "é", "f", "ƒ", "g", "ğ", "h", "ĥ", "i", "í", "j", "ĵ", "k", "ķ", "l", "ļ", "m", "ɱ",
	"n", "ñ", "o", "ó", "p", "þ", "q", "ɋ", "r", "ŕ", "s", "š", "t", "ţ", "u", "ú", "v", "ʋ", "w", "ŵ", "x", "ӿ", "y", "ý", "z", "ž",
	"A", "Á", "B", "Ɓ", "C", "Ç", "D", "Ð", "E", "É", "F", "Ƒ", "G", "Ğ", "H", "Ĥ", "I", "Í", "J", "Ĵ", "K", "Ķ", "L", "Ļ", "M", "Ṁ",
	"N", "Ñ", "O", "Ó", "P", "Þ", "Q", "Ɋ", "R", "Ŕ", "S", "Š", "T", "Ţ", "U", "Ú", "V", "Ṽ", "W", "Ŵ", "X", "Ẋ", "Y", "Ý", "Z", "Ž",
)

func disguise(text string) string {
	if text == "" {
		return ""
	}
	var out strings.Builder
	for text != "" {
		at := kept.FindStringIndex(text)
		if at == nil {
			at = []int{len(text), len(text)}
		}
		out.WriteString(accents.Replace(text[:at[0]]))
		out.WriteString(text[at[0]:at[1]])
		text = text[at[1]:]
	}
	return "⟦" + out.String() + "⟧"
}
