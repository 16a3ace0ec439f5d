{{/* The pod of `helm test`, and how a client of the release's own server is called. */}}

{{- define "xpander-grpc-proxy.testLabels" -}}
app.kubernetes.io/name: {{ include "xpander-grpc-proxy.name" . | trunc 58 | trimSuffix "-" }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Where callers within the cluster find the server. */}}
{{- define "xpander-grpc-proxy.address" -}}
{{ include "xpander-grpc-proxy.fullname" . }}.{{ include "xpander-grpc-proxy.namespace" . }}.svc:{{ int .Values.service.port }}
{{- end }}

{{/*
Whether the test may invoke: at no cost, with a token where one is wanted, which goes over TLS only, and where no mesh
lets in but those that are named.
*/}}
{{- define "xpander-grpc-proxy.testInvokes" -}}
{{- if and .Values.sandbox.enabled (not (or .Values.istio.authorizationPolicy.enabled .Values.linkerd.policy.enabled)) }}
{{- if or (not (include "xpander-grpc-proxy.takesTokens" .)) (and .Values.tls.enabled .Values.tests.tokenSecret) }}true{{ end }}
{{- end }}
{{- end }}

{{/* A container that runs one of the proxy's own client commands. Takes a dict: `root`, `name`, `args`. */}}
{{- define "xpander-grpc-proxy.testContainer" -}}
{{- $root := .root }}
{{- $tests := $root.Values.tests -}}
name: {{ .name }}
image: {{ include "xpander-grpc-proxy.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
{{- with $root.Values.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
args:
  {{- toYaml .args | nindent 2 }}
  - --server
  - {{ ternary "https" "http" $root.Values.tls.enabled }}://{{ include "xpander-grpc-proxy.address" $root }}
  - --timeout=30s
{{- if $root.Values.tls.enabled }}
  - --ca-file=/etc/tls/ca.crt
  {{- if $root.Values.tls.clientCa.enabled }}
  - --cert-file=/etc/tls/tls.crt
  - --key-file=/etc/tls/tls.key
  {{- end }}
  {{- with $tests.serverName }}
  - {{ printf "--server-name=%s" . | quote }}
  {{- end }}
{{- if $tests.tokenSecret }}
env:
  {{- include "xpander-grpc-proxy.secretEnv" (dict "variable" "XPANDER_GRPC_TOKEN" "name" $tests.tokenSecret "key" $tests.tokenKey) | nindent 2 }}
{{- end }}
volumeMounts:
  - name: tls
    mountPath: /etc/tls
    readOnly: true
{{- end }}
{{- with $tests.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
