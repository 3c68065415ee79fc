package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each test that docs/security.md names is there, and where it says.
func TestSecurityPromisesNameTheirTests(t *testing.T) {
	t.Parallel()
	declared := map[string][]string{} // folders by test
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		for _, found := range function.FindAllSubmatch(content, -1) {
			declared[string(found[1])] = append(declared[string(found[1])], filepath.ToSlash(filepath.Dir(path)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(doc, -1)
	if len(named) < 80 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if len(declared[string(name[1])]) == 0 {
			t.Errorf("there is no %s", name[1])
		}
	}
	for _, group := range regexp.MustCompile("(`\\w+`(?:, `\\w+`)*) \\((handlers|internal/\\w+|e2e)\\)").FindAllSubmatch(doc, -1) {
		names := strings.Split(strings.ReplaceAll(string(group[1]), "`", ""), ", ")
		last := names[len(names)-1]
		if !strings.Contains(" "+strings.Join(declared[last], " ")+" ", " "+string(group[2])+" ") {
			t.Errorf("%s isn't in %s but in %v", last, group[2], declared[last])
		}
	}
}
