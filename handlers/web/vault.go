package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/operation"
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
