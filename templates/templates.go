// Package templates holds every sentence and every HTML tag that people get to see: the words of each language in
// words/*.json, and the pages that say them. Words are a value: the answer to a request asks Languages for those of
// the visit.
//
// A page is the template of its own name ("tokens" is pages/tokens.html) inside layout.html; pieces that several pages
// share are in partials. The struct that fills a page is declared beside the handler that answers with it. A page has
// no words of its own: it names a message, {{t "tokens.count" "Count" .Total}}. Decisions, addresses and clients don't
// belong here: a template is given what to show.
package templates

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/patdesk/patdesk/static"
)

//go:embed layout.html partials pages
var files embed.FS

// Render writes the page into out. Give it a buffer: when it fails, out has received part of a page.
func (w *Words) Render(out io.Writer, name string, page any) error {
	t := w.Page(name)
	if t == nil {
		return fmt.Errorf("templates: no page %q", name)
	}
	if err := t.Execute(out, flat(page)); err != nil {
		return fmt.Errorf("templates: page %q: %w", name, err)
	}
	return nil
}

// flat is a page's struct as a map of its fields. A template looks up each by its name, a hundred times for a page, which
// takes long in a struct that has others embedded in it.
func flat(page any) any {
	v := reflect.ValueOf(page)
	if v.Kind() != reflect.Struct {
		return page
	}
	known, ok := fieldsOf.Load(v.Type())
	if !ok {
		known, _ = fieldsOf.LoadOrStore(v.Type(), exportedFields(v.Type()))
	}
	fields := known.([]reflect.StructField) //nolint:forcetypeassert,errcheck // nothing else is stored
	all := make(map[string]any, len(fields))
	for i := range fields {
		all[fields[i].Name] = v.FieldByIndex(fields[i].Index).Interface()
	}
	return all
}

var fieldsOf sync.Map // reflect.Type -> []reflect.StructField: there are as many as pages

func exportedFields(t reflect.Type) (fields []reflect.StructField) {
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && !f.Anonymous {
			fields = append(fields, f)
		}
	}
	return fields
}

// Page is the named page's parsed template, for checking it against the struct that fills it; nil if there is none.
func (w *Words) Page(name string) *template.Template {
	if page := w.pages[name]; page != nil {
		return page()
	}
	return nil
}

// Names lists all pages in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(english.pages)) }

// parsers has one set for each page: the layout, the partials and that page, whose "main" the layout calls. Each is
// parsed when it is asked for: all of them take longer than everything else at the start, and 19 MB. That they can be,
// tests say.
func parsers(w *Words) map[string]func() *template.Template {
	sets := map[string]func() *template.Template{}
	for _, file := range filesIn("pages/*.html") {
		sets[strings.TrimSuffix(path.Base(file), ".html")] = sync.OnceValue(func() *template.Template {
			set := template.Must(w.common().Clone())
			template.Must(set.New(file).Parse(w.read(file)))
			return set
		})
	}
	return sets
}

func parseCommon(w *Words) *template.Template {
	common := template.New("layout.html").Option("missingkey=error").Funcs(template.FuncMap{
		"clock": w.Clock, "codes": w.codes, "exactClock": w.exactClock, "kept": w.kept, "lang": w.Language,
		"list": w.list, "names": w.names, "number": w.Number, "subscription": subscription, "t": w.t,
	})
	for _, name := range filesIn("layout.html", "partials/*.html") {
		set := common
		if name != "layout.html" {
			set = common.New(name)
		}
		template.Must(set.Parse(w.read(name)))
	}
	return common
}

// subscription is a calendar's address in the scheme that calendar programs open
// (https://www.iana.org/assignments/uri-schemes/prov/webcal). html/template knows only the schemes of the web.
func subscription(address string) template.URL {
	_, rest, _ := strings.Cut(address, "://")
	return template.URL("webcal://" + rest) //nolint:gosec // an address of ours, of which the scheme alone is new
}

// filesIn panics: the folders are part of the program.
func filesIn(patterns ...string) []string {
	var names []string
	for _, pattern := range patterns {
		found, err := fs.Glob(files, pattern)
		if err != nil || found == nil {
			panic(fmt.Sprintf("templates: %s: %v", pattern, err))
		}
		names = append(names, found...)
	}
	return names
}

// fixed is where a page names a message without values, or a file.
var fixed = regexp.MustCompile(`\{\{(t|counted|asset) "([^"]+)"\}\}`)

// indentation is for those who read the files. No page has an element in which it would be seen.
var indentation = regexp.MustCompile(`\n\s+`)

// read is the file of a page with what is fixed in its place: most texts then cost nothing when a page is made.
func (w *Words) read(name string) string {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return fixed.ReplaceAllStringFunc(indentation.ReplaceAllString(string(content), "\n"), func(call string) string {
		named := fixed.FindStringSubmatch(call)
		if named[1] == "asset" {
			return static.Path(named[2])
		}
		m := w.messages[named[2]]
		switch {
		case m == nil:
			panic(fmt.Sprintf("templates: %s: there is no message for %s", name, call))
		case named[1] == "counted":
			return w.counted(named[2])
		default:
			return m.Other
		}
	})
}
