package calendar

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

const (
	// Life is how long what was read of an organization is shown, from the last reading on.
	Life = 90 * 24 * time.Hour
	// addressLife is how long an address is known without a reading: so long a feed that has run dry can say so.
	addressLife = 2 * Life
	// noteEvery is how often a reading that found nothing new is written down, and that the feed was asked for.
	noteEvery = 10 * time.Minute
	// graveLife is how long a revoked address is remembered, so that the form that made it can't make it again. Forms
	// live for half a day.
	graveLife = 24 * time.Hour
	// partBytes bounds one organization's part as JSON, well below session.MaxValue. What ends last is left out.
	partBytes = 800 << 10
	// maxParts and partsBytes bound what is kept for one person. What goes beyond isn't in the calendar.
	maxParts   = 100
	partsBytes = 16 << 20
)

// Kinds of records.
const (
	kindFeed    = "calendar"        // one for each person that has an address
	kindAddress = "calendaraddress" // from the public half of an address to its person
	kindPart    = "calendarpart"    // what was read, one for each organization of the person
)

// Errors, with the HTTP status that fits each.
var (
	ErrUnknown = errors.New("calendar: no such address")                                        // 404
	ErrChanged = errors.New("calendar: the person's address is another one than the form knew") // 409

	// ErrUnreadable says that something is recorded that this program can't read: by a newer release, or under another
	// key.
	ErrUnreadable = errors.New("calendar: what is recorded of it can't be read") // 503
)

// Expiry is the end of one token.
type Expiry struct {
	ID       string    `json:"i"` // authorizationId
	Name     string    `json:"n"`
	Begins   time.Time `json:"b,omitzero"` // zero: it isn't known
	Ends     time.Time `json:"e"`
	Global   bool      `json:"g,omitempty"`
	Sequence int       `json:"s,omitempty"` // how often name or end have changed since the feed knows it
	Changed  time.Time `json:"c"`           // when that was seen last
}

// Life is how long the token lives in all; 0 if that isn't known.
func (e Expiry) Life() time.Duration {
	if e.Begins.IsZero() {
		return 0
	}
	return max(0, e.Ends.Sub(e.Begins))
}

// Part is what was read of one organization.
type Part struct {
	Organization string    `json:"Organization"`
	Read         time.Time `json:"Read"`     // when that reading began
	Expiries     []Expiry  `json:"Expiries"` // by their ends
	Left         int       `json:"Left"`     // tokens that were too many to be kept

	Undated int `json:"Undated,omitempty"` // tokens whose end or id isn't known: no entry can stand for them

	Failed time.Time `json:"Failed,omitzero"` // when a reading began that failed, if that was after Read; Read is zero if none succeeded
}

// Each goes through the expiries of all parts, each token once: a global one is in the list of every organization.
func Each(parts []Part) iter.Seq2[Part, Expiry] {
	return func(yield func(Part, Expiry) bool) {
		seen := map[string]bool{}
		for _, part := range parts {
			for _, e := range part.Expiries {
				if seen[e.ID] {
					continue
				}
				seen[e.ID] = true
				if !yield(part, e) {
					return
				}
			}
		}
	}
}

// Feed is what its owner may know of a feed.
type Feed struct {
	Address   string    `json:"Address"` // public half: it names the address, and opens nothing; "": the person has none
	Revoked   string    `json:"Revoked"` // the one that was revoked last, if there is none
	Made      time.Time `json:"Made"`
	Refreshed time.Time `json:"Refreshed"` // the latest reading; zero: none yet
	Asked     time.Time `json:"Asked"`     // exact to noteEvery; zero: never
	AskedBy   Reader    `json:"AskedBy"`

	Language string `json:"Language,omitempty"` // BCP 47 tag of its entries; "": of a feed that was made before they had one

	Unreadable bool `json:"-"` // there is one, of which nothing is known (see ErrUnreadable)
}

// Reader is who asked for a feed.
type Reader struct {
	Address string `json:"Address"`
	Program string `json:"Program"`
}

// Mark distinguishes the states of a feed: a form that makes an address is for one of them.
func (f Feed) Mark() string {
	switch {
	case f.Unreadable:
		return "unreadable"
	case f.Address == "" && f.Revoked != "":
		return "revoked " + f.Revoked
	}
	return f.Address
}

// feed is a Feed as it is kept.
type feed struct {
	Feed
	Hash []byte `json:"Hash"` // of the address's secret half
}

// owner is the record of an address.
type owner struct {
	Person string `json:"Person"`
}

// Feeds keeps all feeds.
type Feeds struct {
	records *session.Records
	now     func() time.Time
}

