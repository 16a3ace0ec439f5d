{{/* What monitors, rules and the dashboard have in common. */}}

{{/* The component that tells the Service of the admin port from the one that callers use. */}}
{{- define "xpander-grpc-proxy.metrics.labels" -}}
app.kubernetes.io/component: admin
{{- end }}

{{/* How a replica is scraped. Call it with a dict: `root`, and `monitor`, the values of one. */}}
{{- define "xpander-grpc-proxy.metrics.endpoint" -}}
port: admin
path: /metrics
scheme: http
interval: {{ .monitor.interval }}
{{- with .monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
relabelings:
  # The same job whichever monitor scrapes: the alerts and the dashboard ask for it.
  - targetLabel: job
    replacement: {{ include "xpander-grpc-proxy.fullname" .root | quote }}
  {{- with .monitor.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The limits that the pods run with, and their defaults in docs/configuration.md. */}}
{{- define "xpander-grpc-proxy.metrics.maxCalls" -}}
{{- dig "server" "max_calls" 5000 (default (dict) .Values.config) | int64 }}
{{- end }}
{{- define "xpander-grpc-proxy.metrics.maxWaits" -}}
{{- dig "server" "max_waits" 5000 (default (dict) .Values.config) | int64 }}
{{- end }}
{{- define "xpander-grpc-proxy.metrics.maxStreams" -}}
{{- dig "server" "max_streams" 10000 (default (dict) .Values.config) | int64 }}
{{- end }}
{{- define "xpander-grpc-proxy.metrics.maxBufferedBytes" -}}
{{- dig "server" "max_buffered_bytes" 33554432 (default (dict) .Values.config) | int64 }}
{{- end }}
