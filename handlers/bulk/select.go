package bulk

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// bulkWait is how long the chosen tokens are looked up before what isn't there yet counts as unreadable.
const bulkWait = 20 * time.Second

// freshEnough is how old may be what a plan is made from.
const freshEnough = 10 * time.Second

// MaxSelectionBytes bounds a form with chosen tokens: 10,000 rows, the most that a list shows, all ticked.
const MaxSelectionBytes = 1 << 20

// bulkPage holds a selection that nothing was done with yet: too large, empty, or kept through a sign-in.
type bulkPage struct {
	web.Base
	Problem *web.ProblemSummary
	Action  string
	Fields  []web.HiddenField
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
	all    string   // address of a view, all of which was selected; "": single tokens were
	view   string   // of the list
	first  bool     // of too many, take the first
	form   string
}

func readSelection(query, form url.Values) selection {
	s := selection{
		verb: query.Get("do"), tokens: form["token"], all: form.Get("all"), view: form.Get("view"),
		first: form.Get("first") == "yes", form: form.Get("form"),
	}
	if s.view == "" {
		view := tokenlist.Read(form) // the fields of the list's own form
		view.Picked, view.All = nil, ""
		s.view = view.Address()
	}
	return s
}

// Selection shows a selection that was kept through a sign-in, or says how one is made.
func (h *Handlers) Selection(v *web.Request) (web.Answer, error) {
	kept, ok := v.Restore()
	if !ok {
		return v.To(web.TokensPath), nil
	}
	s := readSelection(url.Values{}, kept)
	if h.ownSelection(v, s.form) {
		return h.selectionAnswer(v, s, web.FormState{}, 0), nil
	}
	return v.To(web.TokensPath), nil // another person's, left in this browser
}

// ownSelection reports whether a list's form was drawn for the visitor.
func (h *Handlers) ownSelection(v *web.Request, form string) bool {
	_, err := h.Site.Forms.Check(form, v.Person(), tokenlist.Purpose, "")
	return err == nil
}

// Select makes a plan of what was chosen, for the person to confirm.
func (h *Handlers) Select(v *web.Request) (web.Answer, error) {
	s := readSelection(v.URL.Query(), v.PostForm)
	action, ok := web.BulkVerbs[s.verb]
	if !ok {
		return h.selectionAnswer(v, s, web.FormState{Status: http.StatusUnprocessableEntity, Problem: web.Summary(v.Words, "bulk.noVerb", nil)}, 0), nil
	}
	chosen, err := h.chosenTokens(v, s)
	switch {
	case err != nil:
		return nil, err
	case len(chosen) == 0:
		return h.selectionAnswer(v, s, web.FormState{Status: http.StatusUnprocessableEntity, Problem: web.Summary(v.Words, "bulk.nothingChosen", nil)}, 0), nil
	case len(chosen) > batch.Max && s.first:
		chosen = chosen[:batch.Max]
	case len(chosen) > batch.Max:
		problem := web.Summary(v.Words, "bulk.tooMany", map[string]any{"Count": len(chosen), "Max": batch.Max})
		return h.selectionAnswer(v, s, web.FormState{Status: http.StatusUnprocessableEntity, Problem: problem}, batch.Max), nil
	}
	b := &batch.Batch{Person: v.Person(), Action: action, From: backFrom(s.view)}
	b.Items, b.LeftOut = planBulk(action, chosen, rotating(v))
	if err := noteLives(v, h.Journal, b); err != nil {
		return nil, err
	}
	err = h.Batches.Plan(v.Context(), b)
	if errors.Is(err, session.ErrTooLarge) {
		return h.selectionAnswer(v, s, web.FormState{Status: http.StatusUnprocessableEntity, Problem: web.Summary(v.Words, "bulk.tooLarge", nil)}, 0), nil
	}
	if err != nil {
		return nil, err
	}
	return v.To(web.BatchPath(b.ID)), nil
}

// noteLives notes how long the tokens that are to be rotated were given. The plan keeps it, so that what is confirmed is
// what was shown, whatever the journal knows by then.
func noteLives(v *web.Request, journal *operation.Journal, b *batch.Batch) error {
	if b.Action != operation.Rotate {
		return nil
	}
	given, err := journal.GivenLives(v.Context(), v.Person())
	if err != nil {
		return err
	}
	for i := range b.Items {
		before := b.Items[i].Before
		b.Items[i].Life = tokenform.SameLife(before, given(before))
	}
	return nil
}

// rotating says of a token whether its rotation is to be finished first.
func rotating(v *web.Request) func(id string) bool {
	unfinished := tokenlist.UnfinishedOf(v)
	return func(id string) bool { return unfinished[id] != nil && tokenlist.ToBeFinished(unfinished[id]) }
}

// backFrom is the list that a selection was made in, where it plainly is one of ours.
func backFrom(view string) string {
	if at := web.SafeReturn(view); at == web.TokensPath || strings.HasPrefix(at, web.TokensPath+"?") {
		return at
	}
	return web.TokensPath
}

