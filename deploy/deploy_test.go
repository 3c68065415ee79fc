// Package deploy_test holds the files in this folder against the program: each setting that they name exists and is
// accepted, and ports, users, paths and times are those of the image and of the program.
package deploy_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/handlers/web"
)

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// node is a part of a YAML document, by the names and numbers that lead to it.
type node struct{ value any }

func (n node) at(path ...any) node {
	for _, step := range path {
		switch key := step.(type) {
		case string:
			m, _ := n.value.(map[string]any)
			n = node{m[key]}
		case int:
			l, _ := n.value.([]any)
			if key >= len(l) {
				return node{}
			}
			n = node{l[key]}
		}
	}
	return n
}

func (n node) text() string { s, _ := n.value.(string); return s }
func (n node) number() int  { i, _ := n.value.(int); return i }
func (n node) list() []node {
	l, _ := n.value.([]any)
	var nodes []node
	for _, v := range l {
		nodes = append(nodes, node{v})
	}
	return nodes
}

func (n node) texts() map[string]string {
	m, _ := n.value.(map[string]any)
	found := map[string]string{}
	for k := range m {
		found[k] = n.at(k).text()
	}
	return found
}

// load parses all documents of a file.
func load(t *testing.T, path string) []node {
	t.Helper()
	return parse(t, path, read(t, path))
}

// parse parses all documents of a text, of which what is the name in reports.
func parse(t *testing.T, what, text string) []node {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	var documents []node
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return documents
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if v != nil {
			documents = append(documents, node{v})
		}
	}
}

// find returns the document of a kind and name.
func find(t *testing.T, path, kind, name string) node {
	t.Helper()
	for _, d := range load(t, path) {
		if d.at("kind").text() == kind && d.at("metadata", "name").text() == name {
			return d
		}
	}
	t.Fatalf("%s has no %s %q", path, kind, name)
	return node{}
}

// files are all files below root of these endings.
func files(t *testing.T, root string, endings ...string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains(endings, filepath.Ext(path)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%v, %d files below %s", err, len(found), root)
	}
	return found
}

func TestYAMLParses(t *testing.T) {
	for _, path := range append(files(t, ".", ".yaml", ".yml"), files(t, "../.github", ".yml")...) {
		if strings.HasPrefix(path, chart+"/templates/") {
			continue // rendered by TestChartRenders
		}
		if len(load(t, path)) == 0 {
			t.Errorf("%s is empty", path)
		}
	}
}

