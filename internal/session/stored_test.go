package session_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

// What two releases keep under one kind: the newer one has added members at every depth.
type (
	oldTag  struct{ Name, Colour string }
	oldDesk struct {
		Name  string            `json:"name"`
		Count int               `json:"count,omitempty"`
		Tag   oldTag            `json:"tag"`
		Named *oldTag           `json:"named"`
		Tags  []oldTag          `json:"tags"`
		ByKey map[string]oldTag `json:"byKey"`
		Texts []string          `json:"texts"`
		At    time.Time         `json:"at"`
		Raw   json.RawMessage   `json:"raw,omitempty"`

		Others map[string][]*oldTag `json:"others"`
		Failed *oldFailure          `json:"failed"`
	}
	oldFailure struct { // which has no name
		Call string `json:"call"`
		Kind string `json:"kind"`
	}
	newFailure struct {
		oldFailure
		Added json.Number `json:"added,omitempty"`
	}
	newTag struct {
		Name, Colour string
		Added        int `json:"added,omitempty"`
	}
	newDesk struct {
		Name    string            `json:"name"`
		Count   int               `json:"count,omitempty"`
		Tag     newTag            `json:"tag"`
		Named   *newTag           `json:"named"`
		Tags    []newTag          `json:"tags"`
		ByKey   map[string]newTag `json:"byKey"`
		Texts   []string          `json:"texts"`
		At      time.Time         `json:"at"`
		Raw     json.RawMessage   `json:"raw,omitempty"`
		Added   string            `json:"added"`
		Another map[string]any    `json:"another"`

		Others map[string][]*newTag `json:"others"`
		Failed *newFailure          `json:"failed"`
	}
	laterDesk struct{ newDesk }
)

func (laterDesk) StoredVersion() int { return 2 }

func written() newDesk {
	return newDesk{
		Name: "a", Count: 3, Tag: newTag{"t", "red", 1}, Named: &newTag{"n", "red", 2}, Tags: []newTag{{"one", "red", 3}, {"two", "red", 4}, {"three", "red", 5}},
		ByKey: map[string]newTag{"k": {"k", "red", 6}, "l": {"l", "red", 7}}, Texts: []string{"x", "y"}, At: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		Raw: json.RawMessage(`{"any":"thing"}`), Added: "kept", Another: map[string]any{"also": "kept"},
		Others: map[string][]*newTag{"k": {{"one", "red", 8}, {"one", "red", 9}, nil, {"two", "red", 0}}},
		Failed: &newFailure{oldFailure{"", "busy"}, "9007199254740993"},
	}
}

