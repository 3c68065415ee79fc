package deploy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
)

// run runs a script of this folder and returns what it prints.
func run(t *testing.T, env []string, program string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), env...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// The secrets that are made fit together: a Redis with these settings and this list of users lets patdesk in with this
// password, and nobody else. Made again they stay as they are.
func TestMakeSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "secrets")
	made := func() map[string]string {
		if output, err := run(t, nil, "./make-secrets", dir); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		content := map[string]string{}
		for _, name := range []string{"session_keys", "redis_password", "redis.acl"} {
			content[name] = read(t, filepath.Join(dir, name))
		}
		return content
	}
	first := made()
	if second := made(); second["session_keys"] != first["session_keys"] || second["redis_password"] != first["redis_password"] || second["redis.acl"] != first["redis.acl"] {
		t.Error("they were made again")
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v %v", info, err)
	}
	if keys, err := session.ParseKeys(first["session_keys"]); err != nil || len(keys) != 1 {
		t.Errorf("session_keys: %v", err)
	}
	password := strings.TrimSpace(first["redis_password"])
	if len(password) < 32 || strings.Contains(first["redis.acl"], password) {
		t.Error("the list of users holds the password")
	}
	for _, conf := range []string{read(t, "compose/redis.conf"), find(t, "kubernetes/components/redis/redis.yaml", "ConfigMap", "patdesk-redis").at("data", "redis.conf").text()} {
		checkRedis(t, conf, filepath.Join(dir, "redis.acl"), password)
	}
}

func checkRedis(t *testing.T, conf, users, password string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "redis.conf")
	conf = regexp.MustCompile(`(?m)^aclfile .*$`).ReplaceAllString(conf, "aclfile "+users)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	server := redistest.Start(t, "--include", file)
	try := func(user, password string) error {
		s := redisstore.Open(redisstore.Options{Addresses: []string{server.Addr}, Username: user, Password: password})
		defer func() { _ = s.Close() }()
		if warnings, err := s.Check(t.Context()); err != nil || len(warnings) > 0 {
			t.Logf("%v %v", warnings, err)
			return err
		}
		return session.Probe(t.Context(), s, time.Now())
	}
	if err := try("patdesk", password); err != nil {
		t.Errorf("patdesk: %v", err)
	}
	for user, password := range map[string]string{"patdesk": "wrong", "default": "", "": ""} {
		if err := try(user, password); redisstore.FaultOf(err) != redisstore.Credentials {
			t.Errorf("user %q gets in: %v", user, err)
		}
	}
}

// az is a stand-in that writes down what it is asked for, one line a call, and answers as the real one would.
const az = `#!/bin/sh
printf '%s' "$*" | tr '\n' ' ' >>"$AZ_LOG"; echo >>"$AZ_LOG"
case "$*" in
  *microsoftGraphResourceId*) echo https://graph.microsoft.com/ ;;
  *endpoints.activeDirectory*) echo https://login.microsoftonline.com ;;
  *"account show"*) echo 11111111-1111-1111-1111-111111111111 ;;
  *"ad sp show --id 499b84ac"*"'vso.pats'"*) echo aaaaaaaa-0000-0000-0000-000000000001 ;;
  *"ad sp show --id 499b84ac"*"'vso.pats_manage'"*) echo aaaaaaaa-0000-0000-0000-000000000002 ;;
  *"ad sp show --id 499b84ac"*"'vso.profile'"*) echo aaaaaaaa-0000-0000-0000-000000000003 ;;
  *"ad sp show --id 499b84ac"*) echo "$AZ_KNOWN"; [ -n "$AZ_KNOWN" ] ;;
  *"ad app list"*) echo "$AZ_THERE" ;;
  *"rest --method POST"*) echo 22222222-2222-2222-2222-222222222222 ;;
  *"ad sp show"*) exit 3 ;;
esac
`

// register runs the script with the stand-in and returns what it printed and the calls that it made.
func register(t *testing.T, known, there string, args ...string) (output string, calls []string, err error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "az"), []byte(az), 0o700); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	output, err = run(t, []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "AZ_LOG=" + log, "AZ_KNOWN=" + known, "AZ_THERE=" + there}, "entra/register.sh", args...)
	if content, err := os.ReadFile(log); err == nil {
		calls = strings.Split(strings.TrimSpace(string(content)), "\n")
	}
	return output, calls, err
}

func calling(calls []string, beginning string) string {
	for _, c := range calls {
		if strings.HasPrefix(c, beginning) {
			return c
		}
	}
	return ""
}

