package config_test

import (
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/config"
)

const (
	aClientID = "11111111-2222-3333-4444-555555555555"
	aTenant   = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	aSecret   = "abc8Q~not-a-real-secret"
	aKey      = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" // base64 of 32 bytes
)

// settings are the variables of an environment.
type settings map[string]string

// with returns enough settings to start, changed by more. A value of "-" takes one away.
func with(more settings) settings {
	all := settings{
		"CLIENT_ID":     aClientID,
		"CLIENT_SECRET": aSecret,
		"AUTHORITY":     "https://login.microsoftonline.com/" + aTenant,
	}
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_, v string) bool { return v == "-" })
	return all
}

// load loads s as the environment, without a .env file.
func load(t *testing.T, s settings) (config.Config, config.Faults) {
	t.Helper()
	return loadFile(t, s, "")
}

func loadFile(t *testing.T, s settings, dotenv string) (config.Config, config.Faults) {
	t.Helper()
	c, err := config.Load(func(name string) string { return s[name] }, dotenv)
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatalf("Load's error is %T, want config.Faults", err)
	}
	return c, faults
}

// good loads settings that must be free of faults.
func good(t *testing.T, s settings) config.Config {
	t.Helper()
	c, faults := load(t, s)
	if faults != nil {
		t.Fatalf("unexpected faults: %v", faults)
	}
	return c
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func warned(c config.Config, about string) bool {
	return slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.Contains(w, about) })
}

