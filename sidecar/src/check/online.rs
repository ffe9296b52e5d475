//! `check --online`: each issuer's keys, and its discovery document.

use crate::jwks;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Policy;

/// Lines about the good issuers, and errors of the others.
pub async fn check(policy: &Policy) -> (Vec<String>, Vec<ConfigError>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (at, issuer) in policy.issuers.iter().enumerate() {
        let found = match jwks::fetch(issuer).await {
            Ok(keys) => jwks::check_discovery(issuer).await.map(|()| keys),
            Err(message) => Err(message),
        };
        match found {
            Ok(keys) => {
                good.push(format!("issuers[{at}]: {}: {} keys from {}", issuer.issuer, keys.usable, keys.url))
            }
            Err(message) => bad.push(ConfigError::new(format!("issuers[{at}]"), message)),
        }
    }
    (good, bad)
}
