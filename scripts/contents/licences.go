package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/google/licenseclassifier/v2/assets"
)

// part is a module that is linked into the program, or Go's standard library.
type part struct {
	path, version string
	sum           string // what go.sum says of its files: SHA-256, in hex
	licences      []licence
}

// licence is a file with the terms of a part, or a notice that goes with them.
type licence struct {
	file string   // below the part's folder, with slashes
	ids  []string // of SPDX, none for notices
	text []byte
}

// ids are those of all licences, each once.
func (p part) ids() []string {
	var ids []string
	for _, l := range p.licences {
		ids = append(ids, l.ids...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func all(ids []string) string { return strings.Join(ids, " AND ") }

// linked are the parts that build info names, each with its licences.
func linked(info *debug.BuildInfo) ([]part, error) {
	std, err := standardLibrary(info.GoVersion)
	if err != nil {
		return nil, err
	}
	parts, args := []part{std}, []string{"mod", "download", "-json"}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil || len(sum) == 0 {
			return nil, fmt.Errorf("%s has no sum: %w", m.Path, err)
		}
		parts = append(parts, part{path: m.Path, version: m.Version, sum: hex.EncodeToString(sum)})
		args = append(args, m.Path+"@"+m.Version)
	}
	folders, err := folders(args)
	if err != nil {
		return nil, err
	}
	for i, p := range parts[1:] {
		if parts[i+1].licences, err = licencesIn(folders[p.path+"@"+p.version], true); err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
	}
	return parts, nil
}

func standardLibrary(version string) (part, error) {
	output, err := exec.Command("go", "env", "GOVERSION", "GOROOT").Output() //nolint:noctx // ends with the terminal's interrupt
	if err != nil {
		return part{}, err
	}
	words := strings.Fields(string(output))
	if len(words) != 2 || words[0] != version {
		return part{}, fmt.Errorf("this is %s, but the program was built with %s", words[0], version)
	}
	licences, err := licencesIn(words[1], false)
	return part{path: "std", version: strings.TrimPrefix(version, "go"), licences: licences}, err
}

// folders asks go for the folders of modules; it fetches those that aren't here.
func folders(args []string) (map[string]string, error) {
	cmd := exec.Command("go", args...) //nolint:noctx,gosec // modules of the program's own; ends with the terminal's interrupt
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	found := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(output)); err == nil; {
		var m struct{ Path, Version, Dir string }
		if err = d.Decode(&m); err == nil {
			found[m.Path+"@"+m.Version] = m.Dir
		}
	}
	if errors.Is(err, io.EOF) {
		return found, nil
	}
	return nil, err
}

var (
	terms  = regexp.MustCompile(`(?i)^(.+[-._])?(licen[sc]e|copying|unlicense)([-._].+)?$`)
	notice = regexp.MustCompile(`(?i)^(notice|patents|copyright|third[-_]party.*)([-._].+)?$`)
	// code in these languages may have such names, too
	source = regexp.MustCompile(`\.(go|sh|py|js|yml|yaml|json|tmpl)$`)
)

// licencesIn finds the licences and notices in a folder, with those in folders below if deep. There has
// to be a licence, and each that calls itself one has to be known.
func licencesIn(folder string, deep bool) ([]licence, error) {
	var found []licence
	known := false
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		name, below := d.Name(), path != folder
		switch {
		case err != nil:
			return err
		case d.IsDir() && below && (!deep || name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case d.IsDir() || source.MatchString(name) || !terms.MatchString(name) && !notice.MatchString(name):
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // G122: the module cache belongs to no one else
		if err != nil {
			return err
		}
		file, err := filepath.Rel(folder, path)
		l := licence{file: filepath.ToSlash(file), text: text}
		if terms.MatchString(name) {
			if l.ids, err = spdx(text); err != nil {
				return err
			}
			if known = known || l.ids != nil; l.ids == nil && len(bytes.TrimSpace(text)) > 0 {
				return fmt.Errorf("the licence %s isn't known; it can't be shipped", l.file)
			}
		}
		if len(bytes.TrimSpace(text)) > 0 {
			found = append(found, l)
		}
		return err
	})
	if err == nil && !known {
		err = errors.New("no licence was found that is known; it can't be shipped")
	}
	return found, err
}

var classifier = sync.OnceValues(assets.DefaultClassifier)

// spdx are the ids of the licences that a text has.
func spdx(text []byte) ([]string, error) {
	c, err := classifier()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, m := range c.Match(bytes.Clone(text)).Matches { // it writes into what it is given
		if m.MatchType == "License" {
			ids = append(ids, m.Name)
		}
	}
	return ids, nil
}

// notices are all licences' texts, one part after the other.
func notices(parts []part) []byte {
	var b bytes.Buffer
	b.WriteString("patdesk's program contains the following software of others. These are the terms under which it may be used, and the\n" +
		"notices that go with it. patdesk's own terms are in LICENSE.\n\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "  %s %s: %s\n", p.path, p.version, all(p.ids()))
	}
	for _, p := range parts {
		for _, l := range p.licences {
			fmt.Fprintf(&b, "\n%s\n%s %s, %s\n\n%s\n", strings.Repeat("=", 100), p.path, p.version, l.file, bytes.TrimRight(l.text, "\n"))
		}
	}
	return b.Bytes()
}
