//! What a transmitter is told of a SET that isn't taken (RFC 8935 §2.4).

/// Why a SET isn't taken: RFC 8935's code, and a sentence of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub text: &'static str,
}

impl Fault {
    /// It can't be read, or isn't what its event's definition says.
    pub fn request(text: &'static str) -> Self {
        Self { code: "invalid_request", text }
    }

    /// Its key or its signature isn't good.
    pub fn key(text: &'static str) -> Self {
        Self { code: "invalid_key", text }
    }
}
