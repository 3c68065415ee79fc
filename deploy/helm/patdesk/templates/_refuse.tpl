{{- /*
What can't work is refused here, all of it at once, instead of in a pod that doesn't start. patdesk says the rest itself.
*/ -}}
{{- define "patdesk.refuse" -}}
{{- $v := .Values -}}
{{- $bad := list -}}

{{- /* Names that some variable has. What comes by extraEnvFrom can't be seen from here. */ -}}
{{- $set := dict -}}
{{- range $name, $value := $v.settings -}}
{{- if and (not (kindIs "invalid" $value)) (include "patdesk.text" $value) -}}
{{- $_ := set $set $name true -}}
{{- end -}}
{{- end -}}
{{- range $v.extraEnv -}}
{{- $_ := set $set .name true -}}
{{- end -}}
{{- $unseen := not (empty $v.extraEnvFrom) -}}

{{- if and (eq .Chart.AppVersion "unreleased") (not $v.image.tag) (not $v.image.digest) -}}
{{- $bad = append $bad "image: this chart is no released one, so there is no image of its version. Build the image, and name it in image.repository and image.tag or image.digest." -}}
{{- end -}}

{{- /* Settings */ -}}
{{- if not (or (hasKey $set "CLIENT_ID") $unseen) -}}
{{- $bad = append $bad "settings.CLIENT_ID is not set. Put the \"Application (client) ID\" of the app registration there." -}}
{{- end -}}
{{- $base := trim (toString (default "" $v.settings.BASE_URL)) -}}
{{- if not $base -}}
{{- $bad = append $bad "settings.BASE_URL is not set. Put the address there that people open, such as https://patdesk.example.com." -}}
{{- else if not (regexMatch "^https?://[^/?#@]+(/[^?#]*)?$" $base) -}}
{{- $bad = append $bad (printf "settings.BASE_URL is no address: %q. It begins with https:// and has a host, and a path if patdesk is below one." $base) -}}
{{- else if and (regexMatch "^http://" $base) (not (regexMatch "^http://(localhost|127\\.0\\.0\\.1|\\[::1\\])([:/]|$)" $base)) (ne (toString $v.settings.ALLOW_HTTP) "true") -}}
{{- $bad = append $bad "settings.BASE_URL is without https, so everybody on the way could read the tokens' secrets. Use https, or set settings.ALLOW_HTTP to true to go without on purpose." -}}
{{- end -}}
{{- range $name, $instead := dict
  "CLIENT_SECRET" "credential.clientSecret" "CLIENT_CERTIFICATE_PASSWORD" "credential.certificatePassword" "SESSION_KEYS" "sessionKeys"
  "REDIS_URL" "redis.url or redis.urlFrom" "REDIS_PASSWORD" "redis.password" "OTEL_EXPORTER_OTLP_HEADERS" "tracingHeaders" -}}
{{- if hasKey $v.settings $name -}}
{{- $bad = append $bad (printf "settings.%s would stand in a ConfigMap, which is no place for secrets. Use %s." $name $instead) -}}
{{- end -}}
{{- end -}}
{{- range $name, $instead := dict
  "LISTEN_ADDRESS" "service.port is what others see" "SESSION_TYPE" "redis.enabled says it" "SESSION_DIR" "persistence says where it is"
  "METRICS_ADDRESS" "metrics.enabled and metrics.port say it" -}}
{{- if hasKey $v.settings $name -}}
{{- $bad = append $bad (printf "settings.%s is set by the chart: %s." $name $instead) -}}
{{- end -}}
{{- end -}}

{{- /* Secrets */ -}}
{{- range include "patdesk.secrets" . | fromJsonArray -}}
{{- if and .at.value .at.existingSecret -}}
{{- $bad = append $bad (printf "%s has both value and existingSecret. Leave one of them out." .path) -}}
{{- end -}}
{{- if hasKey $v.settings .setting -}}
{{- $bad = append $bad (printf "settings.%s and %s are both set. Leave one of them out." .setting .path) -}}
{{- end -}}
{{- $_ := set $set .setting true -}}
{{- $_ := set $set (trimSuffix "_FILE" .setting) true -}}
{{- end -}}

