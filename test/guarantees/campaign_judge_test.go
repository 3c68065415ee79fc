package guarantees

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// view is something that the person was told of one operation.
type view struct {
	verb, organization string
	token              string // authorizationId of the one to be changed; of a bulk change alone
	notDone            bool   // that it wasn't done
	again              bool   // that it can be tried again
	says               string
}

func viewOf(verb, organization string, page *goquery.Selection) view {
	text := apptest.MainText(page)
	return view{
		verb: verb, organization: organization, says: text,
		notDone: page.Find(".outcome-failed").Length() > 0 || strings.Contains(text, "This was not done") || strings.Contains(text, "Nothing was changed"),
		again: strings.Contains(text, "You can try again") || strings.Contains(text, "can safely try again") ||
			page.Find("main a").FilterFunction(func(_ int, a *goquery.Selection) bool { return webtest.Fold(a.Text()) == "Try again" }).Length() > 0,
	}
}

// claimed remembers what was said, once.
func (r *round) claimed(v view) {
	same := func(o view) bool {
		return o.verb == v.verb && o.organization == v.organization && o.token == v.token && o.notDone == v.notDone && o.again == v.again
	}
	if !slices.ContainsFunc(r.views, same) {
		r.views = append(r.views, v)
	}
}

// piece is one operation of a round, as its page tells it.
type piece struct {
	verb, organization, address string
	old                         *simulator.Token // the one that is to be changed
}

func (p piece) id() string { return path.Base(p.address) }

// pieces are the round's operations, as far as they were recorded; not those of a batch.
func (r *round) pieces() (list []piece) {
	for _, c := range r.changes() {
		p := piece{verb: r.verb, organization: c.organization, address: c.address}
		if len(r.old) > 0 {
			p.old = &r.old[0]
		}
		if r.verb == toReplace {
			p.verb, p.organization = toCreate, c.organization
			if strings.Contains(strings.ToLower(c.what), "revok") {
				p.verb = toRevoke
			}
		}
		list = append(list, p)
	}
	return list
}

// made are the tokens that an operation has made, as the service knows them.
func (r *round) made(organization, name string) []simulator.Token {
	return slices.DeleteFunc(r.Sim.Tokens(organization), func(t simulator.Token) bool {
		mine := t.Organization == organization && t.Owner == usernameOf(r.n) && t.DisplayName == name
		return !mine || slices.ContainsFunc(r.old, func(old simulator.Token) bool { return old.AuthorizationID == t.AuthorizationID })
	})
}

// changed says if the service has done with an old token what was to be done.
func (r *round) changed(verb string, old simulator.Token) bool {
	now, _ := r.Sim.Token(old.AuthorizationID)
	switch verb {
	case toRevoke, bulkRevoke:
		return now.Revoked
	case toEdit:
		return now.DisplayName == old.DisplayName+" again"
	case bulkExtend:
		return now.ValidTo.After(old.ValidTo.Add(time.Hour))
	}
	return false
}

// look is the first one, at all there is to see, while lists may still lag.
func (r *round) look() {
	r.countFaults()
	r.judgeShown()
	if r.several() {
		r.claim(r.page())
		return
	}
	for _, p := range r.pieces() {
		r.see(p)
	}
	r.seeResults()
	if len(r.answers) == 1 && r.answers[0].Err == nil && r.verb != toReplace { // of several, one may not know of the others
		if page, err := goquery.NewDocumentFromReader(strings.NewReader(r.answers[0].Body)); err == nil {
			r.claimed(viewOf(r.verb, r.places()[0], page.Selection))
		}
	}
}

// seeResults opens the page of what a replacement has come to, as the answer to its form does.
func (r *round) seeResults() {
	i := slices.IndexFunc(r.answers, func(a apptest.Reply) bool { return a.Status == 303 && strings.Contains(a.To, "/result?") })
	if i < 0 {
		return
	}
	r.b.Open(r.answers[i].To).Page.Find("section.replaced").Each(func(_ int, result *goquery.Selection) {
		organization, _, _ := strings.Cut(webtest.Fold(result.Find("h2").Text()), ":")
		text := webtest.Fold(result.Text())
		v := view{
			verb: toCreate, organization: organization, says: text,
			notDone: strings.Contains(text, "This was not done"), again: strings.Contains(result.Find("button").Text(), "Try again"),
		}
		if v.notDone || v.again {
			r.claimed(v)
		}
	})
}

// see opens an operation's page, and remembers what it says.
func (r *round) see(p piece) *webtest.Browser {
	b := r.b.Open(p.address)
	if b.Page.Find("[data-in-progress]").Length() > 0 {
		r.T.Errorf("still in progress: %s", apptest.Says(b))
	}
	if v := viewOf(p.verb, p.organization, b.Page.Selection); v.notDone || v.again {
		r.claimed(v)
	}
	return b
}

