{{/* What meshes add to the pods, and the guards of their values. */}}
{{- define "xpander-grpc-proxy.meshPodAnnotations" -}}{{- end }}
{{- define "xpander-grpc-proxy.meshPodLabels" -}}{{- end }}
{{- define "xpander-grpc-proxy.meshGuards" -}}{{- end }}
