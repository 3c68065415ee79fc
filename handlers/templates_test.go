package handlers

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/templates"
)

// Each area checks the templates of its pages (testkit.FitTemplates); none is left out.
func TestEveryTemplateIsChecked(t *testing.T) {
	files, err := filepath.Glob("*/templates_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var checks strings.Builder
	for _, file := range files {
		checks.Write(testkit.ReadFile(t, "handlers/"+file))
	}
	for _, name := range templates.Names() {
		if !strings.Contains(checks.String(), `"`+name+`": `) {
			t.Errorf("no area checks the template %q", name)
		}
	}
}
