package rules

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/fstest"
)

// speaking are the packages from which a text may reach a page. What the others write is for operators, and stays
// English: settings, -check, the log, metrics.
var speaking = []string{"handlers/", "internal/azuredevops/", "internal/batch/", "internal/calendar/", "internal/inventory/", "internal/operation/"}

// english looks like words for people: two that follow one another, or one that begins like a heading.
var english = regexp.MustCompile(`[A-Za-z]{2,}[,.:;]? [A-Za-z“(]|^[A-Z][a-z]+$`)

var mediaType = regexp.MustCompile(`^[a-z]+/[a-z+]+; `)

// unheard are the calls whose texts nobody reads on a page: errors and records of the log, panics, and what is compared
// with, or written into, the protocols.
var unheard = regexp.MustCompile(`^(errors\.New|fmt\.Errorf|panic|(panics|telemetry)\.\w+|regexp\.MustCompile|(\w+\.)*(Debug|Info|Warn|Error)(Context)?|(\w+\.)*recordFault|(\w+\.)*Log(Attrs)?|slog\.\w+|(\w+\.)*(Header(\(\))?|header)\.(Set|Get|Add|Values|Del)|(\w+\.)*(Set|Get|Add|Values|Del)|strings\.(Cut|Contains|HasPrefix|Index|EqualFold|TrimPrefix)\w*|time\.(Parse|LoadLocation)|(\w+\.)*Format)$`)

// spoken are texts that aren't for people, or that no language translates: all of a variable, or one text.
var spoken = map[string]string{
	"internal/azuredevops.groupTerms":    "Azure DevOps' English, which stands beside each translation",
	"internal/azuredevops.levelTerms":    "likewise",
	"internal/azuredevops.momentLayouts": "what dates look like that are read",
	"internal/azuredevops.toolTerms":     "likewise, for exports: a file is the same in every language",
	"handlers/web.browsers":              "names of products, and what a User-Agent has of them",
	"handlers/web.systems":               "likewise",
	"internal/calendar.families":         "what metrics mean, for who reads them in Prometheus",

	"-//patdesk//Token expiries//EN":                           "names patdesk to programs that read calendars",
	"not ready: stopping\n":                                    "for operators and their probes",
	"not ready: the session store can't be read and written\n": "likewise",
	"ready, but nobody can sign in just now: the metadata of the authority can't be fetched\n": "likewise",
	"Purpose":            "name of a header",
	"Accept":             "name of a header",
	"Activityid":         "name of a header",
	"patdesk token ":     "goes into a hash",
	"calendar address":   "goes into a key",
	"batch begun":        "names a point for tests of what a death there does",
	"one for each batch": "why a bound isn't needed, for who reads the code",
	"one for each calendar: the one before is dead and goes": "likewise",
	"one for each unfinished operation":                      "likewise",
	"After":                                                  "the end of a message's key",
	"Shortened":                                              "likewise",
}

// placeholders are the names that messages are filled by, which docs/translating.md lists for translators.
var placeholders = sync.OnceValue(func() (names []string) {
	page, err := os.ReadFile("../../docs/translating.md")
	if err != nil {
		panic(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z][A-Za-z]*)` \\|").FindAllStringSubmatch(string(page), -1) {
		names = append(names, row[1])
	}
	return names
})

// No sentence stands in Go: it couldn't be translated. Sentences are in templates/words.
func TestNoSentencesInGo(t *testing.T) {
	sources, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, s := range sources {
		for _, one := range s.sentences() {
			if spoken[one.within] != "" || spoken[one.text] != "" {
				used[one.within], used[one.text] = true, true
				continue
			}
			t.Errorf("%s: %q, in %s, is a text outside templates/words", one.at, one.text, one.within)
		}
	}
	for one := range spoken {
		if !used[one] {
			t.Errorf("there is no %q any more", one)
		}
	}
}

// The test sees what it is there for, and leaves alone what isn't for people.
func TestSentencesAreFound(t *testing.T) {
	sources, err := load(fstest.MapFS{"handlers/a.go": {Data: []byte(`package handlers

import "errors"

var heading = "Overview"

func say(n int) (string, error) {
	log.Info("nothing was done", "count", n)
	return "1 token left, " + w.Text("tokens.count", "Count", n), errors.New("no such token")
}
`)}, "internal/session/b.go": {Data: []byte("package session\n\nvar b = \"not for people\"\n")}})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, s := range sources {
		for _, one := range s.sentences() {
			found = append(found, one.within+": "+one.text)
		}
	}
	if want := []string{"handlers.heading: Overview", "handlers.say: 1 token left, "}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}

type sentence struct{ at, text, within string }

// sentences are the texts for people in a file.
func (s source) sentences() []sentence {
	if s.test() || !slices.ContainsFunc(speaking, s.within) {
		return nil
	}
	var found []sentence
	for _, declared := range s.file.Decls {
		if f, ok := declared.(*ast.FuncDecl); ok && f.Name.Name == "Error" { // of an error
			continue
		}
		ast.Inspect(declared, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.Field:
				return node.Tag == nil
			case *ast.CallExpr:
				return !unheard.MatchString(written(node.Fun))
			case *ast.BasicLit:
				text, err := strconv.Unquote(node.Value)
				if node.Kind == token.STRING && err == nil && english.MatchString(text) && !mediaType.MatchString(text) && !slices.Contains(placeholders(), text) {
					found = append(found, sentence{s.fset.Position(node.Pos()).String(), text, path.Dir(s.name) + "." + nameAt(declared, node.Pos())})
				}
			}
			return true
		})
	}
	return found
}

// written is a function's name as it is called: "h.Log.ErrorContext".
func written(call ast.Expr) string {
	switch call := call.(type) {
	case *ast.Ident:
		return call.Name
	case *ast.SelectorExpr:
		return written(call.X) + "." + call.Sel.Name
	case *ast.CallExpr:
		return written(call.Fun) + "()"
	default:
		return "_"
	}
}

// nameAt is the name of what is declared at pos.
func nameAt(declared ast.Decl, pos token.Pos) string {
	if f, ok := declared.(*ast.FuncDecl); ok {
		return f.Name.Name
	}
	group, _ := declared.(*ast.GenDecl)
	for _, spec := range group.Specs {
		if value, ok := spec.(*ast.ValueSpec); ok && value.Pos() <= pos && pos < value.End() {
			return value.Names[0].Name
		}
	}
	return "?"
}
