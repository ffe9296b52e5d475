//! What servers make of a URI. In: a URI as it is written. Out: all that they may take it for: decoded,
//! normalised by the standard's reader, without its query, in lower case, with slashes and dots as file
//! systems read them.

use crate::rules::{Kind, Rule};

/// The readings of a URI, the written one first.
pub fn readings(uri: &str) -> Vec<String> {
    let mut all = vec![uri.to_owned()];
    all.extend(url::Url::parse(uri).map(|url| url.to_string()));
    let mut more: Vec<String> = all.iter().flat_map(|uri| [decoded(uri), decoded(&decoded(uri))]).collect();
    all.append(&mut more);
    let cut = |uri: &String| uri.split(['?', '#']).next().unwrap_or_default().to_owned();
    let mut more: Vec<String> = all.iter().map(cut).collect();
    all.append(&mut more);
    let mut more: Vec<String> = all.iter().map(|uri| resolved(uri)).collect();
    all.append(&mut more);
    all
}

/// Whether a caller may use a resource, no matter who reads its URI. What has no rule in another reading is
/// nothing there.
pub fn allows(uri: &str, may: &dyn Fn(Rule) -> bool) -> bool {
    let rule = |uri: &str| Kind::Resource.rule(uri);
    rule(uri).is_some_and(may) && readings(uri).iter().all(|uri| rule(uri).is_none_or(may))
}

/// Whether a URI has one reading for everybody: plain words between slashes.
pub fn is_plain(uri: &str, is_template: bool) -> bool {
    let Some((scheme, path)) = uri.split_once("://") else { return false };
    let path = if scheme == "file" { path.strip_prefix('/') } else { Some(path) };
    let is_word =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_expression = |text: &str| {
        is_template && text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).is_some_and(is_word)
    };
    let special = ["http", "https", "ws", "wss", "ftp"].contains(&scheme);
    let is_letters = scheme.bytes().all(|b| b.is_ascii_lowercase()) && !scheme.is_empty() && !special;
    is_letters && path.is_some_and(|path| path.split('/').all(|part| is_word(part) || is_expression(part)))
}

/// Without escapes; what isn't text is dropped.
pub fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digits.filter(is_hex).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) if *byte == b'%' => {
                out.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// In lower case, slashes the one way, without parameters, dots, and what a file system drops at the ends of
/// names.
pub fn resolved(uri: &str) -> String {
    let uri =
        uri.trim_matches(|c: char| c.is_whitespace() || c.is_control()).to_lowercase().replace('\\', "/");
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", &uri));
    let rest = rest.trim_start_matches('/');
    let slashes = if scheme == "file" { "///" } else { "//" };
    let rest = if scheme == "file" { rest.strip_prefix("localhost/").unwrap_or(rest) } else { rest };
    format!("{scheme}:{slashes}{}", segments(rest).join("/"))
}

/// The segments of a path in lower case, as anyone who resolves it has them.
pub fn segments(path: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for segment in path.to_lowercase().replace('\\', "/").split('/') {
        let segment = segment.split([';', '\0']).next().unwrap_or_default();
        // A stream of a file is the file; a colon alone is part of a name (`/root:/a.txt:/children`), which
        // Windows doesn't open at all.
        let end = segment.find(":$").and_then(|_| segment.find(':'));
        let segment = segment.get(..end.unwrap_or(segment.len())).unwrap_or_default();
        match segment.trim() {
            ".." => {
                out.pop();
            }
            text => match text.trim_end_matches(['.', ' ']) {
                "" => {}
                text => out.push(text.to_owned()),
            },
        }
    }
    out
}
