//! Where an upstream names itself, or a path without the prefix that was stripped on the way to it:
//! `Location` and `Content-Location` (RFC 9110 §10.2.2, §8.7) and a challenge's `resource_metadata` (RFC 9728
//! §5.1) in, what leads the client back to us out.
//!
//! `http://app:8080/notes/1` becomes `https://gateway.example.com/v1/notes/1`, and `/notes/1` becomes
//! `/v1/notes/1`; another server's address, a path that depends on the request's, and what is no reference
//! stay as they are.

use crate::challenge;
use crate::config::policy::{HttpUrl, Policy, Route, RouteId};
use crate::host::bare_host;
use crate::metadata;
use crate::request::Pairs;

/// The header by which the bootstrap tells the filter that an answer has one of [`NAMES`]: the filter asks
/// for one instead of three. It is the filter's alone, and goes. (So short that no host allocates for it.)
pub const MARK: &str = "x-gateway-names";

/// The headers that may name an upstream.
pub const NAMES: [&str; 3] = ["location", "content-location", "www-authenticate"];

/// So many parameters of one header lead to ours, at most: no server has more, and each may grow.
const MOST: usize = 16;

/// How the client of a request sees us, and by which route it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicAddress {
    route: RouteId,
    /// Which of the policy's further hosts it named; `None`: the public URL's.
    listed: Option<usize>,
}

impl PublicAddress {
    /// `None`: nothing is to be led back, since no upstream's address is known here.
    pub fn by(policy: &Policy, route: RouteId, listed: Option<usize>) -> Option<Self> {
        let leads = !policy.own.upstreams.is_empty() && policy.routes.get(route.0)?.leads_back();
        leads.then_some(Self { route, listed })
    }

    /// What changes in the headers of the upstream's answer: all values of each.
    pub fn led_back(self, policy: &Policy, headers: Pairs<'_>) -> Vec<(&'static str, Vec<String>)> {
        let way = Way::of(policy, self);
        let changed = |way: &Way<'_>| -> Vec<_> {
            NAMES.into_iter().filter_map(|name| Some((name, way.changed(name, headers)?))).collect()
        };
        way.as_ref().map_or_else(Vec::new, changed)
    }
}

struct Way<'a> {
    policy: &'a Policy,
    route: &'a Route,
    upstream: &'a HttpUrl,
    /// What was stripped.
    prefix: &'a str,
    /// Our own URL, as the client sees it.
    base: String,
}

/// Whose address a reference names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Nobody's: it is a path.
    Any,
    Upstream,
    Ours,
}

impl<'a> Way<'a> {
    fn of(policy: &'a Policy, seen: PublicAddress) -> Option<Self> {
        let route = policy.routes.get(seen.route.0)?;
        let named = route.upstream.as_deref().unwrap_or("default");
        let (_, upstream) = policy.own.upstreams.iter().find(|(name, _)| name == named)?;
        let prefix = route.strip_prefix.as_deref().unwrap_or_default();
        Some(Self { policy, route, upstream, prefix, base: challenge::base(policy, seen.listed) })
    }

    /// All values of a header, where one of them changes.
    fn changed(&self, name: &str, headers: Pairs<'_>) -> Option<Vec<String>> {
        let values = headers.iter().filter(|(n, _)| *n == name.as_bytes());
        // What isn't text is no address of anybody's, nor is what is next to it.
        let values: Vec<&str> =
            values.map(|(_, value)| std::str::from_utf8(value).ok()).collect::<Option<_>>()?;
        let change = |value: &str| match name {
            "www-authenticate" => self.challenge(value),
            _ => self.reference(value),
        };
        let changes: Vec<Option<String>> = values.iter().map(|value| change(value)).collect();
        changes.iter().any(Option::is_some).then(|| {
            let pairs = changes.into_iter().zip(values);
            pairs.map(|(changed, value)| changed.unwrap_or_else(|| value.to_owned())).collect()
        })
    }

    /// A URI reference that leads back; `None`: it stays.
    fn reference(&self, text: &str) -> Option<String> {
        let text = text.trim_matches([' ', '\t']);
        let (whose, server, path) = self.read(text)?;
        match whose {
            Whose::Upstream if self.lacks_prefix(path) => {
                Some(format!("{}{}{}", self.base, self.prefix, rooted(path)))
            }
            Whose::Upstream => Some(format!("{}{}", self.base, rooted(path))),
            Whose::Any | Whose::Ours if self.lacks_prefix(path) => {
                Some(format!("{server}{}{}", self.prefix, rooted(path)))
            }
            Whose::Any | Whose::Ours => None,
        }
    }

