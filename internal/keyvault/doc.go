// Package keyvault reads the app's own credential from Azure Key Vault: a client secret, or a certificate with its key.
// It is the only user of the Azure SDK; what a credential is for, internal/entra knows.
//
// A certificate's key can't be had from the vault's certificates, but from the secret of the same name, which the vault
// keeps beside each of them as long as the certificate's policy lets its key be exported
// (https://learn.microsoft.com/azure/key-vault/certificates/about-certificates#composition-of-a-certificate).
package keyvault
