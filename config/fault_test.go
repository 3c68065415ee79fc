package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/config"
)

// Each of these must stop the start, under the name of the setting that is to be mended and in words that an operator
// recognises.
func TestRefused(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	tests := []struct {
		name    string
		set     settings
		setting string
		words   string
	}{
		{"no client id", settings{"CLIENT_ID": "-"}, "CLIENT_ID", "is not set"},
		{"client id with space", settings{"CLIENT_ID": "my app"}, "CLIENT_ID", "spaces"},
		{"client id of the sample", settings{"CLIENT_ID": "Enter_the_Application_Id_here"}, "CLIENT_ID", "Enter_the_Application_Id_here"},
		{"no credential", settings{"CLIENT_SECRET": "-"}, "CLIENT_SECRET", "is not set"},
		{"secret of the sample", settings{"CLIENT_SECRET": "Enter_the_Client_Secret_here"}, "CLIENT_SECRET", "placeholder"},
		{"Python instead of the secret", settings{"CLIENT_SECRET": `os.getenv("CLIENT_SECRET")`}, "CLIENT_SECRET", "placeholder"},
		{"angle brackets", settings{"CLIENT_ID": "<your client id>"}, "CLIENT_ID", "placeholder"},
		{"secret and certificate", settings{"CLIENT_CERTIFICATE_FILE": write(t, "x")}, "CLIENT_SECRET", "CLIENT_CERTIFICATE_FILE (environment)"},
		{"secret and workload identity", settings{"AZURE_FEDERATED_TOKEN_FILE": write(t, "x")}, "CLIENT_SECRET", "take the label off"},
		{"secret and Key Vault", settings{"KEY_VAULT_URL": "https://v.vault.azure.net"}, "CLIENT_SECRET", "KEY_VAULT_URL"},
		{"certificate and Key Vault", settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": write(t, "x"), "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_SECRET": "s"}, "CLIENT_SECRET", "KEY_VAULT_URL (environment)"},
		{"secret, workload identity and Key Vault", settings{"AZURE_FEDERATED_TOKEN_FILE": write(t, "x"), "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_SECRET": "s"}, "CLIENT_SECRET", "CLIENT_SECRET (environment), KEY_VAULT_URL (environment)"},
		{"Key Vault to be read by a token that isn't there", settings{"CLIENT_SECRET": "-", "AZURE_FEDERATED_TOKEN_FILE": missing, "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_SECRET": "s"}, "AZURE_FEDERATED_TOKEN_FILE", "doesn't exist"},
		{"vault without a name", settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://v.vault.azure.net"}, "KEY_VAULT_URL", "not what to read"},
		{"two names in a vault", settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_SECRET": "s", "KEY_VAULT_CERTIFICATE": "c"}, "KEY_VAULT_CERTIFICATE", "beside KEY_VAULT_SECRET"},
		{"vault's secret without vault", settings{"KEY_VAULT_SECRET": "s"}, "KEY_VAULT_SECRET", "without KEY_VAULT_URL"},
		{"vault's certificate without vault", settings{"KEY_VAULT_CERTIFICATE": "c"}, "KEY_VAULT_CERTIFICATE", "without KEY_VAULT_URL"},
		{"vault without https", settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "http://v.vault.azure.net", "KEY_VAULT_SECRET": "s"}, "KEY_VAULT_URL", "https://"},
		{"vault's name instead of its address", settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "my-vault", "KEY_VAULT_SECRET": "s"}, "KEY_VAULT_URL", "isn't an address"},
		{"secret's identifier as vault", settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://v.vault.azure.net/secrets/s/0123", "KEY_VAULT_SECRET": "s"}, "KEY_VAULT_URL", "more than the vault's host"},
		{"secret's identifier as name", settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_SECRET": "https://v.vault.azure.net/secrets/s"}, "KEY_VAULT_SECRET", "isn't a name"},
		{"vault's placeholder", settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://<vault name>.vault.azure.net", "KEY_VAULT_SECRET": "s"}, "KEY_VAULT_URL", "placeholder"},
		{"a collection of a server of one's own", settings{"ENDPOINT": "https://tfs.contoso.com/tfs/DefaultCollection"}, "ENDPOINT", "Azure DevOps Server (TFS), on one's own machines, isn't supported"},
		{"a collection among the organizations", settings{"ORGANIZATIONS": "contoso,https://tfs.contoso.com/tfs/DefaultCollection"}, "ORGANIZATIONS", "Azure DevOps Server (TFS), on one's own machines, isn't supported"},
		{"vault with a star", settings{"VAULTS": "https://*.vault.azure.net"}, "VAULTS", "VAULTS_ALLOW"},
		{"person's vault without scheme", settings{"VAULTS": "team.vault.azure.net"}, "VAULTS", "Put https://team.vault.azure.net there"},
		{"person's vault by name", settings{"VAULTS": "team"}, "VAULTS", "isn't an address"},
		{"person's vault without https", settings{"VAULTS": "http://team.vault.azure.net"}, "VAULTS", "https://"},
		{"Managed HSM", settings{"VAULTS": "https://team.managedhsm.azure.net"}, "VAULTS", "no secrets"},
		{"private endpoint", settings{"VAULTS": "https://team.privatelink.vaultcore.azure.net"}, "VAULTS", "private endpoint"},
		{"portal's address of a vault", settings{"VAULTS": "https://portal.azure.com/x"}, "VAULTS", "portal"},
		{"not a vault's host", settings{"VAULTS": "https://vault.example"}, "VAULTS", "isn't one of a vault"},
		{"not a vault's name", settings{"VAULTS": "https://1--2.vault.azure.net"}, "VAULTS", "can't be a vault's name"},
		{"secret's identifier among vaults", settings{"VAULTS": "https://team.vault.azure.net/secrets/ci"}, "VAULTS", "Put https://team.vault.azure.net there"},
		{"vaults of two clouds", settings{"VAULTS": "https://team.vault.azure.net,https://team.vault.azure.cn"}, "VAULTS", "several clouds"},
		{"vaults of another cloud", settings{"VAULTS": "https://team.vault.azure.cn"}, "VAULTS", "of another cloud"},
		{"pattern of everything", settings{"VAULTS_ALLOW": "*"}, "VAULTS_ALLOW", "doesn't end in .vault.azure.net"},
		{"pattern beyond vaults", settings{"VAULTS_ALLOW": "*.azure.net"}, "VAULTS_ALLOW", "doesn't end in .vault.azure.net"},
		{"pattern with scheme", settings{"VAULTS_ALLOW": "https://*.vault.azure.net"}, "VAULTS_ALLOW", "isn't a host alone"},
		{"pattern of another kind", settings{"VAULTS_ALLOW": "[ab].vault.azure.net"}, "VAULTS_ALLOW", "can't match"},
		{"secret and its file", settings{"CLIENT_SECRET_FILE": write(t, "y")}, "CLIENT_SECRET", "given twice"},
		{"secret's file is missing", settings{"CLIENT_SECRET": "-", "CLIENT_SECRET_FILE": missing}, "CLIENT_SECRET_FILE", "doesn't exist"},
		{"secret's file is a folder", settings{"CLIENT_SECRET": "-", "CLIENT_SECRET_FILE": t.TempDir()}, "CLIENT_SECRET_FILE", "folder"},
		{"secret's file is empty", settings{"CLIENT_SECRET": "-", "CLIENT_SECRET_FILE": write(t, "\n")}, "CLIENT_SECRET_FILE", "empty"},
		{"secret's file is huge", settings{"CLIENT_SECRET": "-", "CLIENT_SECRET_FILE": write(t, strings.Repeat("x", 70_000))}, "CLIENT_SECRET_FILE", "more than 64 kB"},
		{"certificate is missing", settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": missing}, "CLIENT_CERTIFICATE_FILE", missing},
		{"certificate instead of its path", settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": "-----BEGIN PRIVATE KEY-----"}, "CLIENT_CERTIFICATE_FILE", "doesn't exist"},
		{"assertion is missing", settings{"CLIENT_SECRET": "-", "AZURE_FEDERATED_TOKEN_FILE": missing}, "AZURE_FEDERATED_TOKEN_FILE", "doesn't exist"},
		{"password without certificate", settings{"CLIENT_CERTIFICATE_PASSWORD": "hush"}, "CLIENT_CERTIFICATE_PASSWORD", "without CLIENT_CERTIFICATE_FILE"},

		{"authority without https", settings{"AUTHORITY": "http://login.microsoftonline.com/organizations"}, "AUTHORITY", "https://"},
		{"authority without scheme", settings{"AUTHORITY": "login.microsoftonline.com/organizations"}, "AUTHORITY", "isn't an address"},
		{"authority is only the tenant", settings{"AUTHORITY": aTenant}, "AUTHORITY", "isn't an address"},
		{"authority without tenant", settings{"AUTHORITY": "https://login.microsoftonline.com/"}, "AUTHORITY", "names no tenant"},
		{"authority of the sample", settings{"AUTHORITY": "https://login.microsoftonline.com/Enter_the_Tenant_Name_Here"}, "AUTHORITY", "Enter_the_Tenant_Name_Here"},
		{"authority with version", settings{"AUTHORITY": "https://login.microsoftonline.com/contoso.com/v2.0/"}, "AUTHORITY", "ends in /v2.0"},
		{"authority is an endpoint", settings{"AUTHORITY": "https://login.microsoftonline.com/contoso.com/oauth2/authorize"}, "AUTHORITY", "more than the tenant"},
		{"authority with query", settings{"AUTHORITY": "https://login.microsoftonline.com/contoso.com?x=1"}, "AUTHORITY", "?"},
		{"authority with bare question mark", settings{"AUTHORITY": "https://login.microsoftonline.com/contoso.com?"}, "AUTHORITY", "?"},
		{"authority with fragment", settings{"AUTHORITY": "https://login.microsoftonline.com/contoso.com#"}, "AUTHORITY", "#"},
		{"authority with password", settings{"AUTHORITY": "https://u:hush@login.microsoftonline.com/contoso.com"}, "AUTHORITY", "user name or password"},
		{"authority with bad port", settings{"AUTHORITY": "https://login.microsoftonline.com:99999/contoso.com"}, "AUTHORITY", "port"},
		{"personal accounts", settings{"AUTHORITY": "https://login.microsoftonline.com/consumers"}, "AUTHORITY", "personal Microsoft accounts"},
		{"ADFS", settings{"AUTHORITY": "https://adfs.contoso.com/adfs"}, "AUTHORITY", "isn't a tenant"},
		{"B2C", settings{"AUTHORITY": "https://contoso.b2clogin.com/contoso"}, "AUTHORITY", "B2C"},
		{"dots for a tenant", settings{"AUTHORITY": "https://login.microsoftonline.com/%2e%2e"}, "AUTHORITY", "isn't a tenant"},
		{"allowed tenant is a domain", settings{"ALLOWED_TENANTS": "contoso.com"}, "ALLOWED_TENANTS", "contoso.com"},
		{"allowed tenants without the authority's", settings{"ALLOWED_TENANTS": aClientID}, "ALLOWED_TENANTS", aTenant},
		{"scope of OpenID Connect", settings{"SCOPE": "openid r/vso.pats"}, "SCOPE", "adds by itself"},
		{"scope with quotes inside", settings{"SCOPE": `r/vso"pats`}, "SCOPE", "characters"},
		{"empty list of scopes", settings{"SCOPE": `[]`}, "SCOPE", "is not set"},

		{"endpoint without https", settings{"ENDPOINT": "http://vssps.dev.azure.com"}, "ENDPOINT", "https://"},
		{"endpoint of the sample", settings{"ENDPOINT": "https://vssps.dev.azure.com/Enter_the_Collection_Name_Here/_apis/Tokens/Pats?api-version=6.1-preview"}, "ENDPOINT", "Enter_the_Collection_Name_Here"},
		{"endpoint of dev.azure.com", settings{"ENDPOINT": "https://dev.azure.com/contoso"}, "ENDPOINT", "another service"},
		{"endpoint of visualstudio.com", settings{"ENDPOINT": "https://contoso.visualstudio.com"}, "ENDPOINT", "another service"},
		{"endpoint without organization", settings{"ENDPOINT": "https://vssps.dev.azure.com/_apis/tokens/pats"}, "ENDPOINT", "form"},
		{"endpoint of another API", settings{"ENDPOINT": "https://vssps.dev.azure.com/contoso/_apis/graph"}, "ENDPOINT", "form"},
		{"endpoint with dots", settings{"ENDPOINT": "https://localhost/../contoso/_apis/tokens/pats"}, "ENDPOINT", "form"},
		{"endpoint with old version", settings{"ENDPOINT": "https://vssps.dev.azure.com/contoso/_apis/tokens/pats?api-version=5.0"}, "ENDPOINT", "api-version"},
		{"endpoint with two versions", settings{"ENDPOINT": "https://vssps.dev.azure.com?api-version=7.1&api-version=7.2"}, "ENDPOINT", "something other"},
		{"endpoint with another parameter", settings{"ENDPOINT": "https://vssps.dev.azure.com?$top=1"}, "ENDPOINT", "something other"},
		{"organization with slash", settings{"ORGANIZATIONS": "contoso,a/b"}, "ORGANIZATIONS", `"a/b"`},
		{"organization with dots", settings{"ORGANIZATIONS": ".."}, "ORGANIZATIONS", "organization"},
		{"organization too long", settings{"ORGANIZATIONS": strings.Repeat("a", 65)}, "ORGANIZATIONS", "organization"},
		{"organization as address", settings{"ORGANIZATIONS": "https://dev.azure.com/contoso"}, "ORGANIZATIONS", "organization"},
		{"organization left out", settings{"ENDPOINT": "https://vssps.dev.azure.com/contoso", "ORGANIZATIONS": "fabrikam"}, "ORGANIZATIONS", "contoso"},
		{"discovery without https", settings{"DISCOVERY_ENDPOINT": "http://app.vssps.visualstudio.com"}, "DISCOVERY_ENDPOINT", "https://"},
		{"discovery of the wrong service", settings{"DISCOVERY_ENDPOINT": "https://vssps.dev.azure.com"}, "DISCOVERY_ENDPOINT", "another service"},
		{"discovery with path", settings{"DISCOVERY_ENDPOINT": "https://app.vssps.visualstudio.com/_apis/accounts"}, "DISCOVERY_ENDPOINT", "path"},
		{"discovery with query", settings{"DISCOVERY_ENDPOINT": "https://app.vssps.visualstudio.com?a=b"}, "DISCOVERY_ENDPOINT", "?"},

		{"redirect path without slash", settings{"REDIRECT_PATH": "getAToken"}, "REDIRECT_PATH", "begin with /"},
		{"redirect path is an address", settings{"REDIRECT_PATH": "http://localhost:5000/getAToken"}, "REDIRECT_PATH", "is a whole address"},
		{"redirect path is home", settings{"REDIRECT_PATH": "/"}, "REDIRECT_PATH", "plain path"},
		{"redirect path with query", settings{"REDIRECT_PATH": "/a?b"}, "REDIRECT_PATH", "plain path"},
		{"redirect path with fragment", settings{"REDIRECT_PATH": "/a#b"}, "REDIRECT_PATH", "plain path"},
		{"redirect path with dots", settings{"REDIRECT_PATH": "/a/../b"}, "REDIRECT_PATH", "plain path"},
		{"redirect path with two slashes", settings{"REDIRECT_PATH": "//evil.example"}, "REDIRECT_PATH", "plain path"},
		{"redirect path with pattern", settings{"REDIRECT_PATH": "/{x}"}, "REDIRECT_PATH", "placeholder"},
		{"redirect path with star", settings{"REDIRECT_PATH": "/*"}, "REDIRECT_PATH", "plain path"},
		{"redirect path with slash at its end", settings{"REDIRECT_PATH": "/a/"}, "REDIRECT_PATH", "plain path"},
		{"base with the redirect path", settings{"BASE_URL": "https://patdesk.example.com/getAToken"}, "BASE_URL", `ends in "/getAToken"`},
		{"base with another redirect path", settings{"BASE_URL": "https://example.com/pat/Auth/back/", "REDIRECT_PATH": "/auth/back"}, "BASE_URL", "is added to it"},
		{"scope of Graph", settings{"SCOPE": "User.Read"}, "SCOPE", "Microsoft Graph"},
		{"scope without its service", settings{"SCOPE": "vso.pats vso.pats_manage"}, "SCOPE", "without the service"},
		{"default scope of Graph", settings{"SCOPE": "https://graph.microsoft.com/.default"}, "SCOPE", "another service than Azure DevOps"},
		{"default scope of Graph's id", settings{"SCOPE": "00000003-0000-0000-c000-000000000000/User.Read"}, "SCOPE", "another service than Azure DevOps"},
		{"default alone", settings{"SCOPE": ".default"}, "SCOPE", "without the service"},
		{"scopes of two services", settings{"SCOPE": "499b84ac-1321-427f-aa17-267ca6975798/vso.pats, api://mine/read"}, "SCOPE", "several services"},
		{"listen on a socket's path", settings{"LISTEN_ADDRESS": "/run/patdesk.sock"}, "LISTEN_ADDRESS", "put unix: in front"},
		{"listen on a socket somewhere", settings{"LISTEN_ADDRESS": "unix:patdesk.sock", "BASE_URL": "https://p.example"}, "LISTEN_ADDRESS", "whole path"},
		{"listen on a folder", settings{"LISTEN_ADDRESS": "unix:/run/patdesk/", "BASE_URL": "https://p.example"}, "LISTEN_ADDRESS", "whole path"},
		{"listen on a host's socket", settings{"LISTEN_ADDRESS": "unix://run/patdesk.sock", "BASE_URL": "https://p.example"}, "LISTEN_ADDRESS", "whole path"},
		{"listen on an abstract socket", settings{"LISTEN_ADDRESS": "unix:@patdesk", "BASE_URL": "https://p.example"}, "LISTEN_ADDRESS", "everybody on this machine"},
		{"listen on an abstract socket alone", settings{"LISTEN_ADDRESS": "@patdesk"}, "LISTEN_ADDRESS", "everybody on this machine"},
		{"listen on a long path", settings{"LISTEN_ADDRESS": "unix:/" + strings.Repeat("x", 107), "BASE_URL": "https://p.example"}, "LISTEN_ADDRESS", "108 bytes"},
		{"listen on a socket without BASE_URL", settings{"LISTEN_ADDRESS": "unix:/run/patdesk.sock"}, "BASE_URL", "Unix socket"},
		{"listen on a socket with proxies alone", settings{"LISTEN_ADDRESS": "unix:/run/patdesk.sock", "TRUSTED_PROXIES": "10.0.0.1"}, "BASE_URL", "Unix socket"},
		{"metrics on a socket", settings{"METRICS_ADDRESS": "unix:/run/m.sock"}, "METRICS_ADDRESS", "Unix socket"},
		{"shutdown delay without unit", settings{"SHUTDOWN_DELAY": "5"}, "SHUTDOWN_DELAY", "no unit"},
		{"shutdown delay too long", settings{"SHUTDOWN_DELAY": "2m"}, "SHUTDOWN_DELAY", "out of range"},
		{"shutdown delay below zero", settings{"SHUTDOWN_DELAY": "-1s"}, "SHUTDOWN_DELAY", "out of range"},
		{"listen on a placeholder", settings{"LISTEN_ADDRESS": "<host>"}, "LISTEN_ADDRESS", "placeholder"},
		{"listen without port", settings{"LISTEN_ADDRESS": "localhost"}, "LISTEN_ADDRESS", "host:port"},
		{"listen on a bare port", settings{"LISTEN_ADDRESS": "5000"}, "LISTEN_ADDRESS", "host:port"},
		{"listen on a URL", settings{"LISTEN_ADDRESS": "http://localhost:5000"}, "LISTEN_ADDRESS", "URL"},
		{"listen on IPv6 without brackets", settings{"LISTEN_ADDRESS": "::1:5000"}, "LISTEN_ADDRESS", "brackets"},
		{"listen on a port too high", settings{"LISTEN_ADDRESS": "localhost:70000"}, "LISTEN_ADDRESS", "65535"},
		{"listen on a negative port", settings{"LISTEN_ADDRESS": "localhost:-1"}, "LISTEN_ADDRESS", "65535"},
		{"listen on a named port", settings{"LISTEN_ADDRESS": "localhost:http"}, "LISTEN_ADDRESS", "65535"},
		{"listen on no port", settings{"LISTEN_ADDRESS": "localhost:"}, "LISTEN_ADDRESS", "65535"},
		{"listen on a strange host", settings{"LISTEN_ADDRESS": "a b:1"}, "LISTEN_ADDRESS", "host"},
		{"listening to all without BASE_URL", settings{"LISTEN_ADDRESS": ":5000"}, "BASE_URL", "other machines"},
		{"listening to the network without BASE_URL", settings{"LISTEN_ADDRESS": "10.0.0.1:5000", "ALLOW_HTTP": "true"}, "BASE_URL", "other machines"},
		{"base without https", settings{"BASE_URL": "http://patdesk.example.com"}, "BASE_URL", "ALLOW_HTTP=true"},
		{"base without scheme", settings{"BASE_URL": "patdesk.example.com"}, "BASE_URL", "isn't an address"},
		{"base with other scheme", settings{"BASE_URL": "ftp://patdesk.example.com"}, "BASE_URL", "https://"},
		{"base with query", settings{"BASE_URL": "https://patdesk.example.com/?a"}, "BASE_URL", "?"},
		{"base with fragment", settings{"BASE_URL": "https://patdesk.example.com/#a"}, "BASE_URL", "#"},
		{"base with password", settings{"BASE_URL": "https://u:hush@patdesk.example.com"}, "BASE_URL", "user name or password"},
		{"base with dots", settings{"BASE_URL": "https://patdesk.example.com/a/../b"}, "BASE_URL", "plain"},
		{"base with two slashes", settings{"BASE_URL": "https://patdesk.example.com//b"}, "BASE_URL", "plain"},
		{"base with an escaped slash", settings{"BASE_URL": "https://patdesk.example.com/%2f"}, "BASE_URL", `plain one: "/%2f"`},
		{"base with letters of another kind", settings{"BASE_URL": "https://café.example"}, "BASE_URL", "xn--"},
		{"base with an escaped letter", settings{"BASE_URL": "https://patdesk.example.com/%70at"}, "BASE_URL", "plain"},
		{"base with slashes at its end", settings{"BASE_URL": "https://patdesk.example.com//"}, "BASE_URL", "plain"},
		{"base with odd host", settings{"BASE_URL": "https://-x-/"}, "BASE_URL", "host"},
		{"base without host", settings{"BASE_URL": "https:///pat"}, "BASE_URL", "isn't an address"},
		{"neither true nor false", settings{"ALLOW_HTTP": "maybe"}, "ALLOW_HTTP", "true"},
		{"proxy by name", settings{"TRUSTED_PROXIES": "nginx"}, "TRUSTED_PROXIES", "nginx"},
		{"every IPv4 address", settings{"TRUSTED_PROXIES": "10.0.0.1, 0.0.0.0/0"}, "TRUSTED_PROXIES", "strangers"},
		{"every IPv6 address", settings{"TRUSTED_PROXIES": "::/0"}, "TRUSTED_PROXIES", "strangers"},
		{"half of the IPv4 addresses", settings{"TRUSTED_PROXIES": "128.0.0.0/1"}, "TRUSTED_PROXIES", "strangers"},
		{"more than every IPv4 address as IPv6", settings{"TRUSTED_PROXIES": "::ffff:0.0.0.0/80"}, "TRUSTED_PROXIES", "isn't an address"},
		{"proxy with a zone", settings{"TRUSTED_PROXIES": "fe80::1%eth0"}, "TRUSTED_PROXIES", "isn't an address"},
		{"every IPv4 address as IPv6", settings{"TRUSTED_PROXIES": "::ffff:0.0.0.0/96"}, "TRUSTED_PROXIES", "strangers"},

		{"unknown store", settings{"SESSION_TYPE": "memcached"}, "SESSION_TYPE", "memcached"},
		{"session folder is a file", settings{"SESSION_DIR": write(t, "x")}, "SESSION_DIR", "file"},
		{"a group's folder without keys", settings{"SESSION_DIR_GROUP": "true"}, "SESSION_KEYS", "is not set"},
		{"short key", settings{"SESSION_KEYS": "MDEyMzQ1Njc4OWFiY2RlZg=="}, "SESSION_KEYS", "number 1) that is shorter"},
		{"key that is no base64", settings{"SESSION_KEYS": aKey + ",correct-horse-battery-staple!"}, "SESSION_KEYS", "number 2) that is neither"},
		{"key of zeros", settings{"SESSION_KEYS": strings.Repeat("00", 32)}, "SESSION_KEYS", "guess"},
		{"key twice", settings{"SESSION_KEYS": aKey + "," + strings.TrimRight(aKey, "=")}, "SESSION_KEYS", "twice"},
		{"time is a placeholder", settings{"SESSION_LIFETIME": "<time>"}, "SESSION_LIFETIME", "placeholder"},
		{"time without unit", settings{"SESSION_IDLE_TIMEOUT": "3600"}, "SESSION_IDLE_TIMEOUT", "no unit"},
		{"time in days", settings{"SESSION_LIFETIME": "7d"}, "SESSION_LIFETIME", "isn't a time"},
		{"idle too short", settings{"SESSION_IDLE_TIMEOUT": "59s"}, "SESSION_IDLE_TIMEOUT", "from 1m to 24h"},
		{"idle too long", settings{"SESSION_IDLE_TIMEOUT": "25h", "SESSION_LIFETIME": "48h"}, "SESSION_IDLE_TIMEOUT", "range"},
		{"negative idle", settings{"SESSION_IDLE_TIMEOUT": "-1h"}, "SESSION_IDLE_TIMEOUT", "range"},
		{"lifetime too long", settings{"SESSION_LIFETIME": "169h"}, "SESSION_LIFETIME", "range"},
		{"lifetime below idle", settings{"SESSION_IDLE_TIMEOUT": "90m", "SESSION_LIFETIME": "1h"}, "SESSION_LIFETIME", "(1h) is shorter than SESSION_IDLE_TIMEOUT (1h30m)"},
		{"display too short", settings{"SECRET_DISPLAY_TIME": "30s"}, "SECRET_DISPLAY_TIME", "range"},
		{"display too long", settings{"SECRET_DISPLAY_TIME": "61m"}, "SECRET_DISPLAY_TIME", "range"},
		{"log level", settings{"LOG_LEVEL": "loud"}, "LOG_LEVEL", "loud"},
		{"log format", settings{"LOG_FORMAT": "xml"}, "LOG_FORMAT", "xml"},

		{"limit in words", settings{"RATE_LIMIT_SIGN_INS": "many"}, "RATE_LIMIT_SIGN_INS", "0 sets no limit"},
		{"limit with a unit", settings{"RATE_LIMIT_CHANGES": "60/m"}, "RATE_LIMIT_CHANGES", "whole number"},
		{"negative limit", settings{"RATE_LIMIT_CHANGES": "-1"}, "RATE_LIMIT_CHANGES", "from 0"},
		{"too many sessions", settings{"SESSIONS_PER_PERSON": "10001"}, "SESSIONS_PER_PERSON", "10000"},
		{"metrics as a URL", settings{"METRICS_ADDRESS": "http://localhost:9464/metrics"}, "METRICS_ADDRESS", "is a URL"},
		{"metrics without port", settings{"METRICS_ADDRESS": "localhost"}, "METRICS_ADDRESS", "isn't host:port"},
		{"metrics beside the pages", settings{"METRICS_ADDRESS": "localhost:5000"}, "METRICS_ADDRESS", "the same address"},
		{"metrics beside the pages under another name", settings{"METRICS_ADDRESS": "127.0.0.1:5000"}, "METRICS_ADDRESS", "the same address"},
		{"metrics on all addresses", settings{"METRICS_ADDRESS": ":5000"}, "METRICS_ADDRESS", "the same address"},
		{"traces without scheme", settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT", "isn't an address"},
		{"traces with a password", settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:hush@collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT", "password"},
		{"traces over gRPC", settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_ENDPOINT", "4318"},
		{"traces in an unknown compression", settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, "OTEL_EXPORTER_OTLP_ENDPOINT", "zstd"},
		{"traces with a time in seconds", settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "OTEL_EXPORTER_OTLP_ENDPOINT", "milliseconds"},
		{"traces' own endpoint", settings{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, "OTEL_EXPORTER_OTLP_ENDPOINT", "is not set, although"},
		{"headers of no traces", settings{"OTEL_EXPORTER_OTLP_HEADERS": "key=hush"}, "OTEL_EXPORTER_OTLP_HEADERS", "Set both"},
		{"headers without a name", settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "hush"}, "OTEL_EXPORTER_OTLP_HEADERS", "name=value"},
		{"headers with a line break", settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=hush%0d%0ab:c"}, "OTEL_EXPORTER_OTLP_HEADERS", "name=value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, faults := load(t, with(tt.set))
			i := slices.IndexFunc(faults, func(f config.Fault) bool {
				return f.Setting == tt.setting && strings.Contains(f.Error(), tt.words)
			})
			if i < 0 {
				t.Fatalf("no fault of %s with %q in: %v", tt.setting, tt.words, faults)
			}
			if faults[i].Fix == "" || !strings.HasSuffix(faults[i].Fix, ".") || strings.HasSuffix(faults[i].Problem, ".") {
				t.Errorf("not well formed: %#v", faults[i])
			}
			if extra := len(faults) - 1; extra > 0 && tt.name != "secret and Key Vault" {
				t.Errorf("one mistake gave %d more faults: %v", extra, faults)
			}
			if strings.Contains(faults.Error(), "hush") {
				t.Errorf("a password is shown: %v", faults)
			}
		})
	}
}

// All faults come at once, in the order of the documentation.
// What is wrong isn't called missing as well.
func TestNothingFaultyIsCalledMissing(t *testing.T) {
	for name, set := range map[string]settings{
		"proxies": {"BASE_URL": "https://patdesk.example.com", "TRUSTED_PROXIES": "nginx"},
		"base":    {"BASE_URL": "patdesk.example.com", "TRUSTED_PROXIES": "10.0.0.1"},
		"tenants": {"AUTHORITY": "https://login.microsoftonline.com/organizations", "ALLOWED_TENANTS": "contoso.com"},
	} {
		c, faults := load(t, with(set))
		if len(faults) != 1 || warned(c, "it is not set") {
			t.Errorf("%s: %v %q", name, faults, c.Warnings)
		}
	}
}

func TestFaultsAreListedTogether(t *testing.T) {
	_, faults := load(t, settings{
		"LOG_LEVEL": "loud", "CLIENT_ID": "a b", "AUTHORITY": "x", "LISTEN_ADDRESS": "5000", "SESSION_LIFETIME": "1",
	})
	var got []string
	for _, f := range faults {
		got = append(got, f.Setting)
	}
	want := []string{"CLIENT_ID", "CLIENT_SECRET", "AUTHORITY", "LISTEN_ADDRESS", "SESSION_LIFETIME", "LOG_LEVEL"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	text := faults.Error()
	if !strings.HasPrefix(text, "6 settings have to be mended:\n  - CLIENT_ID has spaces") || strings.Count(text, "\n") != 12 {
		t.Errorf("not a readable list: %s", text)
	}
}

func TestOneFault(t *testing.T) {
	_, faults := load(t, with(settings{"LOG_FORMAT": "xml"}))
	equal(t, faults.Error(), "one setting has to be mended:\n  - LOG_FORMAT isn't a form of log: \"xml\".\n    Put text or json there.")
}

func TestUnreadableFile(t *testing.T) {
	path := write(t, "x")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(path); err == nil { // the superuser reads everything: a broken link can't be read by anyone
		_ = f.Close()
		path = filepath.Join(path, "below-a-file")
	}
	_, faults := load(t, with(settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": path}))
	if len(faults) != 1 || faults[0].Setting != "CLIENT_CERTIFICATE_FILE" || !strings.Contains(faults[0].Problem, "can't be rea") {
		t.Errorf("got %v", faults)
	}
}

// In .env the Azure SDK doesn't see it, so it was meant as the app's own credential, beside the vault's.
func TestWorkloadIdentityInDotenvIsACredential(t *testing.T) {
	env := with(settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_SECRET": "s"})
	_, faults := loadFile(t, env, dotenv(t, "AZURE_FEDERATED_TOKEN_FILE="+write(t, "x")))
	if len(faults) != 1 || !strings.Contains(faults[0].Problem, "AZURE_FEDERATED_TOKEN_FILE (.env), KEY_VAULT_URL (environment)") {
		t.Errorf("got %v", faults)
	}
}
