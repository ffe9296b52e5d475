//! JSON Web Tokens: a compact JWS in, a [`crate::principal::Principal`] out, and only behind a verified
//! signature (RFC 7515, RFC 7519).

mod fault;
mod parts;
pub mod header;
pub mod claims;
mod machine;
pub mod signature;

pub use fault::TokenFault;
pub use gatewaystack_text::scopes::Scopes;
pub use parts::{Parts, decode};

#[cfg(test)]
mod tests;
