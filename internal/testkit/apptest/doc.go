// Package apptest starts the whole program for tests, in their own process or as processes of its own, alone or behind
// a proxy, with the services that it talks to; and it does with its pages what people do.
package apptest
