package simulator

// patTokenErrors are the values that the API can refuse with. See PatTokenError in
// https://learn.microsoft.com/rest/api/azure/devops/tokens/pats/create.
var patTokenErrors = []string{
	"displayNameRequired", "invalidDisplayName", "invalidValidTo", "invalidScope", "userIdRequired",
	"invalidUserId", "invalidUserType", "accessDenied", "failedToIssueAccessToken", "invalidClient",
	"invalidClientType", "invalidClientId", "invalidTargetAccounts", "hostAuthorizationNotFound",
	"authorizationNotFound", "failedToUpdateAccessToken", "sourceNotSupported", "invalidSourceIP",
	"invalidSource", "duplicateHash", "sshPolicyDisabled", "invalidToken", "tokenNotFound",
	"invalidAuthorizationId", "failedToReadTenantPolicy", "globalPatPolicyViolation",
	"fullScopePatPolicyViolation", "patLifespanPolicyViolation", "invalidTokenType", "invalidAudience",
	"invalidSubject", "deploymentHostNotSupported", "disablePatCreationPolicyViolation",
	"failedToReadOrgPolicy", "globalPATCreationBlocked", "expiredPatCannotBeExtended",
}

func refusalFaults() []Fault {
	var faults []Fault
	for _, value := range patTokenErrors {
		faults = append(faults, patTokenErrorFault(value))
	}
	return faults
}

func patTokenErrorFault(value string) Fault {
	return Fault{Name: "patTokenError:" + value, Group: GroupRefusals,
		Calls:    []string{CallGet, CallCreate, CallUpdate, CallRevoke},
		Sentence: "The API refuses with patTokenError " + value + ".",
		before:   func(x *exchange, _ FaultOptions) *answer { return x.patError(value) }}
}