func TestRegister(t *testing.T) {
	certificate := filepath.Join(t.TempDir(), "patdesk.crt")
	if err := os.WriteFile(certificate, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	output, calls, err := register(t, "known", "", "--url", "https://tools.contoso.com/pat/", "--certificate", certificate, "--consent")
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	const want = "CLIENT_ID=22222222-2222-2222-2222-222222222222\nAUTHORITY=https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111\nBASE_URL=https://tools.contoso.com/pat\n"
	if output != want {
		t.Errorf("got %q", output)
	}
	post := calling(calls, "rest --method POST --url https://graph.microsoft.com/v1.0/applications ")
	_, body, _ := strings.Cut(post, "--body ")
	body, _, _ = strings.Cut(body, " --query")
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(body)); err != nil {
		t.Fatalf("%v in %s", err, post)
	}
	const app = `{"displayName":"patdesk","signInAudience":"AzureADMyOrg","api":{"requestedAccessTokenVersion":2},` +
		`"web":{"redirectUris":["https://tools.contoso.com/pat/getAToken","https://tools.contoso.com/pat/"],"implicitGrantSettings":{"enableAccessTokenIssuance":false,"enableIdTokenIssuance":false}},` +
		`"requiredResourceAccess":[{"resourceAppId":"499b84ac-1321-427f-aa17-267ca6975798","resourceAccess":[` +
		`{"id":"aaaaaaaa-0000-0000-0000-000000000001","type":"Scope"},{"id":"aaaaaaaa-0000-0000-0000-000000000002","type":"Scope"},{"id":"aaaaaaaa-0000-0000-0000-000000000003","type":"Scope"}]}]}`
	if compact.String() != app {
		t.Errorf("the app is\n%s, want\n%s", compact.String(), app)
	}
	const id = "22222222-2222-2222-2222-222222222222"
	for _, call := range []string{
		"ad sp create --id " + id, "ad app credential reset --id " + id + " --cert @" + certificate + " --append", "ad app permission admin-consent --id " + id,
	} {
		if calling(calls, call) == "" {
			t.Errorf("%s wasn't called in\n%s", call, strings.Join(calls, "\n"))
		}
	}
	if calling(calls, "ad sp create --id 499b84ac") != "" || calling(calls, "ad app federated") != "" || strings.Contains(strings.Join(calls, " "), "password") {
		t.Errorf("too much was done:\n%s", strings.Join(calls, "\n"))
	}
}

func TestRegisterOtherwise(t *testing.T) {
	_, calls, err := register(t, "", "", "--url", "https://p.example", "--app", "33333333-3333-3333-3333-333333333333", "--issuer", "https://oidc.example/", "--subject", "system:serviceaccount:patdesk:patdesk")
	if err != nil || calling(calls, "rest --method PATCH --url https://graph.microsoft.com/v1.0/applications(appId='33333333-3333-3333-3333-333333333333')") == "" {
		t.Errorf("%v\n%s", err, strings.Join(calls, "\n"))
	}
	if calling(calls, "ad sp create --id 499b84ac") == "" {
		t.Error("a tenant that doesn't know Azure DevOps isn't told of it")
	}
	if c := calling(calls, "ad app federated-credential create"); !strings.Contains(c, `{"name":"patdesk","issuer":"https://oidc.example/","subject":"system:serviceaccount:patdesk:patdesk","audiences":["api://AzureADTokenExchange"]}`) {
		t.Errorf("federated: %q", c)
	}
	if calling(calls, "ad app permission admin-consent") != "" || calling(calls, "ad app list") != "" {
		t.Errorf("too much was done:\n%s", strings.Join(calls, "\n"))
	}
	output, calls, err := register(t, "known", "44444444-4444-4444-4444-444444444444", "--url", "https://p.example")
	if err == nil || !strings.Contains(output, "There is an app of that name already: 44444444") || calling(calls, "rest") != "" {
		t.Errorf("a second one of that name: %v\n%s", err, output)
	}
	for _, args := range [][]string{
		{}, {"--url"}, {"--url", `https://p.example","x":"`}, {"--url", "ftp://p.example"}, {"--url", "https://p.example", "--name", `p"`},
		{"--url", "https://p.example", "--issuer", "https://oidc.example/"}, {"--url", "https://p.example", "--certificate", "/nonexistent"}, {"--secret"},
	} {
		if _, calls, err := register(t, "known", "", args...); err == nil || calling(calls, "rest") != "" {
			t.Errorf("%q was taken: %v", args, calls)
		}
	}
}

// buildContext is what .dockerignore lets into the build of the image: files of the repository, by name.
func buildContext(t *testing.T) map[string][]byte {
	t.Helper()
	tracked, err := run(t, nil, "git", "-C", "..", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		t.Fatalf("%v\n%s", err, tracked)
	}
	var let []string
	for _, m := range regexp.MustCompile(`(?m)^!(.+)$`).FindAllStringSubmatch(read(t, "../.dockerignore"), -1) {
		let = append(let, m[1])
	}
	found := map[string][]byte{}
	for _, name := range strings.Split(strings.TrimRight(tracked, "\x00"), "\x00") {
		in := slices.ContainsFunc(let, func(pattern string) bool {
			matches, err := path.Match(pattern, name)
			return err == nil && matches || strings.HasPrefix(name, pattern+"/")
		})
		if !in || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/testdata/") {
			continue
		}
		content, err := os.ReadFile(filepath.Join("..", name))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		found[name] = content
	}
	return found
}

