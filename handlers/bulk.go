package handlers

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

const (
	bulkPurpose = "bulk" // what a list's form is drawn for; it begins no operation by itself

	// bulkWait is how long the chosen tokens are looked up before what isn't there yet counts as unreadable.
	bulkWait = 20 * time.Second
	// freshEnough is how old may be what a plan is made from.
	freshEnough = 10 * time.Second
	// maxSelectionBytes bounds a form with chosen tokens: 10,000 rows, the most that a list shows, all ticked.
	maxSelectionBytes = 1 << 20
)

// picking is what a list needs for choosing several of its tokens.
type picking struct {
	PickAction   string // "" where nothing can be chosen
	PickForm     string
	PickView     string // of the list, for "all that match"
	PickMatching int
	PickMax      int
}

func (h *Handlers) picking(v *visit, view listView, matching int) picking {
	if matching == 0 {
		return picking{}
	}
	view.number = 1
	return picking{
		PickAction: v.link(BulkPath), PickForm: h.forms.Draw(v.session.Person().Key(), bulkPurpose, ""),
		PickView: view.address(), PickMatching: matching, PickMax: operation.MaxBatch,
	}
}

// pickValue names a token in a list's form.
func pickValue(t inventory.Token) string { return t.Organization + "/" + t.AuthorizationID }

// bulkPage holds a selection that nothing was done with yet: too large, empty, or kept through a sign-in.
type bulkPage struct {
	base
	Problem *problemSummary
	Action  string
	Fields  []hiddenField
	Count   int // ticked one by one; 0: all that match
	Chosen  bool
	First   int // so many can be taken instead of all; 0: that isn't the problem
	Verb    string
	BackURL string
}

// selection is what was ticked in a list.
type selection struct {
	verb   string
	tokens []string // organization/authorizationId
	all    bool     // all that the view shows
	view   string
	first  bool // of too many, take the first
	form   string
}

func readSelection(query, form url.Values) selection {
	return selection{
		verb: query.Get("do"), tokens: form["token"], all: form.Get("all") == "yes", view: form.Get("view"),
		first: form.Get("first") == "yes", form: form.Get("form"),
	}
}

// restoreSelection shows a selection that was kept through a sign-in, or says how one is made.
func (h *Handlers) restoreSelection(v *visit) (answer, error) {
	kept, ok := h.restore(v)
	if !ok {
		return v.to(OverviewPath), nil
	}
	s := readSelection(url.Values{}, kept)
	if h.ownSelection(v, s.form) {
		return h.selectionAnswer(v, s, formState{}, 0), nil
	}
	return v.to(OverviewPath), nil // somebody else's, left in this browser
}

// ownSelection says that a list's form was drawn for the visitor.
func (h *Handlers) ownSelection(v *visit, form string) bool {
	_, err := h.forms.Check(form, v.session.Person().Key(), bulkPurpose, "")
	return err == nil
}

// selectTokens makes a plan of what was chosen, for the person to confirm.
func (h *Handlers) selectTokens(v *visit) (answer, error) {
	s := readSelection(v.URL.Query(), v.PostForm)
	action, ok := bulkVerbs[s.verb]
	if !ok {
		return h.selectionAnswer(v, s, formState{status: http.StatusUnprocessableEntity, problem: summary("bulk.noVerb", nil)}, 0), nil
	}
	chosen, err := h.chosenTokens(v, s)
	switch {
	case err != nil:
		return nil, err
	case len(chosen) == 0:
		return h.selectionAnswer(v, s, formState{status: http.StatusUnprocessableEntity, problem: summary("bulk.nothingChosen", nil)}, 0), nil
	case len(chosen) > operation.MaxBatch && s.first:
		chosen = chosen[:operation.MaxBatch]
	case len(chosen) > operation.MaxBatch:
		problem := summary("bulk.tooMany", map[string]any{"Count": len(chosen), "Max": operation.MaxBatch})
		return h.selectionAnswer(v, s, formState{status: http.StatusUnprocessableEntity, problem: problem}, operation.MaxBatch), nil
	}
	b := &operation.Batch{Person: v.session.Person().Key(), Action: action, From: backFrom(s.view)}
	b.Items, b.LeftOut = planBulk(action, chosen, h.rotating(v))
	err = h.Journal.PlanBatch(v.Context(), b)
	if errors.Is(err, session.ErrTooLarge) {
		return h.selectionAnswer(v, s, formState{status: http.StatusUnprocessableEntity, problem: summary("bulk.tooLarge", nil)}, 0), nil
	}
	if err != nil {
		return nil, err
	}
	return v.to(batchPath(b.ID)), nil
}

// rotating says of a token whether its rotation is to be finished first.
func (h *Handlers) rotating(v *visit) func(id string) bool {
	unfinished := h.unfinishedByToken(v)
	return func(id string) bool { return unfinished[id] != nil && toBeFinished(unfinished[id]) }
}

// backFrom is the list that a selection was made in, where it plainly is one of ours.
func backFrom(view string) string {
	if at := safeReturn(view); strings.HasPrefix(at, TokensPath+"?") || at == OverviewPath || strings.HasPrefix(at, OverviewPath+"?") {
		return at
	}
	return OverviewPath
}

