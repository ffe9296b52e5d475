//! What the fuzz targets check. In: bytes, which stand for a request or an answer. Out: nothing, or a panic
//! where the core breaks a promise that a second, straightforward reading of the same bytes holds it to.
//!
//! [`answers`] and [`requests`] are the targets, [`gateway`] is the core as the filter drives it. What the
//! promises are held against stands on its own: the rules as a table ([`rules`]), the most lenient reader of
//! JSON ([`loose`]) and of event streams ([`stream`]).

use std::env;
use std::sync::OnceLock;

pub mod text;
pub mod rules;
pub mod routes;
pub mod uris;
pub mod loose;
pub mod stream;
pub mod gateway;
pub mod answers;
pub mod requests;

/// Says what the bytes stand for, where somebody asks for it: `GATEWAYSTACK_FUZZ_TELLS`.
pub fn tell(bytes: &[u8], describe: fn(&[u8]) -> String) {
    static TELLS: OnceLock<bool> = OnceLock::new();
    if *TELLS.get_or_init(|| env::var_os("GATEWAYSTACK_FUZZ_TELLS").is_some()) {
        eprintln!("{}", describe(bytes));
    }
}

#[cfg(test)]
mod seeds;
