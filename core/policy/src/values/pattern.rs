//! Path patterns: `/v1/users/*/notes`, `/v1/tools/*` in, segments out, in the normal form that requests are matched in
//! (CONTRACT §1.2). A pattern that no request could match is an error.

use crate::policy::Pattern;

/// Reads a pattern: its segments and its name, which is the pattern in its normal form.
///
/// # Errors
/// What was expected.
pub fn parse(text: &str) -> Result<(Pattern, String), String> {
    if !text.starts_with('/') {
        return Err("expected a path pattern that begins with /, such as /v1/tools/*".to_owned());
    }
    if text.len() > 1_024 {
        return Err("expected a path pattern of at most 1024 bytes".to_owned());
    }
    let path = normal(text)?;
    if path.ends_with("*/") {
        return Err("expected no slash after *: /a/* is everything below /a".to_owned());
    }
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(&path) } else { &path };
    let mut segments: Vec<Option<String>> = Vec::new();
    for segment in path.split('/').skip(1).filter(|s| !s.is_empty()) {
        match segment {
            "*" => segments.push(None),
            part if part.contains('*') => {
                return Err("expected * as a whole segment, such as /v1/*/notes".to_owned());
            }
            part => segments.push(Some(part.to_owned())),
        }
    }
    let rest = segments.last() == Some(&None);
    if rest {
        segments.pop();
    }
    Ok((Pattern { segments, rest }, path.to_owned()))
}

/// A literal path without `*`, in its normal form.
///
/// # Errors
/// What was expected.
pub fn literal(text: &str) -> Result<String, String> {
    let (pattern, name) = parse(text)?;
    if pattern.rest || pattern.segments.iter().any(Option::is_none) {
        return Err("expected a path without *".to_owned());
    }
    Ok(name)
}

fn normal(text: &str) -> Result<String, String> {
    let plain = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/' | b'%' | b':' | b'@')
            || matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=')
    };
    let refused = || {
        "expected a path that a request may have: no query, no . or .. segments, no //, no ; or backslash, other \
         characters percent-encoded (but none of / . % \\ ; and control characters)"
            .to_owned()
    };
    if !text.bytes().all(plain) {
        return Err(refused());
    }
    gatewaystack_text::path::parse(text.as_bytes()).map(|target| target.path).map_err(|_| refused())
}
