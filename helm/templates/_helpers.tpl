{{/* Names, labels and the like, for all templates. What the settings file says is in _settings.tpl, the guards are in _guards.tpl. */}}

{{/* The ports of the container, which the chart owns; see docs/operations.md. */}}
{{- define "xpander-grpc-proxy.grpcPort" -}}50051{{- end }}
{{- define "xpander-grpc-proxy.adminPort" -}}9464{{- end }}

{{- define "xpander-grpc-proxy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of what there is one of; 53 characters, as many as a release has, leave room for "-headless". */}}
{{- define "xpander-grpc-proxy.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 53 | trimSuffix "-" }}
{{- end }}

{{- define "xpander-grpc-proxy.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "xpander-grpc-proxy.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What finds the pods. In quotes, as all that may be called 1 or yes. A Deployment's selector cannot change, so nothing that may change is in it. */}}
{{- define "xpander-grpc-proxy.selectorLabels" -}}
app.kubernetes.io/name: {{ include "xpander-grpc-proxy.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of all objects, without the common ones: over those, and over an object's own, these win. */}}
{{- define "xpander-grpc-proxy.ownLabels" -}}
{{- $own := include "xpander-grpc-proxy.selectorLabels" . | fromYaml }}
{{- $_ := set $own "helm.sh/chart" (include "xpander-grpc-proxy.chart" .) }}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- toYaml $own }}
{{- end }}

{{- define "xpander-grpc-proxy.labels" -}}
{{- merge (include "xpander-grpc-proxy.ownLabels" . | fromYaml) (.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{/*
The metadata of an object. Takes a dict: `root`, and where they are wanted `name` or `suffix` (of the full name),
`labels` and `annotations` (maps).
*/}}
{{- define "xpander-grpc-proxy.metadata" -}}
{{- $full := include "xpander-grpc-proxy.fullname" .root -}}
name: {{ .name | default (printf "%s-%s" $full (.suffix | default "") | trimSuffix "-") | quote }}
namespace: {{ include "xpander-grpc-proxy.namespace" .root | quote }}
labels:
  {{- $own := include "xpander-grpc-proxy.ownLabels" .root | fromYaml }}
  {{- merge $own (.labels | default dict) (.root.Values.commonLabels | default dict) | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The port of a Service that callers reach. Takes a dict: `root`, `port`. */}}
{{- define "xpander-grpc-proxy.servicePort" -}}
name: grpc
port: {{ int .port }}
targetPort: grpc
protocol: TCP
{{- with .root.Values.service.appProtocol }}
appProtocol: {{ . }}
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

{{/* Whether there is a value, which may be 0. An empty text means no. */}}
{{- define "xpander-grpc-proxy.isGiven" -}}
{{- if not (has (toString .) (list "" "<nil>")) }}true{{ end }}
{{- end }}

{{/* A number, which Helm may hold as a floating-point one, or percents. */}}
{{- define "xpander-grpc-proxy.intOrPercent" -}}
{{- if kindIs "string" . }}{{ . | quote }}{{ else }}{{ int . }}{{ end }}
{{- end }}
