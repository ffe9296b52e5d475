//! Policy and environment in, Envoy's bootstrap out: `envoy/bootstrap.yaml.j2` filled from the compiled policy.
//!
//! The filter gets the policy with the environment folded in, so Envoy's own environment matters to nobody.

mod clusters;
mod files;
mod memory;
mod model;
pub mod ports;
mod reload;
mod routes;

use crate::connect::{ConnectTo, sidecar_host, stats_port};
pub use files::{copy_filter, kept_secret, write};
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Records;
use gatewaystack_core::config::{self, Environment};
pub use model::records_file;
pub use reload::{Reloadable, render_reloadable, write_reloadable};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The template, which is the description of what our Envoy does.
const TEMPLATE: &str = include_str!("../../envoy/bootstrap.yaml.j2");

/// What a bootstrap is made from.
#[derive(Debug, Clone)]
pub struct RenderInput {
    /// The policy as written; without it the environment alone gives the routes.
    pub policy: Option<Value>,
    /// The variables.
    pub env: Environment,
    /// The filter: `gatewaystack.wasm`.
    pub wasm: PathBuf,
    /// The folder that [`write`] will write into.
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
    /// One line for whoever starts Envoy and the sidecar.
    pub fn summary(&self) -> Value {
        json!({
            "listen": self.listen, "sidecar": self.sidecar, "admin": self.admin, "health": self.health, "tls": self.tls,
            "policy": self.revision, "log_level": self.log_level
        })
    }
}

/// Renders a bootstrap. Ports that are 0 are replaced by free ones.
///
/// # Errors
/// Everything that is wrong with policy and environment, each with its path or the name of its variable.
pub fn render(input: &RenderInput) -> Result<Rendered, Vec<ConfigError>> {
    rendered(input, &Given { wasm: absolute(&input.wasm), ports_stay: false })
}

/// What isn't chosen anew.
struct Given {
    /// Where Envoy finds the filter.
    wasm: PathBuf,
    /// Whether a port that is 0 is an error.
    ports_stay: bool,
}

fn rendered(input: &RenderInput, given: &Given) -> Result<Rendered, Vec<ConfigError>> {
    let secrets = crate::settings::check_secrets(&input.env);
    let folded = config::load_value(input.policy.clone(), &input.env);
    let (_, mut folded) = match (folded, secrets) {
        (Ok(folded), Ok(())) => folded,
        (Ok(_), Err(error)) => return Err(vec![error]),
        (Err(errors), secrets) => return Err(errors.into_iter().chain(secrets.err()).collect()),
    };
    if given.ports_stay {
        ports::require(&folded)?;
    }
    ports::choose(&mut folded).map_err(|e| vec![e])?;
    // Compiled once more, so that the revision is that of what filter and sidecar will load.
    let (policy, folded) = config::load_value(Some(folded), &Environment::new())?;
    if !input.wasm.is_file() {
        return Err(vec![ConfigError::new("", format!("no filter at {}", absolute(&input.wasm).display()))]);
    }
    let secret = input.secret.clone().map_or_else(secret, Ok).map_err(|e| vec![e])?;
    let elsewhere = ConnectTo::read(&input.env).map_err(|e| vec![e])?;
    let stats_port = stats_port(&input.env, &policy.own).map_err(|e| vec![e])?;
    let sidecar_host = sidecar_host(&input.env).map_err(|e| vec![e])?;
    let data_dir = absolute(Path::new(&policy.own.data_dir));
    let places = model::Places {
        wasm: &given.wasm,
        data_dir: &data_dir,
        roots: clusters::roots(&input.env),
        secret: &secret,
        policy: folded.to_string(),
        sidecar_host: &sidecar_host,
        stats_port,
        elsewhere: &elsewhere,
        memory: memory::Memory::find(&input.env).map_err(|e| vec![e])?,
    };
    let model = model::model(&policy, &places)?;
    let own = &policy.own;
    Ok(Rendered {
        envoy_yaml: fill(&model)
            .map_err(|e| vec![ConfigError::new("", format!("the bootstrap's template: {e:#}"))])?,
        policy_json: folded,
        listen: address(&own.bind, own.port),
        sidecar: address(&sidecar_host, own.sidecar_port),
        admin: address("127.0.0.1", own.admin_port),
        health: own.health,
        tls: own.tls.is_some(),
        secret,
        data_dir,
        log_level: envoys_level(&input.env),
        records: own.records,
        revision: policy.revision.to_string(),
    })
}

/// `LOG_LEVEL` in Envoy's word. Where nobody says one it tells warnings alone: at `info` its start is a hundred lines.
fn envoys_level(env: &Environment) -> &'static str {
    match env.get("LOG_LEVEL").map_or("", |level| level.trim()) {
        "trace" => "trace",
        "debug" => "debug",
        "info" => "info",
        "error" => "error",
        "off" => "off",
        _ => "warn",
    }
}

fn fill(model: &model::Model) -> Result<String, minijinja::Error> {
    let mut templates = minijinja::Environment::new();
    templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    templates.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    let mut syntax = minijinja::syntax::SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    templates.set_syntax(syntax.build()?);
    templates.render_str(TEMPLATE, minijinja::value::Serde(model))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// 32 random bytes.
fn secret() -> Result<String, ConfigError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| ConfigError::new("", format!("no randomness from the system: {e}")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests;
