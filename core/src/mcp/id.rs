//! The id of a call whose body is refused: bytes in, the id as JSON out, so that a client knows which of its
//! calls an answer is about. It is looked for as far as the text can be read, and believed for nothing else.

use super::strict::{MAX_ID, is_lookalike};
use crate::json::write_string;

/// Of a request without an id, and where it can't be told.
pub const NONE: &str = "null";

/// The id in a body; `null` where there is none, or more than one.
pub fn find(body: &[u8]) -> String {
    let mut scan = Scan { rest: body };
    let (mut found, mut before) = (None, b'{');
    while let Some((name, value)) = scan.member(before) {
        before = b',';
        if is_lookalike(&name, "id") || (name == "id" && found.is_some()) {
            return NONE.to_owned();
        }
        if name == "id" {
            found = Some(value);
        }
    }
    found.and_then(read).unwrap_or_else(|| NONE.to_owned())
}

/// A string or an integer, as it is written again.
pub(super) fn read(value: &[u8]) -> Option<String> {
    if let Ok(text) = serde_json::from_slice::<String>(value) {
        let mut out = String::new();
        write_string(&mut out, &text, MAX_ID);
        return (text.len() <= MAX_ID).then_some(out);
    }
    let number = std::str::from_utf8(value).ok()?;
    let unsigned = number.parse::<u64>().map(|number| number.to_string()).ok();
    let text = unsigned.or_else(|| number.parse::<i64>().map(|number| number.to_string()).ok());
    // `+1` and `01` are no JSON.
    text.filter(|text| text == number)
}

/// What is left of an object's text.
struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    /// The next member of the outermost object, after a brace or comma: its name and its value's text.
    /// `None`: there is none, or the text can't be read any further.
    fn member(&mut self, before: u8) -> Option<(String, &'a [u8])> {
        self.token(before)?;
        let name = self.value()?;
        let name = serde_json::from_slice::<String>(name).ok()?;
        self.token(b':')?;
        Some((name, self.value()?))
    }

    fn token(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.trim_ascii_start().strip_prefix(&[byte])?;
        Some(())
    }

    /// A value's text, without looking whether it is good inside.
    fn value(&mut self) -> Option<&'a [u8]> {
        let text = self.rest.trim_ascii_start();
        let mut depth = 0usize;
        let mut at = 0;
        loop {
            match *text.get(at)? {
                b'"' => at += string(text.get(at..)?)?,
                b'{' | b'[' => {
                    depth += 1;
                    at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    at += 1;
                }
                b'}' | b']' | b',' | b':' if depth == 0 => break,
                _ => at += 1,
            }
        }
        let (value, rest) = text.split_at_checked(at)?;
        self.rest = rest;
        Some(value.trim_ascii_end()).filter(|value| !value.is_empty())
    }
}

/// How long a string is, with its quotes.
fn string(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
