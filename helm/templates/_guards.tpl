{{/*
What values need of each other, a line for each that is missing or in another's way. Not whether each is right by
itself: the schema knows that. The settings' own needs are those of the proxy (src/config/together.rs), so that nothing
installs which would not start.
*/}}

{{- define "xpander-grpc-proxy.guards" -}}
{{- $faults := list }}
{{- range list "credentials" "ownedSettings" "tls" "secrets" "callers" "scaling" "service" "others" "environment" }}
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

{{- define "xpander-grpc-proxy.guard.tls" -}}
{{- with .Values.tls }}
{{- if and (not .enabled) (or .existingSecret .certificate .privateKey .clientCa.enabled) }}
tls.enabled is false, but there are other values of tls: set it, or take them away.
{{- end }}
{{- if and .enabled (not .existingSecret) (not (and .certificate .privateKey)) }}
tls.existingSecret is missing, or tls.certificate and tls.privateKey: tls.enabled needs them.
{{- end }}
{{- if and .existingSecret (or .certificate .privateKey) }}
tls.existingSecret and tls.certificate with tls.privateKey: give one of them.
{{- end }}
{{- with .clientCa }}
{{- if and .enabled (not (or .existingSecret .certificate)) }}
tls.clientCa.existingSecret or tls.clientCa.certificate is missing: tls.clientCa.enabled needs one.
{{- end }}
{{- if and .existingSecret .certificate }}
tls.clientCa.existingSecret and tls.clientCa.certificate: give one of them.
{{- end }}
{{- if and (not .enabled) (or .existingSecret .certificate) }}
tls.clientCa.enabled is false, but there are authorities: set it, or take them away.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
What the schema does not look at, since Helm repeats a value that the schema refuses: a key or token must not end up in
somebody's log.
*/}}
{{- define "xpander-grpc-proxy.guard.secrets" -}}
{{- if not (regexMatch "^[!-~]*$" .Values.credentials.apiKey) }}
credentials.apiKey has a space, a line break or a character that is not ASCII.
{{- end }}
{{- with .Values.tls.privateKey }}
{{- if not (regexMatch `^\s*-----BEGIN [A-Z0-9 ]+-----` .) }}
tls.privateKey is not PEM: it does not begin with -----BEGIN.
{{- end }}
{{- end }}
{{- if and .Values.tokens.hashes .Values.tokens.existingSecret }}
tokens.hashes and tokens.existingSecret: give one of them.
{{- end }}
{{- $owners := dict }}
{{- range $index, $caller := keys .Values.tokens.hashes | sortAlpha }}
{{- $hashes := get $.Values.tokens.hashes $caller }}
{{- if not (regexMatch (include "xpander-grpc-proxy.callerPattern" .) $caller) }}
tokens.hashes: the name of entry {{ add1 $index }}, by the alphabet, is no caller's.
{{- else }}
{{- if not $hashes }}
tokens.hashes.{{ $caller }} has no hash.
{{- end }}
{{- range ternary (list $hashes) $hashes (kindIs "string" $hashes) }}
{{- if not (regexMatch "^[0-9A-Fa-f]{64}$" .) }}
tokens.hashes: entry {{ add1 $index }}, by the alphabet, has something else than SHA-256 hashes of 64 hex digits.
{{- end }}
{{- $owner := get $owners (lower .) | default $caller }}
{{- $_ := set $owners (lower .) $owner }}
{{- if ne $owner $caller }}
tokens.hashes has the same hash for {{ $owner }} and for {{ $caller }}: a token belongs to one caller.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A name of 1 to 128 characters that can stand in a line of the tokens' file, or a SPIFFE id. */}}
{{- define "xpander-grpc-proxy.callerPattern" -}}
{{- $name := `[!"$-)+\-.-<>-~][!-)+\-.-<>-~]{0,127}` }}
{{- $segment := `(?:[A-Za-z0-9_-][A-Za-z0-9._-]*|\.[A-Za-z0-9_-][A-Za-z0-9._-]*|\.\.[A-Za-z0-9._-]+)` }}
{{- printf `^(?:%s|spiffe://[a-z0-9._-]+(?:/%s)*)$` $name $segment }}
{{- end }}

{{/* As the proxy has it: without tokens and certificates nobody has a name. */}}
{{- define "xpander-grpc-proxy.guard.callers" -}}
{{- $hasCa := and .Values.tls.enabled .Values.tls.clientCa.enabled }}
{{- $hasNames := or $hasCa (include "xpander-grpc-proxy.hasTokens" .) }}
{{- with .Values.config }}
{{- if and .auth.allowed_clients (not $hasCa) }}
config.auth.allowed_clients needs tls.clientCa.enabled: without it callers show no certificate.
{{- end }}
{{- if not $hasNames }}
{{- if omit .auth.agents "*" }}
config.auth.agents names callers, which needs tokens or tls.clientCa.enabled; without them there is only "*".
{{- end }}
{{- if without .users.callers "*" }}
config.users.callers names callers, which needs tokens or tls.clientCa.enabled; without them there is only "*".
{{- end }}
{{- if .users.principal }}
config.users.principal needs tokens or tls.clientCa.enabled: without them callers have no name.
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
{{- if and .targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" $.Values.resources)) }}
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
{{- if and (ne (toString .minAvailable) "") (ne (toString .maxUnavailable) "") }}
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
