package test

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
	wantTestsNamed(t, "docs/security.md", 80)
}

// Each test that docs/guarantees.md names is there, and where it says. Each of its sentences names one, each case has its
// row, and no test of a guarantee is left out.
func TestGuaranteesNameTheirTests(t *testing.T) {
	t.Parallel()
	doc := wantTestsNamed(t, "docs/guarantees.md", 80)
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
		if slices.Contains(folders, "guarantee") && !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("%s isn't named", name)
		}
	}
}

// declaredTests are the folders in which each test is declared; "guarantee" stands for our own files of that name.
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
			declared[name] = append(declared[name], filepath.ToSlash(folder))
			if folder == "test" && strings.HasPrefix(filepath.Base(path), "guarantee_") {
				declared[name] = append(declared[name], "guarantee")
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return declared
}

// wantTestsNamed checks a document that names tests, and returns it. A folder in parentheses is meant for the name before
// it.
func wantTestsNamed(t *testing.T, path string, least int) string {
	t.Helper()
	declared := declaredTests(t)
	doc := testkit.ReadFile(t, path)
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(doc, -1)
	if len(named) < least {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if len(declared[string(name[1])]) == 0 {
			t.Errorf("there is no %s", name[1])
		}
	}
	for _, group := range regexp.MustCompile("(`\\w+`(?:, `\\w+`)*) \\((handlers|internal/[\\w/]+|test|e2e)\\)").FindAllSubmatch(doc, -1) {
		names := strings.Split(strings.ReplaceAll(string(group[1]), "`", ""), ", ")
		last := names[len(names)-1]
		if !slices.Contains(declared[last], string(group[2])) {
			t.Errorf("%s isn't in %s but in %v", last, group[2], declared[last])
		}
	}
	return string(doc)
}
