{{- define "patdesk.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* At most 55 characters, so that endings such as "-metrics" fit. */ -}}
{{- define "patdesk.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- end -}}

{{- define "patdesk.serviceAccountName" -}}
{{- default (ternary (include "patdesk.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "patdesk.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "patdesk.instanceLabels" -}}
app.kubernetes.io/name: {{ include "patdesk.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* The pods that serve. */ -}}
{{- define "patdesk.selectorLabels" -}}
{{ include "patdesk.instanceLabels" . }}
app.kubernetes.io/component: web
{{- end -}}

{{- define "patdesk.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/part-of: patdesk
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "patdesk.instanceLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Labels of every pod beside its component. */ -}}
{{- define "patdesk.podLabels" -}}
{{ include "patdesk.instanceLabels" . }}
app.kubernetes.io/part-of: patdesk
{{- if and .Values.credential.workloadIdentity.enabled .Values.credential.workloadIdentity.webhook }}
azure.workload.identity/use: "true"
{{- end }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* A setting as text: lists separated by commas, numbers without an exponent. */ -}}
{{- define "patdesk.text" -}}
{{- if kindIs "slice" . -}}
{{ join "," . }}
{{- else if kindIs "float64" . -}}
{{ int64 . }}
{{- else -}}
{{ toString . }}
{{- end -}}
{{- end -}}

{{- /* All secrets that can be given, each with the setting that names its file, and where it stands among the values. */ -}}
{{- define "patdesk.allSecrets" -}}
{{- $c := .Values.credential -}}
{{- $all := list
  (dict "setting" "CLIENT_SECRET_FILE" "path" "credential.clientSecret" "file" "client_secret" "at" $c.clientSecret)
  (dict "setting" "CLIENT_CERTIFICATE_FILE" "path" "credential.certificate" "file" "client.pem" "at" $c.certificate)
  (dict "setting" "CLIENT_CERTIFICATE_PASSWORD_FILE" "path" "credential.certificatePassword" "file" "client_certificate_password" "at" $c.certificatePassword)
  (dict "setting" "SESSION_KEYS_FILE" "path" "sessionKeys" "file" "session_keys" "at" .Values.sessionKeys)
  (dict "setting" "REDIS_URL_FILE" "path" "redis.urlFrom" "file" "redis_url" "at" .Values.redis.urlFrom)
  (dict "setting" "REDIS_PASSWORD_FILE" "path" "redis.password" "file" "redis_password" "at" .Values.redis.password)
  (dict "setting" "OTEL_EXPORTER_OTLP_HEADERS_FILE" "path" "tracingHeaders" "file" "otlp_headers" "at" .Values.tracingHeaders)
-}}
{{- toJson $all -}}
{{- end -}}

{{- /* Those that are given. */ -}}
{{- define "patdesk.secrets" -}}
{{- $given := list -}}
{{- range include "patdesk.allSecrets" . | fromJsonArray -}}
{{- if or .at.value .at.existingSecret -}}
{{- $given = append $given . -}}
{{- end -}}
{{- end -}}
{{- toJson $given -}}
{{- end -}}

{{- /* What the ConfigMap says: the settings, and what the chart's other values mean in settings. */ -}}
{{- define "patdesk.settings" -}}
{{- $data := dict -}}
{{- range $name, $value := .Values.settings -}}
{{- $text := include "patdesk.text" $value -}}
{{- if and (not (kindIs "invalid" $value)) $text -}}
{{- $_ := set $data $name $text -}}
{{- end -}}
{{- end -}}
{{- range include "patdesk.secrets" . | fromJsonArray -}}
{{- $_ := set $data .setting (printf "/run/secrets/patdesk/%s" .file) -}}
{{- end -}}
{{- if .Values.redis.enabled -}}
{{- $_ := set $data "SESSION_TYPE" "redis" -}}
{{- with .Values.redis.url -}}
{{- $_ := set $data "REDIS_URL" . -}}
{{- end -}}
{{- end -}}
{{- if .Values.metrics.enabled -}}
{{- $_ := set $data "METRICS_ADDRESS" (printf ":%d" (int .Values.metrics.port)) -}}
{{- end -}}
{{- if and .Values.credential.workloadIdentity.enabled (not .Values.credential.workloadIdentity.webhook) -}}
{{- $_ := set $data "AZURE_FEDERATED_TOKEN_FILE" "/run/secrets/azure/token" -}}
{{- end -}}
{{- if or .Values.extraCA.existingConfigMap .Values.extraCA.existingSecret -}}
{{- /* Beside the image's own file of authorities, which SSL_CERT_FILE would replace. */ -}}
{{- $_ := set $data "SSL_CERT_DIR" "/etc/patdesk/authorities" -}}
{{- end -}}
{{- toYaml $data -}}
{{- end -}}

{{- define "patdesk.env" -}}
envFrom:
  - configMapRef:
      name: {{ include "patdesk.fullname" . }}
  {{- with .Values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - name: GOMEMLIMIT # Go's own: collect garbage before the limit is reached
    value: {{ .Values.goMemoryLimit | quote }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* What is mounted beside /data. */ -}}
{{- define "patdesk.volumeMounts" -}}
{{- if include "patdesk.secrets" . | fromJsonArray }}
- name: secrets
  mountPath: /run/secrets/patdesk
  readOnly: true
{{- end }}
{{- if and .Values.credential.workloadIdentity.enabled (not .Values.credential.workloadIdentity.webhook) }}
- name: identity
  mountPath: /run/secrets/azure
  readOnly: true
{{- end }}
{{- if or .Values.extraCA.existingConfigMap .Values.extraCA.existingSecret }}
- name: authorities
  mountPath: /etc/patdesk/authorities
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "patdesk.volumes" -}}
{{- $full := include "patdesk.fullname" . }}
{{- with include "patdesk.secrets" . | fromJsonArray }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret:
          name: {{ default $full .at.existingSecret }}
          items:
            - key: {{ ternary .at.key .file (not (empty .at.existingSecret)) }}
              path: {{ .file }}
      {{- end }}
{{- end }}
{{- if and .Values.credential.workloadIdentity.enabled (not .Values.credential.workloadIdentity.webhook) }}
- name: identity
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          audience: api://AzureADTokenExchange
          expirationSeconds: 3600
          path: token
{{- end }}
{{- if or .Values.extraCA.existingConfigMap .Values.extraCA.existingSecret }}
- name: authorities
  projected:
    sources:
      {{- with .Values.extraCA.existingConfigMap }}
      - configMap:
          name: {{ . }}
      {{- end }}
      {{- with .Values.extraCA.existingSecret }}
      - secret:
          name: {{ . }}
      {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Where pods may be, and with which rights: alike for those that serve and for the test's. */ -}}
{{- define "patdesk.pod" -}}
serviceAccountName: {{ include "patdesk.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "patdesk.container" -}}
image: {{ include "patdesk.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Host and path of BASE_URL. The path is "/" at the root of a host. */ -}}
{{- define "patdesk.host" -}}
{{- (urlParse (trim (toString .Values.settings.BASE_URL))).hostname -}}
{{- end -}}
{{- define "patdesk.path" -}}
{{- default "/" (trimSuffix "/" (urlParse (trim (toString .Values.settings.BASE_URL))).path) -}}
{{- end -}}

{{- /* Ports that the settings lead out to, as JSON: https, and those of Redis, of the collector and of the proxy. */ -}}
{{- define "patdesk.portsOut" -}}
{{- $ports := list 443 -}}
{{- if and .Values.redis.enabled .Values.redis.url -}}
{{- $hosts := regexReplaceAll "^[a-z+]+://([^@/]*@)?([^/?]*).*$" .Values.redis.url "${2}" -}}
{{- range splitList "," $hosts -}}
{{- $port := regexFind ":[0-9]+$" . | trimPrefix ":" -}}
{{- $ports = append $ports (int (default "6379" $port)) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "OTEL_EXPORTER_OTLP_ENDPOINT" "HTTPS_PROXY" "HTTP_PROXY" -}}
{{- with index $.Values.settings $name -}}
{{- $url := urlParse (ternary . (printf "http://%s" .) (contains "://" .)) -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $ports = append $ports (int (default (ternary "443" "80" (eq $url.scheme "https")) $port)) -}}
{{- end -}}
{{- end -}}
{{- toJson (uniq $ports) -}}
{{- end -}}
