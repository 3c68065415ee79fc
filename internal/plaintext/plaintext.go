// Package plaintext prepares text from elsewhere for where no page keeps it apart from its neighbours: logs, calendars,
// sentences.
package plaintext

import (
	"strings"
	"unicode"
)

// NameLength is how much of a name goes where there is no room for a thousand characters.
const NameLength = 150

// Line is one line of at most that many characters, without what isn't seen or turns the direction of the text around
// it.
func Line(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r) || bidiControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// bidiControl reports whether r is one of the marks that embed, override or isolate
// (https://www.unicode.org/reports/tr9/#Directional_Formatting_Codes).
func bidiControl(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// Name is a name in a line of its own. One with letters that are written from right to left is kept apart from the
// words around it by isolates, which Line has taken out of the name itself.
func Name(name string) string {
	name = Line(name, NameLength)
	if strings.ContainsFunc(name, rightToLeft) {
		return "\u2068" + name + "\u2069"
	}
	return name
}

// InSentence is a name in the middle of a sentence, where no element keeps it apart: a name with letters or marks that
// turn the direction is isolated, so that the words around it stay where they are.
func InSentence(name string) string {
	turns := func(r rune) bool { return rightToLeft(r) || bidiControl(r) }
	if !strings.ContainsFunc(name, turns) {
		return name
	}
	name = strings.Map(func(r rune) rune {
		if bidiControl(r) {
			return -1
		}
		return r
	}, name)
	return "\u2068" + name + "\u2069"
}

// rightToLeft reports whether r lies in the blocks of scripts that are written so.
func rightToLeft(r rune) bool {
	return r >= 0x590 && r <= 0x8ff || r >= 0xfb1d && r <= 0xfdff || r >= 0xfe70 && r <= 0xfeff || r >= 0x10800 && r <= 0x10fff || r >= 0x1e800 && r <= 0x1efff
}

// Blank reports whether nothing of a text shows: it has at most white space, controls, marks with nothing to stand on,
// and characters that are drawn empty.
func Blank(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me) && !strings.ContainsRune("\u115f\u1160\u2800\u3164\uffa0", r)
	})
}
