//! A hop in front of a gateway: an Envoy that adds a header to each request and changes nothing else. For
//! clients that can't be told to send one.

use crate::eventually;
use crate::gateway::spawn;
use serde_json::json;
use std::process::Child;
use tempfile::TempDir;
use tokio::net::TcpStream;

/// A hop that runs. It ends with this value.
pub struct Hop {
    envoy: Child,
    _folder: TempDir,
}

impl Hop {
    /// Takes what comes to `port` of the loopback to the address `to`, with this header.
    pub async fn start(port: u16, to: &str, (name, value): (&str, &str)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // JSON is YAML.
        let envoy = spawn(&folder, &bootstrap(port, to, name, value).to_string(), 1);
        eventually("the hop", || async { TcpStream::connect(("127.0.0.1", port)).await.ok() }).await;
        Self { envoy, _folder: folder }
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        let _ = self.envoy.kill();
        let _ = self.envoy.wait();
    }
}

fn address(host: &str, port: u16) -> serde_json::Value {
    json!({"socket_address": {"address": host, "port_value": port}})
}

fn bootstrap(port: u16, to: &str, name: &str, value: &str) -> serde_json::Value {
    let (host, upstream_port) = to.rsplit_once(':').unwrap();
    let endpoint = address(host, upstream_port.parse().unwrap());
    let any = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let manager = json!({
        "@type": any("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "hop",
        "stream_idle_timeout": "0s",
        "route_config": {"virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "gateway", "timeout": "0s"}}],
            "request_headers_to_add": [{
                "header": {"key": name, "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }],
        }]},
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": any("http.router.v3.Router")},
        }],
    });
    json!({"static_resources": {
        "listeners": [{
            "address": address("127.0.0.1", port),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }]}],
        }],
        "clusters": [{
            "name": "gateway",
            "load_assignment": {
                "cluster_name": "gateway",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": endpoint}}]}],
            },
        }],
    }})
}
