{{/* Alerts on the calls of the API; health and reflection do not count. */}}
{{- define "xpander-grpc-proxy.alerts.calls" -}}
{{- $thresholds := .Values.metrics.prometheusRule.thresholds }}
{{- $series := include "xpander-grpc-proxy.alerts.series" . }}
{{- $api := "rpc_method=~\"xpander.agent.v1.AgentService/.+\"" }}
{{- $calls := dict "root" . "of" "rpc_server_call_duration_seconds_count" "where" $api }}
{{- $errors := dict "root" . "of" "rpc_server_call_duration_seconds_count" "where" (printf "%s, error_type!=\"\"" $api) }}
{{- /* Two windows: the long one keeps a hiccup silent, the short one ends the alert when the trouble ends. */}}
- alert: XpanderGrpcProxyErrors
  expr: |-
    {{- range $over := list "5m" "30m" }}
    {{- if ne $over "5m" }}
    and
    {{- end }}
    {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" $over) $errors) }}
      / {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" $over) $calls) }}
      > {{ $thresholds.errorShare }}
    {{- end }}
    and
    {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" "30m" "how" "increase") $calls) }} > {{ $thresholds.minimumCalls }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyErrors" "severity" "warning"
    "summary" "Calls fail through no fault of their callers"
    "description" "{{ $value | humanizePercentage }} of the calls of {{ $labels.namespace }}/{{ $labels.job }} fail for a reason of the proxy or the platform. The reason is in the log, in the lines with the message call.") | nindent 2 }}
- alert: XpanderGrpcProxyManyErrors
  expr: |-
    {{- range $over := list "5m" "1h" }}
    {{- if ne $over "5m" }}
    and
    {{- end }}
    {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" $over) $errors) }}
      / {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" $over) $calls) }}
      > {{ $thresholds.manyErrorsShare }}
    {{- end }}
    and
    {{ include "xpander-grpc-proxy.alerts.sum" (merge (dict "over" "1h" "how" "increase") $calls) }} > {{ $thresholds.minimumCalls }}
  for: 2m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyManyErrors" "severity" "critical"
    "summary" "Many calls fail through no fault of their callers"
    "description" "{{ $value | humanizePercentage }} of the calls of {{ $labels.namespace }}/{{ $labels.job }} fail for a reason of the proxy or the platform. The reason is in the log, in the lines with the message call.") | nindent 2 }}
- alert: XpanderGrpcProxySlowReads
  expr: |-
    {{- range $over := list "5m" "30m" }}
    {{- if ne $over "5m" }}
    and
    {{- end }}
    histogram_quantile(0.99, sum by (namespace, job, le) (rate(rpc_server_call_duration_seconds_bucket{ {{- $series }}, rpc_method="xpander.agent.v1.AgentService/GetTask"}[{{ $over }}]))) > {{ $thresholds.readSeconds }}
    {{- end }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxySlowReads" "severity" "warning"
    "summary" "Reading a task takes long"
    "description" "One GetTask of {{ $labels.namespace }}/{{ $labels.job }} in a hundred takes longer than {{ $value | humanizeDuration }}. http_client_request_duration_seconds tells whether it is the platform.") | nindent 2 }}
- alert: XpanderGrpcProxyShedsCalls
  expr: {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_calls_shed_total" "over" "5m") }} > 0
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyShedsCalls" "severity" "warning"
    "summary" "Calls are refused by a limit"
    "description" "{{ $labels.namespace }}/{{ $labels.job }} has refused about {{ $value | humanize }} calls in five minutes. xpander_reason has the limit: where it is server.max_…, scale out or raise it; where it is a caller's (limits.…), look at the caller; where it is platform, at the platform.") | nindent 2 }}
- alert: XpanderGrpcProxyNearCallLimit
  expr: max by (namespace, job, pod) (xpander_calls_active{ {{- $series -}} }) / {{ include "xpander-grpc-proxy.metrics.maxCalls" . }} > {{ $thresholds.limitShare }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyNearCallLimit" "severity" "warning"
    "summary" "A replica is near its limit of calls"
    "description" "{{ $labels.namespace }}/{{ $labels.pod }} is at {{ $value | humanizePercentage }} of server.max_calls. Scale out; where other replicas are idle, have the mesh balance each call.") | nindent 2 }}
- alert: XpanderGrpcProxyNearWaitLimit
  expr: max by (namespace, job, pod) (xpander_waits_active{ {{- $series -}} }) / {{ include "xpander-grpc-proxy.metrics.maxWaits" . }} > {{ $thresholds.limitShare }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyNearWaitLimit" "severity" "warning"
    "summary" "A replica is near its limit of calls that wait"
    "description" "{{ $labels.namespace }}/{{ $labels.pod }} is at {{ $value | humanizePercentage }} of server.max_waits. Scale out, or raise it.") | nindent 2 }}
