package calendar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/testkit"
)

const mona, jonas = "tenant.mona", "tenant.jonas"

// shelf is Feeds over a store, with a clock that is moved by hand.
type shelf struct {
	*calendar.Feeds
	*testkit.Clock
	t   *testing.T
	key byte
}

// stubborn is a store that doesn't delete the records of addresses.
type stubborn struct{ session.Backend }

func (s stubborn) Delete(ctx context.Context, n session.Name) error {
	if n.Kind == "calendaraddress" {
		return session.ErrUnavailable
	}
	return s.Backend.Delete(ctx, n)
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, Clock: testkit.NewClockAt(noon), key: 'k'}
	s.over(sessiontest.NewMemory(s.Now))
	return s
}

func (s *shelf) over(b session.Backend) {
	s.t.Helper()
	m, err := session.New(b, session.Options{
		Keys: [][]byte{bytes.Repeat([]byte{s.key}, session.KeySize)}, IdleTimeout: time.Hour, Lifetime: time.Hour, Now: s.Now,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Feeds = calendar.New(m.Records(), s.Now)
}

// An address is dead from the moment that it was replaced or revoked, also where its record could not be deleted.
func TestDeadAddressesWhoseRecordsStay(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.over(stubborn{sessiontest.NewMemory(s.Now)})
	first := s.make(mona, "form 1")
	second := s.make(mona, "form 2")
	if s.opens(first) != "" || s.opens(second) != mona {
		t.Errorf("replaced: the old one opens %q, the new one %q", s.opens(first), s.opens(second))
	}
	kept, _ := s.Of(t.Context(), mona)
	if done, err := s.Revoke(t.Context(), mona, kept.Address); !done || !errors.Is(err, session.ErrUnavailable) || s.opens(second) != "" {
		t.Errorf("revoked: %v, %v, opens %q", done, err, s.opens(second))
	}
}

// make makes an address with a form drawn now.
func (s *shelf) make(person, form string) string {
	s.t.Helper()
	kept, err := s.Of(s.t.Context(), person)
	if err != nil {
		s.t.Fatal(err)
	}
	address, made, err := s.Make(s.t.Context(), person, form, kept.Mark())
	if err != nil || !made {
		s.t.Fatalf("%v, %v", made, err)
	}
	return address
}

// opens says whose feed the address opens, "" if nobody's.
func (s *shelf) opens(address string) string {
	s.t.Helper()
	person, _, err := s.Open(s.t.Context(), address, calendar.Reader{Address: "192.0.2.1", Program: "test"}, func(string) bool { return true })
	if err != nil && !errors.Is(err, calendar.ErrUnknown) {
		s.t.Fatal(err)
	}
	return person
}

func (s *shelf) refresh(person, organization string, expiries ...calendar.Expiry) {
	s.t.Helper()
	if err := s.Refresh(s.t.Context(), person, organization, s.Now(), expiries); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) parts(person string) []calendar.Part {
	s.t.Helper()
	parts, err := s.Parts(s.t.Context(), person)
	if err != nil {
		s.t.Fatal(err)
	}
	return parts
}

func ending(id, name string, days int) calendar.Expiry {
	return calendar.Expiry{ID: id, Name: name, Ends: noon.AddDate(0, 0, days)}
}

func TestOneAddressForEachPerson(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	first, other := s.make(mona, "form 1"), s.make(jonas, "form 1")
	if len(first) != 64 || first == other || s.opens(first) != mona || s.opens(other) != jonas {
		t.Fatalf("%q opens %q, %q opens %q", first, s.opens(first), other, s.opens(other))
	}
	again, made, err := s.Make(t.Context(), mona, "form 1", "")
	if again != first || made || err != nil {
		t.Errorf("the same form sent twice: %q, %v, %v", again, made, err)
	}
	second := s.make(mona, "form 2")
	if second == first || s.opens(first) != "" || s.opens(second) != mona {
		t.Errorf("made anew: the old one opens %q, the new one %q", s.opens(first), s.opens(second))
	}
	if _, _, err := s.Make(t.Context(), mona, "form 1", ""); !errors.Is(err, calendar.ErrChanged) {
		t.Errorf("the first form sent once more: %v", err)
	}
	if s.opens(second) != mona {
		t.Error("an old form killed the newer address")
	}
}

func TestRevokedAddressesStayDead(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	address := s.make(mona, "form 1")
	s.refresh(mona, "contoso", ending("a", "one", 3))
	kept, _ := s.Of(t.Context(), mona)
	if done, err := s.Revoke(t.Context(), mona, "another"); done || err != nil || s.opens(address) == "" {
		t.Errorf("a form for another address revoked this one: %v, %v", done, err)
	}
	if done, err := s.Revoke(t.Context(), mona, kept.Address); !done || err != nil || s.opens(address) != "" {
		t.Errorf("revoking: %v, %v", done, err)
	}
	if done, err := s.Revoke(t.Context(), mona, kept.Address); done || err != nil {
		t.Errorf("revoking twice: %v, %v", done, err)
	}
	if parts := s.parts(mona); len(parts) != 0 {
		t.Errorf("what was read is still kept: %+v", parts)
	}
	if _, _, err := s.Make(t.Context(), mona, "form 1", ""); !errors.Is(err, calendar.ErrChanged) || s.opens(address) != "" {
		t.Errorf("the form that made it makes it again: %v", err)
	}
	s.refresh(mona, "contoso", ending("a", "one", 3))
	if parts := s.parts(mona); len(parts) != 0 {
		t.Errorf("without an address something is kept: %+v", parts)
	}
	if next := s.make(mona, "form 3"); s.opens(next) != mona || s.opens(address) != "" {
		t.Error("a new address doesn't work after revoking the old one")
	}
}

func TestOnlyWholeAddressesOpen(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	address := s.make(mona, "form")
	tail := address[22:]
	for _, wrong := range []string{
		"", "x", address[:63], address + "A", address + "=", " " + address, strings.ToUpper(address), address[:22] + strings.Repeat("A", 42), strings.Repeat("A", 22) + tail,
		strings.Repeat("A", 64), strings.Repeat("A", 1<<16), "../" + address[3:], address[:32] + "/" + address[33:], address[:63] + "\x00", "%" + address[1:],
	} {
		if wrong != address && s.opens(wrong) != "" {
			t.Errorf("%.80q opens a feed", wrong)
		}
	}
	if s.opens(address) != mona {
		t.Error("the right one doesn't")
	}
}

func TestReadingsReplaceEachOther(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.make(mona, "form")
	s.refresh(mona, "Contoso", ending("b", "later", 9), ending("a", "sooner", 3))
	s.refresh(mona, "fabrikam", ending("c", "third", 1))
	parts := s.parts(mona)
	if len(parts) != 2 || parts[0].Organization != "Contoso" || parts[0].Expiries[0].Name != "sooner" || parts[0].Expiries[0].Sequence != 0 || !parts[0].Expiries[0].Changed.Equal(noon) {
		t.Fatalf("%+v", parts)
	}
	begun := s.Now()
	s.Move(time.Hour)
	s.refresh(mona, "contoso", ending("a", "renamed", 3), ending("d", "new", 5)) // b was revoked
	parts = s.parts(mona)
	got := parts[0].Expiries
	if len(parts) != 2 || len(got) != 2 || got[0].Name != "renamed" || got[0].Sequence != 1 || !got[0].Changed.Equal(s.Now()) || got[1].Sequence != 0 {
		t.Fatalf("%+v", parts)
	}
	if err := s.Refresh(t.Context(), mona, "contoso", begun, []calendar.Expiry{ending("old", "of a slow reading", 1)}); err != nil || s.parts(mona)[0].Expiries[0].Name != "renamed" {
		t.Errorf("a reading that began earlier replaced a later one: %v", err)
	}
	s.Move(time.Hour)
	s.refresh(mona, "contoso", ending("a", "renamed", 3), ending("d", "new", 5))
	if e := s.parts(mona)[0].Expiries[0]; e.Sequence != 1 || e.Changed.Equal(s.Now()) || !s.parts(mona)[0].Read.Equal(s.Now()) {
		t.Errorf("nothing has changed, yet: %+v", e)
	}
	if err := s.Forget(t.Context(), mona, "FABRIKAM"); err != nil || len(s.parts(mona)) != 1 {
		t.Errorf("an organization that is gone: %v, %+v", err, s.parts(mona))
	}
}

// What nobody refreshes goes: the tokens after 90 days, the address, which can say so until then, after 180.
func TestFeedsRunDry(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	address := s.make(mona, "form")
	s.refresh(mona, "contoso", ending("a", "one", 3))
	s.Move(calendar.Life - time.Minute)
	if len(s.parts(mona)) != 1 || s.opens(address) != mona {
		t.Error("gone too early")
	}
	s.Move(time.Minute)
	if len(s.parts(mona)) != 0 || s.opens(address) != mona {
		t.Errorf("after %s: %d parts, %q", calendar.Life, len(s.parts(mona)), s.opens(address))
	}
	s.refresh(mona, "contoso", ending("a", "one", 3)) // a visit
	if len(s.parts(mona)) != 1 {
		t.Error("a visit doesn't fill the feed again")
	}
	s.Move(2*calendar.Life - time.Second)
	if s.opens(address) != mona {
		t.Error("a visit doesn't let the address live on")
	}
	s.Move(time.Second)
	if s.opens(address) != "" {
		t.Error("the address lives for ever")
	}
}

func TestFeedsSayWhoAsked(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	address := s.make(mona, "form")
	if kept, _ := s.Of(t.Context(), mona); !kept.Asked.IsZero() {
		t.Errorf("%+v", kept)
	}
	s.opens(address)
	first := s.Now()
	s.Move(time.Minute)
	s.opens(address)
	kept, err := s.Of(t.Context(), mona)
	if err != nil || !kept.Asked.Equal(first) || kept.AskedBy.Program != "test" || kept.AskedBy.Address != "192.0.2.1" {
		t.Errorf("%+v, %v", kept, err)
	}
	s.Move(time.Hour)
	s.opens(address)
	if kept, _ = s.Of(t.Context(), mona); !kept.Asked.Equal(s.Now()) {
		t.Errorf("%+v", kept)
	}
}

// 20,000 tokens with long names are more than a record takes: the ends that are near are kept, and the rest is counted.
func TestTooManyTokens(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.make(mona, "form")
	var many []calendar.Expiry
	for i := range 20_000 {
		many = append(many, ending(fmt.Sprint(i), strings.Repeat("<", 100), 20_000-i))
	}
	s.refresh(mona, "contoso", many...)
	p := s.parts(mona)[0]
	if len(p.Expiries) < 500 || len(p.Expiries)+p.Left != 20_000 || p.Expiries[0].ID != "19999" {
		t.Errorf("%d kept, %d left", len(p.Expiries), p.Left)
	}
}

// Addresses made at once, and readings while one is revoked: in the end one address opens, or none, and nothing is left
// of what was read.
func TestFeedsAtOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var wg sync.WaitGroup
	made := make([]string, 20)
	for i := range made {
		wg.Go(func() {
			address, _, err := s.Make(context.Background(), mona, fmt.Sprint("form ", i), "")
			if err == nil {
				made[i] = address
			} else if !errors.Is(err, calendar.ErrChanged) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	made = slices.DeleteFunc(made, func(a string) bool { return a == "" })
	if len(made) != 1 || s.opens(made[0]) != mona {
		t.Fatalf("%d forms that were drawn at one time made addresses", len(made))
	}
	kept, _ := s.Of(t.Context(), mona)
	for i := range 20 {
		wg.Go(func() {
			if err := s.Refresh(context.Background(), mona, fmt.Sprint("org", i%3), s.Now().Add(time.Duration(i)), []calendar.Expiry{ending("a", "one", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		if _, err := s.Revoke(context.Background(), mona, kept.Address); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if parts := s.parts(mona); s.opens(made[0]) != "" || len(parts) != 0 {
		t.Errorf("after revoking: %+v", parts)
	}
}

// Of a feed that was recorded under another key nothing is said that isn't known; its person can make another one, and
// the one from before is dead then.
func TestUnreadableFeed(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	store := sessiontest.NewMemory(s.Now)
	s.key = 'o'
	s.over(store)
	old := s.make(mona, "form 1")
	s.key = 'k'
	s.over(store)
	feed, err := s.Of(t.Context(), mona)
	if err != nil || !feed.Unreadable || feed.Address != "" {
		t.Errorf("%+v, %v", feed, err)
	}
	if _, _, err := s.Open(t.Context(), old, calendar.Reader{}, anybody); !errors.Is(err, calendar.ErrUnreadable) {
		t.Errorf("Open: %v", err)
	}
	if done, err := s.Revoke(t.Context(), mona, "any"); done || !errors.Is(err, calendar.ErrUnreadable) {
		t.Errorf("Revoke: %v, %v", done, err)
	}
	if err := s.Refresh(t.Context(), mona, "contoso", noon, nil); err != nil {
		t.Errorf("Refresh: %v", err)
	}
	records := store.Len()
	for i := range 3 { // a form that was drawn before
		if _, _, err := s.Make(t.Context(), mona, fmt.Sprint("early ", i), ""); !errors.Is(err, calendar.ErrChanged) {
			t.Errorf("Make: %v", err)
		}
	}
	if n := store.Len(); n != records {
		t.Errorf("%d records, %d before", n, records)
	}
	fresh := s.make(mona, "form 2")
	if s.opens(fresh) != mona {
		t.Error("the new address doesn't work")
	}
	s.key = 'o'
	s.over(store)
	if got, _, err := s.Open(t.Context(), old, calendar.Reader{}, anybody); got != "" {
		t.Errorf("the old address opens for %q, %v", got, err)
	}
}

func anybody(string) bool { return true }

// Tokens without an end or an id are counted, and have no entry: those without an id would share one.
func TestUndatedTokensAreCounted(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.make(mona, "form 1")
	endless := calendar.Expiry{ID: "endless", Name: "without an end"}
	s.refresh(mona, "contoso", ending("", "no id", 1), ending("a", "one", 2), ending("", "no id either", 3), endless)
	if p := s.parts(mona)[0]; len(p.Expiries) != 1 || p.Expiries[0].ID != "a" || p.Undated != 3 || p.Left != 0 {
		t.Errorf("%+v", p)
	}
	s.Move(time.Second) // a new number counts as news
	s.refresh(mona, "contoso", ending("a", "one", 2), endless)
	if p := s.parts(mona)[0]; p.Undated != 1 {
		t.Errorf("afterwards: %+v", p)
	}
}

// A feed is written in the language that its owner chose last; who has none chooses for nothing.
func TestSpeak(t *testing.T) {
	s := newShelf(t)
	if err := s.Speak(t.Context(), mona, "ko"); err != nil {
		t.Fatal(err)
	}
	address, _, err := s.Make(t.Context(), mona, "form 1", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"", "ko", "zh-Hant"} {
		if language != "" {
			if err := s.Speak(t.Context(), mona, language); err != nil {
				t.Fatal(err)
			}
		}
		_, feed, err := s.Open(t.Context(), address, calendar.Reader{}, func(string) bool { return true })
		if err != nil || feed.Language != language {
			t.Errorf("%q, %v; want %q", feed.Language, err, language)
		}
	}
}
