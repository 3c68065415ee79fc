package calendar

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// listVersion is raised when a program that reads the list as it was would misread it. Members are added without that.
const listVersion = 1

// List is what a feed knows of its owner's tokens, for programs: in no language, and the same until something was read
// anew. docs/feeds.md and docs/tokens.schema.json say what each member means.
type List struct {
	Version       int          `json:"version"`
	Refreshed     time.Time    `json:"refreshed,omitzero"` // the latest reading; zero: none yet
	Complete      bool         `json:"complete"`
	Organizations []ListedPart `json:"organizations"` // by name
	Tokens        []Listed     `json:"tokens"`        // by their ends
}

// ListedPart says how much is known of an organization.
type ListedPart struct {
	Name    string    `json:"name"`
	Read    time.Time `json:"read,omitzero"`   // zero: never yet
	Failed  time.Time `json:"failed,omitzero"` // a reading after that one
	Tokens  int       `json:"tokens"`
	LeftOut int       `json:"leftOut"` // tokens that end last and were too many to be kept
	Undated int       `json:"undated"` // tokens whose end or id isn't known
}

// Listed is one token.
type Listed struct {
	AuthorizationID string    `json:"authorizationId"`
	Name            string    `json:"name"`
	Organization    string    `json:"organization,omitempty"` // none: global
	Global          bool      `json:"global"`
	ValidFrom       time.Time `json:"validFrom,omitzero"`
	Ends            time.Time `json:"ends"`
	Remind          time.Time `json:"remind"` // when the calendar reminds of it first
	URL             string    `json:"url"`
}

// ListOf is the list of a feed, with times to the second: as texts they have the order of the times. page is the
// address of a token's page.
func ListOf(feed Feed, parts []Part, page func(organization, id string) string) List {
	l := List{Version: listVersion, Refreshed: whole(feed.Refreshed), Complete: len(parts) > 0, Organizations: []ListedPart{}, Tokens: []Listed{}}
	for _, p := range parts {
		l.Organizations = append(l.Organizations, ListedPart{p.Organization, whole(p.Read), whole(p.Failed), len(p.Expiries), p.Left, p.Undated})
		l.Complete = l.Complete && p.Failed.IsZero() && p.Left == 0 && p.Undated == 0
	}
	for p, e := range Each(parts) {
		t := Listed{
			AuthorizationID: e.ID, Name: unisolated(e.Name), Organization: p.Organization, Global: e.Global, ValidFrom: whole(e.Begins), Ends: whole(e.Ends),
			Remind: whole(e.Ends.Add(-Reminders(e.Life())[0])), URL: page(p.Organization, e.ID),
		}
		if e.Global {
			t.Organization = ""
		}
		l.Tokens = append(l.Tokens, t)
	}
	slices.SortStableFunc(l.Tokens, func(a, b Listed) int { return a.Ends.Compare(b.Ends) })
	return l
}

// unisolated is a name without the isolates around it, which are for the words beside it and would keep programs from
// finding it.
func unisolated(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, "\u2068"), "\u2069")
}

// EncodeJSON writes the list as JSON.
func EncodeJSON(l List) ([]byte, error) {
	content, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("calendar: encoding: %w", err)
	}
	return append(content, '\n'), nil
}
