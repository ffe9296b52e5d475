//! Percent escapes (RFC 3986 §2.1), and what a server that decodes them reads.

use crate::path::push_escape;

/// The byte that two hex digits stand for, and what follows them.
pub(super) fn escape(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (pair, rest) = digits.split_at_checked(2)?;
    let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(pair, 16).ok()?, rest))
}

pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What a server that decodes reads: escapes of reserved characters as those, an escaped backslash as the
/// slash that many take it for, and what isn't ASCII in its other spelling. `None`: the same.
pub fn decoded(uri: &str) -> Option<String> {
    let mut out = String::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match escape(after).filter(|_| *byte == b'%') {
            Some((b'\\', after)) => {
                out.push('/');
                rest = after;
            }
            Some((value, after)) if b":/?#[]@!$&'()*+,;=".contains(&value) => {
                out.push(char::from(value));
                rest = after;
            }
            _ if byte.is_ascii() => out.push(char::from(*byte)),
            _ => push_escape(&mut out, *byte),
        }
    }
    (out != uri).then_some(out)
}
