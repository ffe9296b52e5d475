//! MCP (contract §12; MCP 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28): a request's headers and body
//! in, what it wants to do out.
//!
//! ```text
//! headers ─► era ─► (2026-07-28: Mcp-Method, Mcp-Name) ─┐
//! body ─► json_rpc ─────────────────────────────────────┴─► operation ─► needs: open │ scopes │ unlisted
//! response ─► form: is it a list? ─► list: what this caller may use, and nothing else of it changed
//! response ─► form: does it make a task? ─► tasks: whose it is, and by which tool's rule
//! ```
//!
//! Nothing is allowed on headers alone: they only refuse early, and must agree with the body.

pub mod strict;
pub mod kind;
pub mod era;
pub mod method;
pub mod target;
mod related;
pub mod json_rpc;
pub mod id;
pub mod operation;
pub mod needs;
pub mod splice;
pub mod owners;
pub mod session;
pub mod task;
pub mod tasks;
pub mod list;
pub mod form;

#[cfg(test)]
mod tests;
