package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/patdesk/patdesk/internal/limit"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

const (
	// maxPending is how many sign-ins one network can have begun and not finished, and maxPendingInAll how many there
	// can be of all. Each keeps a record of at most 4 KB for AttemptLife; the oldest goes for the newest.
	maxPending, maxPendingInAll = 5000, 20_000
	// maxDrafts is the same of forms that are kept through a sign-in, which are of up to 64 KB: of a person or network,
	// and of all.
	maxDrafts, maxDraftsInAll = 200, 1000
	// wideFactor is how many times as many sign-ins all networks of one customer (see limit.Wide) can begin as one of
	// them.
	wideFactor = 4
	// maxFinishing is how many sign-ins are finished at the same time, each with a call to Entra: altogether, and of
	// one network.
	maxFinishing, maxFinishingEach = 64, 32
	// finishWait is how long a sign-in waits for its turn: as long as 1,000 take, of one network, against a token endpoint of
	// 300 ms on a busy machine.
	finishWait = 30 * time.Second
	// guessesPerMinute is how often one network may ask for what only those know who were given its address, and be
	// wrong.
	guessesPerMinute = 60
	// maxLookups is how much is looked up at the same time for networks that were wrong too often: altogether, and for
	// one of them; lookupWait is how long one waits for its turn.
	maxLookups, maxLookupsEach = 8, 2
	lookupWait                 = 2 * time.Second
)

// Names of limits, for the log, the metrics and the catalogue ("limit.<name>").
const (
	limitSignIns   = "signIns"
	limitFinishing = "finishing"
	limitChanges   = "changes"
	limitGuesses   = "guesses"
	LimitFull      = "full" // as many records as one person may have
)

// LimitNames are those of all limits that a request can run into.
func LimitNames() []string {
	return []string{limitSignIns, limitFinishing, limitChanges, limitGuesses, LimitFull}
}

// Limits are what keeps one person or one network from taking all there is.
type Limits struct {
	Sessions  *session.Manager
	Now       func() time.Time
	Log       *slog.Logger
	Telemetry Telemetry
	words     func(*http.Request) *templates.Words // for programs

	signIns   *limit.Rate    // sign-ins begun, by network
	wide      *limit.Rate    // and by the wider network, wideFactor times as many
	pending   *limit.Pending // and not finished
	drafts    *limit.Pending // forms kept through a sign-in, by person or network
	finishing *limit.Slots   // sign-ins that are being finished, by network
	changes   *limit.Rate    // requests of signed-in people that change something, by person
	guesses   *limit.Rate    // lookups that found nothing, by network
	lookups   *limit.Slots   // lookups for networks that found nothing too often

	finishWait time.Duration // how long a sign-in waits for its turn
}

func newLimits(o Options) *Limits {
	return &Limits{
		Sessions: o.Sessions, Now: o.Now, Log: o.Log, Telemetry: o.Telemetry, words: func(r *http.Request) *templates.Words { return o.WordsForProgram(r, "") }, finishWait: finishWait,
		signIns: limit.NewRate(o.SignInsPerMinute, o.Now), wide: limit.NewRate(wideFactor*o.SignInsPerMinute, o.Now), pending: limit.NewPending(maxPending, maxPendingInAll, AttemptLife, o.Now),
		drafts:    limit.NewPending(maxDrafts, maxDraftsInAll, AttemptLife, o.Now),
		finishing: limit.NewSlots(maxFinishing, maxFinishingEach),
		changes:   limit.NewRate(o.ChangesPerMinute, o.Now), guesses: limit.NewRate(guessesPerMinute, o.Now),
		lookups: limit.NewSlots(maxLookups, maxLookupsEach),
	}
}

// network is whom a request is counted for before anybody has signed in.
func (v *Request) network() string { return limit.Network(v.RemoteAddr) }

// tooMany is an error that is answered with 429 and a page that says when to try again (RFC 6585, section 4).
func (l *Limits) tooMany(v *Request, name string, wait time.Duration) *HTTPError {
	l.Telemetry.Limited(name)
	wait = max(wait, time.Second) // a header can't say less
	over := v.When(v.Now.Add(wait))
	return &HTTPError{
		Status: http.StatusTooManyRequests, Key: "limit." + name, retryAfter: wait,
		Data: map[string]any{"Clock": over.Clock},
	}
}

// CountFull counts that a person has as many records of a kind as one person may have.
func (l *Limits) CountFull(err error) {
	if errors.Is(err, session.ErrFull) {
		l.Telemetry.Limited(LimitFull)
	}
}

