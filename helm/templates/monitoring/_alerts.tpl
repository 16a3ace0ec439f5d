{{/*
The parts of alerts. The alerts themselves are in _alerts_*.tpl, as lists of rules; docs/operations.md says what their
metrics mean, tests/chart/alerts.test.yaml sees each one fire and stay silent.
*/}}

{{/* The series of this release. */}}
{{- define "xpander-grpc-proxy.alerts.series" -}}
namespace="{{ include "xpander-grpc-proxy.namespace" . }}", job="{{ include "xpander-grpc-proxy.fullname" . }}"
{{- end }}

{{/* A counter's rate or increase over all replicas. A dict: `root`, `of` (the metric), `over`, and perhaps `where` and `how`. */}}
{{- define "xpander-grpc-proxy.alerts.sum" -}}
sum by (namespace, job) ({{ default "rate" .how }}({{ .of }}{ {{- include "xpander-grpc-proxy.alerts.series" .root }}{{ with .where }}, {{ . }}{{ end -}} }[{{ .over }}]))
{{- end }}

{{/* The streams that went on in the time; of those that ended there may be no series yet. A dict: `root`, `over`. */}}
{{- define "xpander-grpc-proxy.alerts.streamsOver" -}}
{{- $active := printf "sum by (namespace, job) (xpander_streams_active{%s})" (include "xpander-grpc-proxy.alerts.series" .root) -}}
(
  {{ $active }}
  + ({{ include "xpander-grpc-proxy.alerts.sum" (dict "root" .root "how" "increase" "of" "rpc_server_call_duration_seconds_count" "where" "rpc_method=~\".*Stream.*\"" "over" .over) }}
    or 0 * {{ $active }})
)
{{- end }}

{{/* What is known of every alert. A dict: `root`, `name`, `severity`, `summary`, `description`. */}}
{{- define "xpander-grpc-proxy.alerts.text" -}}
labels:
  severity: {{ .severity }}
annotations:
  summary: {{ .summary | quote }}
  description: {{ .description | quote }}
  runbook_url: {{ printf "%s#%s" .root.Values.metrics.prometheusRule.runbookUrl (lower .name) | quote }}
{{- end }}
