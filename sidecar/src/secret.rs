//! Secrets: kept out of logs by their type, and compared in time that says nothing about them.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// A text that nobody may see.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `shown` is this secret. Digests are compared, so that neither the length nor the first
    /// difference shows in the time that it takes. Nothing equals an empty secret.
    pub fn is(&self, shown: &[u8]) -> bool {
        let (own, shown) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(shown));
        let differences = own.iter().zip(shown.iter()).fold(0u8, |sum, (a, b)| sum | (a ^ b));
        !self.0.is_empty() && std::hint::black_box(differences) == 0
    }

    /// `text` without this secret, should somebody else have put it there.
    pub fn out_of(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "…") }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn only_the_secret_itself_is_it_and_nothing_shows_it() {
        let secret = Secret::from("s3cret");
        assert!(secret.is(b"s3cret"));
        for other in [&b""[..], b"s3cre", b"s3crets", b"S3cret", b"s3cret\0"] {
            assert!(!secret.is(other), "{other:?}");
        }
        assert!(!Secret::default().is(b""));
        assert_eq!(format!("{secret:?} {}", secret.out_of("bad secret s3cret")), "Secret(…) bad secret …");
    }
}
