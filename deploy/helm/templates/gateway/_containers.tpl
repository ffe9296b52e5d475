{{/* What each container of the pod must not do. */}}
{{- define "gatewaystack.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* The variables that `render` and the sidecar share: a secret is a file's name. */}}
{{- define "gatewaystack.env" -}}
- { name: BIND, value: {{ .Values.gateway.bind | quote }} }
- { name: DATA_DIR, value: /data }
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
