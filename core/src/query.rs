//! The identity query parameter: impostors out, the verified user in (CONTRACT §7). All else stays byte for byte.
//!
//! With the name `userId`, `a=1&userid=evil;b=2` and the user `u|1` give `a=1;b=2&userId=u%7C1`.

use crate::path::encoded;

/// Removes every parameter whose name a server could read as `name`. `None` where nothing had to go.
pub fn strip(query: &str, name: &str) -> Option<String> {
    let mut out = String::with_capacity(query.len());
    let mut removed = false;
    let mut rest = query;
    let mut separator = None;
    loop {
        let end = rest.find(['&', ';']).unwrap_or(rest.len());
        let (parameter, tail) = rest.split_at(end);
        if is_impostor(parameter, name) {
            removed = true;
        } else {
            // The separator of a removed parameter goes with it; the first one kept has none.
            if let Some(separator) = separator
                && !(removed && out.is_empty())
            {
                out.push(separator);
            }
            out.push_str(parameter);
        }
        let mut tail = tail.chars();
        match tail.next() {
            None => break,
            next => separator = next,
        }
        rest = tail.as_str();
    }
    removed.then_some(out)
}

/// Adds `name=user` at the end, the user percent-encoded but for unreserved bytes.
pub fn append(query: &str, name: &str, user: &str) -> String {
    let mut out = String::with_capacity(query.len() + name.len() + user.len() + 2);
    out.push_str(query);
    if !query.is_empty() {
        out.push('&');
    }
    out.push_str(name);
    out.push('=');
    out.push_str(&encoded(user));
    out
}

fn is_impostor(parameter: &str, name: &str) -> bool {
    let raw = parameter.split('=').next().unwrap_or_default();
    // Servers trim leading blanks, and read `userId[]`, `userId.x` and `userId%00` as `userId`.
    let decoded = decode(raw);
    let trimmed = decoded.trim_ascii_start();
    let end = trimmed.iter().position(|b| matches!(b, b'[' | b'.' | b' ' | 0)).unwrap_or(trimmed.len());
    trimmed.get(..end).is_some_and(|cut| cut.eq_ignore_ascii_case(name.as_bytes()))
}

fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = (*byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let value = escape.and_then(|e| std::str::from_utf8(e).ok()).and_then(|e| {
            // `from_str_radix` takes a sign; two hex digits don't have one.
            if e.starts_with('+') { None } else { u8::from_str_radix(e, 16).ok() }
        });
        match value {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
