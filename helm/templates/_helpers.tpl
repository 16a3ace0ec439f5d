{{/* Names, labels and the like, for all templates. What the settings file says is in _settings.tpl, the guards are in _guards.tpl. */}}

{{/* The ports of the container, which the chart owns; see docs/operations.md. */}}
{{- define "xpander-grpc-proxy.grpcPort" -}}50051{{- end }}
{{- define "xpander-grpc-proxy.adminPort" -}}9464{{- end }}

{{- define "xpander-grpc-proxy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of what there is one of; 52 characters leave room for "-" and what makes another name of it. */}}
{{- define "xpander-grpc-proxy.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "xpander-grpc-proxy.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "xpander-grpc-proxy.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What finds the pods. A Deployment's selector cannot change, so nothing that may change is in it. */}}
{{- define "xpander-grpc-proxy.selectorLabels" -}}
app.kubernetes.io/name: {{ include "xpander-grpc-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "xpander-grpc-proxy.labels" -}}
helm.sh/chart: {{ include "xpander-grpc-proxy.chart" . }}
{{ include "xpander-grpc-proxy.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The metadata of an object. Call it with a dict: `root`, and where they are wanted `suffix` (of the name), `labels` and
`annotations` (maps).
*/}}
{{- define "xpander-grpc-proxy.metadata" -}}
{{- $root := .root -}}
name: {{ include "xpander-grpc-proxy.fullname" $root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ include "xpander-grpc-proxy.namespace" $root }}
labels:
  {{- include "xpander-grpc-proxy.labels" $root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "xpander-grpc-proxy.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* By digest, where there is one: it says exactly what runs. */}}
{{- define "xpander-grpc-proxy.image" -}}
{{- with .Values.image }}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}
