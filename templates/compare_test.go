package templates_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// pagesDir is where every page is put in every state: "make pages". A change that should leave the pages as they are is
// shown by comparing the folders from before and after with diff -r.
var pagesDir = flag.String("pages", "", "folder for the HTML of every page in every state")

func TestWritePages(t *testing.T) {
	t.Parallel()
	dir := *pagesDir
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, s := range samples() {
		if err := os.WriteFile(filepath.Join(dir, s.page+"."+s.state+".html"), []byte(render(t, s.page, s.data)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
