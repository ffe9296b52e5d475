//! Reading a file of cases: values in, what they should be or an error with its path out. All errors are
//! kept, up to a hundred.

use gatewaystack_core::config::error::ConfigError;
use serde_json::{Map, Value};

const MAX_ERRORS: usize = 100;

/// What was wrong so far.
#[derive(Default)]
pub struct Form {
    errors: Vec<ConfigError>,
}

impl Form {
    /// `read`, where nothing was wrong.
    pub fn done<T>(self, read: T) -> Result<T, Vec<ConfigError>> {
        if self.errors.is_empty() { Ok(read) } else { Err(self.errors) }
    }

    pub fn error(&mut self, at: &str, message: &str) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(ConfigError::new(at, message));
        }
    }

    pub fn check(&mut self, good: bool, at: &str, message: &str) -> bool {
        if !good {
            self.error(at, message);
        }
        good
    }

    /// An object with these members and no other.
    pub fn object<'a>(
        &mut self,
        at: &str,
        value: &'a Value,
        known: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        let members = self.any_object(at, value)?;
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            let place = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            self.error(&place, &format!("isn't known: expected {}", known.join(", ")));
        }
        Some(members)
    }

    pub fn any_object<'a>(&mut self, at: &str, value: &'a Value) -> Option<&'a Map<String, Value>> {
        self.check(value.is_object(), at, "expected an object");
        value.as_object()
    }

    pub fn list<'a>(&mut self, at: &str, value: &'a Value) -> &'a [Value] {
        self.check(value.is_array(), at, "expected a list");
        value.as_array().map(Vec::as_slice).unwrap_or_default()
    }

    pub fn is_text<'a>(&mut self, at: &str, value: &'a Value) -> Option<&'a str> {
        self.check(value.is_string(), at, "expected a text");
        value.as_str()
    }

    /// The text of a member, where there is one.
    pub fn text<'a>(&mut self, at: &str, members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
        members.get(name).and_then(|value| self.is_text(&format!("{at}.{name}"), value))
    }

    /// The text of a member, which must be there.
    pub fn required<'a>(&mut self, at: &str, members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
        self.check(members.contains_key(name), &format!("{at}.{name}"), "is missing");
        self.text(at, members, name)
    }
}
