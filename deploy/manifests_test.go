package deploy_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/handlers/web"
)

// manifests are what Kubernetes is handed to run patdesk, of the chart or of kustomize.
type manifests []node

// one is the document of a kind and name; of nothing there is an empty one.
func (m manifests) one(kind, name string) node {
	for _, d := range m {
		if d.at("kind").text() == kind && d.at("metadata", "name").text() == name {
			return d
		}
	}
	return node{}
}

func (m manifests) of(kind string) []node {
	var found []node
	for _, d := range m {
		if d.at("kind").text() == kind {
			found = append(found, d)
		}
	}
	return found
}

// has compares the kinds of all documents with those that are wanted, sorted.
func (m manifests) has(t *testing.T, kinds ...string) {
	t.Helper()
	var found []string
	for _, d := range m {
		found = append(found, d.at("kind").text())
	}
	slices.Sort(found)
	if !slices.Equal(found, kinds) {
		t.Errorf("there are %v, want %v", found, kinds)
	}
}

// template is that of the pods that serve.
func (m manifests) template() node {
	for _, d := range m.of("Deployment") {
		if t := d.at("spec", "template"); t.at("metadata", "labels", "app.kubernetes.io/component").text() == "web" {
			return t
		}
	}
	return node{}
}

func (m manifests) pod() node { return m.template().at("spec") }

func (m manifests) volume(name string) node { return named(m.pod().at("volumes"), name) }

// named is the one of a list with that name.
func named(list node, name string) node {
	for _, n := range list.list() {
		if n.at("name").text() == name {
			return n
		}
	}
	return node{}
}

// within reports whether labels are among others, as a selector's must be among those of what it selects.
func within(labels, others map[string]string) bool {
	for k, v := range labels {
		if others[k] != v {
			return false
		}
	}
	return len(labels) > 0
}

// check holds the documents against each other, against the image and against the program, and returns what the program
// reads of the settings in there.
func (m manifests) check(t *testing.T) config.Config {
	t.Helper()
	seen := map[string]bool{}
	for _, d := range m {
		kind, name := d.at("kind").text(), d.at("metadata", "name").text()
		if kind == "" || name == "" || len(name) > 63 || d.at("apiVersion").text() == "" || seen[kind+name] {
			t.Errorf("%s %q: no kind, version or name of its own", kind, name)
		}
		seen[kind+name] = true
	}
	m.checkSelectors(t)
	m.checkRoutes(t)
	var c config.Config
	for _, pod := range append(m.tests(), m.pod()) {
		m.checkVolumes(t, pod)
		checkRights(t, pod)
		if env := m.environment(pod.at("containers", len(pod.at("containers").list())-1)); len(env) > 0 {
			c = m.accepted(t, pod, env)
		}
	}
	m.checkProbes(t)
	return c
}

// tests are the pods of helm test.
func (m manifests) tests() []node {
	var pods []node
	for _, d := range m.of("Pod") {
		pods = append(pods, d.at("spec"))
	}
	return pods
}

// checkSelectors: whatever selects pods or Services finds them, and names ports that they have.
func (m manifests) checkSelectors(t *testing.T) {
	t.Helper()
	labels, ports := m.template().at("metadata", "labels").texts(), m.pod().at("containers", 0, "ports")
	selects := func(d node, selector node, names ...node) {
		t.Helper()
		what := d.at("kind").text() + " " + d.at("metadata", "name").text()
		if strings.HasSuffix(what, "-redis") {
			return // has pods of its own
		}
		if !within(selector.texts(), labels) {
			t.Errorf("%s selects %v, pods have %v", what, selector.texts(), labels)
		}
		for _, name := range names {
			if named(ports, name.text()).value == nil {
				t.Errorf("%s: no port of the pod is called %q", what, name.text())
			}
		}
	}
	for _, d := range m.of("Deployment") {
		selects(d, d.at("spec", "selector", "matchLabels"))
	}
	for _, d := range m.of("Service") {
		if d.at("metadata", "name").text() != "patdesk-redis" {
			selects(d, d.at("spec", "selector"), d.at("spec", "ports", 0, "targetPort"))
		}
	}
	for _, d := range m.of("PodDisruptionBudget") {
		selects(d, d.at("spec", "selector", "matchLabels"))
	}
	for _, d := range m.of("PodMonitor") {
		selects(d, d.at("spec", "selector", "matchLabels"), d.at("spec", "podMetricsEndpoints", 0, "port"))
	}
	for _, d := range m.of("NetworkPolicy") {
		var names []node
		for _, rule := range d.at("spec", "ingress").list() {
			names = append(names, rule.at("ports", 0, "port"))
		}
		selects(d, d.at("spec", "podSelector", "matchLabels"), names...)
	}
	for _, d := range m.of("ServiceMonitor") {
		found := 0
		for _, s := range m.of("Service") {
			if within(d.at("spec", "selector", "matchLabels").texts(), s.at("metadata", "labels").texts()) {
				found++
				if named(s.at("spec", "ports"), d.at("spec", "endpoints", 0, "port").text()).value == nil {
					t.Error("the ServiceMonitor names a port that the Service hasn't")
				}
			}
		}
		if found != 1 {
			t.Errorf("the ServiceMonitor finds %d Services", found)
		}
	}
}

