{{/*
The settings file, out of `config` and of the values that the chart has in its place. Not what is allowed in it: the
schema knows that.
*/}}

{{- define "xpander-grpc-proxy.settingsFolder" -}}/etc/xpander-grpc-proxy{{- end }}

{{/*
One value in TOML. JSON's texts and lists are TOML's too. Helm's numbers may be floating-point ones, which would be
written like 1.6777216e+07; only those with a fraction are meant to be. The keys of maps are texts, so that any name may be one.
*/}}
{{- define "xpander-grpc-proxy.toml" -}}
{{- if kindIs "map" . -}}
{ {{- range $index, $key := keys . | sortAlpha }}{{ if $index }},{{ end }} {{ toRawJson $key }} = {{ include "xpander-grpc-proxy.toml" (get $ $key) }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{ range $index, $element := . }}{{ if $index }}, {{ end }}{{ include "xpander-grpc-proxy.toml" $element }}{{ end }}]
{{- else if kindIs "string" . -}}
{{ toRawJson . }}
{{- else if kindIs "bool" . -}}
{{ . }}
{{- else if eq (float64 .) (float64 (int64 .)) -}}
{{ int64 . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}

{{/* What the chart itself has to say, by section. */}}
{{- define "xpander-grpc-proxy.ownSettings" -}}
{{- $folder := include "xpander-grpc-proxy.settingsFolder" . -}}
{{- $host := ternary (printf "[%s]" .Values.bindAddress) .Values.bindAddress (contains ":" .Values.bindAddress) -}}
server:
  listen: {{ printf "%s:%s" $host (include "xpander-grpc-proxy.grpcPort" .) | quote }}
  admin_listen: {{ printf "%s:%s" $host (include "xpander-grpc-proxy.adminPort" .) | quote }}
  drain_delay: {{ int .Values.drain.delaySeconds }}s
  drain_timeout: {{ int .Values.drain.timeoutSeconds }}s
  {{- if .Values.tls.enabled }}
  tls_cert_file: {{ $folder }}/tls.crt
  tls_key_file: {{ $folder }}/tls.key
  {{- if .Values.tls.clientCa.enabled }}
  tls_client_ca_file: {{ $folder }}/client-ca.crt
  {{- end }}
  {{- end }}
platform:
  {{- if include "xpander-grpc-proxy.hasKey" . }}
  api_key_file: {{ $folder }}/api-key
  organization_id: {{ .Values.credentials.organizationId | quote }}
  {{- end }}
  {{- if include "xpander-grpc-proxy.hasPlatformCa" . }}
  ca_file: {{ $folder }}/platform-ca.crt
  {{- end }}
auth:
  {{- if include "xpander-grpc-proxy.hasTokens" . }}
  tokens_file: {{ $folder }}/tokens
  {{- end }}
  {{- with .Values.jwt }}
  {{- if .issuer }}
  jwt:
    issuer: {{ .issuer | quote }}
    audience: {{ .audience | quote }}
    claim: {{ .claim | quote }}
    leeway: {{ .leeway | quote }}
    {{- if .keys.existingConfigMap }}
    jwks_file: {{ $folder }}/jwks.json
    {{- else if .keys.fromCluster }}
    jwks_url: https://kubernetes.default.svc/openid/v1/jwks
    jwks_ca_file: {{ $folder }}/jwks-ca.crt
    jwks_token_file: {{ $folder }}/jwks-token
    {{- else }}
    jwks_url: {{ .keys.url | quote }}
    {{- if or .keys.ca.existingConfigMap .keys.ca.existingSecret }}
    jwks_ca_file: {{ $folder }}/jwks-ca.crt
    {{- end }}
    {{- end }}
  {{- end }}
  {{- end }}
deduplication:
  {{- with .Values.deduplication.store }}
  {{- if .existingSecret }}
  store_file: {{ $folder }}/store-url
  {{- if or .ca.existingConfigMap .ca.existingSecret }}
  store_ca_file: {{ $folder }}/store-ca.crt
  {{- end }}
  {{- end }}
  {{- end }}
{{- end }}

{{/* The whole file. What is empty is unset, so it is omitted. */}}
{{- define "xpander-grpc-proxy.settings" -}}
{{- $own := include "xpander-grpc-proxy.ownSettings" . | fromYaml -}}
{{- range $section := list "server" "platform" "agents" "auth" "limits" "users" "events" "deduplication" "telemetry" }}
{{- $lines := list }}
{{- $settings := merge (dict) (get $own $section | default dict) (get $.Values.config $section | default dict) }}
{{- range $key := keys $settings | sortAlpha }}
{{- $value := get $settings $key }}
{{- if not (or (kindIs "invalid" $value) (has (toString $value) (list "" "[]" "map[]"))) }}
{{- $lines = append $lines (printf "%s = %s" $key (include "xpander-grpc-proxy.toml" $value)) }}
{{- end }}
{{- end }}
{{- with $lines }}
[{{ $section }}]
{{ join "\n" . }}
{{ end }}
{{- end }}
{{- end }}

{{/* What the proxy has. An empty text means no. */}}
{{- define "xpander-grpc-proxy.hasKey" -}}
{{- if not .Values.sandbox.enabled }}{{ or .Values.credentials.apiKey .Values.credentials.existingSecret | empty | ternary "" "true" }}{{ end }}
{{- end }}

{{- define "xpander-grpc-proxy.hasTokens" -}}
{{- or .Values.tokens.hashes .Values.tokens.existingSecret | empty | ternary "" "true" }}
{{- end }}

{{/* Whether callers show a bearer token, of whichever kind. */}}
{{- define "xpander-grpc-proxy.takesTokens" -}}
{{- or (include "xpander-grpc-proxy.hasTokens" .) .Values.jwt.issuer | empty | ternary "" "true" }}
{{- end }}

{{/* Whether the keys of JWTs are fetched, so that a replica can be alive without them. */}}
{{- define "xpander-grpc-proxy.fetchesKeys" -}}
{{- with .Values.jwt }}{{ and .issuer (or .keys.fromCluster .keys.url) | empty | ternary "" "true" }}{{ end }}
{{- end }}

{{- define "xpander-grpc-proxy.hasPlatformCa" -}}
{{- with .Values.platformCa }}{{ or .certificate .existingConfigMap .existingSecret | empty | ternary "" "true" }}{{ end }}
{{- end }}
