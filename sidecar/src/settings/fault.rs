//! Errors as the operator reads them: where, and what is wrong there.

use gatewaystack_core::config::error::ConfigError;
use std::fmt;
use std::path::{Path, PathBuf};

/// A configuration error as the operator reads it: `gateway.yaml: routes[3].scopes[0]: …` or `AUTH_ISSUER:
/// …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    file: Option<PathBuf>,
    error: ConfigError,
}

impl Fault {
    /// An error that belongs to no file and no member.
    pub fn text(message: impl Into<String>) -> Self {
        Self { file: None, error: ConfigError::new("", message) }
    }

    /// An error of a file, or of none.
    pub fn new(file: Option<&Path>, error: ConfigError) -> Self {
        Self { file: file.map(Path::to_owned), error }
    }

    /// The member or the variable that it is about; the file where it is about the whole.
    pub fn place(&self) -> String {
        match &self.file {
            Some(file) if self.error.path.is_empty() => file.display().to_string(),
            _ => self.error.path.clone(),
        }
    }

    /// What is wrong there.
    pub fn message(&self) -> &str {
        &self.error.message
    }

    /// An error of a file as a whole.
    pub fn in_file(file: &Path, message: impl Into<String>) -> Self {
        Self { file: Some(file.to_owned()), error: ConfigError::new("", message) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.error),
            None => write!(f, "{}", self.error),
        }
    }
}