func TestDefaults(t *testing.T) {
	c := good(t, settings{"CLIENT_ID": aClientID, "CLIENT_SECRET": aSecret})
	equal(t, c.Authority, "https://login.microsoftonline.com/organizations")
	equal(t, c.RedirectPath, "/getAToken")
	equal(t, strings.Join(c.Scopes, " "), "499b84ac-1321-427f-aa17-267ca6975798/.default")
	equal(t, c.Endpoint, "https://vssps.dev.azure.com")
	equal(t, c.APIVersion, "7.1-preview.1")
	equal(t, len(c.Organizations), 0)
	equal(t, c.DiscoveryEndpoint, "https://app.vssps.visualstudio.com")
	equal(t, c.ListenAddress, "localhost:5000")
	equal(t, c.PublicURL(), "http://localhost:5000")
	equal(t, c.RedirectURI(), "http://localhost:5000/getAToken")
	equal(t, c.Secure(), false)
	equal(t, c.SessionDir, "data/sessions")
	equal(t, c.Keys() == nil, true)
	equal(t, c.IdleTimeout, time.Hour)
	equal(t, c.Lifetime, 12*time.Hour)
	equal(t, c.SecretDisplayTime, 10*time.Minute)
	equal(t, c.LogLevel, slog.LevelInfo)
	equal(t, c.LogFormat, "text")
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What is right must be taken as it is meant.
func TestAccepted(t *testing.T) {
	hexKey := strings.Repeat("0f", 31) + "aa"
	tests := []struct {
		name string
		set  settings
		got  func(config.Config) string
		want string
	}{
		{"authority loses its slash", settings{"AUTHORITY": "https://login.microsoftonline.us/contoso.onmicrosoft.us/"}, authority, "https://login.microsoftonline.us/contoso.onmicrosoft.us"},
		{"authority of a stand-in with port", settings{"AUTHORITY": "https://127.0.0.1:8443/tenant_1"}, authority, "https://127.0.0.1:8443/tenant_1"},
		{"authority's host in lower case", settings{"AUTHORITY": "https://Login.Example/T"}, authority, "https://login.example/T"},
		{"space around a value", settings{"AUTHORITY": "  https://login.example/t \n"}, authority, "https://login.example/t"},
		{"quotes that docker leaves there", settings{"AUTHORITY": `"https://login.example/t"`}, authority, "https://login.example/t"},
		{"tenants in lower case, once", settings{"ALLOWED_TENANTS": strings.ToUpper(aTenant) + ", " + aTenant}, func(c config.Config) string { return strings.Join(c.AllowedTenants, "|") }, aTenant},
		{"scopes with spaces", settings{"SCOPE": "r/vso.pats r/vso.pats_manage"}, scopes, "r/vso.pats|r/vso.pats_manage"},
		{"scopes with commas", settings{"SCOPE": "r/vso.pats,r/vso.pats_manage"}, scopes, "r/vso.pats|r/vso.pats_manage"},
		{"scopes as Python list", settings{"SCOPE": `["r/a", 'r/b']`}, scopes, "r/a|r/b"},
		{"scopes as Python tuple", settings{"SCOPE": `("r/a",)`}, scopes, "r/a"},
		{"endpoint with slash", settings{"ENDPOINT": "https://vssps.dev.azure.com/"}, service, "https://vssps.dev.azure.com 7.1-preview.1 "},
		{"endpoint with organization", settings{"ENDPOINT": "https://vssps.dev.azure.com/contoso/"}, service, "https://vssps.dev.azure.com 7.1-preview.1 contoso"},
		{"endpoint of the sample", settings{"ENDPOINT": "https://vssps.dev.azure.com/contoso/_apis/Tokens/Pats?api-version=6.1-preview"}, service, "https://vssps.dev.azure.com 6.1-preview contoso"},
		{"endpoint in other letters", settings{"ENDPOINT": "https://VSSPS.dev.azure.com/contoso/_APIS/tokens/pats/?API-VERSION=7.2-preview.1"}, service, "https://vssps.dev.azure.com 7.2-preview.1 contoso"},
		{"endpoint of a stand-in below a path", settings{"ENDPOINT": "http://127.0.0.1:99/ado/v1/contoso/_apis/tokens/pats"}, service, "http://127.0.0.1:99/ado/v1 7.1-preview.1 contoso"},
		{"endpoint's organization first", settings{"ENDPOINT": "https://localhost/Fabrikam", "ORGANIZATIONS": "contoso,fabrikam, contoso"}, service, "https://localhost 7.1-preview.1 Fabrikam|contoso"},
		{"organizations", settings{"ORGANIZATIONS": "contoso, Fabrikam-2 ,CONTOSO,old_name,"}, service, "https://vssps.dev.azure.com 7.1-preview.1 contoso|Fabrikam-2|old_name"},
		{"discovery stand-in", settings{"DISCOVERY_ENDPOINT": "http://localhost:9/ado/"}, func(c config.Config) string { return c.DiscoveryEndpoint }, "http://localhost:9/ado"},
		{"vaults", settings{"VAULTS": "https://Team.vault.azure.net/, https://team.vault.azure.net:443,https://a-1.vault.azure.net"}, vaultsOf, "https://team.vault.azure.net|https://a-1.vault.azure.net; ; https://vault.azure.net/user_impersonation"},
		{"patterns of vaults", settings{"VAULTS_ALLOW": "*.Vault.azure.net, team-*.vault.azure.net"}, vaultsOf, "; *.vault.azure.net|team-*.vault.azure.net; https://vault.azure.net/user_impersonation"},
		{"no vaults", settings{"VAULTS_ALLOW": "none"}, vaultsOf, "; ; "},
		{"vaults of a sovereign cloud", settings{"AUTHORITY": "https://login.partner.microsoftonline.cn/t", "VAULTS": "https://team.vault.azure.cn"}, vaultsOf, "https://team.vault.azure.cn; ; https://vault.azure.cn/user_impersonation"},
		{"redirect path", settings{"REDIRECT_PATH": "/auth/callback_1.x"}, public, "http://localhost:5000 http://localhost:5000/auth/callback_1.x"},
		{"IPv6 loopback", settings{"LISTEN_ADDRESS": "[::1]:80"}, public, "http://[::1]:80 http://[::1]:80/getAToken"},
		{"all interfaces", settings{"LISTEN_ADDRESS": ":5000", "BASE_URL": "https://p.example"}, public, "https://p.example https://p.example/getAToken"},
		{"container on this machine", settings{"LISTEN_ADDRESS": "0.0.0.0:5000", "BASE_URL": "http://localhost:5000"}, public, "http://localhost:5000 http://localhost:5000/getAToken"},
		{"any free port", settings{"LISTEN_ADDRESS": "127.0.0.1:0"}, public, " "},
		{"sub-path", settings{"BASE_URL": "https://Example.com:443/pat/desk/"}, public, "https://example.com/pat/desk https://example.com/pat/desk/getAToken"},
		{"only https's own port is left out", settings{"BASE_URL": "https://example.com:80"}, public, "https://example.com:80 https://example.com:80/getAToken"},
		{"http on purpose", settings{"BASE_URL": "http://patdesk.internal", "ALLOW_HTTP": "true"}, public, "http://patdesk.internal http://patdesk.internal/getAToken"},
		{"proxy's headers tell the address", settings{"LISTEN_ADDRESS": ":1", "TRUSTED_PROXIES": "10.0.0.7"}, public, " "},
		{"session type as Flask writes it", settings{"SESSION_TYPE": "FileSystem"}, public, "http://localhost:5000 http://localhost:5000/getAToken"},
		{"base64 key", settings{"SESSION_KEYS": aKey}, keys, "0123456789abcdef0123456789abcdef"},
		{"base64 key without padding, for URLs", settings{"SESSION_KEYS": "_-_-" + strings.TrimRight(aKey, "=")}, keyLengths, "35"},
		{"hexadecimal key", settings{"SESSION_KEYS": hexKey}, keyLengths, "32"},
		{"keys in their order", settings{"SESSION_KEYS": hexKey + " , " + aKey}, keyLengths, "32|32"},
		{"keys on lines of a file", settings{"SESSION_KEYS_FILE": write(t, hexKey+"\n"+aKey+"\n")}, keyLengths, "32|32"},
		{"times", settings{"SESSION_IDLE_TIMEOUT": "90s", "SESSION_LIFETIME": "168h", "SECRET_DISPLAY_TIME": "1h"}, times, "1m30s 168h0m0s 1h0m0s"},
		{"own machine stops at once", settings{"SHUTDOWN_DELAY": "9s"}, stopping, "0s"},
		{"behind something that looks at /readyz", settings{"BASE_URL": "https://p.example"}, stopping, "5s"},
		{"behind something on this machine", settings{"BASE_URL": "http://localhost:8080"}, stopping, "5s"},
		{"behind proxies that tell the address", settings{"TRUSTED_PROXIES": "127.0.0.1"}, stopping, "5s"},
		{"no delay", settings{"BASE_URL": "https://p.example", "SHUTDOWN_DELAY": "0s"}, stopping, "0s"},
		{"longer delay", settings{"BASE_URL": "https://p.example", "SHUTDOWN_DELAY": "1m"}, stopping, "1m0s"},
		{"log of warnings", settings{"LOG_LEVEL": "warning"}, func(c config.Config) string { return c.LogLevel.String() + c.LogFormat }, "WARNtext"},
		{"log of errors", settings{"LOG_LEVEL": "error"}, func(c config.Config) string { return c.LogLevel.String() + c.LogFormat }, "ERRORtext"},
		{"log", settings{"LOG_LEVEL": "Debug", "LOG_FORMAT": "JSON"}, func(c config.Config) string { return c.LogLevel.String() + c.LogFormat }, "DEBUGjson"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			equal(t, tt.got(good(t, with(tt.set))), tt.want)
		})
	}
}

