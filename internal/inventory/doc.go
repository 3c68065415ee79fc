// Package inventory reads and keeps which tokens a person has in all of their organizations.
//
// A Cache keeps for a short while what was read for each session, so that searching, sorting and paging cost no call,
// and a page that reloads itself finds what came meanwhile. Load returns the Inventory: what is known at one moment,
// together with what is still being read and what could not be. A change of a token invalidates what was read of its
// organization.
package inventory
