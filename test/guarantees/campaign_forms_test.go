package guarantees

import (
	"context"
	"fmt"
	"strings"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// begin signs the round's person in, and who else takes part.
func (r *round) begin() {
	r.T.Helper()
	r.Sim.ResetCalls()
	r.marks = map[*apptest.Process]int{}
	for _, m := range r.Members {
		r.marks[m.Process] = m.Log.Len()
	}
	r.b = r.SignedIn(personOf(r.n))
	if r.crawl {
		r.other = r.SignedIn(personOf(r.keeper))
	}
}

// prepare opens the form, while all is well.
func (r *round) prepare() {
	switch {
	case r.verb == toCreate:
		r.to, r.form = createForm(r.b, r.URL, r.places()[0], r.nameOf(0))
	case r.verb == toReplace:
		r.prepareReplacement()
	case r.several():
		r.prepareBulk()
	default:
		r.prepareChange()
	}
}

// addOld makes a token that the round is to change, older than what is new to the service's lists.
func (r *round) addOld(i int, organization string) {
	r.old = append(r.old, r.Sim.AddToken(simulator.Token{
		DisplayName: r.nameOf(i), Scope: "vso.code", Organization: organization, Owner: usernameOf(r.n),
		ValidFrom: r.clock().AddDate(0, 0, -20), ValidTo: r.clock().AddDate(0, 0, 40),
	}))
}

func (r *round) prepareChange() {
	r.addOld(0, r.places()[0])
	r.b.Open(r.URL + "/tokens/" + r.places()[0] + "/" + r.old[0].AuthorizationID + "/" + r.verb)
	button := "Revoke"
	switch r.verb {
	case toRotate:
		button = "Rotate"
		r.b.Choose("The old token", map[bool]string{true: atOnce, false: whenConfirmed}[r.atOnce])
	case toEdit:
		button = "Save changes"
		r.b.Fill("Name", r.nameOf(0)+" again")
	}
	_, r.to, r.form = r.b.Form(button)
}

func (r *round) prepareReplacement() {
	r.addOld(0, "")
	apptest.OpenWhole(r.T, r.b, r.URL+"/global-tokens").Click("Replace " + r.nameOf(0))
	for _, organization := range r.places()[:r.tokens] {
		r.b.Check(organization)
	}
	if r.atOnce {
		r.b.Choose("The global token", "Revoke it as soon as all new ones are created")
	}
	_, r.to, r.form = r.b.Form("Create the tokens")
}

func (r *round) prepareBulk() {
	for i := range r.tokens {
		r.addOld(i, r.places()[i%2])
	}
	apptest.OpenWhole(r.T, r.b, r.URL+"/tokens")
	verb := strings.TrimSuffix(r.verb, " several")
	verb = strings.ToUpper(verb[:1]) + verb[1:]
	apptest.PickAll(r.b, r.URL+"/tokens", verb+" selected")
	if r.verb == bulkExtend {
		r.b.Choose("Expiry", "One year").Press("Show the new dates")
	}
	_, r.to, r.form = r.b.Form(fmt.Sprintf("%s %d tokens", verb, r.tokens))
}

// batchEnded says that nothing is at work on the batch, or that it was never begun.
func (r *round) batchEnded() bool {
	b := r.b.Twin().Open(r.to.String())
	return b.Page.Find("[data-in-progress]").Length() == 0
}

// haltBatch presses "Stop", as its owner does while the batch is being worked on.
func (r *round) haltBatch() {
	b := r.b.Twin().Open(r.to.String())
	if b.Has("button", "Stop") {
		b.Press("Stop")
		r.add("batches stopped by their owner")
	}
}

// sendAgain: the same form makes nothing new.
func (r *round) sendAgain() {
	before := r.Sim.AllCalls()
	a := apptest.Send(context.Background(), r.b, r.Trip(), r.to, r.form)
	for _, call := range []string{simulator.CallCreate, simulator.CallUpdate} {
		if n := r.Sim.Calls(call) - before[call]; n != 0 {
			r.T.Errorf("sent again: %d more calls of %s", n, call)
		}
	}
	if a.Err != nil {
		r.T.Errorf("sent again: %s", a.Says())
	}
}

// change is one operation as the list of changes names it.
type change struct {
	what, organization, address, outcome string
}

// changes are the round's own, the latest first: its person has no others.
func (r *round) changes() (list []change) {
	b := r.b.Open(r.URL + "/changes")
	if !b.Has("button", "Sign out") {
		r.T.Fatalf("signed out: %d %s", b.Status, apptest.Says(b))
	}
	rows := b.Page.Find("table.changes tbody tr")
	for i := range rows.Length() {
		row := rows.Eq(i)
		link := row.Find("th a").First()
		list = append(list, change{
			webtest.Fold(link.Text()), webtest.Fold(row.Find("td").First().Text()), link.AttrOr("href", ""), webtest.Fold(row.Find(".status").Text()),
		})
	}
	return list
}