func authority(c config.Config) string { return c.Authority }
func scopes(c config.Config) string    { return strings.Join(c.Scopes, "|") }
func public(c config.Config) string    { return c.PublicURL() + " " + c.RedirectURI() }
func service(c config.Config) string {
	return c.Endpoint + " " + c.APIVersion + " " + strings.Join(c.Organizations, "|")
}
func stopping(c config.Config) string { return c.ShutdownDelay.String() }

func times(c config.Config) string {
	return c.IdleTimeout.String() + " " + c.Lifetime.String() + " " + c.SecretDisplayTime.String()
}
func keys(c config.Config) string {
	var all []string
	for _, k := range c.Keys() {
		all = append(all, string(k))
	}
	return strings.Join(all, "|")
}
func keyLengths(c config.Config) string {
	var all []string
	for _, k := range c.Keys() {
		all = append(all, strconv.Itoa(len(k)))
	}
	return strings.Join(all, "|")
}

func vaultsOf(c config.Config) string {
	return strings.Join(c.Vaults.Addresses, "|") + "; " + strings.Join(c.Vaults.Allow, "|") + "; " + strings.Join(c.Vaults.Scopes(), " ")
}

func TestTrustedProxies(t *testing.T) {
	c := good(t, with(settings{"TRUSTED_PROXIES": "10.1.2.3/8, 192.0.2.1,::ffff:192.0.2.2, ::ffff:172.16.0.0/108 ,2001:db8::1/32"}))
	want := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32"),
		netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("2001:db8::/32"),
	}
	if !slices.Equal(c.TrustedProxies, want) {
		t.Errorf("got %v, want %v", c.TrustedProxies, want)
	}
}

