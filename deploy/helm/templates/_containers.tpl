{{/* What each container of the pod must not do. */}}
{{- define "gatewaystack.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* One user for all containers of a pod. In: its number. */}}
{{- define "gatewaystack.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* The variables that `render` and the sidecar share: a secret is a file's name. */}}
{{- define "gatewaystack.env" -}}
- { name: BIND, value: {{ .Values.gateway.bind | quote }} }
- { name: DATA_DIR, value: /data }
{{- if include "gatewaystack.hasLedger" . }}
# What SQLite sorts and doesn't fit into memory: nothing else can be written.
- { name: SQLITE_TMPDIR, value: /data }
{{- end }}
{{- range $name, $value := .Values.gateway.env }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- range $part, $variable := dict
  "webhook" "WEBHOOK_SHARED_SECRET_FILE" "management" "AUTH0_MGMT_CLIENT_SECRET_FILE" "healthAdmin" "HEALTH_ADMIN_SECRET_FILE" }}
{{- if (index $.Values.gateway.secrets $part).name }}
- { name: {{ $variable }}, value: /secrets/{{ $part }} }
{{- end }}
{{- end }}
{{- end -}}

{{/* The variables of a sidecar that serves a mesh: those of its proxies count where theirs do. */}}
{{- define "gatewaystack.ledgerEnv" -}}
- { name: DATA_DIR, value: /data }
{{- if not (include "gatewaystack.isShared" .) }}
# What SQLite sorts and doesn't fit into memory: nothing else can be written.
- { name: SQLITE_TMPDIR, value: /data }
{{- end }}
{{- if and (eq .Values.mode "istio") .Values.policy.environment }}
{{- range $name, $value := .Values.istio.env }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}
{{- end -}}
