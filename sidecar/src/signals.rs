//! Shared signals: what an issuer pushes to tell of its users (contract §13.4). A Security Event Token (SET,
//! RFC 8417) comes by RFC 8935; what it says is a row in the ledger before the answer, and the feed tells it.
//!
//! ```text
//! POST /ssf/events ─► route ─► set (form, claims, event) ─► keys (signature) ─► ledger/signal ─► feed
//! ```

mod fault;
mod events;
mod keys;
pub mod route;
mod set;
#[cfg(test)]
mod testing;
