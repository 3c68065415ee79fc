package operation

import (
	"context"
	"errors"
	"time"

	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/vault"
)

// A new token's secret can be put into a vault of its person. It is kept as any other first, then written as a version
// that names this operation in its tags, read back by its properties, and recorded; only after that is a kept one
// forgotten that isn't to be shown, or an old token revoked. A vault has no idempotency key either: a second write looks
// for the operation's tag first.

// IntoState says how far a secret's way into a vault is.
type IntoState string

// A secret is pending first, until its version was seen in the vault, or it isn't known to be there.
const (
	IntoPending IntoState = "pending" // to be written, or being written
	IntoWritten IntoState = "written" // its version was read back
	IntoFailed  IntoState = "failed"  // not written, or that isn't known: it may be tried again
)

// Into is the vault's secret that a new token's secret is put into, and how that stands.
type Into struct {
	Secret         vault.Reference  `json:"Secret"`
	Unseen         bool             `json:"Unseen,omitempty"`     // the person doesn't want to see it
	DisableOld     bool             `json:"DisableOld,omitempty"` // rotate: Previous is to be disabled once the old token is revoked
	State          IntoState        `json:"State"`
	Version        string           `json:"Version,omitempty"`  // that was written
	Previous       string           `json:"Previous,omitempty"` // the version that was read before; "" if there was none, or if it names a token that isn't the old one
	Disabled       bool             `json:"Disabled,omitempty"` // Previous was disabled
	Failure        *failure.Failure `json:"Failure,omitempty"`  // of IntoFailed
	DisableFailure *failure.Failure `json:"DisableFailure,omitempty"`
	At             time.Time        `json:"At,omitzero"` // of the last try's end
}

// about is the failure as one of the vault's secret.
func (in *Into) about(f *failure.Failure) *failure.Failure {
	if f == nil {
		return nil
	}
	c := *f
	c.Vault, c.Name = in.Secret.Vault, in.Secret.Name
	return &c
}

// Vault is what an operation needs of the person's vaults; *vault.Caller satisfies it. A secret that isn't there has no
// versions.
type Vault interface {
	Versions(ctx context.Context, r vault.Reference) ([]vault.Secret, error)
	Write(ctx context.Context, r vault.Reference, value string, p vault.Properties) (vault.Secret, error)
	Disable(ctx context.Context, r vault.Reference, version string) error
}

// vaultTimeout bounds one try to put a secret into its vault, or to disable a version.
const vaultTimeout = 30 * time.Second

// vaultTries is how often a vault is tried by itself before that is left to the person.
const vaultTries = 3

// contentType is that of the secrets that are written.
const contentType = "text/plain"

var (
	errNoVault  error = &vault.Error{Kind: vault.KindNotAllowed}
	errNotThere error = &vault.Error{Kind: vault.KindNotUnderstood, Unknown: true, Err: errors.New("the new version isn't among those that the vault lists")}
	errDisabled error = &vault.Error{Kind: vault.KindDisabled}
)

// delivering reports whether the new token's secret is on its way into the vault, or its worker died on the way.
func (o *Operation) delivering() bool {
	return o.State == Succeeded && o.Secret == SecretWaiting && o.Into != nil && o.Into.State == IntoPending
}

// hidden reports whether the kept secret is not to be shown: it is for a vault, and its person doesn't want to see it.
func (o *Operation) hidden() bool {
	kept := o.Secret == SecretWaiting || o.Secret == SecretExpired
	return kept && o.Into != nil && o.Into.Unseen && o.Into.State != IntoWritten
}

// AwaitsVault reports whether the new token's secret is neither in the vault that it is for nor given to its person
// instead. As long as that is so, a rotation's old token is not revoked.
func (o *Operation) AwaitsVault() bool {
	return o.State == Succeeded && (o.delivering() || o.hidden())
}

// MayDeliver reports whether a secret that is kept can be put into its vault, where that has failed before.
func (o *Operation) MayDeliver() bool {
	return o.State == Succeeded && o.Secret == SecretWaiting && o.Into != nil && o.Into.State == IntoFailed
}

// PreviousOpen reports whether the version that holds the secret of a revoked old token is still to be disabled.
func (o *Operation) PreviousOpen() bool {
	return o.Into != nil && o.Into.DisableOld && o.Into.State == IntoWritten && o.Into.Previous != "" && !o.Into.Disabled && o.Old == OldRevoked
}

// editInto changes what is recorded of the vault, in a copy: others may have read it.
func (r *record) editInto(edit func(in *Into)) {
	in := *r.Into
	edit(&in)
	r.Into = &in
}

// leaveVault records that the secret was not put into its vault, or that this isn't known.
func (r *record) leaveVault(at time.Time, why *failure.Failure) {
	if r.Into == nil {
		return
	}
	r.editInto(func(in *Into) { in.State, in.Failure, in.At = IntoFailed, why, at })
}

