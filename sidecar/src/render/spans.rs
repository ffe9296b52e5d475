//! Spans by Envoy's own OpenTelemetry tracer. In: the policy's collector, and which Envoy there will be. Out:
//! where spans go, and which attributes the filter's words become.

use gatewaystack_core::config::Environment;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Policy;
use serde::Serialize;

/// The cluster of the collector.
pub const CLUSTER: &str = "gatewaystack_otlp";

const VERSION: &str = "ENVOY_VERSION";
/// From this version on an attribute can be made of filter state.
const KNOWS_VALUES: (u32, u32) = (1, 37);

/// Attributes, and what the filter notes for each.
const TAGS: [(&str, &str); 6] = [
    ("gatewaystack.decision", "decision"),
    ("gatewaystack.reason", "reason"),
    ("gatewaystack.route", "route"),
    ("url.path", "path"),
    ("mcp.method.name", "method"),
    ("gen_ai.tool.name", "tool"),
];

/// What the template says of spans.
#[derive(Debug, Serialize)]
pub struct Spans {
    uri: String,
    cluster: &'static str,
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
struct Tag {
    name: &'static str,
    state: &'static str,
}

/// Spans of a policy; `None`: it names no collector.
///
/// # Errors
/// `ENVOY_VERSION` is no version.
pub fn spans(policy: &Policy, env: &Environment) -> Result<Option<Spans>, ConfigError> {
    let version = version(env)?;
    let Some(otlp) = &policy.own.otlp else { return Ok(None) };
    let tags = TAGS.iter().filter(|_| version.is_none_or(|version| version >= KNOWS_VALUES));
    let scheme = if otlp.tls { "https" } else { "http" };
    Ok(Some(Spans {
        uri: format!("{scheme}://{}{}/v1/traces", otlp.authority, otlp.path),
        cluster: CLUSTER,
        tags: tags.map(|(name, state)| Tag { name, state }).collect(),
    }))
}

/// Which Envoy there will be; `None`: nobody says, so it is none that lacks anything.
fn version(env: &Environment) -> Result<Option<(u32, u32)>, ConfigError> {
    let Some(text) = env.get(VERSION).map(|text| text.trim()).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let mut numbers = text.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => Ok(Some((major, minor))),
        _ => Err(ConfigError::new(VERSION, "expected a version of Envoy such as 1.36.4")),
    }
}
