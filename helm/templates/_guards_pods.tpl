{{/* What the pods' values need of each other. */}}

{{/* A quantity of Kubernetes as a number: 250m is 0.25, 1Ki is 1024. */}}
{{- define "xpander-grpc-proxy.quantity" -}}
{{- $units := dict "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 }}
{{- $text := toString . }}
{{- $unit := regexFind "[A-Za-z]+$" $text }}
{{- mulf (trimSuffix $unit $text | float64) (hasKey $units $unit | ternary (get $units $unit) 1.0) }}
{{- end }}

{{/* What Kubernetes refuses when the rest is installed already. */}}
{{- define "xpander-grpc-proxy.guard.pods" -}}
{{- if le (int .Values.progressDeadlineSeconds) (include "xpander-grpc-proxy.minReadySeconds" . | int) }}
progressDeadlineSeconds must be above minReadySeconds, and above service.headless.resolveSeconds with service.headless.enabled.
{{- end }}
{{- with .Values.resources | default dict }}
{{- $limits := .limits | default dict }}
{{- range $name, $request := .requests | default dict }}
{{- with get $limits $name }}
{{- if gt (include "xpander-grpc-proxy.quantity" $request | float64) (include "xpander-grpc-proxy.quantity" . | float64) }}
resources.requests.{{ $name }}, {{ $request }}, is above resources.limits.{{ $name }}, {{ . }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq .Values.dnsPolicy "None") (not (dig "nameservers" "" (.Values.dnsConfig | default dict))) }}
dnsPolicy=None needs dnsConfig.nameservers.
{{- end }}
{{- end }}
