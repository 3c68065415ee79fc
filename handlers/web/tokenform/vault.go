package tokenform

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/vault"
)

// Fields of the part of a form that says into which vault a new secret is put.
const (
	vaultField      = "vault"       // an address, "" for none, otherVault
	addressField    = "vault-typed" // with otherVault
	secretField     = "vault-secret"
	unseenField     = "vault-unseen"
	disableOldField = "vault-disable"
	overField       = "vault-over"

	otherVault = "other"
)

// VaultFields are the names of the fields.
func VaultFields() []string {
	return []string{vaultField, addressField, secretField, unseenField, disableOldField, overField}
}

// VaultPart is that part of a page; nil where the operator has allowed no vault.
type VaultPart struct {
	Choices         []web.Option
	MayType         bool
	Typed           string
	VaultError      string
	Secret          string
	SecretError     string
	Unseen          bool
	MayDisable      bool // it is a rotation
	DisableOld      bool
	Taken, Over     bool   // the vault has a secret of that name, and a new version of it is to be written
	Chosen          bool   // into a vault
	SuggestedSecret string // where none is typed

	Rows      []VaultRow // several secrets, each with a name of its own; Secret, SecretError, Taken and Over are theirs then
	MayAtOnce bool
	AtOnce    bool
}

// Vault is what was typed of it, as it was typed.
type Vault struct {
	Choice, Typed, Secret    string
	Unseen, DisableOld, Over bool
	taken                    bool
}

// readVault takes what was typed from a form.
func readVault(values url.Values) Vault {
	return Vault{
		Choice: strings.TrimSpace(values.Get(vaultField)), Typed: strings.TrimSpace(values.Get(addressField)),
		Secret: strings.TrimSpace(values.Get(secretField)),
		Unseen: values.Get(unseenField) != "", DisableOld: values.Get(disableOldField) != "", Over: values.Get(overField) != "",
	}
}

// Into is the vault's secret that was chosen, nil for none; what is wrong is noted. suggested is the secret's name where
// none was typed.
func (f Vault) Into(v *web.Request, suggested string, faults Faults) *operation.Into {
	if f.Choice == "" || web.Vaults(v) == nil {
		return nil
	}
	address := f.vault(v, faults)
	name := cmp.Or(f.Secret, suggested)
	if !vault.ValidName(name) {
		faults.Add("vault-secret", "form.secretNameInvalid")
	}
	return &operation.Into{Secret: vault.Reference{Vault: address, Name: name}, Unseen: f.Unseen, DisableOld: f.DisableOld}
}

// vault is the address of the vault that was chosen; what is wrong with it is noted.
func (f Vault) vault(v *web.Request, faults Faults) string {
	typed := f.Choice
	if f.Choice == otherVault {
		typed = f.Typed
	}
	address, key := web.VaultAddress(v, typed)
	faults.Add("vault", key)
	return address
}

// Check asks the vault, before anything is changed, whether the person may use it, and what it has under that name. A
// secret that is there, and isn't replaces's, is only written to if that was chosen. state is the form's, where the
// vault refuses; an error leads elsewhere, as through a sign-in.
func (f *Vault) Check(v *web.Request, into *operation.Into, replaces string, faults Faults) (state web.FormState, err error) {
	key, err := faultIn(v, into.Secret, replaces, f.Over)
	if err != nil {
		return refusedBy(v, err)
	}
	web.RememberVault(v, into.Secret.Vault)
	f.taken = key == secretTaken
	if faults.Add("vault-secret", key); len(faults) > 0 {
		return web.FormState{Status: http.StatusUnprocessableEntity}, nil
	}
	return web.FormState{}, nil
}

// faultIn asks the vault what keeps a new version from being written under a secret's name, as a key of the catalogue; ""
// if nothing does.
func faultIn(v *web.Request, r vault.Reference, replaces string, over bool) (string, error) {
	versions, err := web.VaultCaller(v).Versions(v.Context(), r)
	var refused *vault.Error
	switch {
	case errors.As(err, &refused) && refused.Kind == vault.KindNoSecret:
		return "", nil
	case err != nil:
		return "", err
	}
	newest := vault.Newest(versions)
	switch own := replaces != "" && newest.Tags[vault.TagAuthorizationID] == replaces; {
	case newest.Managed:
		return "form.secretManaged", nil
	case newest.Version != "" && !own && !over:
		return secretTaken, nil
	}
	return "", nil
}

const secretTaken = "form.secretTaken"

// refusedBy is the state of a form that a vault keeps from being carried out; an error leads elsewhere, as through a
// sign-in.
func refusedBy(v *web.Request, err error) (web.FormState, error) {
	if _, signIn := web.NeedsSignIn(err); signIn {
		return web.FormState{}, err
	}
	v.NoteError(err)
	why := failure.Of(err)
	t := v.DescribeFailure(why, v.Now)
	return web.FormState{Status: t.Status, Problem: web.FailureSummary(v, why, v.Now), Header: web.RetryHeader(t.RetryAfter)}, nil
}

// Part is the part of the page with what was typed; nil where there are no vaults. suggested is the secret's name where
// none was typed, rotates says that there is a previous version to be disabled.
func (f Vault) Part(v *web.Request, suggested string, rotates bool, byField map[string]string) *VaultPart {
	vaults := web.Vaults(v)
	if vaults == nil {
		return nil
	}
	named := append(vaults.Vaults(), web.AddedVaults(v)...)
	p := &VaultPart{
		MayType: vaults.MayAdd(), Typed: f.Typed, VaultError: byField["vault"], Secret: f.Secret, SecretError: byField["vault-secret"],
		Unseen: f.Unseen, MayDisable: rotates, DisableOld: f.DisableOld, Taken: f.taken || f.Over, Over: f.Over, Chosen: f.Choice != "",
		SuggestedSecret: suggested,
	}
	p.Choices = append(p.Choices, web.Option{Text: v.Words.Text("intoVault.none"), Selected: f.Choice == ""})
	for _, address := range named {
		p.Choices = append(p.Choices, web.Option{Value: address, Text: strings.TrimPrefix(address, "https://"), Selected: f.Choice == address})
	}
	if p.MayType {
		other := f.Choice != "" && !slices.Contains(named, f.Choice)
		p.Choices = append(p.Choices, web.Option{Value: otherVault, Text: v.Words.Text("intoVault.other"), Selected: other})
		if other && f.Choice != otherVault {
			p.Typed = f.Choice
		}
	}
	return p
}

// SecretName suggests a secret's name for a token.
func SecretName(token string) string { return vault.SuggestName(token, "token") }
