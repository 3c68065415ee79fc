// Package templates holds every sentence and every HTML tag that people get to see: the words of each language in
// words/*.json, and the pages that say them. Words are a value: whoever answers a request asks Languages for those of
// the visit.
//
// A page is the template of its own name ("tokens" is pages/tokens.html) inside layout.html; pieces that several
// pages share are in partials. The struct that fills a page is declared beside the handler that answers with it.
// A page has no words of its own: it names a message, {{t "tokens.count" "Count" .Total}}. Decisions, addresses and
// clients don't belong here: a template is given what to show.
package templates

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/static"
)

//go:embed layout.html partials pages
var files embed.FS

// English is parsed at the start, so that a template with a fault stops the program before it serves anything.
var _ = english.pages()

// Render writes the page into out. Give it a buffer: when it fails, out has received part of a page.
func (w *Words) Render(out io.Writer, name string, page any) error {
	t := w.Page(name)
	if t == nil {
		return fmt.Errorf("templates: no page %q", name)
	}
	if err := t.Execute(out, page); err != nil {
		return fmt.Errorf("templates: page %q: %w", name, err)
	}
	return nil
}

// Page is the named page's parsed template, for checking it against the struct that fills it; nil if there is none.
func (w *Words) Page(name string) *template.Template { return w.pages()[name] }

// Names lists all pages in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(english.pages())) }

// parsePages has one set for each page: the layout, the partials and that page, whose "main" the layout calls.
func parsePages(w *Words) map[string]*template.Template {
	functions := template.FuncMap{"asset": static.Path, "clock": w.clock, "lang": w.Language, "codes": w.codes, "list": w.list, "counted": w.counted, "names": w.names, "number": w.Number, "t": w.t}
	common := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "layout.html", "partials/*.html"))
	entries, err := files.ReadDir("pages")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	sets := map[string]*template.Template{}
	for _, entry := range entries {
		set := template.Must(common.Clone())
		name := strings.TrimSuffix(entry.Name(), ".html")
		sets[name] = template.Must(set.ParseFS(files, path.Join("pages", entry.Name())))
	}
	return sets
}
