{{/* Alerts on event streams. */}}
{{- define "xpander-grpc-proxy.alerts.streams" -}}
{{- $thresholds := .Values.metrics.prometheusRule.thresholds }}
{{- $series := include "xpander-grpc-proxy.alerts.series" . }}
- alert: XpanderGrpcProxyNearStreamLimit
  expr: max by (namespace, job, pod) (xpander_streams_active{ {{- $series -}} }) / {{ include "xpander-grpc-proxy.metrics.maxStreams" . }} > {{ $thresholds.limitShare }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyNearStreamLimit" "severity" "warning"
    "summary" "A replica is near its limit of streams"
    "description" "{{ $labels.namespace }}/{{ $labels.pod }} is at {{ $value | humanizePercentage }} of server.max_streams. Scale out; where other replicas are idle, have the mesh balance each call.") | nindent 2 }}
- alert: XpanderGrpcProxySlowFirstEvents
  expr: histogram_quantile(0.95, sum by (namespace, job, le) (rate(xpander_first_event_duration_seconds_bucket{ {{- $series -}} }[10m]))) > {{ $thresholds.firstEventSeconds }}
  for: 10m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxySlowFirstEvents" "severity" "info"
    "summary" "Streams wait long for their first event"
    "description" "One stream of {{ $labels.namespace }}/{{ $labels.job }} in twenty waits longer than {{ $value | humanizeDuration }} for its first event. The agents are slow, or the platform is.") | nindent 2 }}
- alert: XpanderGrpcProxyEventsSkipped
  expr: {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_events_skipped_total" "over" "15m") }} > 0
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyEventsSkipped" "severity" "warning"
    "summary" "Events were omitted"
    "description" "{{ $labels.namespace }}/{{ $labels.job }} has omitted events that were larger than events.max_event_bytes, or no events at all. The log has a line for each.") | nindent 2 }}
- alert: XpanderGrpcProxyStreamGaps
  expr: |-
    {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_stream_gaps_total" "over" "30m") }}
      / {{ include "xpander-grpc-proxy.alerts.streamsOver" (dict "root" . "over" "30m") | indent 6 | trim }}
      > {{ $thresholds.gapShare }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyStreamGaps" "severity" "warning"
    "summary" "Streams have gaps"
    "description" "Callers of {{ $labels.namespace }}/{{ $labels.job }} were told {{ $value | humanize }} gaps for each stream, where events may be missing: the platform's streams break and do not go on by id.") | nindent 2 }}
- alert: XpanderGrpcProxyStreamsBreak
  expr: |-
    {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_stream_reconnects_total" "over" "10m") }}
      / {{ include "xpander-grpc-proxy.alerts.streamsOver" (dict "root" . "over" "10m") | indent 6 | trim }}
      > {{ $thresholds.reconnectsPerStream }}
  for: 10m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyStreamsBreak" "severity" "warning"
    "summary" "The platform's event streams break often"
    "description" "{{ $labels.namespace }}/{{ $labels.job }} opens each stream again {{ $value | humanize }} times in ten minutes. It is the platform, or a balancer in between.") | nindent 2 }}
- alert: XpanderGrpcProxyUnknownEventTypes
  expr: {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_events_total" "where" "xpander_event_type=\"other\"" "over" "1d") }} > 0
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyUnknownEventTypes" "severity" "info"
    "summary" "The platform sends events of a new type"
    "description" "{{ $labels.namespace }}/{{ $labels.job }} passes them on with their type_name; a newer version may know them.") | nindent 2 }}
{{- end }}
