//! The parts of a demonstration that the gateway stands between: an OAuth issuer that signs tokens on request, and an
//! echo server that shows what a request looked like when it arrived. Both listen on loopback only, can be embedded
//! ([`Issuer::start`], [`Echo::start`]), and keep everything in bounded memory.
//!
//! Anyone who reaches the issuer gets a token for any user: it's for a laptop and for tests, never for a network.

mod server;
pub mod echo;
pub mod issuer;

pub use echo::Echo;
pub use issuer::Issuer;
pub use server::Running;
