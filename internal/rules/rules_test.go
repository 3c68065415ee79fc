// Package rules holds the walls between the packages as a test: who may import whom, what has only one user, and what
// no test may do. A rule that is only written down is broken by the first person in a hurry; each of these says why it
// is there when it fails.
package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/patdesk/patdesk"

// imports says which packages of ours the program's files of a package may import. Tests may import any. A package that
// isn't here may import none: what stands on its own can be read, tested and replaced on its own.
var imports = map[string][]string{
	".": {"config", "internal/app", "internal/preflight", "internal/systemd"},
	"internal/app": { // the only one that wires
		"config", "handlers", "handlers/web",
		"internal/audit", "internal/azuredevops", "internal/backing", "internal/batch", "internal/calendar", "internal/entra", "internal/metrics", "internal/operation",
		"internal/session", "internal/simulator", "internal/systemd", "internal/tracing", "internal/vault", "templates",
	},
	"internal/backing":   {"config", "internal/azuretoken", "internal/batch", "internal/entra", "internal/keyvault", "internal/operation", "internal/session", "internal/session/redisstore"},
	"internal/preflight": {"config", "internal/backing", "internal/entra", "internal/network", "internal/session", "internal/session/redisstore"},
	"handlers": {
		"handlers/account", "handlers/bulk", "handlers/changes", "handlers/globaltokens", "handlers/overview", "handlers/signin", "handlers/tokens",
		"handlers/web", "handlers/web/outcome", "static", "internal/calendar", "internal/inventory", "internal/operation",
	},
	"handlers/web": {
		"templates", "internal/audit", "internal/azuredevops", "internal/batch", "internal/calendar", "internal/entra", "internal/failure", "internal/formid",
		"internal/inventory", "internal/limit", "internal/operation", "internal/plaintext", "internal/session", "internal/vault",
	},
	"handlers/web/outcome":   {"handlers/web", "templates", "internal/azuredevops", "internal/batch", "internal/operation", "internal/plaintext", "internal/vault"},
	"handlers/web/tokenform": {"handlers/web", "templates", "internal/azuredevops", "internal/failure", "internal/operation", "internal/vault"},
	"handlers/web/tokenlist": {"handlers/web", "templates", "internal/azuredevops", "internal/batch", "internal/inventory", "internal/operation"},
	// Areas of pages: none knows another.
	"handlers/account": {
		"handlers/web", "templates", "internal/audit", "internal/azuredevops", "internal/calendar", "internal/entra", "internal/inventory",
		"internal/plaintext", "internal/session",
	},
	"handlers/bulk": {
		"handlers/web", "handlers/web/outcome", "handlers/web/tokenform", "handlers/web/tokenlist", "templates",
		"internal/azuredevops", "internal/batch", "internal/entra", "internal/failure", "internal/inventory", "internal/operation", "internal/session",
	},
	"handlers/changes": {"handlers/web", "handlers/web/outcome", "templates", "internal/batch", "internal/failure", "internal/operation"},
	"handlers/globaltokens": {
		"handlers/web", "handlers/web/outcome", "handlers/web/tokenform", "handlers/web/tokenlist", "templates",
		"internal/azuredevops", "internal/inventory", "internal/operation", "internal/plaintext",
	},
	"handlers/overview": {"handlers/web", "handlers/web/outcome", "handlers/web/tokenlist", "templates", "internal/azuredevops", "internal/inventory"},
	"handlers/signin": {
		"handlers/web", "templates", "internal/audit", "internal/batch", "internal/entra", "internal/failure", "internal/inventory", "internal/operation", "internal/session",
	},
	"handlers/tokens": {
		"handlers/web", "handlers/web/outcome", "handlers/web/tokenform", "handlers/web/tokenlist", "templates",
		"internal/azuredevops", "internal/inventory", "internal/operation", "internal/plaintext", "internal/vault",
	},
	"templates":                   {"static"},
	"internal/audit":              {"internal/azuredevops", "internal/failure", "internal/operation", "internal/plaintext", "internal/session"},
	"internal/azuredevops":        {"internal/network"},
	"internal/entra":              {"internal/network"},
	"internal/batch":              {"internal/azuredevops", "internal/failure", "internal/formid", "internal/operation", "internal/session", "internal/vault"},
	"internal/calendar":           {"internal/session"},
	"internal/failure":            {"internal/azuredevops", "internal/entra", "internal/session", "internal/vault"},
	"internal/formid":             {"internal/session"},
	"internal/inventory":          {"internal/azuredevops"},
	"internal/operation":          {"internal/azuredevops", "internal/failure", "internal/formid", "internal/session", "internal/vault"},
	"internal/session/redisstore": {"internal/session"},
	"internal/vault":              {"internal/network"},
}

