package guarantees

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// rowsOf are the states of a batch's tokens, by name.
func rowsOf(b *webtest.Browser) map[string]string {
	states := map[string]string{}
	b.Page.Find("#batch-rows tbody tr").Each(func(_ int, row *goquery.Selection) {
		for class := range strings.FieldsSeq(row.Find(".status").AttrOr("class", "")) {
			if state, ok := strings.CutPrefix(class, "status-"); ok {
				states[webtest.Fold(row.Find("th").Text())] = state
			}
		}
	})
	return states
}

// findOut is where the batch's page leads for a token of which it isn't known how it stands; "" if it leads nowhere.
func findOut(b *webtest.Browser, name string) (to string) {
	b.Page.Find("#batch-rows tbody tr").Each(func(_ int, row *goquery.Selection) {
		link := row.Find("td a[href*='/operations/']")
		if webtest.Fold(row.Find("th").Text()) == name && link.Length() > 0 {
			to = link.First().AttrOr("href", "")
		}
	})
	return to
}

// begun says of a state that something was sent to the service.
func begun(state string) bool { return state != "notBegun" && state != "toCome" && state != "" }

// claim remembers which tokens the batch's page has as not done, and for which it offers another try.
func (r *round) claim(b *webtest.Browser) {
	states := rowsOf(b)
	for _, old := range r.old {
		state := states[old.DisplayName]
		v := view{
			verb: r.verb, token: old.AuthorizationID, says: cmp.Or(state, "not there"), notDone: state == "failed" || !begun(state),
			again: b.Has("button", "Try again: "+old.DisplayName+", "+old.Organization),
		}
		if v.notDone || v.again {
			r.claimed(v)
		}
	}
}

// page opens the batch's page when nothing is at work on it.
func (r *round) page() *webtest.Browser { return apptest.WaitForBatch(r.T, r.b.Open(r.to.String())) }

// judgeBulk looks at the batch as it was left; then at what becomes of it when its owner goes on.
func (r *round) judgeBulk() {
	b := r.page()
	if b.Page.Find("#batch-rows").Length() == 0 {
		r.judgeNoBatch()
		return
	}
	r.settleRows()
	r.claim(r.page())
	r.judgeRows(1)
	r.judgeBulkClaims()
	r.judgeAudit(nil)
	if r.again {
		r.sendAgain()
	}
	for range 3 { // what is halted again needs another push
		left := slices.DeleteFunc(slices.Collect(maps.Values(rowsOf(b))), begun)
		if len(left) == 0 || !r.page().Has("button", apptest.GoOn(len(left))) {
			break
		}
		r.add("batches gone on with")
		b.Press(apptest.GoOn(len(left)))
		r.page()
	}
	r.judgeRows(1)
	if r.again {
		r.retryRows()
	}
	for state := range maps.Values(rowsOf(r.page())) {
		r.add("ended: " + r.verb + ", " + state)
	}
	r.tidyBulk()
}

// retryRows tries again what failed, where that is offered.
func (r *round) retryRows() {
	form := r.page().Page.Find("form[action$='/retry']:has(input[name=all])")
	if form.Length() == 0 {
		return
	}
	r.add("batches tried again")
	r.b.Press(webtest.Fold(form.Find("button").Text()))
	r.settleRows()
	r.judgeRows(2)
}

// judgeNoBatch: it wasn't begun, so nothing may have been done.
func (r *round) judgeNoBatch() {
	r.add("ended: not begun")
	for _, old := range r.old {
		if r.changed(r.verb, old) || len(r.made(old.Organization, old.DisplayName)) > 0 {
			r.T.Errorf("done without a batch: %s", old.DisplayName)
		}
	}
}

// settleRows waits until the batch's page, and those that it leads to, account for all that was done.
func (r *round) settleRows() {
	for _, old := range r.old {
		if !testkit.Within(settleLimit, func() bool { return r.rowAccounted(old) }) {
			r.add("never accounted for")
		}
	}
}

