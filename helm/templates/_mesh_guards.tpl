{{/* What the values of monitoring, gateway and meshes need of each other: a line for each that is in another's way. */}}

{{/* A duration of Prometheus: hours, minutes, seconds and milliseconds, in this order. */}}
{{- define "xpander-grpc-proxy.milliseconds" -}}
{{- $all := 0 }}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 }}
{{- $unit := regexFind "[a-z]+" . }}
{{- $all = add $all (mul (trimSuffix $unit . | int) (get (dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1) $unit)) }}
{{- end }}
{{- $all }}
{{- end }}

{{- define "xpander-grpc-proxy.guard.monitoring" -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
metrics.serviceMonitor.enabled and metrics.podMonitor.enabled: each replica would be scraped twice; take one.
{{- end }}
{{- range $monitor := list "serviceMonitor" "podMonitor" }}
{{- with get $.Values.metrics $monitor }}
{{- if and .enabled .scrapeTimeout (gt (include "xpander-grpc-proxy.milliseconds" .scrapeTimeout | int) (include "xpander-grpc-proxy.milliseconds" .interval | int)) }}
metrics.{{ $monitor }}.scrapeTimeout is above metrics.{{ $monitor }}.interval.
{{- end }}
{{- end }}
{{- end }}
{{- $groups := list }}
{{- range list "calls" "streams" "platform" "replicas" }}
{{- $groups = append $groups (printf "%s.%s" (include "xpander-grpc-proxy.fullname" $) .) }}
{{- end }}
{{- include "xpander-grpc-proxy.twice" (list "metrics.prometheusRule.additionalGroups" $groups (list "name") .Values.metrics.prometheusRule.additionalGroups) }}
{{- with .Values.metrics.prometheusRule.thresholds }}
{{- if gt (float64 .errorShare) (float64 .manyErrorsShare) }}
metrics.prometheusRule.thresholds: errorShare, of the warning, is above manyErrorsShare, of the critical alert.
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.guard.gateway" -}}
{{- with .Values.gatewayApi }}
{{- if and .enabled (not .parentRefs) }}
gatewayApi.enabled: give gatewayApi.parentRefs, the gateways whose route it is.
{{- end }}
{{- /* As the CRD's rules have it. */}}
{{- $parents := dict }}
{{- range .parentRefs }}
{{- $parent := list (.group | default "gateway.networking.k8s.io") (.kind | default "Gateway") (.namespace | default "") .name | join "/" }}
{{- $section := dict "sectionName" (.sectionName | default "") "port" (.port | default 0 | int) }}
{{- $others := get $parents $parent | default list }}
{{- range $others }}
{{- if or (deepEqual . $section) (ne (empty .sectionName) (empty $section.sectionName)) (ne (empty .port) (empty $section.port)) }}
gatewayApi.parentRefs has a gateway twice: each of the two needs a sectionName of its own, or a port.
{{- end }}
{{- end }}
{{- $_ := set $parents $parent (append $others $section) }}
{{- end }}
{{- $seen := list }}
{{- range .filters }}
{{- if and (hasSuffix "HeaderModifier" .type) (has .type $seen) }}
gatewayApi.filters has {{ .type }} twice.
{{- end }}
{{- $seen = append $seen .type }}
{{- $headers := .requestHeaderModifier | default .responseHeaderModifier | default dict }}
{{- include "xpander-grpc-proxy.twice" (list "gatewayApi.filters: set" list (list "name") $headers.set) }}
{{- include "xpander-grpc-proxy.twice" (list "gatewayApi.filters: add" list (list "name") $headers.add) }}
{{- end }}
{{- with .backendTls }}
{{- if .enabled }}
{{- if not $.Values.tls.enabled }}
gatewayApi.backendTls.enabled without tls.enabled: the gateway would speak TLS to a port that does not.
{{- end }}
{{- if not .hostname }}
gatewayApi.backendTls.enabled: give gatewayApi.backendTls.hostname, the name in the proxy's certificate.
{{- end }}
{{- if eq (empty .caConfigMaps) (empty .wellKnownCACertificates) }}
gatewayApi.backendTls.enabled: give one of gatewayApi.backendTls.caConfigMaps and gatewayApi.backendTls.wellKnownCACertificates.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.guard.meshes" -}}
{{- if and .Values.istio.enabled .Values.linkerd.enabled }}
istio.enabled and linkerd.enabled: a pod can be in one mesh only.
{{- end }}
{{- range $mesh := list "istio" "linkerd" }}
{{- if and (get $.Values $mesh).enabled $.Values.tls.enabled }}
{{ printf "%s.enabled and tls.enabled: the mesh encrypts by itself, and could not tell calls apart inside TLS; take one" $mesh }}.
{{- end }}
{{- end }}
{{- /* With or without linkerd.enabled: where Linkerd runs, it would heed them. */}}
{{- range $key, $_ := .Values.service.annotations }}
{{- if hasPrefix "retry.linkerd.io/" $key }}
{{ printf "service.annotations has %s: it would have calls sent again that create tasks; linkerd.routes has retries for those that do not" $key }}.
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.guard.istio" -}}
{{- with .Values.istio.destinationRule.http2KeepAlive }}
{{- if ne (empty .interval) (empty .timeout) }}
istio.destinationRule.http2KeepAlive: give interval and timeout, or neither of them.
{{- end }}
{{- end }}
{{- with .Values.istio.authorizationPolicy }}
{{- if .enabled }}
{{- if not $.Values.istio.enabled }}
istio.authorizationPolicy.enabled needs istio.enabled.
{{- end }}
{{- if not .rules }}
istio.authorizationPolicy.enabled: give istio.authorizationPolicy.rules, for without one nobody may call.
{{- end }}
{{- range .rules }}
{{- range .principals }}
{{- if hasPrefix "spiffe://" . }}
{{ printf "istio.authorizationPolicy.rules: %s: Istio's principals come without spiffe://, such as cluster.local/ns/shop/sa/gateway" . }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $option := list "peerAuthentication" "serviceEntry" }}
{{- if and (get $.Values.istio $option).enabled (not $.Values.istio.enabled) }}
{{ printf "istio.%s.enabled needs istio.enabled" $option }}.
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.guard.linkerd" -}}
{{- with .Values.linkerd.policy }}
{{- if .enabled }}
{{- if not $.Values.linkerd.enabled }}
linkerd.policy.enabled needs linkerd.enabled.
{{- end }}
{{- if not .clients }}
linkerd.policy.enabled: give linkerd.policy.clients, for without one nobody may call.
{{- end }}
{{- $names := list }}
{{- range .clients }}
{{- if has .name $names }}
{{ printf "linkerd.policy.clients: %s is there twice" .name }}.
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
