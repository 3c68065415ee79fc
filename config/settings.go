package config

import "reflect"

// Names of settings that several files mention.
const (
	clientID              = "CLIENT_ID"
	clientSecret          = "CLIENT_SECRET"
	certificateFile       = "CLIENT_CERTIFICATE_FILE"
	certificatePassword   = "CLIENT_CERTIFICATE_PASSWORD" // #nosec G101 -- a name, not a password
	federatedTokenFile    = "AZURE_FEDERATED_TOKEN_FILE"
	keyVaultURL           = "KEY_VAULT_URL"
	keyVaultSecret        = "KEY_VAULT_SECRET"
	keyVaultCertificate   = "KEY_VAULT_CERTIFICATE"
	authority             = "AUTHORITY"
	allowedTenants        = "ALLOWED_TENANTS"
	redirectPath          = "REDIRECT_PATH"
	scope                 = "SCOPE"
	endpoint              = "ENDPOINT"
	organizations         = "ORGANIZATIONS"
	discoveryEndpoint     = "DISCOVERY_ENDPOINT"
	vaults                = "VAULTS"
	vaultsAllow           = "VAULTS_ALLOW"
	listenAddress         = "LISTEN_ADDRESS"
	baseURL               = "BASE_URL"
	allowHTTP             = "ALLOW_HTTP"
	trustedProxies        = "TRUSTED_PROXIES"
	shutdownDelay         = "SHUTDOWN_DELAY"
	sessionType           = "SESSION_TYPE"
	sessionDir            = "SESSION_DIR"
	sessionDirGroup       = "SESSION_DIR_GROUP"
	sessionKeys           = "SESSION_KEYS"
	redisURL              = "REDIS_URL"
	redisPassword         = "REDIS_PASSWORD" // #nosec G101 -- a name, not a password
	sessionsPerPerson     = "SESSIONS_PER_PERSON"
	sessionIdleTimeout    = "SESSION_IDLE_TIMEOUT"
	sessionLifetime       = "SESSION_LIFETIME"
	secretDisplayTime     = "SECRET_DISPLAY_TIME"
	rateLimitSignIns      = "RATE_LIMIT_SIGN_INS"
	rateLimitChanges      = "RATE_LIMIT_CHANGES"
	logLevel              = "LOG_LEVEL"
	logFormat             = "LOG_FORMAT"
	metricsAddress        = "METRICS_ADDRESS"
	tracesEndpoint        = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesHeaders         = "OTEL_EXPORTER_OTLP_HEADERS" // #nosec G101 -- a name
	fileSuffix            = "_FILE"                      // a secret X can be given as X_FILE, the path of a file that holds it
	azureDevOpsResourceID = "499b84ac-1321-427f-aa17-267ca6975798"
)

// Setting is one thing that an operator can set.
type Setting struct {
	Name    string
	Default string // "" if there is none, or if it depends on other settings
	Secret  bool   // never shown; can also be given as Name + "_FILE"

	// fixed is what was made of it, if a running patdesk can't take over another value: all but the credential, the
	// session keys and LOG_LEVEL. nil: it can, or another setting's fixed covers this one.
	fixed func(c *Config) any
}

