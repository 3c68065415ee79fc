package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/vault"
)

// Vaults are those that secrets may be put into; nil where the operator has allowed none.
func Vaults(v *Request) *vault.Client { return v.site.Vaults }

// VaultCaller is the vaults on behalf of the visitor; nil where there are none.
func VaultCaller(v *Request) operation.Vault {
	if as := asVaults(v); as != nil {
		return as
	}
	return nil
}

func asVaults(v *Request) *vault.Caller {
	if v.site.Vaults == nil {
		return nil
	}
	return v.site.Vaults.As(vaultToken(v))
}

// vaultToken gets access tokens for vaults out of the visitor's sign-in.
func vaultToken(v *Request) vault.Bearer {
	tokens, person := v.Session.Tokens(), v.Session.Person()
	return func(ctx context.Context) (string, error) {
		token, err := v.site.Entra.OtherAccessToken(ctx, tokens, person.Account, v.site.VaultScopes)
		return token, vaultTokenError(err)
	}
}

// vaultTokenError is why there is no access token for vaults, as an error of theirs: what helps is another sign-in than
// where the one for Azure DevOps is over.
func vaultTokenError(err error) error {
	var e *entra.Error
	if !errors.As(err, &e) {
		return err
	}
	kind, ok := map[entra.Kind]vault.Kind{
		entra.KindConsent: vault.KindConsent, entra.KindAdminApproval: vault.KindConsent, entra.KindInteraction: vault.KindSignIn,
		entra.KindConditionalAccess: vault.KindConditionalAccess, entra.KindMisconfigured: vault.KindNotSetUp,
	}[e.Kind]
	if !ok {
		return err
	}
	return &vault.Error{Kind: kind, Code: e.Code, Claims: e.Claims, RetryAfter: e.RetryAfter, Err: e}
}

// vaultStatus is the status of a page about a vault's refusal.
func vaultStatus(k vault.Kind) int {
	switch k {
	case vault.KindConsent, vault.KindSignIn, vault.KindConditionalAccess, vault.KindOtherTenant, vault.KindRefused, vault.KindForbiddenByRole,
		vault.KindForbiddenByPolicy, vault.KindForbiddenByFirewall, vault.KindForbidden, vault.KindNotAllowed:
		return http.StatusForbidden
	case vault.KindNoVault, vault.KindNoSecret, vault.KindBadVault, vault.KindBadName, vault.KindBadRequest, vault.KindManaged:
		return http.StatusUnprocessableEntity
	case vault.KindDeletedName, vault.KindDisabled:
		return http.StatusConflict
	case vault.KindThrottled, vault.KindUnavailable:
		return http.StatusServiceUnavailable
	case vault.KindTimeout:
		return http.StatusGatewayTimeout
	default:
		return http.StatusBadGateway
	}
}

// MaxAddedVaults bounds the vaults that are read for a person beside the operator's. Their names, of at most 24
// characters, are kept in a cookie.
const MaxAddedVaults = 8

// AddedVaults are the vaults that the person has used in this browser without the operator naming them, as addresses,
// the latest last. What the operator doesn't allow any more isn't among them.
func AddedVaults(v *Request) (added []string) {
	if v.site.Vaults == nil || !v.site.Vaults.MayAdd() {
		return nil
	}
	named := v.site.Vaults.Vaults()
	for name := range strings.SplitSeq(v.site.Sessions.OwnPreference(v.Request, session.Vaults, v.Session.Person()), ".") {
		address, err := v.site.Vaults.Address(name)
		if err == nil && len(added) < MaxAddedVaults && !slices.Contains(named, address) && !slices.Contains(added, address) {
			added = append(added, address)
		}
	}
	return added
}

// KeepAddedVaults replaces them.
func KeepAddedVaults(v *Request, addresses []string) {
	names := make([]string, len(addresses))
	for i, address := range addresses {
		names[i] = vault.ShortName(address)
	}
	v.site.Sessions.SetOwnPreference(v.Writer, session.Vaults, v.Session.Person(), strings.Join(names, "."))
	ForgetVaults(v)
}

// VaultAddress is the address of the vault that was typed; key is the message that says what is wrong with it, "" if
// nothing is.
func VaultAddress(v *Request, typed string) (address, key string) {
	address, err := v.site.Vaults.Address(typed)
	var refused *vault.Error
	switch {
	case errors.As(err, &refused) && refused.Kind == vault.KindNotAllowed:
		return "", "form.vaultNotAllowed"
	case err != nil:
		return "", "form.vaultInvalid"
	}
	return address, ""
}

// RememberVault has a vault that has answered read from now on, too. Of too many the one used longest ago is left out.
func RememberVault(v *Request, address string) {
	added := AddedVaults(v)
	if slices.Contains(v.site.Vaults.Vaults(), address) || len(added) > 0 && added[len(added)-1] == address {
		return
	}
	added = append(slices.DeleteFunc(added, func(one string) bool { return one == address }), address)
	KeepAddedVaults(v, added[max(0, len(added)-MaxAddedVaults):])
}

// vaultsToRead are those whose secrets' properties are read for the person.
func vaultsToRead(v *Request) []string {
	if v.site.Vaults == nil {
		return nil
	}
	return append(v.site.Vaults.Vaults(), AddedVaults(v)...)
}

// Agree leads through Entra ID's question whether patdesk may reach vaults in the person's name, and back to the page
// that it was asked on. It asks once: who comes back and still mayn't finds the reason there.
func Agree(v *Request) (Answer, error) {
	if v.site.Vaults == nil {
		return nil, &HTTPError{Status: http.StatusNotFound}
	}
	ForgetVaults(v)
	if !v.URL.Query().Has("draft") {
		_, err := vaultToken(v)(v.Context())
		for _, address := range vaultsToRead(v) {
			if err == nil {
				err = VaultNeedsSignIn(v, vault.Reference{Vault: address, Name: "patdesk"})
			}
		}
		if _, signIn := NeedsSignIn(err); signIn {
			return nil, err
		}
	}
	return v.To(SafeReturn(v.URL.Query().Get("return"))), nil
}

// VaultNeedsSignIn asks a vault about a secret, and returns the error if it takes a sign-in to be answered.
func VaultNeedsSignIn(v *Request, r vault.Reference) error {
	as := asVaults(v)
	if as == nil {
		return nil
	}
	_, err := as.Versions(v.Context(), r)
	if _, signIn := NeedsSignIn(err); signIn {
		return err
	}
	return nil // the call that follows reports any other error
}

// agreed reports whether a vault's error isn't that its person hasn't agreed, or has to sign in again.
func agreed(err error) bool {
	var e *vault.Error
	return !errors.As(err, &e) || e.Kind != vault.KindConsent && e.Kind != vault.KindSignIn
}
