package templates

import (
	"encoding/binary"
	"fmt"
	"html/template"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	keptLists = 128 // of all languages
	listBytes = 64 << 10
	keptRows  = 8192 // a hundred lists
	rowBytes  = 4 << 10
	keptParts = 2048
	partBytes = 16 << 10 // of what it shows, and of its HTML: what is longer is made anew each time
)

const anyPage = "problem" // each page has all partials

// lists, rows and parts are those that were made lately, by all that they show.
var (
	lists, _ = lru.New[row, list](keptLists) // by their first rows; fails for sizes below one
	rows, _  = lru.New[row, string](keptRows)
	parts, _ = lru.New[part, string](keptParts)
)

// Rows are the items of a list whose template is kept: they hold all that it shows.
type Rows[T comparable] []T

func (r Rows[T]) count() int     { return len(r) }
func (r Rows[T]) item(i int) any { return r[i] }
func (r Rows[T]) clone() items   { return slices.Clone(r) }

func (r Rows[T]) equal(to items) bool {
	other, ok := to.(Rows[T])
	return ok && slices.Equal(r, other)
}

// items are Rows of any type.
type items interface {
	count() int
	item(i int) any
	clone() items
	equal(to items) bool
}

type list struct {
	of   items
	html string
}

type row struct {
	words *Words
	name  string
	dot   any // compared field by field
}

type part struct {
	words *Words
	name  string
	shows string // see contentOf
}

// kept is the function of that name in the pages: the template name for a page, or for each of a list's Rows, one after
// the other. What shows the same as lately isn't made again, whoever looks at it. So nothing belongs there that is for
// one answer only, and the template is one of the partials. Of a page it gets those fields alone that it names.
func (w *Words) kept(name string, of any) (template.HTML, error) {
	if page, ok := of.(map[string]any); ok {
		return w.keptPart(name, page)
	}
	all, ok := of.(items)
	switch {
	case !ok:
		return "", fmt.Errorf("template %q: %T are no Rows", name, of)
	case all.count() == 0:
		return "", nil
	}
	first := row{w, name, all.item(0)}
	if known, ok := lists.Get(first); ok && all.equal(known.of) {
		return template.HTML(known.html), nil //nolint:gosec // html/template has made its parts
	}
	html, err := w.keptRows(first, all)
	if err == nil && len(html) <= listBytes {
		lists.Add(first, list{all.clone(), html})
	}
	return template.HTML(html), err //nolint:gosec // html/template has made its parts
}

func (w *Words) keptRows(r row, all items) (string, error) {
	made := make([]string, all.count())
	for i := range made {
		r.dot = all.item(i)
		html, ok := rows.Get(r)
		if !ok {
			var err error
			if html, err = w.piece(r.name, r.dot); err != nil {
				return "", err
			}
			if len(html) <= rowBytes {
				rows.Add(r, html)
			}
		}
		made[i] = html
	}
	return strings.Join(made, ""), nil
}

func (w *Words) keptPart(name string, page map[string]any) (template.HTML, error) {
	fields := w.namedBy(name)
	shows, known := contentOf(page, fields)
	p := part{w, name, shows}
	if html, ok := parts.Get(p); ok && known {
		return template.HTML(html), nil //nolint:gosec // html/template has made it
	}
	dot := make(map[string]any, len(fields))
	for _, field := range fields {
		if value, ok := page[field]; ok {
			dot[field] = value
		}
	}
	html, err := w.piece(name, dot)
	if err == nil && known && len(shows) <= partBytes && len(html) <= partBytes {
		parts.Add(p, html)
	}
	return template.HTML(html), err //nolint:gosec // html/template has made it
}

func (w *Words) piece(name string, dot any) (string, error) {
	var b strings.Builder
	if err := w.Page(anyPage).ExecuteTemplate(&b, name, dot); err != nil {
		return "", fmt.Errorf("template %q: %w", name, err)
	}
	return b.String(), nil
}

var (
	fieldNamed = regexp.MustCompile(`\.([A-Z]\w*)`)
	keptPart   = regexp.MustCompile(`kept "([^"]+)" \.[ }]`)
	partNamed  = regexp.MustCompile(`(?:template|kept) "([^"]+)"`)
)

// namedBy are the fields that a part and those within it name. Fields of what is inside a field are among them, which
// does no harm: a part is then kept by more than it shows.
func (w *Words) namedBy(name string) []string {
	if known, ok := w.named.Load(name); ok {
		return known.([]string) //nolint:forcetypeassert,errcheck // nothing else is stored
	}
	var fields []string
	for todo, i := []string{name}, 0; i < len(todo); i++ {
		source := w.common().Lookup(todo[i]).Tree.Root.String()
		for _, m := range fieldNamed.FindAllStringSubmatch(source, -1) {
			fields = append(fields, m[1])
		}
		for _, m := range partNamed.FindAllStringSubmatch(source, -1) {
			if !slices.Contains(todo, m[1]) {
				todo = append(todo, m[1])
			}
		}
	}
	slices.Sort(fields)
	fields = slices.Compact(fields)
	w.named.Store(name, fields)
	return fields
}

// KeptParts are the parts that a page has kept, for checking them: they are made by themselves, of fields of the page.
func KeptParts(page *template.Template) (kept []string) {
	for all, i := []string{page.Name()}, 0; i < len(all); i++ {
		source := page.Lookup(all[i]).Tree.Root.String()
		for _, m := range keptPart.FindAllStringSubmatch(source, -1) {
			kept = append(kept, m[1])
		}
		for _, m := range partNamed.FindAllStringSubmatch(source, -1) {
			if !slices.Contains(all, m[1]) {
				all = append(all, m[1])
			}
		}
	}
	return kept
}

// contentOf writes these fields of a page in such a way that no two contents are written alike: each length stands before
// what has that length. known is false where a field is of a kind that can't be written.
func contentOf(page map[string]any, fields []string) (content string, known bool) {
	b := make([]byte, 0, 2048)
	for i, field := range fields {
		value, ok := page[field]
		if !ok {
			continue
		}
		v := reflect.ValueOf(value)
		if !v.IsValid() {
			return "", false
		}
		b = append(append(binary.AppendVarint(b, int64(i)), v.Type().String()...), 0)
		if b, ok = appendValue(b, v); !ok {
			return "", false
		}
	}
	return string(b), true
}

func appendValue(b []byte, v reflect.Value) (_ []byte, known bool) {
	known = true
	switch v.Kind() {
	case reflect.String:
		b = append(binary.AppendVarint(b, int64(v.Len())), v.String()...)
	case reflect.Bool:
		b = strconv.AppendBool(b, v.Bool())
	case reflect.Int, reflect.Int64:
		b = binary.AppendVarint(b, v.Int())
	case reflect.Slice:
		b = binary.AppendVarint(b, int64(v.Len()))
		for i := 0; i < v.Len() && known; i++ {
			b, known = appendValue(b, v.Index(i))
		}
	case reflect.Struct:
		for i := 0; i < v.NumField() && known; i++ {
			b, known = appendValue(b, v.Field(i))
		}
	case reflect.Pointer:
		b = strconv.AppendBool(b, v.IsNil())
		if !v.IsNil() {
			b, known = appendValue(b, v.Elem())
		}
	default:
		known = false
	}
	return b, known
}
