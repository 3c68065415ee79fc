package config_test

import (
	"slices"
	"testing"

	"github.com/patdesk/patdesk/config"
)

// Every setting either takes effect when the settings are read again, or is named as one that takes a restart.
func TestRestart(t *testing.T) {
	hot := []string{"CLIENT_SECRET", "CLIENT_CERTIFICATE_FILE", "CLIENT_CERTIFICATE_PASSWORD", "SESSION_KEYS", "LOG_LEVEL"}
	redis := settings{"SESSION_TYPE": "redis", "REDIS_URL": "redis://localhost", "SESSION_KEYS": aKey}
	vault := settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_SECRET": "s"}
	for name, c := range map[string]struct {
		was, now settings
		named    string // "": name
	}{
		"CLIENT_ID":                   {now: settings{"CLIENT_ID": aTenant}},
		"CLIENT_SECRET":               {now: settings{"CLIENT_SECRET": "another"}},
		"CLIENT_CERTIFICATE_FILE":     {now: settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": write(t, "x")}},
		"CLIENT_CERTIFICATE_PASSWORD": {now: settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": write(t, "x"), "CLIENT_CERTIFICATE_PASSWORD": "p"}},
		"AZURE_FEDERATED_TOKEN_FILE":  {now: settings{"CLIENT_SECRET": "-", "AZURE_FEDERATED_TOKEN_FILE": write(t, "x")}},
		"KEY_VAULT_URL":               {was: vault, now: settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://w.vault.azure.net", "KEY_VAULT_SECRET": "s"}},
		"KEY_VAULT_SECRET":            {was: vault, now: settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_SECRET": "s2"}},
		"KEY_VAULT_CERTIFICATE":       {was: vault, now: settings{"CLIENT_SECRET": "-", "KEY_VAULT_URL": "https://v.vault.azure.net", "KEY_VAULT_CERTIFICATE": "c"}},
		"AUTHORITY":                   {now: settings{"AUTHORITY": "https://login.microsoftonline.com/organizations"}},
		"ALLOWED_TENANTS":             {now: settings{"ALLOWED_TENANTS": aTenant}},
		"REDIRECT_PATH":               {now: settings{"REDIRECT_PATH": "/back"}},
		"SCOPE":                       {now: settings{"SCOPE": "499b84ac-1321-427f-aa17-267ca6975798/vso.pats"}},
		"ENDPOINT":                    {now: settings{"ENDPOINT": "https://vssps.dev.azure.com?api-version=7.2-preview.1"}},
		"ORGANIZATIONS":               {now: settings{"ORGANIZATIONS": "contoso"}},
		"DISCOVERY_ENDPOINT":          {now: settings{"DISCOVERY_ENDPOINT": "http://localhost:1"}},
		"VAULTS":                      {now: settings{"VAULTS": "https://team.vault.azure.net"}},
		"VAULTS_ALLOW":                {now: settings{"VAULTS_ALLOW": "*.vault.azure.net"}},
		"LISTEN_ADDRESS":              {now: settings{"LISTEN_ADDRESS": "localhost:1"}},
		"BASE_URL":                    {now: settings{"BASE_URL": "https://p.example", "SHUTDOWN_DELAY": "0s"}},
		"ALLOW_HTTP":                  {now: settings{"ALLOW_HTTP": "true"}},
		"TRUSTED_PROXIES":             {now: settings{"TRUSTED_PROXIES": "10.0.0.1", "SHUTDOWN_DELAY": "0s"}},
		"SHUTDOWN_DELAY":              {was: settings{"BASE_URL": "https://p.example"}, now: settings{"BASE_URL": "https://p.example", "SHUTDOWN_DELAY": "7s"}},
		"SESSION_TYPE":                {now: redis},
		"SESSION_DIR":                 {now: settings{"SESSION_DIR": t.TempDir()}},
		"SESSION_DIR_GROUP":           {was: settings{"SESSION_KEYS": aKey}, now: settings{"SESSION_KEYS": aKey, "SESSION_DIR_GROUP": "true"}},
		"SESSION_KEYS":                {now: settings{"SESSION_KEYS": aKey}},
		"REDIS_URL":                   {was: redis, now: settings{"SESSION_TYPE": "redis", "REDIS_URL": "redis://localhost/1", "SESSION_KEYS": aKey}},
		"REDIS_PASSWORD":              {was: redis, now: settings{"SESSION_TYPE": "redis", "REDIS_URL": "redis://localhost", "REDIS_PASSWORD": "hush", "SESSION_KEYS": aKey}, named: "REDIS_URL"},
		"SESSIONS_PER_PERSON":         {now: settings{"SESSIONS_PER_PERSON": "7"}},
		"SESSION_IDLE_TIMEOUT":        {now: settings{"SESSION_IDLE_TIMEOUT": "7m"}},
		"SESSION_LIFETIME":            {now: settings{"SESSION_LIFETIME": "7h"}},
		"SECRET_DISPLAY_TIME":         {now: settings{"SECRET_DISPLAY_TIME": "7m"}},
		"RATE_LIMIT_SIGN_INS":         {now: settings{"RATE_LIMIT_SIGN_INS": "7"}},
		"RATE_LIMIT_CHANGES":          {now: settings{"RATE_LIMIT_CHANGES": "7"}},
		"LOG_LEVEL":                   {now: settings{"LOG_LEVEL": "debug"}},
		"LOG_FORMAT":                  {now: settings{"LOG_FORMAT": "json"}},
		"METRICS_ADDRESS":             {now: settings{"METRICS_ADDRESS": "localhost:1"}},
		"OTEL_EXPORTER_OTLP_ENDPOINT": {now: settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}},
		"OTEL_EXPORTER_OTLP_HEADERS": {
			was: settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, now: settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"},
			named: "OTEL_EXPORTER_OTLP_ENDPOINT",
		},
	} {
		got := good(t, with(c.now)).Restart(good(t, with(c.was)))
		if c.named == "" {
			c.named = name
		}
		if named := slices.Contains(got, c.named); named == slices.Contains(hot, name) {
			t.Errorf("%s: %q", name, got)
		}
		if again := good(t, with(c.now)).Restart(good(t, with(c.now))); len(again) > 0 {
			t.Errorf("%s: without a change %q", name, again)
		}
	}
	if n := len(config.Settings()); n != 39 {
		t.Errorf("there are %d settings: add the new one above", n)
	}
}
