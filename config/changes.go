package config

import (
	"reflect"
)

// Restart names the settings in which c differs from old and that a running patdesk can't take over. It can take over
// the credential, the session keys and LOG_LEVEL.
func (c Config) Restart(old Config) []string {
	var names []string
	for _, s := range []struct {
		name     string
		now, was any
	}{
		{clientID, c.ClientID, old.ClientID},
		{federatedTokenFile, c.Credential.AssertionFile, old.Credential.AssertionFile},
		{keyVaultURL, c.Credential.VaultURL, old.Credential.VaultURL},
		{keyVaultSecret, c.Credential.VaultSecret, old.Credential.VaultSecret},
		{keyVaultCertificate, c.Credential.VaultCertificate, old.Credential.VaultCertificate},
		{authority, c.Authority, old.Authority},
		{allowedTenants, c.AllowedTenants, old.AllowedTenants},
		{redirectPath, c.RedirectPath, old.RedirectPath},
		{scope, c.Scopes, old.Scopes},
		{endpoint, []string{c.Endpoint, c.APIVersion}, []string{old.Endpoint, old.APIVersion}},
		{organizations, c.Organizations, old.Organizations},
		{discoveryEndpoint, c.DiscoveryEndpoint, old.DiscoveryEndpoint},
		{listenAddress, c.ListenAddress, old.ListenAddress},
		{baseURL, c.BaseURL, old.BaseURL},
		{allowHTTP, c.AllowHTTP, old.AllowHTTP},
		{trustedProxies, c.TrustedProxies, old.TrustedProxies},
		{shutdownDelay, c.ShutdownDelay, old.ShutdownDelay},
		{sessionType, c.Redis == nil, old.Redis == nil},
		{sessionDir, c.SessionDir, old.SessionDir},
		{redisURL, c.Redis, old.Redis}, // and its password
		{sessionIdleTimeout, c.IdleTimeout, old.IdleTimeout},
		{sessionLifetime, c.Lifetime, old.Lifetime},
		{sessionsPerPerson, c.SessionsPerPerson, old.SessionsPerPerson},
		{secretDisplayTime, c.SecretDisplayTime, old.SecretDisplayTime},
		{rateLimitSignIns, c.SignInsPerMinute, old.SignInsPerMinute},
		{rateLimitChanges, c.ChangesPerMinute, old.ChangesPerMinute},
		{logFormat, c.LogFormat, old.LogFormat},
		{metricsAddress, c.MetricsAddress, old.MetricsAddress},
		{tracesEndpoint, c.Traces, old.Traces}, // and its headers
	} {
		if !reflect.DeepEqual(s.now, s.was) {
			names = append(names, s.name)
		}
	}
	return names
}