- alert: XpanderGrpcProxyNearAnswerLimit
  expr: max by (namespace, job, pod) (xpander_answers_size_bytes{ {{- $series -}} }) / {{ include "xpander-grpc-proxy.metrics.maxBufferedBytes" . }} > {{ $thresholds.limitShare }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyNearAnswerLimit" "severity" "warning"
    "summary" "A replica is near its limit of answers in memory"
    "description" "{{ $labels.namespace }}/{{ $labels.pod }} is at {{ $value | humanizePercentage }} of server.max_buffered_bytes: callers do not read their answers, or there is too little room for them.") | nindent 2 }}
- alert: XpanderGrpcProxyConnectionsRefused
  expr: {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_connections_refused_total" "over" "5m") }} > 0
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyConnectionsRefused" "severity" "warning"
    "summary" "Connections are refused because too many are open"
    "description" "{{ $labels.namespace }}/{{ $labels.job }} has closed about {{ $value | humanize }} connections at once in five minutes, since server.max_connections are open. Scale out, or find who opens them.") | nindent 2 }}
- alert: XpanderGrpcProxyMalformedRequests
  expr: {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_requests_malformed_total" "over" "15m") }} > 0
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyMalformedRequests" "severity" "info"
    "summary" "Requests are none of HTTP/2's"
    "description" "{{ $labels.namespace }}/{{ $labels.job }} has reset requests that HTTP/2 itself refuses, and no line of the log tells of them: a caller is misconfigured, most often its :authority.") | nindent 2 }}
- alert: XpanderGrpcProxyCreateOutcomeUnknown
  expr: {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_creates_unknown_total" "over" "10m") }} > 0
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyCreateOutcomeUnknown" "severity" "warning"
    "summary" "A task may or may not have been created"
    "description" "{{ $labels.namespace }}/{{ $labels.job }} has sent creates whose outcome nobody knows. The log has a line for each, with its x-request-id; the runbook says how to look for the task, and when a second create is safe.") | nindent 2 }}
- alert: XpanderGrpcProxyStoreAway
  expr: max by (namespace, job, pod) (xpander_deduplication_store_away{ {{- $series -}} }) > 0
  for: 1m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyStoreAway" "severity" "critical"
    "summary" "A replica does not reach the store of idempotency keys"
    "description" "{{ $labels.namespace }}/{{ $labels.pod }} does not reach deduplication.store, or it refuses claims. Creates with an idempotency key are refused, or two replicas may create the same task twice, as deduplication.when_away says. The log and /readyz say why.") | nindent 2 }}
- alert: XpanderGrpcProxyJwtKeysAway
  expr: max by (namespace, job, pod) (xpander_jwt_keys_away{ {{- $series -}} }) > 0
  for: 15m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyJwtKeysAway" "severity" "warning"
    "summary" "The keys of callers' JWTs cannot be fetched"
    "description" "{{ $labels.namespace }}/{{ $labels.pod }} cannot fetch the keys of auth.jwt. Those that it has stay in force: a new one is not known, and one that was withdrawn still counts. The log says why.") | nindent 2 }}
- alert: XpanderGrpcProxyStoreRestarted
  expr: {{ include "xpander-grpc-proxy.alerts.sum" (dict "root" . "how" "increase" "of" "xpander_deduplication_store_restarts_total" "over" "10m") }} > 0
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyStoreRestarted" "severity" "warning"
    "summary" "The store of idempotency keys is another one, or was restarted"
    "description" "What the store of {{ $labels.namespace }}/{{ $labels.job }} did not keep is forgotten: a retry of a call from before may make a second task.") | nindent 2 }}
- alert: XpanderGrpcProxyRequestIdsFull
  expr: max by (namespace, job, pod) (xpander_deduplication_size_bytes{ {{- $series -}} }) / {{ int64 .Values.config.deduplication.memory_bytes }} > {{ $thresholds.limitShare }}
  for: 5m
  {{- include "xpander-grpc-proxy.alerts.text" (dict "root" . "name" "XpanderGrpcProxyRequestIdsFull" "severity" "warning"
    "summary" "A replica has little room left for idempotency keys"
    "description" "{{ $labels.namespace }}/{{ $labels.pod }} is at {{ $value | humanizePercentage }} of deduplication.memory_bytes. Beyond, creates with a new idempotency key are refused. Raise it, or scale out.") | nindent 2 }}
{{- end }}