// rowAccounted says if the page accounts for one token.
func (r *round) rowAccounted(old simulator.Token) bool {
	state := rowsOf(r.page())[old.DisplayName]
	if r.verb != bulkRotate {
		done := r.changed(r.verb, old)
		return !done || state == "succeeded"
	}
	for _, token := range r.made(old.Organization, old.DisplayName) {
		if r.fateInBatch(token) == "lost" {
			return false
		}
	}
	return true
}

// fateInBatch is how the batch accounts for a token that it has made.
func (r *round) fateInBatch(token simulator.Token) string {
	now, _ := r.Sim.Token(token.AuthorizationID)
	b := r.page()
	if strings.Contains(b.Page.Find("code.secret").Text(), token.Secret) {
		return "shown"
	}
	to := findOut(b, token.DisplayName)
	if now.Revoked || to == "" {
		return map[bool]string{true: "revoked", false: "lost"}[now.Revoked]
	}
	return apptest.Fate(b.Open(to), now)
}

// judgeRows: what the page says of each token is so, each was sent once at most, and no secret is lost.
func (r *round) judgeRows(creates int) {
	states := rowsOf(r.page())
	for _, old := range r.old {
		state, now := states[old.DisplayName], r.truth(old)
		if n := r.createsOf(old.DisplayName); n > creates {
			r.T.Errorf("%d creates of %s", n, old.DisplayName)
		}
		done := r.changed(r.verb, old)
		if r.verb == bulkRotate {
			made := r.made(old.Organization, old.DisplayName)
			done = len(made) > 0
			for _, token := range made {
				how := r.fateInBatch(token)
				if r.add("tokens made: " + how); how == "lost" {
					r.T.Errorf("%s is lost: %s, %s", token.DisplayName, state, apptest.Says(r.page()))
				}
			}
			if now.Revoked {
				r.T.Errorf("the old %s was revoked without having been asked for", old.DisplayName)
			}
		}
		notDone := state == "failed" || state == "unknown" || !begun(state)
		if !done && !notDone || done && r.verb != bulkRotate && notDone {
			r.T.Errorf("%s is %s; done: %t\n%s", old.DisplayName, state, done, apptest.Says(r.page()))
		}
	}
}

func (r *round) truth(t simulator.Token) simulator.Token {
	now, _ := r.Sim.Token(t.AuthorizationID)
	return now
}

// createsOf counts the creations that were asked for under a name.
func (r *round) createsOf(name string) (n int) {
	for _, seen := range r.Sim.Requests() {
		if seen.Call == simulator.CallCreate && strings.Contains(seen.Body, `"`+name+`"`) {
			n++
		}
	}
	return n
}

// judgeBulkClaims: what was done was never said not to be, and no second token was suggested beside a first. A new
// token that was revoked again is as good as not made.
func (r *round) judgeBulkClaims() {
	for _, v := range r.views {
		i := slices.IndexFunc(r.old, func(t simulator.Token) bool { return t.AuthorizationID == v.token })
		old := r.old[i]
		done := r.changed(r.verb, old) || slices.ContainsFunc(r.made(old.Organization, old.DisplayName), func(t simulator.Token) bool { return !t.Revoked })
		if done && v.notDone {
			r.T.Errorf("%s was done, and said to be %s", old.DisplayName, v.says)
		}
		if done && v.again && r.verb == bulkRotate {
			r.T.Errorf("another try was offered for %s, which is %s", old.DisplayName, v.says)
		}
	}
}

// tidyBulk takes the steps that are left, until nothing waits any more.
func (r *round) tidyBulk() {
	for _, old := range r.old {
		if to := findOut(r.page(), old.DisplayName); to != "" {
			r.b.Open(to)
			for _, button := range []string{"I have saved it", "Revoke this token", "Keep the old token", "Dismiss"} {
				if r.b.Has("button", button) {
					r.b.Press(button)
				}
			}
		}
	}
	if r.page().Has("button", "Dismiss") {
		r.b.Press("Dismiss")
	}
	if got := apptest.Banners(r.b.Open(r.URL + "/sessions")); got != "" {
		r.T.Errorf("still waiting: %q", got)
	}
}
