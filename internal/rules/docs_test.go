package rules

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

// Each test that docs/security.md names is there, and where it says.
func TestSecurityPromisesNameTheirTests(t *testing.T) {
	t.Parallel()
	wantTestsNamed(t, "docs/security.md", "test/security", 80)
}

// Each test that docs/guarantees.md names is there, and where it says. Each of its sentences names one, each case has
// its row, and no test of a guarantee is left out.
func TestGuaranteesNameTheirTests(t *testing.T) {
	t.Parallel()
	doc := wantTestsNamed(t, "docs/guarantees.md", "test/guarantees", 80)
	cases := map[string]bool{}
	for line := range strings.Lines(doc) {
		cells := strings.Split(line, "|")
		if !strings.HasPrefix(line, "| ") || strings.Contains(line, "| shown by |") {
			continue
		}
		if !strings.Contains(cells[len(cells)-2], "`Test") {
			t.Errorf("no test is named in %s", line)
		}
		cases[strings.TrimSpace(cells[1])] = true
	}
	for prefix, last := range map[string]int{"F": 17, "U": 8} {
		for n := 1; n <= last; n++ {
			if name := fmt.Sprint(prefix, n); !cases[name] {
				t.Errorf("case %s is missing", name)
			}
		}
	}
	for name, folders := range declaredTests(t) {
		if slices.Contains(folders, "test/guarantees") && !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("%s isn't named", name)
		}
	}
}

// declaredTests are the folders in which each test is declared.
func declaredTests(t *testing.T) map[string][]string {
	t.Helper()
	declared := map[string][]string{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(testkit.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		folder, _ := filepath.Rel(testkit.Root, filepath.Dir(path)) // it is below
		content, err := os.ReadFile(path)
		for _, found := range function.FindAllSubmatch(content, -1) {
			name := string(found[1])
			if name == "TestMain" {
				continue
			}
			declared[name] = append(declared[name], filepath.ToSlash(folder))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return declared
}

// wantTestsNamed checks a document that names tests, and returns it. A folder in parentheses is that of the names before
// it, as far as they aren't in the document's own folder.
func wantTestsNamed(t *testing.T, path, own string, least int) string {
	t.Helper()
	declared := declaredTests(t)
	doc := string(testkit.ReadFile(t, path))
	words, named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`|\\(((?:handlers|internal|test)(?:/\\w+)*)\\)|\\|"), 0
	var before []string // names whose folder wasn't said yet
	settle := func(folder string) {
		for i, name := range before {
			last := i == len(before)-1 && folder != ""
			if !slices.Contains(declared[name], folder) && (last || !slices.Contains(declared[name], own)) {
				t.Errorf("%s: %s isn't in %q but in %v", path, name, folder, declared[name])
			}
		}
		before = nil
	}
	for _, found := range words.FindAllStringSubmatch(doc, -1) {
		switch {
		case found[1] != "":
			before, named = append(before, found[1]), named+1
		case found[2] != "" && len(before) > 0:
			settle(found[2])
		case found[0] == "|":
			settle("")
		}
	}
	if named < least {
		t.Errorf("only %d tests are named", named)
	}
	return doc
}
