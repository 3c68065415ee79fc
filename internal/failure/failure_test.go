package failure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/vault"
)

func TestOf(t *testing.T) {
	recorded := &failure.Failure{Source: failure.SourceOperation, Kind: failure.Interrupted}
	for _, c := range []struct {
		err    error
		want   failure.Failure
		signIn bool
	}{
		{
			&azuredevops.Error{Organization: "contoso", Kind: azuredevops.KindClaims, Status: 401, Code: "TF1", ActivityID: "a", RetryAfter: time.Minute, Claims: "{}", Unknown: true},
			failure.Failure{
				Source: failure.SourceAzureDevOps, Kind: "claims", Status: 401, Code: "TF1", ActivityID: "a", RetryAfter: time.Minute, Claims: "{}", Unknown: true,
				Organization: "contoso",
			}, true,
		},
		{&entra.Error{Kind: entra.KindInteraction, Code: "c", Claims: "{}"}, failure.Failure{Source: failure.SourceEntra, Kind: "interaction", Code: "c", Claims: "{}"}, true},
		{&entra.Error{Kind: entra.KindUnavailable}, failure.Failure{Source: failure.SourceEntra, Kind: string(entra.KindUnavailable)}, false},
		{&entra.Error{Kind: entra.KindOther, Err: session.ErrUnavailable}, failure.Failure{Source: failure.SourceStore, Kind: failure.Unavailable}, false},
		{&session.FullError{Kind: "operation"}, failure.Failure{Source: failure.SourceStore, Kind: "full.operation"}, false},
		{
			&vault.Error{Kind: vault.KindSignIn, Vault: "https://team.vault.azure.net", Name: "ci", Status: 401, Claims: "{}"},
			failure.Failure{Source: failure.SourceVault, Kind: "signIn", Status: 401, Claims: "{}", Vault: "https://team.vault.azure.net", Name: "ci"}, true,
		},
		{&vault.Error{Kind: vault.KindConsent}, failure.Failure{Source: failure.SourceVault, Kind: "consent"}, true},
		{context.Canceled, failure.Failure{Source: failure.SourceEntra, Kind: "other"}, false},
		{recorded, *recorded, false},
	} {
		got := failure.Of(fmt.Errorf("wrapped: %w", c.err))
		if *got != c.want {
			t.Errorf("%v: %+v, want %+v", c.err, *got, c.want)
		}
		if _, signIn := got.NeedsSignIn(); signIn != c.signIn {
			t.Errorf("%v: needs a sign-in: %t", c.err, signIn)
		}
		if failure.Of(got) != got {
			t.Errorf("%v: not the same a second time", c.err)
		}
		if down := c.want.Source == failure.SourceStore; errors.Is(got, session.ErrUnavailable) != down {
			t.Errorf("%v: the store is down: %t", c.err, !down)
		}
	}
}

// A recorded failure reads in the log as the error did, but for the call, which isn't recorded.
func TestError(t *testing.T) {
	for _, err := range []error{
		&azuredevops.Error{Organization: "contoso", Kind: azuredevops.KindForbidden, Status: 403, Code: "TF1", ActivityID: "a"},
		&entra.Error{Kind: entra.KindInteraction, Code: "invalid_grant"},
		session.ErrUnavailable,
	} {
		stored, failed := json.Marshal(failure.Of(err))
		var f failure.Failure
		if failed = errors.Join(failed, json.Unmarshal(stored, &f)); failed != nil {
			t.Fatal(failed)
		}
		if got := f.In("contoso").Error(); got != err.Error() {
			t.Errorf("%q, want %q", got, err)
		}
	}
}

func TestNoLongerActive(t *testing.T) {
	known := failure.Of(&azuredevops.Error{Kind: failure.KindNoLongerActive})
	unknown := failure.Of(&azuredevops.Error{Kind: failure.KindNoLongerActive, Status: 404})
	var none *failure.Failure
	if !known.NoLongerActive() || unknown.NoLongerActive() || none.NoLongerActive() {
		t.Error("a token that was found to be over before anything was sent isn't told from one that the service doesn't know")
	}
}
