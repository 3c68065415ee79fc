package templates

import (
	"fmt"
	"html/template"
	"reflect"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	keptPieces = 8192 // of all languages: the rows of a hundred lists
	keptBytes  = 4096 // of one; a longer one is made anew each time
)

const anyPage = "problem" // each page has all partials

// pieces are those that were made lately, by what they show.
var pieces, _ = lru.New[piece, string](keptPieces) // fails for sizes below one

type piece struct {
	words *Words
	name  string
	dot   any // compared field by field
}

// kept is the function of that name in the pages: the template name for each of dots, a slice, one after the other.
// What shows the same as lately isn't made again, whoever looks at it. So dots are of a comparable type, hold all that
// the template shows, and nothing that is for one answer only.
func (w *Words) kept(name string, dots any) (template.HTML, error) {
	all := reflect.ValueOf(dots)
	made := make([]string, all.Len())
	for i := range made {
		p := piece{w, name, all.Index(i).Interface()}
		html, ok := pieces.Get(p)
		if !ok {
			var one strings.Builder
			if err := w.Page(anyPage).ExecuteTemplate(&one, name, p.dot); err != nil {
				return "", fmt.Errorf("template %q: %w", name, err)
			}
			if html = one.String(); len(html) <= keptBytes {
				pieces.Add(p, html)
			}
		}
		made[i] = html
	}
	return template.HTML(strings.Join(made, "")), nil //nolint:gosec // html/template has made its parts
}