// An older release changes what it knows, and what it doesn't know is there afterwards, as far as it is about the same
// things.
func TestUnknownMembersAreKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*oldDesk)
		want   func(*newDesk)
	}{
		{"nothing", func(*oldDesk) {}, func(*newDesk) {}},
		{"a member", func(d *oldDesk) { d.Name = "b" }, func(d *newDesk) { d.Name = "b" }},
		{"a member that is left out when it is empty", func(d *oldDesk) { d.Count = 0 }, func(d *newDesk) { d.Count = 0 }},
		{"inside", func(d *oldDesk) { d.Tag.Name = "u" }, func(d *newDesk) { d.Tag.Name = "u" }},
		{"behind a pointer", func(d *oldDesk) { d.Named.Colour = "blue" }, func(d *newDesk) { d.Named.Colour = "blue" }},
		{"another one behind a pointer", func(d *oldDesk) { d.Named = &oldTag{"m", "blue"} }, func(d *newDesk) { d.Named = &newTag{"m", "blue", 0} }},
		{"none behind a pointer", func(d *oldDesk) { d.Named = nil }, func(d *newDesk) { d.Named = nil }},
		{"an item in its place", func(d *oldDesk) { d.Tags[1].Colour = "blue" }, func(d *newDesk) { d.Tags[1].Colour = "blue" }},
		{"another item", func(d *oldDesk) { d.Tags[1] = oldTag{"four", "blue"} }, func(d *newDesk) { d.Tags[1] = newTag{"four", "blue", 0} }},
		{"an item less", func(d *oldDesk) { d.Tags = d.Tags[1:] }, func(d *newDesk) { d.Tags = d.Tags[1:] }},
		{"an item more", func(d *oldDesk) { d.Tags = append([]oldTag{{"zero", ""}}, d.Tags...) }, func(d *newDesk) { d.Tags = append([]newTag{{"zero", "", 0}}, d.Tags...) }},
		{"no items", func(d *oldDesk) { d.Tags = nil }, func(d *newDesk) { d.Tags = nil }},
		{"a key less", func(d *oldDesk) { delete(d.ByKey, "k") }, func(d *newDesk) { delete(d.ByKey, "k") }},
		{"a key more", func(d *oldDesk) { d.ByKey["m"] = oldTag{"m", ""} }, func(d *newDesk) { d.ByKey["m"] = newTag{"m", "", 0} }},
		{"texts", func(d *oldDesk) { d.Texts = []string{"z"} }, func(d *newDesk) { d.Texts = []string{"z"} }},
		{"an item among equal ones, deep inside", func(d *oldDesk) { d.Others["k"][3].Colour = "blue" }, func(d *newDesk) { d.Others["k"][3].Colour = "blue" }},
		{"another one of what has no name", func(d *oldDesk) { d.Failed = &oldFailure{"", "slow"} }, func(d *newDesk) { d.Failed = &newFailure{oldFailure{"", "slow"}, ""} }},
		{"another one of what has a name", func(d *oldDesk) { d.Failed = &oldFailure{"list", "busy"} }, func(d *newDesk) { d.Failed = &newFailure{oldFailure{"list", "busy"}, ""} }},
		{"what isn't ours", func(d *oldDesk) { d.Raw = json.RawMessage(`{"other":1}`) }, func(d *newDesk) { d.Raw = json.RawMessage(`{"other":1}`) }},
		{"a time", func(d *oldDesk) { d.At = time.Time{} }, func(d *newDesk) { d.At = time.Time{} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			s.create(t, single, written())
			for range 2 { // and again, by what was written by itself
				var older oldDesk
				if err := s.Change(t.Context(), single, &older, time.Time{}, func() error { c.change(&older); return nil }); err != nil {
					t.Fatal(err)
				}
				if c.name == "an item less" || c.name == "an item more" || c.name == "a key less" {
					break
				}
			}
			want := written()
			c.want(&want)
			var got newDesk
			if err := s.Get(t.Context(), single, &got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
			}
		})
	}
}

// What a session's own methods rewrite keeps what they don't know, too.
func TestUnknownMembersOfASessionAreKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := newBrowser(t, f.Manager)
	b.signIn(mona, "cache")
	key := session.Key{Kind: "session", ID: b.cookies()[0].Value}
	var added struct {
		Added string `json:"Added"`
		State struct {
			Added string `json:"added"`
		} `json:"State"`
	}
	err := f.Records().Change(t.Context(), key, &added, time.Time{}, func() error {
		added.Added, added.State.Added = "by a newer release", "by it too"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.open().Change(t.Context(), func(s *session.State) { s.Organization = "contoso" }); err != nil {
		t.Fatal(err)
	}
	f.clock.Move(5 * time.Minute)
	if s := b.open(); !s.SignedIn() || s.State().Organization != "contoso" { // notes the use
		t.Errorf("%+v", s.State())
	}
	if err := f.Records().Get(t.Context(), key, &added); err != nil || added.Added != "by a newer release" || added.State.Added != "by it too" {
		t.Errorf("%v %+v", err, added)
	}
}

// A value of a later version is not misread, not written over, and there for the release that made it.
func TestLaterVersion(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.create(t, single, laterDesk{written()})
	var old oldDesk
	changed := s.Change(t.Context(), single, &old, time.Time{}, func() error { t.Error("it was given away to be changed"); return nil })
	if read := s.Get(t.Context(), single, &old); !reflect.DeepEqual(old, oldDesk{}) {
		t.Errorf("read as %+v, %v", old, read)
	} else if !errors.Is(read, session.ErrNotFound) || !errors.Is(changed, session.ErrNotFound) {
		t.Errorf("Get: %v, Change: %v", read, changed)
	}
	if log := s.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "newer release") {
		t.Errorf("log: %s", log)
	}
	if err := s.Take(t.Context(), single, &old); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Take: %v", err)
	}
	if err := s.Create(t.Context(), single, old, s.clock.Now().Add(time.Hour)); err == nil {
		t.Error("another one was written in its place")
	}
	var later laterDesk
	if err := s.Get(t.Context(), single, &later); err != nil || !reflect.DeepEqual(later.newDesk, written()) {
		t.Errorf("%v %+v", err, later)
	}
	var earlier laterDesk
	other := session.Key{Kind: "note", ID: "earlier"}
	s.create(t, other, written())
	if err := s.Get(t.Context(), other, &earlier); err != nil || earlier.Name != "a" {
		t.Errorf("an earlier version: %v %+v", err, earlier)
	}
}

