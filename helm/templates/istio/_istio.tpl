{{/* The Service's name as sidecars in every namespace know it. */}}
{{- define "xpander-grpc-proxy.istio.host" -}}
{{ include "xpander-grpc-proxy.fullname" . }}.{{ include "xpander-grpc-proxy.namespace" . }}.svc.{{ .Values.istio.clusterDomain }}
{{- end }}

{{/* Where a route of the VirtualService leads, and that it has no end: the proxy keeps the caller's deadline. */}}
{{- define "xpander-grpc-proxy.istio.destination" -}}
route:
  - destination:
      host: {{ include "xpander-grpc-proxy.istio.host" . }}
      port:
        number: {{ int .Values.service.port }}
timeout: 0s
{{- end }}
