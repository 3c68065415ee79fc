// Package preflight tries, before patdesk is started, what it will need when it runs: the services on the network, and
// the way there. It is what "patdesk -check" does after it has read the settings.
//
// What belongs here: how to run such tries in bounded time, how to word what a network does to a call, and the table
// that comes of it. What has to be tried is for the main program to say, which knows the settings.
//
// Whatever the network answers is somebody else's text, and an address may hold a password. So no error's text is
// printed: its kind is found out and put in our own words.
package preflight
