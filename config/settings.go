package config

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
	listenAddress         = "LISTEN_ADDRESS"
	baseURL               = "BASE_URL"
	allowHTTP             = "ALLOW_HTTP"
	trustedProxies        = "TRUSTED_PROXIES"
	shutdownDelay         = "SHUTDOWN_DELAY"
	sessionType           = "SESSION_TYPE"
	sessionDir            = "SESSION_DIR"
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
}

// Settings lists all of them in the order of the documentation. The names are those of Microsoft's Flask sample where
// it has one.
func Settings() []Setting {
	return []Setting{
		{Name: clientID},
		{Name: clientSecret, Secret: true},
		{Name: certificateFile},
		{Name: certificatePassword, Secret: true},
		{Name: federatedTokenFile},
		{Name: keyVaultURL},
		{Name: keyVaultSecret},
		{Name: keyVaultCertificate},
		{Name: authority, Default: "https://login.microsoftonline.com/organizations"},
		{Name: allowedTenants},
		{Name: redirectPath, Default: "/getAToken"},
		{Name: scope, Default: azureDevOpsResourceID + "/.default"},
		{Name: endpoint, Default: "https://vssps.dev.azure.com"},
		{Name: organizations},
		{Name: discoveryEndpoint, Default: "https://app.vssps.visualstudio.com"},
		{Name: listenAddress, Default: "localhost:5000"},
		{Name: baseURL},
		{Name: allowHTTP, Default: "false"},
		{Name: trustedProxies},
		{Name: shutdownDelay, Default: "5s"},
		{Name: sessionType, Default: "filesystem"},
		{Name: sessionDir, Default: "data/sessions"},
		{Name: sessionKeys, Secret: true},
		{Name: redisURL, Secret: true},
		{Name: redisPassword, Secret: true},
		{Name: sessionIdleTimeout, Default: "1h"},
		{Name: sessionLifetime, Default: "12h"},
		{Name: sessionsPerPerson, Default: "100"},
		{Name: secretDisplayTime, Default: "10m"},
		{Name: rateLimitSignIns, Default: "600"},
		{Name: rateLimitChanges, Default: "300"},
		{Name: logLevel, Default: "info"},
		{Name: logFormat, Default: "text"},
		{Name: metricsAddress},
		{Name: tracesEndpoint},
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