// notTried is why nothing was written to the vault: the secret or its record couldn't be kept.
func notTried() *failure.Failure {
	return &failure.Failure{Source: failure.SourceStore, Kind: failure.Unavailable}
}

// interrupted is why it isn't known how an interrupted try went.
func interrupted() *failure.Failure {
	return &failure.Failure{Source: failure.SourceOperation, Kind: failure.Interrupted, Unknown: true}
}

// tags mark a version as this operation's.
func (r *record) tags() map[string]string {
	tags := map[string]string{vault.TagOrganization: r.Organization, vault.TagOperation: r.ID}
	if r.Result.Global() {
		tags[vault.TagOrganization] = ""
	}
	if id := r.resultID(); id != "" {
		tags[vault.TagAuthorizationID] = id
	}
	return tags
}

// putInto puts a kept secret into its vault and records that. Then what was asked for follows: the kept one is
// forgotten, the old token revoked, its version disabled. If the record can't be written, nothing of that is done.
func (o *locked) putInto(ctx context.Context, secret string) {
	d := &delivery{locked: o, secret: secret}
	err := o.tryVault(ctx, d.try)
	o.store.reach("written")
	next := *o.record
	recorded := o.store.report(ctx, &next, func(r *record) error {
		if r.Into == nil || r.Into.State == IntoWritten {
			return errUnchanged
		}
		d.settle(r, err)
		return nil
	})
	if recorded != nil {
		return
	}
	*o.record = next
	o.store.reach("delivered")
	if o.record.Secret == SecretDelivered {
		o.forgetSecret(ctx)
	}
	if err == nil && o.record.Old == OldSent {
		_ = o.revokeOld(ctx)
		_ = o.disablePrevious(ctx)
	}
}

// settle notes in the record how the tries ended.
func (d *delivery) settle(r *record, err error) {
	now := d.store.options.Now()
	if err != nil {
		r.leaveVault(now, vaultFailure(err))
		return
	}
	r.editInto(func(in *Into) {
		in.State, in.Version, in.Previous, in.Failure, in.At = IntoWritten, d.version.Version, d.previous, nil, now
	})
	if r.Into.Unseen && r.Secret == SecretWaiting {
		r.Secret, r.SecretUntil = SecretDelivered, time.Time{}
	}
	if r.retires() { // which comes next
		r.Old = OldSent
		d.store.beginDoubt(r, now)
	}
}

// retires reports whether a rotation's old token is to be revoked now that the new one is in place.
func (r *record) retires() bool { return r.Old == OldAlive && r.RevokeAtOnce && !r.EndsSooner() }

// forgetSecret deletes the kept secret. One that can't be deleted is shown by nothing and goes when its time is over.
func (o *locked) forgetSecret(ctx context.Context) {
	_ = o.store.retryWrite(ctx, func(ctx context.Context) error {
		return o.store.records.Delete(ctx, secretKey(o.record.Person, o.record.ID))
	})
}

// tryVault tries something again that does no harm when it is done twice, while it is worth another try.
func (o *locked) tryVault(ctx context.Context, do func(ctx context.Context) error) error {
	if o.vault == nil {
		return errNoVault
	}
	for try := 1; ; try++ {
		tryCtx, cancel := context.WithTimeout(ctx, vaultTimeout)
		err := do(tryCtx)
		cancel()
		wait, again := retryVault(err, try)
		if err == nil || !again || try == vaultTries {
			return err
		}
		_ = o.store.options.Pause(ctx, wait)
	}
}

// delivery is one run of tries to put a secret into its vault.
type delivery struct {
	*locked
	secret  string
	doubt   error // of a write that may have been done: this run writes no more, and looks if it was
	version vault.Secret
	// previous is the version that was current before; "" if there was none, or it isn't ours to disable.
	previous string
}

// try writes the secret, unless an earlier try of this operation has or may have, and reads back that it is there.
func (d *delivery) try(ctx context.Context) error {
	versions, err := d.versions(ctx)
	if err != nil {
		return err
	}
	if _, there := d.record.own(versions); !there {
		if d.doubt != nil {
			return d.doubt
		}
		_, err := d.vault.Write(ctx, d.record.Into.Secret, d.secret, vault.Properties{
			Tags: d.record.tags(), ContentType: contentType, Expires: d.record.Result.ValidTo,
		})
		d.store.reach("sent-to-vault")
		if err != nil {
			if isUnknown(err) {
				d.doubt = err
			}
			return err
		}
		d.doubt = errNotThere
		if versions, err = d.versions(ctx); err != nil {
			return err
		}
	}
	own, there := d.record.own(versions)
	switch {
	case !there:
		return errNotThere
	case !own.Enabled:
		return errDisabled
	}
	d.version, d.previous = own, d.record.previous(versions)
	return nil
}

// versions are those of the secret; none if the vault doesn't know it yet.
func (d *delivery) versions(ctx context.Context) ([]vault.Secret, error) {
	versions, err := d.vault.Versions(ctx, d.record.Into.Secret)
	var e *vault.Error
	if errors.As(err, &e) && e.Kind == vault.KindNoSecret {
		return nil, nil
	}
	return versions, err
}