// Settings lists all of them in the order of the documentation. The names are those of Microsoft's Flask sample where
// it has one.
func Settings() []Setting {
	return []Setting{
		{Name: clientID, fixed: func(c *Config) any { return c.ClientID }},
		{Name: clientSecret, Secret: true},
		{Name: certificateFile},
		{Name: certificatePassword, Secret: true},
		{Name: federatedTokenFile, fixed: func(c *Config) any { return c.Credential.AssertionFile }},
		{Name: keyVaultURL, fixed: func(c *Config) any { return c.Credential.VaultURL }},
		{Name: keyVaultSecret, fixed: func(c *Config) any { return c.Credential.VaultSecret }},
		{Name: keyVaultCertificate, fixed: func(c *Config) any { return c.Credential.VaultCertificate }},
		{Name: authority, Default: "https://login.microsoftonline.com/organizations", fixed: func(c *Config) any { return c.Authority }},
		{Name: allowedTenants, fixed: func(c *Config) any { return c.AllowedTenants }},
		{Name: redirectPath, Default: "/getAToken", fixed: func(c *Config) any { return c.RedirectPath }},
		{Name: scope, Default: azureDevOpsResourceID + "/.default", fixed: func(c *Config) any { return c.Scopes }},
		{Name: endpoint, Default: "https://vssps.dev.azure.com", fixed: func(c *Config) any { return []string{c.Endpoint, c.APIVersion} }},
		{Name: organizations, fixed: func(c *Config) any { return c.Organizations }},
		{Name: discoveryEndpoint, Default: "https://app.vssps.visualstudio.com", fixed: func(c *Config) any { return c.DiscoveryEndpoint }},
		{Name: vaults, fixed: func(c *Config) any { return c.Vaults.Addresses }},
		{Name: vaultsAllow, fixed: func(c *Config) any { return c.Vaults.Allow }},
		{Name: listenAddress, Default: "localhost:5000", fixed: func(c *Config) any { return c.ListenAddress }},
		{Name: baseURL, fixed: func(c *Config) any { return c.BaseURL }},
		{Name: allowHTTP, Default: "false", fixed: func(c *Config) any { return c.AllowHTTP }},
		{Name: trustedProxies, fixed: func(c *Config) any { return c.TrustedProxies }},
		{Name: shutdownDelay, Default: "5s", fixed: func(c *Config) any { return c.ShutdownDelay }},
		{Name: sessionType, Default: "filesystem", fixed: func(c *Config) any { return c.Redis == nil }},
		{Name: sessionDir, Default: "data/sessions", fixed: func(c *Config) any { return c.SessionDir }},
		{Name: sessionDirGroup, Default: "false", fixed: func(c *Config) any { return c.SessionDirGroup }},
		{Name: sessionKeys, Secret: true},
		{Name: redisURL, Secret: true, fixed: func(c *Config) any { return c.Redis }},
		{Name: redisPassword, Secret: true},
		{Name: sessionIdleTimeout, Default: "1h", fixed: func(c *Config) any { return c.IdleTimeout }},
		{Name: sessionLifetime, Default: "12h", fixed: func(c *Config) any { return c.Lifetime }},
		{Name: sessionsPerPerson, Default: "100", fixed: func(c *Config) any { return c.SessionsPerPerson }},
		{Name: secretDisplayTime, Default: "10m", fixed: func(c *Config) any { return c.SecretDisplayTime }},
		{Name: rateLimitSignIns, Default: "600", fixed: func(c *Config) any { return c.SignInsPerMinute }},
		{Name: rateLimitChanges, Default: "300", fixed: func(c *Config) any { return c.ChangesPerMinute }},
		{Name: logLevel, Default: "info"},
		{Name: logFormat, Default: "text", fixed: func(c *Config) any { return c.LogFormat }},
		{Name: metricsAddress, fixed: func(c *Config) any { return c.MetricsAddress }},
		{Name: tracesEndpoint, fixed: func(c *Config) any { return c.Traces }},
		{Name: tracesHeaders, Secret: true},
	}
}

// Names lists every name that is read, the files of secrets included.
func Names() []string {
	var names []string
	for _, s := range Settings() {
		names = append(names, s.Name)
		if s.Secret {
			names = append(names, s.Name+fileSuffix)
		}
	}
	return names
}

// Restart names the settings in which c differs from old and that a running patdesk can't take over.
func (c Config) Restart(old Config) []string {
	var names []string
	for _, s := range Settings() {
		if s.fixed != nil && !reflect.DeepEqual(s.fixed(&c), s.fixed(&old)) {
			names = append(names, s.Name)
		}
	}
	return names
}
