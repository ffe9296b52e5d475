//! `check --online`: each issuer's keys, and its discovery document.

use crate::jwks;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::{Issuer, Policy};

/// What was found out about the issuers of a policy.
#[derive(Debug, Default)]
pub struct Findings {
    /// Lines about the good ones.
    pub good: Vec<String>,
    /// What works here, and elsewhere doesn't.
    pub warnings: Vec<ConfigError>,
    /// Errors of the others.
    pub bad: Vec<ConfigError>,
}

/// Asks each issuer.
pub async fn online(policy: &Policy) -> Findings {
    let mut findings = Findings::default();
    for (at, issuer) in policy.issuers.iter().enumerate() {
        let path = format!("issuers[{at}]");
        match ask(issuer).await {
            Ok((keys, spelling)) => {
                let line = format!("{path}: {}: {} keys from {}", issuer.issuer, keys.usable, keys.url);
                findings.good.push(line);
                let warning =
                    spelling.map(|named| ConfigError::new(format!("{path}.issuer"), spelled(&named)));
                findings.warnings.extend(warning);
            }
            Err(message) => findings.bad.push(ConfigError::new(path, message)),
        }
    }
    findings
}

async fn ask(issuer: &Issuer) -> Result<(jwks::Keys, Option<String>), String> {
    let keys = jwks::fetch(issuer).await?;
    Ok((keys, jwks::check_discovery(issuer).await?))
}

/// The gateway tolerates a slash; its protected resource metadata names the issuer as the policy does.
fn spelled(named: &str) -> String {
    format!(
        "write {named} (in AUTH_ISSUER, too), as the issuer's own document does, to the slash at the end: clients that compare the two, as \
         Python's mcp and fastmcp do, stop with \"issuer mismatch\""
    )
}
