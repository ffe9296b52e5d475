//! Host and port of a URI (RFC 3986 §3.2): whether they are in the form that readers of URLs put them into.

use super::escape::is_unreserved;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `default_port`: that of a scheme whose hosts are the Internet's; without one a host is whatever the server
/// says.
pub fn is_good(authority: &str, default_port: Option<u16>) -> bool {
    let Some((host, port)) = host_and_port(authority) else { return false };
    // No user either: `@` is in no host.
    let is_host = match (host.strip_prefix('['), default_port) {
        (Some(literal), _) => literal.strip_suffix(']').is_some_and(is_address),
        (None, Some(_)) => is_internet_host(host),
        (None, None) => is_any_host(host) && !(host.is_empty() && port.is_some()),
    };
    is_host && port.is_none_or(|port| is_port(port, default_port))
}

fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at_checked(end)?;
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

fn is_port(text: &str, default: Option<u16>) -> bool {
    // `+80` parses, and `080` is `80`.
    text.parse::<u16>().is_ok_and(|port| port.to_string() == text && Some(port) != default)
}

/// RFC 5952; an address of IPv4 in one of IPv6 has two spellings.
fn is_address(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == text) && !text.contains('.')
}

fn is_internet_host(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    // What ends in a number is an address of IPv4, in any of its forms.
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(is_hex);
    host.split('.').all(is_label)
        && (!is_number || host.parse::<Ipv4Addr>().is_ok_and(|address| address.to_string() == host))
}

/// RFC 3986 §3.2.2 `reg-name`; its escapes have been looked at.
fn is_any_host(host: &str) -> bool {
    host.bytes().all(|b| is_unreserved(b) || b"!$&'()*+,;=%".contains(&b))
}
