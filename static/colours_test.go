package static_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The style sheet names its colours by their job. These are the pairs that meet on a page, with the contrast that WCAG
// 2.2 asks of them: 4.5 for text (1.4.3), 3 for the outlines of controls and for signs (1.4.11).
var meetings = []struct {
	least  float64
	over   string
	colour string // several, with spaces between them
}{
	{4.5, "canvas", "text muted link danger-text caution-text"},
	{4.5, "surface", "text muted link accent-text good-text caution-text danger-text"},
	{4.5, "sunken", "text muted"},
	{4.5, "accent-soft", "text muted accent-text link"},
	{4.5, "good-soft", "good-text"},
	{4.5, "caution-soft", "caution-text"},
	{4.5, "danger-soft", "danger-text"},
	{4.5, "accent", "on-accent"},
	{4.5, "accent-hover", "on-accent"},
	{4.5, "danger", "on-danger"},
	{4.5, "danger-hover", "on-danger"},
	{3, "surface", "control-line focus good caution danger accent check"},
	{3, "canvas", "control-line focus"},
	{3, "accent-soft", "control-line focus caution"},
}

func TestContrastInBothSchemes(t *testing.T) {
	light, dark := schemes(t)
	for name, scheme := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, m := range meetings {
			for colour := range strings.FieldsSeq(m.colour) {
				if got := contrast(t, scheme[colour], scheme[m.over]); got < m.least {
					t.Errorf("%s: %s on %s has a contrast of %.2f, less than %.1f", name, colour, m.over, got, m.least)
				}
			}
		}
	}
}

var (
	rootRule = regexp.MustCompile(`(?s):root \{(.*?)\n\}`)
	property = regexp.MustCompile(`--([a-z-]+): (?:light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)|(#[0-9a-f]{6}));`)
)

// schemes reads the two sets of colours.
func schemes(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	css := source(t, "app.css")
	light, dark = map[string]string{}, map[string]string{}
	for _, p := range property.FindAllStringSubmatch(rootRule.FindString(css), -1) {
		light[p[1]], dark[p[1]] = p[2]+p[4], p[3]+p[4]
	}
	return light, dark
}

// contrast is defined in https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	if len(colour) != 7 {
		t.Fatalf("%q is no colour", colour)
	}
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		sum += weight * linear(float64(n)/255)
	}
	return sum
}

func linear(channel float64) float64 {
	if channel <= 0.04045 {
		return channel / 12.92
	}
	return math.Pow((channel+0.055)/1.055, 2.4)
}

func TestStyleSheetLoadsNothingExternal(t *testing.T) {
	css := source(t, "app.css")
	for _, forbidden := range []string{"url(", "@import", "http:", "https:"} {
		if strings.Contains(css, forbidden) {
			t.Errorf("the style sheet has %q", forbidden)
		}
	}
	for _, needed := range []string{"color-scheme: light dark", `[data-theme="dark"]`, "prefers-reduced-motion", "forced-colors", "@media print", ":focus-visible"} {
		if !strings.Contains(css, needed) {
			t.Errorf("the style sheet lost %q", needed)
		}
	}
}

// source is a file as it was written.
func source(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile("assets/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
