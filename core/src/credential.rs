//! What a request shows to say who sends it: the `Authorization` header in, a credential or a reason out (RFC
//! 6750 §2.1, RFC 7235 §2.1).
//!
//! `Bearer abc.def.ghi` is a credential; `Bearer` alone is malformed; `Basic …` counts as none.

/// How a token is shown: another scheme (DPoP, RFC 9449 §7.1) has its place here. A token that is bound to a
/// key (`cnf`) must not pass by a scheme that asks for no proof, not even from the cache
/// (`authenticate::known`); and a request is authenticated again after it has waited for keys or its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Anyone who has the token may use it (RFC 6750).
    Bearer,
}

/// A token, and the scheme that it is shown by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    /// By which scheme.
    pub scheme: Scheme,
    /// What is shown.
    pub token: Token<'a>,
}

/// A token as far as its form tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// Nobody has looked at it: one that was verified before is known by its bytes alone.
    Unread(&'a [u8]),
    /// Three parts: a signed token, not yet verified.
    Signed(&'a str),
    /// Five parts: a JWE (RFC 7516 §3.1).
    Encrypted,
    /// Any other number of parts.
    Opaque,
}

/// What a request presents: a credential, none, or something that can't be read as either.
pub type Presented<'a> = Result<Option<Credential<'a>>, AuthorizationFault>;

/// What is wrong with `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationFault {
    /// No `b64token` after `Bearer`.
    Malformed,
    /// More than one.
    Doubled,
    /// Over [`MAX_TOKEN`].
    TooLong,
}

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

impl<'a> Credential<'a> {
    fn bearer(token: Token<'a>) -> Self {
        Self { scheme: Scheme::Bearer, token }
    }

    /// The token's bytes, where it may be one that was verified before.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self.token {
            Token::Unread(token) => Some(token),
            Token::Signed(token) => Some(token.as_bytes()),
            Token::Encrypted | Token::Opaque => None,
        }
    }

    /// The same, with its token's form looked at.
    ///
    /// # Errors
    /// It has none.
    pub fn read(self) -> Result<Self, AuthorizationFault> {
        match self.token {
            Token::Unread(token) => classify(token).map(|token| Self { token, ..self }),
            Token::Signed(_) | Token::Encrypted | Token::Opaque => Ok(self),
        }
    }
}

/// Reads one header value, except for a token that can be left unread.
///
/// # Errors
/// As [`parse`], except for the form of a token that is left unread.
pub fn peek(value: Option<&[u8]>) -> Presented<'_> {
    let token = value.and_then(|value| value.strip_prefix(b"Bearer "));
    let plain =
        |token: &&[u8]| token.len() <= MAX_TOKEN && token.first() != Some(&b' ') && !token.contains(&b',');
    match token.filter(plain) {
        Some(token) => Ok(Some(Credential::bearer(Token::Unread(token)))),
        None => parse(value),
    }
}

/// Reads one header value.
///
/// # Errors
/// It is two, or too long, or not what RFC 6750 allows.
pub fn parse(value: Option<&[u8]>) -> Presented<'_> {
    let Some(value) = value else { return Ok(None) };
    let scheme_end = value.iter().position(|b| !is_token_char(*b)).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(scheme_end);
    if value.contains(&b',') && (contains_ignore_case(value, b"bearer") || !is_one(value)) {
        return Err(AuthorizationFault::Doubled);
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    let token_start = rest.iter().position(|b| *b != b' ').unwrap_or(rest.len());
    let token = rest.get(token_start..).unwrap_or_default();
    if token_start == 0 {
        return Err(AuthorizationFault::Malformed);
    }
    if token.len() > MAX_TOKEN {
        return Err(AuthorizationFault::TooLong);
    }
    classify(token).map(|token| Some(Credential::bearer(token)))
}

fn classify(token: &[u8]) -> Result<Token<'_>, AuthorizationFault> {
    let unpadded = token.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    let head = token.get(..unpadded).unwrap_or_default();
    // One addition a byte, for each byte of each new token: the sum tells of dots and of what no token has.
    let sum: u32 =
        head.iter().map(|byte| WEIGHTS.get(usize::from(*byte)).map_or(BAD, |weight| *weight)).sum();
    let dots = sum % BAD;
    if head.is_empty() || sum >= BAD {
        return Err(AuthorizationFault::Malformed);
    }
    Ok(match (dots, std::str::from_utf8(token)) {
        (2, Ok(text)) => Token::Signed(text),
        (4, _) => Token::Encrypted,
        _ => Token::Opaque,
    })
}

/// More than a token has dots, and few enough that a token of such bytes alone doesn't overflow.
const BAD: u32 = 1 << 15;
const _: () = assert!((BAD as usize) > MAX_TOKEN && MAX_TOKEN < (u32::MAX / BAD) as usize);

/// b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=": 0 for these, 1 for a dot, [`BAD`]
/// for any other.
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

/// Whether a value with commas is that of one header: `Digest a="b", c=d`, a scheme and parts of the form
/// `name=value` (RFC 9110 §11.4). Anything else is what Envoy makes of two.
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
