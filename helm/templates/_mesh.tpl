{{/* What meshes add to the pods, the calls as they know them, and the guards of their values. */}}

{{/* The API's service, in which all calls are. */}}
{{- define "xpander-grpc-proxy.api" -}}xpander.agent.v1.AgentService{{- end }}

{{/* The calls that change nothing and may be sent again whatever became of them; see docs/reliability.md. */}}
{{- define "xpander-grpc-proxy.reads" -}}[GetTask, WaitTask, StreamEvents, ListAgents, ListTasks, GetTaskActivity]{{- end }}

{{/* Every call; the schema has the same list. */}}
{{- define "xpander-grpc-proxy.calls" -}}[Invoke, InvokeStream, StreamEvents, GetTask, WaitTask, StopTask, ListAgents, ListTasks, GetTaskActivity]{{- end }}

{{/* How long a replica takes to leave at the most, in seconds: a sidecar has to outlive it. */}}
{{- define "xpander-grpc-proxy.leaveSeconds" -}}
{{- with .Values.drain }}{{ add (mul 2 (int .delaySeconds)) (int .timeoutSeconds) 5 }}{{ end }}
{{- end }}

{{- define "xpander-grpc-proxy.meshPodLabels" -}}
{{- with .Values.istio }}
{{- if .enabled }}
{{- if .inject }}
sidecar.istio.io/inject: "true"
{{- end }}
{{- with .revision }}
istio.io/rev: {{ quote . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.meshPodAnnotations" -}}
{{- with .Values.istio }}
{{- if .enabled }}
sidecar.istio.io/nativeSidecar: {{ .nativeSidecar | quote }}
{{- if not .nativeSidecar }}
# The sidecar gets its SIGTERM together with the proxy; by default it would cut the calls under way after 5 s.
proxy.istio.io/config: |
  terminationDrainDuration: {{ include "xpander-grpc-proxy.leaveSeconds" $ }}s
{{- end }}
{{- if eq .adminPort "exclude" }}
traffic.sidecar.istio.io/excludeInboundPorts: {{ include "xpander-grpc-proxy.adminPort" $ | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.linkerd }}
{{- if .enabled }}
{{- if .inject }}
linkerd.io/inject: enabled
{{- end }}
{{- if .nativeSidecar }}
config.beta.linkerd.io/proxy-enable-native-sidecar: "true"
{{- else }}
# The sidecar gets its SIGTERM together with the proxy, and takes no new connections from then on.
config.alpha.linkerd.io/proxy-wait-before-exit-seconds: {{ include "xpander-grpc-proxy.leaveSeconds" $ | quote }}
{{- end }}
{{- if eq .adminPort "exclude" }}
config.linkerd.io/skip-inbound-ports: {{ include "xpander-grpc-proxy.adminPort" $ | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The test's pod is in the mesh too, and ends: only native sidecars end with it. Beside meshPodLabels. */}}
{{- define "xpander-grpc-proxy.meshTestAnnotations" -}}
{{- if .Values.istio.enabled }}
sidecar.istio.io/nativeSidecar: "true"
{{- end }}
{{- if .Values.linkerd.enabled }}
{{- if .Values.linkerd.inject }}
linkerd.io/inject: enabled
{{- end }}
config.beta.linkerd.io/proxy-enable-native-sidecar: "true"
{{- end }}
{{- end }}

{{- define "xpander-grpc-proxy.meshGuards" -}}
{{- $faults := list }}
{{- range list "monitoring" "gateway" "meshes" "istio" "linkerd" }}
{{- with include (printf "xpander-grpc-proxy.guard.%s" .) $ | trim }}
{{- $faults = append $faults . }}
{{- end }}
{{- end }}
{{- with $faults }}
{{- fail (printf "\n\n%s\n" (regexReplaceAll "\n\\s*\n" (join "\n" .) "\n")) }}
{{- end }}
{{- end }}
