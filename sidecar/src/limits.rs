//! The configuration of a rate limit service for a policy's limits over machines: the policy says each limit
//! once, and this says it again in the service's own form.
//!
//! - `envoyproxy`: <https://github.com/envoyproxy/ratelimit>, a file of its configuration folder
//! - `limitador`: <https://github.com/Kuadrant/limitador>, its limits file

use clap::ValueEnum;
use gatewaystack_core::config::policy::{LimitService, Policy, RateLimit, SharedLimit};
use std::fmt::Write as _;

/// A rate limit service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// envoyproxy/ratelimit
    Envoyproxy,
    /// Kuadrant's Limitador
    Limitador,
}

/// Its configuration.
///
/// # Errors
/// The policy has no limit over machines.
pub fn configuration(policy: &Policy, service: Service) -> Result<String, String> {
    let limits: Vec<(&RateLimit, &SharedLimit)> =
        policy.rate_limits.iter().filter_map(|rule| Some((rule, rule.shared.as_ref()?))).collect();
    match &policy.limit_service {
        Some(at) if !limits.is_empty() => Ok(match service {
            Service::Envoyproxy => envoyproxy(at, &limits),
            Service::Limitador => limitador(at, &limits),
        }),
        _ => Err("rate_limits: no rule says `scope: global`, so there is nothing to count over machines"
            .to_owned()),
    }
}

fn envoyproxy(at: &LimitService, limits: &[(&RateLimit, &SharedLimit)]) -> String {
    let mut out = format!("domain: {}\ndescriptors:\n", quoted(&at.domain));
    for (rule, shared) in limits {
        // The policy takes no other windows.
        let unit = match rule.window_ms {
            1_000 => "second",
            60_000 => "minute",
            3_600_000 => "hour",
            _ => "day",
        };
        let _ = write!(
            out,
            "  - key: {}\n    rate_limit: {{ unit: {unit}, requests_per_unit: {} }}\n",
            shared.name, rule.max
        );
    }
    out
}

fn limitador(at: &LimitService, limits: &[(&RateLimit, &SharedLimit)]) -> String {
    let mut out = String::new();
    for (rule, shared) in limits {
        let name = &shared.name;
        let _ = write!(
            out,
            "- namespace: {}\n  name: {name}\n  max_value: {}\n  seconds: {}\n  conditions: []\n  variables: [\"descriptors[0]['{name}']\"]\n",
            quoted(&at.domain),
            rule.max,
            rule.window_ms / 1_000
        );
    }
    out
}

/// A JSON string is a YAML one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
