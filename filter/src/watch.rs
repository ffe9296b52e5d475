//! The body of a request that is only watched: each chunk is copied as it passes, and the whole is judged once its end has been seen. Nothing is
//! held or changed for it. What can't be copied isn't judged: the record then says that nobody knows what would have been decided.

use crate::host::{self, Buffer};
use crate::root::Worker;
use crate::stream::{Reading, Stream};
use gatewaystack_core::decision::{Decision, Observed};
use gatewaystack_core::exchange::{Arrival, Judged};
use gatewaystack_core::tally::Tally;
use std::cell::Cell;
use std::rc::Rc;

/// Bytes that the copies of one worker may take together: a module's memory never shrinks again, and has an end. One body of the largest
/// `max_body` fits.
const ROOM: usize = 64 * 1024 * 1024;

/// The room that is left for copies in a worker.
#[derive(Clone)]
pub struct Room(Rc<Cell<usize>>);

impl Default for Room {
    fn default() -> Self {
        Self(Rc::new(Cell::new(ROOM)))
    }
}

/// What has been seen of a body.
pub struct Copied {
    bytes: Vec<u8>,
    cap: usize,
    /// So much of the room is its own, used or not.
    taken: usize,
    room: Room,
}

/// Why a chunk isn't in the copy.
enum Missed {
    /// With it the body is over the cap.
    TooLarge,
    /// The host didn't show it, or there is no room for it.
    Unread,
}

impl Copied {
    /// Of a body of at most `cap` bytes.
    pub fn new(cap: usize, room: &Room) -> Self {
        Self { bytes: Vec::new(), cap, taken: 0, room: room.clone() }
    }

    /// Adds the `size` bytes that pass now.
    fn add(&mut self, size: usize) -> Result<(), Missed> {
        let needed = self.bytes.len().saturating_add(size);
        if needed > self.cap {
            return Err(Missed::TooLarge);
        }
        if size == 0 {
            return Ok(());
        }
        self.reserve(needed).ok_or(Missed::Unread)?;
        // Less than was announced would be judged as another body than the one that passed.
        let chunk = host::buffer(Buffer::RequestBody, size).ok().filter(|chunk| chunk.len() == size);
        self.bytes.extend_from_slice(&chunk.ok_or(Missed::Unread)?);
        Ok(())
    }

    /// Grows by doubling, so that a body in one-byte chunks isn't copied anew for each.
    fn reserve(&mut self, needed: usize) -> Option<()> {
        if needed > self.taken {
            let wanted = self.taken.saturating_mul(2).max(needed).min(self.cap);
            let left = self.room.0.get().checked_sub(wanted - self.taken)?;
            self.bytes.try_reserve_exact(wanted - self.bytes.len()).ok()?;
            self.room.0.set(left);
            self.taken = wanted;
        }
        Some(())
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.room.0.set(self.room.0.get() + self.taken);
    }
}

impl Stream {
    /// Looks at `size` bytes of the body that pass now, where it is watched.
    pub(crate) fn watch(&self, worker: &Worker, size: usize, is_end: bool) {
        let mut copy = match self.reading.take() {
            Reading::Watch(copy) => copy,
            other => {
                self.reading.replace(other);
                return;
            }
        };
        match copy.add(size) {
            Ok(()) if is_end => self.judge_watched(worker, Some(&copy.bytes)),
            Ok(()) => drop(self.reading.replace(Reading::Watch(copy))),
            Err(Missed::TooLarge) => self.judge_watched(worker, None),
            Err(Missed::Unread) => {}
        }
    }

    fn judge_watched(&self, worker: &Worker, body: Option<&[u8]>) {
        // Its headers have left: there is nothing to apply, and without a clock nothing to say.
        let _ = self.decide_at(
            worker,
            host::now_ns(),
            |exchange, world| exchange.resume(world, Arrival::Body(body)),
            |exchange, _| Judged {
                exchange,
                decision: Decision::Observe(Observed::default()),
                tally: Tally::default(),
            },
        );
    }
}
