// Package simulator is an HTTP stand-in for the services that patdesk talks to: Microsoft Entra ID (sign-in), the Azure
// DevOps PAT Lifecycle Management API, Azure DevOps organization discovery, and the secrets of Azure Key Vault.
//
// It belongs here when it pretends to be Microsoft. It is used by the demo and by tests, never by production code, has
// wire types of its own, and imports no other package of this module: a mistake in our client can't hide behind the
// same mistake made here.
//
// The simulator checks what Microsoft checks (client, redirect URI, a code used once, PKCE, bearer, expiry, API
// version, content type, policies), and it misbehaves on demand: see [Faults], [Simulator.SetFault] and README.md.
// Where Microsoft's behaviour isn't known, an option chooses between the answers that are possible, and the default is
// the stricter one.
package simulator