// isUnknown reports whether what failed so may have been done.
func isUnknown(err error) bool {
	var e *vault.Error
	return ended(err) || errors.As(err, &e) && e.Unknown
}

// own finds the version that this operation has written: the newest one, should there be several.
func (r *record) own(versions []vault.Secret) (own vault.Secret, there bool) {
	for _, v := range versions {
		if v.Tags[vault.TagOperation] == r.ID && v.Tags[vault.TagAuthorizationID] == r.resultID() && (!there || v.Created.After(own.Created)) {
			own, there = v, true
		}
	}
	return own, there
}

// previous is the version that was current before the one that this operation has written. One that names another token
// than the old one isn't: it is not ours to disable.
func (r *record) previous(versions []vault.Secret) string {
	var latest vault.Secret
	for _, v := range versions {
		if v.Tags[vault.TagOperation] != r.ID && v.Enabled && (latest.Version == "" || v.Created.After(latest.Created)) {
			latest = v
		}
	}
	names := latest.Tags[vault.TagAuthorizationID]
	if names != "" && (r.Before == nil || names != r.Before.AuthorizationID) {
		return ""
	}
	return latest.Version
}

// disablePrevious disables the version that holds the old token's secret, if that was asked for and the token is
// revoked.
func (o *locked) disablePrevious(ctx context.Context) error {
	if !o.record.PreviousOpen() {
		return nil
	}
	err := o.tryVault(ctx, func(ctx context.Context) error {
		return o.vault.Disable(ctx, o.record.Into.Secret, o.record.Into.Previous)
	})
	o.store.reach("disabled")
	return o.store.report(ctx, o.record, func(r *record) error {
		if !r.PreviousOpen() {
			return errUnchanged
		}
		r.editInto(func(in *Into) {
			in.Disabled, in.DisableFailure = err == nil, nil
			if err != nil {
				in.DisableFailure = vaultFailure(err)
			}
		})
		return nil
	})
}

// Deliver puts a secret into its vault that isn't there yet, or not as far as is known. It is safe to repeat: a version
// that an earlier try has written is recognized. How it went is in the operation (Into); the error is the store's. If
// ctx ends first, the work goes on.
func (j *Journal) Deliver(ctx context.Context, s Service, v Vault, person, id string) (*Operation, error) {
	return j.continued(ctx, s, person, id, func(ctx context.Context, o *locked) error {
		now := j.options.Now()
		if o.vault = v; o.record.Into == nil || o.record.Into.State == IntoWritten || o.record.at(now).Secret != SecretWaiting {
			return nil
		}
		var kept keptSecret
		err := o.store.records.Get(ctx, secretKey(person, id), &kept)
		if errors.Is(err, session.ErrNotFound) { // its page says so
			return nil
		}
		if err != nil {
			return err
		}
		err = o.store.change(ctx, o.record, func(r *record) error {
			r.editInto(func(in *Into) { in.State, in.Failure = IntoPending, nil })
			return nil
		})
		if err != nil {
			return err
		}
		o.putInto(ctx, kept.Secret)
		return nil
	})
}

// DisablePrevious disables the version that holds the secret of a rotation's old token, which is revoked, if that was
// asked for. How it went is in the operation (Into); the error is the store's.
func (j *Journal) DisablePrevious(ctx context.Context, s Service, v Vault, person, id string) (*Operation, error) {
	return j.continued(ctx, s, person, id, func(ctx context.Context, o *locked) error {
		o.vault = v
		return o.disablePrevious(ctx)
	})
}

// ShowInstead has a secret shown after all that could not be put into its vault.
func (j *Journal) ShowInstead(ctx context.Context, person, id string) (*Operation, error) {
	return j.edit(ctx, person, id, func(r *record) error {
		if !r.hidden() || r.Into.State != IntoFailed {
			return errUnchanged
		}
		r.editInto(func(in *Into) { in.Unseen = false })
		return nil
	})
}

// vaultFailure is err as it is recorded. Whether it was done isn't known of a context that ended.
func vaultFailure(err error) *failure.Failure {
	var e *vault.Error
	if !errors.As(err, &e) && ended(err) {
		return interrupted()
	}
	return failure.Of(err)
}

// retryVault reports whether a failed try is worth another one, and when: as the vault asks, if that is soon.
func retryVault(err error, try int) (wait time.Duration, again bool) {
	const patience = 5 * time.Second
	wait = time.Duration(try) * 500 * time.Millisecond
	var e *vault.Error
	switch {
	case errors.Is(err, errNotThere):
		return wait, true
	case !errors.As(err, &e) || e.RetryAfter > patience:
		return 0, false
	}
	return max(e.RetryAfter, wait), e.Unknown || e.Kind == vault.KindThrottled || e.Kind == vault.KindUnavailable || e.Kind == vault.KindConnection
}
