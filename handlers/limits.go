package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/patdesk/patdesk/internal/limit"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

const (
	// maxPending is how many sign-ins one network can have begun and not finished, and maxPendingInAll how many there can be
	// of all. Each keeps a record of at most 4 KB for attemptLife; the oldest goes for the newest.
	maxPending, maxPendingInAll = 5000, 20_000
	// maxDrafts is the same of forms that are kept through a sign-in, which are of up to 64 KB: of a person or network, and of all.
	maxDrafts, maxDraftsInAll = 200, 1000
	// wideFactor is how many times as many sign-ins all networks of one customer (see limit.Wide) can begin as one of them.
	wideFactor = 4
	// maxFinishing is how many sign-ins are finished at the same time, each with a call to Entra: altogether, and of one
	// network.
	maxFinishing, maxFinishingEach = 64, 32
	// finishWait is how long a sign-in waits for its turn.
	finishWait = 10 * time.Second
	// guessesPerMinute is how often one network may ask for what only somebody who was given its address knows, and be wrong.
	guessesPerMinute = 60
	// maxLookups is how much is looked up at the same time for networks that were wrong too often: altogether, and for one of
	// them; lookupWait is how long one waits for its turn.
	maxLookups, maxLookupsEach = 8, 2
	lookupWait                 = 2 * time.Second
)

// Names of limits, for the log, the metrics and the catalogue ("limit.<name>").
const (
	limitSignIns   = "signIns"
	limitFinishing = "finishing"
	limitChanges   = "changes"
	limitGuesses   = "guesses"
	limitFull      = "full" // as many records as one person may have
)

// Limits returns the names of all limits that a request can run into.
func Limits() []string {
	return []string{limitSignIns, limitFinishing, limitChanges, limitGuesses, limitFull}
}

// limits are what keeps one person or one network from taking all there is.
type limits struct {
	signIns   *limit.Rate    // sign-ins begun, by network
	wide      *limit.Rate    // and by the wider network, wideFactor times as many
	pending   *limit.Pending // and not finished
	drafts    *limit.Pending // forms kept through a sign-in, by person or network
	finishing *limit.Places  // sign-ins that are being finished, by network
	changes   *limit.Rate    // requests of signed-in people that change something, by person
	guesses   *limit.Rate    // lookups that found nothing, by network
	lookups   *limit.Places  // lookups for networks that found nothing too often
}

func newLimits(o Options) limits {
	return limits{
		signIns: limit.NewRate(o.SignInsPerMinute, o.Now), wide: limit.NewRate(wideFactor*o.SignInsPerMinute, o.Now), pending: limit.NewPending(maxPending, maxPendingInAll, attemptLife, o.Now),
		drafts:    limit.NewPending(maxDrafts, maxDraftsInAll, attemptLife, o.Now),
		finishing: limit.NewPlaces(maxFinishing, maxFinishingEach),
		changes:   limit.NewRate(o.ChangesPerMinute, o.Now), guesses: limit.NewRate(guessesPerMinute, o.Now),
		lookups: limit.NewPlaces(maxLookups, maxLookupsEach),
	}
}

// network is whom a request is counted for before anybody has signed in.
func (v *visit) network() string { return limit.Network(v.RemoteAddr) }

// tooMany is an error that is answered with 429 and a page that says when to try again (RFC 6585, section 4).
func (h *Handlers) tooMany(v *visit, name string, wait time.Duration) *httpError {
	h.Telemetry.Limited(name)
	wait = max(wait, time.Second) // a header can't say less
	over := v.when(v.now.Add(wait))
	return &httpError{
		status: http.StatusTooManyRequests, key: "limit." + name, retryAfter: wait,
		data: map[string]any{"Clock": over.Clock},
	}
}

// countFull counts that somebody has as many records of a kind as one person may have.
func (h *Handlers) countFull(err error) {
	if errors.Is(err, session.ErrFull) {
		h.Telemetry.Limited(limitFull)
	}
}

// paced holds up a person who sends more requests that change something than anybody can by hand, before anything is done.
// It counts requests, not what they do: one that changes many tokens is one.
func (h *Handlers) paced(a action) action {
	return func(v *visit) (answer, error) {
		if wait := h.limits.changes.Take(v.session.Person().Key()); wait > 0 {
			return nil, h.tooMany(v, limitChanges, wait)
		}
		return a(v)
	}
}

func (h *Handlers) takeSignIn(network string) (wait time.Duration) {
	if wait = h.limits.signIns.Take(network); wait == 0 {
		wait = h.limits.wide.Take(limit.Wide(network))
	}
	return wait
}

