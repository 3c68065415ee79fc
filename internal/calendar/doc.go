// Package calendar keeps the calendar feeds of people's token expiries: the address that a feed is read by, and what
// was last read of its owner's tokens. It also writes the files that stand there: iCalendar (RFC 5545, RFC 7986), Atom
// (RFC 4287), JSON and OpenMetrics. No HTTP but a head that says which form is wanted, and no sentence for people: these
// come from its user.
//
// A program that reads a calendar can't sign in, and patdesk keeps no access to Azure DevOps beyond a session. So a
// feed shows what its owner's own visits have found, and says of when that is. Decision 16 (docs/decisions) has what
// else was weighed.
//
// The address is a capability: who knows it can read the feed, and nothing else. It has a public half, under which it
// is found, and a secret half, of which only a hash is kept. What is kept of the tokens is their names, organizations
// and ends, encrypted like all records.
package calendar
