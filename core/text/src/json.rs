//! Strict JSON: bytes in, a value without duplicate members and of bounded depth out (RFC 8259, RFC 7515
//! §5.2).
//!
//! `{"a":1}` is accepted; `{"a":1,"a":2}`, trailing bytes, a byte order mark and text that isn't UTF-8 are
//! not.

pub mod check;
pub mod text;
pub mod scan;

use crate::{bytes, sorted};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::fmt;

pub use check::{Bounds, Fault, check};
pub use text::Text;

/// A JSON value whose texts are those of the document, where they need no unescaping: reading one allocates
/// for arrays and objects alone.
#[derive(Debug)]
pub enum View<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<View<'a>>),
    /// An object.
    Object(Members<'a>),
}

/// The members of an object, each name once, in the document's order.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, View<'a>)>);

impl<'a> View<'a> {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The members, if it is an object.
    pub fn as_object(&self) -> Option<&Members<'a>> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        if let Self::Number(number) = self { number.as_f64() } else { None }
    }

    /// The member of an object.
    pub fn get(&self, name: &str) -> Option<&View<'a>> {
        self.as_object()?.get(name)
    }

    /// What a JSON pointer leads to, by its unescaped tokens (RFC 6901 §4).
    pub fn at(&self, path: &[String]) -> Option<&View<'a>> {
        path.iter().try_fold(self, |around, token| match around {
            Self::Array(items) => items.get(place(token)?),
            _ => around.get(token),
        })
    }
}

/// The place in an array that a token names: digits without a leading zero.
fn place(token: &str) -> Option<usize> {
    let is_plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    token.parse().ok().filter(|_| is_plain)
}

impl<'a> Members<'a> {
    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<&View<'a>> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value)
    }

    /// What a JSON pointer into the object leads to, by its unescaped tokens.
    pub fn at(&self, path: &[String]) -> Option<&View<'a>> {
        let (first, rest) = path.split_first()?;
        self.get(first)?.at(rest)
    }

    /// Whether there is such a member.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a name is there twice.
    fn repeat(&self) -> bool {
        let places = sorted::places(self.keys().collect());
        places.iter().zip(places.iter().skip(1)).any(|((name, _), (next, _))| name == next)
    }

    /// All names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }
}

impl From<View<'_>> for Value {
    fn from(view: View<'_>) -> Self {
        match view {
            View::Null => Self::Null,
            View::Bool(value) => Self::Bool(value),
            View::Number(number) => Self::Number(number),
            View::String(text) => Self::String(text.into_owned()),
            View::Array(items) => items.into_iter().map(Self::from).collect(),
            View::Object(Members(members)) => {
                // One by one: `collect` would sort them first, by code of its own.
                let mut object = Map::new();
                for (name, value) in members {
                    object.insert(name.into_owned(), value.into());
                }
                Self::Object(object)
            }
        }
    }
}

/// Parses `bytes`, refusing duplicate members and nesting deeper than `max_depth` (the outermost is 1).
///
/// # Errors
/// What is wrong, in the parser's words: they name a line and a column, never a value.
pub fn view(bytes: &[u8], max_depth: usize) -> Result<View<'_>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Our own limit holds, which the parser's own (127) would undercut.
    deserializer.disable_recursion_limit();
    let value = Strict { left: max_depth }.deserialize(&mut deserializer).map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    Ok(value)
}

/// The same, as a value that outlives `bytes`.
///
/// # Errors
/// As above.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, String> {
    view(bytes, max_depth).map(Value::from)
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
    type Value = View<'de>;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<View<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = View<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, v: bool) -> Result<View<'de>, E> {
        Ok(View::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<View<'de>, E> {
        Ok(View::Number(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<View<'de>, E> {
        Ok(View::Number(v.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<View<'de>, E> {
        Number::from_f64(v).map(View::Number).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<View<'de>, E> {
        Ok(View::String(Cow::Borrowed(v)))
    }
    fn visit_str<E>(self, v: &str) -> Result<View<'de>, E> {
        Ok(View::String(Cow::Owned(v.to_owned())))
    }
    fn visit_unit<E>(self) -> Result<View<'de>, E> {
        Ok(View::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<View<'de>, A::Error> {
        let mut items = Vec::new();
        let inner = self.deeper::<A::Error>()?.left;
        while let Some(item) = seq.next_element_seed(Strict { left: inner })? {
            items.push(item);
        }
        Ok(View::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<View<'de>, A::Error> {
        let mut members = Members::default();
        let inner = self.deeper::<A::Error>()?.left;
        while let Some(name) = map.next_key_seed(Name)? {
            if members.0.len() < FEW && members.contains_key(&name) {
                return Err(A::Error::custom("duplicate member"));
            }
            let value = map.next_value_seed(Strict { left: inner })?;
            members.0.push((name, value));
        }
        if members.0.len() > FEW && members.repeat() {
            return Err(A::Error::custom("duplicate member"));
        }
        Ok(View::Object(members))
    }
}

/// Most names that are compared one by one as they come. Many, which a client may send, are sorted when all
/// are there.
const FEW: usize = 16;

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(v))
    }
    fn visit_str<E>(self, v: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(v.to_owned()))
    }
}

/// What is in a JSON string as it is.
static PLAIN: [bool; 256] = bytes::set(b" !#$%&'()*+,-./:;<=>?@[]^_`{|}~", true);

/// Writes a number in decimal.
pub fn write_number(out: &mut String, number: u64) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// The same with zeros before it, where it has fewer digits.
pub fn write_padded(out: &mut String, number: u64, least: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    for _ in digits.len()..least {
        out.push('0');
    }
    out.push_str(digits);
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
