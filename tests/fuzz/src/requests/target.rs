//! Paths and queries as servers read them. In: a target's parts. Out: the one spelling of a path, all that it
//! may be read as, and the names in a query as the sloppiest server has them.

use crate::uris::{decoded, segments};

/// What is in a path as it is (RFC 3986 `pchar`, without parameters).
const PLAIN: &str = "-._~!$&'()*+,=:@";

/// The one spelling of a path, where it has one that nobody reads in another way: decode all, look at the
/// segments, escape what must be.
pub fn spelled(path: &str) -> Option<String> {
    let rest = path.strip_prefix('/')?;
    let mut out = String::new();
    let mut parts = rest.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let text = exactly_decoded(part)?;
        if !is_good(&text) || (text.is_empty() && !is_last) {
            return None;
        }
        out.push('/');
        for byte in text.bytes() {
            let is_plain = byte.is_ascii_alphanumeric() || PLAIN.contains(char::from(byte));
            if is_plain { out.push(char::from(byte)) } else { out += &format!("%{byte:02X}") }
        }
    }
    Some(out)
}

/// Each escape decoded; `None`: one is broken, or the bytes are no text.
fn exactly_decoded(part: &str) -> Option<String> {
    let whole = part.split('%').skip(1).all(|after| {
        after.get(..2).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    let text = decoded(part);
    // An escaped dot or percent sign is one that somebody hides.
    let hides = |upper: &str| part.to_uppercase().contains(upper);
    (whole && !text.contains(char::REPLACEMENT_CHARACTER) && !hides("%2E") && !hides("%25")).then_some(text)
}

fn is_good(text: &str) -> bool {
    let is_odd = |c: char| c.is_ascii_control() || "/\\;%#?".contains(c) && !matches!(c, '#' | '?');
    !text.contains(is_odd) && !text.contains(":$") && text.trim() == text && !text.ends_with('.')
}

/// What a path may be read as, in segments.
pub fn readings(path: &str) -> Vec<Vec<String>> {
    let once = decoded(path);
    let twice = decoded(&once);
    [path.to_owned(), once, twice].iter().flat_map(|path| [plain_segments(path), segments(path)]).collect()
}

/// The segments of a path that needs no second look; a slash at its end is ignored.
pub fn plain_segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').filter(|_| !path.is_empty()).map(str::to_owned).collect()
}

/// The parameters of a query.
pub fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split(['&', ';']).filter(|parameter| !parameter.is_empty())
}

/// A parameter's name as sloppy servers have it: decoded in all ways, without what they drop, up to what they
/// end it at.
pub fn sloppy_name(parameter: &str) -> String {
    let name = parameter.split('=').next().unwrap_or_default().replace('+', " ");
    let name = decoded(&unicode(&name));
    let name = name.trim_start_matches(|c: char| {
        c.is_whitespace() || c.is_control() || c == char::REPLACEMENT_CHARACTER
    });
    let name = name.split(['\0', '[', '.', ' ']).next().unwrap_or_default();
    let name = name.chars().map(narrow).filter(|c| !c.is_control()).collect::<String>();
    name.to_lowercase()
}

/// Without ASP's escapes: `%u0075`.
fn unicode(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("%u").or_else(|| rest.find("%U")) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let digits = after.get(2..6).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let c = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        out.push(c.unwrap_or('%'));
        rest = after.get(if c.is_some() { 6 } else { 1 }..).unwrap_or_default();
    }
    out + rest
}

/// Full-width letters are letters.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    }
}
