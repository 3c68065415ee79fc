package templates_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/patdesk/patdesk/templates"
)

// call is one use of a message in a page.
type call struct {
	page, key string
	values    []string // names of the placeholders that are filled
}

// pageCalls are all uses of messages in the pages.
func pageCalls(t *testing.T) []call {
	t.Helper()
	var calls []call
	for _, pattern := range []string{"layout.html", "partials/*.html", "pages/*.html"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range names {
			calls = append(calls, callsIn(t, name)...)
		}
	}
	return calls
}

func callsIn(t *testing.T, page string) []call {
	t.Helper()
	source, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tree, parts := parse.New(page), map[string]*parse.Tree{}
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(string(source), "", "", parts); err != nil {
		t.Fatal(err)
	}
	var calls []call
	for _, part := range parts {
		inspect(part.Root, func(c *parse.CommandNode) {
			function, ok := c.Args[0].(*parse.IdentifierNode)
			if !ok || function.Ident != "t" && function.Ident != "counted" {
				return
			}
			key, ok := c.Args[1].(*parse.StringNode)
			if !ok {
				t.Errorf("%s: the key of %s is put together", page, c)
				return
			}
			one := call{page: page, key: key.Text}
			if function.Ident == "counted" {
				one.values = []string{"Count"}
			}
			for i := 2; i < len(c.Args); i += 2 {
				name, ok := c.Args[i].(*parse.StringNode)
				if !ok {
					t.Errorf("%s: the name of a placeholder of %s is put together", page, c)
					return
				}
				one.values = append(one.values, name.Text)
			}
			calls = append(calls, one)
		})
	}
	return calls
}

// inspect shows every command of a template to visit.
func inspect(node parse.Node, visit func(*parse.CommandNode)) {
	branch := func(b *parse.BranchNode) {
		inspect(b.Pipe, visit)
		inspect(b.List, visit)
		if b.ElseList != nil {
			inspect(b.ElseList, visit)
		}
	}
	switch node := node.(type) {
	case *parse.ListNode:
		for _, one := range node.Nodes {
			inspect(one, visit)
		}
	case *parse.ActionNode:
		inspect(node.Pipe, visit)
	case *parse.TemplateNode:
		if node.Pipe != nil {
			inspect(node.Pipe, visit)
		}
	case *parse.IfNode:
		branch(&node.BranchNode)
	case *parse.WithNode:
		branch(&node.BranchNode)
	case *parse.RangeNode:
		branch(&node.BranchNode)
	case *parse.PipeNode:
		for _, one := range node.Cmds {
			visit(one)
			for _, argument := range one.Args {
				inspect(argument, visit)
			}
		}
	}
}

var placeholder = regexp.MustCompile(`\.([A-Z][A-Za-z]*)\b`)

// A page gives a message what it asks for: no value is left out, and none is given in vain.
func TestPagesFillTheirMessages(t *testing.T) {
	t.Parallel()
	for _, c := range pageCalls(t) {
		if !slices.Contains(english.Keys(), c.key) {
			t.Errorf("%s: there is no message %q", c.page, c.key)
			continue
		}
		asked := map[string]bool{}
		for _, form := range english.Forms(c.key) {
			for _, m := range placeholder.FindAllStringSubmatch(form, -1) {
				asked[m[1]] = true
			}
			if len(english.Forms(c.key)) > 1 {
				asked["Count"] = true
			}
		}
		given := slices.Compact(slices.Sorted(slices.Values(c.values)))
		if wanted := slices.Sorted(maps.Keys(asked)); !slices.Equal(given, wanted) {
			t.Errorf("%s: %s asks for %q and gets %q", c.page, c.key, wanted, given)
		}
	}
}

// A message of a page stands in attributes, too: quotes are typographic, or written &quot;.
//
// Messages are of few tags: what a translator has to keep. Whatever needs more stands in the page.
func TestMessagesHaveFewTags(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, c := range pageCalls(t) {
		used[c.key] = true
	}
	allowed := regexp.MustCompile(`^</?(strong|b|bdi|code|span|a|time)>$|^<span class="(visually-hidden|nowrap)">$|^<a href="\{\{\.(URL|CSV|JSON)\}\}"( download)?>$|^<span lang="en" translate="no">$|^<time datetime="\{\{\.ISO\}\}">$`)
	for _, w := range templates.Offered() {
		for _, key := range w.Keys() {
			for _, form := range w.Forms(key) {
				if used[key] && strings.Contains(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(form, ""), `"`) {
					t.Errorf("%s: %s has a quote", w.Language(), key)
				}
				for _, tag := range regexp.MustCompile(`<[^>]*>?|&\w*;?`).FindAllString(form, -1) {
					if plain := tag == "&" && !used[key]; !plain && (!used[key] || !allowed.MatchString(tag)) {
						t.Errorf("%s: %s has %s", w.Language(), key, tag)
					}
				}
			}
		}
	}
}
