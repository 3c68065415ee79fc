// Package preflight is "patdesk -check": it tries, before patdesk is started, what it will need when it runs.
//
// What belongs here: what to try for which settings, how to try it in bounded time, how to word what a network does to
// a call, and the table that comes of it. What opens stores and reads credentials is in internal/backing, as the
// program does the same.
//
// Whatever the network answers is text of others, and an address may hold a password. So no error's text is printed:
// its kind is found out and put in our own words.
package preflight
