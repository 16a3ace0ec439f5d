{{/* The chart's own Secret, and the one folder in which the proxy finds its settings and secrets. */}}

{{/* What the chart's own Secret holds; nothing where all secrets exist already. Not in base64. */}}
{{- define "xpander-grpc-proxy.secretData" -}}
{{- if and (include "xpander-grpc-proxy.hasKey" .) .Values.credentials.apiKey }}
api-key: {{ .Values.credentials.apiKey | quote }}
{{- end }}
{{- if and .Values.tls.enabled .Values.tls.certificate }}
tls.crt: {{ .Values.tls.certificate | quote }}
tls.key: {{ .Values.tls.privateKey | quote }}
{{- end }}
{{- if and .Values.tls.enabled .Values.tls.clientCa.enabled .Values.tls.clientCa.certificate }}
client-ca.crt: {{ .Values.tls.clientCa.certificate | quote }}
{{- end }}
{{- if .Values.tokens.hashes }}
tokens: {{ include "xpander-grpc-proxy.tokens" . | quote }}
{{- end }}
{{- end }}

{{/* The file of `auth.tokens_file`: a line for each caller. */}}
{{- define "xpander-grpc-proxy.tokens" -}}
{{- range $caller := keys .Values.tokens.hashes | sortAlpha }}
{{- $hashes := get $.Values.tokens.hashes $caller }}
{{- if kindIs "string" $hashes }}{{ $hashes = list $hashes }}{{ end }}
{{- printf "%s=%s\n" $caller (join " " $hashes) }}
{{- end }}
{{- end }}

{{/*
The sources of the projected volume. All in one, so that files which belong together change together; read again by the
proxy when they change.
*/}}
{{- define "xpander-grpc-proxy.sources" -}}
{{- $own := include "xpander-grpc-proxy.fullname" . -}}
- configMap:
    name: {{ quote $own }}
{{- if include "xpander-grpc-proxy.secretData" . | trim }}
- secret:
    name: {{ quote $own }}
{{- end }}
{{- with .Values.credentials }}
{{- if and .existingSecret (include "xpander-grpc-proxy.hasKey" $) }}
{{ include "xpander-grpc-proxy.secretSource" (dict "name" .existingSecret "items" (dict .apiKeyKey "api-key")) }}
{{- end }}
{{- end }}
{{- with .Values.tls }}
{{- if and .enabled .existingSecret }}
{{ include "xpander-grpc-proxy.secretSource" (dict "name" .existingSecret "items" (dict .certificateKey "tls.crt" .privateKeyKey "tls.key")) }}
{{- end }}
{{- if and .enabled .clientCa.enabled .clientCa.existingSecret }}
{{ include "xpander-grpc-proxy.secretSource" (dict "name" .clientCa.existingSecret "items" (dict .clientCa.certificateKey "client-ca.crt")) }}
{{- end }}
{{- end }}
{{- with .Values.tokens.existingSecret }}
{{ include "xpander-grpc-proxy.secretSource" (dict "name" . "items" (dict $.Values.tokens.key "tokens")) }}
{{- end }}
{{- if .Values.jwt.issuer }}
{{- with .Values.jwt.keys }}
{{- if .existingConfigMap }}
{{ include "xpander-grpc-proxy.configMapSource" (dict "name" .existingConfigMap "items" (dict .key "jwks.json")) }}
{{- else if .fromCluster }}
# The cluster's own authorities, which are in every namespace, and a token for its API server.
{{ include "xpander-grpc-proxy.configMapSource" (dict "name" "kube-root-ca.crt" "items" (dict "ca.crt" "jwks-ca.crt")) }}
- serviceAccountToken:
    path: jwks-token
    expirationSeconds: 3600
{{- else if .ca.existingSecret }}
{{ include "xpander-grpc-proxy.secretSource" (dict "name" .ca.existingSecret "items" (dict .ca.key "jwks-ca.crt")) }}
{{- else if .ca.existingConfigMap }}
{{ include "xpander-grpc-proxy.configMapSource" (dict "name" .ca.existingConfigMap "items" (dict .ca.key "jwks-ca.crt")) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.platformCa }}
{{- if .existingSecret }}
{{ include "xpander-grpc-proxy.secretSource" (dict "name" .existingSecret "items" (dict .key "platform-ca.crt")) }}
{{- else if .existingConfigMap }}
{{ include "xpander-grpc-proxy.configMapSource" (dict "name" .existingConfigMap "items" (dict .key "platform-ca.crt")) }}
{{- end }}
{{- end }}
{{- with .Values.deduplication.store }}
{{- if .existingSecret }}
{{ include "xpander-grpc-proxy.secretSource" (dict "name" .existingSecret "items" (dict .key "store-url")) }}
{{- if .ca.existingSecret }}
{{ include "xpander-grpc-proxy.secretSource" (dict "name" .ca.existingSecret "items" (dict .ca.key "store-ca.crt")) }}
{{- else if .ca.existingConfigMap }}
{{ include "xpander-grpc-proxy.configMapSource" (dict "name" .ca.existingConfigMap "items" (dict .ca.key "store-ca.crt")) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.configMapSource" -}}
- configMap:
    name: {{ quote .name }}
    items:
      {{- range $key, $path := .items }}
      - key: {{ quote $key }}
        path: {{ $path }}
      {{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.secretSource" -}}
- secret:
    name: {{ quote .name }}
    items:
      {{- range $key, $path := .items }}
      - key: {{ quote $key }}
        path: {{ $path }}
      {{- end }}
{{- end }}
