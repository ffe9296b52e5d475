//! Who may be promoted (contract §9.4): anybody can register a client, so its name and each of its redirect
//! URIs must be known.

/// Why a client is not one of those that we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAllowed {
    /// Its name is on no list.
    Name,
    /// It has no redirect URI at all.
    NoRedirect,
    /// One of its redirect URIs is on no list.
    Redirect(String),
}

/// Whether a client with this name and these redirect URIs may be promoted.
///
/// # Errors
/// The first reason why not.
pub fn check(names: &[String], redirects: &[String], name: &str, uris: &[String]) -> Result<(), NotAllowed> {
    if !names.iter().any(|pattern| is_name(pattern, name)) {
        return Err(NotAllowed::Name);
    }
    if uris.is_empty() {
        return Err(NotAllowed::NoRedirect);
    }
    match uris.iter().find(|uri| !redirects.iter().any(|pattern| is_redirect(pattern, uri))) {
        Some(uri) => Err(NotAllowed::Redirect(uri.clone())),
        None => Ok(()),
    }
}

fn is_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// Byte for byte; `*` is one segment of letters, digits, `-`, `.`, `_` and `~`: nothing that a server could
/// read as another path.
fn is_redirect(pattern: &str, uri: &str) -> bool {
    let Some(start) = pattern.strip_suffix('*') else { return uri == pattern };
    let Some(segment) = uri.strip_prefix(start) else { return false };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    !segment.is_empty() && segment.bytes().all(plain) && segment != "." && segment != ".."
}

#[cfg(test)]
mod tests {
    use super::{NotAllowed, check};

    fn outcome(name: &str, uris: &[&str]) -> Result<(), NotAllowed> {
        let list = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let names = list(&["ChatGPT*", "Exact"]);
        let redirects =
            list(&["https://chatgpt.com/connector/oauth/*", "https://claude.ai/api/mcp/auth_callback"]);
        check(&names, &redirects, name, &list(uris))
    }

    #[test]
    fn a_known_name_with_known_redirects_is_allowed() {
        let known = "https://chatgpt.com/connector/oauth/a-1_~.b";
        assert_eq!(outcome("ChatGPT", &[known]), Ok(()));
        assert_eq!(outcome("ChatGPT connector", &[known, "https://claude.ai/api/mcp/auth_callback"]), Ok(()));
        assert_eq!(outcome("Exact", &[known]), Ok(()));
    }

    #[test]
    fn an_unknown_name_is_not() {
        for name in ["", "chatgpt", "My ChatGPT", " ChatGPT", "Exact2", "Exac"] {
            assert_eq!(
                outcome(name, &["https://claude.ai/api/mcp/auth_callback"]),
                Err(NotAllowed::Name),
                "{name}"
            );
        }
    }

    #[test]
    fn every_redirect_must_be_known_and_there_must_be_one() {
        assert_eq!(outcome("Exact", &[]), Err(NotAllowed::NoRedirect));
        for uri in [
            "https://evil.example/",
            "https://chatgpt.com/connector/oauth/",
            "https://chatgpt.com/connector/oauth/a/b",
            "https://chatgpt.com/connector/oauth/..",
            "https://chatgpt.com/connector/oauth/.",
            "https://chatgpt.com/connector/oauth/%2e%2e",
            "https://chatgpt.com/connector/oauth/a?x=https://evil.example",
            "https://chatgpt.com/connector/oauth/a#x",
            "https://chatgpt.com/connector/oauth/a\\b",
            "https://chatgpt.com/connector/oauth/a@evil.example",
            "https://chatgpt.com/connector/oauth/\u{e9}",
            "https://chatgpt.com/connector/oauth",
            "http://chatgpt.com/connector/oauth/a",
            "https://chatgpt.com.evil.example/connector/oauth/a",
            "https://claude.ai/api/mcp/auth_callback/",
            "https://claude.ai/api/mcp/auth_callback?x",
            "HTTPS://claude.ai/api/mcp/auth_callback",
            "https://claude.ai:443/api/mcp/auth_callback",
        ] {
            let good = "https://claude.ai/api/mcp/auth_callback";
            assert_eq!(outcome("Exact", &[good, uri]), Err(NotAllowed::Redirect(uri.to_owned())), "{uri}");
        }
    }
}
