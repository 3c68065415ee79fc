package templates

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	parsing "github.com/nicksnyder/go-i18n/v2/i18n/template"
)

// htmlMessages makes HTML of a message: its own tags are markup, and values are escaped for where they stand. go-i18n
// keeps what it makes.
type htmlMessages struct{}

// Cacheable implements go-i18n's Parser.
func (htmlMessages) Cacheable() bool { return true }

// Parse implements go-i18n's Parser.
func (htmlMessages) Parse(source, _, _ string) (parsing.ParsedTemplate, error) {
	t, err := template.New("").Option("missingkey=zero").Parse(source)
	return parsedMessage{t}, err
}

type parsedMessage struct{ t *template.Template }

// Execute implements go-i18n's ParsedTemplate.
func (m parsedMessage) Execute(data any) (string, error) {
	var b strings.Builder
	err := m.t.Execute(&b, data)
	return b.String(), err
}

// t is the function of that name in the pages: the message key as HTML, filled with pairs of a placeholder and its
// value. Its inline tags are the message's own; a value never becomes markup.
func (w *Words) t(key string, pairs ...any) (template.HTML, error) {
	m := w.messages[key]
	if m == nil {
		return "", fmt.Errorf("no message %q", key)
	}
	data, err := pairsOf(pairs)
	if err != nil {
		return "", fmt.Errorf("message %q: %w", key, err)
	}
	count := data["Count"]
	for name, value := range data {
		if n, ok := value.(int); ok {
			data[name] = w.Number(n)
		}
	}
	c := &i18n.LocalizeConfig{MessageID: key, TemplateData: data, TemplateParser: htmlMessages{}}
	if isPlural(m) {
		c.PluralCount = count
	}
	text, err := w.html().Localize(c)
	return template.HTML(text), err //nolint:gosec // escaped by the message's own template
}

func pairsOf(pairs []any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("a placeholder without a value")
	}
	data := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("%v isn't the name of a placeholder", pairs[i])
		}
		data[name] = pairs[i+1]
	}
	return data, nil
}

// counted are the attributes from which a script takes the plural message key: data-one for one, data-many for more,
// with {count} where the number goes.
func (w *Words) counted(key string) string {
	one := w.filled(key, values{all: []value{{"Count", "1"}}, count: 1})
	many := w.filled(key, values{all: []value{{"Count", "{count}"}}})
	return fmt.Sprintf(`data-one="%s" data-many="%s"`, template.HTMLEscapeString(one), template.HTMLEscapeString(many))
}

// list is the parts one after the other, as the language separates them. What is empty is left out.
func (w *Words) list(parts ...any) template.HTML { return w.join(parts, "", "") }

// names are names from outside as a list. Each is kept apart from the direction of the words around it.
func (w *Words) names(names []string) template.HTML { return w.join([]any{names}, "<bdi>", "</bdi>") }

// codes are identifiers as a list.
func (w *Words) codes(ids []string) template.HTML { return w.join([]any{ids}, "<code>", "</code>") }

func (w *Words) join(parts []any, before, after string) template.HTML {
	var out []string
	add := func(html string) { out = append(out, before+html+after) }
	for _, part := range parts {
		switch part := part.(type) {
		case template.HTML:
			add(string(part))
		case string:
			add(template.HTMLEscapeString(part))
		case []string:
			for _, one := range part {
				add(template.HTMLEscapeString(one))
			}
		}
	}
	return template.HTML(strings.Join(out, w.messages["list.separator"].Other)) //nolint:gosec // escaped one by one
}
