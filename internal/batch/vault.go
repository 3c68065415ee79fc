package batch

import (
	"context"

	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/vault"
)

// What a run does with a vault that secrets are put into is for one reason: whatever keeps one secret out is likely to
// keep out all, and each more that is made has to be taken care of by the person.

// cut reports whether a try ended with its process: it is gone on with, as that was confirmed.
func cut(f *failure.Failure) bool {
	return f != nil && f.Source == failure.SourceOperation && f.Kind == failure.Interrupted
}

// deliver puts a secret into its vault that couldn't be put there before.
func (w *worker) deliver(op *operation.Operation) {
	if !w.isReady() {
		return
	}
	op, err := w.journal.Deliver(context.WithoutCancel(w.ending), w.caller.Service, w.caller.Vault, w.person, op.ID)
	if err != nil {
		w.end()
		return
	}
	w.considerVault(op)
}

// disablePrevious disables the version of a revoked old token, where that is still to be done. How it went is in the
// operation.
func (w *worker) disablePrevious(op *operation.Operation) {
	if !op.PreviousOpen() {
		return
	}
	if _, err := w.journal.DisablePrevious(context.WithoutCancel(w.ending), w.caller.Service, w.caller.Vault, w.person, op.ID); err != nil {
		w.end()
	}
}

// considerVault draws its conclusions from how a secret's way into its vault ended.
func (w *worker) considerVault(op *operation.Operation) {
	if op.Into == nil {
		return
	}
	why := op.Into.Failure
	w.mu.Lock()
	if w.undelivered++; op.Into.State == operation.IntoWritten || why == nil || ofOneSecret(why) {
		w.undelivered = 0
	}
	often := w.undelivered >= tripAfter
	w.mu.Unlock()
	if op.Into.State == operation.IntoFailed && why != nil && (often || ofAllSecrets(why)) {
		w.halt(why)
	}
}

// ofOneSecret reports whether a failure is about the secret of that name alone.
func ofOneSecret(f *failure.Failure) bool {
	if f.Source != failure.SourceVault {
		return false
	}
	switch vault.Kind(f.Kind) {
	case vault.KindDeletedName, vault.KindDisabled, vault.KindManaged, vault.KindBadName, vault.KindTooMany, vault.KindNoSecret, vault.KindBadRequest:
		return true
	}
	return false
}

// ofAllSecrets reports whether a failure is certain to be met by all secrets of a batch: their person or patdesk can't
// reach the vault at all.
func ofAllSecrets(f *failure.Failure) bool {
	if f.Source == failure.SourceEntra {
		return true
	}
	switch vault.Kind(f.Kind) {
	case vault.KindConsent, vault.KindSignIn, vault.KindConditionalAccess, vault.KindNotSetUp, vault.KindOtherTenant, vault.KindForbiddenByFirewall,
		vault.KindNoVault, vault.KindNotAllowed, vault.KindBadVault:
		return f.Source == failure.SourceVault
	}
	return false
}