// everywhere is what any package may import: it says nothing about what the package is for.
var everywhere = []string{"internal/panics"}

// single is something that few may use.
type single struct {
	path   string // import path, or the beginning of it
	by     []string
	tests  bool // tests may use it as well
	reason string
}

var singles = []single{
	{
		"github.com/AzureAD/microsoft-authentication-library-for-go", []string{"internal/entra/"}, false,
		"MSAL's errors and caches hold secrets; internal/entra is the one place that knows how to handle them",
	},
	{
		"github.com/Azure/azure-sdk-for-go", []string{"internal/azuretoken/", "internal/keyvault/", "internal/vault/"}, false,
		"the SDK's errors hold whole answers; internal/azuretoken and internal/keyvault, for the app, and internal/vault, for people, know how to handle them",
	},
	{
		"github.com/redis/go-redis", []string{"internal/session/redisstore/"}, false,
		"the rest of the program knows a store, not a product; whoever needs no Redis finds all of it in one folder",
	},
	{
		"github.com/prometheus", []string{"internal/metrics/", "internal/calendar/metrics.go"}, true,
		"the rest of the program says what happens, not who counts it; labels are bounded in one place. What a person owns is no such count",
	},
	{
		"go.opentelemetry.io", []string{"internal/tracing/"}, true,
		"what a span may say is decided in one place, so that nothing secret can be in one",
	},
	{
		"github.com/arran4/golang-ical", []string{"internal/calendar/"}, false,
		"the rest of the program knows a calendar's words, not its file; tests read it with a parser of another kind",
	},
	{
		"github.com/gorilla/sessions", []string{"internal/session/"}, false,
		"internal/session is the only writer of the cookie",
	},
	{
		module + "/internal/simulator", []string{"internal/app/demo.go"}, true,
		"production code has no word for the simulator; internal/app/demo.go starts it, tests use it",
	},
	{
		"golang.org/x/sync/errgroup", []string{"internal/panics/"}, true,
		"a panic in one of its goroutines ends the process; use panics.Group",
	},
	{
		"golang.org/x/sync/singleflight", []string{"internal/panics/"}, true,
		"it throws a panic again in a goroutine of its own, which ends the process; use panics.Flights",
	},
	{
		"golang.org/x/text", []string{"templates/"}, true,
		"what depends on a language is decided where the sentences are; the rest of the program asks templates.Words",
	},
	{
		"github.com/nicksnyder/go-i18n", []string{"templates/"}, false,
		"only templates reads message files; the rest of the program asks templates.Words",
	},
	{
		"html/template", []string{"templates/", "internal/simulator/"}, false,
		"HTML is in templates, where it is checked against its data; the simulator plays somebody else's pages",
	},
}

// source is one parsed file.
type source struct {
	name string // path within the repository
	fset *token.FileSet
	file *ast.File
}

// test says that the file is only for tests.
func (s source) test() bool {
	return strings.HasSuffix(s.name, "_test.go") || forTests(path.Dir(s.name))
}

// forTests says that the package in that folder is only for tests.
func forTests(folder string) bool {
	return strings.HasSuffix(folder, "test") || strings.HasSuffix(folder, "/testkit") || strings.HasPrefix(folder, "test/")
}

// The tree keeps the rules.
func TestRules(t *testing.T) {
	sources, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(sources, func(s source) bool { return s.name == "internal/rules/rules_test.go" }) {
		t.Fatal("this file isn't in the tree that was read")
	}
	for _, fault := range faults(sources) {
		t.Error(fault)
	}
}

// load parses the Go files of the tree.
func load(tree fs.FS) ([]source, error) {
	var sources []source
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		s := source{name: name, fset: token.NewFileSet()}
		s.file, err = parser.ParseFile(s.fset, name, content, parser.SkipObjectResolution)
		sources = append(sources, s)
		return err
	})
	return sources, err
}

// faults returns where the rules are broken.
func faults(sources []source) []string {
	var found []string
	for _, s := range sources {
		for _, i := range s.file.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				continue
			}
			if reason := s.mayImport(imported); reason != "" {
				found = append(found, fmt.Sprintf("%s: imports %s: %s", s.fset.Position(i.Pos()), imported, reason))
			}
		}
		if s.test() {
			found = append(found, s.shirking()...)
		} else if !s.within("internal/panics/") {
			found = append(found, s.uncontained()...)
		}
	}
	return append(found, oversized(sources)...)
}

