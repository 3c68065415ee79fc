// Package testkit is what tests of several packages share: a clock, a log, the built program, a Key Vault to read a
// credential from. What starts the whole program is in testkit/apptest, so that the packages that the program is made
// of can use this one.
package testkit
