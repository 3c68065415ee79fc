package rules

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/patdesk/patdesk/internal/testkit"
)

// pages are all Markdown files by their paths, without blocks of code, where nothing is a link.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	fenced := regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	err := filepath.WalkDir(testkit.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == "node_modules" || strings.HasPrefix(name, ".") && name != ".github" && path != testkit.Root) {
			return filepath.SkipDir
		}
		if !entry.IsDir() && filepath.Ext(name) == ".md" {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			inside, err := filepath.Rel(testkit.Root, path)
			found[filepath.ToSlash(inside)] = fenced.ReplaceAllString(string(text), "")
			return err
		}
		return nil
	})
	testkit.Must(t, err)
	if len(found) < 40 {
		t.Fatalf("only %d pages", len(found))
	}
	return found
}

var heading = regexp.MustCompile(`(?m)^#+ (.*)$`)

// anchors are the names of a page's headings, as GitHub makes them.
func anchors(page string) map[string]bool {
	names := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(page, -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(h[1]))
		names[name] = true
	}
	return names
}

var link = regexp.MustCompile(`\]\(([^()\s]+)\)`)

// Each link of a page to another file, and to a heading there, leads somewhere.
func TestPagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for name, page := range all {
		for _, l := range link.FindAllStringSubmatch(page, -1) {
			target, anchor, _ := strings.Cut(l[1], "#")
			if strings.Contains(target, ":") {
				continue // another site's
			}
			path := name
			if target != "" {
				path = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if _, err := os.Stat(filepath.Join(testkit.Root, path)); err != nil {
				t.Errorf("%s: %s leads nowhere", name, l[1])
			} else if anchor != "" && !anchors(all[path])[anchor] {
				t.Errorf("%s: %s has no heading %q", name, path, anchor)
			}
		}
	}
}

// The page of all pages has each of docs/ and of deploy/.
func TestEveryPageIsFound(t *testing.T) {
	t.Parallel()
	all := pages(t)
	linked := map[string]bool{"docs/README.md": true}
	for _, l := range link.FindAllStringSubmatch(all["docs/README.md"], -1) {
		linked[filepath.ToSlash(filepath.Join("docs", l[1]))] = true
	}
	for name := range all {
		if folder := filepath.Dir(name); (folder == "docs" || strings.HasPrefix(name, "deploy/") && filepath.Base(name) == "README.md") && !linked[name] {
			t.Errorf("docs/README.md doesn't lead to %s", name)
		}
	}
}

// The first screen stays one: whoever looks for more finds it in docs/.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	readme := testkit.ReadFile(t, "README.md")
	if n := len(strings.Fields(string(readme))); n >= 900 {
		t.Errorf("README.md has %d words, want less than 900", n)
	}
}
