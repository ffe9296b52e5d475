//! Finding the key set (OpenID Connect Discovery §4, RFC 8414 §3): one answer in, the next request or the
//! keys out.

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
    /// Why the first document that there was can't be used: what comes after it fails for less telling
    /// reasons.
    first: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// One of [`DOCUMENTS`].
    Document(usize),
    KeySet {
        last: bool,
    },
}

/// Where documents are looked for: below the issuer's path (OpenID Connect Discovery §4, and the original),
/// then before it (RFC 8414 §3.1), which is another place where it has one.
const DOCUMENTS: [(&str, Place); 4] = [
    ("/.well-known/openid-configuration", Place::Below),
    ("/.well-known/oauth-authorization-server", Place::Below),
    ("/.well-known/oauth-authorization-server", Place::Before),
    ("/.well-known/openid-configuration", Place::Before),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Below,
    Before,
}

/// Why a discovery document can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 3xx: another place could be anybody's.
    Redirect,
    /// Another status than 200, 404 or 410.
    Status,
    /// Over [`super::MAX_DOCUMENT`].
    TooLarge,
    /// It begins with a byte order mark (RFC 8259 §8.1).
    ByteOrderMark,
    /// Not a JSON object without duplicate members.
    NotJson,
    /// Its `issuer` has a template in it, as Entra's for many tenants has.
    Template,
    /// Its `issuer` is another one, or none.
    OtherIssuer,
    /// It has no `jwks_uri`.
    NoKeys,
    /// Its `jwks_uri` lies on another host, or goes by another scheme.
    OtherHost,
}

impl Fault {
    /// For logs and health.
    pub fn text(self) -> &'static str {
        match self {
            Self::Redirect => "the discovery document is redirected, and no redirect is followed",
            Self::Status => "the discovery document's server did not answer 200",
            Self::TooLarge => "the discovery document is over 256 KiB",
            Self::ByteOrderMark => {
                "the discovery document begins with a byte order mark, which JSON has none of"
            }
            Self::NotJson => "the discovery document is no JSON object without duplicate members",
            Self::Template => "the discovery document is one for many tenants: its issuer is a template",
            Self::OtherIssuer => "the discovery document names another issuer",
            Self::NoKeys => "the discovery document has no jwks_uri",
            Self::OtherHost => "the discovery document's jwks_uri lies on another host than the issuer",
        }
    }
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
            JwksSource::Discover(url) => {
                (url.clone(), Step::Document(0), below(&url.path, "/.well-known/openid-configuration"))
            }
        };
        let request = request(&base, path);
        (Self { issuer: issuer.to_owned(), base, step, first: None }, request)
    }

    /// Takes an answer; `None`: none came. Redirects are answers like others, and not followed.
    pub fn answer(self, status: Option<u16>, body: &[u8]) -> Next {
        let good = (status == Some(200)).then_some(body);
        match self.step {
            Step::KeySet { last } => match good.map(parse) {
                Some(Ok(keys)) => Next::Keys(keys, body.to_vec()),
                found => Next::Failed(match (self.first.filter(|_| last), found) {
                    (Some(fault), _) => fault.text(),
                    (None, Some(Err(fault))) => fault.text(),
                    (None, _) if status.is_some() => "the key set's server did not answer 200",
                    (None, _) => "the key set's server did not answer",
                }),
            },
            Step::Document(at) => match (status, judge(status, body, &self.issuer, &self.base)) {
                (None, _) => Next::Failed(self.first.map_or("the issuer did not answer", Fault::text)),
                (_, Ok(path)) => self.next(Step::KeySet { last: false }, path),
                (_, Err(fault)) => Self { first: self.first.or(fault), ..self }.look_on(at),
            },
        }
    }

    /// Why the document can't be used that is answered; `None` where it can, where there is none, and where
    /// keys are answered.
    pub fn fault(&self, status: u16, body: &[u8]) -> Option<Fault> {
        match self.step {
            Step::Document(_) => judge(Some(status), body, &self.issuer, &self.base).err().flatten(),
            Step::KeySet { .. } => None,
        }
    }

    fn look_on(self, after: usize) -> Next {
        let path = self.base.path.strip_suffix('/').unwrap_or(&self.base.path).to_owned();
        for (at, (name, place)) in DOCUMENTS.iter().enumerate().skip(after + 1) {
            match place {
                Place::Below => return self.next(Step::Document(at), below(&path, name)),
                Place::Before if !path.is_empty() => {
                    return self.next(Step::Document(at), format!("{name}{path}"));
                }
                Place::Before => {}
            }
        }
        self.next(Step::KeySet { last: true }, below(&path, "/.well-known/jwks.json"))
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

/// The path of `jwks_uri` in a discovery document, if the document is this issuer's and the keys lie on its
/// host: another document could move the keys to a place that isn't the issuer's. `Err(None)`: there is no
/// document.
fn judge(status: Option<u16>, body: &[u8], issuer: &str, base: &HttpUrl) -> Result<String, Option<Fault>> {
    match status {
        Some(200) => jwks_path(body, issuer, base).map_err(Some),
        Some(300..=399) => Err(Some(Fault::Redirect)),
        None | Some(404 | 410) => Err(None),
        Some(_) => Err(Some(Fault::Status)),
    }
}

fn jwks_path(document: &[u8], issuer: &str, base: &HttpUrl) -> Result<String, Fault> {
    if document.len() > super::MAX_DOCUMENT {
        return Err(Fault::TooLarge);
    }
    if document.starts_with(b"\xef\xbb\xbf") {
        return Err(Fault::ByteOrderMark);
    }
    let document = json::parse(document, 32).ok().filter(Value::is_object).ok_or(Fault::NotJson)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let bare = |s: &str| s.strip_suffix('/').unwrap_or(s).to_owned();
    let named = text("issuer").ok_or(Fault::OtherIssuer)?;
    if bare(named) != bare(issuer) {
        return Err(if named.contains('{') { Fault::Template } else { Fault::OtherIssuer });
    }
    let uri = text("jwks_uri").ok_or(Fault::NoKeys)?;
    let scheme = if base.tls { "https://" } else { "http://" };
    let rest = uri.strip_prefix(scheme).ok_or(Fault::OtherHost)?;
    let (authority, _) = rest.split_once('/').ok_or(Fault::OtherHost)?;
    let path = rest.get(authority.len()..).ok_or(Fault::OtherHost)?;
    let clean = path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    let default = if base.tls { ":443" } else { ":80" };
    let same = |a: &str| a.strip_suffix(default).unwrap_or(a).eq_ignore_ascii_case(&base.authority);
    if same(authority) && clean { Ok(path.to_owned()) } else { Err(Fault::OtherHost) }
}
