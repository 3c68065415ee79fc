package templates

import (
	"maps"
	"slices"
)

// Keys lists the messages in alphabetical order.
func (w *Words) Keys() []string { return slices.Sorted(maps.Keys(w.messages)) }

// ExactClock is the function exactClock of pages.
func (w *Words) ExactClock(iso string) string { return w.exactClock(iso) }

// Forms are the texts of the message key as its file has them, by plural form: "other" alone, or CLDR's of the
// language.
func (w *Words) Forms(key string) map[string]string {
	m, out := w.messages[key], map[string]string{}
	if m == nil {
		return out
	}
	for form, text := range map[string]string{"zero": m.Zero, "one": m.One, "two": m.Two, "few": m.Few, "many": m.Many, "other": m.Other} {
		if text != "" {
			out[form] = text
		}
	}
	return out
}

// ForgetKept has all rows and parts made anew.
func ForgetKept() {
	lists.Purge()
	rows.Purge()
	parts.Purge()
}

// KeptFields are the fields that each part names that is kept.
func KeptFields(w *Words) map[string][]string {
	all := map[string][]string{}
	for _, page := range Names() {
		for _, part := range KeptParts(w.Page(page)) {
			all[part] = w.namedBy(part)
		}
	}
	return all
}
