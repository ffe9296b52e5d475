//! The identity query parameter: impostors out, the verified user in (contract §7). All else stays byte for
//! byte.
//!
//! With the name `userId`, `a=1&userid=evil;b=2` and the user `u|1` give `a=1;b=2&userId=u%7C1`.

use crate::names;
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

/// Adds `name=user` at the end, the user percent-encoded except for unreserved bytes.
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
    let text = String::from_utf8_lossy(&decode(raw)).into_owned();
    // Servers trim what is before a name; NUL and control characters, too, which `plain` leaves out.
    let seen = text
        .trim_start_matches(|c| matches!(names::plain(c), None | Some(' ' | char::REPLACEMENT_CHARACTER)));
    // They read `userId[]`, `userId.x` and `userId%00` as `userId`, and leave out what is no character.
    let plain = |text: &'_ str| {
        text.chars()
            .filter_map(names::plain)
            .filter(|c| *c != char::REPLACEMENT_CHARACTER)
            .collect::<String>()
    };
    let whole = plain(seen.split('\0').next().unwrap_or_default());
    let cut = whole.split(['[', '.', ' ']).next().unwrap_or_default();
    cut.eq_ignore_ascii_case(name) || (name.contains('_') && in_php(&whole).eq_ignore_ascii_case(name))
}

/// A name as PHP keeps it: up to the brackets of an array, with `_` for what can't be in one of its
/// variables.
fn in_php(name: &str) -> String {
    let end = name.find('[').filter(|at| name.get(*at..).is_some_and(|rest| rest.contains(']')));
    name.get(..end.unwrap_or(name.len())).unwrap_or(name).replace(['.', ' ', '['], "_")
}

/// Bytes that a text stands for: escapes, those of ASP (`%u0075`), and ASCII in more bytes than it needs.
fn decode(text: &str) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if let Some((c, after)) = asp(*byte, after) {
            rest = after;
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let value = match hex(after, 2).filter(|_| *byte == b'%') {
            Some((value, after)) => {
                rest = after;
                u8::try_from(value).unwrap_or_default()
            }
            None if *byte == b'+' => b' ',
            None => *byte,
        };
        match out.last_mut() {
            // `C1 B5` is `75`, to anyone who doesn't look twice.
            Some(lead @ (0xc0 | 0xc1)) if matches!(value, 0x80..=0xbf) => {
                *lead = (*lead << 6) + (value - 0x80)
            }
            _ => out.push(value),
        }
    }
    out
}

/// `%u` and a UTF-16 code unit, or two of them, that have been begun with `byte`.
fn asp(byte: u8, rest: &[u8]) -> Option<(char, &[u8])> {
    let unit = |rest: &'_ [u8]| -> Option<(u16, usize)> {
        let (value, _) = hex(rest.strip_prefix(b"u").or(rest.strip_prefix(b"U"))?, 4)?;
        Some((u16::try_from(value).ok()?, 5))
    };
    let (first, length) = unit(rest).filter(|_| byte == b'%')?;
    let after = rest.get(length..)?;
    let second = after.strip_prefix(b"%").and_then(unit);
    let pair = second.and_then(|(second, length)| {
        let c = char::decode_utf16([first, second]).next()?.ok()?;
        // The first alone may be all of it.
        (c.len_utf16() == 2).then_some((c, after.get(length + 1..)?))
    });
    pair.or_else(|| Some((char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER), after)))
}

fn hex(text: &[u8], length: usize) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(length)?;
    // `from_str_radix` takes a sign; hex digits don't have one.
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests;