// New makes Feeds over r.
func New(r *session.Records, now func() time.Time) *Feeds {
	r.Declare(
		session.Bound{Kind: kindFeed, Each: 16 << 10, Records: 1, Bytes: 32 << 10},
		session.Bound{Kind: kindAddress, Each: 1 << 10, Why: "one for each calendar: the one before is dead and goes"},
		session.Bound{Kind: kindPart, Each: session.MaxValue, Records: maxParts, Bytes: partsBytes},
	)
	return &Feeds{records: r, now: now}
}

func feedKey(person string) session.Key {
	return session.Key{Kind: kindFeed, Group: person, ID: "feed"}
}

func addressKey(name string) session.Key { return session.Key{Kind: kindAddress, ID: name} }

func partKey(person, organization string) session.Key {
	return session.Key{Kind: kindPart, Group: person, ID: strings.ToLower(organization)}
}

// Of returns the person's feed; the zero Feed if there never was one.
func (f *Feeds) Of(ctx context.Context, person string) (Feed, error) {
	kept, _, err := f.load(ctx, person)
	return kept.Feed, err
}

func (f *Feeds) load(ctx context.Context, person string) (kept feed, there bool, err error) {
	err = f.records.Get(ctx, feedKey(person), &kept)
	switch {
	case errors.Is(err, session.ErrDamaged):
		return feed{Feed: Feed{Unreadable: true}}, true, nil
	case errors.Is(err, session.ErrNotFound):
		return feed{}, false, nil
	}
	return kept, err == nil, err
}

// Make gives the person the address that form stands for, if the feed is still as its Mark was when the form was drawn.
// An address that there was is dead from then on. Sending the same form again gives the same address again (made is
// false then), as long as no other has taken its place and it wasn't revoked: ErrChanged.
func (f *Feeds) Make(ctx context.Context, person, form, mark string) (text string, made bool, err error) {
	release, err := f.records.Lock(ctx, feedKey(person))
	if err != nil {
		return "", false, err
	}
	defer release()
	fresh := f.newAddress(person, form)
	kept, there, err := f.load(ctx, person)
	switch {
	case err != nil:
		return "", false, err
	case kept.Address == fresh.name() && fresh.fits(kept.Hash):
		return fresh.String(), false, nil
	case kept.Mark() != mark:
		return "", false, ErrChanged
	}
	if kept.Unreadable { // the form said so: its person wants another one
		if err := f.records.Delete(ctx, feedKey(person)); err != nil {
			return "", false, err
		}
		there = false
	}
	if err := f.put(ctx, person, fresh, !there); err != nil {
		return "", false, err
	}
	if kept.Address != "" {
		_ = f.records.Delete(ctx, addressKey(kept.Address)) // it opens nothing any more: the feed names another one
	}
	return fresh.String(), true, nil
}

// put writes the address before the feed that names it. From the second write on the new one counts, and it alone.
func (f *Feeds) put(ctx context.Context, person string, fresh address, first bool) error {
	until := f.now().Add(addressLife)
	err := f.records.Create(ctx, addressKey(fresh.name()), owner{Person: person}, until)
	if err != nil && !errors.Is(err, session.ErrExists) { // it is there if an earlier try got this far
		return err
	}
	next := feed{Feed: Feed{Address: fresh.name(), Made: f.now().UTC()}, Hash: fresh.hash()}
	if first {
		return f.records.Create(ctx, feedKey(person), next, until)
	}
	var kept feed
	return f.records.Change(ctx, feedKey(person), &kept, until, func() error {
		next.Refreshed = kept.Refreshed
		kept = next
		return nil
	})
}

// Revoke ends the person's feed if its address is still the one named, and deletes all that was kept for it. revoked is
// false if there was nothing to end. ErrUnreadable.
func (f *Feeds) Revoke(ctx context.Context, person, name string) (revoked bool, err error) {
	release, err := f.records.Lock(ctx, feedKey(person))
	if err != nil {
		return false, err
	}
	defer release()
	kept, _, err := f.load(ctx, person)
	if err == nil && kept.Unreadable {
		err = ErrUnreadable
	}
	if err != nil || kept.Address == "" || kept.Address != name {
		return false, err
	}
	parts, err := f.Parts(ctx, person)
	if err != nil {
		return false, err
	}
	err = f.records.Change(ctx, feedKey(person), &kept, f.now().Add(graveLife), func() error {
		kept = feed{Feed: Feed{Revoked: name}}
		return nil
	})
	if err != nil {
		return false, err
	}
	errs := []error{f.records.Delete(ctx, addressKey(name))} // it opens nothing any more, whatever becomes of these
	for _, p := range parts {
		errs = append(errs, f.records.Delete(ctx, partKey(person, p.Organization)))
	}
	return true, errors.Join(errs...)
}