// settleLimit is how long it may take until patdesk looks again, in real time, after what lagged can be seen: the looks
// are further and further apart.
const settleLimit = 12 * time.Second

// settle waits until nothing lags any more, and then until each page tells how things are, without a press of a button.
func (r *round) settle(sent time.Time) {
	pieces := []piece{}
	if !r.several() {
		pieces = r.pieces()
	}
	<-time.After(time.Until(sent.Add(r.lasting + 50*time.Millisecond)))
	for _, p := range pieces {
		if r.patient && r.lasting > 0 && p.verb != toEdit && !r.accountsFor(p) {
			r.add("waited until it was looked again by itself")
			seen := r.listed(p.organization)
			if !testkit.Within(settleLimit, func() bool { return r.listed(p.organization) > seen }) {
				r.T.Errorf("it is not looked again what became of %s", p.address)
			}
		}
		if !testkit.Within(settleLimit, func() bool { return r.accountsFor(p) }) {
			r.add("never accounted for")
		}
	}
}

// listed counts how often the service was asked for a list.
func (r *round) listed(organization string) (n int) {
	for _, seen := range r.Sim.Requests() {
		if seen.Call == simulator.CallList && seen.Organization == organization {
			n++
		}
	}
	return n
}

// accountsFor says if the operation's page accounts for all that was done.
func (r *round) accountsFor(p piece) bool {
	b := r.see(p)
	switch p.verb {
	case toCreate, toRotate:
		for _, t := range r.made(p.organization, r.nameOf(0)) {
			if r.fate(b, t) == "lost" {
				return false
			}
		}
		return p.verb == toCreate || r.tellsOld(b, *p.old)
	}
	return r.changed(p.verb, *p.old) == (b.Status == 200) || !r.changed(p.verb, *p.old)
}

// tellsOld says if what a rotation's page says of the old token is so.
func (r *round) tellsOld(b *webtest.Browser, old simulator.Token) bool {
	now, _ := r.Sim.Token(old.AuthorizationID)
	return now.Revoked == strings.Contains(apptest.Says(b), "The old token is revoked") && !strings.Contains(apptest.Says(b), "We couldn't confirm whether the old token was revoked")
}

// fate is how the page, or the answer to the form, accounts for a token that was made.
func (r *round) fate(b *webtest.Browser, token simulator.Token) string {
	now, _ := r.Sim.Token(token.AuthorizationID)
	how := apptest.Fate(b, now)
	switch {
	case how == "shown":
	case slices.ContainsFunc(r.answers, func(a apptest.Reply) bool {
		return a.Err == nil && a.Status == 200 && strings.Contains(a.Body, token.Secret)
	}):
		return "in the answer"
	case how == "lost" && (!r.leave || r.end != "") && b.Has("link", "Revoke the token") && b.Page.Find("a[href*='"+token.AuthorizationID+"']").Length() > 0:
		return "named as one whose secret was in an answer"
	}
	return how
}

// judge compares what the person is told, after all faults, with what the service has done.
func (r *round) judge() {
	if r.several() {
		r.judgeBulk()
	} else {
		r.judgePieces()
	}
	r.judgeProcesses()
}

func (r *round) judgePieces() {
	places := r.places()[:r.spread()]
	for _, organization := range places {
		if n := r.calls(simulator.CallCreate, organization); n > 1 || r.calls(simulator.CallUpdate, organization) > 1 {
			r.T.Errorf("%d creates, %d updates in %s", n, r.calls(simulator.CallUpdate, organization), organization)
		}
		r.most("creates per operation, at most", r.calls(simulator.CallCreate, organization))
	}
	pieces := r.pieces()
	for _, organization := range places {
		if !slices.ContainsFunc(pieces, func(p piece) bool { return p.organization == organization }) {
			r.judgeWithoutRecord(organization)
		}
	}
	for _, p := range pieces {
		r.judgePiece(p)
	}
	r.judgeGlobal()
	r.judgeClaims()
	r.judgeAudit(pieces)
	if r.verb != toReplace && len(pieces) == 1 {
		r.judgeAnswers(pieces[0])
	}
	if r.again && len(pieces) >= len(places) {
		r.sendAgain()
	}
	r.tidy(pieces)
}

