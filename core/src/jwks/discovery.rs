//! Finding the key set (OpenID Connect Discovery §4, RFC 8414 §3): one answer in, the next request or the keys out.

use super::{KeySet, parse};
use crate::config::policy::{HttpUrl, JwksSource};
use crate::json;
use serde_json::Value;

/// One fetch of an issuer's keys, which may take several requests.
#[derive(Debug, Clone)]
pub struct Fetch {
    issuer: String,
    base: HttpUrl,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    OpenIdConfiguration,
    AuthorizationServer,
    KeySet { last: bool },
}

/// What follows from an answer.
#[derive(Debug)]
pub enum Next {
    /// Send another request: authority and path.
    Request(Fetch, Request),
    /// The keys, and the document that they came from.
    Keys(KeySet, Vec<u8>),
    /// Nothing usable, and why.
    Failed(&'static str),
}

/// A `GET` to send through the issuer's cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `:scheme`.
    pub tls: bool,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
}

impl Fetch {
    /// Starts a fetch for the issuer identifier `issuer`.
    pub fn start(issuer: &str, source: &JwksSource) -> (Self, Request) {
        let (base, step, path) = match source {
            JwksSource::Uri(url) => (url.clone(), Step::KeySet { last: true }, url.path.clone()),
            JwksSource::Discover(url) => (
                url.clone(),
                Step::OpenIdConfiguration,
                below(&url.path, "/.well-known/openid-configuration"),
            ),
        };
        let request = request(&base, path);
        (Self { issuer: issuer.to_owned(), base, step }, request)
    }

    /// Takes an answer; `None`: none came. Redirects are answers like others, and not followed.
    pub fn answer(self, status: Option<u16>, body: &[u8]) -> Next {
        let good = (status == Some(200)).then_some(body);
        match self.step {
            Step::KeySet { .. } => match good.map(parse) {
                Some(Ok(keys)) => Next::Keys(keys, body.to_vec()),
                Some(Err(fault)) => Next::Failed(fault.text()),
                None if status.is_some() => Next::Failed("the key set's server did not answer 200"),
                None => Next::Failed("the key set's server did not answer"),
            },
            Step::OpenIdConfiguration | Step::AuthorizationServer => {
                match good.and_then(|body| jwks_path(body, &self.issuer, &self.base)) {
                    Some(path) => self.next(Step::KeySet { last: false }, path),
                    None if status.is_none() => Next::Failed("the issuer did not answer"),
                    None => self.fall_back(),
                }
            }
        }
    }

    fn fall_back(self) -> Next {
        let path = self.base.path.clone();
        if self.step == Step::OpenIdConfiguration {
            self.next(Step::AuthorizationServer, below(&path, "/.well-known/oauth-authorization-server"))
        } else {
            self.next(Step::KeySet { last: true }, below(&path, "/.well-known/jwks.json"))
        }
    }

    fn next(self, step: Step, path: String) -> Next {
        let request = request(&self.base, path);
        Next::Request(Self { step, ..self }, request)
    }
}

fn request(base: &HttpUrl, path: String) -> Request {
    Request { tls: base.tls, authority: base.authority.clone(), path }
}

fn below(base: &str, path: &str) -> String {
    format!("{}{path}", base.strip_suffix('/').unwrap_or(base))
}

/// The path of `jwks_uri` in a discovery document, if the document is this issuer's and the keys lie on its host: another
/// document could move the keys to a place that isn't the issuer's.
fn jwks_path(document: &[u8], issuer: &str, base: &HttpUrl) -> Option<String> {
    if document.len() > super::MAX_DOCUMENT {
        return None;
    }
    let document = json::parse(document, 32).ok()?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let bare = |s: &str| s.strip_suffix('/').unwrap_or(s).to_owned();
    if bare(text("issuer")?) != bare(issuer) {
        return None;
    }
    let scheme = if base.tls { "https://" } else { "http://" };
    let uri = text("jwks_uri")?.strip_prefix(scheme)?;
    let (authority, _) = uri.split_once('/')?;
    let path = uri.get(authority.len()..)?;
    let clean = path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    let default = if base.tls { ":443" } else { ":80" };
    let same = |a: &str| a.strip_suffix(default).unwrap_or(a).eq_ignore_ascii_case(&base.authority);
    (same(authority) && clean).then(|| path.to_owned())
}
