//! What judging did besides deciding, for the statistics.

use std::sync::Arc;

/// Counts of one judgement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tokens that were found among the verified ones.
    pub cache_hits: u32,
    /// Live counters that had to go.
    pub evicted: u32,
    /// Addresses for which there was no room, and which so weren't counted.
    pub uncounted: u32,
    /// Rules that are only watched, and would have refused it.
    pub watched: Vec<Arc<str>>,
}
