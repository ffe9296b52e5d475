//! `check --online`: each issuer's keys, found and read by the very code that the filter runs.

use crate::fetch;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::{HttpUrl, Issuer, JwksSource, Policy};
use gatewaystack_core::jwks::discovery::{Fetch, Next};

/// The filter takes no larger one.
const MAX_DOCUMENT: usize = 256 * 1024;

/// Lines about the good issuers, and errors of the others.
pub async fn check(policy: &Policy) -> (Vec<String>, Vec<ConfigError>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (at, issuer) in policy.issuers.iter().enumerate() {
        match keys(issuer).await {
            Ok(line) => good.push(format!("issuers[{at}]: {}: {line}", issuer.issuer)),
            Err(message) => bad.push(ConfigError::new(format!("issuers[{at}]"), message)),
        }
    }
    (good, bad)
}

async fn keys(issuer: &Issuer) -> Result<String, String> {
    let (JwksSource::Uri(base) | JwksSource::Discover(base)) = &issuer.jwks;
    let (mut fetch, mut request) = Fetch::start(&issuer.issuer, &issuer.jwks);
    let mut last = String::new();
    loop {
        let url = url(base, &request.path);
        let answer = fetch::send(&url, MAX_DOCUMENT).await;
        let (status, body) = match answer {
            Ok((status, body)) => (Some(status), body),
            Err(message) => {
                last = message;
                (None, Vec::new())
            }
        };
        match fetch.answer(status, &body) {
            Next::Request(next, again) => (fetch, request) = (next, again),
            Next::Keys(_, _) => return Ok(format!("keys from {url}")),
            Next::Failed(why) if last.is_empty() => return Err(format!("{why} ({url})")),
            Next::Failed(why) => return Err(format!("{why}: {last}")),
        }
    }
}

fn url(base: &HttpUrl, path: &str) -> String {
    format!("{}://{}{path}", if base.tls { "https" } else { "http" }, base.authority)
}
