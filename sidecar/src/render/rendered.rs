//! What rendering takes, and what it makes.

use gatewaystack_core::config::Environment;
use gatewaystack_core::config::policy::Records;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What a bootstrap is made from.
#[derive(Debug, Clone)]
pub struct RenderInput {
    /// The policy as written; without it the environment alone gives the routes.
    pub policy: Option<Value>,
    /// The variables.
    pub env: Environment,
    /// The filter: `gatewaystack.wasm`.
    pub wasm: PathBuf,
    /// The folder that [`super::write`] will write into.
    pub state_dir: PathBuf,
    /// The sidecar's secret, where an earlier one must hold; else a new one is made.
    pub secret: Option<String>,
}

/// A bootstrap and what goes with it.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Envoy's bootstrap. It holds the sidecar's secret.
    pub envoy_yaml: String,
    /// The policy with the environment and the chosen ports folded in: what filter and sidecar load.
    pub policy_json: Value,
    /// Address and port of the gateway.
    pub listen: String,
    /// Address and port of the sidecar.
    pub sidecar: String,
    /// Address and port of Envoy's admin interface.
    pub admin: String,
    /// Whether `/health` is routed.
    pub health: bool,
    /// Whether the gateway speaks TLS.
    pub tls: bool,
    /// Shows the sidecar that a request passed the filter; made anew at each start, unless the input has one.
    pub secret: String,
    /// The folder of the decision records.
    pub data_dir: PathBuf,
    /// How much Envoy says in its log, in its word (`LOG_LEVEL`).
    pub log_level: &'static str,
    /// Where the decision records go.
    pub records: Records,
    /// The policy's revision, as records and the filter's log have it.
    pub revision: String,
}

impl Rendered {
    /// One line for anyone who starts Envoy and the sidecar.
    pub fn summary(&self) -> Value {
        json!({
            "listen": self.listen, "sidecar": self.sidecar, "admin": self.admin, "health": self.health, "tls": self.tls,
            "policy": self.revision, "log_level": self.log_level
        })
    }
}
