//! URLs, hosts and origins (RFC 3986 §3, RFC 6454 §7): text in, its parts out. Only what a fetch needs: no
//! user information, no fragment, ASCII only.

use crate::policy::HttpUrl;
use std::net::{IpAddr, Ipv6Addr};

/// Reads an absolute `http` or `https` URL.
///
/// # Errors
/// What was expected.
pub fn parse(text: &str) -> Result<HttpUrl, String> {
    let expected = || "expected an absolute URL such as https://idp.example.com/path".to_owned();
    if text.len() > 2_048 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(expected());
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err("expected an https (or http) URL".to_owned()),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or_else(expected)?;
    let (host, port) = host_and_port(authority).ok_or_else(expected)?;
    if path.contains(['#', '\\', '"', '<', '>']) || path.starts_with('?') {
        return Err("expected a URL without a fragment, quotes or backslashes".to_owned());
    }
    let port = port.unwrap_or(if tls { 443 } else { 80 });
    Ok(HttpUrl {
        tls,
        authority: authority_of(&host, port, tls),
        host,
        port,
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
    })
}

/// Scheme, host and port alone; the URL's path may be `/`.
///
/// # Errors
/// What was expected.
pub fn base(text: &str) -> Result<HttpUrl, String> {
    let url = parse(text)?;
    if url.path == "/" { Ok(url) } else { Err("expected scheme, host and port, without a path".to_owned()) }
}

/// `scheme://authority` of a URL.
pub fn origin(url: &HttpUrl) -> String {
    format!("{}://{}", if url.tls { "https" } else { "http" }, url.authority)
}

/// A host with an optional port: the host without brackets in lower case, and the port.
pub fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (address, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            Some(port.parse::<u16>().ok().filter(|p| *p > 0)?)
        }
        Some(_) => return None,
        None => None,
    };
    (is_address(host) || is_name(host)).then(|| (host.to_ascii_lowercase(), port))
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// RFC 1123 names; `_` too, which container names use. All digits and dots would be a broken address.
fn is_name(host: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let bare = host.strip_suffix('.').unwrap_or(host);
    bare.len() <= 253 && bare.split('.').all(label) && !bare.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn authority_of(host: &str, port: u16, tls: bool) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == if tls { 443 } else { 80 } { host } else { format!("{host}:{port}") }
}

/// Loopback names and addresses: what never leaves the machine.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

/// Hosts inside a cluster: without a dot, or under `.svc`, `.svc.cluster.local` or `.internal`.
pub fn is_internal(host: &str) -> bool {
    !is_address(host)
        && (!host.contains('.')
            || [".svc", ".svc.cluster.local", ".internal"].iter().any(|s| host.ends_with(s)))
}

/// An origin as browsers send it: `https://app.example.com`, no path, no default port.
///
/// # Errors
/// What was expected.
pub fn check_origin(text: &str) -> Result<(), String> {
    let good = parse(text).is_ok_and(|url| origin(&url) == text);
    if good {
        Ok(())
    } else {
        Err("expected an origin as browsers send it, such as https://app.example.com (lower case, no path, no trailing slash, \
             no default port)"
            .to_owned())
    }
}

/// An absolute URI without a fragment (RFC 8707 §2), of any scheme.
///
/// # Errors
/// What was expected.
pub fn check_identifier(text: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'\\' | b'<' | b'>');
    let good = text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
            && !rest.is_empty()
            && rest != "//"
    });
    if good && text.len() <= 2_048 && text.bytes().all(plain) {
        Ok(())
    } else {
        Err("expected an absolute URI without a fragment, such as https://gateway.example.com/mcp".to_owned())
    }
}
