//! Values of the raw policy: JSON in, a value or an error with its path out.
//!
//! Not serde's derive: that writes a visitor for each type and each source, which came to a sixth of the
//! filter's module for what runs once. The errors are in serde's words, which operators know from other
//! tools.

use super::error::ConfigError;
use serde_json::Value;
use std::collections::BTreeMap;

/// Errors reported at most; a file with more is not a policy.
const MAX_ERRORS: usize = 100;

/// A value of the raw policy.
pub trait Form: Sized {
    /// Reads `value`, which is at the place that `reading` knows; notes what is wrong there. `None`: it is
    /// something else.
    fn read(value: &Value, reading: &mut Reading) -> Option<Self>;

    /// What a list holds instead of an element that is something else, so that the others keep their places.
    /// Without it the list isn't read at all.
    fn stand_in() -> Option<Self> {
        None
    }
}

/// An object with names that are known.
pub trait Members {
    /// The names.
    fn names(&self) -> &'static [&'static str];

    /// Reads the member `name`; `false` where it isn't known.
    fn read_member(&mut self, name: &str, value: &Value, reading: &mut Reading) -> bool;
}

/// Where the reader is, and what was wrong so far.
#[derive(Debug, Default)]
pub struct Reading {
    path: String,
    errors: Vec<ConfigError>,
}

impl Reading {
    /// What was wrong, in the order in which it was met.
    pub fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    /// Notes an error here.
    pub fn error(&mut self, message: String) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(ConfigError { path: self.path.clone(), message });
        }
    }

    /// Notes that `value` is not what was expected.
    pub fn mismatch(&mut self, value: &Value, expected: &str) {
        self.error(format!("invalid type: {}, expected {expected}", kind(value)));
    }

    /// Does `read` with the member `name` as the place.
    pub fn member(&mut self, name: &str, read: &mut dyn FnMut(&mut Self)) {
        let around = self.path.len();
        if around > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        read(self);
        self.path.truncate(around);
    }

    /// Does `read` with the element `at` as the place.
    pub fn element(&mut self, at: usize, read: &mut dyn FnMut(&mut Self)) {
        let around = self.path.len();
        self.path.push_str(&format!("[{at}]"));
        read(self);
        self.path.truncate(around);
    }

    /// Reads an object; `false` where it is something else. What is `null` was told of already, and counts as
    /// absent.
    pub fn object(&mut self, value: &Value, into: &mut dyn Members) -> bool {
        let Value::Object(members) = value else {
            self.mismatch(value, "an object");
            return false;
        };
        for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
            self.member(name, &mut |reading| {
                if !into.read_member(name, member, reading) {
                    let names = one_of(&mut into.names().iter().map(|name| (*name).to_owned()));
                    reading.error(format!("unknown field `{name}`, expected {names}"));
                }
            });
        }
        true
    }

    /// Reads one of `words`, which are its variants' names: the place among them.
    pub fn word(&mut self, value: &Value, variants: &[&str]) -> Option<usize> {
        let mut words = variants.iter().map(|variant| variant.to_ascii_lowercase());
        // As serde reads variants: a text, or an object whose one member is the variant, which has nothing in
        // it.
        let (text, content) = match value {
            Value::String(text) => (text, None),
            Value::Object(members) => {
                let mut members = members.iter().filter(|(_, member)| !member.is_null());
                let (Some((name, content)), None) = (members.next(), members.next()) else {
                    self.error("invalid value: map, expected map with a single key".to_owned());
                    return None;
                };
                (name, Some(content))
            }
            _ => {
                self.mismatch(value, "string or map");
                return None;
            }
        };
        let at = words.clone().position(|word| word == *text);
        match (at, content) {
            (Some(_), Some(content)) => self.mismatch(content, "unit"),
            (Some(at), None) => return Some(at),
            (None, _) => self.error(format!("unknown variant `{text}`, expected {}", one_of(&mut words))),
        }
        None
    }

    /// Notes each member that is `null`. An empty member is a mistake more often than a wish: `tenants:` with
    /// nothing after it must not mean "any tenant".
    pub fn nulls(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, _) in members.iter().filter(|(_, member)| member.is_null()) {
                    self.member(name, &mut |reading| {
                        reading.error("has no value: give it one, or leave it out".to_owned());
                    });
                }
                for (name, member) in members {
                    self.member(name, &mut |reading| reading.nulls(member));
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.element(at, &mut |reading| reading.nulls(item));
                }
            }
            _ => {}
        }
    }
}

impl Form for String {
    fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            reading.mismatch(value, "a string");
        }
        text
    }
}

impl Form for bool {
    fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
        if value.as_bool().is_none() {
            reading.mismatch(value, "a boolean");
        }
        value.as_bool()
    }
}

impl Form for u64 {
    fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
        match (value.as_u64(), value.as_i64()) {
            (None, Some(negative)) => {
                reading.error(format!("invalid value: integer `{negative}`, expected u64"))
            }
            (None, None) => reading.mismatch(value, "u64"),
            (Some(_), _) => {}
        }
        value.as_u64()
    }
}

/// Whatever it is: who compiles it reads it.
impl Form for Value {
    fn read(value: &Value, _: &mut Reading) -> Option<Self> {
        Some(value.clone())
    }
}

impl<T: Form> Form for Vec<T> {
    fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
        let Value::Array(items) = value else {
            reading.mismatch(value, "a sequence");
            return None;
        };
        let mut whole = true;
        let mut list = Self::new();
        for (at, item) in items.iter().enumerate() {
            reading.element(at, &mut |reading| match T::read(item, reading).or_else(T::stand_in) {
                Some(item) => list.push(item),
                None => whole = false,
            });
        }
        whole.then_some(list)
    }
}

impl<T: Form> Form for BTreeMap<String, T> {
    fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
        let Value::Object(members) = value else {
            reading.mismatch(value, "a map");
            return None;
        };
        let mut map = Self::new();
        for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
            reading.member(name, &mut |reading| {
                if let Some(member) = T::read(member, reading) {
                    map.insert(name.clone(), member);
                }
            });
        }
        Some(map)
    }
}

/// What a value is, for an error: short ones are shown.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("boolean `{value}`"),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => format!("integer `{number}`"),
            (_, Some(number)) => format!("integer `{number}`"),
            // Not shown: to print floats would take 8 KB.
            _ => "floating point number".to_owned(),
        },
        Value::String(text) => format!("string {text:?}"),
        Value::Array(_) => "sequence".to_owned(),
        Value::Object(_) => "map".to_owned(),
    }
}

fn one_of(words: &mut dyn Iterator<Item = String>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [_] | [_, _] => words.join(" or "),
        _ => format!("one of {}", words.join(", ")),
    }
}
