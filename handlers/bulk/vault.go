package bulk

import (
	"fmt"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
)

// bulkForm is what a plan is confirmed with.
type bulkForm struct {
	bulkExpiry
	vaults  tokenform.Vaults
	secrets []tokenform.NewSecret // of the plan's items, in their order
	faults  tokenform.Faults      // of what is about vaults
}

// newSecrets are the secrets that a plan makes, with a name for each in a vault: that of the secret which holds the
// token, or one made of the token's name.
func newSecrets(v *web.Request, b *batch.Batch) []tokenform.NewSecret {
	if b.Action != operation.Rotate || !b.Started.IsZero() || web.Vaults(v) == nil {
		return nil
	}
	kept := web.InVaults(v)
	secrets := make([]tokenform.NewSecret, len(b.Items))
	for i := range b.Items {
		item := &b.Items[i]
		held, _ := kept.Holder(inventory.Token{Token: item.Before})
		secrets[i] = tokenform.NewSecret{
			Key: item.Before.AuthorizationID, ID: fmt.Sprintf("%03d", i+1), Token: web.ShownName(v.Words, item.Before.DisplayName), Organization: web.WorksIn(v.Words, &item.Before, item.Organization),
			Suggested: tokenform.SecretName(item.Before.DisplayName), Held: held, Replaces: item.Before.AuthorizationID,
		}
	}
	tokenform.Distinct(secrets)
	return secrets
}

// putInto has the items of a plan put into a vault, if that was chosen.
func (f bulkForm) putInto(b *batch.Batch, into []*operation.Into) {
	byToken := map[string]*operation.Into{}
	for i, in := range into {
		byToken[f.secrets[i].Key] = in
	}
	b.RevokeAtOnce = len(into) > 0 && f.vaults.AtOnce
	for i := range b.Items {
		b.Items[i].Into = byToken[b.Items[i].Before.AuthorizationID]
	}
}

// forVault reports whether a batch's secrets are put into a vault.
func forVault(b *batch.Batch) bool { return len(b.Items) > 0 && b.Items[0].Into != nil }

// Deliver puts the secrets into their vault that couldn't be put there.
func (h *Handlers) Deliver(v *web.Request) (web.Answer, error) {
	b, err := h.resumable(v)
	if err != nil {
		return nil, err
	}
	return h.runAgain(v, b, h.Batches.Deliver)
}

// ofVault is a failure that ended a run, with the vault that it is about.
func ofVault(b *batch.Batch, f *failure.Failure) *failure.Failure {
	if f.Source != failure.SourceVault || !forVault(b) {
		return f
	}
	about := *f
	about.Vault = b.Items[0].Into.Secret.Vault
	return &about
}

// describeInVault words how far a secret is on its way into a vault, and what can be done.
func describeInVault(v *web.Request, b *batch.Batch, op *operation.Operation, row *bulkRow) {
	in := outcome.DescribeInto(v, op)
	switch {
	case in == nil:
		return
	case op.Into.State == operation.IntoWritten:
		row.What = v.Words.Sentences(row.What, v.Words.Text("inVault.in", "Secret", in.Secret))
	default:
		row.What = in.Sentence
	}
	if in.Problem != nil {
		row.What = v.Words.Sentences(row.What, in.Problem.What, in.Problem.Advice)
	}
	if op.Phase() == operation.PhasePreviousEnabled && !op.Dismissed {
		row.State = "previousEnabled"
	}
	if !b.Running {
		row.Deliver, row.Show, row.Disable = in.TryAction, in.ShowAction, in.DisableAction
	}
}
