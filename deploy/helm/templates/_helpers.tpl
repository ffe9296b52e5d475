{{/* The objects' name: at most 52 characters, for parts are named after it. */}}
{{- define "gatewaystack.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gatewaystack.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gatewaystack.labels" -}}
{{ include "gatewaystack.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: gatewaystack
{{- end -}}

{{/* An image: a digest wins over a tag. In: (list . image). */}}
{{- define "gatewaystack.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The gateway's ports, as the policy has them. */}}
{{- define "gatewaystack.port" -}}{{ dig "listen" "port" 8080 (include "gatewaystack.policy" . | fromJson) | int }}{{- end -}}
{{- define "gatewaystack.sidecarPort" -}}{{ dig "sidecar" "port" 8081 (include "gatewaystack.sidecarPolicy" . | fromJson) | int }}{{- end -}}
{{- define "gatewaystack.adminPort" -}}{{ dig "listen" "admin_port" 9901 (include "gatewaystack.policy" . | fromJson) | int }}{{- end -}}

{{/* A URL in, as JSON out: host, port, whether it is TLS. */}}
{{- define "gatewaystack.url" -}}
{{- $url := urlParse . -}}
{{- $tls := eq $url.scheme "https" -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- dict "host" $url.hostname "port" (default (ternary "443" "80" $tls) $port | int) "tls" $tls | toJson -}}
{{- end -}}

{{/* Where the keys of a policy's issuers are, as JSON: for each issuer host, port, tls and the cluster that the policy names. */}}
{{- define "gatewaystack.keys" -}}
{{- $all := list -}}
{{- range .issuers -}}
{{- $place := include "gatewaystack.url" (default .issuer .jwks_uri) | fromJson -}}
{{- $all = append $all (set $place "cluster" (default "" .jwks_cluster)) -}}
{{- end -}}
{{- $all | toJson -}}
{{- end -}}

{{/* The places that need a cluster of ours, each once, as JSON: those of `keys` that no policy names a cluster for. In: a list of targets. */}}
{{- define "gatewaystack.ownKeys" -}}
{{- $places := list -}}
{{- range . -}}
{{- range include "gatewaystack.keys" .policy | fromJsonArray -}}
{{- if not .cluster -}}
{{- $places = append $places (omit . "cluster") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $places | uniq | toJson -}}
{{- end -}}

{{/*
The plugin's configuration, as JSON: the policy as it is, with the clusters' names where it has none. In: (list policy names), the names by
`host:port`.
*/}}
{{- define "gatewaystack.configuration" -}}
{{- $policy := deepCopy (index . 0) -}}
{{- $names := index . 1 -}}
{{- $issuers := list -}}
{{- range $policy.issuers -}}
{{- $place := include "gatewaystack.url" (default .issuer .jwks_uri) | fromJson -}}
{{- $name := get $names (printf "%s:%d" $place.host ($place.port | int)) -}}
{{- if and (not .jwks_cluster) $name -}}
{{- $issuers = append $issuers (set . "jwks_cluster" $name) -}}
{{- else -}}
{{- $issuers = append $issuers . -}}
{{- end -}}
{{- end -}}
{{- set $policy "issuers" $issuers | toJson -}}
{{- end -}}

{{/* The largest body that a rule reads, and 64 KiB for headers: what `gatewaystack render` gives its own listener. In: a list of targets. */}}
{{- define "gatewaystack.bufferBytes" -}}
{{- $bytes := 1048576 -}}
{{- range . -}}
{{- range .policy.routes -}}
{{- $bytes = max $bytes (dig "mcp" "max_body" 0 . | int64) (dig "response_filter" "max_bytes" 0 . | int64) -}}
{{- end -}}
{{- end -}}
{{- add $bytes 65536 -}}
{{- end -}}
