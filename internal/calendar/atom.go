package calendar

import (
	"cmp"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"
)

// atomFeed and atomEntry are what RFC 4287 has, as far as it is used here. There is no link to the feed itself: its
// address is secret, and readers hand on what stands in a feed.
type atomFeed struct {
	XMLName  xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Language string      `xml:"xml:lang,attr"`
	ID       string      `xml:"id"`
	Title    string      `xml:"title"`
	Subtitle string      `xml:"subtitle"`
	Updated  time.Time   `xml:"updated"`
	Author   string      `xml:"author>name"`
	Link     *atomLink   `xml:"link"`
	Entries  []atomEntry `xml:"entry"`
}

type atomEntry struct {
	ID      string    `xml:"id"`
	Title   string    `xml:"title"`
	Updated time.Time `xml:"updated"`
	Link    *atomLink `xml:"link"`
	Summary string    `xml:"summary"`
}

type atomLink struct {
	Rel     string `xml:"rel,attr"`
	Type    string `xml:"type,attr"`
	Address string `xml:"href,attr"`
}

// EncodeAtom writes those events of the calendar that have begun by now, the latest first, as an Atom feed (RFC 4287).
// An entry's id is that of the event and its start: a token whose end was moved is reminded of anew, one that was renamed
// isn't. Its time changes when the event begins and when it is changed afterwards; the feed's is that of its latest entry,
// or Modified.
func EncodeAtom(d Document, now time.Time) ([]byte, error) {
	feed := atomFeed{
		Language: d.Language, ID: urn("feed " + d.ID), Title: clean(d.Name), Subtitle: clean(d.Description), Author: "patdesk", Link: page(d.URL),
		Updated: whole(d.Modified),
	}
	for _, e := range d.Events {
		if e.Starts.After(now) {
			continue
		}
		entry := atomEntry{
			ID: urn(fmt.Sprintf("entry %s at %d", e.UID, e.Starts.Unix())), Title: clean(e.Summary), Summary: clean(e.Description), Link: page(e.URL),
			Updated: whole(latest(e.Starts, e.Modified)),
		}
		feed.Entries, feed.Updated = append(feed.Entries, entry), latest(feed.Updated, entry.Updated)
	}
	slices.SortFunc(feed.Entries, func(a, b atomEntry) int {
		return cmp.Or(b.Updated.Compare(a.Updated), strings.Compare(a.ID, b.ID))
	})
	content, err := xml.MarshalIndent(feed, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("calendar: encoding Atom: %w", err)
	}
	return append([]byte(xml.Header), append(content, '\n')...), nil
}

func page(address string) *atomLink {
	if address == "" {
		return nil
	}
	return &atomLink{"alternate", "text/html", address}
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// urn is the name of something for good, as a UUID of version 8 (RFC 9562, 5.8) that its hash makes.
func urn(of string) string {
	u := sha256.Sum256([]byte("patdesk " + of))
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
