{{/* Alerts on the requests to the platform. */}}
{{- define "xpander-grpc-proxy.alerts.platform" -}}
{{- $thresholds := .Values.metrics.prometheusRule.thresholds }}
{{- $requests := dict "root" . "of" "http_client_request_duration_seconds_count" }}
- alert: XpanderGrpcProxyPlatformErrors
  {{- /* Of the 4xx, which are the caller's, 429 alone is the platform's. */}}
  expr: |-
    {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" "5m" "where" "error_type!=\"\", error_type!~\"40.|41.|42[0-8]|4[3-9].|4xx\"") $requests) }}
      / {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" "5m") $requests) }}
      > {{ $thresholds.platformErrorShare }}
    and
    {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" "30m" "how" "increase") $requests) }} > {{ $thresholds.minimumCalls }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyPlatformErrors" "severity" "warning"
    "summary" "The platform fails, or cannot be reached"
    "description" "{{ $value | humanizePercentage }} of the requests of {{ $labels.namespace }}/{{ $labels.job }} to the platform fail. error_type of http_client_request_duration_seconds says how: where it is no status, look at DNS, egress and the platform's certificate.") | nindent 2 }}
{{- if not (dig "auth" "pass_through" false (default (dict) .Values.config)) }}
{{- /* With callers' own keys, a refused key is a caller's matter. */}}
{{- $refused := printf "http_client_request_duration_seconds_count{%s, http_response_status_code=~\"401|403\"}" (include "xpander-grpc-proxy.alerts.series" .) }}
- alert: XpanderGrpcProxyKeyRefused
  {{- /* The first refusal makes a new series, in which increase() sees none. */}}
  expr: |-
    sum by (namespace, job, http_response_status_code) (increase({{ $refused }}[10m])) > 0
    or
    sum by (namespace, job, http_response_status_code) ({{ $refused }} unless {{ $refused }} offset 10m) > 0
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyKeyRefused" "severity" "critical"
    "summary" "The platform refuses the proxy's key"
    "description" "The platform answers {{ $labels.http_response_status_code }} to {{ $labels.namespace }}/{{ $labels.job }}: the key is wrong or expired (401), or may not do what it is asked for (403).") | nindent 2 }}
{{- end }}
- alert: XpanderGrpcProxyPlatformBraked
  expr: |-
    {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "of" "xpander_platform_braked_total" "over" "5m") }}
      > {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" "5m") $requests) }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyPlatformBraked" "severity" "warning"
    "summary" "More requests are held back than are sent to the platform"
    "description" "{{ $labels.namespace }}/{{ $labels.job }} holds back {{ $value | humanize }} requests a second, since the platform has asked to be left alone, or fails. The log says which, and what it asked for.") | nindent 2 }}
- alert: XpanderGrpcProxyPlatformRetries
  expr: |-
    {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "of" "xpander_platform_retries_total" "over" "5m") }}
      / {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" "5m") $requests) }}
      > {{ $thresholds.retryShare }}
    and
    {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" "30m" "how" "increase") $requests) }} > {{ $thresholds.minimumCalls }}
  for: 10m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyPlatformRetries" "severity" "warning"
    "summary" "Many requests to the platform are sent again"
    "description" "{{ $value | humanizePercentage }} of the requests of {{ $labels.namespace }}/{{ $labels.job }} to the platform are repeats. Callers see little of it yet.") | nindent 2 }}
{{- end }}
