//! What the queue holds, as values, and how much of it there may be.

use std::time::Duration;

/// Registrations that wait.
pub const MAX_QUEUED: i64 = 100_000;
/// Registrations that can't be promoted as things are, of either kind.
pub const MAX_PARKED: i64 = 10_000;
/// What is tried again where too many are parked waits so long.
pub const NO_ROOM_MS: i64 = 300_000;
/// Nothing waits longer than this. Where something does, the clock has been set back, and it is due.
pub const LONGEST_WAIT_MS: i64 = 2 * 3_600 * 1_000;
/// Reasons of which anybody can make as many as he likes by registering clients.
pub const ANYBODYS: &str =
    "(reason LIKE 'not_allowed:%' OR reason LIKE 'not_found:%' OR reason LIKE 'no_client_id:%')";
/// Ids that are done.
pub const MAX_DONE: i64 = 100_000;
/// How long an id that is done is known.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A registration that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub log_id: String,
    pub client_id: String,
    /// How often it was tried.
    pub attempts: u32,
    pub received_ms: i64,
}

/// What became of the registrations in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub queued: usize,
    pub duplicates: usize,
}

/// A registration that is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    pub log_id: String,
    pub client_id: Option<String>,
    pub reason: String,
    pub received_ms: i64,
    pub parked_ms: i64,
}