// judgeWithoutRecord: nothing is written down, so nothing may have been sent, and nobody may have been told otherwise.
func (r *round) judgeWithoutRecord(organization string) {
	r.add("ended: not begun")
	if made := r.made(organization, r.nameOf(0)); len(made) > 0 {
		r.T.Errorf("done without a record: %+v", made)
	}
	if r.verb == toReplace {
		return
	}
	for _, old := range r.old {
		if now, _ := r.Sim.Token(old.AuthorizationID); now.Revoked || now.DisplayName != old.DisplayName {
			r.T.Errorf("done without a record: %+v", now)
		}
	}
	for _, a := range r.answers {
		if a.Err == nil && a.Status < 400 {
			r.T.Error("told as begun: ", a.Says())
		}
	}
}

func (r *round) judgePiece(p piece) {
	b := r.see(p)
	switch p.verb {
	case toCreate, toRotate:
		r.judgeTokens(b, r.made(p.organization, r.nameOf(0)))
		if p.verb == toRotate {
			r.judgeOld(b, *p.old)
		}
	default:
		done := r.changed(p.verb, *p.old)
		r.add(fmt.Sprintf("ended: %s, done %t", p.verb, done))
		if (b.Status == 200) != done {
			r.T.Errorf("done: %t, but %d %s", done, b.Status, apptest.Says(b))
		}
	}
}

// judgeTokens: every token that was made is shown, named or revoked, and none is told of that isn't there.
func (r *round) judgeTokens(b *webtest.Browser, tokens []simulator.Token) {
	if len(tokens) > 1 {
		r.T.Errorf("%d tokens were made", len(tokens))
	}
	shown := apptest.SecretOf(b)
	for _, token := range tokens {
		how := r.fate(b, token)
		r.add("tokens made: " + how)
		if how == "lost" {
			r.T.Errorf("%s is lost: %d %s", token.AuthorizationID, b.Status, apptest.Says(b))
		}
		if (how == "shown" || how == "named") && apptest.Banners(r.b.Twin().Open(r.URL+"/sessions")) == "" {
			r.T.Errorf("%s is %s, and no banner says so", token.AuthorizationID, how)
		}
	}
	if shown != "" && !slices.ContainsFunc(tokens, func(t simulator.Token) bool { return t.Secret == shown }) {
		r.T.Errorf("a wrong secret is shown: %s", apptest.Says(b))
	}
	if len(tokens) == 0 {
		r.add("ended: nothing made")
		if b.Status < 400 || b.Has("button", "Revoke this token") {
			r.T.Errorf("nothing was made, but %d %s", b.Status, apptest.Says(b))
		}
	}
}

// judgeOld: what is said of the old token is true, and it wasn't revoked before the new one's secret was safe.
func (r *round) judgeOld(b *webtest.Browser, old simulator.Token) {
	now, _ := r.Sim.Token(old.AuthorizationID)
	if !r.tellsOld(b, old) {
		r.T.Errorf("the old token is revoked: %t; %s", now.Revoked, apptest.Says(b))
	}
	if now.Revoked && (!r.atOnce || apptest.SecretOf(b) == "") {
		r.T.Errorf("the old token was revoked too early: %s", apptest.Says(b))
	}
	r.add(fmt.Sprintf("old token revoked: %t", now.Revoked))
}

// judgeGlobal: the global token is revoked only when each organization has its new one, with its secret in hand.
func (r *round) judgeGlobal() {
	if r.verb != toReplace {
		return
	}
	now, _ := r.Sim.Token(r.old[0].AuthorizationID)
	r.add(fmt.Sprintf("global token revoked: %t", now.Revoked))
	if !now.Revoked {
		return
	}
	safe := 0
	for _, p := range r.pieces() {
		if p.verb == toCreate && apptest.SecretOf(r.see(p)) != "" {
			safe++
		}
	}
	if !r.atOnce || safe < r.tokens {
		r.T.Errorf("the global token was revoked (wanted: %t) with %d of %d new secrets in hand", r.atOnce, safe, r.tokens)
	}
}

// judgeClaims: nothing that was done was ever said not to be, and as long as a first token could turn up, no second one
// was suggested.
func (r *round) judgeClaims() {
	for _, v := range r.views {
		done, alive := false, false
		switch v.verb {
		case toCreate, toRotate:
			for _, t := range r.made(v.organization, r.nameOf(0)) {
				done, alive = true, alive || !t.Revoked
			}
		default:
			done = r.changed(v.verb, r.old[0])
		}
		if done && v.notDone {
			r.T.Errorf("it was done, and said not to be: %s", v.says)
		}
		if alive && v.again {
			r.T.Errorf("a second token was suggested beside the first: %s", v.says)
		}
	}
}

