//! Decides what a request may do. Bytes, policy and `now` in, a decision out: no IO, no clock, no randomness,
//! no logs.
//!
//! ```text
//! config ─► Policy
//!              │
//! headers ─► request ─► route ─► authenticate ─► authorize ─► decision: Permit │ Reply │ hold
//!            path        cors     credential       scopes       reply, challenge, record
//!                                 token_cache      rate_limit
//!                                 jwt, jwks        query, identity
//! ```
//!
//! [`exchange`] is the state machine that runs these in order; `exchange::judge` reads as contract §1 does.

#![warn(missing_docs)]

pub mod exchange;
pub mod world;
pub mod tally;
pub mod decision;
pub mod request;
pub mod route;
pub mod shadow;
pub mod cors;
pub mod authenticate;
pub mod credential;
pub mod groups;
pub mod principal;
pub mod token_cache;
pub mod jwt;
pub mod jwks;
pub mod mcp;
pub mod authorize;
pub mod evaluation;
pub mod rules;
pub mod feed;
pub mod rate_limit;
pub mod connections;
pub mod query;
pub mod identity;
pub mod metadata;
pub mod refusal;
pub mod challenge;
pub mod reply;
pub mod response;
pub mod location;
pub mod record;
pub mod protobuf;
pub mod shared;

pub use gatewaystack_policy as config;
use gatewaystack_text::{bytes, host, names, sorted, uri};
pub use gatewaystack_text::{hash, json, path};

#[cfg(test)]
mod testing;
