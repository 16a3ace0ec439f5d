{{/* What the pods' values need of each other. */}}

{{/* A quantity of Kubernetes as a number: 250m is 0.25, 1Ki is 1024. */}}
{{- define "xpander-grpc-proxy.quantity" -}}
{{- $units := dict "n" 1e-9 "u" 1e-6 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 }}
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
{{- $limit := get $limits $name }}
{{- if not (has $name (list "cpu" "memory" "ephemeral-storage")) }}
{{- if ne (toString $request) (toString $limit) }}
resources.requests.{{ $name }}, {{ $request }}, has to be resources.limits.{{ $name }}, too: there is no more of it than that.
{{- end }}
{{- else if and (hasKey $limits $name) (gt (include "xpander-grpc-proxy.quantity" $request | float64) (include "xpander-grpc-proxy.quantity" $limit | float64)) }}
resources.requests.{{ $name }}, {{ $request }}, is above resources.limits.{{ $name }}, {{ $limit }}.
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq .Values.dnsPolicy "None") (not (dig "nameservers" "" (.Values.dnsConfig | default dict))) }}
dnsPolicy=None needs dnsConfig.nameservers.
{{- end }}
{{- with .Values.securityContext | default dict }}
{{- if and (eq (toString .allowPrivilegeEscalation) "false") (or .privileged (has "CAP_SYS_ADMIN" (dig "capabilities" "add" list .))) }}
securityContext: privileged and CAP_SYS_ADMIN do not go with allowPrivilegeEscalation=false.
{{- end }}
{{- end }}
{{- with .Values }}
{{- include "xpander-grpc-proxy.twice" (list "topologySpreadConstraints" list (list "topologyKey" "whenUnsatisfiable") .topologySpreadConstraints) }}
{{- include "xpander-grpc-proxy.twice" (list "extraContainers and initContainers" (list "proxy") (list "name") .extraContainers .initContainers) }}
{{- include "xpander-grpc-proxy.twice" (list "extraVolumes" (list "settings") (list "name") .extraVolumes) }}
{{- include "xpander-grpc-proxy.twice" (list "extraVolumeMounts" (list (include "xpander-grpc-proxy.settingsFolder" $)) (list "mountPath") .extraVolumeMounts) }}
{{- range .networkPolicy.egress.extra }}
{{- range .ports }}
{{- if and .endPort (lt (int .endPort) (int .port)) }}
networkPolicy.egress.extra: the endPort {{ .endPort }} is below the port {{ .port }}.
{{- end }}
{{- end }}
{{- end }}
{{- $volumes := list "settings" }}
{{- range .extraVolumes }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- range .extraVolumeMounts }}
{{- if not (or (has .name $volumes) (contains "{{" .name)) }}
extraVolumeMounts has {{ .name }}, which is no volume of extraVolumes.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A line for what is there twice. A list: where it is, a list of what the chart has itself, the keys that tell one from another, the lists. */}}
{{- define "xpander-grpc-proxy.twice" -}}
{{- $seen := index . 1 }}
{{- range $list := slice . 3 }}
{{- range $each := $list }}
{{- $name := list }}
{{- range index $ 2 }}
{{- $name = append $name (get $each .) }}
{{- end }}
{{- $name = join ", " $name }}
{{- if has $name $seen }}
{{ first $ }} has {{ $name }} twice, or the chart has it itself.
{{- end }}
{{- $seen = append $seen $name }}
{{- end }}
{{- end }}
{{- end }}
