// Package vault keeps a person's secrets in Azure Key Vault, in that person's name: it writes new versions, and reads,
// tags and disables them. It never reads a value. A client of the vault's data plane, an answer of its own, or the rules
// for names and tags belong here; which token is in which secret is others' to say.
//
// Values are written and never read: there is no call here that returns one. The service has none that returns the
// properties of one version without its value, but for listing all of a secret's versions, so that is what is used
// (https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups).
package vault
