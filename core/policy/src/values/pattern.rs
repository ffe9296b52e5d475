//! Path patterns: `/v1/users/*/notes`, `/v1/tools/*` in, segments out, in the normal form that requests are
//! matched in (contract §1.2). A pattern that no request could match is an error.

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
    if text.ends_with("*/") {
        return Err("expected no slash after *: /a/* is everything below /a".to_owned());
    }
    let mut segments: Vec<Option<String>> = Vec::new();
    // Escapes hide no slash, so that both have the same segments. An escaped star is a character like any
    // other.
    for (given, normal) in text.split('/').zip(path.split('/')).skip(1).filter(|(given, _)| !given.is_empty())
    {
        match given {
            "*" => segments.push(None),
            part if part.contains('*') => {
                return Err("expected * as a whole segment, such as /v1/*/notes".to_owned());
            }
            _ => segments.push(Some(normal.to_owned())),
        }
    }
    let name = name(&segments);
    let rest = segments.last() == Some(&None);
    if rest {
        segments.pop();
    }
    Ok((Pattern { segments, rest }, name))
}

fn name(segments: &[Option<String>]) -> String {
    let mut name = String::new();
    for segment in segments {
        name.push('/');
        match segment {
            Some(text) => name.push_str(&text.replace('*', "%2A")),
            None => name.push('*'),
        }
    }
    if name.is_empty() { "/".to_owned() } else { name }
}

/// A literal path without `*`, in its normal form.
///
/// # Errors
/// What was expected.
pub fn literal(text: &str) -> Result<String, String> {
    let (pattern, _) = parse(text)?;
    let segments: Option<Vec<String>> = pattern.segments.into_iter().collect();
    let path = segments.filter(|_| !pattern.rest).ok_or("expected a path without *")?;
    Ok(format!("/{}", path.join("/")))
}

fn normal(text: &str) -> Result<String, String> {
    let refused = || {
        "expected a path that a request may have: no query, no . or .. segments, none that ends in a dot or has blanks at its ends, no //, no ;, \
         backslash or :$, other characters percent-encoded (but none of / . % \\ ; and control characters)"
            .to_owned()
    };
    let target = gatewaystack_text::path::parse(text.as_bytes()).map_err(|_| refused())?;
    if target.query.is_some() { Err(refused()) } else { Ok(target.path) }
}
