{{/* The proxy's container: command, environment, probes. */}}

{{- define "xpander-grpc-proxy.container" -}}
name: proxy
image: {{ include "xpander-grpc-proxy.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
args:
  - serve
  - --config
  - {{ include "xpander-grpc-proxy.settingsFolder" . }}/settings.toml
  {{- if .Values.sandbox.enabled }}
  - --sandbox
  {{- end }}
{{- with include "xpander-grpc-proxy.env" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: grpc
    containerPort: {{ include "xpander-grpc-proxy.grpcPort" . }}
    protocol: TCP
  - name: admin
    containerPort: {{ include "xpander-grpc-proxy.adminPort" . }}
    protocol: TCP
{{- /* Not ready for long is no reason to start again. */}}
startupProbe:
  {{- include "xpander-grpc-proxy.probe" (dict "root" . "path" (ternary "/livez" "/readyz" (eq "true" (include "xpander-grpc-proxy.fetchesKeys" .))) "times" .Values.probes.startup) | nindent 2 }}
readinessProbe:
  {{- include "xpander-grpc-proxy.probe" (dict "root" . "path" "/readyz" "times" .Values.probes.readiness) | nindent 2 }}
livenessProbe:
  {{- include "xpander-grpc-proxy.probe" (dict "root" . "path" "/livez" "times" .Values.probes.liveness) | nindent 2 }}
{{- if int .Values.drain.delaySeconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ int .Values.drain.delaySeconds }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: settings
    mountPath: {{ include "xpander-grpc-proxy.settingsFolder" . }}
    readOnly: true
  {{- with .Values.extraVolumeMounts }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- end }}

{{/*
One probe. By gRPC, health turns NOT_SERVING only while a replica starts, which the startup probe covers, and while it
leaves, when the kubelet asks for liveness no more: so it may be asked for liveness too, and sees the callers' port. Where it
waits for the keys of JWTs, too, liveness is asked for over HTTP.
*/}}
{{- define "xpander-grpc-proxy.probe" -}}
{{- if eq (include "xpander-grpc-proxy.probeType" .root) "grpc" -}}
grpc:
  port: {{ include "xpander-grpc-proxy.grpcPort" .root }}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: admin
{{- end }}
{{- with .times }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.probeType" -}}
{{- if ne .Values.probes.type "auto" }}{{ .Values.probes.type }}
{{- else if include "xpander-grpc-proxy.probesNeedHttp" . }}http
{{- else }}grpc{{ end }}
{{- end }}

{{/* Why the kubelet's gRPC probes would fail; nothing where they would not. */}}
{{- define "xpander-grpc-proxy.probesNeedHttp" -}}
{{- if .Values.tls.enabled -}}
with tls.enabled, since the kubelet speaks no TLS to a gRPC port
{{- else if and (include "xpander-grpc-proxy.takesTokens" .) (not .Values.config.auth.open_health) -}}
without config.auth.open_health, since the kubelet has no token
{{- else if include "xpander-grpc-proxy.fetchesKeys" . -}}
with jwt.keys that are fetched, since a replica without them is alive and not ready
{{- end }}
{{- end }}
