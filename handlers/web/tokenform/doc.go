// Package tokenform is the form for a new token and for changing one: its fields, the picker of scopes, and what is
// wrong with what was typed.
package tokenform
