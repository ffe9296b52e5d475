//! Foreign clients, each as its authors ship it: it finds out where to sign in, registers, signs in (the
//! person at the browser is ours; in `browser` the browser is a real one), lists, calls, is refused, asks for
//! more, calls again. Behind the gateway stands the demo's MCP server, with the policy that `cargo xtask
//! demo` has (`envoy/examples/demo-mcp.yaml`).
//!
//! `cargo xtask test --all` runs them and sets what they need; the one in Rust needs nothing, and runs
//! always.

mod scene;
mod scripts;
mod table;
mod browser;
mod rust_sdk;

const READERS: &str = "list_notes read_other_users_note whoami";
const WRITERS: &str = "add_note list_notes read_other_users_note whoami";
/// A client that asks for the scopes of the last challenge alone has lost the others, and asks again for what
/// it needs next.
const ONLY_WRITERS: &str = "add_note whoami";
const ALL: &str = "add_note list_notes purge read_other_users_note whoami";
