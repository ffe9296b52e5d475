//! How many connections of one address a worker takes, where workers come and go.

use crate::claims::{self, Claim};
use gatewaystack_core::connections::Connections;
use gatewaystack_core::shared::SharedTable;
use std::net::IpAddr;

/// Time between two looks at how many workers there are, in milliseconds.
pub const TICK_MS: u32 = 2_000;
/// The statistic of connections that were refused.
pub const REFUSED: &str = "gatewaystack_connections_refused_total";
/// What the limiters of all workers claim places of.
const LIMITERS: &str = "door";

/// What the connections of one worker share.
#[derive(Debug)]
pub struct ConnectionLimiter {
    connections: Connections,
    /// It is there, for the other workers.
    claim: Claim,
    /// Refused since the last tick.
    lately: u32,
}

impl ConnectionLimiter {
    /// A limiter with this configuration: the number that one address may have, in decimal digits. `None`: it
    /// can't be read.
    pub fn new(configuration: &[u8], holder: u64) -> Option<Self> {
        let cap = std::str::from_utf8(configuration).ok()?.parse::<u32>().ok().filter(|cap| *cap > 0)?;
        Some(Self { connections: Connections::new(cap), claim: Claim::new(LIMITERS, holder), lately: 0 })
    }

    /// Time has passed; what the operator is told.
    pub fn tick(&mut self, table: &dyn SharedTable, now_ms: Option<u64>) -> Option<String> {
        if let Some(now_ms) = now_ms {
            self.claim.beat(table, now_ms);
            // One is Envoy's main thread's, which takes no connections.
            self.connections.share(claims::claimed(table, LIMITERS, now_ms).len().saturating_sub(1));
        }
        let refused = std::mem::take(&mut self.lately);
        (refused > 0).then(|| {
            format!(
                "{refused} connections were closed at once: their addresses have as many as one may have (`listen.connections_per_address`)"
            )
        })
    }

    /// Counts one more of `from`, where there is room; [`ConnectionLimiter::leave`] takes it back.
    pub fn enter(&mut self, from: IpAddr) -> bool {
        let has_room = self.connections.enter(from);
        self.lately = self.lately.saturating_add(u32::from(!has_room));
        has_room
    }

    /// One that had room is closed.
    pub fn leave(&mut self, from: IpAddr) {
        self.connections.leave(from);
    }

    /// It is gone: the others have its share.
    pub fn end(&mut self, table: &dyn SharedTable) {
        self.claim.release(table);
    }
}
