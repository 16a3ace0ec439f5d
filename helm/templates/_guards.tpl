{{/*
What values need of each other, a line for each that is missing or in another's way. Not whether each is right by
itself: the schema knows that. The settings' own needs are those of the proxy (src/config/together.rs), so that nothing
installs which would not start.
*/}}

{{- define "xpander-grpc-proxy.guards" -}}
{{- $faults := list }}
{{- range list "credentials" "ownedSettings" "tls" "secrets" "jwt" "callers" "pods" "scaling" "service" "others" "environment" }}
{{- with include (printf "xpander-grpc-proxy.guard.%s" .) $ | trim }}
{{- $faults = append $faults . }}
{{- end }}
{{- end }}
{{- with $faults }}
{{- fail (printf "\n\n%s\n" (regexReplaceAll "\n\\s*\n" (join "\n" .) "\n")) }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.guard.credentials" -}}
{{- with .Values.credentials }}
{{- if not (or .apiKey .existingSecret $.Values.sandbox.enabled $.Values.config.auth.pass_through) }}
The platform's key is missing. Set one of
  credentials.apiKey and credentials.organizationId: the key and its organization;
  credentials.existingSecret: a Secret with the keys {{ .apiKeyKey }} and {{ .organizationIdKey }};
  sandbox.enabled=true: to try it out without the platform;
  config.auth.pass_through=true: for callers with keys of their own.
{{- end }}
{{- if and .apiKey (not .organizationId) }}
credentials.organizationId is missing: credentials.apiKey needs it.
{{- end }}
{{- if and .organizationId (not (or .apiKey .existingSecret)) }}
credentials.organizationId is nothing without credentials.apiKey or credentials.existingSecret.
{{- end }}
{{- if and .apiKey .existingSecret }}
credentials.apiKey and credentials.existingSecret: give one of them.
{{- end }}
{{- end }}
{{- end }}

{{/* Settings that another value is there for, and which. */}}
{{- define "xpander-grpc-proxy.ownedSettings" -}}
server:
  listen: bindAddress
  admin_listen: bindAddress
  tls_cert_file: tls.existingSecret or tls.certificate
  tls_key_file: tls.existingSecret or tls.privateKey
  tls_client_ca_file: tls.clientCa
  drain_delay: drain.delaySeconds
  drain_timeout: drain.timeoutSeconds
platform:
  api_key: credentials.apiKey
  api_key_file: credentials.existingSecret
  organization_id: credentials.organizationId
  ca_file: platformCa
auth:
  tokens: tokens.hashes
  tokens_file: tokens.existingSecret
deduplication:
  store: deduplication.store.existingSecret
  store_file: deduplication.store.existingSecret
  store_ca_file: deduplication.store.ca
{{- end }}

{{- define "xpander-grpc-proxy.guard.ownedSettings" -}}
{{- range $section, $owned := include "xpander-grpc-proxy.ownedSettings" . | fromYaml }}
{{- range $key, $instead := $owned }}
{{- if hasKey (get $.Values.config $section) $key }}
config.{{ $section }}.{{ $key }} is the chart's own; the value for it is {{ $instead }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* As the proxy has it: without tokens, JWTs, certificates or a mesh's word nobody has a name. */}}
{{- define "xpander-grpc-proxy.guard.callers" -}}
{{- $hasCa := and .Values.tls.enabled .Values.tls.clientCa.enabled }}
{{- $hasTokens := include "xpander-grpc-proxy.takesTokens" . }}
{{- $hasNames := or $hasCa $hasTokens .Values.config.auth.caller_metadata }}
{{- with .Values.config }}
{{- if and .auth.caller_metadata (not .auth.mesh_only) }}
config.auth.caller_metadata needs config.auth.mesh_only: callers could name themselves, where they reach the port past the mesh.
{{- end }}
{{- if and .auth.caller_metadata (or $hasCa $hasTokens) }}
config.auth.caller_metadata and tokens, jwt or tls.clientCa.enabled both name callers; give one of them.
{{- end }}
{{- $rates := .limits.creates_per_second | default dict }}
{{- range $caller := keys (.limits.burst | default dict) | sortAlpha }}
{{- if not (or (hasKey $rates $caller) (hasKey $rates "*") (and $rates (eq $caller "*"))) }}
config.limits.burst has {{ $caller }}, who has no rate in config.limits.creates_per_second.
{{- end }}
{{- end }}
{{- if and .auth.allowed_clients (not $hasCa) }}
config.auth.allowed_clients needs tls.clientCa.enabled: without it callers show no certificate.
{{- end }}
{{- if not $hasNames }}
{{- if omit (.auth.agents | default dict) "*" }}
config.auth.agents names callers, which needs tokens, jwt or tls.clientCa.enabled; without them there is only "*".
{{- end }}
{{- if without (.auth.list_tasks | default list) "*" }}
config.auth.list_tasks names callers, which needs tokens, jwt or tls.clientCa.enabled; without them there is only "*".
{{- end }}
{{- if without (.users.callers | default list) "*" }}
config.users.callers names callers, which needs tokens, jwt or tls.clientCa.enabled; without them there is only "*".
{{- end }}
{{- range $setting := list "shares" "creates_per_second" "burst" }}
{{- if omit (get $.Values.config.limits $setting | default dict) "*" }}
config.limits.{{ $setting }} names callers, which needs tokens, jwt or tls.clientCa.enabled; without them there is only "*".
{{- end }}
{{- end }}
{{- if .users.principal }}
config.users.principal needs tokens, jwt or tls.clientCa.enabled: without them callers have no name.
{{- end }}
{{- end }}
{{- if and .users.metadata (not (hasKey .users.metadata "email")) }}
config.users.metadata needs an email: without one there is no user.
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.guard.scaling" -}}
{{- with .Values.strategy.rollingUpdate }}
{{- if and (eq $.Values.strategy.type "RollingUpdate") (has (toString .maxSurge) (list "0" "0%")) (has (toString .maxUnavailable) (list "0" "0%")) }}
strategy.rollingUpdate.maxSurge and strategy.rollingUpdate.maxUnavailable are both 0: no version could be replaced.
{{- end }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if $.Values.sandbox.enabled }}
autoscaling.enabled does not go with sandbox.enabled: each replica has an embedded platform of its own.
{{- end }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
autoscaling.minReplicas is more than autoscaling.maxReplicas.
{{- end }}
{{- if not (or .targetCPUUtilizationPercentage .targetCallsActive .targetStreamsActive .metrics) }}
autoscaling.enabled needs something to scale on: targetCPUUtilizationPercentage, targetCallsActive, targetStreamsActive or metrics.
{{- end }}
{{- if and .targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" ($.Values.resources | default dict))) }}
autoscaling.targetCPUUtilizationPercentage needs resources.requests.cpu, which it is a share of.
{{- end }}
{{- if and .targetCallsActive (ge (int .targetCallsActive) (int $.Values.config.server.max_calls)) }}
autoscaling.targetCallsActive would never be passed: config.server.max_calls is not above it.
{{- end }}
{{- if and .targetStreamsActive (ge (int .targetStreamsActive) (int $.Values.config.server.max_streams)) }}
autoscaling.targetStreamsActive would never be passed: config.server.max_streams is not above it.
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.podDisruptionBudget }}
{{- if and (include "xpander-grpc-proxy.isGiven" .minAvailable) (include "xpander-grpc-proxy.isGiven" .maxUnavailable) }}
podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable: give one of them.
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.guard.service" -}}
{{- with .Values.service }}
{{- if and (eq .type "ClusterIP") (or .nodePort .externalTrafficPolicy) }}
service.nodePort and service.externalTrafficPolicy are for the types NodePort and LoadBalancer.
{{- end }}
{{- if and (ne .type "LoadBalancer") (or .loadBalancerClass .loadBalancerSourceRanges) }}
service.loadBalancerClass and service.loadBalancerSourceRanges are for the type LoadBalancer.
{{- end }}
{{- if and (gt (len .ipFamilies) 1) (not (hasSuffix "DualStack" .ipFamilyPolicy)) }}
service.ipFamilies has two, which needs service.ipFamilyPolicy=PreferDualStack or RequireDualStack.
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.guard.others" -}}
{{- with .Values.platformCa }}
{{- if gt (len (compact (list .certificate .existingConfigMap .existingSecret))) 1 }}
platformCa.certificate, platformCa.existingConfigMap and platformCa.existingSecret: give one of them.
{{- end }}
{{- end }}
{{- with include "xpander-grpc-proxy.probesNeedHttp" . }}
{{- if eq $.Values.probes.type "grpc" }}
probes.type=grpc does not go {{ . }}: set auto or http.
{{- end }}
{{- end }}
{{- end }}

{{/* A setting in the environment would win over the file unseen, and a misspelt one would stop the start. */}}
{{- define "xpander-grpc-proxy.guard.environment" -}}
{{- $seen := dict }}
{{- range include "xpander-grpc-proxy.env" . | fromYamlArray }}
{{- if hasKey $seen .name }}
extraEnv has {{ .name }}, which is there already.
{{- end }}
{{- $_ := set $seen .name "" }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if hasPrefix "XPANDER_" .name }}
extraEnv has {{ .name }}: settings have their place in config, and the key in credentials.
{{- end }}
{{- end }}
{{- end }}
