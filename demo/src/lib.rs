//! The parts of a demonstration that the gateway stands between: an OAuth issuer that signs tokens on
//! request, an MCP server (at the issuer's `/mcp`, as in the original), a connector for ChatGPT, and an echo
//! server that shows what a request looked like when it arrived. All listen on loopback only (in a container,
//! whose ports are published there, on its own addresses), can be embedded ([`Issuer::start`],
//! [`Apps::start`], [`Echo::start`]), and keep everything in bounded memory.
//!
//! Anyone who reaches the issuer gets a token for any user: it's for a laptop and for tests, never for a
//! network.

mod server;
mod mcp;
pub mod apps;
pub mod echo;
pub mod issuer;

pub use apps::Apps;
pub use echo::Echo;
pub use issuer::Issuer;
pub use server::Running;
