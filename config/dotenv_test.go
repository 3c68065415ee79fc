package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		`CLIENT_SECRET='a$b#c d'`:               `a$b#c d`,
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
		"CLIENT_SECRETFILE": "CLIENT_SECRET_FILE", "BASEURL": "BASE_URL",
	} {
		c, _ := loadFile(t, with(nil), dotenv(t, name+"=hush\n"))
		if !warned(c, name+": this name in .env is not a setting of patdesk, so it has no effect. Did you mean "+meant+"?") || warned(c, "hush") {
			t.Errorf("%s: got %q, want %s", name, c.Warnings, meant)
		}
	}
	c, _ := loadFile(t, with(nil), dotenv(t, "SSL_CERT_FILE=/ca.pem\n"))
	if !warned(c, "SSL_CERT_FILE: it has no effect in .env") {
		t.Errorf("got %q", c.Warnings)
	}
	c, _ = loadFile(t, with(nil), dotenv(t, "FLASK_ENV=development\nLOG_LEVEL=info\n"))
	if warned(c, "FLASK_ENV") || warned(c, "LOG_LEVEL") {
		t.Errorf("warned of a name that isn't ours, or that is: %q", c.Warnings)
	}
}

// The demo and the tests may run without any file.
func TestNoDotenv(t *testing.T) {
	t.Chdir(filepath.Dir(dotenv(t, "CLIENT_ID=from-file\n")))
	c := good(t, with(nil))
	equal(t, c.ClientID, aClientID)
}