// buildIn builds a version of the program from files in a folder of its own, as the image's build does.
func buildIn(t *testing.T, files map[string][]byte) (out, folder string) {
	t.Helper()
	folder = t.TempDir()
	for name, content := range files {
		to := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	out = filepath.Join(folder, "out", "patdesk")
	if output, err := run(t, []string{"VERSION=v9.8.7-test", "REVISION=4fb1d5c4a5", "GOFLAGS=-race"}, filepath.Join(folder, "scripts", "build"), out); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return out, folder
}

// Built in two places from what the image's build has, the program is the same bytes, and knows neither of them.
func TestBuildIsReproducible(t *testing.T) {
	files := buildContext(t)
	var builds [2][]byte
	var out, folder string
	for i := range builds {
		out, folder = buildIn(t, files)
		var err error
		if builds[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(builds[i], []byte(folder)) {
			t.Error("the program names the folder that it was built in")
		}
		if said, err := run(t, nil, out, "-version"); err != nil || !strings.HasPrefix(said, "patdesk v9.8.7-test, commit 4fb1d5c4a5, go1.") {
			t.Errorf("-version: %q, %v", said, err)
		}
	}
	if !bytes.Equal(builds[0], builds[1]) {
		t.Error("two builds differ")
	}
	checkContents(t, out)
	// The image holds it and the certificates of public authorities (0.2 MB). This is what a registry keeps and sends.
	layer, err := run(t, nil, "gzip", "-c", out)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d to send", len(builds[0]), len(layer))
	if len(layer) > 19<<20 {
		t.Errorf("the image is %d bytes to send", len(layer))
	}
}

// systemd itself, where it is installed, understands every line of the units.
func TestUnitVerifies(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Log("there is no systemd-analyze on this machine: the units were only read")
		return
	}
	dir := t.TempDir()
	for _, name := range []string{"patdesk.service", "patdesk.socket"} {
		text := strings.Replace(read(t, "systemd/"+name), "ExecStart=/usr/local/bin/patdesk", "ExecStart=/bin/true", 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output, err := run(t, nil, "systemd-analyze", "verify", "--man=no", filepath.Join(dir, "patdesk.service"), filepath.Join(dir, "patdesk.socket"))
	if err != nil || strings.Contains(output, "patdesk.s") {
		t.Errorf("%v\n%s", err, output)
	}
}

// The group of the socket is one that packages make, and that patdesk's settings aren't open to.
func TestSocketGroup(t *testing.T) {
	t.Parallel()
	group := regexp.MustCompile(`(?m)^SocketGroup=(.+)$`).FindStringSubmatch(read(t, "systemd/patdesk.socket"))
	if group == nil || group[1] == "patdesk" {
		t.Fatalf("the socket is of the group %v", group)
	}
	if !strings.Contains(read(t, "packages/sysusers.conf"), "\ng "+group[1]+" -\n") {
		t.Errorf("no package makes the group %s", group[1])
	}
	if !strings.Contains(read(t, "../docs/systemd.md"), "\ngroupadd --system "+group[1]+" ") {
		t.Errorf("docs/systemd.md makes another group than %s", group[1])
	}
}

// The alert rules are right, and fire when they are to, for small teams too; patdesk-alerts-test.yaml has the cases.
func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool is missing; scripts/test-deps installs it: %v", err)
	}
	for file, alerts := range map[string][]string{
		"patdesk": {
			"PatdeskDown", "PatdeskNotReady", "PatdeskErrors", "PatdeskAzureDevOpsFailing", "PatdeskAzureDevOpsSlow", "PatdeskNobodySignsIn",
			"PatdeskRefreshesFailing", "PatdeskDeliveriesFailing", "PatdeskSlow",
		},
		"patdesk-tokens": {
			"PatdeskTokenExpires", "PatdeskTokenLastDay", "PatdeskTokensOutOfDate", "PatdeskOrganizationUnread", "PatdeskTokensLeftOut", "PatdeskTokensGone",
		},
	} {
		rules, cases := "observability/"+file+"-alerts.yaml", "observability/"+file+"-alerts-test.yaml"
		for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", cases}} {
			if output, err := run(t, os.Environ(), promtool, args...); err != nil {
				t.Errorf("%v: %v\n%s", args, err, output)
			}
		}
		for _, alert := range alerts {
			if !strings.Contains(read(t, cases), "alertname: "+alert+"\n") {
				t.Errorf("no case of %s", alert)
			}
		}
	}
	if output, err := run(t, os.Environ(), promtool, "check", "config", "observability/patdesk-tokens-prometheus.yaml"); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}
