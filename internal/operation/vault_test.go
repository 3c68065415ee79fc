package operation_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/vault"
)

var nuget = vault.Reference{Vault: "https://team.vault.azure.net", Name: "ci-nuget"}

// keyVault is a stand-in of a vault. Like azure it counts calls and fails on demand.
type keyVault struct {
	now func() time.Time

	mu            sync.Mutex
	before, after func(ctx context.Context, call string) error
	versions      []version // oldest first
	calls         []string
}

type version struct {
	vault.Secret
	value string
}

func newKeyVault(now func() time.Time) *keyVault { return &keyVault{now: now} }

func (k *keyVault) call(ctx context.Context, name string, do func() error) error {
	k.mu.Lock()
	k.calls = append(k.calls, name)
	before, after := k.before, k.after
	k.mu.Unlock()
	if before != nil {
		if err := before(ctx, name); err != nil {
			return err
		}
	}
	k.mu.Lock()
	err := do()
	k.mu.Unlock()
	if err != nil || after == nil {
		return err
	}
	return after(ctx, name)
}

func (k *keyVault) Versions(ctx context.Context, r vault.Reference) (all []vault.Secret, err error) {
	err = k.call(ctx, "versions", func() error {
		for _, v := range k.versions {
			if v.Reference == r {
				all = append(all, v.Secret)
			}
		}
		if len(all) == 0 {
			return &vault.Error{Kind: vault.KindNoSecret, Status: 404}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (k *keyVault) Write(ctx context.Context, r vault.Reference, value string, p vault.Properties) (s vault.Secret, err error) {
	err = k.call(ctx, "write", func() error {
		s = k.add(r, value, p)
		return nil
	})
	if err != nil {
		return vault.Secret{}, err
	}
	return s, nil
}

func (k *keyVault) Disable(ctx context.Context, _ vault.Reference, name string) error {
	return k.call(ctx, "disable", func() error {
		for i := range k.versions {
			if k.versions[i].Version == name {
				k.versions[i].Enabled = false
			}
		}
		return nil
	})
}

// add makes a version, as somebody else would. Its callers hold the lock, or are tests before anything happens.
func (k *keyVault) add(r vault.Reference, value string, p vault.Properties) vault.Secret {
	n := len(k.versions)
	s := vault.Secret{
		Reference: r, Version: fmt.Sprintf("version%d", n), Enabled: true, Created: start.Add(time.Duration(n-100) * time.Second),
		Expires: p.Expires, ContentType: p.ContentType, Tags: p.Tags,
	}
	k.versions = append(k.versions, version{s, value})
	return s
}

func (k *keyVault) fail(before, after func(ctx context.Context, call string) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.before, k.after = before, after
}

// of are the versions that an operation has written.
func (k *keyVault) of(id string) (all []version) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, v := range k.versions {
		if v.Tags[vault.TagOperation] == id {
			all = append(all, v)
		}
	}
	return all
}

func (k *keyVault) find(name string) version {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, v := range k.versions {
		if v.Version == name {
			return v
		}
	}
	return version{}
}

// into has a request's secret put into the vault.
func (w *world) into(q *operation.Request, unseen, disableOld bool) {
	q.Into, q.Vault = &operation.Into{Secret: nuget, Unseen: unseen, DisableOld: disableOld}, w.vault
}

// vaultRefusal is a definite no of the vault's, and vaultLost an answer that leaves open what was done.
func vaultRefusal() error {
	return &vault.Error{Kind: vault.KindForbiddenByRole, Vault: nuget.Vault, Name: nuget.Name, Status: 403, Code: "ForbiddenByRbac"}
}

func vaultLost() error {
	return &vault.Error{Kind: vault.KindTimeout, Vault: nuget.Vault, Name: nuget.Name, Unknown: true, Err: errors.New("cut")}
}
