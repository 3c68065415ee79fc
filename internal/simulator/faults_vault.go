package simulator

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

var (
	vaultCalls       = []string{CallVaultList, CallVaultVersions, CallVaultWrite, CallVaultUpdate}
	vaultChangeCalls = []string{CallVaultWrite, CallVaultUpdate}
)

// vaultFaults are what a vault can answer instead. A call without a bearer gets its challenge all the same.
func vaultFaults() []Fault {
	only := func(name, sentence string, give func(x *exchange, o FaultOptions) *answer) Fault {
		return Fault{Name: name, Group: GroupVault, Sentence: sentence, Calls: vaultCalls, before: func(x *exchange, o FaultOptions) *answer {
			if x.r.Header.Get("Authorization") == "" {
				return nil
			}
			return give(x, o)
		}}
	}
	refused := func(name, sentence string, status int, code, inner, message string) Fault {
		return only(name, sentence, func(x *exchange, _ FaultOptions) *answer { return x.vaultError(status, code, inner, message) })
	}
	both := func(name, afterDoing, sentence string, give func(x *exchange, o FaultOptions) *answer) []Fault {
		return []Fault{only(name, sentence, give), {
			Name: afterDoing, Group: GroupVault, Calls: vaultChangeCalls, Sentence: "What was asked is done first. " + sentence,
			after: func(x *exchange, o FaultOptions, a *answer) *answer {
				if a.status != http.StatusOK {
					return a
				}
				return give(x, o)
			},
		}}
	}
	return slices.Concat(
		[]Fault{
			refused("vaultForbiddenByRole", "403: no role assignment lets the person do that.", http.StatusForbidden, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource."),
			refused("vaultForbiddenByPolicy", "403: the vault's access policies don't let the person do that.", http.StatusForbidden, "Forbidden", "ForbiddenByPolicy",
				"The user, group or application does not have secrets list permission on key vault."),
			refused("vaultForbiddenByFirewall", "403: the vault's firewall doesn't let that address in.", http.StatusForbidden, "Forbidden", "ForbiddenByFirewall",
				"Client address is not authorized and caller is not a trusted service."),
			refused("vaultForbiddenByConnection", "403: the vault lets nobody in from the internet.", http.StatusForbidden, "Forbidden", "ForbiddenByConnection",
				"Public network access is disabled and request is not from a trusted service nor via an approved private link."),
			refused("vaultDisabled", "403: the secret is disabled.", http.StatusForbidden, "Forbidden", "SecretDisabled", "Operation set is not allowed on a disabled secret."),
			refused("vaultOtherTenant", "401: the vault belongs to another tenant.", http.StatusUnauthorized, "Unauthorized", "", "AKV10032: Invalid issuer."),
			{Name: "vaultClaimsChallenge", Group: GroupVault, Calls: vaultCalls, Value: "the claims wanted, as JSON",
				Sentence: "401 with a claims challenge, until a sign-in has carried the claims."},
			{Name: "vaultForeignChallenge", Group: GroupVault, Calls: vaultCalls, before: (*exchange).foreignChallenge,
				Sentence: "The challenge asks for a token of another resource, as a host would that only pretends to be a vault."},
			{Name: "vaultEndlessList", Group: GroupVault, Calls: []string{CallVaultList, CallVaultVersions},
				Sentence: "Every page of the list says that there is one more."},
			only("vaultHTML", "200 with a web page.", func(*exchange, FaultOptions) *answer {
				return htmlAnswer(http.StatusOK, "<!DOCTYPE html><title>Captive portal</title>")
			}),
		},
		both("vaultThrottled", "vaultThrottledAfterDoing", "429 with Retry-After.", func(x *exchange, o FaultOptions) *answer {
			a := x.vaultError(http.StatusTooManyRequests, "Throttled", "", "Request was not processed because too many requests were received.")
			a.header.Set("Retry-After", seconds(o.RetryAfter))
			return a
		}),
		both("vaultUnavailable", "vaultUnavailableAfterDoing", "503.", func(x *exchange, _ FaultOptions) *answer {
			return x.vaultError(http.StatusServiceUnavailable, "ServiceUnavailable", "", "The service is temporarily unavailable.")
		}),
		both("vaultReset", "vaultResetAfterDoing", "The connection is reset without an answer.", func(*exchange, FaultOptions) *answer {
			return &answer{header: http.Header{}, send: reset}
		}),
		hangFaults("vaultHang", "vaultHangAfterDoing", "The answer never comes.", GroupVault, vaultCalls, vaultChangeCalls, 0),
	)
}

// foreignChallenge is the challenge of a host that wants a token of another resource.
func (x *exchange) foreignChallenge(FaultOptions) *answer {
	a := x.vaultError(http.StatusUnauthorized, "Unauthorized", "", "AKV10000: Request is missing a Bearer or PoP token.")
	a.header.Set("WWW-Authenticate", `Bearer authorization="`+x.s.machineBase(x.r)+`/organizations", resource="https://graph.microsoft.com"`)
	return a
}

// vaultClaims is the 401 that asks for a sign-in with certain claims.
func (x *exchange) vaultClaims(tenant, wanted string) *answer {
	a := x.vaultError(http.StatusUnauthorized, "Unauthorized", "", "AKV10093: Continuous access evaluation resulted in challenge.")
	a.header.Set("WWW-Authenticate", `Bearer authorization="`+x.s.machineBase(x.r)+"/"+tenant+`", resource="`+vaultResource+
		`", error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(wanted))+`"`)
	return a
}

// vaultTokenFaults are refusals of tokens for vaults alone.
func vaultTokenFaults() []Fault {
	return []Fault{
		{Name: "tokenVaultConditionalAccess", Group: GroupToken, Calls: tokenCall, Sentence: "A conditional access policy blocks the token for Azure Key Vault alone."},
		{Name: "tokenVaultInteraction", Group: GroupToken, Calls: tokenCall, Sentence: "interaction_required with claims, for Azure Key Vault alone, until a sign-in has carried the claims."},
		{Name: "tokenVaultUnknown", Group: GroupToken, Calls: tokenCall, Sentence: "The tenant doesn't know Azure Key Vault."},
	}
}

const vaultClaimsWanted = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`

// vaultTokenFault is the error of such a fault.
func (x *exchange) vaultTokenFault(g grant) *oauthError {
	if !slices.ContainsFunc(g.asked, ofVaults) {
		return nil
	}
	switch {
	case x.has("tokenVaultConditionalAccess"):
		return &oauthError{status: 400, name: "interaction_required", number: 53003, suberror: "message_only", text: "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."}
	case x.has("tokenVaultInteraction") && !claimsInclude(g.claims, vaultClaimsWanted):
		return &oauthError{status: 400, name: "interaction_required", number: 50076, suberror: "basic_action", claims: vaultClaimsWanted,
			text: "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication."}
	case x.has("tokenVaultUnknown"):
		return &oauthError{status: 400, name: "invalid_resource", number: 500011, text: "The resource principal named " + vaultResource + " was not found in the tenant."}
	}
	return nil
}

// ofVaults reports whether a scope is one of Azure Key Vault.
func ofVaults(scope string) bool {
	_, ok := vaultPermission(scope)
	return ok
}

// vaultPermission takes the resource off a scope.
func vaultPermission(scope string) (string, bool) {
	i := strings.LastIndex(scope, "/")
	if i < 0 {
		return "", false
	}
	resource := cmp.Or(strings.TrimRight(scope[:i], "/"), "/")
	return scope[i+1:], strings.EqualFold(resource, vaultResource) || resource == vaultResourceID
}
