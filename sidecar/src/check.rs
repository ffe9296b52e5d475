//! `gatewaystack check`: a policy in; every error at once, or what it probably doesn't mean to say, out.

mod online;
mod warnings;

use crate::settings::{Fault, Source};
use gatewaystack_core::config;
use std::io::Write as _;
use std::path::Path;

pub use online::{Findings, online};
pub use warnings::warnings;

/// Checks `file`. The process's environment doesn't count: the same file gets the same answer everywhere.
///
/// # Errors
/// Every error; `with_issuers`, each issuer whose keys can't be had.
pub fn run(file: &Path, env_file: Option<&Path>, with_issuers: bool) -> Result<(), Vec<Fault>> {
    let source = Source::read(Some(file), env_file, false)?;
    let (policy, _) = config::load_value(source.policy.clone(), &source.env).map_err(|e| source.name(e))?;
    let mut out = std::io::stdout().lock();
    for warning in source.name(warnings(&policy)) {
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

#[cfg(test)]
mod tests;
