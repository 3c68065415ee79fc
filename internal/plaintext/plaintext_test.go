package plaintext_test

import (
	"testing"

	"github.com/patdesk/patdesk/internal/plaintext"
)

func TestBlank(t *testing.T) {
	for _, text := range []string{"", " ", "\t\n", "\u00a0", "\u3000", "\u200b", "\u00ad", "\ufeff", "\u2060\u200d", "\u115f\u3164", "\u2800", "\u202e\u202c", "\ufe0f", "\u0301", "\x00", "\U000e0001"} {
		if !plaintext.Blank(text) {
			t.Errorf("%q shows something", text)
		}
	}
	for _, text := range []string{"a", "0", "-", ".", "é", "e\u0301", "한", "\u202eevil", "😀", "🇩🇪", "\ufffd", "\u200ba", "ا"} {
		if plaintext.Blank(text) {
			t.Errorf("%q shows nothing", text)
		}
	}
}
