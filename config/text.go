package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// byteOrderMark is what some editors of Windows put in front of UTF-8.
const byteOrderMark = "\uFEFF"

const utf16Fix = "Save it as UTF-8: editors offer that as an encoding, and PowerShell writes it with Set-Content -Encoding utf8."

// isUTF16 reports whether content is text as PowerShell's > and Notepad's "Unicode" write it: with a mark in front, or
// with a zero in every other byte, where it is a language of Latin letters.
func isUTF16(content []byte) bool {
	return bytes.HasPrefix(content, []byte{0xFF, 0xFE}) || bytes.HasPrefix(content, []byte{0xFE, 0xFF}) || bytes.Count(content, []byte{0}) > len(content)/4
}

// unseen returns the first character in value that doesn't show where people look at settings, named by its number; ""
// if there is none. They come along when something is copied from a page or a chat. Tabs and ends of lines don't count.
func unseen(value string) string {
	for _, r := range value {
		plain := strings.ContainsRune("\t\r\n", r)
		if !plain && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r == '\u00A0' || r == '\u202F' {
			return fmt.Sprintf("U+%04X", r)
		}
	}
	return ""
}

// typographic are quotation marks as word processors, chats and some keyboards make them out of " and '.
const typographic = "“”„‟«»‘’‚‛″′"

// inTypographicQuotes reports whether value begins or ends with such a mark.
func inTypographicQuotes(value string) bool {
	first, _ := utf8.DecodeRuneInString(value)
	last, _ := utf8.DecodeLastRuneInString(value)
	return value != "" && (strings.ContainsRune(typographic, first) || strings.ContainsRune(typographic, last))
}

const typographicFix = `Write plain ones (") or none.`

// secretForm says what distinguishes one kind of secret from another.
type secretForm struct {
	lines  bool // it may have several
	spaces bool // it may have white space inside
}

// secretForms are those of the secrets that aren't made of one word.
var secretForms = map[string]secretForm{
	sessionKeys:         {lines: true, spaces: true},
	certificatePassword: {spaces: true},
	redisURL:            {spaces: true}, // between several hosts
	redisPassword:       {spaces: true},
	tracesHeaders:       {spaces: true},
}

// checkSecret reports whether value can be the secret name. It finds what editors and copying leave in a secret, which
// the service that gets it could only call wrong. from is the setting that the value came from.
func (s *source) checkSecret(name, from, value string) bool {
	form, content := secretForms[name], "its value "
	if from != name {
		content = "its file "
	}
	const again = "Write the secret alone there, on one line."
	switch {
	case isUTF16([]byte(value)):
		s.fault(from, "isn't plain text: "+content+"is written in UTF-16", utf16Fix)
	case strings.HasPrefix(value, byteOrderMark):
		s.fault(from, "has a byte order mark, which doesn't show: "+content+"begins with one", "Save it as UTF-8 without one (BOM).")
	case !utf8.ValidString(value), strings.ContainsRune(value, utf8.RuneError): // which the parser of .env makes of it
		s.fault(from, "isn't plain text: "+content+"isn't UTF-8", utf16Fix)
	case inTypographicQuotes(value):
		s.fault(from, "is in typographic quotation marks", typographicFix)
	case form.lines:
		return s.checkLines(from, value)
	case strings.ContainsAny(strings.TrimRight(value, "\r\n"), "\r\n"):
		s.fault(from, "has a second line", again)
	case unseen(value) != "":
		s.fault(from, "has a character that doesn't show ("+unseen(value)+")", again)
	case !form.spaces && strings.ContainsFunc(value, unicode.IsSpace):
		s.fault(from, "has white space in it", again)
	case !form.spaces && strings.HasPrefix(value, name+"="), from != name && isQuoted(value):
		s.fault(from, "holds more than the secret: quotation marks, or the name of the setting", again)
	default:
		return true
	}
	return false
}

// checkLines is for secrets of several lines, between which any white space may stand.
func (s *source) checkLines(from, value string) bool {
	for _, word := range strings.Fields(value) {
		if odd := unseen(word); odd != "" {
			s.fault(from, "has a character that doesn't show ("+odd+")", "Write the keys alone there, one to a line.")
			return false
		}
	}
	return true
}

// isQuoted reports whether value stands in a pair of plain quotation marks.
func isQuoted(value string) bool {
	n := len(value)
	return n >= 2 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'')
}
