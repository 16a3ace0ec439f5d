{{/* The proxy's environment: only what has no place in the settings file. */}}

{{- define "xpander-grpc-proxy.env" -}}
{{- with .Values.credentials }}
{{- if and .existingSecret (not .organizationId) (include "xpander-grpc-proxy.hasKey" $) }}
{{ include "xpander-grpc-proxy.secretEnv" (dict "variable" "XPANDER_ORGANIZATION_ID" "name" .existingSecret "key" .organizationIdKey) }}
{{- end }}
{{- end }}
{{- if .Values.otel.endpoint }}
{{ include "xpander-grpc-proxy.otelEnv" . }}
{{- end }}
{{- with .Values.extraEnv }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}

{{/* By the names of OpenTelemetry's specification. What refers to another variable comes after it. */}}
{{- define "xpander-grpc-proxy.otelEnv" -}}
{{- range $variable, $field := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_UID" "metadata.uid" "NODE_NAME" "spec.nodeName" }}
- name: {{ $variable }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $field }}
{{- end }}
{{- $attributes := dict "service.instance.id" "$(POD_UID)" "k8s.pod.name" "$(POD_NAME)" "k8s.pod.uid" "$(POD_UID)" "k8s.namespace.name" "$(POD_NAMESPACE)" "k8s.node.name" "$(NODE_NAME)" }}
{{- $pairs := list }}
{{- range $name, $value := merge (dict) (.Values.otel.resourceAttributes | default dict) $attributes }}
{{- $pairs = append $pairs (printf "%s=%s" $name $value) }}
{{- end }}
{{- $variables := dict "OTEL_RESOURCE_ATTRIBUTES" (join "," $pairs) }}
{{- with .Values.otel }}
{{- $_ := set $variables "OTEL_EXPORTER_OTLP_ENDPOINT" .endpoint }}
{{- $_ := set $variables "OTEL_EXPORTER_OTLP_PROTOCOL" .protocol }}
{{- $_ := set $variables "OTEL_METRICS_EXPORTER" (ternary "otlp" "none" .metrics) }}
{{- $_ := set $variables "OTEL_SERVICE_NAME" (.serviceName | default (include "xpander-grpc-proxy.fullname" $)) }}
{{- $_ := set $variables "OTEL_TRACES_SAMPLER" .sampler }}
{{- $_ := set $variables "OTEL_TRACES_SAMPLER_ARG" .samplerArg }}
{{- range $variable, $value := $variables }}
{{- if $value }}
- name: {{ $variable }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- with .headers }}
{{- if .existingSecret }}
{{ include "xpander-grpc-proxy.secretEnv" (dict "variable" "OTEL_EXPORTER_OTLP_HEADERS" "name" .existingSecret "key" .key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.secretEnv" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ quote .name }}
      key: {{ quote .key }}
{{- end }}
