package config_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/config"
)

const canary = "canary-8Q~5ecret"

// However a secret, or something that holds one, is printed: its value doesn't appear.
func TestSecretIsNeverPrinted(t *testing.T) {
	s := config.NewSecret(canary)
	type exported struct{ S config.Secret }
	type unexported struct{ s config.Secret }
	holders := []any{s, &s, exported{s}, &exported{s}, unexported{s}, &unexported{s}, []config.Secret{s}, map[string]config.Secret{"k": s}, map[config.Secret]int{s: 1}}
	for _, h := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c"} {
			unprinted(t, verb, fmt.Sprintf(verb, h))
		}
		encoded, err := json.Marshal(h)
		if err == nil { // a map with such keys can't be encoded at all
			unprinted(t, "json", string(encoded))
		}
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("m", "secret", h)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "secret", h)
		unprinted(t, "slog", b.String())
	}
	encoded, err := xml.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	unprinted(t, "xml", string(encoded))
}

func unprinted(t *testing.T, how, printed string) {
	t.Helper()
	hexadecimal := fmt.Sprintf("%x", canary)
	if strings.Contains(printed, canary) || strings.Contains(strings.ToLower(printed), hexadecimal) {
		t.Errorf("%s: %s", how, printed)
	}
}

func TestSecretSaysWhetherItIsSet(t *testing.T) {
	tests := []struct {
		secret config.Secret
		want   string
		set    bool
	}{
		{config.NewSecret(canary), "[set]", true},
		{config.NewSecret(""), "[not set]", false},
		{config.Secret{}, "[not set]", false},
	}
	for _, tt := range tests {
		equal(t, tt.secret.IsSet(), tt.set)
		equal(t, tt.secret.String(), tt.want)
		equal(t, tt.secret.GoString(), tt.want)
		equal(t, fmt.Sprintf("%s %v %#v", tt.secret, tt.secret, tt.secret), tt.want+" "+tt.want+" "+tt.want)
		encoded, err := json.Marshal(tt.secret)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, string(encoded), `"`+tt.want+`"`)
	}
	equal(t, config.NewSecret(canary).Reveal(), canary)
	equal(t, config.Secret{}.Reveal(), "")
}

// No fault and no warning shows a secret, wherever it was pasted and whatever else is wrong.
func TestNoFaultShowsASecret(t *testing.T) {
	secrets := []string{"CLIENT_SECRET", "CLIENT_CERTIFICATE_PASSWORD", "SESSION_KEYS", "REDIS_URL", "REDIS_PASSWORD"}
	for _, holder := range secrets {
		for _, name := range config.Names() {
			for _, value := range []string{canary, "https://" + canary + "/x", "https://u:" + canary + "@h", canary + ",b c", "os.getenv " + canary} {
				s := settings{holder: canary, name: value}
				c, faults := load(t, s)
				unprinted(t, holder+" in "+name, faults.Error()+strings.Join(c.Warnings, "\n")+fmt.Sprintf("%+v", c.Credential)+fmt.Sprint(c.SessionKeys))
			}
		}
	}
}

// The path in X_FILE is not shown either: the secret itself is pasted there easily.
func TestSecretPastedAsPath(t *testing.T) {
	for _, name := range []string{"CLIENT_SECRET_FILE", "CLIENT_CERTIFICATE_PASSWORD_FILE", "SESSION_KEYS_FILE", "REDIS_URL_FILE", "REDIS_PASSWORD_FILE"} {
		_, faults := load(t, settings{name: canary})
		unprinted(t, name, faults.Error())
	}
}

func TestWholeConfigIsPrintable(t *testing.T) {
	c := good(t, with(settings{"CLIENT_SECRET": canary, "SESSION_KEYS": aKey}))
	printed := fmt.Sprintf("%v %+v %#v", c, c, c)
	unprinted(t, "config", printed)
	if strings.Contains(printed, "0123456789abcdef") {
		t.Errorf("a session key is printed: %s", printed)
	}
}
