//! The request target: bytes in, a path that can be judged and forwarded out, or a refusal (contract §1.1,
//! §1.2; RFC 3986 §3.3, §6.2.2).
//!
//! Each byte has one spelling: what may stand as it is (`pchar`) does, all else is escaped. `/%61dmin%3Ax`
//! becomes `/admin:x`, and `/{id}` becomes `/%7Bid%7D`; `/a/%2e%2e/b`, `/a//b`, `/a%2fb` and `/a.` are
//! refused, because a server behind us may read them as another path than the one that was judged.

use crate::bytes;

/// A request target that is safe to match and to forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The normalised path.
    pub path: String,
    /// The query without `?`, byte for byte.
    pub query: Option<String>,
    /// Whether normalising changed the path, so that it must be written back.
    pub changed: bool,
}

/// Why a target can't be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// Doesn't begin with `/`.
    NotAbsolute,
    /// `.` or `..` segments.
    DotSegment,
    /// `//`.
    EmptySegment,
    /// A character that servers read differently: backslash, `;`, `#`, control characters, bytes outside
    /// ASCII.
    Character,
    /// A broken escape, or one of a character that servers read differently.
    Escape,
    /// A segment that Windows, or anyone who trims names, reads as another: blanks at its ends, a dot at its
    /// end, `:$`.
    Lookalike,
}

/// Judges and normalises a request target.
///
/// # Errors
/// The first [`PathFault`] found.
pub fn parse(target: &[u8]) -> Result<Target, PathFault> {
    let (path, query) = split(target)?;
    if path.first() != Some(&b'/') {
        return Err(PathFault::NotAbsolute);
    }
    let normalised = normalise(path)?;
    check_segments(&normalised)?;
    let changed = normalised.as_bytes() != path;
    Ok(Target { path: normalised, query, changed })
}

/// ASCII without spaces, control characters and `#`.
static VISIBLE: [bool; 256] = bytes::set(b"!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true);

fn split(target: &[u8]) -> Result<(&[u8], Option<String>), PathFault> {
    if !bytes::all_in(&VISIBLE, target) {
        return Err(PathFault::Character);
    }
    match target.iter().position(|b| *b == b'?') {
        None => Ok((target, None)),
        Some(at) => {
            let (path, rest) = target.split_at(at);
            let query = rest.get(1..).unwrap_or_default();
            // ASCII was checked above, so nothing is lost here.
            Ok((path, Some(String::from_utf8_lossy(query).into_owned())))
        }
    }
}

/// What is in a path as it is, and is never refused: `pchar` without `;`, and the slash.
static PLAIN: [bool; 256] = bytes::set(b"/-._~!$&'()*+,=:@", true);

/// The same without what must be looked at twice.
static COMMON: [bool; 256] = bytes::set(b"/-._~!&'()*+,=:@", true);

fn is_plain(byte: u8) -> bool {
    PLAIN.get(usize::from(byte)).is_some_and(|plain| *plain)
}

fn normalise(path: &[u8]) -> Result<String, PathFault> {
    if bytes::all_in(&COMMON, path)
        && let Ok(plain) = std::str::from_utf8(path)
    {
        return Ok(plain.to_owned());
    }
    let mut out = String::with_capacity(path.len());
    let mut decoded = Vec::new();
    let mut rest = path.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' | b';' => return Err(PathFault::Character),
            b'%' => {
                let (high, low) = (hex(rest.next())?, hex(rest.next())?);
                let value = high << 4 | low;
                if value < 0x20 || value == 0x7f || matches!(value, b'/' | b'.' | b'%' | b'\\' | b';') {
                    return Err(PathFault::Escape);
                }
                decoded.push(value);
                push_spelled(&mut out, value);
            }
            byte => {
                decoded.push(byte);
                push_spelled(&mut out, byte);
            }
        }
    }
    let decoded = std::str::from_utf8(&decoded).map_err(|_| PathFault::Escape)?;
    // A blank can only come out of an escape.
    if decoded.split('/').any(|segment| segment.trim().len() < segment.len()) {
        return Err(PathFault::Lookalike);
    }
    check_streams(&out)?;
    Ok(out)
}

/// The one spelling of a byte.
fn push_spelled(out: &mut String, byte: u8) {
    if is_plain(byte) { out.push(char::from(byte)) } else { push_escape(out, byte) }
}

fn check_segments(path: &str) -> Result<(), PathFault> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => return Err(PathFault::DotSegment),
            // A single trailing slash leaves one empty segment at the very end.
            "" if segments.peek().is_some() => return Err(PathFault::EmptySegment),
            // Windows ends a name before its last dots (and blanks).
            _ if segment.ends_with('.') => return Err(PathFault::Lookalike),
            _ => {}
        }
    }
    Ok(())
}

/// NTFS opens the file itself by `name::$DATA`, and a folder by `name:$I30:$INDEX_ALLOCATION`.
fn check_streams(path: &str) -> Result<(), PathFault> {
    let bytes = path.as_bytes();
    let is_stream = |(at, byte): (usize, &u8)| *byte == b'$' && at > 0 && bytes.get(at - 1) == Some(&b':');
    if bytes.iter().enumerate().any(is_stream) { Err(PathFault::Lookalike) } else { Ok(()) }
}

fn hex(byte: Option<u8>) -> Result<u8, PathFault> {
    match byte {
        Some(b @ b'0'..=b'9') => Ok(b - b'0'),
        Some(b @ b'a'..=b'f') => Ok(b - b'a' + 10),
        Some(b @ b'A'..=b'F') => Ok(b - b'A' + 10),
        _ => Err(PathFault::Escape),
    }
}

/// Any text as a part of a query: every byte escaped but the unreserved ones.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_unreserved(byte) { out.push(char::from(byte)) } else { push_escape(&mut out, byte) }
    }
    out
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends `%XX`.
pub fn push_escape(out: &mut String, byte: u8) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    out.push('%');
    for nibble in [byte >> 4, byte & 15] {
        out.push(HEX.get(usize::from(nibble)).copied().unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests;
