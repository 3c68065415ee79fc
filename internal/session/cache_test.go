package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

// decodes counts how often a counted was decoded.
var decodes atomic.Int64

type counted struct{ note }

func (c *counted) UnmarshalJSON(b []byte) error {
	decodes.Add(1)
	return json.Unmarshal(b, &c.note)
}

// marked makes n records of a group, each with its marker.
func (s *store) marked(tb testing.TB, group string, n int) (keys []session.Key) {
	tb.Helper()
	for i := range n {
		k := session.Key{Kind: "note", Group: group, ID: fmt.Sprint(i)}
		s.create(tb, k, note{Text: fmt.Sprint("text ", i)})
		s.create(tb, session.Key{Kind: "draft", Group: group, ID: k.ID}, note{})
		keys = append(keys, k)
	}
	return keys
}

// texts are what a Cache reads of a group, sorted.
func texts(tb testing.TB, c *session.Cache[counted], group string) (all, strays []string) {
	tb.Helper()
	strays, err := c.EachMarked(tb.Context(), "draft", "note", group, func(id string, value *counted) { all = append(all, id+": "+value.Text) })
	if err != nil {
		tb.Errorf("EachMarked: %v", err)
	}
	slices.Sort(all)
	slices.Sort(strays)
	return all, strays
}

func TestCacheDecodesWhatWasWritten(t *testing.T) {
	s := newStore(t)
	elsewhere := storeOver(t, s.backend, s.clock)
	keys := s.marked(t, "mona", 4)
	c := session.NewCache[counted](s.Records, 1<<20)
	want := func(what string, decoded int64, all ...string) {
		t.Helper()
		before := decodes.Load()
		got, strays := texts(t, c, "mona")
		if n := decodes.Load() - before; n != decoded || !slices.Equal(got, all) || len(strays) != 0 {
			t.Errorf("%s: %d decoded, %q, strays %q; want %d, %q", what, n, got, strays, decoded, all)
		}
	}
	want("first", 4, "0: text 0", "1: text 1", "2: text 2", "3: text 3")
	want("unchanged", 0, "0: text 0", "1: text 1", "2: text 2", "3: text 3")
	var n note
	if err := elsewhere.Change(t.Context(), keys[1], &n, time.Time{}, func() error { n.Text = "new"; return nil }); err != nil {
		t.Fatal(err)
	}
	want("changed by another process", 1, "0: text 0", "1: new", "2: text 2", "3: text 3")
	if err := elsewhere.Delete(t.Context(), session.Key{Kind: "draft", Group: "mona", ID: "2"}); err != nil {
		t.Fatal(err)
	}
	want("not marked any more", 0, "0: text 0", "1: new", "3: text 3")
	if value, err := c.Get(t.Context(), keys[3]); err != nil || value.Text != "text 3" {
		t.Errorf("Get: %+v, %v", value, err)
	}
	want("beside Get", 0, "0: text 0", "1: new", "3: text 3")
	damaged, _ := s.bytes(t, keys[1])
	s.overwrite(t, keys[0], damaged)
	if err := elsewhere.Delete(t.Context(), keys[3]); err != nil {
		t.Fatal(err)
	}
	if all, strays := texts(t, c, "mona"); !slices.Equal(all, []string{"1: new"}) || !slices.Equal(strays, []string{"3"}) {
		t.Errorf("damaged and gone: %q, strays %q", all, strays)
	}
	s.clock.Move(time.Hour)
	if all, strays := texts(t, c, "mona"); len(all)+len(strays) != 0 {
		t.Errorf("expired: %q, strays %q", all, strays)
	}
}

func TestCacheOfOneRecord(t *testing.T) {
	s := newStore(t)
	k := s.marked(t, "mona", 1)[0]
	c := session.NewCache[counted](s.Records, 1<<20)
	want := func(what string, decoded int64, text string, failure error) {
		t.Helper()
		before := decodes.Load()
		value, err := c.Get(t.Context(), k)
		if n := decodes.Load() - before; n != decoded || !errors.Is(err, failure) || failure == nil && value.Text != text {
			t.Errorf("%s: %d decoded, %+v, %v", what, n, value, err)
		}
	}
	want("first", 1, "text 0", nil)
	want("unchanged", 0, "text 0", nil)
	var n note
	if err := s.Change(t.Context(), k, &n, time.Time{}, func() error { n.Text = "new"; return nil }); err != nil {
		t.Fatal(err)
	}
	want("changed", 1, "new", nil)
	s.clock.Move(time.Hour)
	want("expired", 0, "", session.ErrNotFound)
	other := session.Key{Kind: "note", Group: "mona", ID: "other"}
	s.create(t, other, map[string]any{"text": []string{"a list"}})
	if _, err := c.Get(t.Context(), other); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("of another shape: %v", err)
	}
}

func TestCacheIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	size := 0
	for _, k := range s.marked(t, "person 0", 5) {
		sealed, _ := s.bytes(t, k)
		size += len(sealed)
	}
	c := session.NewCache[counted](s.Records, 10*size+size/2)
	for i := range 30 {
		group := fmt.Sprint("person ", i)
		if i > 0 {
			s.marked(t, group, 5)
		}
		if all, _ := texts(t, c, group); len(all) != 5 {
			t.Errorf("%q", all)
		}
		if got, want := c.Size(), min(i+1, 10)*size; got != want {
			t.Errorf("%d bytes are kept of %d people, want %d", got, i+1, want)
		}
	}
	s.marked(t, "somebody with much", 60)
	if all, _ := texts(t, c, "somebody with much"); len(all) != 60 || c.Size() != 10*size {
		t.Errorf("%d read, %d bytes are kept, want %d", len(all), c.Size(), 10*size)
	}
}

func TestCacheBesideWriters(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	keys := s.marked(t, "mona", 3)
	c := session.NewCache[counted](s.Records, 1<<20)
	var all sync.WaitGroup
	for _, k := range keys {
		all.Go(func() {
			for i := range 100 {
				var n note
				if err := s.Change(t.Context(), k, &n, time.Time{}, func() error { n.Text = fmt.Sprintf("%04d", i); return nil }); err != nil {
					t.Error(err)
				}
				if value, err := c.Get(t.Context(), k); err != nil || value.Text != n.Text {
					t.Errorf("read %+v, %v after %s was written", value, err, n.Text)
				}
				if got, _ := texts(t, c, "mona"); len(got) != 3 {
					t.Errorf("%q", got)
				}
			}
		})
	}
	all.Wait()
}
