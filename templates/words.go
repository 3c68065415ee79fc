package templates

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// Text is a message of up to three parts with its data filled in. Any part may be empty. It is plain text: a page
// escapes it like everything else.
type Text struct {
	Title  string // a heading, or the word on a link, a button, a label, a choice
	What   string // what happened, or the sentence itself
	Advice string // what to do now
}

// without stands before the name of a placeholder that a message does without. Where a value can be missing, there is a
// message key.withoutName that reads well without it; with several, their names follow one another in the order of the
// alphabet. docs/translating.md has all placeholders.
const without = ".without"

// unknownKey is the message that stands in for one that doesn't exist.
const unknownKey = "unknown"

//go:embed words/*.json
var messageFiles embed.FS

// Words are the messages of one language, and the pages in it. They are safe for concurrent use.
type Words struct {
	tag      language.Tag
	messages map[string]*i18n.Message
	optional map[string][]string // placeholders that a message can do without, in the order of the alphabet
	plain    map[string]plainMessage
	html     func() *i18n.Localizer // messages as HTML
	numbers  *message.Printer
	small    func() []string // the numbers from 0 on, which nearly all are
	pages    map[string]func() *template.Template
	common   func() *template.Template // what all pages have
	named    sync.Map                  // of kept parts: the fields of a page that they name
	bare     sync.Map                  // Text by key, of messages without data
	collator collator
}

// english is the language that every message is written in first, and the one of a visit that asks for none.
var english = func() *Words {
	tag, messages := mustRead("words/en.json")
	return newWords(tag, messages)
}()

// mustRead panics: the files are part of the program.
func mustRead(name string) (language.Tag, []*i18n.Message) {
	content, err := messageFiles.ReadFile(name)
	if err != nil {
		panic(err)
	}
	tag, messages, err := read(name, content)
	if err != nil {
		panic(err)
	}
	return tag, messages
}

// read reads a file of messages, which is named by its language: "ko.json".
func read(name string, content []byte) (language.Tag, []*i18n.Message, error) {
	tag, err := language.Parse(strings.TrimSuffix(path.Base(name), ".json"))
	if err != nil {
		return tag, nil, fmt.Errorf("templates: %s: %w", name, err)
	}
	file, err := i18n.ParseMessageFileBytes(content, name, nil)
	if err != nil {
		return tag, nil, fmt.Errorf("templates: %s: %w", name, err)
	}
	return tag, file.Messages, nil
}

// Translation makes Words of a file of messages, which is named by its language: "ko.json". What the file lacks is said
// in English.
func Translation(name string, content []byte) (*Words, error) {
	tag, messages, err := read(name, content)
	if err != nil {
		return nil, err
	}
	return newWords(tag, completed(messages)), nil
}

func mustTranslation(name string) *Words {
	tag, messages := mustRead(name)
	return newWords(tag, completed(messages))
}

// completed are the messages that English has: each as translated, or else in English. A plural form that is missing is
// said as "other" is.
func completed(messages []*i18n.Message) []*i18n.Message {
	translated := make(map[string]*i18n.Message, len(messages))
	for _, m := range messages {
		translated[m.ID] = m
	}
	out := make([]*i18n.Message, 0, len(english.messages))
	for id, m := range english.messages {
		if t := translated[id]; t != nil && t.Other != "" {
			m = t
		}
		if isPlural(m) {
			whole := *m
			for _, form := range []*string{&whole.Zero, &whole.One, &whole.Two, &whole.Few, &whole.Many} {
				*form = cmp.Or(*form, m.Other)
			}
			m = &whole
		}
		out = append(out, m)
	}
	return out
}

func newWords(tag language.Tag, messages []*i18n.Message) *Words {
	w := &Words{
		tag: tag, messages: make(map[string]*i18n.Message, len(messages)), optional: map[string][]string{},
		plain: make(map[string]plainMessage, len(messages)), html: sync.OnceValue(func() *i18n.Localizer { return localizer(tag, messages) }), numbers: message.NewPrinter(tag),
	}
	for _, m := range messages {
		w.messages[m.ID], w.plain[m.ID] = m, newPlainMessage(m)
		if names := strings.Split(m.ID, without); len(names) == 2 {
			w.optional[names[0]] = append(w.optional[names[0]], names[1])
		}
	}
	w.small = sync.OnceValue(func() []string {
		all := make([]string, 1000)
		for n := range all {
			all[n] = w.numbers.Sprint(number.Decimal(n))
		}
		return all
	})
	for _, names := range w.optional {
		slices.Sort(names)
	}
	w.common = sync.OnceValue(func() *template.Template { return parseCommon(w) })
	w.pages = parsers(w)
	return w
}

