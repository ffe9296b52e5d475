//! `WWW-Authenticate`: its value in, each scheme with the names of its parameters out (RFC 9110 §11.6.1). No
//! value: realms are for people, and URLs are each side's own.

use std::collections::BTreeSet;

/// `Bearer (realm, scope)` for `Bearer realm="mcp", scope="a b"`. `None`: it isn't a list of challenges.
pub fn read(text: &str) -> Option<String> {
    let mut challenges: Vec<(String, BTreeSet<String>)> = Vec::new();
    for part in parts(text)? {
        let (scheme, parameter) = split(&part);
        if let Some(scheme) = scheme {
            is_token(scheme).then(|| challenges.push((scheme.to_ascii_lowercase(), BTreeSet::new())))?;
        }
        let (_, parameters) = challenges.last_mut()?;
        match parameter {
            None => {}
            // A token68 is a value of its own, and each time another.
            Some(parameter) if scheme.is_some() && is_token68(parameter) => {
                parameters.insert("token68".to_owned());
            }
            Some(parameter) => {
                let (name, _) = parameter.split_once('=').filter(|(name, _)| is_token(name.trim()))?;
                // Twice is two readings.
                parameters.insert(name.trim().to_ascii_lowercase()).then_some(())?;
            }
        }
    }
    let shown = |(scheme, names): (String, BTreeSet<String>)| {
        if names.is_empty() {
            scheme
        } else {
            format!("{scheme} ({})", names.into_iter().collect::<Vec<_>>().join(", "))
        }
    };
    (!challenges.is_empty()).then(|| challenges.into_iter().map(shown).collect::<Vec<_>>().join(", "))
}

/// What is between commas outside quotes. `None`: a quote doesn't end.
fn parts(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part);
    let parts = parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
    (!quoted).then(|| parts.collect())
}

/// A scheme is a word with a space behind it, or alone; `name=value` has none before it.
fn split(part: &str) -> (Option<&str>, Option<&str>) {
    let word = part.find(|c: char| c.is_ascii_whitespace() || c == '=').unwrap_or(part.len());
    let (first, rest) = part.split_at(word);
    let rest = rest.trim_start();
    if rest.is_empty() {
        (Some(first), None)
    } else if rest.starts_with('=') {
        (None, Some(part))
    } else {
        (Some(first), Some(rest))
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_token68(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_challenge_is_its_scheme_and_the_names_of_its_parameters() {
        for (text, expect) in [
            ("Bearer", Some("bearer")),
            ("Bearer realm=\"mcp\", scope=\"a, b\"", Some("bearer (realm, scope)")),
            ("Bearer scope=x , realm = \"a \\\" , b\"", Some("bearer (realm, scope)")),
            ("bearer REALM=a, Basic realm=\"b\"", Some("bearer (realm), basic (realm)")),
            ("Negotiate, Bearer realm=a", Some("negotiate, bearer (realm)")),
            ("", None),
            ("realm=\"a\"", None),
            ("Bearer realm=\"a", None),
            ("Bearer realm=a, realm=b", None),
            ("Negotiate YWJj==", Some("negotiate (token68)")),
            ("Negotiate YWJj/, Basic realm=a", Some("negotiate (token68), basic (realm)")),
            ("Bearer realm=a, scope", Some("bearer (realm), scope")),
            ("Bearer a b", None),
        ] {
            assert_eq!(read(text).as_deref(), expect, "{text}");
        }
    }
}
