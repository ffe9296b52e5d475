//! `check --online`: each issuer's keys, and its discovery document.

use crate::jwks;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Policy;

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
        let keys = match jwks::fetch(issuer).await {
            Ok(keys) => keys,
            Err(trouble) => {
                findings.bad.push(ConfigError::new(trouble.path(at), trouble.message()));
                continue;
            }
        };
        match jwks::check_discovery(issuer).await {
            Ok(spelling) => {
                let (usable, url) = (keys.usable, keys.url);
                let mut line = format!("{path}: {}: {usable} keys from {url}", issuer.issuer);
                if !keys.skipped.is_empty() {
                    line.push_str(&format!("; skipped: {}", keys.skipped.join(", ")));
                }
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

/// The gateway tolerates a slash; its protected resource metadata names the issuer as the policy does.
fn spelled(named: &str) -> String {
    format!(
        "write {named} (in AUTH_ISSUER, too), as the issuer's own document does, to the slash at the end: clients that compare the two, as \
         Python's mcp and fastmcp do, stop with \"issuer mismatch\""
    )
}
