package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

// The forms for issues are what GitHub takes (https://docs.github.com/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema),
// and whoever found a weakness is led away from a public one.
func TestIssueForms(t *testing.T) {
	const reporting = "/security/advisories/new"
	for _, path := range files(t, "../.github/ISSUE_TEMPLATE", ".yml") {
		form := load(t, path)[0]
		if filepath.Base(path) == "config.yml" {
			if form.at("blank_issues_enabled").value != false || !strings.HasSuffix(form.at("contact_links", 0, "url").text(), reporting) {
				t.Errorf("%s: %v", path, form)
			}
			continue
		}
		ids, asks := map[string]bool{}, false
		for _, field := range form.at("body").list() {
			kind, id := field.at("type").text(), field.at("id").text()
			asks = asks || field.at("validations", "required").value == true
			switch kind {
			case "markdown":
				if field.at("attributes", "value").text() == "" {
					t.Errorf("%s: an empty text", path)
				}
				continue
			case "dropdown":
				if len(field.at("attributes", "options").list()) < 2 {
					t.Errorf("%s: %s has nothing to choose", path, id)
				}
			case "textarea", "input":
			default:
				t.Errorf("%s: there is no field of type %q", path, kind)
			}
			if field.at("attributes", "label").text() == "" || id == "" || ids[id] {
				t.Errorf("%s: field %q has no label, no id, or that of another", path, id)
			}
			ids[id] = true
		}
		if form.at("name").text() == "" || form.at("description").text() == "" || !asks {
			t.Errorf("%s has no name, no description, or needs no answer", path)
		}
	}
	for _, path := range []string{"bug.yml", "question.yml"} {
		if !strings.Contains(read(t, "../.github/ISSUE_TEMPLATE/"+path), reporting) {
			t.Errorf("%s doesn't say where weaknesses are reported", path)
		}
	}
}

// Without being root nothing is installed: what is missing is named, with the line that installs it and what needs none.
func TestNothingIsInstalledUnasked(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	bin, scripts := filepath.Join(folder, "bin"), filepath.Join(folder, "scripts")
	testkit.Must(t, os.Mkdir(bin, 0o700))
	testkit.Must(t, os.Mkdir(scripts, 0o700))
	script := strings.Replace(read(t, "../scripts/test-deps"), `"command -v wrk `, `"command -v none-of-that-name `, 1)
	testkit.Must(t, os.WriteFile(filepath.Join(scripts, "test-deps"), []byte(script), 0o700))
	for name, does := range map[string]string{"id": "echo 1000", "sudo": "touch '" + folder + "/sudo'", "apt-get": "touch '" + folder + "/apt-get'"} {
		testkit.Must(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+does+"\n"), 0o700))
	}
	said, err := run(t, []string{"CI=", "PATH=" + bin + ":" + os.Getenv("PATH")}, filepath.Join(scripts, "test-deps"))
	for _, words := range []string{"missing here: wrk", "sudo apt-get install --no-install-recommends wrk", `"make quick" needs nothing but Go`} {
		if !strings.Contains(said, words) {
			t.Errorf("%s isn't said", words)
		}
	}
	if err == nil || t.Failed() {
		t.Errorf("%v\n%s", err, said)
	}
	for _, name := range []string{"sudo", "apt-get"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			t.Errorf("%s was run", name)
		}
	}
}
