//! The stages of a rendering: the policy is folded and compiled, its places on this machine are found, and
//! the template is filled with both.

use super::files::absolute;
use super::rendered::{RenderInput, Rendered};
use super::{clusters, memory, model, ports, spans};
use crate::connect::{ConnectTo, sidecar_host, stats_port};
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::{self, Environment};
use std::path::{Path, PathBuf};

/// The template, which is the description of what our Envoy does.
const TEMPLATE: &str = include_str!("../../../envoy/bootstrap.yaml.j2");

/// Renders a bootstrap. Ports that are 0 are replaced by free ones.
///
/// # Errors
/// Everything that is wrong with policy and environment, each with its path or the name of its variable.
pub fn render(input: &RenderInput) -> Result<Rendered, Vec<ConfigError>> {
    rendered(input, &Fixed { wasm: absolute(&input.wasm), ports_stay: false })
}

/// What isn't chosen anew.
pub struct Fixed {
    /// Where Envoy finds the filter.
    pub wasm: PathBuf,
    /// Whether a port that is 0 is an error.
    pub ports_stay: bool,
}

/// The same with what is fixed.
///
/// # Errors
/// As [`render`].
pub fn rendered(input: &RenderInput, fixed: &Fixed) -> Result<Rendered, Vec<ConfigError>> {
    let secrets = crate::settings::check_secrets(&input.env);
    let folded = config::load_value(input.policy.clone(), &input.env);
    let (_, mut folded) = match (folded, secrets) {
        (Ok(folded), Ok(())) => folded,
        (Ok(_), Err(error)) => return Err(vec![error]),
        (Err(errors), secrets) => return Err(errors.into_iter().chain(secrets.err()).collect()),
    };
    if fixed.ports_stay {
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
        wasm: &fixed.wasm,
        data_dir: &data_dir,
        roots: clusters::roots(&input.env),
        secret: &secret,
        policy: folded.to_string(),
        sidecar_host: &sidecar_host,
        stats_port,
        elsewhere: &elsewhere,
        memory: memory::Memory::find(&input.env).map_err(|e| vec![e])?,
        spans: spans::spans(&policy, &input.env).map_err(|e| vec![e])?,
    };
    let model = model::model(&policy, places)?;
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

/// `LOG_LEVEL` in Envoy's word. Where nobody says one it tells warnings alone: at `info` its start is a
/// hundred lines.
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
