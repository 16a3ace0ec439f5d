{{/* What the pods are, but for the proxy's container (_container.tpl) and what is mounted (_secrets.tpl). */}}

{{/* Without the chart's version, so that another one alone rolls nothing out. */}}
{{- define "xpander-grpc-proxy.podLabels" -}}
{{- $own := omit (include "xpander-grpc-proxy.ownLabels" . | fromYaml) "helm.sh/chart" "app.kubernetes.io/managed-by" }}
{{- $mesh := include "xpander-grpc-proxy.meshPodLabels" . | fromYaml }}
{{- merge $own (.Values.podLabels | default dict) (.Values.commonLabels | default dict) $mesh | toYaml }}
{{- end }}

{{/*
The checksums make a rollout of every change of settings and of the chart's own Secret. A Secret that exists already is
not known here: what the proxy reads again by itself needs none.
*/}}
{{- define "xpander-grpc-proxy.podAnnotations" -}}
{{- $configMap := print (include "xpander-grpc-proxy.settings" .) .Values.platformCa.certificate }}
{{- $own := dict "checksum/config" (sha256sum $configMap) }}
{{- with include "xpander-grpc-proxy.secretData" . | trim }}
{{- $_ := set $own "checksum/secret" (sha256sum .) }}
{{- end }}
{{- $mesh := include "xpander-grpc-proxy.meshPodAnnotations" . | fromYaml }}
{{- merge (dict) (.Values.podAnnotations | default dict) $own $mesh | toYaml }}
{{- end }}

{{/*
The pod's specification without containers and volumes. No Service's variables: one of a Service named xpander-proxy
would be taken for a setting that does not exist, and stop the start.
*/}}
{{- define "xpander-grpc-proxy.podSpec" -}}
serviceAccountName: {{ include "xpander-grpc-proxy.serviceAccountName" . | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "xpander-grpc-proxy.gracePeriod" . }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ quote . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ quote . }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ quote . }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "xpander-grpc-proxy.selectorLabels" $ | fromYaml)) }}
  - {{ merge (dict) . (ternary (dict) $selector (hasKey . "labelSelector")) | toYaml | indent 4 | trim }}
  {{- end }}
{{- end }}
{{- with .Values.initContainers }}
initContainers:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- end }}

{{/* How many there are at least. In the sandbox one: each would have an embedded platform of its own, with its own tasks. */}}
{{- define "xpander-grpc-proxy.replicas" -}}
{{- if .Values.autoscaling.enabled }}{{ int .Values.autoscaling.minReplicas }}
{{- else if .Values.sandbox.enabled }}{{ min 1 (int .Values.replicaCount) }}
{{- else }}{{ int .Values.replicaCount }}{{ end }}
{{- end }}

{{/*
How many the Deployment asks for. Under an autoscaler as many as there are: without a number Kubernetes would go back to one
at once. Where nobody can look (helm template, GitOps) there is none.
*/}}
{{- define "xpander-grpc-proxy.replicasNow" -}}
{{- if .Values.autoscaling.enabled }}
{{- with lookup "apps/v1" "Deployment" (include "xpander-grpc-proxy.namespace" .) (include "xpander-grpc-proxy.fullname" .) }}
{{- int .spec.replicas }}
{{- end }}
{{- else }}
{{- include "xpander-grpc-proxy.replicas" . }}
{{- end }}
{{- end }}

{{/* Callers that balance over the headless Service learn of a new replica when they ask for its name again: before an old one goes. */}}
{{- define "xpander-grpc-proxy.minReadySeconds" -}}
{{- with .Values.service.headless }}
{{- max (int $.Values.minReadySeconds) (ternary (int .resolveSeconds) 0 .enabled) }}
{{- end }}
{{- end }}

{{/* Longer than all that happens before the replica ends: the preStop sleep, the drain, and the telemetry's last words. */}}
{{- define "xpander-grpc-proxy.gracePeriod" -}}
{{- with .Values.drain }}{{ add (mul 2 (int .delaySeconds)) (int .timeoutSeconds) 10 }}{{ end }}
{{- end }}