func TestSecure(t *testing.T) {
	tests := []struct {
		name string
		set  settings
		want bool
	}{
		{"this machine", nil, false},
		{"https", settings{"BASE_URL": "https://p.example"}, true},
		{"http on this machine", settings{"BASE_URL": "http://localhost:5000", "LISTEN_ADDRESS": ":5000"}, false},
		{"http on purpose", settings{"BASE_URL": "http://p.example", "ALLOW_HTTP": "true"}, false},
		{"behind a proxy", settings{"TRUSTED_PROXIES": "10.0.0.1", "LISTEN_ADDRESS": ":5000"}, true},
		{"behind a proxy, http allowed", settings{"TRUSTED_PROXIES": "10.0.0.1", "ALLOW_HTTP": "true"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { equal(t, good(t, with(tt.set)).Secure(), tt.want) })
	}
}

func TestListensOnLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"unix:/run/p.sock": true, "localhost:1": true, "LOCALHOST:1": true, "a.localhost:1": true, "127.9.9.9:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "192.0.2.1:1": false, "localhost.example.com:1": false, "": false,
	} {
		equal(t, config.Config{ListenAddress: address}.ListensOnLoopback(), want)
	}
}

func TestListenSocket(t *testing.T) {
	for set, want := range map[string]string{
		"unix:/run/patdesk/patdesk.sock": "/run/patdesk/patdesk.sock", "unix:///run/patdesk.sock": "/run/patdesk.sock", "unix:/run//x/../patdesk.sock": "/run/patdesk.sock",
		"unix:/" + strings.Repeat("x", 106): "/" + strings.Repeat("x", 106), "localhost:5000": "",
	} {
		c := good(t, with(settings{"LISTEN_ADDRESS": set, "BASE_URL": "https://p.example"}))
		equal(t, c.ListenSocket(), want)
		equal(t, warned(c, "TRUSTED_PROXIES"), want == "") // behind a socket there is only the proxy
		equal(t, c.PublicURL(), "https://p.example")
	}
}

// Copies of patdesk on one host differ; replicas and restarts of one don't.
func TestInstance(t *testing.T) {
	one := good(t, with(nil)).Instance()
	equal(t, good(t, with(settings{"LOG_LEVEL": "debug"})).Instance(), one)
	for _, other := range []settings{{"LISTEN_ADDRESS": "localhost:5001"}, {"CLIENT_ID": aTenant}, {"BASE_URL": "https://p.example"}} {
		if good(t, with(other)).Instance() == one {
			t.Errorf("%v has the same instance", other)
		}
	}
	if len(one) != 8 {
		t.Errorf("%q isn't short", one)
	}
}

