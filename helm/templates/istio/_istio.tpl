{{/* The Service's name as sidecars in every namespace know it. */}}
{{- define "xpander-grpc-proxy.istio.host" -}}
{{ include "xpander-grpc-proxy.fullname" . }}.{{ include "xpander-grpc-proxy.namespace" . }}.svc.{{ .Values.istio.clusterDomain }}
{{- end }}

{{/*
Where a route of the VirtualService leads. No timeout: the proxy keeps the caller's deadline, Istio has none of its own, and
`0s`, its word for none, is refused by the CRD.
*/}}
{{- define "xpander-grpc-proxy.istio.destination" -}}
route:
  - destination:
      host: {{ include "xpander-grpc-proxy.istio.host" . }}
      port:
        number: {{ int .Values.service.port }}
{{- end }}
