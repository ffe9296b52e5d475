//! An issuer's keys, found and read by the very code that the filter runs: an issuer in, its key set and where it was out.

use crate::fetch;
use gatewaystack_core::config::policy::{Issuer, JwksSource};
use gatewaystack_core::jwks::discovery::{Fetch, Next};
use gatewaystack_core::jwks::{KeySet, MAX_DOCUMENT};

/// Fetches the keys.
///
/// # Errors
/// Why there are none.
pub async fn fetch(issuer: &Issuer) -> Result<(String, KeySet), String> {
    let (JwksSource::Uri(base) | JwksSource::Discover(base)) = &issuer.jwks;
    let scheme = if base.tls { "https" } else { "http" };
    let (mut fetch, mut request) = Fetch::start(&issuer.issuer, &issuer.jwks);
    loop {
        let url = format!("{scheme}://{}{}", base.authority, request.path);
        let answer = fetch::send(&url, MAX_DOCUMENT).await;
        let (status, body, fault) = match answer {
            Ok((status, body)) => (Some(status), body, None),
            Err(message) => (None, Vec::new(), Some(message)),
        };
        match fetch.answer(status, &body) {
            Next::Request(next, again) => (fetch, request) = (next, again),
            Next::Keys(set, _) => return Ok((url, set)),
            Next::Failed(why) => return Err(fault.unwrap_or_else(|| format!("{why} ({url})"))),
        }
    }
}
