//! The headers that matter to a client: an answer's headers in, what is compared of each out. Values that
//! change from answer to answer are left out.

use super::challenge;
use super::mask::Mask;
use reqwest::Url;
use reqwest::header::HeaderMap;
use std::collections::{BTreeMap, BTreeSet};

/// What couldn't be read is never the same.
pub const UNREADABLE: &str = "(unreadable)";
const PRESENT: &str = "(present)";

/// What of a value is compared.
enum View {
    /// The media type without its parameters.
    Essence,
    /// Schemes, and the names of their parameters.
    Challenges,
    /// The elements, whatever their order; in lower case where their case says nothing.
    Elements { lower: bool },
    /// The path of a URI: behind the base URL where it leads there.
    Path,
    /// That it is there.
    Presence,
}

/// Whether the header, in lower case, is compared.
pub fn matters(name: &str) -> bool {
    view(name).is_some()
}

fn view(name: &str) -> Option<View> {
    Some(match name {
        "content-type" => View::Essence,
        "www-authenticate" => View::Challenges,
        "cache-control" | "vary" => View::Elements { lower: true },
        "allow" => View::Elements { lower: false },
        "location" => View::Path,
        "retry-after" | "mcp-session-id" | "ratelimit" => View::Presence,
        "access-control-allow-headers" | "access-control-expose-headers" => View::Elements { lower: true },
        _ if name.starts_with("ratelimit-") => View::Presence,
        _ if name.starts_with("access-control-") => View::Elements { lower: false },
        _ => return None,
    })
}

/// What is compared of an answer's headers; `base` is the side's base URL, `asked` what was asked.
pub fn read(headers: &HeaderMap, base: &Url, asked: &Url, mask: &Mask) -> BTreeMap<String, String> {
    let compared = |name: &str| Some((name.to_owned(), view(name)?));
    let named = headers.keys().filter_map(|name| compared(name.as_str()));
    let value = |name: &str, view: &View| {
        let all: Result<Vec<&str>, _> = headers.get_all(name).iter().map(|value| value.to_str()).collect();
        let Ok(all) = all else { return UNREADABLE.to_owned() };
        let (text, several) = (mask.hide(&all.join(", ")), all.len() > 1);
        match view {
            View::Presence => PRESENT.to_owned(),
            View::Essence if several => UNREADABLE.to_owned(),
            View::Essence => text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
            View::Challenges => challenge::read(&text).unwrap_or_else(|| UNREADABLE.to_owned()),
            View::Elements { lower } => elements(&text, *lower),
            View::Path if several => UNREADABLE.to_owned(),
            View::Path => location(&text, base, asked).unwrap_or_else(|| UNREADABLE.to_owned()),
        }
    };
    named.map(|(name, view)| (mask.shown(&name), mask.shown(&value(&name, &view)))).collect()
}

fn elements(text: &str, lower: bool) -> String {
    let element = |element: &str| if lower { element.to_ascii_lowercase() } else { element.to_owned() };
    let all: BTreeSet<String> =
        text.split(',').map(str::trim).filter(|e| !e.is_empty()).map(element).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

/// Query and fragment stay out: they carry codes and states.
fn location(text: &str, base: &Url, asked: &Url) -> Option<String> {
    let to = asked.join(text).ok()?;
    if to.origin() != base.origin() {
        return Some(to.path().to_owned());
    }
    let prefix = base.path().trim_end_matches('/');
    let below = to.path().strip_prefix(prefix).filter(|below| below.starts_with('/'));
    Some(below.unwrap_or(to.path()).to_owned())
}
