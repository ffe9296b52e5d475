{{/*
What Envoy merges into the bootstrap that `gatewaystack render` wrote: a listener for the kubelet and for Prometheus. The admin interface shows
secrets and takes commands, so that it stays on loopback, and a few paths of it and of the sidecar, and the audit log where there is one, are all that can be
asked here.
*/}}
{{- define "gatewaystack.operator" -}}
static_resources:
  listeners:
    - name: gatewaystack_operator
      address: { socket_address: { address: {{ .Values.gateway.bind | quote }}, port_value: {{ .Values.gateway.operatorPort }} } }
      ignore_global_conn_limit: true
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: gatewaystack_operator
                route_config:
                  name: gatewaystack_operator
                  virtual_hosts:
                    - name: gatewaystack_operator
                      domains: ["*"]
                      routes:
                        {{- $routes := list
                          (dict "path" "/ready" "cluster" "gatewaystack_admin" "to" "/ready")
                          (dict "path" "/stats/prometheus" "cluster" "gatewaystack_admin" "to" "/stats/prometheus")
                          (dict "path" "/sidecar/ready" "cluster" "gatewaystack_sidecar" "to" "/ready")
                          (dict "path" "/sidecar/metrics" "cluster" "gatewaystack_sidecar" "to" "/metrics") }}
                        {{- if include "gatewaystack.isShared" . }}
                        {{- $routes = append $routes (dict "path" "/sidecar/health" "cluster" "gatewaystack_sidecar" "to" "/health") }}
                        {{- end }}
                        {{- range $route := $routes }}
                        - match: { path: {{ $route.path }}, headers: [{ name: ":method", string_match: { exact: GET } }] }
                          route: { cluster: {{ $route.cluster }}, prefix_rewrite: {{ $route.to }}, timeout: 10s }
                        {{- end }}
                        {{- if include "gatewaystack.hasAuditLog" . }}
                        - match: { prefix: /audit/, headers: [{ name: ":method", string_match: { exact: GET } }] }
                          route: { cluster: gatewaystack_sidecar, timeout: 10s }
                        {{- end }}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: gatewaystack_admin
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: gatewaystack_admin
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: {{ include "gatewaystack.adminPort" . }} } } }
{{- end -}}
