//! How a task's id may be spelled: an id in, whether all readers read the same, and what the sloppiest of
//! them takes it for, out.
//!
//! `+017` and `17` are one to a server that counts, `URN:UUID:…` and the UUID's bare digits to one that
//! parses; `t 1` is refused.

/// From this length on, ids that differ by case alone are one: nobody gives out both, and there are servers
/// that take one for the other.
const LONG: usize = 16;
/// Digits of a UUID.
const UUID: usize = 32;

/// Whether an id is visible ASCII, as servers make them. What readers make of anything else (blanks, NULs,
/// accents, other digits, what can't be seen) has no end.
pub fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What servers take an id for that compare without case or as numbers, or read a UUID in any of its forms:
/// in another spelling a task is the same.
pub fn read_loosely(id: &str) -> String {
    let lower = id.to_ascii_lowercase();
    if let Some(value) = uuid(&lower).or_else(|| number(id)) {
        return value;
    }
    if id.len() < LONG { id.to_owned() } else { lower }
}

/// A UUID's value, as a reader finds it that drops what may stand around its digits and between them, and
/// then takes 32 characters for a number (Python's does).
fn uuid(lower: &str) -> Option<String> {
    let bare = lower.replace("urn:", "").replace("uuid:", "");
    let bare: String = bare.chars().filter(|c| !matches!(c, '{' | '}' | '(' | ')' | '-')).collect();
    if bare.len() != UUID {
        return None;
    }
    let bare = bare.strip_prefix('+').unwrap_or(&bare);
    let digits = value(bare.strip_prefix("0x").unwrap_or(bare), |byte| byte.is_ascii_hexdigit())?;
    Some(["uuid:", &digits].concat())
}

/// An integer's value, as it is written without a sign, zeros before it and what some languages have between
/// digits.
fn number(id: &str) -> Option<String> {
    value(id.strip_prefix('+').unwrap_or(id), |byte| byte.is_ascii_digit())
}

fn value(text: &str, is_digit: impl Fn(u8) -> bool) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    let is_number = !digits.is_empty() && digits.bytes().all(is_digit);
    is_number.then(|| match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        value => value.to_owned(),
    })
}
