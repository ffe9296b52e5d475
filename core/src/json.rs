//! Strict JSON: bytes in, a value without duplicate members and of bounded depth out (RFC 8259, RFC 7515 §5.2).
//!
//! `{"a":1}` is accepted; `{"a":1,"a":2}`, trailing bytes, a byte order mark and text that isn't UTF-8 are not.

use crate::bytes;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Parses `bytes`, refusing duplicate members and nesting deeper than `max_depth` (the outermost is 1).
///
/// # Errors
/// What is wrong, in the parser's words: they name a line and a column, never a value.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Our own limit holds, which the parser's own (127) would undercut.
    deserializer.disable_recursion_limit();
    let value = Strict { left: max_depth }.deserialize(&mut deserializer).map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    Ok(value)
}

struct Strict {
    left: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        self.left.checked_sub(1).map(|left| Self { left }).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        let inner = self.deeper::<A::Error>()?.left;
        while let Some(item) = seq.next_element_seed(Strict { left: inner })? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        let inner = self.deeper::<A::Error>()?.left;
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("duplicate member"));
            }
            let value = map.next_value_seed(Strict { left: inner })?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// What stands in a JSON string as it is.
static PLAIN: [bool; 256] = bytes::set(b" !#$%&'()*+,-./:;<=>?@[]^_`{|}~", true);

/// Writes a number in decimal.
pub fn write_number(out: &mut String, number: u64) {
    write_padded(out, number, 1);
}

/// The same with zeros before it, where it has fewer digits.
pub fn write_padded(out: &mut String, mut number: u64, least: usize) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if number == 0 && used >= least {
            break;
        }
        *digit = b"0123456789".get((number % 10) as usize).copied().unwrap_or(b'0');
        number /= 10;
        used += 1;
    }
    let text = digits.get(digits.len() - used..).and_then(|digits| std::str::from_utf8(digits).ok());
    out.push_str(text.unwrap_or_default());
}

/// Writes `text` as a JSON string with its quotes; at most `max` bytes of it, cut at a character.
pub fn write_string(out: &mut String, text: &str, max: usize) {
    use fmt::Write as _;
    out.push('"');
    if text.len() <= max && bytes::all_in(&PLAIN, text.as_bytes()) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut used = 0usize;
    for c in text.chars() {
        used = used.saturating_add(c.len_utf8());
        if used > max {
            break;
        }
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Control characters, and those that some log viewers take for the end of a line.
            c if (c as u32) < 0x20 || matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
