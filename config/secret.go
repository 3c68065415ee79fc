package config

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a value that can't be printed by accident: every way of formatting it says only whether it is set.
//
// The value sits behind a pointer, because fmt calls no methods on the unexported fields of a struct that is printed
// whole: there it then shows an address instead of the value.
type Secret struct{ value *string }

// NewSecret wraps value. An empty one counts as not set.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.value != nil }

// Reveal returns the value, "" if there is none. It is the only way to it, so that its uses are easily found.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String says whether the secret is set.
func (s Secret) String() string {
	if s.IsSet() {
		return "[set]"
	}
	return "[not set]"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format is String for every verb, also those that fmt would otherwise apply to the bytes (%x, %q).
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText is String, for encoders such as JSON, XML and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
