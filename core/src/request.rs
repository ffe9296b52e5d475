//! The request: header pairs as bytes in, a view that can be judged out, or why it can't (contract §1.1,
//! §1.3).

use crate::bytes;
use crate::config::policy::Identity;
use crate::credential::{self, Presented};
use crate::path::{self, PathFault, Target};

/// Header pairs in wire order, pseudo-headers included, as the host gives them.
pub type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];

/// Header pairs that own their bytes, so that a request which waits needs no copy of them.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    /// Begin and end of each name and value.
    spans: Vec<[usize; 4]>,
}

impl Headers {
    /// Pairs that stand somewhere in `bytes`: begin and end of a name, begin and end of its value. What lies
    /// outside is empty.
    pub fn new(bytes: Vec<u8>, spans: Vec<[usize; 4]>) -> Self {
        Self { bytes, spans }
    }

    /// A copy of pairs.
    pub fn of(pairs: Pairs<'_>) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            let mut add = |text: &[u8]| {
                let from = headers.bytes.len();
                headers.bytes.extend_from_slice(text);
                [from, headers.bytes.len()]
            };
            let ([a, b], [c, d]) = (add(name), add(value));
            headers.spans.push([a, b, c, d]);
        }
        headers
    }

    /// Names and values in wire order.
    pub fn pairs(&self) -> Vec<(&[u8], &[u8])> {
        let span = |from: usize, to: usize| self.bytes.get(from..to).unwrap_or_default();
        self.spans.iter().map(|[a, b, c, d]| (span(*a, *b), span(*c, *d))).collect()
    }
}

/// A request's headers, read once.
#[derive(Debug)]
pub struct Request<'a> {
    /// `:method`.
    pub method: &'a str,
    /// `:authority` or `Host`; empty where absent.
    pub host: &'a str,
    /// The target, normalised.
    pub target: Target,
    /// The path as it came, without the query.
    pub raw_path: &'a str,
    /// What `Authorization` presents.
    pub presented: Presented<'a>,
    /// Whether there is an `Authorization` header at all.
    pub has_authorization: bool,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Access-Control-Request-Method` is present.
    pub asks_preflight: bool,
    /// `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a [u8]>,
    /// `MCP-Protocol-Version`.
    pub mcp_version: Option<&'a [u8]>,
    /// `Mcp-Method`.
    pub mcp_method: Option<&'a [u8]>,
    /// `Mcp-Name`.
    pub mcp_name: Option<&'a [u8]>,
    /// `Mcp-Session-Id`.
    pub mcp_session: Option<&'a [u8]>,
    /// `X-Required-Scope`.
    pub required_scope: Option<&'a [u8]>,
    /// `x-request-id`, where it is `[A-Za-z0-9-]{1,64}`.
    pub request_id: Option<&'a str>,
    /// `Upgrade`: HTTP/1.1's, or of an extended CONNECT, which Envoy turns into one.
    pub upgrade: Option<&'a [u8]>,
    /// A gRPC request.
    pub is_grpc: bool,
    /// `User-Agent`, for the record.
    pub user_agent: Option<&'a [u8]>,
    /// `traceparent` (W3C Trace Context), for the record.
    pub traceparent: Option<&'a [u8]>,
    /// Headers that must not travel on, by their names on the wire.
    pub spoofed: Vec<&'a [u8]>,
    /// Headers that ask for less than the whole answer, or for an encoded one.
    pub partial: Vec<&'a [u8]>,
    /// All headers, for conditions.
    pub pairs: Pairs<'a>,
}

impl<'a> Request<'a> {
    /// The values of a header, under each name that a server may take for it.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let is = move |other: &[u8]| same_name(other, name.as_bytes());
        self.pairs.iter().filter(move |(other, _)| is(other)).map(|(_, value)| *value)
    }
}