// checkRoutes: what leads people to pages leads to the Service that has them.
func (m manifests) checkRoutes(t *testing.T) {
	t.Helper()
	for _, d := range m.of("Ingress") {
		backend := d.at("spec", "rules", 0, "http", "paths", 0, "backend", "service")
		if port := named(m.one("Service", backend.at("name").text()).at("spec", "ports"), backend.at("port", "name").text()); port.at("targetPort").text() != "http" {
			t.Errorf("the Ingress leads to %v", backend)
		}
	}
	for _, d := range m.of("HTTPRoute") {
		backend := d.at("spec", "rules", 0, "backendRefs", 0)
		port := m.one("Service", backend.at("name").text()).at("spec", "ports", 0)
		if port.at("port").number() != backend.at("port").number() || port.at("targetPort").text() != "http" {
			t.Errorf("the HTTPRoute leads to %v", backend)
		}
	}
	if name := m.pod().at("serviceAccountName").text(); m.one("ServiceAccount", name).value == nil && len(m.of("ServiceAccount")) > 0 {
		t.Errorf("there is no account %q", name)
	}
	for _, d := range m.of("PersistentVolumeClaim") {
		if d.at("metadata", "name").text() != m.volume("data").at("persistentVolumeClaim", "claimName").text() {
			t.Error("nothing uses the volume")
		}
	}
}

// checkVolumes: each volume is mounted, and each mount has one.
func (m manifests) checkVolumes(t *testing.T, pod node) {
	t.Helper()
	mounted := map[string]bool{}
	for _, c := range pod.at("containers").list() {
		at := map[string]bool{}
		for _, mount := range c.at("volumeMounts").list() {
			name, path := mount.at("name").text(), mount.at("mountPath").text()
			mounted[name] = true
			if named(pod.at("volumes"), name).value == nil || at[path] {
				t.Errorf("the mount %s at %s has no volume or no place of its own", name, path)
			}
			at[path] = true
		}
	}
	for _, v := range pod.at("volumes").list() {
		if !mounted[v.at("name").text()] {
			t.Errorf("the volume %s isn't mounted", v.at("name").text())
		}
	}
}

// checkRights: as the namespace's standard "restricted" wants it, and as the image is built.
func checkRights(t *testing.T, pod node) {
	t.Helper()
	s := pod.at("securityContext")
	uid, gid, _ := strings.Cut(dockerfile(t).user, ":")
	if user := s.at("runAsUser"); user.value != nil && (itoa(user.number()) != uid || itoa(s.at("runAsGroup").number()) != gid || itoa(s.at("fsGroup").number()) != gid) {
		t.Errorf("the pod's users %v aren't the image's", s.value)
	}
	if s.at("runAsNonRoot").value != true || s.at("seccompProfile", "type").text() != "RuntimeDefault" || s.at("fsGroupChangePolicy").text() != "OnRootMismatch" || pod.at("automountServiceAccountToken").value != false {
		t.Errorf("the pod has too many rights: %v", s.value)
	}
	for _, c := range pod.at("containers").list() {
		if s := c.at("securityContext"); s.at("allowPrivilegeEscalation").value != false || s.at("readOnlyRootFilesystem").value != true || s.at("capabilities", "drop", 0).text() != "ALL" || c.at("resources", "limits", "memory").text() == "" {
			t.Errorf("%s has too many rights: %v", c.at("name").text(), s.value)
		}
	}
}