// paced holds up a person who sends more requests that change something than anybody can by hand, before anything is
// done. It counts requests, not what they do: one that changes many tokens is one.
func (l *Limits) paced(a Action) Action {
	return func(v *Request) (Answer, error) {
		if wait := l.changes.Take(v.Person()); wait > 0 {
			return nil, l.tooMany(v, limitChanges, wait)
		}
		return a(v)
	}
}

func (l *Limits) takeSignIn(network string) (wait time.Duration) {
	if wait = l.signIns.Take(network); wait == 0 {
		wait = l.wide.Take(limit.Wide(network))
	}
	return wait
}

// Opened is for pages that lead elsewhere: one that is fetched, framed or shown as an image goes nowhere, and must not
// use up what a network's people can begin.
func Opened(_ *Site, e *endpoint) {
	next := e.action
	e.action = func(v *Request) (Answer, error) {
		if !v.navigates() {
			return nil, &HTTPError{Status: http.StatusForbidden, Key: "signin.notOpened"}
		}
		return next(v)
	}
}

// SignIns limits how many sign-ins a network's people can begin.
func SignIns(site *Site, e *endpoint) {
	next := e.action
	e.action = func(v *Request) (Answer, error) {
		if wait := site.Limits.takeSignIn(v.network()); wait > 0 {
			return nil, site.Limits.tooMany(v, limitSignIns, wait)
		}
		return next(v)
	}
}

// Finishing limits how many sign-ins are finished at the same time.
func Finishing(site *Site, e *endpoint) {
	next := e.action
	e.action = func(v *Request) (Answer, error) {
		leave, err := site.Limits.takeTurn(v)
		if err != nil {
			return nil, err
		}
		defer leave()
		return next(v)
	}
}

// SignInBegun counts the attempt among those that aren't finished. The oldest ones that have to go for it are dropped:
// so a flood from a network doesn't keep its people from signing in.
func (l *Limits) SignInBegun(v *Request, attempt string) {
	for _, oldest := range l.pending.Begin(v.network(), attempt) {
		if err := l.Sessions.DropAttempt(v.Context(), oldest); err != nil {
			l.Log.WarnContext(v.Context(), "an unfinished sign-in could not be dropped", "request_id", v.RequestID(), "error", err)
		}
	}
}

// takeTurn waits until a sign-in can be finished. It comes before the attempt is taken, so a person who is turned away
// can load the same address again.
func (l *Limits) takeTurn(v *Request) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(v.Context(), l.finishWait)
	defer cancel()
	leave, err = l.finishing.Enter(ctx, v.network())
	if err != nil && v.Context().Err() == nil {
		return nil, l.tooMany(v, limitFinishing, l.finishWait)
	}
	return leave, err
}

// LimitGuesses is for addresses that are a secret by themselves, and are asked for by programs. look answers, or
// reports that there is no such address. Each of those counts for the network that asked. After too many they are
// answered with 429, while right ones go on being answered: but few are looked up at a time, so that guessing costs the
// store little.
func (l *Limits) LimitGuesses(look func(http.ResponseWriter, *http.Request) (found bool), unknown http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		network := limit.Network(r.RemoteAddr)
		if l.guesses.Left(network) > 0 {
			ctx, cancel := context.WithTimeout(r.Context(), lookupWait)
			defer cancel()
			leave, err := l.lookups.Enter(ctx, network)
			if err != nil {
				l.writeLimited(w, r, l.tooMany(&Request{Request: r, Words: l.words(r), Now: l.Now().UTC()}, limitGuesses, lookupWait))
				return
			}
			defer leave()
		}
		if look(w, r) {
			return
		}
		if wait := l.guesses.Take(network); wait > 0 {
			l.writeLimited(w, r, l.tooMany(&Request{Request: r, Words: l.words(r), Now: l.Now().UTC()}, limitGuesses, wait))
			return
		}
		unknown(w, r)
	}
}

// writeLimited says it in plain text, as programs show no pages.
func (l *Limits) writeLimited(w http.ResponseWriter, r *http.Request, e *HTTPError) {
	NoteError(r.Context(), e)
	for name, values := range RetryHeader(e.retryAfter) {
		w.Header()[name] = values
	}
	text := l.words(r).Message(e.Key, e.Data)
	writeText(w, e.Status, text.Title+"\n\n"+text.What+" "+text.Advice+"\n")
}
