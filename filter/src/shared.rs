//! What workers share: cells for the core's tables, the process's secret, and the mailboxes by which workers wake each other (ARCHITECTURE.md, "Keys").

use crate::host;
use gatewaystack_core::hash::Secret;
use gatewaystack_core::shared::{SharedTable, TableFault, swap};
use std::cell::Cell;

/// Envoy's shared data.
#[derive(Debug, Clone, Copy)]
pub struct Cells;

impl SharedTable for Cells {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, TableFault> {
        host::shared_data(key).map_err(|_| TableFault)
    }

    fn write(&self, key: &str, value: &[u8], cas: u32) -> Result<bool, TableFault> {
        host::set_shared_data(key, value, cas).map_err(|_| TableFault)
    }
}

/// The secret that hashed keys are made with; the first worker makes it.
pub fn secret() -> Result<Secret, TableFault> {
    let fresh = host::random::<16>().map_err(|_| TableFault)?;
    let bytes = swap(&Cells, "gatewaystack.secret", |found| match found {
        Some(bytes) if bytes.len() == 16 => (None, bytes.to_vec()),
        // Absent, or something that isn't ours.
        _ => (Some(fresh.to_vec()), fresh.to_vec()),
    })?;
    let half = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    Ok(Secret(half(0).ok_or(TableFault)?, half(8).ok_or(TableFault)?))
}

/// VMs come and go, and queues can't be freed: so there are this many places of each kind, each claimed by a cell with a heartbeat.
const PLACES: usize = 64;
/// A heartbeat older than this is a dead VM's.
const DEAD_MS: u64 = 10_000;
/// Time between two heartbeats.
const BEAT_MS: u64 = 2_000;

/// A place among those of its kind, once there is one.
#[derive(Debug)]
pub struct Claim {
    kind: &'static str,
    holder: u64,
    place: Cell<Option<usize>>,
    beaten_at: Cell<u64>,
}

impl Claim {
    /// No place yet: nothing is claimed before the first tick, since a VM may only be a trial of a configuration.
    pub fn new(kind: &'static str, holder: u64) -> Self {
        Self { kind, holder, place: Cell::new(None), beaten_at: Cell::new(0) }
    }

    /// Keeps the claim alive, or claims a place; answers whether it is another one than before.
    pub fn beat(&self, now: u64) -> bool {
        let since = now.checked_sub(self.beaten_at.get());
        if self.place.get().is_some() && since.is_some_and(|since| since < BEAT_MS) {
            return false;
        }
        self.beaten_at.set(now);
        if self.place.get().is_some_and(|at| self.take(at, now)) {
            return false;
        }
        self.place.set((0..PLACES).find(|at| self.take(*at, now)));
        true
    }

    fn take(&self, at: usize, now: u64) -> bool {
        let claim = [self.holder.to_le_bytes(), now.to_le_bytes()].concat();
        let claimed = swap(&Cells, &name(self.kind, at), |found| match found.and_then(decode) {
            Some((holder, beat)) if holder != self.holder && is_alive(beat, now) => (None, false),
            _ => (Some(claim.clone()), true),
        });
        claimed.unwrap_or(false)
    }

    /// The place is free for the next one.
    pub fn release(&self) {
        let Some(at) = self.place.take() else { return };
        let _ = swap(&Cells, &name(self.kind, at), |found| match found.and_then(decode) {
            Some((holder, _)) if holder == self.holder => (Some(vec![0; 16]), ()),
            _ => (None, ()),
        });
    }
}

/// The places of a kind whose VMs are alive.
pub fn claimed(kind: &'static str, now: u64) -> impl Iterator<Item = usize> {
    (0..PLACES).filter(move |at| {
        let cell = host::shared_data(&name(kind, *at)).ok().flatten();
        cell.and_then(|(bytes, _)| decode(&bytes)).is_some_and(|(_, beat)| is_alive(beat, now))
    })
}

const MAILBOXES: &str = "mailbox";

/// This VM's mailbox, once it has one.
#[derive(Debug)]
pub struct Mailbox {
    claim: Claim,
    queue: Cell<Option<u32>>,
}

impl Mailbox {
    /// No mailbox yet.
    pub fn new(holder: u64) -> Self {
        Self { claim: Claim::new(MAILBOXES, holder), queue: Cell::new(None) }
    }

    /// Whether there is one.
    pub fn is_claimed(&self) -> bool {
        self.queue.get().is_some()
    }

    /// Claims a mailbox, or keeps the claim alive.
    pub fn beat(&self, now: u64) {
        if self.claim.beat(now) || !self.is_claimed() {
            let queue = |at| host::register_queue(&name(MAILBOXES, at)).ok();
            self.queue.set(self.claim.place.get().and_then(queue));
        }
    }

    /// Takes all messages out, if the queue is ours.
    pub fn drain(&self, queue: u32) {
        // Bounded: each message is one byte, and whoever sends more only makes us look again.
        for _ in 0..10_000 {
            if !matches!(host::dequeue(queue), Ok(Some(_))) {
                return;
            }
        }
    }

    /// Wakes this VM's root context.
    pub fn wake_self(&self) {
        if let Some(id) = self.queue.get() {
            let _ = host::enqueue(id, b"k");
        }
    }

    /// Wakes every VM that is alive. One that isn't reached looks by itself at its next tick.
    pub fn wake_all(&self, now: u64) {
        let Ok(vm) = host::property("plugin_vm_id") else { return };
        let vm = vm.unwrap_or_default();
        for at in claimed(MAILBOXES, now) {
            if let Ok(Some(id)) = host::resolve_queue(&vm, &name(MAILBOXES, at)) {
                let _ = host::enqueue(id, b"k");
            }
        }
    }
}

fn name(kind: &str, at: usize) -> String {
    format!("gatewaystack.{kind}.{at}")
}

fn decode(bytes: &[u8]) -> Option<(u64, u64)> {
    let half = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    (bytes.len() == 16).then(|| Some((half(0)?, half(8)?))).flatten()
}

/// A beat from the future comes from a clock that was set back: it doesn't count.
fn is_alive(beat: u64, now: u64) -> bool {
    now.abs_diff(beat) < DEAD_MS
}
