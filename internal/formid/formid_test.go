package formid_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

const (
	mona = "tenant.mona"
	omar = "tenant.omar"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// formsAt is a replica whose clock stands at now. All have the same keys.
func formsAt(t *testing.T, now time.Time) *formid.Forms {
	t.Helper()
	clock := func() time.Time { return now }
	m, err := session.New(sessiontest.NewMemory(clock), session.Options{
		Keys: [][]byte{bytes.Repeat([]byte("k"), session.KeySize)}, IdleTimeout: time.Hour, Lifetime: time.Hour, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return formid.New(m.Records(), clock)
}

func TestFormIsBoundToPersonPurposeAndTarget(t *testing.T) {
	r := formsAt(t, start)
	form := r.Draw(mona, "revoke", "contoso/1")
	flipped := []byte(form)
	flipped[3] ^= 1
	tests := []struct {
		name, form, person string
		purpose, target    string
		want               error
	}{
		{"genuine", form, mona, "revoke", "contoso/1", nil},
		{"another person", form, omar, "revoke", "contoso/1", formid.ErrForged},
		{"another action", form, mona, "rotate", "contoso/1", formid.ErrForged},
		{"another target", form, mona, "revoke", "contoso/2", formid.ErrForged},
		{"person and target run together", form, mona + "contoso", "revoke", "/1", formid.ErrForged},
		{"altered", string(flipped), mona, "revoke", "contoso/1", formid.ErrForged},
		{"cut", form[:len(form)-4], mona, "revoke", "contoso/1", formid.ErrForged},
		{"only an id", form[:22], mona, "revoke", "contoso/1", formid.ErrForged},
		{"longer", form + "AAAA", mona, "revoke", "contoso/1", formid.ErrForged},
		{"not base64", strings.Repeat("!", len(form)), mona, "revoke", "contoso/1", formid.ErrForged},
		{"empty", "", mona, "revoke", "contoso/1", formid.ErrForged},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := r.Check(test.form, test.person, test.purpose, test.target); !errors.Is(err, test.want) {
				t.Errorf("Check = %v, want %v", err, test.want)
			}
		})
	}
	if r.Draw(mona, "revoke", "contoso/1") == form {
		t.Error("two forms have the same id")
	}
}

func TestFormIsGoodForTwelveHours(t *testing.T) {
	form := formsAt(t, start).Draw(mona, "create", "")
	for _, test := range []struct {
		age  time.Duration
		want error
	}{
		{0, nil}, {12 * time.Hour, nil}, {12*time.Hour + time.Second, formid.ErrStale},
		{-time.Hour, nil}, // drawn by a replica whose clock is ahead
		{-time.Hour - time.Second, formid.ErrStale},
	} {
		r := formsAt(t, start.Add(test.age))
		if _, err := r.Check(form, mona, "create", ""); !errors.Is(err, test.want) {
			t.Errorf("after %v: Check = %v, want %v", test.age, err, test.want)
		}
		if got := r.Drawn(form); got != (test.want == nil) {
			t.Errorf("after %v: Drawn = %v", test.age, got)
		}
	}
	flipped := []byte(form)
	flipped[5]++
	for _, forged := range []string{"", "nonsense", string(flipped), form[:len(form)-4]} {
		if formsAt(t, start).Drawn(forged) {
			t.Errorf("%q counts as drawn here", forged)
		}
	}
}
