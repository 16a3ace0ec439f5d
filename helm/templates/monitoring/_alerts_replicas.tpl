{{/* Alerts on the replicas themselves. */}}
{{- define "xpander-grpc-proxy.alerts.replicas" -}}
{{- $series := include "xpander-grpc-proxy.alerts.series" . }}
{{- $deployment := printf "namespace=\"%s\", deployment=\"%s\"" (include "xpander-grpc-proxy.namespace" .) (include "xpander-grpc-proxy.fullname" .) }}
- alert: XpanderGrpcProxyReplicaDown
  expr: up{ {{- $series -}} } == 0
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyReplicaDown" "severity" "warning"
    "summary" "A replica does not answer"
    "description" "Prometheus gets no metrics from {{ $labels.namespace }}/{{ $labels.pod }}.") | nindent 2 }}
- alert: XpanderGrpcProxyAbsent
  expr: |-
    sum by (namespace, job) (up{ {{- $series -}} }) == 0
    or
    absent(up{ {{- $series -}} })
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyAbsent" "severity" "critical"
    "summary" "No replica answers"
    "description" (printf "Prometheus gets metrics from no replica of %s/%s: none runs, or none is scraped." (include "xpander-grpc-proxy.namespace" .) (include "xpander-grpc-proxy.fullname" .))) | nindent 2 }}
- alert: XpanderGrpcProxyReplicasMissing
  {{- /* From kube-state-metrics; without it, this alert stays silent. */}}
  expr: |-
    kube_deployment_status_replicas_available{ {{- $deployment -}} }
      < kube_deployment_spec_replicas{ {{- $deployment -}} }
  for: 15m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyReplicasMissing" "severity" "warning"
    "summary" "Fewer replicas are available than are wanted"
    "description" "{{ $labels.namespace }}/{{ $labels.deployment }} has {{ $value }} replicas available for a quarter of an hour now, and wants more. Look at the pods' events.") | nindent 2 }}
- alert: XpanderGrpcProxyLogLinesDropped
  expr: {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_log_lines_dropped_total" "over" "15m") }} > 0
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyLogLinesDropped" "severity" "warning"
    "summary" "Lines of the log were omitted"
    "description" "{{ $labels.namespace }}/{{ $labels.job }} has omitted about {{ $value | humanize }} lines in a quarter of an hour: whatever takes its log has stopped, or is too slow.") | nindent 2 }}
{{- end }}
