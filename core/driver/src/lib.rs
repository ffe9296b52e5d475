//! Drives requests by what the core decides, without a host: what a host tells is an [`event::Event`], what
//! it has to do a [`command::Command`].
//!
//! ```text
//!   host ─ Event ─► Stream::on ─► Output { commands, action } ─► host
//!   host ─ WorkerEvent ─► Worker::on ─► [WorkerCommand] ─► host
//!
//!   Gateway   policy, secret, table, verifier     shared by all workers, changed by none
//!   Worker    keys, tokens, what waits            one thread's at a time
//!   Stream    one request and its answer          its worker's
//! ```
//!
//! Only a [`view::View`] is asked while an event is handled, which shows and changes nothing. So a host that
//! enters us again from inside a command finds nothing half done.

#![warn(missing_docs)]

pub mod bodies;
pub mod calls;
pub mod claims;
pub mod command;
pub mod copies;
pub mod connection_limiter;
pub mod event;
pub mod feed;
mod fetches;
pub mod gateway;
mod guests;
pub mod outbox;
pub mod statistics;
pub mod stream;
pub mod view;
pub mod waiters;
pub mod worker;

#[cfg(test)]
mod tests;
