//! An issuer's keys, found and read by the very code that the filter runs: for `check --online`, `doctor` and
//! `/health/auth0`.

use crate::fetch;
use gatewaystack_core::config::policy::{HttpUrl, Issuer, JwksSource};
use gatewaystack_core::json;
use gatewaystack_core::jwks::discovery::{Fault, Fetch, Next};
use gatewaystack_core::jwks::{self, KeySet};

/// The filter takes no larger one.
const MAX_DOCUMENT: usize = 256 * 1024;

/// What was found.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Where.
    pub url: String,
    /// How many of them the filter can use.
    pub usable: usize,
    /// Those that it can't, and why: `KID: its use isn't sig`.
    pub skipped: Vec<String>,
    /// Whether they can be had now.
    pub reachable: bool,
}

/// Why there are no keys, and which of the issuer's members to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    member: Option<&'static str>,
    message: String,
}

impl Trouble {
    /// Where to change something: `issuers[0].jwks_uri`.
    pub fn path(&self, issuer: usize) -> String {
        self.member
            .map_or_else(|| format!("issuers[{issuer}]"), |member| format!("issuers[{issuer}].{member}"))
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Both in a line.
    pub fn line(&self, issuer: usize) -> String {
        match self.member {
            Some(_) => format!("{}: {}", self.path(issuer), self.message),
            None => self.message.clone(),
        }
    }
}

/// Fetches an issuer's key set, and the document that it was read from.
///
/// # Errors
/// Why the filter couldn't use it: the first reason, since what is tried after it tells less.
pub async fn key_set(issuer: &Issuer) -> Result<(String, KeySet, Vec<u8>), Trouble> {
    let (JwksSource::Uri(base) | JwksSource::Discover(base)) = &issuer.jwks;
    let (mut fetch, mut request) = Fetch::start(&issuer.issuer, &issuer.jwks);
    let (mut last, mut first) = (String::new(), None);
    loop {
        let url = url(base, &request.path);
        let (status, body) = match fetch::send(&url, MAX_DOCUMENT).await {
            Ok((status, body)) => (Some(status), body),
            Err(message) => {
                last = message;
                (None, Vec::new())
            }
        };
        if let (None, Some(status)) = (&first, status) {
            first = fetch.fault(status, &body).map(|fault| trouble(fault, &url, &body));
        }
        match (fetch.answer(status, &body), first.take()) {
            (Next::Request(next, again), told) => (fetch, request, first) = (next, again, told),
            (Next::Keys(keys, document), _) => return Ok((url, keys, document)),
            (Next::Failed(_), Some(first)) => return Err(first),
            (Next::Failed(why), None) => {
                let message =
                    if last.is_empty() { format!("{why} ({url})") } else { format!("{why}: {last}") };
                return Err(Trouble { member: None, message: message + &reasons(&body) });
            }
        }
    }
}

/// What can't be used of a document of keys.
fn reasons(document: &[u8]) -> String {
    let skipped = skipped(document);
    if skipped.is_empty() { String::new() } else { format!("; skipped: {}", skipped.join(", ")) }
}

/// The keys of a document that can't be used, and why.
pub fn skipped(document: &[u8]) -> Vec<String> {
    let told = |(kid, why): jwks::Skipped| {
        let mut shown = String::new();
        match kid {
            Some(kid) => json::write_string(&mut shown, &kid, 64),
            None => shown.push_str("one without a kid"),
        }
        format!("{shown}: {why}")
    };
    jwks::skipped(document).into_iter().map(told).collect()
}

fn trouble(fault: Fault, url: &str, body: &[u8]) -> Trouble {
    let bare = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let document = json::parse(bare, 32).unwrap_or_default();
    let said = |name: &str| {
        let text = document.get(name)?.as_str()?;
        let mut shown = String::new();
        json::write_string(&mut shown, text, 256);
        Some(shown)
    };
    let keys = || {
        said("jwks_uri").map_or("the URL of the keys".to_owned(), |uri| format!("{uri}, where that is right"))
    };
    let (member, advice) = match fault {
        Fault::Template => ("issuer", "write that of your tenant, as its tokens have it in iss".to_owned()),
        Fault::OtherIssuer => match said("issuer") {
            Some(named) => ("issuer", format!("it is that of {named}; write this one, or set jwks_uri")),
            None => ("jwks_uri", format!("set it to {}", keys())),
        },
        _ => ("jwks_uri", format!("set it to {}", keys())),
    };
    Trouble { member: Some(member), message: format!("{} ({url}): {advice}", fault.text()) }
}

/// Fetches and counts.
///
/// # Errors
/// As [`key_set`].
pub async fn fetch(issuer: &Issuer) -> Result<Keys, Trouble> {
    let (url, keys, document) = key_set(issuer).await?;
    Ok(Keys { url, usable: keys.len(), skipped: skipped(&document), reachable: true })
}

/// What the issuer's own discovery document, where it has one, calls it: the configured issuer, except for a
/// slash at the end maybe, which its tokens may differ by, too (`Some` then). Any other slip refuses every
/// token.
///
/// # Errors
/// It names another issuer.
pub async fn check_discovery(issuer: &Issuer) -> Result<Option<String>, String> {
    let bare = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
    let Some(named) = named(&bare(&issuer.issuer)).await else { return Ok(None) };
    if bare(&named) == bare(&issuer.issuer) {
        return Ok(Some(named).filter(|named| **named != *issuer.issuer));
    }
    let mut shown = String::new();
    json::write_string(&mut shown, &named, 256);
    Err(format!(
        "the discovery document is that of {shown}: set AUTH_ISSUER to it, or tokens are refused as another issuer's"
    ))
}

/// The `issuer` of the first discovery document that there is (OpenID Connect Discovery §4, RFC 8414 §3).
async fn named(base: &str) -> Option<String> {
    for url in
        ["openid-configuration", "oauth-authorization-server"].iter().flat_map(|name| documents(base, name))
    {
        let Ok(body) = fetch::get(&url, 64 * 1024).await else { continue };
        let Ok(document) = json::parse(&body, 32) else { continue };
        if let Some(named) = document.get("issuer").and_then(serde_json::Value::as_str) {
            return Some(named.to_owned());
        }
    }
    None
}

/// Where an issuer's document of this name may be: below its path, and before it (RFC 8414 §3.1), where it
/// has one.
pub fn documents(issuer: &str, name: &str) -> Vec<String> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let mut urls = vec![format!("{base}/.well-known/{name}")];
    if let Some((scheme, rest)) = base.split_once("://")
        && let Some((authority, path)) = rest.split_once('/')
    {
        urls.push(format!("{scheme}://{authority}/.well-known/{name}/{path}"));
    }
    urls
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