/// Why a request can't be judged (400).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFault {
    /// The path.
    Path(PathFault),
    /// A header that must have one value has more; which.
    Doubled(&'static str),
    /// `Connection` names a header that would be taken out behind us.
    Connection,
    /// A method that isn't a request for a resource, or has another spelling, or no method.
    Method,
    /// A header that is judged isn't text.
    NotText(&'static str),
}

/// Headers that may have one value only.
const SINGLE: [&str; 10] = [
    "authorization",
    "host",
    "content-type",
    "content-encoding",
    "origin",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "mcp-session-id",
    "x-required-scope",
];

/// Headers by which a client could change what a server behind us understands.
const OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Reads a request. `bytes >= 0x80` are fine in headers that aren't judged.
///
/// # Errors
/// The first [`RequestFault`].
pub fn parse<'a>(pairs: Pairs<'a>, identity: &Identity) -> Result<Request<'a>, RequestFault> {
    // A route is found by the method: nothing can be said of a request before it.
    let method = method(first(pairs, ":method").unwrap_or_default())?;
    let seen = Seen::read(pairs, identity)?;
    let text = |value: Option<&'a [u8]>, name: &'static str| {
        let text =
            |v| std::str::from_utf8(v).ok().filter(|t| t.is_ascii()).ok_or(RequestFault::NotText(name));
        value.map(text).transpose()
    };
    let target = path::parse(seen.path.unwrap_or_default()).map_err(RequestFault::Path)?;
    let origin = text(seen.single(ORIGIN), "origin")?;
    seen.check_joined()?;
    let host = text(seen.authority.or(seen.single(HOST)), "host")?.unwrap_or_default();
    Ok(Request {
        method,
        host,
        target,
        raw_path: text(seen.path, ":path")?.unwrap_or_default().split('?').next().unwrap_or_default(),
        presented: credential::peek(seen.single(AUTHORIZATION)),
        has_authorization: seen.single(AUTHORIZATION).is_some(),
        origin,
        asks_preflight: seen.asks_preflight,
        content_type: seen.single(CONTENT_TYPE),
        content_encoding: seen.single(CONTENT_ENCODING),
        mcp_version: seen.single(MCP_VERSION),
        mcp_method: seen.single(MCP_METHOD),
        mcp_name: seen.single(MCP_NAME),
        mcp_session: seen.single(MCP_SESSION),
        required_scope: seen.single(REQUIRED_SCOPE),
        request_id: seen.request_id.and_then(clean_request_id),
        upgrade: seen.upgrade,
        is_grpc: seen.single(CONTENT_TYPE).is_some_and(is_grpc),
        user_agent: seen.user_agent,
        traceparent: seen.traceparent,
        spoofed: seen.spoofed,
        partial: seen.partial,
        pairs,
    })
}

/// RFC 9110 §9.1: methods are case-sensitive tokens. Some servers make them upper case all the same, so that
/// `delete` would be another method to them than to the rules; no registered one has a lower-case letter.
static METHOD: [bool; 256] = bytes::set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~", false);

fn method(value: &[u8]) -> Result<&str, RequestFault> {
    // Envoy shows an extended CONNECT (RFC 8441) as the GET with `Upgrade` that it stands for.
    let is_good =
        !value.is_empty() && bytes::all_in(&METHOD, value) && !matches!(value, b"CONNECT" | b"TRACE");
    std::str::from_utf8(value).ok().filter(|_| is_good).ok_or(RequestFault::Method)
}

#[derive(Default)]
struct Seen<'a> {
    path: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    singles: [Option<&'a [u8]>; SINGLE.len()],
    request_id: Option<&'a [u8]>,
    upgrade: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
    traceparent: Option<&'a [u8]>,
    asks_preflight: bool,
    spoofed: Vec<&'a [u8]>,
    partial: Vec<&'a [u8]>,
}

/// Places in [`SINGLE`].
const AUTHORIZATION: usize = 0;
const HOST: usize = 1;
const CONTENT_TYPE: usize = 2;
const CONTENT_ENCODING: usize = 3;
const ORIGIN: usize = 4;
const MCP_VERSION: usize = 5;
const MCP_METHOD: usize = 6;
const MCP_NAME: usize = 7;
const MCP_SESSION: usize = 8;
const REQUIRED_SCOPE: usize = 9;

impl<'a> Seen<'a> {
    /// Envoy joins two values of these with a comma, which one value doesn't have.
    fn check_joined(&self) -> Result<(), RequestFault> {
        let joined = |value: Option<&[u8]>| value.is_some_and(|v| v.contains(&b','));
        let singles = [HOST, CONTENT_TYPE, CONTENT_ENCODING, ORIGIN];
        if joined(self.authority) {
            return Err(RequestFault::Doubled("host"));
        }
        let at = singles.into_iter().find(|at| joined(self.single(*at)));
        at.and_then(|at| SINGLE.get(at)).map_or(Ok(()), |name| Err(RequestFault::Doubled(name)))
    }

