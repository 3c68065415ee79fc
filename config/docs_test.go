package config_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/config"
)

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The example names each setting once, with its default, and no other.
func TestExampleNamesEverySetting(t *testing.T) {
	found := map[string]string{}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^(?:# ?)?([A-Z][A-Z_]+)=(.*)$`).FindAllStringSubmatch(read(t, "../.env.example"), -1) {
		names = append(names, m[1])
		found[m[1]] = m[2]
	}
	want := config.Names()
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf(".env.example has\n%v, want\n%v", names, want)
	}
	for _, s := range config.Settings() {
		if s.Default != "" && s.Name != "AUTHORITY" && found[s.Name] != s.Default {
			t.Errorf(".env.example says %s=%s, want %s", s.Name, found[s.Name], s.Default)
		}
	}
}

// Copied and left as it is, the example asks for what only its reader can know.
func TestExampleUnfilled(t *testing.T) {
	_, faults := loadFile(t, nil, dotenv(t, read(t, "../.env.example")))
	var got []string
	for _, f := range faults {
		got = append(got, f.Setting+" "+f.Problem)
	}
	equal(t, strings.Join(got, "; "), `CLIENT_ID is not set; CLIENT_SECRET is not set; AUTHORITY still holds the placeholder "<tenant ID>"`)
}

// The reference has one row for each setting, with its default, and for no other.
func TestReferenceNamesEverySetting(t *testing.T) {
	_, section, _ := strings.Cut(read(t, "../docs/configuration.md"), "\n## Settings\n")
	section, _, _ = strings.Cut(section, "\n## ")
	defaults := map[string]string{}
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[A-Z][^|]*) \\| ([^|]*) \\|").FindAllStringSubmatch(section, -1) {
		for _, name := range strings.Split(row[1], ", ") {
			names = append(names, strings.Trim(name, "`"))
		}
		defaults[strings.Trim(strings.Split(row[1], ", ")[0], "`")] = strings.Trim(row[2], "`")
	}
	want := config.Names()
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("docs/configuration.md has\n%v, want\n%v", names, want)
	}
	for _, s := range config.Settings() {
		if s.Default != "" && defaults[s.Name] != s.Default {
			t.Errorf("docs/configuration.md says that %s is %q by default, want %q", s.Name, defaults[s.Name], s.Default)
		}
	}
}

// Every module that we use by ourselves has a line saying why, and no other has one.
func TestDependenciesAreExplained(t *testing.T) {
	direct, _, _ := strings.Cut(read(t, "../go.mod"), "\n)")
	var used []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v`).FindAllStringSubmatch(direct, -1) {
		used = append(used, m[1])
	}
	var explained []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(read(t, "../docs/dependencies.md"), -1) {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			explained = append(explained, m[1])
		}
	}
	slices.Sort(used)
	slices.Sort(explained)
	if !slices.Equal(used, explained) {
		t.Errorf("docs/dependencies.md explains\n%v, go.mod has\n%v", explained, used)
	}
}

// Each number of Entra ID's that decides what people see is explained to operators, who will search for it.
func TestOperatorsFindNumbers(t *testing.T) {
	_, table, _ := strings.Cut(read(t, "../internal/entra/errors.go"), "var kindsByNumber = ")
	table, _, _ = strings.Cut(table, "\n}\n")
	numbers := regexp.MustCompile(`"(\d{5,})"`).FindAllStringSubmatch(table, -1)
	if len(numbers) < 20 {
		t.Fatalf("only %d numbers were found", len(numbers))
	}
	page := read(t, "../docs/troubleshooting.md")
	for _, n := range numbers {
		between := n[1] >= "53000" && n[1] <= "53004" && len(n[1]) == 5
		if !between && !strings.Contains(page, "`AADSTS"+n[1]+"`") {
			t.Errorf("docs/troubleshooting.md doesn't say what AADSTS%s means", n[1])
		}
	}
}
