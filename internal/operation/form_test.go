package operation_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/operation"
)

// F15: a form posted by somebody else, or for another token, or again after the end, makes nothing.
func TestFormCannotBeMisused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	own := w.create(r)

	stolen := own
	stolen.Person = omar
	if _, err := r.Do(context.Background(), w.azure, stolen); !errors.Is(err, formid.ErrForged) {
		t.Errorf("posted by another person: %v, want ErrForged", err)
	}
	revoke := w.request(r, operation.Revoke)
	other := w.azure.make("other", nil, start.AddDate(1, 0, 0))
	revoke.Before = &other
	if _, err := r.Do(context.Background(), w.azure, revoke); !errors.Is(err, formid.ErrForged) {
		t.Errorf("for another token: %v, want ErrForged", err)
	}
	revoke.Before = nil
	if _, err := r.Do(context.Background(), w.azure, revoke); !errors.Is(err, formid.ErrForged) {
		t.Errorf("for no token: %v, want ErrForged", err)
	}
	w.wantCalls("create", 0)
	w.wantCalls("revoke", 0)

	first := w.do(r, own)
	if _, err := r.Acknowledge(context.Background(), mona, first.ID); err != nil {
		t.Fatal(err)
	}
	again := w.do(r, own)
	if again.ID != first.ID || again.Secret != operation.SecretSaved {
		t.Errorf("after the end: operation %s with secret %q, want %s saved", again.ID, again.Secret, first.ID)
	}
	w.clock.Move(13 * time.Hour)
	if _, err := r.Do(context.Background(), w.azure, own); !errors.Is(err, formid.ErrStale) {
		t.Errorf("after 13 hours: %v, want ErrStale", err)
	}
	w.wantCalls("create", 1)
}

func TestChangedFormIsRefused(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*operation.Request){
		"name":         func(r *operation.Request) { r.Want.DisplayName = "other" },
		"scopes":       func(r *operation.Request) { r.Want.Scopes = []string{"vso.code"} },
		"organization": func(r *operation.Request) { r.Organization = "fabrikam" },
		"later expiry": func(r *operation.Request) { r.Want.ValidTo = r.Want.ValidTo.AddDate(0, 0, 1) },
		"older expiry": func(r *operation.Request) { r.Want.ValidTo = r.Want.ValidTo.AddDate(0, 0, -1) },
		"no expiry":    func(r *operation.Request) { r.Want.ValidTo = time.Time{} },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.create(r)
			changed := q
			change(&changed)
			changed.Content = fmt.Sprint(changed.Organization, changed.Want)
			w.azure.fail(nil, func(_ context.Context, call string) error {
				if call != "create" {
					return nil
				}
				if _, err := r.Do(context.Background(), w.azure, changed); !errors.Is(err, operation.ErrChanged) {
					t.Errorf("while the first is in progress: %v, want ErrChanged", err)
				}
				if _, err := w.replica().Do(context.Background(), w.azure, changed); !errors.Is(err, operation.ErrChanged) {
					t.Errorf("while the first is in progress elsewhere: %v, want ErrChanged", err)
				}
				return nil
			})
			w.do(r, q)
			if _, err := r.Do(context.Background(), w.azure, changed); !errors.Is(err, operation.ErrChanged) {
				t.Errorf("after the first: %v, want ErrChanged", err)
			}
			w.wantCalls("create", 1)
		})
	}
}

// What the form held decides: what is derived from it may differ between two clicks.
func TestFormsContentTellsAChangedForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	q.Content = "name=build+agent&expiry=90"
	again, changed := q, q
	again.Want.ValidTo = q.Want.ValidTo.AddDate(0, 0, 1)
	changed.Content = "name=build+agent&expiry=30"
	var second <-chan *operation.Operation
	w.azure.fail(nil, func(_ context.Context, call string) error {
		if call == "create" {
			second = w.inBackground(r, again)
			awaitReaders(r, 2)
			if _, err := r.Do(context.Background(), w.azure, changed); !errors.Is(err, operation.ErrChanged) {
				t.Errorf("while the first is in progress: %v, want ErrChanged", err)
			}
		}
		return nil
	})
	first := w.do(r, q)
	for _, op := range []*operation.Operation{<-second, w.do(r, again), w.do(w.replica(), again)} {
		if op.ID != first.ID {
			t.Errorf("sent again, the form became operation %s, want %s", op.ID, first.ID)
		}
	}
	if _, err := r.Do(context.Background(), w.azure, changed); !errors.Is(err, operation.ErrChanged) {
		t.Errorf("after the first: %v, want ErrChanged", err)
	}
	w.wantCalls("create", 1)
}

// "90 days" is another moment at each sending, and the same wish.
func TestRelativeExpiryMayMoveWithTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	first := w.do(r, q)
	w.clock.Move(3 * time.Hour)
	q.Want.ValidTo = q.Want.ValidTo.Add(3 * time.Hour)
	q.Want.Scopes = []string{"vso.build", "vso.code"} // another order means the same
	if again := w.do(r, q); again.ID != first.ID {
		t.Errorf("the second sending is operation %s, want %s", again.ID, first.ID)
	}
	w.wantCalls("create", 1)
}

func TestOperationOfAnotherPersonIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	ctx := context.Background()
	op := w.do(r, w.create(r))
	attempts := map[string]func() error{
		"Get":             func() error { _, err := r.Get(ctx, omar, op.ID); return err },
		"Wait":            func() error { _, err := r.Wait(ctx, omar, op.ID); return err },
		"RevealSecret":    func() error { _, err := r.RevealSecret(ctx, nil, omar, op.ID); return err },
		"Acknowledge":     func() error { _, err := r.Acknowledge(ctx, omar, op.ID); return err },
		"Dismiss":         func() error { _, err := r.Dismiss(ctx, omar, op.ID); return err },
		"KeepOld":         func() error { _, err := r.KeepOld(ctx, omar, op.ID); return err },
		"RevokeOld":       func() error { _, err := r.RevokeOld(ctx, w.azure, omar, op.ID); return err },
		"Reconcile":       func() error { _, err := r.Reconcile(ctx, w.azure, omar, op.ID); return err },
		"RevokeCandidate": func() error { _, err := r.RevokeCandidate(ctx, w.azure, omar, op.ID, "1"); return err },
	}
	for name, attempt := range attempts {
		if err := attempt(); !errors.Is(err, operation.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	if w.reveal(r, op.ID) == "" {
		t.Error("the secret is gone")
	}
}

var _ operation.Service = (*azuredevops.Caller)(nil)
