//! What is decided about a request that everybody reads alike. In: a request. Out: whether it must pass;
//! nothing where readers may differ.

use super::target::plain_segments;
use super::{Case, Speaks, body};
use crate::gateway::Caller;
use crate::routes;
use crate::rules::Rule;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// Whether it must be forwarded.
pub fn of(case: &Case) -> Option<bool> {
    let method = std::str::from_utf8(&case.wire.method).ok().filter(|method| METHODS.contains(method))?;
    let target = std::str::from_utf8(&case.wire.target).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_word = |part: &String| {
        part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_~".contains(&b))
    };
    let segments = plain_segments(path);
    let is_plain = path.starts_with('/') && !path.contains("//") && segments.iter().all(is_word);
    let is_visible = query.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'#');
    let is_harmless = |(name, _): &(String, Vec<u8>)| name == "accept" || name.starts_with("x-a");
    if !is_plain || !is_visible || !case.wire.headers.iter().take(case.wire.own).all(is_harmless) {
        return None;
    }
    let Some(route) = routes::find(method, &segments) else { return Some(false) };
    let scopes = case.caller.scopes();
    let Some(cap) = route.mcp else {
        return Some(route.rule == Rule::Public || route.rule.allows(scopes));
    };
    match method {
        _ if case.caller == Caller::Liar => Some(false),
        "GET" | "DELETE" | "OPTIONS" => {
            Some(case.wire.body.is_empty() && scopes.is_some() && route.rule.allows(scopes))
        }
        "POST" if case.speaks == Speaks::AsWritten => Some(false),
        "POST" if case.wire.body.len() > cap => Some(false),
        "POST" => body::allowed(case, &route),
        _ => Some(false),
    }
}
