package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mit = `MIT License

Copyright (c) 2026 somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

// A module goes into a release with all its licences and notices, and not at all without a licence that is known.
func TestLicencesIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files map[string]string
		want  string // files and ids, or the error
	}{
		"a licence":             {map[string]string{"LICENSE": mit, "license.go": "package a", "README.md": mit}, "LICENSE MIT"},
		"its other names":       {map[string]string{"Licence.md": mit, "COPYING.txt": mit}, "COPYING.txt MIT, Licence.md MIT"},
		"with a notice":         {map[string]string{"LICENSE": mit, "NOTICE": "by somebody"}, "LICENSE MIT, NOTICE "},
		"of a part":             {map[string]string{"LICENSE": mit, "part/LICENSE": mit, "testdata/LICENSE": mit}, "LICENSE MIT, part/LICENSE MIT"},
		"none":                  {map[string]string{"README.md": mit}, "no licence was found"},
		"an empty one":          {map[string]string{"LICENSE": "\n"}, "no licence was found"},
		"one that isn't known":  {map[string]string{"LICENSE": "ask me"}, "LICENSE isn't known"},
		"a notice, no licence":  {map[string]string{"NOTICE": mit}, "no licence was found"},
		"an unknown one beside": {map[string]string{"LICENSE": mit, "part/LICENSE": "ask me"}, "part/LICENSE isn't known"},
	} {
		dir := t.TempDir()
		for file, text := range test.files {
			path := filepath.Join(dir, filepath.FromSlash(file))
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		found, err := licencesIn(dir, true)
		var said []string
		for _, l := range found {
			said = append(said, l.file+" "+all(l.ids))
		}
		got := strings.Join(said, ", ")
		if err != nil {
			got = err.Error()
		}
		if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
