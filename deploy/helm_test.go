package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/testkit"
)

const chart = "helm/patdesk"

// Tools of scripts/tool in their pinned versions, looked for once.
var (
	helmTool      = sync.OnceValues(func() (string, error) { return tool("helm") })
	kustomizeTool = sync.OnceValues(func() (string, error) { return tool("kustomize") })
)

var errNotBuilt = errors.New("a tool isn't built here yet")

// tool finds a tool, and builds it where everything is tried, which takes minutes the first time ever. Else it does so for
// nobody who didn't ask for it.
func tool(name string) (path string, err error) {
	args := []string{name}
	if !testkit.Long() && !*whole {
		args = append(args, "if-built")
	}
	cmd := exec.Command("../scripts/tool", args...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil && len(args) > 1 {
		err = errNotBuilt
	}
	return strings.TrimSpace(string(output)), err
}

// leftOut reports that a short run does without a test, as one of the tools that it needs isn't built yet. A long one builds it.
func leftOut(t *testing.T, tools ...func() (string, error)) bool {
	t.Helper()
	for _, tool := range tools {
		if _, err := tool(); errors.Is(err, errNotBuilt) {
			t.Logf("left to make test-long: %v", err)
			return true
		}
	}
	return false
}

// helm runs the real one, without anything of whoever runs the test.
func helm(t *testing.T, args ...string) (output, problem string, err error) {
	t.Helper()
	path, err := helmTool()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+filepath.Join(home, "none"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// minimal is what everybody has to fill in, with an image since the chart in this folder is no released one.
const minimal = `
image: {tag: v1.2.3}
settings:
  CLIENT_ID: 11111111-2222-3333-4444-555555555555
  AUTHORITY: https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555
  BASE_URL: https://patdesk.example.com
  TRUSTED_PROXIES: 10.244.0.0/16
credential:
  certificate: {existingSecret: patdesk}
`

// inRedis is added to keep sessions in a Redis.
const inRedis = `
redis: {enabled: true, url: "rediss://patdesk@redis.example.com:6380", password: {existingSecret: redis, key: password}}
sessionKeys: {existingSecret: patdesk}
`

// withValues are the arguments that hand values to helm, of which later ones win.
func withValues(t *testing.T, values ...string) []string {
	t.Helper()
	var args []string
	for i, v := range values {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.yaml", i))
		if err := os.WriteFile(path, []byte(v), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--values", path)
	}
	return args
}

// render is what the chart makes of values.
func render(t *testing.T, release string, values ...string) manifests {
	t.Helper()
	output, problem, err := helm(t, append([]string{"template", release, chart, "--namespace", "patdesk"}, withValues(t, values...)...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, problem)
	}
	return parse(t, "the chart", output)
}

func tree(t *testing.T, values string) map[string]any {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(values), &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// Each of these is linted, rendered, and held together: see manifests.check.
func TestChartRenders(t *testing.T) {
	if leftOut(t, helmTool) {
		return
	}
	for name, c := range map[string]struct {
		values []string
		check  func(t *testing.T, m manifests, c config.Config)
	}{
		"minimal": {nil, func(t *testing.T, m manifests, c config.Config) {
			m.has(t, "ConfigMap", "Deployment", "PersistentVolumeClaim", "Pod", "PodDisruptionBudget", "Service", "Service", "ServiceAccount")
			if c.SessionDir != "/data/sessions" || c.Credential.CertificateFile == "" || c.LogFormat != "json" || c.MetricsAddress != ":9464" {
				t.Errorf("%+v", c)
			}
			if image := m.pod().at("containers", 0, "image").text(); image != "ghcr.io/patdesk/patdesk:v1.2.3" {
				t.Errorf("image %s", image)
			}
		}},
		"everything is text": {[]string{"settings: {RATE_LIMIT_SIGN_INS: 1000000, ORGANIZATIONS: [contoso, fabrikam], SHUTDOWN_DELAY: 9s, LOG_FORMAT: null, ALLOW_HTTP: false}"}, func(t *testing.T, m manifests, c config.Config) {
			if c.SignInsPerMinute != 1000000 || !slices.Equal(c.Organizations, []string{"contoso", "fabrikam"}) || c.LogFormat != "text" {
				t.Errorf("%+v", c)
			}
		}},
		"digest": {[]string{"image: {digest: 'sha256:" + strings.Repeat("0a", 32) + "', repository: registry.example.com/patdesk, pullPolicy: Always}\nimagePullSecrets: [{name: registry}]"}, func(t *testing.T, m manifests, _ config.Config) {
			if image := m.pod().at("containers", 0, "image").text(); image != "registry.example.com/patdesk@sha256:"+strings.Repeat("0a", 32) {
				t.Errorf("image %s", image)
			}
			if m.pod().at("imagePullSecrets", 0, "name").text() != "registry" {
				t.Error("nothing to pull with")
			}
		}},
		"client secret": {[]string{"credential: {certificate: {existingSecret: ''}, clientSecret: {value: one~two}}"}, func(t *testing.T, m manifests, c config.Config) {
			if secret := m.one("Secret", "patdesk").at("data", "client_secret").text(); secret != "b25lfnR3bw==" {
				t.Errorf("the Secret has %q", secret)
			}
			if !c.Credential.Secret.IsSet() || c.Credential.CertificateFile != "" {
				t.Errorf("%+v", c.Credential)
			}
		}},
		"certificate of cert-manager": {[]string{"credential: {certificate: {existingSecret: cert, key: tls-combined.pem}}"}, func(t *testing.T, m manifests, _ config.Config) {
			if source := m.volume("secrets").at("projected", "sources", 0, "secret"); source.at("name").text() != "cert" || source.at("items", 0, "key").text() != "tls-combined.pem" {
				t.Errorf("%v", source)
			}
		}},
		"PFX": {[]string{"credential: {certificate: {existingSecret: '', value: QUJD}, certificatePassword: {value: open}}"}, func(t *testing.T, m manifests, c config.Config) {
			if len(m.one("Secret", "patdesk").at("data").texts()) != 2 || !c.Credential.CertificatePassword.IsSet() {
				t.Errorf("%+v", c.Credential)
			}
		}},
		"workload identity": {[]string{"credential: {certificate: {existingSecret: ''}, workloadIdentity: {enabled: true, tenantId: t}}\nserviceAccount: {annotations: {a: b}}"}, func(t *testing.T, m manifests, _ config.Config) {
			annotations := m.one("ServiceAccount", "patdesk").at("metadata", "annotations").texts()
			if annotations["azure.workload.identity/client-id"] != "11111111-2222-3333-4444-555555555555" || annotations["azure.workload.identity/tenant-id"] != "t" || annotations["a"] != "b" {
				t.Errorf("%v", annotations)
			}
			if m.one("Deployment", "patdesk").at("spec", "template", "metadata", "labels", "azure.workload.identity/use").text() != "true" {
				t.Error("the webhook passes the pods over")
			}
		}},
		"workload identity without the webhook": {[]string{"credential: {certificate: {existingSecret: ''}, workloadIdentity: {enabled: true, webhook: false}}"}, func(t *testing.T, m manifests, c config.Config) {
			token := m.volume("identity").at("projected", "sources", 0, "serviceAccountToken")
			if token.at("audience").text() != "api://AzureADTokenExchange" || token.at("path").text() != "token" || c.Credential.AssertionFile == "" {
				t.Errorf("%v, %+v", token, c.Credential)
			}
		}},
		"Key Vault": {[]string{"settings: {KEY_VAULT_URL: 'https://patdesk.vault.azure.net', KEY_VAULT_CERTIFICATE: patdesk}\ncredential: {certificate: {existingSecret: ''}, workloadIdentity: {enabled: true, clientId: of-the-identity}}"}, func(t *testing.T, m manifests, c config.Config) {
			if c.Credential.VaultCertificate != "patdesk" || m.one("ServiceAccount", "patdesk").at("metadata", "annotations", "azure.workload.identity/client-id").text() != "of-the-identity" {
				t.Errorf("%+v", c.Credential)
			}
		}},
		"secrets from elsewhere": {[]string{"settings: {CLIENT_SECRET_FILE: /mnt/secrets/one}\ncredential: {certificate: {existingSecret: ''}}\nextraVolumes: [{name: vault, csi: {driver: secrets-store.csi.k8s.io, readOnly: true}}]\nextraVolumeMounts: [{name: vault, mountPath: /mnt/secrets, readOnly: true}]"}, func(t *testing.T, m manifests, c config.Config) {
			if m.volume("vault").at("csi", "driver").text() == "" || !c.Credential.Secret.IsSet() {
				t.Errorf("%+v", c.Credential)
			}
		}},
		"variables of other Secrets": {[]string{"credential: {certificate: {existingSecret: ''}}\nextraEnv: [{name: CLIENT_SECRET, valueFrom: {secretKeyRef: {name: a, key: b}}}, {name: TZ, value: UTC}]\nextraEnvFrom: [{secretRef: {name: more}}]"}, func(t *testing.T, m manifests, _ config.Config) {
			if m.pod().at("containers", 0, "envFrom", 1, "secretRef", "name").text() != "more" || m.pod().at("containers", 0, "env", 1, "name").text() != "CLIENT_SECRET" {
				t.Errorf("%v", m.pod().at("containers", 0, "env"))
			}
		}},
		"Redis": {[]string{inRedis, "replicaCount: 3"}, func(t *testing.T, m manifests, c config.Config) {
			m.has(t, "ConfigMap", "Deployment", "Pod", "PodDisruptionBudget", "Service", "Service", "ServiceAccount")
			if c.Redis == nil || len(c.SessionKeys) != 1 || len(m.pod().at("topologySpreadConstraints").list()) != 2 {
				t.Errorf("%+v", c)
			}
		}},
		"Redis by a Secret": {[]string{inRedis, "redis: {url: '', urlFrom: {existingSecret: redis}, password: {existingSecret: ''}}\nsessionKeys: {existingSecret: '', value: b25lLW9uZS1vbmUtb25lLW9uZS1vbmUtb25lLW9uZSE=}"}, func(t *testing.T, m manifests, c config.Config) {
			if c.Redis == nil || m.one("ConfigMap", "patdesk").at("data", "REDIS_URL").value != nil || m.one("Secret", "patdesk").at("data", "session_keys").text() == "" {
				t.Errorf("%+v", c)
			}
		}},
		"Sentinel closed in": {[]string{inRedis, "redis: {url: 'redis+sentinel://patdesk@a:26379,b:26379/mymaster'}\nnetworkPolicy: {enabled: true, extraEgress: [{to: [{podSelector: {matchLabels: {app: redis}}}], ports: [{port: 6379}]}]}"}, func(t *testing.T, m manifests, _ config.Config) {
			rules := m.one("NetworkPolicy", "patdesk").at("spec", "egress").list()
			if last := rules[len(rules)-1]; last.at("to", 0, "podSelector", "matchLabels", "app").text() != "redis" {
				t.Errorf("%v", last)
			}
		}},
		"Ingress": {[]string{"settings: {BASE_URL: https://tools.example.com/pat/}\ningress: {enabled: true, className: any, annotations: {a: 'true'}, tls: {secretName: tls}}"}, func(t *testing.T, m manifests, _ config.Config) {
			spec := m.one("Ingress", "patdesk").at("spec")
			if spec.at("ingressClassName").text() != "any" || spec.at("rules", 0, "host").text() != "tools.example.com" || spec.at("rules", 0, "http", "paths", 0, "path").text() != "/pat" || spec.at("tls", 0, "secretName").text() != "tls" || spec.at("tls", 0, "hosts", 0).text() != "tools.example.com" {
				t.Errorf("%v", spec)
			}
		}},
		"Ingress of the default class": {[]string{"ingress: {enabled: true, tls: {enabled: false}, labels: {l: m}}"}, func(t *testing.T, m manifests, _ config.Config) {
			i := m.one("Ingress", "patdesk")
			if i.at("spec", "ingressClassName").value != nil || i.at("spec", "tls").value != nil || i.at("metadata", "annotations").value != nil || i.at("spec", "rules", 0, "http", "paths", 0, "path").text() != "/" {
				t.Errorf("%v", i)
			}
		}},
		"HTTPRoute": {[]string{"settings: {BASE_URL: 'https://tools.example.com:8443/pat'}\nhttpRoute: {enabled: true, parentRefs: [{name: public, namespace: gateways, sectionName: https}], annotations: {a: b}, labels: {l: m}}\nservice: {port: 8080}"}, func(t *testing.T, m manifests, _ config.Config) {
			spec := m.one("HTTPRoute", "patdesk").at("spec")
			if spec.at("hostnames", 0).text() != "tools.example.com" || spec.at("rules", 0, "matches", 0, "path", "value").text() != "/pat" || spec.at("parentRefs", 0, "sectionName").text() != "https" || spec.at("rules", 0, "timeouts", "request").text() != "180s" {
				t.Errorf("%v", spec)
			}
		}},
		"HTTPRoute with the Gateway's own time": {[]string{"httpRoute: {enabled: true, timeout: '', parentRefs: [{name: public}]}"}, func(t *testing.T, m manifests, _ config.Config) {
			if m.one("HTTPRoute", "patdesk").at("spec", "rules", 0, "timeouts").value != nil {
				t.Error("a time")
			}
		}},
		"NetworkPolicy": {[]string{inRedis, "networkPolicy: {enabled: true}\nsettings: {HTTPS_PROXY: 'http://proxy.example.com:3128', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318'}"}, func(t *testing.T, m manifests, _ config.Config) {
			spec := m.one("NetworkPolicy", "patdesk").at("spec")
			var ports []int
			for _, p := range spec.at("egress", 2, "ports").list() {
				ports = append(ports, p.at("port").number())
			}
			if !slices.Equal(ports, []int{443, 6380, 4318, 3128}) {
				t.Errorf("out to %v", ports)
			}
			if len(spec.at("ingress").list()) != 2 || spec.at("ingress", 0, "from").value != nil {
				t.Errorf("in: %v", spec.at("ingress"))
			}
		}},
		"NetworkPolicy that names who comes": {[]string{"networkPolicy: {enabled: true, from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: gateways}}}], metricsFrom: [{namespaceSelector: {}}]}"}, func(t *testing.T, m manifests, _ config.Config) {
			in := m.one("NetworkPolicy", "patdesk").at("spec", "ingress")
			test := m.one("Pod", "patdesk-test").at("metadata", "labels").texts()
			if from := in.at(0, "from").list(); len(from) != 2 || !within(from[1].at("podSelector", "matchLabels").texts(), test) {
				t.Errorf("the test can't reach the Service: %v", from)
			}
			if len(in.at(1, "from").list()) != 1 {
				t.Errorf("%v", in)
			}
		}},
		"no metrics": {[]string{"metrics: {enabled: false}\nnetworkPolicy: {enabled: true}\npodDisruptionBudget: {enabled: false}"}, func(t *testing.T, m manifests, c config.Config) {
			m.has(t, "ConfigMap", "Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Pod", "Service", "ServiceAccount")
			if c.MetricsAddress != "" {
				t.Error(c.MetricsAddress)
			}
		}},
		"ServiceMonitor": {[]string{"metrics: {port: 9999, serviceMonitor: {enabled: true, labels: {release: prometheus}, interval: 15s, relabelings: [{action: labeldrop, regex: pod}]}}"}, func(t *testing.T, m manifests, _ config.Config) {
			s := m.one("ServiceMonitor", "patdesk")
			if s.at("metadata", "labels", "release").text() != "prometheus" || s.at("spec", "endpoints", 0, "interval").text() != "15s" || s.at("spec", "endpoints", 0, "relabelings", 0, "action").text() != "labeldrop" {
				t.Errorf("%v", s)
			}
		}},
		"PodMonitor": {[]string{"metrics: {podMonitor: {enabled: true, labels: {release: prometheus}, interval: 15s, relabelings: [{action: labeldrop, regex: pod}]}}"}, func(t *testing.T, m manifests, _ config.Config) {
			if p := m.one("PodMonitor", "patdesk"); p.at("metadata", "labels", "release").text() != "prometheus" || p.at("spec", "podMetricsEndpoints", 0, "interval").text() != "15s" {
				t.Errorf("%v", p)
			}
		}},
		"authorities": {[]string{"extraCA: {existingConfigMap: corporate, existingSecret: redis-ca}"}, func(t *testing.T, m manifests, _ config.Config) {
			if len(m.volume("authorities").at("projected", "sources").list()) != 2 || m.one("ConfigMap", "patdesk").at("data", "SSL_CERT_DIR").text() != "/etc/patdesk/authorities" {
				t.Errorf("%v", m.volume("authorities"))
			}
		}},
		"tracing": {[]string{"settings: {OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example.com', OTEL_TRACES_SAMPLER: parentbased_traceidratio}\ntracingHeaders: {existingSecret: otel}"}, func(t *testing.T, m manifests, c config.Config) {
			if m.one("ConfigMap", "patdesk").at("data", "OTEL_TRACES_SAMPLER").text() == "" || c.Traces.Endpoint == "" {
				t.Errorf("%+v", c.Traces)
			}
		}},
		"a volume of its own kind": {[]string{"persistence: {storageClass: fast, accessModes: [ReadWriteOnce], size: 2Gi, annotations: {keep: 'yes'}}"}, func(t *testing.T, m manifests, _ config.Config) {
			claim := m.one("PersistentVolumeClaim", "patdesk")
			if claim.at("spec", "storageClassName").text() != "fast" || claim.at("spec", "resources", "requests", "storage").text() != "2Gi" {
				t.Errorf("%v", claim)
			}
		}},
		"a volume that is there": {[]string{"persistence: {existingClaim: mine}"}, func(t *testing.T, m manifests, _ config.Config) {
			if m.volume("data").at("persistentVolumeClaim", "claimName").text() != "mine" {
				t.Errorf("%v", m.volume("data"))
			}
		}},
		"no volume": {[]string{"persistence: {enabled: false}"}, func(t *testing.T, m manifests, _ config.Config) {
			if m.volume("data").at("emptyDir").value == nil {
				t.Errorf("%v", m.volume("data"))
			}
		}},
		"pods of one's own": {[]string{"commonLabels: {team: a}\nannotations: {reload: 'true'}\npodAnnotations: {b: c}\npodLabels: {d: e}\nnodeSelector: {disk: ssd}\ntolerations: [{key: k, operator: Exists}]\naffinity: {nodeAffinity: {}}\ntopologySpreadConstraints: [{maxSkew: 2, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]\npriorityClassName: high\nhostAliases: [{ip: 10.0.0.1, hostnames: [a]}]\nresources: {limits: {memory: 512Mi}}\ngoMemoryLimit: 400MiB\nservice: {type: NodePort, nodePort: 30080, annotations: {b: c}, labels: {d: e}}\nserviceAccount: {create: false, name: theirs}\ntests: {check: false}"}, func(t *testing.T, m manifests, _ config.Config) {
			pod := m.pod()
			if pod.at("nodeSelector", "disk").text() != "ssd" || pod.at("tolerations", 0, "key").text() != "k" || pod.at("affinity", "nodeAffinity").value == nil || pod.at("topologySpreadConstraints", 0, "maxSkew").number() != 2 || pod.at("priorityClassName").text() != "high" || pod.at("hostAliases", 0, "ip").text() != "10.0.0.1" || pod.at("serviceAccountName").text() != "theirs" || pod.at("containers", 0, "env", 0, "value").text() != "400MiB" {
				t.Errorf("%v", pod)
			}
			if len(m.one("Pod", "patdesk-test").at("spec", "containers").list()) != 1 {
				t.Error("-check is run")
			}
		}},
		"more than patdesk": {[]string{"initContainers: [{name: wait, image: busybox}]\nextraContainers: [{name: tunnel, image: stunnel, securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}, resources: {limits: {memory: 32Mi}}}]\ndnsConfig: {options: [{name: ndots, value: '2'}]}\nrevisionHistoryLimit: 1\nextraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-more'}, data: {of: '{{ include \"patdesk.fullname\" . }}'}}]"}, func(t *testing.T, m manifests, _ config.Config) {
			pod := m.pod()
			if pod.at("initContainers", 0, "name").text() != "wait" || pod.at("containers", 0, "name").text() != "patdesk" || pod.at("containers", 1, "name").text() != "tunnel" || pod.at("dnsConfig", "options", 0, "name").text() != "ndots" {
				t.Errorf("%v", pod)
			}
			if m.one("ConfigMap", "patdesk-more").at("data", "of").text() != "patdesk" || m.one("Deployment", "patdesk").at("spec", "revisionHistoryLimit").number() != 1 {
				t.Error("the resource beside it is another")
			}
		}},
		"OpenShift": {[]string{"podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}"}, func(t *testing.T, m manifests, _ config.Config) {
			if c := m.pod().at("securityContext"); c.at("runAsUser").value != nil || c.at("runAsNonRoot").value != true {
				t.Errorf("%v", c)
			}
		}},
		"a longer pause": {[]string{"settings: {SHUTDOWN_DELAY: 1m}\npreStopSeconds: 0\nterminationGracePeriodSeconds: 150"}, func(t *testing.T, m manifests, _ config.Config) {
			if m.pod().at("containers", 0, "lifecycle").value != nil || m.pod().at("terminationGracePeriodSeconds").number() != 150 {
				t.Errorf("%v", m.pod())
			}
		}},
		"other names": {[]string{"fullnameOverride: " + strings.Repeat("long-", 20)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := append([]string{minimal}, c.values...)
			if output, problem, err := helm(t, append([]string{"lint", chart, "--strict", "--quiet"}, withValues(t, values...)...)...); err != nil {
				t.Errorf("lint: %v\n%s%s", err, output, problem)
			}
			m := render(t, "patdesk", values...)
			settings := m.check(t)
			if c.check != nil {
				c.check(t, m, settings)
			}
		})
	}
}

// Releases side by side in one namespace share nothing.
func TestChartTwice(t *testing.T) {
	if leftOut(t, helmTool) {
		return
	}
	one, other := render(t, "patdesk", minimal), render(t, "team", minimal)
	other.check(t)
	for _, d := range one {
		for _, o := range other {
			if d.at("kind").text() == o.at("kind").text() && d.at("metadata", "name").text() == o.at("metadata", "name").text() {
				t.Errorf("both have the %s %s", d.at("kind").text(), d.at("metadata", "name").text())
			}
		}
	}
	if within(one.one("Service", "patdesk").at("spec", "selector").texts(), other.template().at("metadata", "labels").texts()) {
		t.Error("one's Service finds the other's pods")
	}
}

// A change of what is in the ConfigMap or the Secret replaces the pods.
func TestChartRolls(t *testing.T) {
	if leftOut(t, helmTool) {
		return
	}
	sums := map[string]string{}
	for _, values := range []string{"", "settings: {LOG_LEVEL: debug}", "sessionKeys: {value: b25lLW9uZS1vbmUtb25lLW9uZS1vbmUtb25lLW9uZSE=}", "sessionKeys: {value: dHdvLW9uZS1vbmUtb25lLW9uZS1vbmUtb25lLW9uZSE=}"} {
		annotations := fmt.Sprint(render(t, "patdesk", minimal, values).template().at("metadata", "annotations").texts())
		if other, ok := sums[annotations]; ok {
			t.Errorf("%q and %q have the same pods", values, other)
		}
		sums[annotations] = values
	}
}

// What can't work is refused before anything is made, and says why.
func TestChartRefuses(t *testing.T) {
	if leftOut(t, helmTool) {
		return
	}
	seen := struct {
		sync.Mutex
		strings.Builder
	}{}
	t.Run("each", func(t *testing.T) {
		for _, c := range []struct{ values, want string }{
			{"image: {tag: ''}", "image: this chart is no released one"},
			{"settings: {CLIENT_ID: ''}", "settings.CLIENT_ID is not set"},
			{"settings: {BASE_URL: null}", "settings.BASE_URL is not set"},
			{"settings: {BASE_URL: patdesk.example.com}", `settings.BASE_URL is no address: "patdesk.example.com"`},
			{"settings: {BASE_URL: 'http://patdesk.example.com'}", "settings.BASE_URL is without https"},
			{"settings: {CLIENT_SECRET: x}", "settings.CLIENT_SECRET would stand in a ConfigMap, which is no place for secrets. Use credential.clientSecret."},
			{"settings: {REDIS_URL: x}", "settings.REDIS_URL would stand in a ConfigMap"},
			{"settings: {LISTEN_ADDRESS: ':80'}", "settings.LISTEN_ADDRESS is set by the chart"},
			{"settings: {SESSION_TYPE: redis}", "settings.SESSION_TYPE is set by the chart: redis.enabled says it."},
			{"sessionKeys: {value: x, existingSecret: z}", "sessionKeys has both value and existingSecret"},
			{"settings: {CLIENT_CERTIFICATE_FILE: /a}", "settings.CLIENT_CERTIFICATE_FILE and credential.certificate are both set"},
			{"credential: {certificate: {existingSecret: ''}}", "credential: none is set"},
			{"credential: {clientSecret: {value: x}, workloadIdentity: {enabled: true}}", "credential: a client secret and a certificate and workload identity are set"},
			{"credential: {certificate: {existingSecret: ''}, clientSecret: {value: x}, certificatePassword: {value: x}}", "credential.certificatePassword is set, but"},
			{"settings: {KEY_VAULT_URL: 'https://a.vault.azure.net'}\ncredential: {certificate: {existingSecret: ''}}", "settings.KEY_VAULT_URL needs the name"},
			{"settings: {KEY_VAULT_URL: 'https://a.vault.azure.net', KEY_VAULT_SECRET: a}\ncredential: {certificate: {existingSecret: ''}, workloadIdentity: {enabled: true, webhook: false}}", "credential.workloadIdentity.clientId is not set"},
			{"settings: {KEY_VAULT_URL: 'https://a.vault.azure.net', KEY_VAULT_SECRET: a}\ncredential: {certificate: {existingSecret: ''}, workloadIdentity: {enabled: true, webhook: false}}", "credential.workloadIdentity.webhook is false, but"},
			{"replicaCount: 2", "replicaCount is 2, but without Redis"},
			{inRedis + "\nreplicaCount: 2\n---\nredis: {urlFrom: {existingSecret: x}}", "redis.url and redis.urlFrom are both set"},
			{inRedis + "\n---\nredis: {url: ''}", "redis.enabled is true, but there is no address"},
			{inRedis + "\n---\nredis: {url: 'redis://user:pass@host'}", "redis.url holds a password"},
			{inRedis + "\n---\nsessionKeys: {existingSecret: ''}", "sessionKeys is not set. With Redis"},
			{inRedis + "\n---\nredis: {enabled: false}", "redis has an address or a password, but"},
			{"httpRoute: {enabled: true}", "httpRoute.parentRefs is empty"},
			{"service: {nodePort: 30000}", "service.nodePort is set, but"},
			{inRedis + "\n---\nredis: {url: '', urlFrom: {existingSecret: x}}\nnetworkPolicy: {enabled: true}", "networkPolicy.extraEgress is empty, but"},
			{"metrics: {port: 5000}", "metrics.port is 5000"},
			{"metrics: {enabled: false, podMonitor: {enabled: true}}", "metrics.enabled is false, so"},
			{"metrics: {serviceMonitor: {enabled: true}, podMonitor: {enabled: true}}", "metrics.serviceMonitor and metrics.podMonitor are both enabled"},
			{"settings: {SSL_CERT_DIR: /a}\nextraCA: {existingSecret: a}", "extraCA and the variable SSL_CERT_DIR are both set"},
			{"settings: {SHUTDOWN_DELAY: 1m}", "terminationGracePeriodSeconds is 90: changes in flight would be cut off. preStopSeconds, SHUTDOWN_DELAY and 75 seconds must fit in: more than 140."},
			{"terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds is 30"},
		} {
			// The name is in the path of the values' file, where helm takes a comma for the end.
			t.Run(strings.ReplaceAll(c.want, ",", ""), func(t *testing.T) {
				t.Parallel()
				values := append([]string{minimal}, strings.Split(c.values, "\n---\n")...)
				_, problem, err := helm(t, append([]string{"template", "patdesk", chart}, withValues(t, values...)...)...)
				if err == nil || !strings.Contains(problem, c.want) {
					t.Errorf("%v\n%s", err, problem)
				}
				if strings.Contains(problem, "user:pass") {
					t.Error("a password is shown")
				}
				seen.Lock()
				defer seen.Unlock()
				seen.WriteString(problem)
			})
		}
	})
	// Every refusal that there is was seen.
	sentences := regexp.MustCompile(`append \$bad (?:\(printf )?"((?:[^"\\]|\\.)*)"`).FindAllStringSubmatch(read(t, chart+"/templates/_refuse.tpl"), -1)
	for _, m := range sentences {
		parts := regexp.MustCompile(`%[a-z]`).Split(strings.ReplaceAll(m[1], `\"`, `"`), -1)
		longest := slices.MaxFunc(parts, func(a, b string) int { return len(a) - len(b) })
		if !strings.Contains(seen.String(), longest) {
			t.Errorf("nothing was refused with %q", longest)
		}
	}
	if len(sentences) < 25 {
		t.Errorf("only %d refusals were found", len(sentences))
	}
}

// All faults are said at once, as patdesk itself does.
func TestChartListsAllFaults(t *testing.T) {
	if leftOut(t, helmTool) {
		return
	}
	_, problem, err := helm(t, "template", "patdesk", chart)
	if err == nil || strings.Count(problem, "\n- ") != 4 {
		t.Errorf("%v\n%s", err, problem)
	}
}

// Names that aren't values and values of the wrong kind are refused by the schema.
func TestChartRefusesTypos(t *testing.T) {
	if leftOut(t, helmTool) {
		return
	}
	for values, want := range map[string]string{
		"setings: {}":                          "setings",
		"settings: {TRUSTED_PROXYS: a}":        "TRUSTED_PROXYS",
		"settings: {RATE_LIMIT_SIGN_INS: 1.5}": "RATE_LIMIT_SIGN_INS",
		"settings: {AUTHORITY: {a: b}}":        "AUTHORITY",
		"image: {digest: sha256:abc}":          "digest",
		"image: {tags: a}":                     "tags",
		"credential: {secret: {value: a}}":     "secret",
		"redis: {password: secret}":            "password",
		"redis: {urlFrom: {value: a}}":         "value",
		"replicaCount: '2'":                    "replicaCount",
		"ingress: {annotations: {a: true}}":    "annotations",
		"ingress: {hosts: [a]}":                "hosts",
		"service: {type: ExternalName}":        "type",
		"metrics: {port: 70000}":               "port",
		"resources: {limit: {}}":               "limit",
		"goMemoryLimit: 200 MB":                "goMemoryLimit",
		"extraEnv: [{value: a}]":               "extraEnv",
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			_, problem, err := helm(t, append([]string{"template", "patdesk", chart}, withValues(t, minimal, values)...)...)
			if err == nil || !strings.Contains(problem, want) || !strings.Contains(problem, "schema") {
				t.Errorf("%v\n%s", err, problem)
			}
		})
	}
}

var writeTable = flag.Bool("write", false, "write the table of values into the chart's README")

// The README has one row for each value, with its default and what values.yaml says of it.
func TestChartValuesAreDocumented(t *testing.T) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(read(t, chart+"/values.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	writeRows(t, &table, "", document.Content[0], schema(t))
	const begin, end = "<!-- values, written by: go test ./deploy -run TestChartValuesAreDocumented -write -->\n", "<!-- end of values -->"
	path := chart + "/README.md"
	before, rest, ok := strings.Cut(read(t, path), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	if *writeTable {
		if err := os.WriteFile(path, []byte(before+begin+table.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table.String() {
		t.Errorf("%s isn't what values.yaml says. Run: go test ./deploy -run TestChartValuesAreDocumented -write", path)
	}
}

// writeRows writes a row for each value below a mapping. A mapping whose keys the schema lists is a section, any other one
// is a value.
func writeRows(t *testing.T, table *strings.Builder, prefix string, mapping *yaml.Node, s node) {
	t.Helper()
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		of := resolve(t, s.at("properties", key.Value))
		if of.value == nil {
			t.Errorf("values.schema.json doesn't know %s", name)
		}
		said, isSaid := strings.CutPrefix(strings.ReplaceAll(key.HeadComment, "\n# ", " "), "# -- ")
		if of.at("properties").value != nil && !isSaid {
			writeRows(t, table, name+".", value, of)
			continue
		}
		if !isSaid {
			t.Errorf("values.yaml says nothing of %s: begin a comment with \"# -- \"", name)
		}
		var plain any
		if err := value.Decode(&plain); err != nil {
			t.Fatal(err)
		}
		standard, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(table, "| `%s` | `%s` | %s |\n", name, standard, said)
	}
}

func schema(t *testing.T) node {
	t.Helper()
	return node{tree(t, read(t, chart+"/values.schema.json"))}
}

// resolve follows a reference to a definition of the schema.
func resolve(t *testing.T, s node) node {
	t.Helper()
	if name, ok := strings.CutPrefix(s.at("$ref").text(), "#/$defs/"); ok {
		return schema(t).at("$defs", name)
	}
	return s
}

// The schema knows the values of values.yaml and no others, and under settings all that patdesk reads.
func TestChartSchemaFits(t *testing.T) {
	values := tree(t, read(t, chart+"/values.yaml"))
	var compare func(path string, s node, values any)
	compare = func(path string, s node, values any) {
		s = resolve(t, s)
		properties, _ := s.at("properties").value.(map[string]any)
		if properties == nil || path == ".settings" || path == ".resources" {
			return
		}
		if s.at("additionalProperties").value != false {
			t.Errorf("%s takes any name", path)
		}
		given, _ := values.(map[string]any)
		for name := range properties {
			if path+name == "global" {
				continue
			}
			if _, ok := given[name]; !ok {
				t.Errorf("values.yaml has no %s.%s", path, name)
			}
			compare(path+"."+name, s.at("properties", name), given[name])
		}
	}
	compare("", schema(t), values)

	settings, _ := schema(t).at("properties", "settings", "properties").value.(map[string]any)
	want := append(config.Names(), "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(settings)); !slices.Equal(got, want) {
		t.Errorf("values.schema.json knows the settings\n%v, want\n%v", got, want)
	}
}

// Where chart and kustomize say the same thing they say it alike.
func TestChartAgreesWithKustomize(t *testing.T) {
	if leftOut(t, helmTool, kustomizeTool) {
		return
	}
	compare := func(what string, a, b node, paths ...[]any) {
		t.Helper()
		for _, path := range paths {
			if got, want := a.at(path...).value, b.at(path...).value; !reflect.DeepEqual(got, want) || want == nil {
				t.Errorf("%s %v: the chart has %v, kustomize %v", what, path, got, want)
			}
		}
	}
	p := func(path ...any) []any { return path }
	everything := "ingress: {enabled: true, tls: {secretName: patdesk-tls}}\nhttpRoute: {enabled: true, parentRefs: [{name: public, namespace: gateways}]}\nmetrics: {podMonitor: {enabled: true}}\nnetworkPolicy: {enabled: true}"
	for overlay, values := range map[string]string{"base": "", "overlays/redis": inRedis + "replicaCount: 2"} {
		m := render(t, "patdesk", minimal, everything, values)
		k := kustomize(t, "resources: [../kubernetes/"+overlay+"]\ncomponents: [../kubernetes/components/podmonitor]")
		route := kustomize(t, "resources: [../kubernetes/"+overlay+"]\ncomponents: [../kubernetes/components/httproute]")
		compare(overlay, m.one("Deployment", "patdesk"), k.one("Deployment", "patdesk"), p("spec", "replicas"), p("spec", "strategy"))
		compare(overlay, m.pod(), k.pod(), p("securityContext"), p("terminationGracePeriodSeconds"), p("automountServiceAccountToken"), p("enableServiceLinks"))
		compare(overlay, m.pod().at("containers", 0), k.pod().at("containers", 0), p("ports"), p("env"), p("envFrom"), p("securityContext"), p("resources"), p("startupProbe"), p("livenessProbe"), p("readinessProbe"), p("lifecycle"))
		compare("the budget", m.one("PodDisruptionBudget", "patdesk"), k.one("PodDisruptionBudget", "patdesk"), p("spec", "maxUnavailable"), p("spec", "unhealthyPodEvictionPolicy"))
		compare("the Service", m.one("Service", "patdesk"), k.one("Service", "patdesk"), p("spec", "ports"))
		compare("the metrics' Service", m.one("Service", "patdesk-metrics"), k.one("Service", "patdesk-metrics"), p("spec", "ports"), p("spec", "clusterIP"))
		compare("the account", m.one("ServiceAccount", "patdesk"), k.one("ServiceAccount", "patdesk"), p("automountServiceAccountToken"))
		compare("the Ingress", m.one("Ingress", "patdesk"), k.one("Ingress", "patdesk"), p("spec"))
		compare("the HTTPRoute", m.one("HTTPRoute", "patdesk"), route.one("HTTPRoute", "patdesk"), p("spec"))
		compare("the PodMonitor", m.one("PodMonitor", "patdesk"), k.one("PodMonitor", "patdesk"), p("spec", "podMetricsEndpoints"))
		compare("ways in", m.one("NetworkPolicy", "patdesk"), k.one("NetworkPolicy", "patdesk"), p("spec", "policyTypes"), p("spec", "ingress", 0), p("spec", "egress", 0))
		compare("settings", m.one("ConfigMap", "patdesk"), k.one("ConfigMap", "patdesk"), p("data", "CLIENT_CERTIFICATE_FILE"), p("data", "LOG_FORMAT"), p("data", "METRICS_ADDRESS"))
		if overlay == "base" {
			compare("the volume", m.one("PersistentVolumeClaim", "patdesk"), k.one("PersistentVolumeClaim", "patdesk"), p("spec"))
			compare("the way out", node{m.one("NetworkPolicy", "patdesk").at("spec", "egress", 2).value}, node{k.one("NetworkPolicy", "patdesk").at("spec", "egress", 1).value}, p())
		}
	}
}

// A packed chart has its version and its image in it, is the same bytes each time, and leads nowhere that only the repository
// has.
func TestChartIsStamped(t *testing.T) {
	if leftOut(t, helmTool) {
		return
	}
	digest := "sha256:" + strings.Repeat("1f", 32)
	pack := func(env ...string) string {
		output, err := run(t, env, "../scripts/chart", t.TempDir())
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return strings.TrimSpace(output)
	}
	packed := pack("VERSION=v1.2.3-rc.1", "DIGEST="+digest)
	if filepath.Base(packed) != "patdesk-1.2.3-rc.1.tgz" || read(t, packed) != read(t, pack("VERSION=v1.2.3-rc.1", "DIGEST="+digest)) {
		t.Errorf("%s isn't the same each time", packed)
	}
	for archive, want := range map[string]string{packed: "@" + digest, pack("VERSION=v1.2.3", "DIGEST="): ":v1.2.3"} {
		output, problem, err := helm(t, append([]string{"template", "patdesk", archive}, withValues(t, minimal, "image: {tag: ''}")...)...)
		if err != nil {
			t.Fatalf("%v\n%s", err, problem)
		}
		m := manifests(parse(t, archive, output))
		m.check(t)
		if image := m.pod().at("containers", 0, "image").text(); image != "ghcr.io/patdesk/patdesk"+want {
			t.Errorf("the image is %s", image)
		}
	}
	for _, part := range []string{"chart", "readme", "values"} {
		text, problem, err := helm(t, "show", part, packed)
		if err != nil {
			t.Fatalf("%v\n%s", err, problem)
		}
		for _, s := range []string{"../", "unreleased", "not released", "helm install patdesk deploy"} {
			if _, after, found := strings.Cut(text, s); found {
				t.Errorf("%s is that of the repository: %s%.100s", part, s, after)
			}
		}
	}
	if text, _, _ := helm(t, "show", "readme", packed); !strings.Contains(text, "--version 1.2.3-rc.1 ") || strings.Count(text, "\n4. ") != 1 {
		t.Error("the README doesn't say how to install it")
	}
	for _, env := range [][]string{{"VERSION="}, {"VERSION=1.2.3"}, {"VERSION=v1.2.3", "DIGEST=sha256:1"}} {
		if output, err := run(t, env, "../scripts/chart", t.TempDir()); err == nil {
			t.Errorf("%v is packed: %s", env, output)
		}
	}
}

// Whoever has installed it is told what to register, what has to be there, and what to look at.
func TestChartNotes(t *testing.T) {
	if leftOut(t, helmTool) {
		return
	}
	for _, c := range []struct {
		values        string
		want, without []string
	}{
		{"ingress: {enabled: true}",
			[]string{"\n  https://patdesk.example.com/getAToken\n  https://patdesk.example.com/ ", "patdesk, with the key client.pem (credential.certificate)"},
			[]string{"What to look at"}},
		{"settings: {REDIRECT_PATH: /back, BASE_URL: 'https://tools.example.com/pat/', TRUSTED_PROXIES: null, AUTHORITY: null}\npersistence: {enabled: false}",
			[]string{"\n  https://tools.example.com/pat/back\n  https://tools.example.com/pat/ ", "port-forward service/patdesk 5000:80", "TRUSTED_PROXIES is not set", "AUTHORITY names no tenant", "Sessions are lost"}, nil},
		{"credential: {certificate: {existingSecret: ''}, workloadIdentity: {enabled: true}}\nserviceAccount: {create: false, name: theirs}",
			[]string{"system:serviceaccount:patdesk:theirs", "annotation azure.workload.identity/client-id"}, []string{"must be in the namespace"}},
		{"credential: {certificate: {existingSecret: ''}, clientSecret: {value: hidden-one}}", []string{"A client secret is fine for a trial"}, []string{"hidden-one"}},
	} {
		output, problem, err := helm(t, append([]string{"install", "patdesk", chart, "--namespace", "patdesk", "--dry-run=client", "--hide-secret"}, withValues(t, minimal, c.values)...)...)
		if err != nil {
			t.Fatalf("%v\n%s", err, problem)
		}
		_, notes, _ := strings.Cut(output, "\nNOTES:\n")
		for _, s := range c.want {
			if !strings.Contains(notes, s) {
				t.Errorf("%q isn't in\n%s", s, notes)
			}
		}
		for _, s := range c.without {
			if strings.Contains(notes, s) {
				t.Errorf("%q is in\n%s", s, notes)
			}
		}
	}
}
