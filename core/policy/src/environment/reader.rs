//! Variables: names in order of preference in, the value and the name that it was found under out. An empty
//! variable counts as absent, as in dotenv files.

use crate::Environment;
use crate::error::ConfigError;

/// Reads variables, and notes those that are malformed.
pub struct Reader<'e> {
    env: &'e Environment,
    /// What was wrong.
    pub errors: Vec<ConfigError>,
}

impl<'e> Reader<'e> {
    /// A reader of `env`.
    pub fn new(env: &'e Environment) -> Self {
        Self { env, errors: Vec::new() }
    }

    /// Notes an error of the variable `name`.
    #[cold]
    pub fn error(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(ConfigError::new(name, message));
    }

    /// The first of `names` that is set.
    #[cold]
    pub fn text(&self, names: &[&'e str]) -> Option<(&'e str, &'e str)> {
        names.iter().find_map(|name| {
            let value = self.env.get(*name)?.trim();
            (!value.is_empty()).then_some((*name, value))
        })
    }

    /// A comma list.
    #[cold]
    pub fn list(&self, names: &[&'e str]) -> Option<(&'e str, Vec<&'e str>)> {
        let (name, text) = self.text(names)?;
        Some((name, text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()))
    }

    /// A list of scopes, with spaces or commas between them.
    #[cold]
    pub fn scopes(&self, names: &[&'e str]) -> Option<(&'e str, Vec<&'e str>)> {
        let (name, text) = self.text(names)?;
        let between = |c: char| c == ',' || c.is_ascii_whitespace();
        Some((name, text.split(between).filter(|item| !item.is_empty()).collect()))
    }

    /// `true` or `false`.
    #[cold]
    pub fn boolean(&mut self, names: &[&'e str]) -> Option<(&'e str, bool)> {
        let (name, text) = self.text(names)?;
        match text.to_ascii_lowercase().as_str() {
            "true" => Some((name, true)),
            "false" => Some((name, false)),
            _ => {
                self.error(name, "expected true or false");
                None
            }
        }
    }

    /// A whole number from 0.
    #[cold]
    pub fn number(&mut self, name: &'e str) -> Option<(&'e str, u64)> {
        let (name, text) = self.text(&[name])?;
        // `parse` takes a leading plus, which no one means.
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
        if number.is_none() {
            self.error(name, "expected a whole number");
        }
        number.map(|number| (name, number))
    }

    /// One of `words`.
    #[cold]
    pub fn word(&mut self, name: &'e str, words: &[&'static str]) -> Option<(&'e str, &'static str)> {
        let (name, text) = self.text(&[name])?;
        let word = words.iter().find(|word| **word == text);
        if word.is_none() {
            self.error(name, format!("expected one of: {}", words.join(", ")));
        }
        word.map(|word| (name, *word))
    }
}
