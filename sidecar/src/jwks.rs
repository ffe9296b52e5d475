//! An issuer's keys, found and read by the very code that the filter runs: for `check --online`, `doctor` and `/health/auth0`.

use crate::fetch;
use gatewaystack_core::config::policy::{HttpUrl, Issuer, JwksSource};
use gatewaystack_core::json;
use gatewaystack_core::jwks::KeySet;
use gatewaystack_core::jwks::discovery::{Fetch, Next};

/// The filter takes no larger one.
const MAX_DOCUMENT: usize = 256 * 1024;

/// What was found.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Where.
    pub url: String,
    /// How many of them the filter can use.
    pub usable: usize,
    /// Whether they can be had now.
    pub reachable: bool,
}

/// Fetches an issuer's key set.
///
/// # Errors
/// Why the filter couldn't use it.
pub async fn key_set(issuer: &Issuer) -> Result<(String, KeySet), String> {
    let (JwksSource::Uri(base) | JwksSource::Discover(base)) = &issuer.jwks;
    let (mut fetch, mut request) = Fetch::start(&issuer.issuer, &issuer.jwks);
    let mut last = String::new();
    loop {
        let url = url(base, &request.path);
        let (status, body) = match fetch::send(&url, MAX_DOCUMENT).await {
            Ok((status, body)) => (Some(status), body),
            Err(message) => {
                last = message;
                (None, Vec::new())
            }
        };
        match fetch.answer(status, &body) {
            Next::Request(next, again) => (fetch, request) = (next, again),
            Next::Keys(keys, _) => return Ok((url, keys)),
            Next::Failed(why) if last.is_empty() => return Err(format!("{why} ({url})")),
            Next::Failed(why) => return Err(format!("{why}: {last}")),
        }
    }
}

/// Fetches and counts.
///
/// # Errors
/// As [`key_set`].
pub async fn fetch(issuer: &Issuer) -> Result<Keys, String> {
    key_set(issuer).await.map(|(url, keys)| Keys { url, usable: keys.len(), reachable: true })
}

/// What the issuer's own discovery document, where it has one, calls it: the configured issuer, but for a slash at the end maybe, which its
/// tokens may differ by, too (`Some` then). Any other slip refuses every token.
///
/// # Errors
/// It names another issuer.
pub async fn check_discovery(issuer: &Issuer) -> Result<Option<String>, String> {
    let bare = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
    let Some(named) = named(&bare(&issuer.issuer)).await else { return Ok(None) };
    if bare(&named) == bare(&issuer.issuer) {
        return Ok(Some(named).filter(|named| *named != issuer.issuer));
    }
    let mut shown = String::new();
    json::write_string(&mut shown, &named, 256);
    Err(format!(
        "the discovery document is that of {shown}: set AUTH_ISSUER to it, or tokens are refused as another issuer's"
    ))
}

/// The `issuer` of the first discovery document that there is (OpenID Connect Discovery §4, RFC 8414 §3).
async fn named(base: &str) -> Option<String> {
    for name in ["openid-configuration", "oauth-authorization-server"] {
        let Ok(body) = fetch::get(&format!("{base}/.well-known/{name}"), 64 * 1024).await else { continue };
        let Ok(document) = json::parse(&body, 32) else { continue };
        if let Some(named) = document.get("issuer").and_then(serde_json::Value::as_str) {
            return Some(named.to_owned());
        }
    }
    None
}

/// Where the keys are looked for first.
pub fn configured(issuer: &Issuer) -> String {
    let (JwksSource::Uri(base) | JwksSource::Discover(base)) = &issuer.jwks;
    let (_, request) = Fetch::start(&issuer.issuer, &issuer.jwks);
    url(base, &request.path)
}

fn url(base: &HttpUrl, path: &str) -> String {
    format!("{}://{}{path}", if base.tls { "https" } else { "http" }, base.authority)
}
