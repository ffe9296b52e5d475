//! `gatewaystack check`: a policy in; every error at once, or what it probably doesn't mean to say, out.

mod host;
mod online;
mod options;
mod refusals;
mod report;
mod warnings;

use crate::settings::{Fault, Source};
use gatewaystack_core::config;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Policy;
use report::Report;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

pub use host::Host;
pub use online::{Findings, online};
pub use options::Options;
pub use refusals::refusals;
pub use warnings::warnings;

/// Checks `file` as what runs on a host understands it, with the variables that a start would see; in a mesh
/// those of this process are nobody's.
pub fn run(file: &Path, env_file: Option<&Path>, options: Options) -> ExitCode {
    let mut report = Report::default();
    if let Err(faults) = check(file, env_file, options, &mut report) {
        report.errors(faults);
    }
    report.tell(options)
}

fn check(
    file: &Path,
    env_file: Option<&Path>,
    options: Options,
    report: &mut Report,
) -> Result<(), Vec<Fault>> {
    let in_mesh = matches!(options.host, Some(Host::Istio | Host::Eg));
    let source = Source::read(Some(file), env_file, !in_mesh)?;
    let policy = loaded(&source, options.host)?;
    let mut found = warnings(&policy).into_iter().map(|e| source.moved(e, &policy)).collect::<Vec<_>>();
    if let (Some(host), Some(written)) = (options.host, &source.policy) {
        let bytes = std::fs::metadata(file).map_or(0, |about| about.len());
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        found.extend(of_host(host, written, bytes, &policy).map_err(|e| source.name(vec![e]))?);
    }
    report.warnings(source.name(found));
    let own = policy.routes.iter().filter(|r| r.builtin.is_none()).count();
    let parts = [("issuer", policy.issuers.len()), ("route", own), ("limit", policy.rate_limits.len())];
    let parts = parts.map(|(what, count)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }));
    report.good(format!("{}: good: {}", file.display(), parts.join(", ")));
    crate::summary::lines(&policy).into_iter().for_each(|line| report.good(line));
    if options.online {
        crate::fetch::trust(&source.env).map_err(|e| source.name(vec![e]))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| vec![Fault::text(format!("no runtime: {e}"))])?;
        let Findings { good, warnings, bad } = runtime.block_on(online(&policy));
        report.warnings(source.name(warnings));
        good.into_iter().for_each(|line| report.good(line));
        report.errors(source.name(bad));
    }
    Ok(())
}

/// The policy, where a gateway begins with it.
///
/// # Errors
/// All that is wrong with it.
pub fn loaded(source: &Source, host: Option<Host>) -> Result<Policy, Vec<Fault>> {
    let policy = load(source, host).map_err(|e| source.name(e))?;
    let refused = refusals(host, source.policy.as_ref(), &policy);
    if refused.is_empty() {
        return Ok(policy);
    }
    Err(source.name(refused.into_iter().map(|error| source.moved(error, &policy)).collect()))
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
