{{/* Where a sidecar connects to, as JSON: ports of issuers, of a collector, of witnesses, and of Auth0. */}}
{{- define "gatewaystack.sidecarPorts" -}}
{{- $ports := list -}}
{{- $policy := include "gatewaystack.sidecarPolicy" . | fromJson -}}
{{- range include "gatewaystack.keys" $policy | fromJsonArray -}}
{{- $ports = append $ports (int .port) -}}
{{- end -}}
{{- range concat (dig "audit" "witness" list $policy) (compact (list (dig "telemetry" "otlp" "" $policy))) -}}
{{- $ports = append $ports (int (include "gatewaystack.url" . | fromJson).port) -}}
{{- end -}}
{{- if and (eq .Values.mode "gateway") .Values.gateway.secrets.management.name -}}
{{- $ports = append $ports 443 -}}{{/* the Management API */}}
{{- end -}}
{{- $ports | toJson -}}
{{- end -}}

{{/* Whom else a sidecar connects to, in words. */}}
{{- define "gatewaystack.others" -}}
{{- $policy := include "gatewaystack.sidecarPolicy" . | fromJson -}}
{{- if dig "telemetry" "otlp" "" $policy }}, collector{{ end -}}
{{- if dig "audit" "witness" list $policy }}, witnesses{{ end -}}
{{- end -}}

{{/* What a NetworkPolicy lets out. In: (list . ports whose). */}}
{{- define "gatewaystack.egress" -}}
{{- $root := index . 0 -}}
- ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }]
# The policy's {{ index . 2 }}.
- ports:
    {{- $ports := list }}
    {{- range index . 1 }}
    {{- $ports = append $ports (int .) }}
    {{- end }}
    {{- range $ports | uniq | sortAlpha }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
{{- if include "gatewaystack.isShared" $root }}
# PostgreSQL, with the ledger.
- ports: [{ port: {{ $root.Values.ledger.postgres.port }}, protocol: TCP }]
  {{- with $root.Values.ledger.postgres.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- with $root.Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}