func (h *Handlers) selectionAnswer(v *web.Request, s selection, state web.FormState, first int) web.Answer {
	p := bulkPage{
		Base: v.Base(v.Words.Message("bulk.title", nil).Title, "tokens"), Problem: state.Problem, Action: v.Link(web.BulkPath),
		Chosen: s.all != "" || len(s.tokens) > 0, Count: len(s.tokens), First: first, BackURL: v.Link(backFrom(s.view)), Verb: s.verb,
	}
	if s.all != "" {
		p.Count = 0
	}
	form := s.form
	if !h.ownSelection(v, form) {
		form = v.DrawForm(tokenlist.Purpose, "")
	}
	p.Fields = []web.HiddenField{{Name: "form", Value: form}, {Name: "view", Value: s.view}}
	if s.all != "" {
		p.Fields = append(p.Fields, web.HiddenField{Name: "all", Value: s.all})
	} else {
		for _, t := range s.tokens {
			p.Fields = append(p.Fields, web.HiddenField{Name: "token", Value: t})
		}
	}
	p.Failed = p.Problem != nil
	return web.Page{Status: state.Status, Template: "bulk", Data: p, Header: state.Header}
}

// chosenTokens looks up what was chosen. What can't be found is there all the same, to be reported.
func (h *Handlers) chosenTokens(v *web.Request, s selection) ([]chosenToken, error) {
	enough := time.After(bulkWait)
	if s.all != "" {
		return h.allMatching(v, s.all, enough)
	}
	var names []string
	for _, value := range s.tokens {
		if name, _, _ := strings.Cut(value, "/"); h.Inventory.Allowed(name) && !inventory.ContainsFold(names, name) && len(names) < maxPlaces {
			names = append(names, name)
		}
	}
	h.Inventory.Invalidate(v.Session.Hash(), "", h.Site.Now().Add(-freshEnough))
	found, whole := h.lookUp(v, names, enough)
	h.lookAgain(v, s.tokens, found, whole)
	var chosen []chosenToken
	for _, value := range s.tokens {
		name, id, _ := strings.Cut(value, "/")
		chosen = append(chosen, chosenToken{organization: name, id: id, token: found[strings.ToLower(value)], unread: !whole[strings.ToLower(name)]})
	}
	return chosen, nil
}

// lookUp reads these organizations. found are their tokens, by what a list's form calls them; whole are the
// organizations, in lower case, all of whose lists were read to the end.
func (h *Handlers) lookUp(v *web.Request, names []string, enough <-chan time.Time) (found map[string]*inventory.Token, whole map[string]bool) {
	found, whole = map[string]*inventory.Token{}, map[string]bool{}
	for _, o := range h.Inventory.LoadOrganizations(v.Context(), v.Owner(), names, enough).Organizations {
		if o.Loading {
			continue
		}
		whole[strings.ToLower(o.Name)] = len(o.Failed) == 0
		for i := range o.Tokens {
			found[strings.ToLower(tokenlist.PickValue(o.Tokens[i]))] = &o.Tokens[i]
		}
	}
	return found, whole
}

// lookAgain looks once more where a whole list lacks what was chosen from a list a moment ago. While other tokens are
// made or revoked, one can move from a page that isn't read yet to one that was; that must not be reported as its end.
func (h *Handlers) lookAgain(v *web.Request, values []string, found map[string]*inventory.Token, whole map[string]bool) {
	var names []string
	for _, value := range values {
		name, _, _ := strings.Cut(value, "/")
		if found[strings.ToLower(value)] == nil && whole[strings.ToLower(name)] && !inventory.ContainsFold(names, name) {
			names = append(names, name)
			h.Inventory.Invalidate(v.Session.Hash(), name, h.Site.Now())
		}
	}
	if len(names) == 0 {
		return
	}
	again, wholeAgain := h.lookUp(v, names, time.After(bulkWait/2))
	for _, name := range names {
		whole[strings.ToLower(name)] = wholeAgain[strings.ToLower(name)]
	}
	maps.Copy(found, again)
}

// maxPlaces bounds the organizations that one form can have read.
const maxPlaces = 200

// allMatching is everything that a list shows, on all its pages. Organizations that can't be read are named.
func (h *Handlers) allMatching(v *web.Request, address string, enough <-chan time.Time) ([]chosenToken, error) {
	u, err := url.Parse(web.SafeReturn(address))
	if err != nil || u.Path != web.TokensPath {
		return nil, &web.HTTPError{Status: http.StatusBadRequest}
	}
	h.Inventory.Invalidate(v.Session.Hash(), "", h.Site.Now().Add(-freshEnough))
	view := tokenlist.Read(u.Query())
	var s inventory.Inventory
	if view.Organization == "" {
		s = h.Inventory.Load(v.Context(), v.Owner(), enough)
	} else {
		name, err := v.OrganizationOf(view.Organization)
		if err != nil {
			return nil, err
		}
		h.Inventory.Invalidate(v.Session.Hash(), name, h.Site.Now()) // its list is read anew at each view, too
		s = h.Inventory.LoadOrganizations(v.Context(), v.Owner(), []string{name}, enough)
	}
	if err := s.SignInErr(web.SignInHelps); err != nil {
		return nil, err
	}
	var chosen []chosenToken
	view.Kept = web.InVaults(v)
	for _, t := range view.Selected(v.Words, view.Marked(s.Tokens()), v.Now) {
		if t.Status != azuredevops.Active {
			continue // the list offers no box for it
		}
		chosen = append(chosen, chosenToken{organization: t.Organization, id: t.AuthorizationID, token: &t})
	}
	slices.SortFunc(s.Organizations, func(a, b inventory.Organization) int { return cmp.Compare(a.Name, b.Name) })
	for _, o := range s.Organizations {
		if o.Loading || len(o.Failed) > 0 {
			chosen = append(chosen, chosenToken{organization: o.Name, unread: true})
		}
	}
	return chosen, nil
}