// Each kustomization names files and folders that are there.
func TestKustomizationsLeadSomewhere(t *testing.T) {
	seen := 0
	for _, path := range files(t, "kubernetes", ".yaml") {
		if filepath.Base(path) != "kustomization.yaml" {
			continue
		}
		k := load(t, path)[0]
		var names []string
		for _, list := range []string{"resources", "components"} {
			for _, n := range k.at(list).list() {
				names = append(names, n.text())
			}
		}
		for _, p := range k.at("patches").list() {
			if file := p.at("path").text(); file != "" {
				names = append(names, file)
			}
		}
		for _, name := range names {
			seen++
			at := filepath.Join(filepath.Dir(path), name)
			if info, err := os.Stat(at); err != nil {
				t.Errorf("%s names %s: %v", path, name, err)
			} else if info.IsDir() {
				read(t, filepath.Join(at, "kustomization.yaml"))
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d names were found", seen)
	}
}

// image is what the Dockerfile says.
type image struct {
	user, port, volume, health, temporary string
	env                                   map[string]string
	golang                                string
}

func dockerfile(t *testing.T) image {
	t.Helper()
	text := read(t, "../Dockerfile")
	word := func(pattern string) string {
		m := regexp.MustCompile(`(?m)^` + pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("the Dockerfile has no %s", pattern)
		}
		return m[1]
	}
	i := image{user: word(`USER (\S+)`), port: word(`EXPOSE (\d+)`), volume: word(`VOLUME (\S+)`), temporary: word(`ENV TMPDIR=(\S+)`), health: word(`HEALTHCHECK .*CMD (\[.*\])`), golang: word(`FROM --platform=\$BUILDPLATFORM golang:([\d.]+)@sha256:[0-9a-f]{64} AS build`), env: map[string]string{}}
	for _, pair := range strings.Fields(word(`ENV (.*)`)) {
		name, value, _ := strings.Cut(pair, "=")
		i.env[name] = value
	}
	return i
}

// accept loads settings as the program does, with each file that they name in a place where there is one.
func accept(t *testing.T, what string, settings ...map[string]string) config.Config {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file, address, headers := write("file", "b25lLW9uZS1vbmUtb25lLW9uZS1vbmUtb25lLW9uZSE="), write("address", "redis://patdesk:password@redis"), write("headers", "a=b")
	all := map[string]string{}
	for _, some := range settings {
		for name, value := range some {
			switch {
			case name == "REDIS_URL_FILE":
				value = address
			case name == "OTEL_EXPORTER_OTLP_HEADERS_FILE":
				value = headers
			case strings.HasSuffix(name, "_FILE"):
				value = file
			}
			all[name] = value
		}
	}
	for name := range all {
		if !slices.Contains(config.Names(), name) {
			t.Errorf("%s: %s isn't a setting", what, name)
		}
	}
	c, err := config.Load(func(name string) string { return all[name] }, "")
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return c
}

const (
	base  = "kubernetes/base/"
	redis = "kubernetes/overlays/redis/"
)

// What each way to run patdesk sets, together with what the image sets, is accepted by the program.
func TestSettingsAreAccepted(t *testing.T) {
	env := dockerfile(t).env
	data := find(t, base+"configmap.yaml", "ConfigMap", "patdesk").at("data").texts()
	c := accept(t, "base", env, data)
	if c.Redis != nil || c.SessionDir != "/data/sessions" || !c.Secure() {
		t.Errorf("base: %+v", c)
	}
	inRedis := find(t, redis+"settings.yaml", "ConfigMap", "patdesk").at("data").texts()
	if c = accept(t, "overlays/redis", env, data, inRedis); c.Redis == nil || len(c.SessionKeys) != 1 {
		t.Errorf("overlays/redis: %+v", c)
	}
	delete(data, "CLIENT_CERTIFICATE_FILE") // as the component does
	webhook := map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token"}
	if c = accept(t, "overlays/aks", env, data, inRedis, webhook); c.Credential.AssertionFile == "" {
		t.Errorf("overlays/aks: %+v", c)
	}
	if !strings.Contains(read(t, "kubernetes/components/workload-identity/kustomization.yaml"), "path: /data/CLIENT_CERTIFICATE_FILE") {
		t.Error("the component workload-identity leaves the certificate in")
	}

	example := lines(t, "compose/settings.example")
	delete(example, "SITE") // Caddy's
	example["CLIENT_ID"], example["AUTHORITY"] = data["CLIENT_ID"], data["AUTHORITY"]
	if c = accept(t, "compose", env, example, load(t, "compose/compose.yaml")[0].at("services", "patdesk", "environment").texts()); c.Redis == nil {
		t.Errorf("compose: %+v", c)
	}
	unit := map[string]string{}
	for _, pair := range unitValues(t, "Environment") {
		name, value, _ := strings.Cut(pair, "=")
		unit[name] = value
	}
	if c = accept(t, "systemd", unit, example); c.SessionDir != "%S/patdesk/sessions" || c.Credential.CertificateFile == "" {
		t.Errorf("systemd: %+v", c)
	}
}

// lines reads NAME=value lines.
func lines(t *testing.T, path string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=(.*)$`).FindAllStringSubmatch(read(t, path), -1) {
		found[m[1]] = m[2]
	}
	return found
}

// unitValues are the values of one directive of the systemd unit.
func unitValues(t *testing.T, directive string) []string {
	t.Helper()
	var values []string
	for _, m := range regexp.MustCompile(`(?m)^`+directive+`=(.*)$`).FindAllStringSubmatch(read(t, "systemd/patdesk.service"), -1) {
		values = append(values, m[1])
	}
	return values
}

// Ports, users, folders and health checks are those of the image.
func TestAgreesWithTheImage(t *testing.T) {
	i := dockerfile(t)
	uid, gid, _ := strings.Cut(i.user, ":")
	pod := find(t, base+"deployment.yaml", "Deployment", "patdesk").at("spec", "template", "spec")
	container := pod.at("containers", 0)
	compose := load(t, "compose/compose.yaml")[0].at("services", "patdesk")
	var health []string
	for _, n := range compose.at("healthcheck", "test").list() {
		health = append(health, n.text())
	}
	for what, pair := range map[string][2]string{
		"LISTEN_ADDRESS":          {i.env["LISTEN_ADDRESS"], "0.0.0.0:" + i.port},
		"SESSION_DIR":             {filepath.Dir(i.env["SESSION_DIR"]), i.volume},
		"temporary files":         {i.temporary, i.volume},
		"port of the pod":         {itoa(container.at("ports", 0, "containerPort").number()), i.port},
		"port of the metrics":     {":" + itoa(container.at("ports", 1, "containerPort").number()), find(t, base+"configmap.yaml", "ConfigMap", "patdesk").at("data", "METRICS_ADDRESS").text()},
		"its name, to Prometheus": {find(t, base+"networkpolicy.yaml", "NetworkPolicy", "patdesk").at("spec", "ingress", 1, "ports", 0, "port").text(), container.at("ports", 1, "name").text()},
		"its name":                {find(t, base+"service.yaml", "Service", "patdesk").at("spec", "ports", 0, "targetPort").text(), container.at("ports", 0, "name").text()},
		"port that Caddy asks":    {regexp.MustCompile(`port (\d+)`).FindStringSubmatch(read(t, "compose/Caddyfile"))[1], i.port},
		"user of the pod":         {itoa(pod.at("securityContext", "runAsUser").number()), uid},
		"group of the pod":        {itoa(pod.at("securityContext", "runAsGroup").number()), gid},
		"group of its volumes":    {itoa(pod.at("securityContext", "fsGroup").number()), gid},
		"user in compose":         {compose.at("user").text(), i.user},
		"volume of the pod":       {container.at("volumeMounts", 0, "mountPath").text(), i.volume},
		"health check in compose": {strings.Join(health[1:], " "), strings.NewReplacer(`"`, "", "[", "", "]", "", ",", "").Replace(i.health)},
		"Go of the workflows":     {strings.Join(goVersions(t), " "), i.golang},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		path := container.at(probe, "httpGet", "path").text()
		if path != web.HealthPath && path != web.ReadyPath || container.at(probe, "httpGet", "port").text() != "http" {
			t.Errorf("%s asks %q", probe, path)
		}
	}
	if container.at("readinessProbe", "httpGet", "path").text() != web.ReadyPath || container.at("livenessProbe", "httpGet", "path").text() != web.HealthPath {
		t.Error("the probes are mixed up")
	}
}

func itoa(i int) string { return strconv.Itoa(i) }

// goVersions are the different versions of Go that the workflows build with.
func goVersions(t *testing.T) []string {
	t.Helper()
	var versions []string
	for _, path := range files(t, "../.github/workflows", ".yml") {
		for _, m := range regexp.MustCompile(`go-version: (\S+)`).FindAllStringSubmatch(read(t, path), -1) {
			versions = append(versions, m[1])
		}
	}
	slices.Sort(versions)
	return slices.Compact(versions)
}

// Whoever ends the program waits at least as long as it takes to finish what is in flight.
func TestThereIsTimeToStop(t *testing.T) {
	source := read(t, "../internal/app/app.go")
	constant := func(name string) time.Duration {
		m := regexp.MustCompile(`(?m)^\t` + name + `\s*= (\d+) \* time.Second`).FindStringSubmatch(source)
		if m == nil {
			t.Fatalf("internal/app/app.go has no %s", name)
		}
		d, err := time.ParseDuration(m[1] + "s")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	needed := constant("stopTimeout")
	delay, err := time.ParseDuration(defaultOf("SHUTDOWN_DELAY"))
	if err != nil {
		t.Fatal(err)
	}
	needed += delay
	pod := find(t, base+"deployment.yaml", "Deployment", "patdesk").at("spec", "template", "spec")
	pause := seconds(pod.at("containers", 0, "lifecycle", "preStop", "sleep", "seconds").number())
	compose, err := time.ParseDuration(load(t, "compose/compose.yaml")[0].at("services", "patdesk", "stop_grace_period").text())
	if err != nil {
		t.Fatal(err)
	}
	unit, err := time.ParseDuration(unitValues(t, "TimeoutStopSec")[0] + "s")
	if err != nil {
		t.Fatal(err)
	}
	for what, given := range map[string]time.Duration{
		"Kubernetes": seconds(pod.at("terminationGracePeriodSeconds").number()) - pause, "compose": compose, "systemd": unit,
	} {
		if given <= needed {
			t.Errorf("%s gives %v, but %v are needed", what, given, needed)
		}
	}
	refusal := read(t, chart+"/templates/_refuse.tpl")
	for _, counted := range []string{fmt.Sprintf("(int $seconds) %.0f ", constant("stopTimeout").Seconds()), `default "` + defaultOf("SHUTDOWN_DELAY") + `" $v.settings.SHUTDOWN_DELAY`} {
		if !strings.Contains(refusal, counted) {
			t.Errorf("the chart counts without %s", counted)
		}
	}
	if pause == 0 {
		t.Error("a pod doesn't wait until nobody sends to it any more")
	}
}

// defaultOf is a setting's default.
func defaultOf(name string) string {
	for _, s := range config.Settings() {
		if s.Name == name {
			return s.Default
		}
	}
	return ""
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// Every pod holds to the restricted standard, which the namespace enforces, and reads nothing of the cluster.
func TestPodsAreRestricted(t *testing.T) {
	pods := 0
	for _, path := range files(t, "kubernetes", ".yaml") {
		if strings.HasPrefix(path, redis) {
			continue // patches
		}
		for _, d := range load(t, path) {
			if d.at("kind").text() != "Deployment" {
				continue
			}
			pods++
			spec := d.at("spec", "template", "spec")
			for _, c := range spec.at("containers").list() {
				for what, ok := range map[string]bool{
					"root":                 spec.at("securityContext", "runAsNonRoot").value == true,
					"seccomp":              spec.at("securityContext", "seccompProfile", "type").text() == "RuntimeDefault",
					"token of the cluster": spec.at("automountServiceAccountToken").value == false,
					"more privileges":      c.at("securityContext", "allowPrivilegeEscalation").value == false,
					"writable root":        c.at("securityContext", "readOnlyRootFilesystem").value == true,
					"capabilities":         c.at("securityContext", "capabilities", "drop", 0).text() == "ALL" && c.at("securityContext", "capabilities", "add").value == nil,
					"memory":               c.at("resources", "limits", "memory").text() != "",
					"probes":               c.at("startupProbe").value != nil && c.at("livenessProbe").value != nil && c.at("readinessProbe").value != nil,
				} {
					if !ok {
						t.Errorf("%s, %s: %s", path, c.at("name").text(), what)
					}
				}
			}
		}
	}
	if pods != 2 {
		t.Errorf("%d pods were seen", pods)
	}
	if find(t, base+"namespace.yaml", "Namespace", "patdesk").at("metadata", "labels", "pod-security.kubernetes.io/enforce").text() != "restricted" {
		t.Error("the namespace doesn't enforce it")
	}
	// A volume that Kubernetes opens to its group at every mount is one that patdesk refuses at the second start.
	if find(t, base+"deployment.yaml", "Deployment", "patdesk").at("spec", "template", "spec", "securityContext", "fsGroupChangePolicy").text() != "OnRootMismatch" {
		t.Error("the volume's modes are changed at every start")
	}
}

// A volume is for one pod, so it isn't replaced while it runs; with Redis pods come before others go.
func TestReplicas(t *testing.T) {
	one := find(t, base+"deployment.yaml", "Deployment", "patdesk").at("spec")
	several := find(t, redis+"deployment.yaml", "Deployment", "patdesk").at("spec")
	if one.at("replicas").number() != 1 || one.at("strategy", "type").text() != "Recreate" {
		t.Error("base shares a volume")
	}
	if several.at("replicas").number() < 2 || several.at("strategy", "rollingUpdate", "maxUnavailable").value != 0 || len(several.at("template", "spec", "topologySpreadConstraints").list()) == 0 {
		t.Error("overlays/redis isn't always there")
	}
	if find(t, base+"poddisruptionbudget.yaml", "PodDisruptionBudget", "patdesk").at("spec", "maxUnavailable").number() != 1 {
		t.Error("one pod at a time")
	}
}

// Nobody but the proxy can be reached from outside, and nothing runs with more rights than it needs.
func TestComposeIsClosed(t *testing.T) {
	c := load(t, "compose/compose.yaml")[0]
	for name := range c.at("services").texts() {
		s := c.at("services", name)
		if (s.at("ports").value != nil) != (name == "caddy") {
			t.Errorf("%s: ports %v", name, s.at("ports").value)
		}
		if s.at("read_only").value != true || s.at("cap_drop", 0).text() != "ALL" || s.at("security_opt", 0).text() != "no-new-privileges:true" {
			t.Errorf("%s has too many rights", name)
		}
	}
	if nets := c.at("services", "redis", "networks").list(); len(nets) != 1 || nets[0].text() != "back" || c.at("networks", "back", "internal").value != true {
		t.Error("Redis has a way out")
	}
	subnet := c.at("networks", "front", "ipam", "config", 0, "subnet").text()
	if trusted := c.at("services", "patdesk", "environment", "TRUSTED_PROXIES").text(); trusted != subnet {
		t.Errorf("the proxy's network is %s, trusted is %s", subnet, trusted)
	}
	for _, path := range []string{"compose/settings", "compose/secrets"} {
		if !strings.Contains(read(t, "../.gitignore"), "/deploy/"+path) {
			t.Errorf("%s could be committed", path)
		}
	}
}

// The unit starts what it says, and a wrong setting isn't tried over and over.
func TestUnit(t *testing.T) {
	for directive, want := range map[string]string{
		"ExecStart": "/usr/local/bin/patdesk", "RestartPreventExitStatus": "2", "DynamicUser": "yes", "ProtectSystem": "strict",
		"StateDirectoryMode": "0700", "CapabilityBoundingSet": "", "NoNewPrivileges": "yes", "MemoryDenyWriteExecute": "yes",
	} {
		if got := unitValues(t, directive); len(got) != 1 || got[0] != want {
			t.Errorf("%s = %q, want %q", directive, got, want)
		}
	}
	if !strings.Contains(read(t, "../main.go"), "exitMisused = 2 ") {
		t.Error("another exit code means that the settings are wrong")
	}
	seen := map[string]bool{}
	for line := range strings.Lines(read(t, "systemd/patdesk.service")) {
		name, _, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") && !slices.Contains([]string{"Environment", "SystemCallFilter"}, name) {
			if seen[name] {
				t.Errorf("%s is set twice", name)
			}
			seen[name] = true
		}
	}
}

// Each action is pinned by its commit, with the version beside it for people and for Dependabot, and may do no more
// than it must.
func TestWorkflowsArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^\s*(?:- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$`)
	versions := map[string]string{}
	for _, path := range files(t, "../.github/workflows", ".yml") {
		text := read(t, path)
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			if !strings.Contains(line, "uses:") || strings.Contains(line, "uses: ./") {
				continue
			}
			if !pinned.MatchString(line) {
				t.Errorf("%s: %s", path, line)
			}
			action, commit, _ := strings.Cut(strings.TrimSpace(line), "@")
			if other, ok := versions[action]; ok && other != commit {
				t.Errorf("%s: %s in two versions", path, action)
			}
			versions[action] = commit
		}
		if w := load(t, path)[0]; len(w.at("permissions").texts()) != 1 || w.at("permissions", "contents").text() != "read" {
			t.Errorf("%s: all jobs may %v", path, w.at("permissions").value)
		}
		for _, m := range regexp.MustCompile(`run: make ([\w-]+)`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(read(t, "../Makefile"), "\n"+m[1]+": ##") {
				t.Errorf("%s: there is no target %s", path, m[1])
			}
		}
	}
	if len(versions) < 5 {
		t.Errorf("only %d actions were seen", len(versions))
	}
}
