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

/// Checks a text that is in a quoted-string of a header.
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

/// `X-` names that proxies, clouds and browsers give a meaning to, or that are ours.
const TAKEN: &[&str] = &[
    "x-request-id",
    "x-correlation-id",
    "x-required-scope",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-original-host",
    "x-original-to",
    "x-rewrite-url",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-host",
    "x-proxy-url",
    "x-real-url",
    "x-accel-redirect",
    "x-sendfile",
    "x-requested-with",
    "x-csrf-token",
    "x-xsrf-token",
    "x-csrftoken",
    "x-api-key",
    "x-auth-token",
    "x-access-token",
    "x-webhook-secret",
    "x-admin-secret",
    "x-frame-options",
    "x-xss-protection",
    "x-powered-by",
    "x-robots-tag",
    "x-ua-compatible",
    "x-dns-prefetch-control",
    "x-download-options",
    "x-permitted-cross-domain-policies",
    "x-ot-span-context",
    "x-cloud-trace-context",
    "x-request-start",
    "x-archived-at",
    "x-device-accept",
    "x-device-accept-charset",
    "x-device-accept-encoding",
    "x-device-accept-language",
    "x-device-user-agent",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-should-retry",
];
/// And families of them.
const TAKEN_PREFIXES: &[&str] = &[
    "x-forwarded",
    "x-envoy-",
    "x-gatewaystack-",
    "x-content-",
    "x-b3-",
    "x-amz-",
    "x-amzn-",
    "x-goog-",
    "x-ms-",
    "x-datadog-",
    "x-istio-",
    "x-appengine-",
    "x-google-",
    "x-azure-",
    "x-arr-",
    "x-original-forwarded",
];

/// First words of the names that registries, MCP and gRPC have.
const FAMILIES: [&str; 11] =
    ["content", "access", "proxy", "sec", "mcp", "if", "accept", "grpc", "set", "last", "want"];
/// What a name has that no registry has (RFC 9110 §16.3.1) and that says whose identity it is.
const SUBJECTS: [&str; 6] = ["user", "tenant", "subject", "account", "principal", "org"];

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
    let taken =
        TAKEN.contains(&read_as.as_str()) || TAKEN_PREFIXES.iter().any(|prefix| read_as.starts_with(prefix));
    let parts: Vec<&str> = read_as.split('-').collect();
    // `User-Agent` is the one registered name of that form.
    let is_own = parts.iter().any(|part| SUBJECTS.contains(part))
        && parts.len() > 1
        && parts.first().is_some_and(|first| !FAMILIES.contains(first))
        && read_as != "user-agent";
    check(
        !taken && (read_as.strip_prefix("x-").is_some_and(|rest| !rest.is_empty()) || is_own),
        "expected a header of its own: X-… (such as X-User-Id), or a name with the word user, tenant, subject, account, principal or \
         org in it (such as Acme-User), and none that servers, proxies or browsers give a meaning to",
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