const (
	mostMethods = 30   // of a type of handlers: what does more is several things
	mostLines   = 1500 // of an area of pages
)

// oversized returns types of handlers and areas of pages that have grown too large to be one thing.
func oversized(sources []source) []string {
	methods, lines, at := map[string]int{}, map[string]int{}, map[string]string{}
	for _, s := range sources {
		if s.test() || !s.within("handlers/") {
			continue
		}
		dir := path.Dir(s.name)
		if dir != "handlers" && !strings.HasPrefix(dir, "handlers/web") {
			lines[dir] += s.fset.File(s.file.Pos()).LineCount()
			at[dir] = s.name
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
				of := dir + "." + receiver(f)
				methods[of]++
				at[of] = s.fset.Position(f.Pos()).String()
			}
		}
	}
	var found []string
	for of, n := range methods {
		if n > mostMethods {
			found = append(found, fmt.Sprintf("%s: %s has %d methods: more than %d are several things in one; take one of them out", at[of], of, n, mostMethods))
		}
	}
	for dir, n := range lines {
		if n > mostLines {
			found = append(found, fmt.Sprintf("%s: %s has %d lines: an area above %d is two; split it", at[dir], dir, n, mostLines))
		}
	}
	return found
}

// receiver names the type that a method belongs to.
func receiver(f *ast.FuncDecl) string {
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// mayImport returns why the file may not import that, "" if it may.
func (s source) mayImport(imported string) string {
	for _, only := range singles {
		allowed := only.tests && s.test() || slices.ContainsFunc(only.by, s.within)
		if beneath(imported, only.path) && !allowed {
			return only.reason
		}
	}
	ours, ok := strings.CutPrefix(imported, module+"/")
	if !ok || s.test() {
		return ""
	}
	if forTests(ours) {
		return "testkit, and a package whose name ends in test, is for tests"
	}
	if dir := path.Dir(s.name); !slices.Contains(imports[dir], ours) && !slices.Contains(everywhere, ours) {
		return dir + " must not know it; data flows one way (docs/architecture.md). If that has to change, say so in internal/rules"
	}
	return ""
}

// within says that the file is place, or in it if that ends in a slash.
func (s source) within(place string) bool {
	return s.name == place || strings.HasSuffix(place, "/") && strings.HasPrefix(s.name, place)
}

func beneath(imported, root string) bool {
	return imported == root || strings.HasPrefix(imported, root+"/")
}

// shirking returns where a test is left out or waits by sleeping.
func (s source) shirking() []string {
	const (
		skips  = "a test that is skipped tells nothing; let it run everywhere, or take it out"
		sleeps = "a test that sleeps is slow on a fast machine and fails on a slow one; wait for what happens, or hand in a clock"
	)
	var found []string
	add := func(call *ast.SelectorExpr, reason string) {
		found = append(found, fmt.Sprintf("%s: calls %s: %s", s.fset.Position(call.Pos()), call.Sel.Name, reason))
	}
	s.calls(func(call *ast.SelectorExpr) bool {
		if slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, call.Sel.Name) {
			add(call, skips)
		}
		return true
	})
	s.calls(func(call *ast.SelectorExpr) bool {
		if call.Sel.Name == "Sleep" && s.names(call.X, "time") {
			add(call, sleeps)
		}
		ownTime := call.Sel.Name == "Test" && s.names(call.X, "testing/synctest")
		return !ownTime // in there sleeping takes no time
	})
	return found
}

// uncontained returns where a goroutine is started in which a panic would end the process.
func (s source) uncontained() []string {
	const reason = "a panic there ends the process, and whoever waits gets no answer; start it with internal/panics"
	var found []string
	add := func(at token.Pos, what string) {
		found = append(found, fmt.Sprintf("%s: %s: %s", s.fset.Position(at), what, reason))
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n.Pos(), "starts a goroutine")
		case *ast.SelectorExpr:
			if n.Sel.Name == "WaitGroup" && s.names(n.X, "sync") {
				add(n.Pos(), "uses sync.WaitGroup")
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "AfterFunc" && !s.harmless(n.Args) {
				add(n.Pos(), "calls AfterFunc")
			}
		}
		return true
	})
	return found
}

// harmless says that the function among the arguments of AfterFunc only ends a context, or is contained.
func (s source) harmless(args []ast.Expr) bool {
	if len(args) != 2 {
		return false
	}
	switch f := args[1].(type) {
	case *ast.Ident:
		return f.Name == "stop" || f.Name == "cancel"
	case *ast.FuncLit:
		if len(f.Body.List) != 1 {
			return false
		}
		statement, ok := f.Body.List[0].(*ast.ExprStmt)
		if !ok {
			return false
		}
		call, ok := statement.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		return ok && selector.Sel.Name == "Contain" && s.names(selector.X, module+"/internal/panics")
	}
	return false
}

