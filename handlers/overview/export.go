package overview

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
)

// exportWait is how long an export waits for organizations that are slow: a file can't be completed later.
const exportWait = 90 * time.Second

// exported is one token in an export.
type exported struct {
	Name            string    `json:"name"`
	Organization    string    `json:"organization,omitempty"` // none: global
	Global          bool      `json:"global"`
	Status          string    `json:"status"`
	Scopes          []string  `json:"scopes"`
	FullAccess      bool      `json:"fullAccess"`
	HighPrivilege   bool      `json:"highPrivilege"`
	MadeBy          string    `json:"madeBy,omitempty"`
	ValidFrom       time.Time `json:"validFrom,omitzero"`
	ValidTo         time.Time `json:"validTo,omitzero"` // none: not known
	AuthorizationID string    `json:"authorizationId"`
	Ends            time.Time `json:"ends,omitzero"` // when it really stops working: a global token with all global ones

	NotUnderstood []azuredevops.Member `json:"notUnderstood,omitempty"` // members of the service's record
}

// export is the JSON file. Missing says what couldn't be read, so that a part isn't taken for the whole.
type export struct {
	Made     time.Time     `json:"made"`
	Complete bool          `json:"complete"`
	Missing  []exportedGap `json:"missing"`
	Tokens   []exported    `json:"tokens"`
}

type exportedGap struct {
	Organization string `json:"organization"`
	Reason       string `json:"reason"`
}

// exportAll reads everything and picks what the address asks for.
func (h *Handlers) exportAll(v *web.Request) (export, error) {
	view := tokenlist.Read(v.URL.Query())
	s := h.Inventory.Load(v.Context(), v.Owner(), time.After(exportWait))
	if err := s.SignInErr(web.SignInHelps); err != nil {
		return export{}, err
	}
	if err := checkOrganization(s, view.Organization); err != nil {
		return export{}, err
	}
	if s.Discovering {
		return export{}, &azuredevops.Error{Call: "organizations", Kind: azuredevops.KindTimeout}
	}
	out := export{Made: v.Now.UTC().Truncate(time.Second), Complete: true, Missing: []exportedGap{}, Tokens: []exported{}}
	if s.DiscoveryErr != nil {
		out.Missing = append(out.Missing, exportedGap{Reason: v.Describe(s.DiscoveryErr).Text.Title})
	}
	for _, o := range s.Organizations {
		switch {
		case o.Loading:
			late := &azuredevops.Error{Organization: o.Name, Kind: azuredevops.KindTimeout}
			out.Missing = append(out.Missing, exportedGap{o.Name, v.Describe(late).Text.Title})
		case len(o.Failed) > 0:
			out.Missing = append(out.Missing, exportedGap{o.Name, v.Describe(o.Failed[0].Err).Text.Title})
		}
	}
	out.Complete = len(out.Missing) == 0
	view.Kept = web.InVaults(v)
	for _, t := range view.Selected(v.Words, view.Marked(s.Tokens()), v.Now) {
		out.Tokens = append(out.Tokens, exported{
			Name: t.DisplayName, Organization: t.OrganizationKey(), Global: t.Global(), Status: string(t.Status), Scopes: t.Scopes,
			FullAccess: t.FullAccess(), HighPrivilege: t.HighPrivilege(), MadeBy: azuredevops.MadeBy(t.DisplayName).Term(),
			ValidFrom: t.ValidFrom, ValidTo: t.ValidTo, AuthorizationID: t.AuthorizationID, Ends: t.Ends(), NotUnderstood: t.Odd,
		})
	}
	return out, nil
}

func checkOrganization(s inventory.Inventory, name string) error {
	known := func(o inventory.Organization) bool { return strings.EqualFold(o.Name, name) }
	if name == "" || s.Discovering || slices.ContainsFunc(s.Organizations, known) {
		return nil
	}
	return &web.HTTPError{Status: http.StatusNotFound, Key: "organization.unknown", Data: map[string]any{"Organization": name}}
}

// fileName says in the name of the file that it isn't everything, as a CSV file can't say it elsewhere.
func (e export) fileName(ending string) string {
	name := "tokens-" + e.Made.Format(web.DateLayout)
	if !e.Complete {
		name += "-incomplete"
	}
	return name + "." + ending
}

// JSON is the view as a JSON file.
func (h *Handlers) JSON(v *web.Request) (web.Answer, error) {
	e, err := h.exportAll(v)
	if err != nil {
		return nil, err
	}
	content, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the export: %w", err)
	}
	return web.Download{Name: e.fileName("json"), ContentType: "application/json; charset=utf-8", Content: append(content, '\n')}, nil
}

// exportColumns are the ids of a file's columns. Their headings are those of the visit's language, and in English the ids
// themselves, which programs read. What stands below them is the same in every language.
var exportColumns = []string{
	"name", "organization", "global", "status", "scopes", "fullAccess", "highPrivilege", "madeBy", "validFrom", "validTo", "authorizationId", "ends",
	"notUnderstood",
}

// byteOrderMark shows Excel and Windows PowerShell 5.1 that a file is UTF-8; without it they read the code page of
// their machine
// (https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_character_encoding).
const byteOrderMark = "\ufeff"

// CSV writes RFC 4180: CRLF, quotes where they are needed.
func (h *Handlers) CSV(v *web.Request) (web.Answer, error) {
	e, err := h.exportAll(v)
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	content.WriteString(byteOrderMark)
	w := csv.NewWriter(&content)
	w.UseCRLF = true
	rows := [][]string{make([]string, len(exportColumns))}
	for i, id := range exportColumns {
		rows[0][i] = v.Words.Text("export.column." + id)
	}
	for _, t := range e.Tokens {
		rows = append(rows, []string{
			inert(t.Name), inert(t.Organization), fmt.Sprint(t.Global), t.Status, inert(strings.Join(t.Scopes, " ")), fmt.Sprint(t.FullAccess),
			fmt.Sprint(t.HighPrivilege), inert(t.MadeBy), dateCell(t.ValidFrom), dateCell(t.ValidTo), t.AuthorizationID, dateCell(t.Ends),
			strings.Join(t.notUnderstood(), " "),
		})
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("encoding the export: %w", err)
	}
	return web.Download{Name: e.fileName("csv"), ContentType: "text/csv; charset=utf-8; header=present", Content: content.Bytes()}, nil
}

func dateCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func (e exported) notUnderstood() (names []string) {
	for _, m := range e.NotUnderstood {
		names = append(names, string(m))
	}
	return names
}

// newCell is where a spreadsheet that separates by something else than commas begins a cell in the middle of a text,
// with a formula.
var newCell = regexp.MustCompile(`([;\t\r\n|\x{2028}\x{2029}]["\s\x{a0}\x{3000}]*)([=+\-@＝＋－＠])`)

// inert keeps a spreadsheet from taking text for a formula: a token's name is free text, and other people's tools
// choose it, too (https://owasp.org/www-community/attacks/CSV_Injection). Whether commas, semicolons or tabs separate,
// the place where the file is opened decides.
func inert(text string) string {
	text = newCell.ReplaceAllString(text, "$1'$2")
	if strings.IndexAny(strings.TrimLeft(text, " \u00a0\u3000"), "=+-@\t\r\n＝＋－＠") == 0 {
		return "'" + text
	}
	return text
}
