package apptest

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// GoOn is the button that goes on with n tokens of a batch.
func GoOn(n int) string {
	if n == 1 {
		return "Continue with the remaining one"
	}
	return fmt.Sprintf("Continue with the remaining %d", n)
}

// PickAll opens a list, ticks all that match and presses the button.
func PickAll(b *webtest.Browser, address, button string) *webtest.Browser {
	b.Open(address)
	all := b.Page.Find("label[for=pick-all]").Text()
	return b.Check(webtest.Fold(all)).Press(button)
}

// Tick ticks single tokens of the list that is shown: "name, organization", as a list of one organization has no column
// for it.
func Tick(b *webtest.Browser, names ...string) *webtest.Browser {
	for _, name := range names {
		at := strings.LastIndex(name, ", ")
		label := name[:at] + " " + name[at+2:]
		for _, other := range []string{name[:at], "Choose " + name} { // of one organization; of the first release
			if !b.Has("field", label) {
				label = other
			}
		}
		b.Check(label)
	}
	return b
}

// WaitForBatch opens the batch's page again until nothing is at work on it.
func WaitForBatch(t testing.TB, b *webtest.Browser) *webtest.Browser {
	t.Helper()
	testkit.Until(t, "the batch has ended", func() bool {
		b.Open(b.URL.String())
		return b.Page.Find("[data-in-progress]").Length() == 0
	})
	return b
}

// BatchStates are the tokens of a batch's page with their states: "name: state".
func BatchStates(b *webtest.Browser) []string {
	return b.Page.Find("#batch-rows tbody tr").Map(func(_ int, s *goquery.Selection) string {
		return webtest.Fold(s.Find("th").Text()) + ": " + webtest.Fold(s.Find(".status").Text())
	})
}

// formerly are the states in the words of the first release.
var formerly = map[string]string{"To come": "Queued", "Not begun": "Not started", "Not done": "Failed", "Not known": "Not confirmed"}

// CountStates counts the states, in today's words.
func CountStates(b *webtest.Browser) map[string]int {
	count := map[string]int{}
	for _, s := range BatchStates(b) {
		state := s[strings.LastIndex(s, ": ")+2:]
		count[cmp.Or(formerly[state], state)]++
	}
	return count
}

// StartWithTokens is a program with that many tokens in each of several organizations. Of the simulator's options only
// the size of pages is kept.
func StartWithTokens(t *testing.T, organizations, each int, o Options) (*Program, *webtest.Browser) {
	t.Helper()
	sim := ManyTokens(organizations)
	sim.KeepSecrets, sim.PageSize = true, o.Sim.PageSize
	o.Sim = sim
	d := Start(t, o)
	FillOrganizations(d.Sim, each)
	return d, d.SignedInAt(Mona, "/changes") // where nothing is read yet
}