// Each kind of credential alone is enough, and arrives whole.
func TestCredential(t *testing.T) {
	file := write(t, "s3cret\r\n")
	tests := []struct {
		name string
		set  settings
		want string // the kinds, one after the other
	}{
		{"secret", settings{"CLIENT_SECRET": "s"}, "s|||"},
		{"secret in a file", settings{"CLIENT_SECRET": "-", "CLIENT_SECRET_FILE": file}, "s3cret|||"},
		{"certificate", settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": file}, "|" + file + "||"},
		{"certificate with password", settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": file, "CLIENT_CERTIFICATE_PASSWORD": "p"}, "|" + file + "|p|"},
		{"certificate with password in a file", settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": file, "CLIENT_CERTIFICATE_PASSWORD_FILE": file}, "|" + file + "|s3cret|"},
		{"workload identity", settings{"CLIENT_SECRET": "-", "AZURE_FEDERATED_TOKEN_FILE": file}, "|||" + file},
		{"vault that workload identity reads", settings{"CLIENT_SECRET": "-", "AZURE_FEDERATED_TOKEN_FILE": file, "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_SECRET": "s"}, "||||https://v.vault.azure.net|s|"},
		{"secret in a vault", settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://V.vault.azure.net/", "KEY_VAULT_SECRET": "my-secret"}, "||||https://v.vault.azure.net|my-secret|"},
		{"certificate in a vault", settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://v.vault.usgovcloudapi.net", "KEY_VAULT_CERTIFICATE": "my-cert"}, "||||https://v.vault.usgovcloudapi.net||my-cert"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good(t, with(tt.set)).Credential
			got := strings.Join([]string{c.Secret.Reveal(), c.CertificateFile, c.CertificatePassword.Reveal(), c.AssertionFile}, "|")
			if c.VaultURL != "" {
				got += "|" + strings.Join([]string{c.VaultURL, c.VaultSecret, c.VaultCertificate}, "|")
			}
			equal(t, got, tt.want)
		})
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name string
		set  settings
		want string
	}{
		{"a plain secret", nil, "CLIENT_SECRET: a client secret is fine for trying"},
		{"the secret's ID", settings{"CLIENT_SECRET": aTenant}, "the Value is needed"},
		{"a client id that is no GUID", settings{"CLIENT_ID": "my-app"}, "isn't a GUID"},
		{"common", settings{"AUTHORITY": "https://login.example/Common"}, "personal Microsoft accounts"},
		{"any tenant", settings{"AUTHORITY": "-"}, "ALLOWED_TENANTS: it is not set"},
		{"http", settings{"BASE_URL": "http://p.example", "ALLOW_HTTP": "true"}, "in clear"},
		{"everybody is the proxy", settings{"BASE_URL": "https://p.example"}, "TRUSTED_PROXIES: it is not set, so everybody"},
		{"address by proxy", settings{"TRUSTED_PROXIES": "10.0.0.1"}, "BASE_URL: it is not set"},
		{"a sovereign cloud", settings{"AUTHORITY": "https://login.microsoftonline.us/" + aTenant}, "AUTHORITY: login.microsoftonline.us is the Entra ID of a sovereign cloud, which isn't supported: Azure DevOps Services exists in the public cloud only"},
		{"another sovereign cloud", settings{"AUTHORITY": "https://login.partner.microsoftonline.cn/" + aTenant}, "is the Entra ID of a sovereign cloud"},
		{"China's former name", settings{"AUTHORITY": "https://login.chinacloudapi.cn/" + aTenant}, "is the Entra ID of a sovereign cloud"},
		{"the government's former name", settings{"AUTHORITY": "https://login-us.microsoftonline.com/" + aTenant}, "is the Entra ID of a sovereign cloud"},
		{"a server of one's own", settings{"ENDPOINT": "https://tfs.contoso.com/DefaultCollection"}, "ENDPOINT: tfs.contoso.com is not a host of Azure DevOps Services"},
		{"a server of one's own, below a path", settings{"ENDPOINT": "https://tfs.contoso.com/tfs/DefaultCollection/_apis/Tokens/Pats"}, "Azure DevOps Server (TFS)"},
		{"a server of one's own, to be asked for organizations", settings{"DISCOVERY_ENDPOINT": "https://tfs.contoso.com/tfs"}, "DISCOVERY_ENDPOINT: tfs.contoso.com is not a host of Azure DevOps Services. Azure DevOps Server (TFS), on one's own machines, isn't supported"},
		{"traces to gRPC's port", settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, "port 4317"},
		{"scope of an unknown service", settings{"SCOPE": "api://mine/.default"}, `permissions of "api://mine"`},
		{"too much asked for", settings{"SCOPE": "r/user_impersonation"}, "vso.pats_manage are enough"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if c := good(t, with(tt.set)); !warned(c, tt.want) {
				t.Errorf("no warning with %q in %q", tt.want, c.Warnings)
			}
		})
	}
}

// What Microsoft advises leaves nothing to warn of.
func TestNothingToWarnOf(t *testing.T) {
	c := good(t, with(settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": write(t, "x"), "BASE_URL": "https://p.example", "TRUSTED_PROXIES": "10.0.0.1"}))
	if len(c.Warnings) > 0 {
		t.Errorf("got %q", c.Warnings)
	}
	for name, set := range map[string]settings{
		"Azure DevOps by its address": {"SCOPE": "https://app.vssps.visualstudio.com/.default"},
		"a collector over HTTP":       {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
		"a stand-in on this machine":  {"ENDPOINT": "http://localhost:8080"},
		"the public cloud":            {"AUTHORITY": "https://login.microsoftonline.com/" + aTenant, "ENDPOINT": "https://vssps.dev.azure.com", "DISCOVERY_ENDPOINT": "https://app.vssps.visualstudio.com"},
	} {
		if c := good(t, with(set)); len(c.Warnings) > 1 { // the plain secret is one
			t.Errorf("%s: %q", name, c.Warnings)
		}
	}
	c = good(t, with(settings{"AUTHORITY": "-", "ALLOWED_TENANTS": aTenant}))
	if warned(c, "ALLOWED_TENANTS") {
		t.Errorf("got %q", c.Warnings)
	}
}

func TestCredentials(t *testing.T) {
	dotenv := write(t, "CLIENT_SECRET=x\nCLIENT_ID=y\n")
	env := settings{"CLIENT_CERTIFICATE_FILE": "z"}
	got := config.Credentials(func(name string) string { return env[name] }, dotenv)
	equal(t, strings.Join(got, ", "), "CLIENT_SECRET (.env), CLIENT_CERTIFICATE_FILE (environment)")
	equal(t, len(config.Credentials(func(string) string { return "" }, "")), 0)
}
