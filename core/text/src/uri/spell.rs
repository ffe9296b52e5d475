//! The one spelling of a URI that was written otherwise, for anyone who is to be told.

use super::check::{Form, check};
use super::escape::{escape, is_unreserved};
use crate::path::push_escape;

/// The spelling that is meant, where it can be told; `None`: it can't, or this is it.
pub fn spelled(text: &str) -> Option<String> {
    if text.is_ascii() && check(text, Form::Template).is_ok() {
        return None;
    }
    let (scheme, rest) = text.trim().split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let rest = escaped(&rest.replace('\\', "/"));
    let rest = match rest.strip_prefix("//") {
        _ if scheme == "file" => file(&rest),
        Some(after) => {
            let end = after.find(['/', '?', '#']).unwrap_or(after.len());
            let (authority, path) = after.split_at(end);
            format!("//{}{path}", escaped(&authority.to_ascii_lowercase()))
        }
        None => rest,
    };
    let rest = rest.trim_end_matches(['#', '?']);
    let is_good = |uri: &String| check(uri, Form::Template).is_ok();
    [format!("{scheme}:{rest}"), format!("{scheme}:{rest}/")].into_iter().find(is_good)
}

fn file(rest: &str) -> String {
    let path = rest.strip_prefix("//localhost/").unwrap_or(rest).trim_start_matches('/');
    format!("///{path}")
}

/// Escapes in upper case, none of what needs none, and one for each byte that does.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match escape(after).filter(|_| *byte == b'%') {
            Some((value, after)) => {
                rest = after;
                if is_unreserved(value) { out.push(char::from(value)) } else { push_escape(&mut out, value) }
            }
            None if is_unreserved(*byte) || b":/?#[]@!$&'()*+,;=%{}".contains(byte) => {
                out.push(char::from(*byte))
            }
            None => push_escape(&mut out, *byte),
        }
    }
    out
}
