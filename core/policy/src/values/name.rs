//! Names: scopes, methods, header names, claims, query parameters; text in, what was expected out.

/// Checks an RFC 6749 §3.3 scope-token.
///
/// # Errors
/// What was expected.
pub fn check_scope(text: &str) -> Result<(), String> {
    let good = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    check(
        (1..=256).contains(&text.len()) && text.bytes().all(good),
        "expected one scope: visible ASCII without spaces, quotes or backslashes",
    )
}

/// Checks a text that is shown or compared: not empty, no control characters.
///
/// # Errors
/// What was expected.
pub fn check_text(text: &str, max: usize) -> Result<(), String> {
    if (1..=max).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(format!("expected a text of 1 to {max} bytes without control characters"))
    }
}

/// Checks a text that stands in a quoted-string of a header.
///
/// # Errors
/// What was expected.
pub fn check_realm(text: &str) -> Result<(), String> {
    let good = |b: u8| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\';
    check(
        (1..=128).contains(&text.len()) && text.bytes().all(good),
        "expected 1 to 128 printable ASCII characters without quotes or backslashes",
    )
}

/// Checks the name of an upstream or an Envoy cluster.
///
/// # Errors
/// What was expected.
pub fn check_cluster(text: &str) -> Result<(), String> {
    check(
        (1..=256).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'\'')),
        "expected a name of visible ASCII characters",
    )
}

/// A method in upper case.
///
/// # Errors
/// What was expected.
pub fn method(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    if matches!(upper.as_str(), "CONNECT" | "TRACE") {
        return Err("CONNECT and TRACE are always refused".to_owned());
    }
    check(
        (1..=32).contains(&upper.len()) && upper.bytes().all(is_tchar),
        "expected a method such as GET or POST",
    )?;
    Ok(upper)
}

/// Names that hosts and proxies give a meaning to, so that no identity may travel there (CONTRACT §7).
const RESERVED: &[&str] = &[
    "host",
    "authorization",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "forwarded",
    "accept-encoding",
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "x-request-id",
    "x-required-scope",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];
const RESERVED_PREFIXES: &[&str] = &["content-", "x-forwarded-", "x-envoy-", "x-gatewaystack-"];

/// The name of a header that identity is put in, in lower case.
///
/// # Errors
/// What was expected.
pub fn identity_header(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    check(
        (1..=128).contains(&lower.len()) && lower.bytes().all(is_tchar),
        "expected a header name such as X-User-Id",
    )?;
    // Servers that turn headers into variables can't tell `_` from `-`.
    let read_as = lower.replace('_', "-");
    let reserved =
        RESERVED.contains(&read_as.as_str()) || RESERVED_PREFIXES.iter().any(|p| read_as.starts_with(p));
    check(
        !reserved,
        "expected a header of its own, such as X-User-Id: not a pseudo, hop-by-hop, Host, Authorization, Content-*, \
         X-Forwarded-*, X-Envoy-* or other header that has a meaning already",
    )?;
    Ok(lower)
}

/// Checks the name of a query parameter that identity is put in.
///
/// # Errors
/// What was expected.
pub fn check_query_name(text: &str) -> Result<(), String> {
    check(
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'~')),
        "expected a parameter name of letters, digits, -, _ and ~",
    )
}

/// RFC 9110 §5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

fn check(good: bool, expected: &str) -> Result<(), String> {
    if good { Ok(()) } else { Err(expected.to_owned()) }
}