{{- /* Exactly one credential */ -}}
{{- $identity := $v.credential.workloadIdentity -}}
{{- $vault := hasKey $set "KEY_VAULT_URL" -}}
{{- $kinds := list -}}
{{- if or (hasKey $set "CLIENT_SECRET") (hasKey $set "CLIENT_SECRET_FILE") -}}
{{- $kinds = append $kinds "a client secret" -}}
{{- end -}}
{{- if hasKey $set "CLIENT_CERTIFICATE_FILE" -}}
{{- $kinds = append $kinds "a certificate" -}}
{{- end -}}
{{- if and (or $identity.enabled (hasKey $set "AZURE_FEDERATED_TOKEN_FILE")) (not $vault) -}}
{{- $kinds = append $kinds "workload identity" -}}
{{- end -}}
{{- if $vault -}}
{{- $kinds = append $kinds "a Key Vault (settings.KEY_VAULT_URL)" -}}
{{- end -}}
{{- if and (empty $kinds) (not $unseen) -}}
{{- $bad = append $bad "credential: none is set. Give patdesk one of credential.certificate, credential.workloadIdentity, settings.KEY_VAULT_URL, or for a trial credential.clientSecret." -}}
{{- else if gt (len $kinds) 1 -}}
{{- $bad = append $bad (printf "credential: %s are set, and patdesk doesn't guess which one is meant. Leave one." (join " and " $kinds)) -}}
{{- end -}}
{{- if and (hasKey $set "CLIENT_CERTIFICATE_PASSWORD") (not (hasKey $set "CLIENT_CERTIFICATE_FILE")) (not $unseen) -}}
{{- $bad = append $bad "credential.certificatePassword is set, but credential.certificate isn't." -}}
{{- end -}}
{{- if and $vault (eq (hasKey $set "KEY_VAULT_SECRET") (hasKey $set "KEY_VAULT_CERTIFICATE")) (not $unseen) -}}
{{- $bad = append $bad "settings.KEY_VAULT_URL needs the name of what is in the vault: settings.KEY_VAULT_SECRET or settings.KEY_VAULT_CERTIFICATE, one of them." -}}
{{- end -}}
{{- if and $vault $identity.enabled (not $identity.clientId) -}}
{{- $bad = append $bad "credential.workloadIdentity.clientId is not set. With settings.KEY_VAULT_URL it is the client ID of the managed identity that may read the vault." -}}
{{- end -}}
{{- if and $vault $identity.enabled (not $identity.webhook) -}}
{{- $bad = append $bad "credential.workloadIdentity.webhook is false, but a Key Vault is read by what the webhook puts into pods." -}}
{{- end -}}

{{- /* Sessions */ -}}
{{- if and (gt (int $v.replicaCount) 1) (not $v.redis.enabled) -}}
{{- $bad = append $bad (printf "replicaCount is %d, but without Redis sessions are in a folder of one pod. Set redis.enabled, or replicaCount to 1." (int $v.replicaCount)) -}}
{{- end -}}
{{- if $v.redis.enabled -}}
{{- if and $v.redis.url $v.redis.urlFrom.existingSecret -}}
{{- $bad = append $bad "redis.url and redis.urlFrom are both set. Leave one of them out." -}}
{{- else if not (or $v.redis.url (hasKey $set "REDIS_URL") (hasKey $set "REDIS_URL_FILE") $unseen) -}}
{{- $bad = append $bad "redis.enabled is true, but there is no address: set redis.url, or redis.urlFrom.existingSecret." -}}
{{- end -}}
{{- if regexMatch "^[a-z+]+://[^@/]*:[^@/]*@" (default "" $v.redis.url) -}}
{{- $bad = append $bad "redis.url holds a password, and would stand in a ConfigMap. Put the password into redis.password, or the whole address into a Secret for redis.urlFrom." -}}
{{- end -}}
{{- if not (or (hasKey $set "SESSION_KEYS") (hasKey $set "SESSION_KEYS_FILE") $unseen) -}}
{{- $bad = append $bad "sessionKeys is not set. With Redis all pods must have the same: put what \"openssl rand -base64 32\" prints into a Secret, and its name into sessionKeys.existingSecret." -}}
{{- end -}}
{{- else if or $v.redis.url $v.redis.urlFrom.existingSecret $v.redis.password.value $v.redis.password.existingSecret -}}
{{- $bad = append $bad "redis has an address or a password, but redis.enabled is false." -}}
{{- end -}}

