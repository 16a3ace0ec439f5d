{{/* The Service, as routes refer to it. */}}
{{- define "xpander-grpc-proxy.linkerd.service" -}}
group: ""
kind: Service
name: {{ include "xpander-grpc-proxy.fullname" . | quote }}
port: {{ int .Values.service.port }}
{{- end }}

{{/* The name of a call's route: InvokeStream is …-inbound-invoke-stream. */}}
{{- define "xpander-grpc-proxy.linkerd.route" -}}
{{ include "xpander-grpc-proxy.fullname" .root }}-inbound-{{ kebabcase .call }}
{{- end }}

{{/*
A policy that lets a client in. A dict: `root`, `suffix` (of its name), `target` (a map of group, kind and name), `kind`
(of the authentication) and `authentication` (the suffix of its name).
*/}}
{{- define "xpander-grpc-proxy.linkerd.policy" -}}
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata:
  {{- include "xpander-grpc-proxy.metadata" (dict "root" .root "suffix" .suffix) | nindent 2 }}
spec:
  targetRef:
    {{- toYaml .target | nindent 4 }}
  requiredAuthenticationRefs:
    - group: policy.linkerd.io
      kind: {{ .kind }}
      name: {{ include "xpander-grpc-proxy.fullname" .root }}-{{ .authentication }}
{{- end }}

{{/* Who is let in by network. A dict: `root`, `suffix`, `networks`. */}}
{{- define "xpander-grpc-proxy.linkerd.networks" -}}
apiVersion: policy.linkerd.io/v1alpha1
kind: NetworkAuthentication
metadata:
  {{- include "xpander-grpc-proxy.metadata" (dict "root" .root "suffix" .suffix) | nindent 2 }}
spec:
  networks:
    {{- range .networks }}
    - cidr: {{ . | quote }}
    {{- end }}
{{- end }}

{{/* Who is let in by the mesh's identity. A dict: `root`, `suffix`, and `serviceAccounts` or `identities`. */}}
{{- define "xpander-grpc-proxy.linkerd.identities" -}}
apiVersion: policy.linkerd.io/v1alpha1
kind: MeshTLSAuthentication
metadata:
  {{- include "xpander-grpc-proxy.metadata" (dict "root" .root "suffix" .suffix) | nindent 2 }}
spec:
  {{- with .identities }}
  identities:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .serviceAccounts }}
  identityRefs:
    {{- range . }}
    - kind: ServiceAccount
      name: {{ quote .name }}
      {{- with .namespace }}
      namespace: {{ quote . }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