    fn single(&self, at: usize) -> Option<&'a [u8]> {
        self.singles.get(at).copied().flatten()
    }

    fn read(pairs: Pairs<'a>, identity: &Identity) -> Result<Self, RequestFault> {
        let mut seen = Self::default();
        for (name, value) in pairs {
            match *name {
                b":method" => {}
                b":path" => seen.path = Some(value),
                b":authority" => once(&mut seen.authority, value, "host")?,
                b"x-request-id" => seen.request_id = Some(value),
                b"user-agent" => seen.user_agent = Some(value),
                b"traceparent" => seen.traceparent = Some(value),
                b"upgrade" => seen.upgrade = Some(value),
                b"access-control-request-method" => seen.asks_preflight = true,
                b"accept-encoding" | b"range" | b"if-range" | b"if-none-match" | b"if-modified-since" => {
                    seen.partial.push(name);
                }
                b"connection" if !is_harmless_connection(value) => return Err(RequestFault::Connection),
                name if is_spoofed(name, identity) => seen.spoofed.push(name),
                name => {
                    let single =
                        SINGLE.iter().zip(seen.singles.iter_mut()).find(|(s, _)| s.as_bytes() == name);
                    if let Some((name, cell)) = single {
                        once(cell, value, name)?;
                    }
                }
            }
        }
        Ok(seen)
    }
}

fn once<'a>(cell: &mut Option<&'a [u8]>, value: &'a [u8], name: &'static str) -> Result<(), RequestFault> {
    if cell.replace(value).is_some() { Err(RequestFault::Doubled(name)) } else { Ok(()) }
}

/// Whether a header must not reach an upstream as the client sent it: it names an identity, a method or a
/// target. `_` counts as `-`, since many servers read both alike.
pub fn is_spoofed(name: &[u8], identity: &Identity) -> bool {
    let is = |want: &str| same_name(name, want.as_bytes());
    // Most headers are none of these: look at the first bytes before comparing whole names.
    let may_be_ours = matches!(name.first(), Some(b'x' | b'X'));
    let begins = |with: &[u8]| name.get(..with.len()).is_some_and(|head| same_name(head, with));
    (may_be_ours
        && (is("x-user-id")
            || is("x-tenant-id")
            || OVERRIDES.iter().any(|o| is(o))
            || begins(b"x-gatewaystack-")
            // Envoy's own words, which change time-outs and retries. This one alone it writes itself wherever
            // clients come in.
            || (begins(b"x-envoy-") && !is("x-envoy-external-address"))))
        || identity.headers().any(is)
}

/// Whether a request trailer must not reach an upstream.
pub fn is_spoofed_trailer(name: &[u8], identity: &Identity) -> bool {
    let is = |want: &str| same_name(name, want.as_bytes());
    is_spoofed(name, identity) || is("authorization") || is("x-envoy-external-address")
}

#[inline]
fn same_name(name: &[u8], want: &[u8]) -> bool {
    name.len() == want.len() && same_letters(name, want)
}

fn same_letters(name: &[u8], want: &[u8]) -> bool {
    let fold = |b: &u8| if *b == b'_' { b'-' } else { b.to_ascii_lowercase() };
    name.iter().zip(want).all(|(a, b)| fold(a) == fold(b))
}

fn is_harmless_connection(value: &[u8]) -> bool {
    const HARMLESS: [&[u8]; 6] = [b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings", b""];
    value.split(|b| *b == b',').all(|option| {
        let option = option.trim_ascii();
        HARMLESS.iter().any(|h| h.eq_ignore_ascii_case(option))
    })
}

static ID: [bool; 256] = bytes::set(b"-", true);

/// An id that can be shown again as it is.
pub fn clean_request_id(id: &[u8]) -> Option<&str> {
    let clean = (1..=64).contains(&id.len()) && bytes::all_in(&ID, id);
    clean.then(|| std::str::from_utf8(id).ok()).flatten()
}

/// Whether Envoy takes a content type for gRPC's, and gives our answer its form.
pub fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// The first value of a header, judged or not.
pub fn first<'a>(pairs: Pairs<'a>, name: &str) -> Option<&'a [u8]> {
    pairs.iter().find(|(n, _)| *n == name.as_bytes()).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests;
