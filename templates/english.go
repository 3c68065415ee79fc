package templates

import (
	"html/template"
	"io"
	"time"
)

// What still asks for no language gets English from here; this file goes with the last of it.

// Message is for those that ask for no language yet.
func Message(key string, data any) Text { return english.Message(key, data) }

// Has is for those that ask for no language yet.
func Has(key string) bool { return english.Has(key) }

// At is for those that ask for no language yet.
func At(t, now time.Time) When { return english.At(t, now) }

// Render is for those that ask for no language yet.
func Render(w io.Writer, name string, page any) error { return english.Render(w, name, page) }

// Page is for those that ask for no language yet.
func Page(name string) *template.Template { return english.Page(name) }
