//! Client promotion (contract §9): Auth0's log stream tells of a new client, and the client becomes one that
//! a user can sign in with.
//!
//! ```text
//! Envoy ─► route ── secret, event ──► queue (SQLite: on the disk before the answer)
//!                                       │ due
//!                                    worker ──► promote ── allow ──► auth0 (Management API)
//!                                       └── done │ later (backoff) │ parked (reason)
//! ```

pub mod event;
mod frame;
pub mod allow;
pub mod queue;
pub mod promote;
pub mod worker;
pub mod route;
pub mod command;