    /// Whose address it is, scheme and authority as they are, and the path with what follows it;
    /// `None`: another server's, a path that depends on the request's, or no reference.
    fn read<'t>(&self, text: &'t str) -> Option<(Whose, &'t str, &'t str)> {
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, _)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
                (Some(scheme.len() == 5), text.get(scheme.len() + 1..)?)
            }
            _ => (None, text),
        };
        let Some(hierarchy) = rest.strip_prefix("//") else {
            return rest.starts_with('/').then_some((Whose::Any, "", rest));
        };
        let ends = text.len() - hierarchy.len() + hierarchy.find(['/', '?', '#']).unwrap_or(hierarchy.len());
        let (server, path) = text.split_at_checked(ends)?;
        let (_, authority) = server.split_once("//")?;
        Some((self.whose(scheme.unwrap_or(self.upstream.tls), authority)?, server, path))
    }

    fn whose(&self, tls: bool, authority: &str) -> Option<Whose> {
        let named = authority.rsplit_once('@').map_or(authority, |(_, named)| named);
        let named = server(named, tls)?;
        if is_same(named, (&self.upstream.host, self.upstream.port)) {
            return Some(Whose::Upstream);
        }
        let (scheme, own) = self.policy.public_url.split_once("://")?;
        let mut ours = [own].into_iter().chain(self.policy.public_hosts.iter().map(String::as_str));
        let is_ours = |host| server(host, scheme == "https").is_some_and(|ours| is_same(named, ours));
        ours.any(is_ours).then_some(Whose::Ours)
    }

    fn lacks_prefix(&self, path: &str) -> bool {
        !self.prefix.is_empty()
            && path
                .strip_prefix(self.prefix)
                .is_none_or(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
    }

    /// A challenge (RFC 9110 §11.6.1) whose `resource_metadata` leads to ours; `None`: it stays.
    fn challenge(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        for _ in 0..MOST {
            let Some((before, value, after)) = parameter(rest, "resource_metadata") else { break };
            out.push_str(before);
            match unquoted(value).and_then(|url| self.metadata(&url)) {
                Some(url) => {
                    out.push('"');
                    out.push_str(&challenge::quoted(&url));
                    out.push('"');
                }
                None => out.push_str(value),
            }
            rest = after;
        }
        out.push_str(rest);
        (out != text).then_some(out)
    }

    /// The document that says of us what an upstream's says of it.
    fn metadata(&self, url: &str) -> Option<String> {
        if !self.policy.metadata.on {
            return self.reference(url);
        }
        let (whose, _, path) = self.read(url)?;
        let leads_here = match whose {
            Whose::Any => return None,
            Whose::Upstream => false,
            Whose::Ours => !self.lacks_prefix(path.strip_prefix(metadata::PATH).unwrap_or(path)),
        };
        (!leads_here).then(|| challenge::document(Some(self.route), &self.base))
    }
}

/// A path from the root; `path` may be empty, or begin with a query.
fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// A host and its port, or the scheme's.
fn server(authority: &str, tls: bool) -> Option<(&str, u16)> {
    let bare = bare_host(authority);
    match authority.get(bare.len()..)?.trim_start_matches(':') {
        "" => Some((bare, if tls { 443 } else { 80 })),
        port => Some((bare, port.parse().ok()?)),
    }
}

/// Whether two servers are the same. Case, brackets and the dot at the end don't tell hosts apart; who wants
/// HTTPS names himself by the other scheme.
fn is_same((a, port_a): (&str, u16), (b, port_b): (&str, u16)) -> bool {
    let plain = |host: &'_ str| host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let usual = |port: u16| port == 80 || port == 443;
    plain(a) == plain(b) && (port_a == port_b || usual(port_a) && usual(port_b))
}

/// What is before the value of a parameter, the value as it is, and what follows it.
fn parameter<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str, &'t str)> {
    let mut rest = text;
    while !rest.is_empty() {
        let word = token(rest);
        let after = rest.get(word.len()..)?;
        // Only behind the name: blanks that were looked through from each of them would take their number
        // squared.
        let is_name = word.eq_ignore_ascii_case(name);
        let value = is_name.then(|| after.trim_start_matches([' ', '\t'])).and_then(|v| v.strip_prefix('='));
        if let Some(value) = value {
            let value = value.trim_start_matches([' ', '\t']);
            let size = match value.starts_with('"') {
                true => quoted_string(value)?,
                false => value.find([',', ' ', '\t']).unwrap_or(value.len()),
            };
            let (value, after) = value.split_at_checked(size)?;
            return Some((text.get(..text.len() - value.len() - after.len())?, value, after));
        }
        // A text in quotes says what it likes.
        let skipped = match word {
            "" if rest.starts_with('"') => quoted_string(rest)?,
            "" => rest.chars().next()?.len_utf8(),
            word => word.len(),
        };
        rest = rest.get(skipped..)?;
    }
    None
}

/// RFC 9110 §5.6.2.
fn token(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split(|c| !is_part(c)).next().unwrap_or_default()
}

/// How long the `quoted-string` is with which a text begins (RFC 9110 §5.6.4); `None`: it has no end.
fn quoted_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|b| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    })?;
    Some(end + 2)
}

/// What a value says; `None`: it is in quotes in part.
fn unquoted(value: &str) -> Option<String> {
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // No URL has a backslash of its own.
        Some(inner) => Some(inner.replace('\\', "")),
        None => (!value.contains('"')).then(|| value.to_owned()),
    }
}