// Open finds the feed of an address, and notes that it was asked for: ErrUnknown, also if its person isn't allowed any
// more; ErrUnreadable.
func (f *Feeds) Open(ctx context.Context, text string, by Reader, allowed func(person string) bool) (person string, found Feed, err error) {
	a, ok := parseAddress(text)
	if !ok {
		return "", Feed{}, ErrUnknown
	}
	var o owner
	err = f.records.Get(ctx, addressKey(a.name()), &o)
	switch {
	case errors.Is(err, session.ErrDamaged):
		return "", Feed{}, ErrUnreadable
	case errors.Is(err, session.ErrNotFound):
		return "", Feed{}, ErrUnknown
	case err != nil:
		return "", Feed{}, err
	}
	if !allowed(o.Person) {
		return "", Feed{}, ErrUnknown
	}
	kept, _, err := f.load(ctx, o.Person)
	if err == nil && kept.Unreadable {
		err = ErrUnreadable
	}
	if err != nil {
		return "", Feed{}, err
	}
	if kept.Address != a.name() || !a.fits(kept.Hash) {
		return "", Feed{}, ErrUnknown
	}
	if now := f.now().UTC(); now.Sub(kept.Asked) >= noteEvery || by != kept.AskedBy && now.Sub(kept.Asked) >= time.Minute {
		_ = f.note(ctx, o.Person, a.name(), func(k *feed) { k.Asked, k.AskedBy = now, by }) // losing the note is no harm
	}
	return o.Person, kept.Feed, nil
}

// Speak has the entries of the person's feed written in a language. For a person without a feed nothing is kept.
func (f *Feeds) Speak(ctx context.Context, person, language string) error {
	kept, _, err := f.load(ctx, person)
	if err != nil || kept.Address == "" {
		return err
	}
	return f.note(ctx, person, kept.Address, func(k *feed) { k.Language = language })
}

// errUnchanged leaves a record as it is.
var errUnchanged = errors.New("calendar: nothing to change")

// note changes the person's feed while its address is the one named.
func (f *Feeds) note(ctx context.Context, person, name string, edit func(*feed)) error {
	var kept feed
	err := f.records.Change(ctx, feedKey(person), &kept, time.Time{}, func() error {
		if kept.Address != name {
			return errUnchanged
		}
		edit(&kept)
		return nil
	})
	if errors.Is(err, errUnchanged) || errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}

// Parts is what was last read of the person's organizations, by their names.
func (f *Feeds) Parts(ctx context.Context, person string) (parts []Part, err error) {
	err = f.records.Each(ctx, kindPart, person, func(_ string, decode func(any) error) error {
		var p Part
		if decode(&p) == nil {
			parts = append(parts, p)
		}
		return nil
	})
	slices.SortFunc(parts, func(a, b Part) int {
		return strings.Compare(strings.ToLower(a.Organization), strings.ToLower(b.Organization))
	})
	return parts, err
}

// Has reports whether the person has a feed.
func (f *Feeds) Has(ctx context.Context, person string) (bool, error) {
	kept, _, err := f.load(ctx, person)
	return kept.Address != "", err
}

// Refresh takes over a reading of an organization that began at read; of tokens without an ID or Ends only the number. For a person without a feed nothing is kept. A
// reading that began before the one that is kept changes nothing. session.ErrFull: of so many organizations that this
// one isn't kept.
func (f *Feeds) Refresh(ctx context.Context, person, organization string, read time.Time, expiries []Expiry) error {
	kept, _, err := f.load(ctx, person)
	if err != nil || kept.Address == "" {
		return err
	}
	fresh, err := bounded(Part{Organization: organization, Read: read.UTC(), Expiries: expiries})
	if err != nil {
		return err
	}
	return f.write(ctx, person, fresh)
}

// Miss notes that a reading of an organization that began then has failed. What was read before stays.
func (f *Feeds) Miss(ctx context.Context, person, organization string, begun time.Time) error {
	kept, _, err := f.load(ctx, person)
	if err != nil || kept.Address == "" {
		return err
	}
	return f.write(ctx, person, Part{Organization: organization, Failed: begun.UTC()})
}

