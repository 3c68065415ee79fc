package templates

import (
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// A message holds placeholders and nothing else of a template ({{.Count}}), so plain text is made of it without one: a
// list of tokens has several hundred.

// plainMessage is a message by plural form, each cut at its placeholders: texts and names take turns, and a text comes
// first and last.
type plainMessage map[plural.Form][]string

func newPlainMessage(m *i18n.Message) plainMessage {
	p := plainMessage{plural.Other: cutAtPlaceholders(m.Other)}
	if isPlural(m) {
		for form, text := range map[plural.Form]string{plural.Zero: m.Zero, plural.One: m.One, plural.Two: m.Two, plural.Few: m.Few, plural.Many: m.Many} {
			if text != "" {
				p[form] = cutAtPlaceholders(text)
			}
		}
	}
	return p
}

func cutAtPlaceholders(text string) (parts []string) {
	for {
		before, rest, found := strings.Cut(text, "{{.")
		name, after, closed := strings.Cut(rest, "}}")
		if !found || !closed {
			return append(parts, text)
		}
		parts, text = append(parts, before, name), after
	}
}

// fill is the message with its values. Without a count the form is plural.Other.
func (m plainMessage) fill(tag language.Tag, v values) string {
	parts := m[plural.Other]
	if count, ok := v.count.(int); ok && len(m) > 1 {
		if chosen, ok := m[plural.Cardinal.MatchPlural(tag, count, 0, 0, 0, 0)]; ok {
			parts = chosen
		}
	}
	if len(parts) == 1 {
		return parts[0]
	}
	var b strings.Builder
	for i, part := range parts {
		if i%2 == 1 {
			part = v.text(part)
		}
		b.WriteString(part)
	}
	return b.String()
}

// values are what fills a message: text by placeholder, and the number that chooses a plural form.
type values struct {
	all   []value
	count any
}

type value struct{ name, text string }

// text is "" where there is no such value.
func (v values) text(name string) string {
	for i := range v.all {
		if v.all[i].name == name {
			return v.all[i].text
		}
	}
	return ""
}