func localizer(tag language.Tag, messages []*i18n.Message) *i18n.Localizer {
	bundle := i18n.NewBundle(tag)
	bundle.MustAddMessages(tag, messages...)
	return i18n.NewLocalizer(bundle, tag.String())
}

// Message is the text of key with data: a map with string keys, a struct, or nil. Its parts are the messages key.title,
// key.what and key.advice; a heading that stands alone is the message key itself. Keys are grouped by their first word:
//
//	azuredevops.<kind>    every kind of internal/azuredevops, each patTokenError included
//	entra.<kind>          every kind of internal/entra
//	http.<status>         pages for requests that patdesk itself refuses
//	limit.<name>          and for those that came too often
//	store.*               the session store can't be read or written
//	form.*                faults of a form: a sentence beside the field (What), or a heading with advice
//	signin.*              what can go wrong on the way back from Entra
//	permissions.*         what patdesk asks for (What)
//	operation.*           what became of a change: heading (Title), sentence (What), advice
//	notice.*              banners: sentence (What) and the text of the link (Title)
//	expiry.*, rotate.old.*  choices of a form: label (Title) and hint (What)
//	global.*              what happens to global tokens on 2026-12-01 (What, or a few words: Title)
//	bulk.*                changes of many tokens at once
//	time.*, date.*        moments
//	<page>.title          headings of pages (Title)
//	everything else       words on links, labels and choices (Title)
//
// A key that doesn't exist gives the message "unknown"; see Has.
func (w *Words) Message(key string, data any) Text {
	if data == nil {
		if known, ok := w.bare.Load(key); ok {
			return known.(Text) //nolint:forcetypeassert,errcheck // nothing else is stored
		}
	}
	if !w.Has(key) {
		return w.Message(unknownKey, data)
	}
	values := w.valuesOf(data)
	title := key + ".title"
	if w.messages[title] == nil {
		title = key
	}
	text := Text{Title: w.filled(title, values), What: w.filled(key+".what", values), Advice: w.filled(key+".advice", values)}
	if data == nil {
		w.bare.Store(key, text)
	}
	return text
}

// Text is the single message key, filled with pairs of a placeholder and its value.
func (w *Words) Text(key string, pairs ...any) string {
	if w.messages[key] == nil {
		return w.Message(unknownKey, nil).Title
	}
	v := values{all: make([]value, 0, 4)}
	for pair := range slices.Chunk(pairs, 2) {
		name, of := pair[0].(string), pair[1] //nolint:errcheck,forcetypeassert // names are literals
		v.all = append(v.all, value{name, w.valueText(of)})
		if name == "Count" {
			v.count = of
		}
	}
	return w.filled(key, v)
}

// Has reports whether there is a message key, or one of its parts.
func (w *Words) Has(key string) bool {
	for _, part := range []string{"", ".title", ".what", ".advice"} {
		if w.messages[key+part] != nil {
			return true
		}
	}
	return false
}

// Language is the BCP 47 tag: "en", "zh-Hant".
func (w *Words) Language() string { return w.tag.String() }

// Number is n as the language writes it: "1,024".
func (w *Words) Number(n int) string {
	if small := w.small(); 0 <= n && n < len(small) {
		return small[n]
	}
	return w.numbers.Sprint(number.Decimal(n))
}

func (w *Words) filled(key string, v values) string {
	variant := key
	for _, name := range w.optional[key] {
		if v.text(name) == "" {
			variant += without + name
		}
	}
	return strings.TrimSpace(w.plain[variant].fill(w.tag, v))
}

func isPlural(m *i18n.Message) bool { return m.Zero+m.One+m.Two+m.Few+m.Many != "" }

// valuesOf makes strings of data's entries or exported fields.
func (w *Words) valuesOf(data any) (out values) {
	set := func(name string, v reflect.Value) {
		var of any
		if v.IsValid() {
			of = v.Interface()
		}
		out.all = append(out.all, value{name, w.valueText(of)})
		if name == "Count" {
			out.count = of
		}
	}
	v := reflect.Indirect(reflect.ValueOf(data))
	switch v.Kind() {
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			set(entry.Key().String(), entry.Value())
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				set(field.Name, value)
			}
		}
	}
	return out
}

// valueText is the value as printed; a zero one (0, nil) counts as not given.
func (w *Words) valueText(of any) string {
	switch of := of.(type) {
	case string:
		return of
	case int:
		if of == 0 {
			return ""
		}
		return w.Number(of)
	}
	switch v := reflect.ValueOf(of); {
	case !v.IsValid() || v.IsZero():
		return ""
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return w.Number(int(v.Int()))
	default:
		return fmt.Sprint(of)
	}
}