// write puts a part into the store, and notes the reading in the feed. It tries again where another request was faster.
func (f *Feeds) write(ctx context.Context, person string, fresh Part) (err error) {
	key, until := partKey(person, fresh.Organization), time.Time{}
	if !fresh.Read.IsZero() {
		until = fresh.Read.Add(Life)
	}
	for range 5 {
		var kept Part
		err = f.records.Change(ctx, key, &kept, until, func() error {
			next, news := fresh.over(kept)
			if !news {
				return errUnchanged
			}
			kept = next
			return nil
		})
		if errors.Is(err, session.ErrDamaged) { // it is left to the program that can read it
			return nil
		}
		if errors.Is(err, session.ErrNotFound) {
			first := fresh.after(Part{})
			err = f.records.Create(ctx, key, first, cmp.Or(until, first.Failed.Add(Life)))
		}
		if !errors.Is(err, session.ErrExists) {
			break
		}
	}
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case err != nil:
		return err
	}
	return f.prolong(ctx, person, fresh)
}

// prolong notes the reading in the feed, and lets the address live on. If the feed was revoked meanwhile, the part that
// was just written goes again.
func (f *Feeds) prolong(ctx context.Context, person string, fresh Part) error {
	until := f.now().Add(addressLife)
	var kept feed
	err := f.records.Change(ctx, feedKey(person), &kept, until, func() error {
		if kept.Address == "" {
			return errUnchanged
		}
		if fresh.Read.After(kept.Refreshed) {
			kept.Refreshed = fresh.Read
		}
		return nil
	})
	if errors.Is(err, session.ErrDamaged) {
		return nil
	}
	if errors.Is(err, session.ErrNotFound) || errors.Is(err, errUnchanged) {
		return f.records.Delete(ctx, partKey(person, fresh.Organization))
	}
	if err != nil {
		return err
	}
	var o owner
	err = f.records.Change(ctx, addressKey(kept.Address), &o, until, func() error { return nil })
	if errors.Is(err, session.ErrNotFound) { // made anew meanwhile
		return nil
	}
	return err
}

// Forget drops what was read of an organization that there isn't any more.
func (f *Feeds) Forget(ctx context.Context, person, organization string) error {
	return f.records.Delete(ctx, partKey(person, organization))
}

// same reports whether two expiries look the same in a calendar.
func same(a, b Expiry) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Ends.Equal(b.Ends) && a.Global == b.Global
}

// over is what is kept after a reading p, and if that is worth writing down.
func (p Part) over(kept Part) (next Part, news bool) {
	if p.Read.IsZero() { // it failed
		news = p.Failed.After(kept.Read) && p.Failed.Sub(kept.Failed) >= noteEvery
		kept.Failed = p.Failed
		return kept, news
	}
	next = p.after(kept)
	if kept.Failed.After(p.Read) {
		next.Failed = kept.Failed
	}
	same := slices.EqualFunc(next.Expiries, kept.Expiries, same) && next.Undated == kept.Undated && next.Failed.Equal(kept.Failed)
	return next, p.Read.After(kept.Read) && (!same || p.Read.Sub(kept.Read) >= noteEvery)
}

// after counts what has changed since an earlier part: calendar programs go by that.
func (p Part) after(before Part) Part {
	known := make(map[string]Expiry, len(before.Expiries))
	for _, e := range before.Expiries {
		known[e.ID] = e
	}
	p.Expiries = slices.Clone(p.Expiries)
	for i := range p.Expiries {
		e := &p.Expiries[i]
		was, ok := known[e.ID]
		switch {
		case !ok:
			e.Sequence, e.Changed = 0, p.Read
		case same(was, *e):
			e.Sequence, e.Changed = was.Sequence, was.Changed
		default:
			e.Sequence, e.Changed = was.Sequence+1, p.Read
		}
	}
	return p
}

// bounded sorts a part by ends, counts what has none or no id, and keeps as much of it as a record can hold.
func bounded(p Part) (Part, error) {
	all := len(p.Expiries)
	p.Expiries = slices.DeleteFunc(slices.Clone(p.Expiries), func(e Expiry) bool { return e.ID == "" || e.Ends.IsZero() })
	p.Undated = all - len(p.Expiries)
	slices.SortFunc(p.Expiries, func(a, b Expiry) int { return cmp.Or(a.Ends.Compare(b.Ends), cmp.Compare(a.ID, b.ID)) })
	size := 0
	for i, e := range p.Expiries {
		encoded, err := json.Marshal(e)
		if err != nil {
			return p, fmt.Errorf("calendar: encoding the end of a token: %w", err)
		}
		if size += len(encoded) + 64; size > partBytes { // and what after will add
			p.Left, p.Expiries = len(p.Expiries)-i, p.Expiries[:i]
			break
		}
	}
	return p, nil
}
