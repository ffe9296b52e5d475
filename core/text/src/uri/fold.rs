//! URIs as sloppy servers take them: without case, without what stands twice or can be left out, decoded.
//! Text in, a key out; two URIs that such a server takes for one have the same.

use super::escape::escape;
use crate::names::plain;

/// The key of a URI.
pub fn folded(uri: &str) -> String {
    key(uri, false)
}

/// The key of the beginning of URIs: what the keys of those begin with.
pub fn folded_start(start: &str) -> String {
    key(start, true)
}

fn key(text: &str, is_start: bool) -> String {
    let text: String = decoded(text).chars().filter_map(plain).collect();
    let text = text.split('#').next().unwrap_or_default();
    let (place, query) = text.split_once('?').map_or((text, None), |(place, query)| (place, Some(query)));
    let Some((scheme, path)) = place.split_once(':') else { return text.to_owned() };
    let mut out = format!("{}://", scheme.trim());
    let mut segments = path.split(['/', '\\']).peekable();
    while let Some(segment) = segments.next() {
        let is_open = is_start && query.is_none() && segments.peek().is_none();
        let segment = if is_open { segment.trim_start() } else { name(segment) };
        if segment.is_empty() {
            continue;
        }
        out.push_str(segment);
        // A slash at the end counts where more is to come.
        if segments.peek().is_some() && (is_start || segments.clone().any(|more| !name(more).is_empty())) {
            out.push('/');
        }
    }
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}

/// A file's name as Windows reads it: up to its stream, without dots and blanks at its end.
fn name(segment: &str) -> &str {
    let end = if segment.contains(":$") { segment.find(':') } else { None };
    let segment = segment.get(..end.unwrap_or(segment.len())).unwrap_or(segment);
    segment.trim_start().trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        (rest, _) = match escape(after).filter(|_| *byte == b'%') {
            Some((value, after)) => (after, out.push(value)),
            None => (after, out.push(*byte)),
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}