// judgeAnswers: all answers lead to the one change, or say that something went wrong. A success was none too early.
func (r *round) judgeAnswers(p piece) {
	made := r.made(p.organization, r.nameOf(0))
	for _, a := range r.answers {
		switch {
		case a.Err != nil, a.Status >= 400:
		case a.Status == 303 && path.Base(a.To) == p.id():
		case a.Status == 303 && strings.Contains(a.To, "done="+p.id()) && r.changed(p.verb, r.old[0]): // of revoke and edit
		case a.Status == 200 && len(made) == 1 && strings.Contains(a.Body, made[0].Secret):
		default:
			r.T.Errorf("an answer: %s; want %s", a.Says(), p.address)
		}
	}
}

// tidy takes the next step that the pages offer, until nothing waits any more.
func (r *round) tidy(pieces []piece) {
	for _, p := range pieces {
		r.b.Open(p.address)
		for _, button := range []string{"I have saved it", "Revoke this token", "Revoke the old token", "Dismiss"} {
			if r.b.Has("button", button) {
				r.b.Press(button)
			}
		}
	}
	if got := apptest.Banners(r.b.Open(r.URL + "/sessions")); got != "" {
		r.T.Errorf("still waiting: %q", got)
	}
}

// judgeShown: the audit trail tells of no secret as shown that stood in no answer. It is looked at before any page is.
// What was on its way when a browser broke off may be told as shown, as it was written to a connection.
func (r *round) judgeShown() {
	if r.several() || r.reader != "" && !r.leave {
		return
	}
	for _, line := range r.audited() {
		if line.event != "show-secret" {
			continue
		}
		token, _ := r.Sim.Token(line.token)
		if !slices.ContainsFunc(r.answers, func(a apptest.Reply) bool { return token.Secret != "" && strings.Contains(a.Body, token.Secret) }) {
			r.T.Errorf("the audit trail has the secret of %s as shown, but it stood in no answer", line.token)
		}
	}
}

// judgeAudit: how the audit trail last tells of a change is how it is.
func (r *round) judgeAudit(pieces []piece) {
	last := map[string]auditLine{}
	for _, line := range r.audited() {
		last[line.event+" "+line.operation] = line
		last[line.event+" "+line.token] = line
	}
	wantTrue := func(event, of string, done bool) {
		if outcome := last[event+" "+of].outcome; done && outcome == "refused" || !done && outcome == "done" {
			r.T.Errorf("the audit trail has %s of %s as %s; done: %t", event, of, outcome, done)
		}
	}
	for _, p := range pieces {
		switch p.verb {
		case toCreate, toRotate:
			wantTrue(p.verb, p.id(), len(r.made(p.organization, r.nameOf(0))) > 0)
		default:
			wantTrue(callOf[p.verb], p.id(), r.changed(p.verb, *p.old))
		}
	}
	if r.verb == bulkRevoke || r.verb == bulkExtend {
		for _, old := range r.old {
			wantTrue(callOf[r.verb], old.AuthorizationID, r.changed(r.verb, old))
		}
	}
}

// countFaults counts the faults that have really hit a call.
func (r *round) countFaults() {
	for _, seen := range r.Sim.Requests() {
		for _, fault := range seen.Faults {
			r.add("service: " + seen.Call + " met " + fault)
		}
	}
}

// calls counts the requests of one kind in one organization.
func (r *round) calls(call, organization string) (n int) {
	for _, seen := range r.Sim.Requests() {
		if seen.Call == call && seen.Organization == organization {
			n++
		}
	}
	return n
}

// judgeProcesses: no process has died by itself, and none has logged a secret in this round.
func (r *round) judgeProcesses() {
	for _, m := range r.Members {
		select {
		case <-m.Done:
			r.T.Errorf("a process died:\n%s", m.Log.Since(max(0, m.Log.Len()-5000)))
		default:
		}
		for _, run := range m.Runs {
			apptest.WantNoSecret(r.T, r.Sim, "the log", run.Log.Since(r.marks[run]))
		}
		m.Runs = m.Runs[len(m.Runs)-1:]
	}
}

// audited are the round's records of the audit trail, over all processes in the order of time.
func (r *round) audited() (lines []auditLine) {
	for _, m := range r.Members {
		for _, run := range m.Runs {
			for line := range strings.Lines(run.Log.Since(r.marks[run])) {
				if strings.Contains(line, " audit=true ") {
					lines = append(lines, auditLine{logged(" "+line, "time"), logged(line, "event"), logged(line, "outcome"), logged(line, "operation"), logged(line, "token")})
				}
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b auditLine) int { return cmp.Compare(a.time, b.time) })
	return lines
}

// auditLine is one record of the audit trail.
type auditLine struct{ time, event, outcome, operation, token string }

// logged is the value of a field without blanks.
func logged(line, field string) string {
	_, rest, _ := strings.Cut(line, " "+field+"=")
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return value
}
