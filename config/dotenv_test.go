package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/config"
)

// dotenv writes a .env file that only its owner may read.
func dotenv(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The settings of Microsoft's Flask sample, pasted as they stand in its app_config.py, mean here what they mean there.
func TestFlaskSample(t *testing.T) {
	path := dotenv(t, `
CLIENT_ID = "`+aClientID+`" 
# Application (client) ID of app registration

CLIENT_SECRET = "`+aSecret+`"
# CLIENT_SECRET = os.getenv("CLIENT_SECRET")
# if not CLIENT_SECRET:
#     raise ValueError("Need to define CLIENT_SECRET environment variable")

AUTHORITY = "https://login.microsoftonline.com/contoso.onmicrosoft.com"  # For multi-tenant app
# AUTHORITY = "https://login.microsoftonline.com/Enter_the_Tenant_Name_Here"

REDIRECT_PATH = "/getAToken"  # Used for forming an absolute URL to your redirect URI.
                              # The absolute URL must match the redirect URI you set

ENDPOINT = 'https://vssps.dev.azure.com/contoso/_apis/Tokens/Pats?api-version=6.1-preview' 
# fill in the url to the user's ADO collection name here

SCOPE = ["499b84ac-1321-427f-aa17-267ca6975798/.default"]
# Means "All scopes for the Azure DevOps API resource"

SESSION_TYPE = "filesystem"  
`)
	c, faults := loadFile(t, nil, path)
	if faults != nil {
		t.Fatal(faults)
	}
	equal(t, c.ClientID, aClientID)
	equal(t, c.Credential.Secret.Reveal(), aSecret)
	equal(t, c.Authority, "https://login.microsoftonline.com/contoso.onmicrosoft.com")
	equal(t, c.RedirectURI(), "http://localhost:5000/getAToken")
	equal(t, service(c), "https://vssps.dev.azure.com 6.1-preview contoso")
	equal(t, scopes(c), "499b84ac-1321-427f-aa17-267ca6975798/.default")
}

// The sample as it is downloaded names every placeholder that is left in it.
func TestFlaskSampleUnfilled(t *testing.T) {
	_, faults := loadFile(t, nil, dotenv(t, `
CLIENT_ID = "Enter_the_Application_Id_here" 
CLIENT_SECRET = "Enter_the_Client_Secret_here"
AUTHORITY = "https://login.microsoftonline.com/Enter_the_Tenant_ID_Here"  # For multi-tenant app
ENDPOINT = 'https://vssps.dev.azure.com/Enter_the_Collection_Name_Here/_apis/Tokens/Pats?api-version=6.1-preview'
`))
	var got []string
	for _, f := range faults {
		if strings.Contains(f.Problem, "placeholder") {
			got = append(got, f.Setting)
		}
	}
	equal(t, strings.Join(got, " "), "CLIENT_ID CLIENT_SECRET AUTHORITY ENDPOINT")
	equal(t, len(faults), 4)
}

func TestEnvironmentWins(t *testing.T) {
	path := dotenv(t, "CLIENT_ID=from-file\nCLIENT_SECRET=from-file\nLOG_FORMAT=json\n")
	c, faults := loadFile(t, settings{"CLIENT_ID": "from-environment"}, path)
	if faults != nil {
		t.Fatal(faults)
	}
	equal(t, c.ClientID, "from-environment")
	equal(t, c.Credential.Secret.Reveal(), "from-file")
	equal(t, c.LogFormat, "json")
	if os.Getenv("LOG_FORMAT") != "" {
		t.Error("the file's settings have reached the environment of the process")
	}
}

// A secret arrives with every character that was written, in each way of writing it.
func TestSecretsInDotenvAreLiteral(t *testing.T) {
	for line, want := range map[string]string{
		`CLIENT_SECRET=a$CLIENT_ID.b`:           `a$CLIENT_ID.b`,
		`CLIENT_SECRET="a$CLIENT_ID${HOME}$"`:   `a$CLIENT_ID${HOME}$`,
		`CLIENT_SECRET='a$b#c"d'`:               `a$b#c"d`,
		`CLIENT_SECRET=a#b~c`:                   `a#b~c`,
		`CLIENT_SECRET = ab # the one of May`:   `ab`,
		`export CLIENT_SECRET=abc`:              `abc`,
		"CLIENT_SECRET=abc\r\nLOG_LEVEL=info\r": `abc`,
		"\ufeffCLIENT_SECRET=abc":               `abc`,
	} {
		c, faults := loadFile(t, settings{"CLIENT_ID": aClientID}, dotenv(t, line))
		if faults != nil {
			t.Errorf("%s: %v", line, faults)
		}
		equal(t, c.Credential.Secret.Reveal(), want)
	}
}

func TestBrokenDotenv(t *testing.T) {
	tests := []struct{ name, content, line string }{
		{"quote left open", "CLIENT_ID=x\n\n# the secret\nCLIENT_SECRET=\"hush\nLOG_LEVEL=info\n", "line 4"},
		{"no equals sign", "CLIENT_ID=x\nCLIENT_SECRET hush\n", "line 2"},
		{"no equals sign at the very end", "CLIENT_ID=x\nhush", "line 2"},
		{"Python", "import os\nCLIENT_SECRET=hush\n", "line 1"},
		{"after a value of several lines", "A=\"1\n2\n3\"\n!hush\n", "line 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := dotenv(t, tt.content)
			_, faults := loadFile(t, nil, path)
			if len(faults) != 1 { // what seems to be missing may be in the file
				t.Fatalf("got %d faults, want 1: %v", len(faults), faults)
			}
			equal(t, faults[0].Setting, path)
			if text := faults.Error(); !strings.Contains(text, tt.line+" ") || strings.Contains(text, "hush") {
				t.Errorf("got %s, want %s and no content", text, tt.line)
			}
		})
	}
}