// What can't be read isn't passed off as what isn't there: whoever goes through a person's records is told of each.
func TestUnreadableRecordsAreReported(t *testing.T) {
	t.Parallel()
	old, fresh := bytes.Repeat([]byte{1}, session.KeySize), bytes.Repeat([]byte{2}, session.KeySize)
	s := newStore(t, old)
	other := storeOver(t, s.backend, s.clock, fresh)
	of := func(kind, id string) session.Key { return session.Key{Kind: kind, Group: "mona", ID: id} }
	for _, id := range []string{"readable", "later", "foreign", "gone"} {
		s.create(t, of("claims", id), written())
	}
	s.create(t, of("note", "readable"), written())
	s.create(t, of("note", "later"), laterDesk{written()})
	other.create(t, of("note", "foreign"), written())
	read := func(into map[string]error) func(string, func(any) error) error {
		return func(id string, decode func(any) error) error {
			var d oldDesk
			into[id] = decode(&d)
			return nil
		}
	}
	each, eachOf := map[string]error{}, map[string]error{}
	var marked []string
	cache := session.NewCache[oldDesk](s.Records, 1<<20)
	strays, err := cache.EachMarked(t.Context(), "claims", "note", "mona", func(id string, _ *oldDesk) { marked = append(marked, id) })
	err = errors.Join(err, s.Each(t.Context(), "note", "mona", read(each)))
	err = errors.Join(err, s.EachOf(t.Context(), "note", "mona", []string{"readable", "later", "foreign", "gone"}, read(eachOf)))
	if err != nil || !slices.Equal(strays, []string{"gone"}) {
		t.Errorf("%v, strays: %q", err, strays)
	}
	delete(eachOf, "readable")
	if len(each) != 2 || each["readable"] != nil || !errors.Is(each["later"], session.ErrDamaged) {
		t.Errorf("Each: %v", each)
	}
	if !slices.Equal(marked, []string{"readable"}) {
		t.Errorf("EachMarked: %q", marked)
	}
	if len(eachOf) != 2 || !errors.Is(eachOf["later"], session.ErrDamaged) || !errors.Is(eachOf["foreign"], session.ErrDamaged) {
		t.Errorf("EachOf: %v", eachOf)
	}
	if log := s.log.String(); strings.Count(log, "can't be read") != 2 {
		t.Errorf("log: %s", log)
	}
}

// A session that a newer release has described is listed, and ended like any other.
func TestSessionsThatANewerReleaseDescribes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	laptop, phone := f.browser(), f.browser()
	laptop.signIn(mona, "laptop")
	phone.signIn(mona, "phone")
	id := session.Key{ID: phone.cookies()[0].Value}.Name().ID
	key := session.Key{Kind: "presence", Group: mona.Key(), ID: id}
	if err := f.Records().Change(t.Context(), key, &laterDesk{}, time.Time{}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	s := laptop.open()
	list, err := f.Sessions(t.Context(), s)
	if err != nil || len(list) != 2 || !list[0].Current || list[1].Hash != id[:len(list[1].Hash)] {
		t.Errorf("%v, %+v", err, list)
	}
	if n, err := f.EndOthers(t.Context(), s); n != 1 || err != nil {
		t.Errorf("EndOthers = %d, %v", n, err)
	}
	wantEnded(t, phone)
}

// However many sessions a person has, they are listed in few calls.
func TestSessionsAreReadTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "mine")
	for range 99 {
		f.browser().signIn(mona, "another")
	}
	s, calls := b.open(), 0
	f.backend.Fail(func(string, session.Name) error { calls++; return nil })
	if list, err := f.Sessions(t.Context(), s); err != nil || len(list) != 100 {
		t.Errorf("%v, %d", err, len(list))
	}
	if calls > 3 {
		t.Errorf("%d calls", calls)
	}
}

// What is left of sessions that have run out goes when there are too many: as much is kept as one person may have
// sessions.
func TestSessionsThatRanOutLeaveNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Manager = newManager(t, f.backend, session.Options{Secure: true, Now: f.clock.Now, PerPerson: 3, IdleTimeout: 10 * time.Minute})
	for range 10 {
		for range 3 {
			f.browser().signIn(mona, "cache")
		}
		f.clock.Move(20 * time.Minute)
		if _, err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b := f.browser()
	b.signIn(mona, "cache")
	if n := f.backend.Len(); n > 3*3 {
		t.Errorf("%d records", n)
	}
	wantCache(t, wantSignedIn(t, b, mona), "cache")
}