func (h *Handlers) selectionAnswer(v *visit, s selection, no formState, first int) answer {
	p := bulkPage{
		base: h.base(v, templates.Message("bulk.title", nil).Title, "tokens"), Problem: no.problem, Action: v.link(BulkPath),
		Chosen: s.all || len(s.tokens) > 0, Count: len(s.tokens), First: first, BackURL: v.link(backFrom(s.view)), Verb: s.verb,
	}
	if s.all {
		p.Count = 0
	}
	form := s.form
	if !h.ownSelection(v, form) {
		form = h.forms.Draw(v.session.Person().Key(), bulkPurpose, "")
	}
	p.Fields = []hiddenField{{"form", form}, {"view", s.view}}
	if s.all {
		p.Fields = append(p.Fields, hiddenField{"all", "yes"})
	} else {
		for _, t := range s.tokens {
			p.Fields = append(p.Fields, hiddenField{"token", t})
		}
	}
	return page{status: no.status, template: "bulk", data: p, header: no.header}
}

// chosenTokens looks up what was chosen. What can't be found is there all the same, so that the person is told.
func (h *Handlers) chosenTokens(v *visit, s selection) ([]chosenToken, error) {
	enough := time.NewTimer(bulkWait)
	defer enough.Stop()
	if s.all {
		return h.allMatching(v, s.view, enough.C)
	}
	var names []string
	for _, value := range s.tokens {
		if name, _, _ := strings.Cut(value, "/"); h.Inventory.Allowed(name) && !inventory.ContainsFold(names, name) && len(names) < maxPlaces {
			names = append(names, name)
		}
	}
	h.Inventory.Invalidate(v.session.Hash(), "", h.Now().Add(-freshEnough))
	found, whole := h.lookUp(v, names, enough.C)
	h.lookAgain(v, s.tokens, found, whole)
	var chosen []chosenToken
	for _, value := range s.tokens {
		name, id, _ := strings.Cut(value, "/")
		chosen = append(chosen, chosenToken{organization: name, id: id, token: found[strings.ToLower(value)], unread: !whole[strings.ToLower(name)]})
	}
	return chosen, nil
}

// lookUp reads these organizations. found are their tokens, by what a list's form calls them; whole are the organizations, in
// lower case, all of whose lists were read to the end.
func (h *Handlers) lookUp(v *visit, names []string, enough <-chan time.Time) (found map[string]*inventory.Token, whole map[string]bool) {
	found, whole = map[string]*inventory.Token{}, map[string]bool{}
	for _, o := range h.Inventory.LoadOrganizations(v.Context(), h.owner(v), names, enough).Organizations {
		if o.Loading {
			continue
		}
		whole[strings.ToLower(o.Name)] = len(o.Failed) == 0
		for i := range o.Tokens {
			found[strings.ToLower(pickValue(o.Tokens[i]))] = &o.Tokens[i]
		}
	}
	return found, whole
}

// lookAgain looks once more where a whole list lacks what was chosen from a list a moment ago. While other tokens are made or
// revoked, one can slip from a page that isn't read yet to one that was; that isn't to be told as its end.
func (h *Handlers) lookAgain(v *visit, values []string, found map[string]*inventory.Token, whole map[string]bool) {
	var names []string
	for _, value := range values {
		name, _, _ := strings.Cut(value, "/")
		if found[strings.ToLower(value)] == nil && whole[strings.ToLower(name)] && !inventory.ContainsFold(names, name) {
			names = append(names, name)
			h.Inventory.Invalidate(v.session.Hash(), name, h.Now())
		}
	}
	if len(names) == 0 {
		return
	}
	enough := time.NewTimer(bulkWait / 2)
	defer enough.Stop()
	again, wholeAgain := h.lookUp(v, names, enough.C)
	for _, name := range names {
		whole[strings.ToLower(name)] = wholeAgain[strings.ToLower(name)]
	}
	for value, t := range again {
		found[value] = t
	}
}

// maxPlaces bounds the organizations that one form can have read.
const maxPlaces = 200

// allMatching is everything that a list shows, on all its pages. Organizations that can't be read are named.
func (h *Handlers) allMatching(v *visit, address string, enough <-chan time.Time) ([]chosenToken, error) {
	u, err := url.Parse(safeReturn(address))
	if err != nil || u.Path != OverviewPath && u.Path != TokensPath {
		return nil, &httpError{status: http.StatusBadRequest}
	}
	h.Inventory.Invalidate(v.session.Hash(), "", h.Now().Add(-freshEnough))
	view := readOverview(u.Query())
	var s inventory.Inventory
	if u.Path == TokensPath {
		name, err := h.organizationOf(u.Query().Get("organization"))
		if err != nil {
			return nil, err
		}
		view = readListView(name, u.Query())
		s = h.Inventory.LoadOrganizations(v.Context(), h.owner(v), []string{name}, enough)
	} else {
		s = h.Inventory.Load(v.Context(), h.owner(v), enough)
	}
	if err := s.SignInErr(signInHelps); err != nil {
		return nil, err
	}
	var chosen []chosenToken
	for _, t := range view.selected(s.Tokens, v.now) {
		chosen = append(chosen, chosenToken{organization: t.Organization, id: t.AuthorizationID, token: &t})
	}
	slices.SortFunc(s.Organizations, func(a, b inventory.Organization) int { return cmp.Compare(a.Name, b.Name) })
	for _, o := range s.Organizations {
		here := view.narrow.organization == "" || strings.EqualFold(o.Name, view.narrow.organization)
		if here && (o.Loading || len(o.Failed) > 0) {
			chosen = append(chosen, chosenToken{organization: o.Name, unread: true})
		}
	}
	return chosen, nil
}
