//! `gatewaystack check`: a policy in; every error at once, or what it probably doesn't mean to say, out.

mod host;
mod online;
mod warnings;

use crate::settings::{Fault, Source};
use gatewaystack_core::config;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Policy;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;

pub use host::Host;
pub use online::{Findings, online};
pub use warnings::warnings;

/// Checks `file`, as what runs on `host` understands it. The process's environment doesn't count: the same file gets the same answer
/// everywhere.
///
/// # Errors
/// Every error; `with_issuers`, each issuer whose keys can't be had.
pub fn run(
    file: &Path,
    env_file: Option<&Path>,
    host: Option<Host>,
    with_issuers: bool,
) -> Result<(), Vec<Fault>> {
    let source = Source::read(Some(file), env_file, false)?;
    let policy = load(&source, host).map_err(|e| source.name(e))?;
    let mut found = warnings(&policy);
    if let (Some(host), Some(written)) = (host, &source.policy) {
        let bytes = std::fs::metadata(file).map_or(0, |about| about.len());
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        found.extend(of_host(host, written, bytes, &policy).map_err(|e| source.name(vec![e]))?);
    }
    let mut out = std::io::stdout().lock();
    for warning in source.name(found) {
        let _ = writeln!(out, "warning: {warning}");
    }
    let own = policy.routes.iter().filter(|r| r.builtin.is_none()).count();
    let _ = writeln!(
        out,
        "{}: good: {} issuers, {own} routes, {} limits",
        file.display(),
        policy.issuers.len(),
        policy.rate_limits.len()
    );
    if !with_issuers {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| vec![Fault::text(format!("no runtime: {e}"))])?;
    let Findings { good, warnings, bad } = runtime.block_on(online(&policy));
    for warning in source.name(warnings) {
        let _ = writeln!(out, "warning: {warning}");
    }
    for line in good {
        let _ = writeln!(out, "{line}");
    }
    if bad.is_empty() { Ok(()) } else { Err(source.name(bad)) }
}

/// What nobody reads on `host` of a policy as it is `written`, in so many `bytes`.
///
/// # Errors
/// It doesn't fit there.
pub fn of_host(
    host: Host,
    written: &Value,
    bytes: usize,
    policy: &Policy,
) -> Result<Vec<ConfigError>, ConfigError> {
    host::fits(host, written, bytes)?;
    Ok(host::warnings(host, written, policy))
}

/// In a mesh nobody renders: the filter has the policy as it is written.
///
/// # Errors
/// All that is wrong with it.
pub fn load(source: &Source, host: Option<Host>) -> Result<Policy, Vec<ConfigError>> {
    match (host, &source.policy) {
        (Some(Host::Istio | Host::Eg), Some(written)) => {
            config::load_filter(Some(written.to_string().as_bytes()), Some(&source.env))
        }
        _ => config::load_value(source.policy.clone(), &source.env).map(|(policy, _)| policy),
    }
}

#[cfg(test)]
mod tests;