{{- /* The ways in and out */ -}}
{{- if and $v.httpRoute.enabled (empty $v.httpRoute.parentRefs) -}}
{{- $bad = append $bad "httpRoute.parentRefs is empty, so no Gateway takes the route. Name one: [{name: public, namespace: gateways}]." -}}
{{- end -}}
{{- if and $v.service.nodePort (eq $v.service.type "ClusterIP") -}}
{{- $bad = append $bad "service.nodePort is set, but service.type is ClusterIP, which has none." -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled $v.redis.enabled (empty $v.networkPolicy.extraEgress) (or (not $v.redis.url) (contains "+sentinel:" (default "" $v.redis.url))) -}}
{{- $bad = append $bad "networkPolicy.extraEgress is empty, but redis.url doesn't say at which port Redis is, so the way to it would be closed. Add a rule for it." -}}
{{- end -}}
{{- if and $v.metrics.enabled (eq (int $v.metrics.port) 5000) -}}
{{- $bad = append $bad "metrics.port is 5000, where the pages are. Choose another one." -}}
{{- end -}}
{{- if and (not $v.metrics.enabled) (or $v.metrics.serviceMonitor.enabled $v.metrics.podMonitor.enabled) -}}
{{- $bad = append $bad "metrics.enabled is false, so a ServiceMonitor or PodMonitor would find nothing." -}}
{{- end -}}
{{- if and $v.metrics.serviceMonitor.enabled $v.metrics.podMonitor.enabled -}}
{{- $bad = append $bad "metrics.serviceMonitor and metrics.podMonitor are both enabled, so everything would be counted twice." -}}
{{- end -}}
{{- if and (or $v.extraCA.existingConfigMap $v.extraCA.existingSecret) (hasKey $set "SSL_CERT_DIR") -}}
{{- $bad = append $bad "extraCA and the variable SSL_CERT_DIR are both set. Leave one of them out." -}}
{{- end -}}

{{- /* Time to stop. SHUTDOWN_DELAY is one of 5s, 1m, 1m0s; other forms are left to patdesk. */ -}}
{{- $delay := toString (default "5s" $v.settings.SHUTDOWN_DELAY) -}}
{{- if regexMatch "^([0-9]+m)?([0-9]+s)?$" $delay -}}
{{- $minutes := regexFind "^[0-9]+m" $delay | trimSuffix "m" -}}
{{- $seconds := regexFind "[0-9]+s$" $delay | trimSuffix "s" -}}
{{- $needed := add (int $v.preStopSeconds) (mul 60 (int $minutes)) (int $seconds) 75 -}}
{{- if le (int $v.terminationGracePeriodSeconds) (int $needed) -}}
{{- $bad = append $bad (printf "terminationGracePeriodSeconds is %d: changes in flight would be cut off. preStopSeconds, SHUTDOWN_DELAY and 75 seconds must fit in: more than %d." (int $v.terminationGracePeriodSeconds) (int $needed)) -}}
{{- end -}}
{{- end -}}

{{- if $bad -}}
{{- fail (printf "\n\npatdesk can't be installed like this:\n\n- %s\n" (join "\n- " $bad)) -}}
{{- end -}}
{{- end -}}