// Opened is for pages that lead elsewhere: one that is fetched, framed or shown as an image goes nowhere, and must not use up
// what a network's people can begin.
func Opened(_ *Handlers, e *endpoint) {
	next := e.action
	e.action = func(v *visit) (answer, error) {
		if !v.navigates() {
			return nil, &httpError{status: http.StatusForbidden, key: "signin.notOpened"}
		}
		return next(v)
	}
}

// SignIns limits how many sign-ins a network's people can begin.
func SignIns(h *Handlers, e *endpoint) {
	next := e.action
	e.action = func(v *visit) (answer, error) {
		if wait := h.takeSignIn(v.network()); wait > 0 {
			return nil, h.tooMany(v, limitSignIns, wait)
		}
		return next(v)
	}
}

// Finishing limits how many sign-ins are finished at the same time.
func Finishing(h *Handlers, e *endpoint) {
	next := e.action
	e.action = func(v *visit) (answer, error) {
		leave, err := h.takeTurn(v)
		if err != nil {
			return nil, err
		}
		defer leave()
		return next(v)
	}
}

// signInBegun counts the attempt among those that aren't finished. The oldest ones that have to go for it are dropped:
// whoever floods a network's list doesn't keep its people from signing in.
func (h *Handlers) signInBegun(v *visit, attempt string) {
	for _, oldest := range h.limits.pending.Begin(v.network(), attempt) {
		if err := h.Sessions.DropAttempt(v.Context(), oldest); err != nil {
			h.Log.WarnContext(v.Context(), "an unfinished sign-in could not be dropped", "request_id", requestID(v.Context()), "error", err)
		}
	}
}

// keepDraft keeps what was typed, or a page to come back to, through a sign-in. The oldest ones that have to go for it, of
// this person or network first, are dropped.
func (h *Handlers) keepDraft(v *visit, d draft) (id string, err error) {
	id, record, err := h.Sessions.KeepDraft(v.w, v.Request, d, attemptLife)
	if err != nil {
		return "", err
	}
	whose := v.network()
	if v.session.SignedIn() {
		whose = v.session.Person().Key()
	}
	for _, oldest := range h.limits.drafts.Begin(whose, record) {
		if err := h.Sessions.DropDraft(v.Context(), oldest); err != nil {
			h.Log.WarnContext(v.Context(), "what was typed before a sign-in could not be dropped", "request_id", requestID(v.Context()), "error", err)
		}
	}
	return id, nil
}

// keepForStranger counts what is kept for somebody who isn't signed in: it comes before a sign-in, and counts as one.
func (h *Handlers) keepForStranger(v *visit) error {
	if v.session.SignedIn() {
		return nil
	}
	if wait := h.takeSignIn(v.network()); wait > 0 {
		return h.tooMany(v, limitSignIns, wait)
	}
	return nil
}

// takeTurn waits until a sign-in can be finished. It comes before the attempt is taken, so whoever had to be sent away can
// load the same address again.
func (h *Handlers) takeTurn(v *visit) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(v.Context(), h.finishWait)
	defer cancel()
	leave, err = h.limits.finishing.Enter(ctx, v.network())
	if err != nil && v.Context().Err() == nil {
		return nil, h.tooMany(v, limitFinishing, h.finishWait)
	}
	return leave, err
}

// limitGuesses is for addresses that are a secret by themselves, and are asked for by programs. look answers, or reports that
// there is no such address. Each of those counts for the network that asked. After too many they are answered with 429, while
// right ones go on being answered: but few are looked up at a time, so that guessing costs the store little.
func (h *Handlers) limitGuesses(look func(http.ResponseWriter, *http.Request) (found bool), unknown http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		network := limit.Network(r.RemoteAddr)
		if h.limits.guesses.Left(network) > 0 {
			ctx, cancel := context.WithTimeout(r.Context(), lookupWait)
			defer cancel()
			leave, err := h.limits.lookups.Enter(ctx, network)
			if err != nil {
				h.writeHeldUp(w, r, h.tooMany(&visit{Request: r, now: h.Now()}, limitGuesses, lookupWait))
				return
			}
			defer leave()
		}
		if look(w, r) {
			return
		}
		if wait := h.limits.guesses.Take(network); wait > 0 {
			h.writeHeldUp(w, r, h.tooMany(&visit{Request: r, now: h.Now()}, limitGuesses, wait))
			return
		}
		unknown(w, r)
	}
}

// writeHeldUp says it in plain text, as programs show no pages.
func (h *Handlers) writeHeldUp(w http.ResponseWriter, r *http.Request, e *httpError) {
	fieldsOf(r.Context()).Err = e
	for name, values := range retryHeader(e.retryAfter) {
		w.Header()[name] = values
	}
	text := templates.Message(e.key, e.data)
	writeText(w, e.status, text.Title+"\n\n"+text.What+" "+text.Advice+"\n")
}
