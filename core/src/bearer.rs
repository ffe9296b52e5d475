//! The `Authorization` header: bytes in, a bearer token or a reason out (RFC 6750 §2.1, RFC 7235 §2.1).
//!
//! `Bearer abc.def.ghi` is a token; `Bearer` alone is malformed; `Basic …` counts as no token.

/// What an `Authorization` header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// No header, or another scheme.
    Absent,
    /// A token that nobody has looked at: one that was verified before is known by its bytes alone.
    Unread(&'a [u8]),
    /// Three parts: a signed token, not yet verified.
    Signed(&'a str),
    /// Five parts: a JWE (RFC 7516 §3.1).
    Encrypted,
    /// Any other number of parts.
    Opaque,
    /// Not what RFC 6750 allows.
    Malformed,
    /// Two headers, which Envoy joins with a comma.
    Doubled,
    /// Over [`MAX_TOKEN`].
    TooLong,
}

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

impl Bearer<'_> {
    /// What an unread token is; anything else is what it is.
    #[must_use]
    pub fn read(self) -> Self {
        match self {
            Self::Unread(token) => classify(token),
            other => other,
        }
    }
}

/// Reads one header value, but for a token that can be left unread.
pub fn peek(value: Option<&[u8]>) -> Bearer<'_> {
    let token = value.and_then(|value| value.strip_prefix(b"Bearer "));
    let plain =
        |token: &&[u8]| token.len() <= MAX_TOKEN && token.first() != Some(&b' ') && !token.contains(&b',');
    match token.filter(plain) {
        Some(token) => Bearer::Unread(token),
        None => parse(value),
    }
}

/// Reads one header value.
pub fn parse(value: Option<&[u8]>) -> Bearer<'_> {
    let Some(value) = value else { return Bearer::Absent };
    let scheme_end = value.iter().position(|b| !is_token_char(*b)).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(scheme_end);
    if value.contains(&b',') && (contains_ignore_case(value, b"bearer") || !is_one(value)) {
        return Bearer::Doubled;
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Bearer::Absent;
    }
    let token_start = rest.iter().position(|b| *b != b' ').unwrap_or(rest.len());
    let token = rest.get(token_start..).unwrap_or_default();
    if token_start == 0 || token.is_empty() {
        return Bearer::Malformed;
    }
    if token.len() > MAX_TOKEN {
        return Bearer::TooLong;
    }
    classify(token)
}

fn classify(token: &[u8]) -> Bearer<'_> {
    let unpadded = token.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    let head = token.get(..unpadded).unwrap_or_default();
    // One addition a byte, for each byte of each new token: the sum tells of dots and of what may not stand there.
    let sum: u32 =
        head.iter().map(|byte| WEIGHTS.get(usize::from(*byte)).map_or(BAD, |weight| *weight)).sum();
    let dots = sum % BAD;
    if head.is_empty() || sum >= BAD {
        return Bearer::Malformed;
    }
    match (dots, std::str::from_utf8(token)) {
        (2, Ok(text)) => Bearer::Signed(text),
        (4, _) => Bearer::Encrypted,
        _ => Bearer::Opaque,
    }
}

/// More than a token has dots, and few enough that a token of such bytes alone doesn't overflow.
const BAD: u32 = 1 << 15;
const _: () = assert!((BAD as usize) > MAX_TOKEN && MAX_TOKEN < (u32::MAX / BAD) as usize);

/// b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=": 0 for these, 1 for a dot, [`BAD`] for any other.
static WEIGHTS: [u32; 256] = weights();

const fn weights() -> [u32; 256] {
    let good = crate::bytes::set(b"-_~+/", true);
    let mut weights = [BAD; 256];
    let mut at = 0;
    while at < weights.len() {
        #[expect(clippy::indexing_slicing, reason = "in a constant, and within bounds")]
        {
            weights[at] = if at == b'.' as usize {
                1
            } else if good[at] {
                0
            } else {
                BAD
            };
        }
        at += 1;
    }
    weights
}

/// Whether a value with commas is that of one header: `Digest a="b", c=d`, a scheme and parts of the form `name=value` (RFC 9110 §11.4). Anything
/// else is what Envoy makes of two.
fn is_one(value: &[u8]) -> bool {
    let mut quoted = false;
    let parts = value.split(|byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    });
    parts.enumerate().all(|(at, part)| {
        let part = part.trim_ascii();
        // The scheme stands before the first part.
        let scheme =
            if at == 0 { part.iter().position(|byte| *byte == b' ').unwrap_or(part.len()) } else { 0 };
        part.get(scheme..).is_some_and(|part| is_parameter(part.trim_ascii()))
    })
}

fn is_parameter(part: &[u8]) -> bool {
    let Some(equals) = part.iter().position(|byte| *byte == b'=') else { return false };
    let (name, value) = part.split_at(equals);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let is_token = |text: &[u8]| !text.is_empty() && text.iter().all(|byte| is_token_char(*byte));
    let is_quoted = value.len() > 1 && value.first() == Some(&b'"') && value.last() == Some(&b'"');
    is_token(name.trim_ascii()) && (is_token(value) || is_quoted)
}

fn contains_ignore_case(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w.eq_ignore_ascii_case(needle))
}

/// RFC 7230 §3.2.6 `tchar`.
fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