func TestDotenvThatIsNoFile(t *testing.T) {
	if _, faults := loadFile(t, with(nil), filepath.Join(t.TempDir(), ".env")); faults != nil {
		t.Errorf("a missing file is a fault: %v", faults)
	}
	if _, faults := loadFile(t, with(nil), t.TempDir()); len(faults) != 1 || !strings.Contains(faults.Error(), "can't be read") {
		t.Errorf("a folder: got %v", faults)
	}
}

func TestDotenvReadableByOthers(t *testing.T) {
	path := dotenv(t, "LOG_LEVEL=info\n")
	if c, _ := loadFile(t, with(nil), path); warned(c, "chmod 600") {
		t.Errorf("warned of a private file: %q", c.Warnings)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if c, _ := loadFile(t, with(nil), path); !warned(c, "chmod 600 "+path) {
		t.Errorf("not warned: %q", c.Warnings)
	}
}

func TestNamesInDotenv(t *testing.T) {
	for name, meant := range map[string]string{
		"CLIENTID": "CLIENT_ID", "client_id": "CLIENT_ID", "CLIENT_SECERT": "CLIENT_SECRET", "SCOPES": "SCOPE",
		"ORGANIZATION": "ORGANIZATIONS", "SESSION_KEY": "SESSION_KEYS", "TENANT_ID": "AUTHORITY", "PORT": "LISTEN_ADDRESS",
		"CLIENT_SECRETFILE": "CLIENT_SECRET_FILE", "BASEURL": "BASE_URL", "SESSION_TIMEOUT": "SESSION_IDLE_TIMEOUT",
		"SESSION_SECRET": "SESSION_KEYS", "PUBLIC_URL": "BASE_URL", "IDLE_TIMEOUT": "SESSION_IDLE_TIMEOUT", "LISTEN_ADDR": "LISTEN_ADDRESS",
		"REDIS_HOST": "REDIS_URL", "Base_Url": "BASE_URL", "base.url": "BASE_URL",
		"LOGGING_LVL": "LOG_LEVEL", "SESSION_FOLDER": "SESSION_DIR", "IDLE_SESSION_TIMEOUT": "SESSION_IDLE_TIMEOUT", "REDIS_PWD": "REDIS_PASSWORD", "ALLOWED_VAULTS": "VAULTS_ALLOW",
		"PATDESK_BASE_URL": "BASE_URL", "CALLBACK_PATH": "REDIRECT_PATH", "HTTP_ALLOW": "ALLOW_HTTP", "METRICS_ADDR": "METRICS_ADDRESS",
	} {
		c, _ := loadFile(t, with(nil), dotenv(t, name+"=hush\n"))
		if !warned(c, name+": this name in .env is not a setting of patdesk, so it has no effect. Did you mean "+meant+"?") || warned(c, "hush") {
			t.Errorf("%s: got %q, want %s", name, c.Warnings, meant)
		}
	}
	for name, words := range map[string]string{
		"SSL_CERT_FILE": "SSL_CERT_FILE: it has no effect in .env", "https_proxy": "https_proxy: it has no effect in .env",
		"OTEL_SDK_DISABLED": "OTEL_SDK_DISABLED: it has no effect in .env", "AZURE_TOKEN_CREDENTIALS": "AZURE_TOKEN_CREDENTIALS: it has no effect in .env",
		"FLASK_ENV": "FLASK_ENV: this name in .env is not a setting", "WORKERS": "WORKERS: this name in .env is not a setting",
		"MIIEvQIBADANhush": ".env: there is a line in it that sets nothing",
	} {
		c, _ := loadFile(t, with(nil), dotenv(t, name+"=x\nLOG_LEVEL=info\n"))
		if !warned(c, words) || warned(c, "LOG_LEVEL") || warned(c, "hush") {
			t.Errorf("%s: got %q", name, c.Warnings)
		}
	}
}

// What is taken otherwise than it looks is said.
func TestOddLinesInDotenv(t *testing.T) {
	for name, c := range map[string]struct{ content, words string }{
		"twice":               {"LOG_LEVEL=info\nLOG_LEVEL=debug\n", "LOG_LEVEL: it is set 2 times in"},
		"twice, exported":     {"export LOG_LEVEL=info\n LOG_LEVEL = debug\n", "LOG_LEVEL: it is set 2 times in"},
		"of a command prompt": {"set LOG_LEVEL=debug\n", "LOG_LEVEL: its line in .env begins with another word"},
		"of Dockerfiles":      {"ENV LOG_LEVEL=debug\n", "LOG_LEVEL: its line in .env begins with another word"},
	} {
		if got, faults := loadFile(t, with(nil), dotenv(t, c.content)); faults != nil || !warned(got, c.words) {
			t.Errorf("%s: %v %q", name, faults, got.Warnings)
		}
	}
	got, faults := loadFile(t, with(nil), dotenv(t, "LOG_LEVEL=debug\rLOG_FORMAT=json\r")) // line ends of old Macs
	if faults != nil || got.LogFormat != "json" || warned(got, "times") {
		t.Errorf("%v %q %q", faults, got.LogFormat, got.Warnings)
	}
	for _, line := range []string{"CLIENT_SECRET=h\xFCsh\n", "CLIENT_SECRET=abc\nORGANIZATIONS=M\xFCller\n"} {
		if _, faults := loadFile(t, settings{"CLIENT_ID": aClientID}, dotenv(t, line)); len(faults) != 1 || !strings.Contains(faults.Error(), "UTF-8") {
			t.Errorf("%q: %v", line, faults)
		}
	}
}

// The environment is everybody's: what comes close to a setting is named, and nothing else.
func TestNamesInTheEnvironment(t *testing.T) {
	for name, meant := range map[string]string{
		"TRUSTED_PROXYS": "TRUSTED_PROXIES", "TRUSTED_PROXY": "TRUSTED_PROXIES", "METRICS_ADDRESSES": "METRICS_ADDRESS", "ALLOWED_TENANT": "ALLOWED_TENANTS",
		"LOGLEVEL": "LOG_LEVEL", "BASEURL": "BASE_URL", "BASE_URI": "BASE_URL", "CLIENT_SECERT": "CLIENT_SECRET", "CLIENTID": "CLIENT_ID",
		"LISTENADDRESS": "LISTEN_ADDRESS", "LISTEN_ADDR": "LISTEN_ADDRESS", "SESSION_KEY": "SESSION_KEYS", "SESSIONS_KEYS_FILE": "SESSION_KEYS_FILE",
		"REDISURL": "REDIS_URL", "REDIS_PASSWORT": "REDIS_PASSWORD", "SESSION_TIMEOUT": "SESSION_IDLE_TIMEOUT", "SESSION_SECRET": "SESSION_KEYS",
		"PUBLIC_URL": "BASE_URL", "base_url": "BASE_URL", "AUTHORTY": "AUTHORITY", "ORGANISATIONS": "ORGANIZATIONS", "RATELIMIT_CHANGES": "RATE_LIMIT_CHANGES",
		"CLIENT_CERTIFICATE": "CLIENT_CERTIFICATE_FILE",
	} {
		got := config.Misspelt([]string{"PATH=/bin", name + "=hush"})
		if len(got) != 1 || !strings.Contains(got[0], name+": ") || !strings.HasSuffix(got[0], "Did you mean "+meant+"?") || strings.Contains(got[0], "hush") {
			t.Errorf("%s: %q, want %s", name, got, meant)
		}
	}
	others := []string{
		"PATH", "HOME", "HOST", "PORT", "HOSTNAME", "SHELL", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "TERM", "PWD", "OLDPWD", "SHLVL", "EDITOR", "DISPLAY",
		"XDG_SESSION_TYPE", "XDG_SESSION_ID", "XDG_SESSION_CLASS", "XDG_RUNTIME_DIR", "DESKTOP_SESSION", "SESSION_MANAGER", "DBUS_SESSION_BUS_ADDRESS", "SSH_CLIENT", "SSH_AUTH_SOCK",
		"INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "MAINPID",
		"KUBERNETES_SERVICE_HOST", "KUBERNETES_PORT", "PATDESK_PORT", "PATDESK_SERVICE_HOST", "REDIS_PORT", "REDIS_SERVICE_PORT", "REDIS_PORT_6379_TCP_ADDR",
		"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST", "AZURE_CLIENT_SECRET", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE",
		"OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_SDK_DISABLED", "GOPATH", "GODEBUG", "TZ", "CODE", "SCALE", "STORE", "DEBUG", "CI", "_",
	}
	for _, name := range append(others, config.Names()...) {
		if got := config.Misspelt([]string{name + "=x"}); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := config.Misspelt([]string{"LOGLEVEL=info", "LOG_LEVEL=info", "BASEURL="}); got != nil {
		t.Errorf("named although nothing is missing: %q", got)
	}
}

// What a .env can't be read for is named, with the line, and without its content.
func TestDotenvOfAnotherKind(t *testing.T) {
	wide := func(text string) string {
		b := []byte{0xFF, 0xFE}
		for _, c := range []byte(text) {
			b = append(b, c, 0)
		}
		return string(b)
	}
	for name, c := range map[string]struct{ content, words string }{
		"PowerShell's redirection":     {wide("CLIENT_ID=x\nCLIENT_SECRET=hush\n"), "is written in UTF-16"},
		"UTF-16 without a mark":        {wide("CLIENT_ID=hush")[2:], "is written in UTF-16"},
		"UTF-16, the other way":        {"\xFE\xFF\x00A\x00=\x00h", "is written in UTF-16"},
		"app_config.py":                {"import os\n\nCLIENT_SECRET = \"hush\"\n", "holds Python in line 1"},
		"app_config.py, further down":  {"CLIENT_ID=x\nfrom os import getenv\nA=hush\n", "holds Python in line 2"},
		"a condition of Python's":      {"CLIENT_ID=x\nif not x:\n  raise hush\n", "holds Python in line 3"},
		"a list over several lines":    {"A=1\nSCOPE = [\n    \"hush\",\n]\n", "has a list that goes on over several lines, from line 2 on"},
		"a tuple over several lines":   {"SCOPE = (\n    \"hush\",\n)\n", "has a list that goes on over several lines, from line 1 on"},
		"a list with its first value":  {"SCOPE = [\"hush\",\n  \"b\"]\n", "has a list that goes on over several lines, from line 1 on"},
		"a quotation mark that's open": {"A=1\nCLIENT_SECRET=\"hush\n", "has a quotation mark in line 2"},
		"zero bytes":                   {"CLIENT_ID=x\nCLIENT_SECRET=hush\x00\nORGANIZATIONS=contoso\n", "has zero bytes in it"},
		"a log by mistake":             {strings.Repeat("# hush\n", 1<<20), "has more than 64 kB"},
		"a typographic line":           {"“CLIENT_SECRET”=“hush”\n", "typographic quotation marks in line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, faults := loadFile(t, settings{"CLIENT_ID": aClientID}, dotenv(t, c.content))
			if len(faults) != 1 || !strings.Contains(faults.Error(), c.words) || strings.Contains(faults.Error(), "hush") {
				t.Errorf("%v", faults)
			}
			if warned(got, "ALLOWED_TENANTS") || warned(got, "TRUSTED_PROXIES") {
				t.Errorf("it is called missing what may be in there: %q", got.Warnings)
			}
		})
	}
	for name, c := range map[string]struct{ line, setting string }{
		"around a secret":   {"CLIENT_SECRET=“hush”", "CLIENT_SECRET"},
		"German":            {"CLIENT_SECRET=„hush“", "CLIENT_SECRET"},
		"single":            {"CLIENT_SECRET=‘hush’", "CLIENT_SECRET"},
		"around an address": {"CLIENT_SECRET=hush\nBASE_URL=”https://patdesk.example.com”", "BASE_URL"},
	} {
		_, faults := loadFile(t, settings{"CLIENT_ID": aClientID}, dotenv(t, c.line+"\n"))
		if len(faults) != 1 || faults[0].Setting != c.setting || !strings.Contains(faults.Error(), "typographic quotation marks") || strings.Contains(faults.Error(), "hush") {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// A secret that can't be one is refused with the reason, however it is given, and never shown.
func TestSecretsThatAreNone(t *testing.T) {
	for name, c := range map[string]struct{ content, words string }{
		"byte order mark":            {"\uFEFFhush", "byte order mark"},
		"UTF-16":                     {"\xFF\xFEh\x00u\x00", "UTF-16"},
		"UTF-16 without a mark":      {"h\x00u\x00s\x00h\x00", "UTF-16"},
		"Latin-1":                    {"h\xFCsh", "UTF-8"},
		"two lines":                  {"hush\nhush2\n", "second line"},
		"two lines of Windows":       {"hush\r\nhush2", "second line"},
		"a space":                    {"hu sh", "white space"},
		"a space in front":           {" hush", "white space"},
		"a space behind":             {"hush \n", "white space"},
		"a tab":                      {"hu\tsh", "white space"},
		"a space of another kind":    {"hu\u00A0sh", "U+00A0"},
		"a zero-width space":         {"hush\u200B", "U+200B"},
		"a bell":                     {"hu\x07sh", "U+0007"},
		"an escape sequence":         {"\x1b[31mhush", "U+001B"},
		"typographic marks":          {"“hush”", "typographic"},
		"quotation marks":            {`"hush"`, "more than the secret"},
		"the line of a .env":         {"CLIENT_SECRET=hush\n", "more than the secret"},
		"a comment behind the value": {"hush # of May\n", "white space"},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := loadFile(t, settings{"CLIENT_ID": aClientID, "CLIENT_SECRET_FILE": write(t, c.content)}, "")
			if len(faults) != 1 || faults[0].Setting != "CLIENT_SECRET_FILE" || !strings.Contains(faults.Error(), c.words) || strings.Contains(faults.Error(), "hush") {
				t.Errorf("%v", faults)
			}
		})
	}
	for name, c := range map[string]struct {
		set   settings
		words string
	}{
		"client secret with a space":     {settings{"CLIENT_SECRET": "hu sh"}, "CLIENT_SECRET has white space"},
		"client secret with an escape":   {settings{"CLIENT_SECRET": "hu\x1bsh"}, "CLIENT_SECRET has a character that doesn't show"},
		"client secret of two lines":     {settings{"CLIENT_SECRET": "hush\nhush"}, "CLIENT_SECRET has a second line"},
		"PFX password of two lines":      {settings{"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": write(t, "x"), "CLIENT_CERTIFICATE_PASSWORD_FILE": write(t, "hush\nhush")}, "second line"},
		"Redis password with a mark":     {settings{"SESSION_TYPE": "redis", "REDIS_URL": "redis://localhost", "SESSION_KEYS": aKey, "REDIS_PASSWORD_FILE": write(t, "\uFEFFhush")}, "byte order mark"},
		"session keys with a mark":       {settings{"SESSION_KEYS_FILE": write(t, "\uFEFF"+aKey)}, "byte order mark"},
		"session keys in UTF-16":         {settings{"SESSION_KEYS_FILE": write(t, "\xFF\xFEa\x00")}, "UTF-16"},
		"session keys with a zero space": {settings{"SESSION_KEYS_FILE": write(t, aKey+"\u200B")}, "U+200B"},
	} {
		_, faults := load(t, with(c.set))
		if len(faults) != 1 || !strings.Contains(faults.Error(), c.words) || strings.Contains(faults.Error(), "hush") {
			t.Errorf("%s: %v", name, faults)
		}
	}
	for name, set := range map[string]settings{
		"a password with spaces": {"CLIENT_SECRET": "-", "CLIENT_CERTIFICATE_FILE": write(t, "x"), "CLIENT_CERTIFICATE_PASSWORD": "correct horse battery"},
		"keys on several lines":  {"SESSION_KEYS_FILE": write(t, aKey+"\r\n")},
		"a secret beyond ASCII":  {"CLIENT_SECRET": "se:cr+et/ü"},
		"a secret with a quote":  {"CLIENT_SECRET": `a"b`},
		"a secret and a newline": {"CLIENT_SECRET": "-", "CLIENT_SECRET_FILE": write(t, "abc\n")},
		"a secret and Windows'":  {"CLIENT_SECRET": "-", "CLIENT_SECRET_FILE": write(t, "abc\r\n\r\n")},
		"headers with spaces":    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=b, c=d"},
	} {
		if _, faults := load(t, with(set)); faults != nil {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// The demo and the tests may run without any file.
func TestNoDotenv(t *testing.T) {
	t.Chdir(filepath.Dir(dotenv(t, "CLIENT_ID=from-file\n")))
	c := good(t, with(nil))
	equal(t, c.ClientID, aClientID)
}