// checkProbes: the pod that serves is asked where the program answers.
func (m manifests) checkProbes(t *testing.T) {
	t.Helper()
	c := m.pod().at("containers", 0)
	if itoa(c.at("ports", 0, "containerPort").number()) != dockerfile(t).port || c.at("ports", 0, "name").text() != "http" {
		t.Errorf("the pod's port is %v", c.at("ports", 0).value)
	}
	for probe, path := range map[string]string{"startupProbe": web.HealthPath, "livenessProbe": web.HealthPath, "readinessProbe": web.ReadyPath} {
		if asked := c.at(probe, "httpGet"); asked.at("path").text() != path || asked.at("port").text() != "http" {
			t.Errorf("%s asks %v", probe, asked.value)
		}
	}
}

// environment is what the container gets from ConfigMaps among the documents and from plain values.
func (m manifests) environment(container node) map[string]string {
	env := map[string]string{}
	for _, from := range container.at("envFrom").list() {
		for name, value := range m.one("ConfigMap", from.at("configMapRef", "name").text()).at("data").texts() {
			env[name] = value
		}
	}
	for _, e := range container.at("env").list() {
		if value := e.at("value").text(); value != "" {
			env[e.at("name").text()] = value
		} else if slices.Contains(config.Names(), e.at("name").text()) {
			env[e.at("name").text()] = "from-a-secret"
		}
	}
	return env
}

// accepted is what the program reads of a pod's environment. Files that it names must be mounted.
func (m manifests) accepted(t *testing.T, pod node, env map[string]string) config.Config {
	t.Helper()
	container := pod.at("containers", len(pod.at("containers").list())-1)
	settings := map[string]string{}
	for name, value := range env {
		if !slices.Contains(config.Names(), name) {
			continue // Go's, or OpenTelemetry's
		}
		settings[name] = value
		if strings.HasSuffix(name, "_FILE") && !mounts(pod, container, value) {
			t.Errorf("%s is %s, which isn't mounted", name, value)
		}
	}
	if m.template().at("metadata", "labels", "azure.workload.identity/use").text() == "true" {
		settings["AZURE_FEDERATED_TOKEN_FILE"] = "/var/run/secrets/azure/tokens/azure-identity-token" // the webhook's
	}
	return accept(t, "the pod", dockerfile(t).env, settings)
}

// mounts reports whether a file is in the container: in a volume of whose files it is one, where that can be seen.
func mounts(pod, container node, file string) bool {
	for _, mount := range container.at("volumeMounts").list() {
		if mount.at("mountPath").text() != path.Dir(file) {
			continue
		}
		sources := named(pod.at("volumes"), mount.at("name").text()).at("projected", "sources").list()
		if len(sources) == 0 {
			return true
		}
		for _, s := range sources {
			if s.at("serviceAccountToken", "path").text() == path.Base(file) {
				return true
			}
			for _, item := range s.at("secret", "items").list() {
				if item.at("path").text() == path.Base(file) {
					return true
				}
			}
		}
	}
	return false
}

// kustomize builds what a kustomization in a folder beside kubernetes says.
func kustomize(t *testing.T, kustomization string) manifests {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "overlay")
	if err := os.CopyFS(filepath.Join(filepath.Dir(dir), "kubernetes"), os.DirFS("kubernetes")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(kustomization), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := kustomizeTool()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "build", dir)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("kustomize: %v", err)
	}
	return parse(t, "kustomize", string(output))
}

// Each overlay, and each with the components that fit it, is built by the real kustomize and held together.
func TestKustomizeBuilds(t *testing.T) {
	if leftOut(t, kustomizeTool) {
		return
	}
	for what, k := range map[string]string{
		"base":           "resources: [../kubernetes/base]",
		"overlays/redis": "resources: [../kubernetes/overlays/redis]",
		"overlays/aks":   "resources: [../kubernetes/overlays/aks]",
		"HTTPRoute":      "resources: [../kubernetes/base]\ncomponents: [../kubernetes/components/httproute]",
		"all components": "resources: [../kubernetes/overlays/aks]\ncomponents: [../kubernetes/components/httproute, ../kubernetes/components/podmonitor]",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := kustomize(t, "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"+k)
			c := m.check(t)
			if (c.Redis != nil) != strings.Contains(k, "overlays") {
				t.Errorf("Redis: %v", c.Redis)
			}
			if routes, ingresses := len(m.of("HTTPRoute")), len(m.of("Ingress")); routes+ingresses != 1 || (routes == 1) != strings.Contains(k, "httproute") {
				t.Errorf("%d routes, %d ingresses", routes, ingresses)
			}
		})
	}
}
