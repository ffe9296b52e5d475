//! Whether a text is the one spelling of a URI.

use super::authority;
use super::escape::{decoded, escape, is_unreserved};
use crate::bytes;

/// What a text is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A URI.
    Uri,
    /// A URI, or a template of some (RFC 6570): its expressions may be anything.
    Template,
}

/// Why a text isn't the one spelling of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UriFault {
    /// No scheme, or one with upper-case letters.
    Scheme,
    /// A character that must be escaped, or that isn't allowed.
    Character,
    /// A broken escape, one in lower case, of what needs none, of a control character, or of an escape.
    Escape,
    /// A host or port with another spelling, a user, or none where the scheme wants a host.
    Authority,
    /// `.` or `..`.
    DotSegment,
    /// Nothing where something must be: `//` in the path of a file, an empty query or fragment, `http://a`
    /// without its `/`.
    Empty,
}

/// Schemes whose URIs every reader of URLs puts into a form of its own, with their default ports.
const SPECIAL: [(&str, u16); 5] = [("http", 80), ("https", 443), ("ws", 80), ("wss", 443), ("ftp", 21)];

/// Whether `text` is the one spelling of a URI.
///
/// # Errors
/// The first [`UriFault`].
pub fn check(text: &str, form: Form) -> Result<(), UriFault> {
    if form == Form::Uri || !text.contains('{') {
        return check_uri(text);
    }
    check_uri(&filled(text)?)
}

fn check_uri(text: &str) -> Result<(), UriFault> {
    let (scheme, rest) =
        text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)).ok_or(UriFault::Scheme)?;
    check_characters(rest)?;
    check_escapes(rest)?;
    let (rest, fragment) = split(rest, '#');
    let (hierarchy, query) = split(rest, '?');
    if query == Some("") || fragment == Some("") {
        return Err(UriFault::Empty);
    }
    let special = SPECIAL.iter().find(|(name, _)| *name == scheme).map(|(_, port)| *port);
    if fragment.is_some_and(|fragment| fragment.contains('#'))
        || (special.is_some() && query.is_some_and(|query| query.contains('\'')))
    {
        return Err(UriFault::Character);
    }
    let path = path(scheme, hierarchy, special)?;
    let decoded = decoded(path);
    let mut pieces = path.split('/').chain(decoded.iter().flat_map(|path| path.split(['/', '?', '#'])));
    // Some servers take a parameter (`..;x`) out before they look at dots.
    if pieces.any(|piece| matches!(piece.split(';').next(), Some("." | ".."))) {
        return Err(UriFault::DotSegment);
    }
    Ok(())
}

/// The path, where what is before it is good.
fn path<'a>(scheme: &str, hierarchy: &'a str, special: Option<u16>) -> Result<&'a str, UriFault> {
    let authority =
        hierarchy.strip_prefix("//").map(|rest| rest.split_at(rest.find('/').unwrap_or(rest.len())));
    if scheme == "file" {
        return match authority {
            Some(("", path)) if path.is_empty() || has_hole(path) => Err(UriFault::Empty),
            Some(("", path)) => Ok(path),
            _ => Err(UriFault::Authority),
        };
    }
    match (authority, special) {
        (Some((authority, path)), special) => {
            if !authority::is_good(authority, special) {
                return Err(UriFault::Authority);
            }
            if special.is_some() && path.is_empty() { Err(UriFault::Empty) } else { Ok(path) }
        }
        (None, Some(_)) => Err(UriFault::Authority),
        (None, None) if hierarchy.is_empty() => Err(UriFault::Empty),
        (None, None) => Ok(hierarchy),
    }
}

/// Whether a path has an empty segment before its last.
fn has_hole(path: &str) -> bool {
    path.contains("//")
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
}

/// RFC 3986 §2: unreserved, reserved, and the sign of escapes.
static CHARACTERS: [bool; 256] = bytes::set(b"-._~:/?#[]@!$&'()*+,;=%", true);

/// What isn't ASCII is judged in both its spellings; only letters and digits may stand so, and none of those
/// that look like ASCII.
fn check_characters(text: &str) -> Result<(), UriFault> {
    let is_good = |c: char| match u8::try_from(c) {
        Ok(byte) if byte.is_ascii() => bytes::all_in(&CHARACTERS, &[byte]),
        _ => c.is_alphanumeric() && crate::names::plain(c).is_some_and(|plain| !plain.is_ascii()),
    };
    if text.chars().all(is_good) { Ok(()) } else { Err(UriFault::Character) }
}

fn check_escapes(text: &str) -> Result<(), UriFault> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (value, after) = escape(rest).filter(|_| is_upper(rest)).ok_or(UriFault::Escape)?;
        // Anyone who decodes twice reads an escaped escape as what that stands for.
        let is_double = value == b'%' && escape(after).is_some();
        if is_unreserved(value) || value.is_ascii_control() || is_double {
            return Err(UriFault::Escape);
        }
        decoded.push(value);
        rest = after;
    }
    std::str::from_utf8(&decoded).map(|_| ()).map_err(|_| UriFault::Escape)
}

fn is_upper(digits: &[u8]) -> bool {
    digits.iter().take(2).all(|b| !b.is_ascii_lowercase())
}

/// A template with something in place of each expression: a number where a port may be.
fn filled(template: &str) -> Result<String, UriFault> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (expression, after) = after.split_once('}').ok_or(UriFault::Character)?;
        let is_good = |b: u8| b.is_ascii_alphanumeric() || b"_.,*:%+#/;?&=!@|-".contains(&b);
        if expression.is_empty() || !expression.bytes().all(is_good) {
            return Err(UriFault::Character);
        }
        out.push_str(before);
        out.push(if out.ends_with(':') { '1' } else { 'x' });
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether some URI in its one spelling begins with `start`: what a rule for many may say.
pub fn check_start(start: &str) -> Result<(), UriFault> {
    const ENDS: [&str; 9] = ["", "x", "x/", "1/", "/x", "//x", "///x", "://x/", ":///x"];
    let mut first = None;
    for end in ENDS {
        match check(&format!("{start}{end}"), Form::Template) {
            Ok(()) => return Ok(()),
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    if start.is_empty() { Ok(()) } else { Err(first.unwrap_or(UriFault::Scheme)) }
}
