//! The plugin that counts connections (`root_id: gatewaystack_connections`): Envoy's network callbacks in, connections that have no room closed. Its configuration is the number
//! that one address may have, in decimal digits.

use crate::host::{self, Buffer, Metric};
use crate::shared::{self, Claim};
use gatewaystack_core::connections::Connections;
use gatewaystack_core::rate_limit::address;
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

/// Its name in Envoy's configuration.
const ROOT_ID: &[u8] = b"gatewaystack_connections";
/// Time between two looks at how many workers there are, in milliseconds.
const TICK_MS: u32 = 2_000;
/// What the doors of all workers claim places of.
const DOORS: &str = "door";

/// What the connections of one worker share.
pub struct Door {
    connections: RefCell<Connections>,
    /// It is there, for the other workers.
    claim: Claim,
    refused: u32,
    /// Refused since the last tick.
    lately: Cell<u32>,
}

impl Door {
    /// Whether the plugin that is being configured counts connections.
    pub fn is_meant() -> bool {
        matches!(host::property("plugin_root_id"), Ok(Some(id)) if id == ROOT_ID)
    }

    /// Reads its configuration; `None`: it can't be used.
    pub fn configured() -> Option<Self> {
        let cap = host::buffer(Buffer::PluginConfiguration, 16)
            .ok()
            .and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse::<u32>().ok().filter(|cap| *cap > 0));
        let Some(cap) = cap else {
            log::error!("gatewaystack: the number of connections for an address can't be read");
            return None;
        };
        let refused = host::define_metric(Metric::Counter, "gatewaystack_connections_refused_total");
        host::set_tick_period(TICK_MS).ok()?;
        let holder = u64::from_le_bytes(host::random().ok()?);
        Some(Self {
            connections: RefCell::new(Connections::new(cap)),
            claim: Claim::new(DOORS, holder),
            refused: refused.unwrap_or(u32::MAX),
            lately: Cell::new(0),
        })
    }

    /// Time has passed.
    pub fn on_tick(&self) {
        if let Ok(now) = host::now_ns().map(|ns| ns / 1_000_000) {
            self.claim.beat(now);
            // One is Envoy's main thread's, which takes no connections.
            let workers = shared::claimed(DOORS, now).count().saturating_sub(1);
            self.connections.borrow_mut().share(workers);
        }
        let lately = self.lately.take();
        if lately > 0 {
            log::warn!(
                "gatewaystack: {lately} connections were closed at once: their addresses have as many as one may have (`listen.connections_per_address`)"
            );
        }
    }

    /// It is gone: the others have its share.
    pub fn end(&self) {
        self.claim.release();
    }
}

/// One connection.
pub struct Connection {
    door: Rc<Door>,
    /// Whose it is, once it is counted.
    from: Cell<Option<IpAddr>>,
}

impl Connection {
    /// One of which nothing is known.
    pub fn new(door: Rc<Door>) -> Self {
        Self { door, from: Cell::new(None) }
    }

    /// It is there: whether it stays.
    pub fn enter(&self) -> bool {
        // One without an address is a Unix socket's.
        let Some(from) = address::of_source(host::property("source\0address").ok().flatten()) else {
            return true;
        };
        if self.door.connections.borrow_mut().enter(from) {
            self.from.set(Some(from));
            return true;
        }
        self.door.lately.set(self.door.lately.get().saturating_add(1));
        host::increment_metric(self.door.refused, 1);
        host::close_connection();
        false
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(from) = self.from.take() {
            self.door.connections.borrow_mut().leave(from);
        }
    }
}
