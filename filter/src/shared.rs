//! What workers share: cells for the core's tables, the process's secret, and the mailboxes by which workers wake each other (DESIGN §6).

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

/// Queues can't be freed, and VMs come and go: so there are this many names, each claimed by a cell with a heartbeat.
const MAILBOXES: usize = 64;
/// A heartbeat older than this is a dead VM's.
const DEAD_MS: u64 = 10_000;
/// Time between two heartbeats.
const BEAT_MS: u64 = 2_000;

/// This VM's mailbox, once it has one.
#[derive(Debug)]
pub struct Mailbox {
    holder: u64,
    claimed: Cell<Option<(usize, u32)>>,
    beaten_at: Cell<u64>,
}

impl Mailbox {
    /// No mailbox yet: nothing is registered before the first tick, since a VM may only be a trial of a configuration.
    pub fn new(holder: u64) -> Self {
        Self { holder, claimed: Cell::new(None), beaten_at: Cell::new(0) }
    }

    /// Whether there is one.
    pub fn is_claimed(&self) -> bool {
        self.claimed.get().is_some()
    }

    /// Claims a mailbox, or keeps the claim alive.
    pub fn beat(&self, now: u64) {
        if now.saturating_sub(self.beaten_at.get()) < BEAT_MS
            && self.is_claimed()
            && now >= self.beaten_at.get()
        {
            return;
        }
        self.beaten_at.set(now);
        let own = self.claimed.get().map(|(at, _)| at);
        let kept = own.is_some_and(|at| self.claim(at, now));
        if !kept {
            self.claimed.set(None);
            let free = (0..MAILBOXES).find(|at| self.claim(*at, now));
            let registered = free.and_then(|at| host::register_queue(&name(at)).ok().map(|id| (at, id)));
            self.claimed.set(registered);
        }
    }

    fn claim(&self, at: usize, now: u64) -> bool {
        let claim = [self.holder.to_le_bytes(), now.to_le_bytes()].concat();
        let claimed = swap(&Cells, &name(at), |found| match found.and_then(decode) {
            Some((holder, beat)) if holder != self.holder && is_alive(beat, now) => (None, false),
            _ => (Some(claim.clone()), true),
        });
        claimed.unwrap_or(false)
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
        if let Some((_, id)) = self.claimed.get() {
            let _ = host::enqueue(id, b"k");
        }
    }

    /// Wakes every VM that is alive. One that isn't reached looks by itself at its next tick.
    pub fn wake_all(&self, now: u64) {
        let Ok(vm) = host::property("plugin_vm_id") else { return };
        let vm = vm.unwrap_or_default();
        for at in claimed(now) {
            if let Ok(Some(id)) = host::resolve_queue(&vm, &name(at)) {
                let _ = host::enqueue(id, b"k");
            }
        }
    }
}

/// How many workers there are: each has a mailbox, and so has Envoy's main thread, which takes no connections.
pub fn workers(now: u64) -> usize {
    claimed(now).count().saturating_sub(1)
}

/// The mailboxes of VMs that are alive.
fn claimed(now: u64) -> impl Iterator<Item = usize> {
    (0..MAILBOXES).filter(move |at| {
        let cell = host::shared_data(&name(*at)).ok().flatten();
        cell.and_then(|(bytes, _)| decode(&bytes)).is_some_and(|(_, beat)| is_alive(beat, now))
    })
}

fn name(at: usize) -> String {
    format!("gatewaystack.mailbox.{at}")
}

fn decode(bytes: &[u8]) -> Option<(u64, u64)> {
    let half = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    (bytes.len() == 16).then(|| Some((half(0)?, half(8)?))).flatten()
}

/// A beat from the future comes from a clock that was set back: it doesn't count.
fn is_alive(beat: u64, now: u64) -> bool {
    now.abs_diff(beat) < DEAD_MS
}
