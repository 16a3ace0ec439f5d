{{/* The guards of what is secret, and of the certificates. */}}

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
{{- if not (regexMatch "^[!-~]*$" (.Values.credentials.apiKey | default "")) }}
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
{{- range $index, $caller := keys (.Values.tokens.hashes | default dict) | sortAlpha }}
{{- $hashes := get $.Values.tokens.hashes $caller }}
{{- if or (not (regexMatch `^[!"$-)+\-.-<>-~][!-)+\-.-<>-~]{0,127}$` $caller)) (regexMatch `^(?:spiffe://|dns:|jwt:|system:serviceaccount:)` $caller) }}
tokens.hashes: the name of entry {{ add1 $index }}, by the alphabet, is no caller's.
{{- else }}
{{- if not $hashes }}
tokens.hashes.{{ $caller }} has no hash.
{{- end }}
{{- range ternary (list $hashes) $hashes (kindIs "string" $hashes) }}
{{- if not (regexMatch "^[0-9A-Fa-f]{64}$" .) }}
tokens.hashes: entry {{ add1 $index }}, by the alphabet, has something else than SHA-256 hashes of 64 hex digits.
{{- else if eq (lower .) (sha256sum "") }}
tokens.hashes: entry {{ add1 $index }}, by the alphabet, has the hash of the empty text.
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

{{/* Of a JWT everything has to be known that it is checked by. */}}
{{- define "xpander-grpc-proxy.guard.jwt" -}}
{{- with .Values.jwt }}
{{- $sources := compact (list .keys.url .keys.existingConfigMap (ternary "fromCluster" "" .keys.fromCluster)) }}
{{- if and (not .issuer) (or .audience $sources) }}
jwt.issuer is missing: without one no JWT is taken.
{{- end }}
{{- if .issuer }}
{{- if not .audience }}
jwt.audience is missing: JWTs that are for others would be taken.
{{- end }}
{{- if not $sources }}
jwt.keys.fromCluster, jwt.keys.url or jwt.keys.existingConfigMap is missing: JWTs have no keys to be verified by.
{{- else if gt (len $sources) 1 }}
jwt.keys.fromCluster, jwt.keys.url and jwt.keys.existingConfigMap: give one of them.
{{- end }}
{{- end }}
{{- if and (or .keys.ca.existingConfigMap .keys.ca.existingSecret) (not .keys.url) }}
jwt.keys.ca is for jwt.keys.url.
{{- end }}
{{- if and .keys.ca.existingConfigMap .keys.ca.existingSecret }}
jwt.keys.ca.existingConfigMap and jwt.keys.ca.existingSecret: give one of them.
{{- end }}
{{- end }}
{{- end }}