// calls visits all calls of the form x.f(…), and what is inside those for which visit returns true.
func (s source) calls(visit func(*ast.SelectorExpr) bool) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
				return visit(selector)
			}
		}
		return true
	})
}

// names says that x is the name under which the file has imported that package.
func (s source) names(x ast.Expr, imported string) bool {
	id, ok := x.(*ast.Ident)
	if !ok {
		return false
	}
	for _, i := range s.file.Imports {
		if i.Path.Value != strconv.Quote(imported) {
			continue
		}
		if i.Name != nil {
			return id.Name == i.Name.Name
		}
		return id.Name == path.Base(imported)
	}
	return false
}

// Each rule finds what breaks it, and nothing else.
func TestFaults(t *testing.T) {
	const (
		msal = "github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
		self = module + "/internal/"
	)
	importing := func(p string) string { return "package p\nimport _ \"" + p + "\"\n" }
	body := func(imports, statements string) string {
		return "package p\nimport (" + imports + ")\nfunc f() {\n" + statements + "\n}\n"
	}
	for _, test := range []struct {
		name, content string
		faults        int
	}{
		{"handlers/web/a.go", importing(self + "azuredevops"), 0},
		{"handlers/a.go", importing(module + "/handlers/tokens"), 0},
		{"handlers/tokens/a.go", importing(module + "/handlers/web"), 0},
		{"handlers/tokens/a.go", importing(module + "/handlers/overview"), 1},
		{"handlers/bulk/a.go", importing(module + "/handlers"), 1},
		{"handlers/web/a.go", importing(module + "/handlers/tokens"), 1},
		{"handlers/web/a.go", importing(module + "/handlers/web/tokenlist"), 1},
		{"internal/app/a.go", importing(module + "/handlers/tokens"), 1},
		{"internal/operation/a.go", importing(module + "/handlers/web"), 1},
		{"handlers/tokens/a.go", "package p\ntype a int\n" + strings.Repeat("func (*a) b() {}\n", 30), 0},
		{"handlers/tokens/a.go", "package p\ntype a int\n" + strings.Repeat("func (*a) b() {}\n", 31), 1},
		{"handlers/web/a.go", "package p\ntype a int\n" + strings.Repeat("func (a) b() {}\n", 31), 1},
		{"handlers/tokens/a.go", "package p\n" + strings.Repeat("\n", 1499), 0},
		{"handlers/tokens/a.go", "package p\n" + strings.Repeat("\n", 1500), 1},
		{"handlers/tokens/a_test.go", "package p\n" + strings.Repeat("\n", 2000), 0},
		{"handlers/web/a.go", "package p\n" + strings.Repeat("\n", 2000), 0},
		{"handlers/a.go", importing(self + "simulator"), 1},
		{"handlers/a.go", importing(module + "/config"), 1},
		{"handlers/a_test.go", importing(self + "simulator"), 0},
		{"handlers/a_test.go", importing(module + "/config"), 0},
		{"handlers/deep/a.go", importing(self + "azuredevops"), 1},
		{"main.go", importing(self + "app"), 0},
		{"main.go", importing(module + "/handlers"), 1},
		{"main.go", importing(self + "simulator"), 1},
		{"internal/app/app.go", importing(module + "/handlers"), 0},
		{"internal/app/app.go", importing(self + "simulator"), 1},
		{"internal/app/demo.go", importing(self + "simulator"), 0},
		{"cmd/demo.go", importing(self + "simulator"), 1},
		{"internal/preflight/a.go", importing(self + "app"), 1},
		{"internal/preflight/a.go", importing(module + "/handlers"), 1},
		{"internal/app/a.go", importing(self + "testkit"), 1},
		{"internal/app/a_test.go", importing(self + "testkit"), 0},
		{"internal/testkit/a.go", importing(self + "simulator"), 0},
		{"internal/testkit/a.go", body(`"time"`, `time.Sleep(1)`), 1},
		{"internal/azuredevops/a.go", importing(self + "entra"), 1},
		{"internal/entra/a.go", importing(self + "azuredevops"), 1},
		{"internal/session/a.go", importing(module + "/config"), 1},
		{"internal/simulator/a.go", importing(self + "azuredevops"), 1},
		{"internal/operation/a.go", importing(self + "session"), 0},
		{"internal/operation/a.go", importing(self + "entra"), 1},
		{"config/a.go", importing(self + "session"), 1},
		{"static/a.go", importing(module + "/templates"), 1},
		{"templates/a.go", importing(module + "/static"), 0},
		{"templates/a.go", importing(module + "/handlers"), 1},
		{"internal/brandnew/a.go", importing(self + "session"), 1},
		{"internal/session/sessiontest/a.go", importing(self + "session"), 0},
		{"internal/session/a.go", importing(self + "session/sessiontest"), 1},
		{"main.go", importing(self + "webtest"), 1},
		{"test/browser/a_test.go", importing(self + "webtest"), 0},

		{"internal/entra/a.go", importing(msal), 0},
		{"internal/entra/a_test.go", importing(msal), 0},
		{"internal/entrance/a.go", importing(msal), 1},
		{"handlers/a_test.go", importing(msal), 1},
		{"internal/session/a.go", importing("github.com/gorilla/sessions"), 0},
		{"handlers/a.go", importing("github.com/gorilla/sessions"), 1},
		{"handlers/a_test.go", importing("github.com/gorilla/sessions"), 1},
		{"templates/a.go", importing("html/template"), 0},
		{"handlers/a.go", importing("html/template"), 1},
		{"handlers/a.go", importing("text/template"), 0},

		{"handlers/a_test.go", body(``, `t.Skip("later")`), 1},
		{"handlers/a_test.go", body(``, `if x { b.Skipf("%d", 1) }; t.SkipNow()`), 2},
		{"handlers/a_test.go", body(``, `t.Run("a", func(t *T) { t.Skip() })`), 1},
		{"handlers/a_test.go", body(`"testing/synctest"`, `synctest.Test(t, func(t *T) { t.Skip() })`), 1},
		{"handlers/a_test.go", body(`"time"`, `time.Sleep(1)`), 1},
		{"handlers/a_test.go", body(`clock "time"`, `go func() { clock.Sleep(1) }()`), 1},
		{"handlers/a_test.go", body(`"time"`, `clock.Sleep(1); time.After(1)`), 0},
		{"handlers/a_test.go", body(`"time"; "testing/synctest"`, `synctest.Test(t, func(t *T) { time.Sleep(1) })`), 0},
		{"internal/webtest/a.go", body(`"time"`, `time.Sleep(1)`), 1},
		{"handlers/a.go", body(`"time"`, `time.Sleep(1)`), 0},

		{"handlers/a.go", body(``, `go f()`), 1},
		{"handlers/a.go", body(``, `func() { go func() {}() }()`), 1},
		{"handlers/a_test.go", body(``, `go f()`), 0},
		{"internal/session/sessiontest/a.go", body(``, `go f()`), 0},
		{"internal/panics/a.go", body(``, `go f()`), 0},
		{"handlers/a.go", body(`"sync"`, `var wg sync.WaitGroup; wg.Go(f)`), 1},
		{"handlers/a.go", body(`s "sync"`, `wg := &s.WaitGroup{}; wg.Go(f)`), 1},
		{"handlers/a.go", body(`"sync"`, `var mu sync.Mutex; mu.Lock()`), 0},
		{"handlers/a.go", importing("golang.org/x/sync/errgroup"), 1},
		{"handlers/a.go", importing("golang.org/x/sync/singleflight"), 1},
		{"handlers/a.go", body(`"time"`, `time.AfterFunc(1, f)`), 1},
		{"handlers/a.go", body(`"time"`, `time.AfterFunc(1, func() { f() })`), 1},
		{"handlers/a.go", body(`"context"`, `context.AfterFunc(ctx, stop)`), 0},
		{"handlers/a.go", body(`"time"; "`+module+`/internal/panics"`, `time.AfterFunc(1, func() { panics.Contain(l, "", f) })`), 0},
		{"handlers/a.go", body(`"time"; "`+module+`/internal/panics"`, `time.AfterFunc(1, func() { panics.Contain(l, "", f); f() })`), 1},
		{"static/a.go", importing(self + "panics"), 0},

		{"testdata/a_test.go", body(``, `t.Skip()`), 0},
		{".hidden/a_test.go", body(``, `t.Skip()`), 0},
	} {
		sources, err := load(fstest.MapFS{test.name: {Data: []byte(test.content)}})
		if err != nil {
			t.Fatal(err)
		}
		found := faults(sources)
		if len(found) != test.faults {
			t.Errorf("%s: %s\nfaults %q, want %d", test.name, test.content, found, test.faults)
		}
		for _, f := range found {
			if !strings.HasPrefix(f, test.name+":") || strings.Count(f, ": ") < 2 {
				t.Errorf("a fault without place or reason: %s", f)
			}
		}
	}
}
