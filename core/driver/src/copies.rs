//! The bodies of requests that are only watched: each part is copied as it passes, and the whole is judged
//! once its end has been seen. Nothing is held or changed for it. What can't be copied isn't judged: the
//! record then says that nobody knows what would have been decided.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that the copies of one worker may take together: a module's memory never shrinks again, and has an
/// end. One body of the largest `max_body` fits.
const ROOM: usize = 64 * 1024 * 1024;

/// The room that is left for copies in a worker.
#[derive(Debug, Clone)]
pub struct Copies(Arc<AtomicUsize>);

impl Default for Copies {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(ROOM)))
    }
}

/// What has been seen of a body.
#[derive(Debug)]
pub struct Copied {
    /// So far.
    pub bytes: Vec<u8>,
    cap: usize,
    /// So much of the room is its own, used or not.
    taken: usize,
    room: Copies,
}

/// Why a part isn't in the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// With it the body is over the cap.
    TooLarge,
    /// The host didn't show it, or there is no room for it.
    Unread,
}

impl Copied {
    /// Of a body of at most `cap` bytes.
    pub fn new(cap: usize, room: &Copies) -> Self {
        Self { bytes: Vec::new(), cap, taken: 0, room: room.clone() }
    }

    /// Adds the `size` bytes that pass now, as `read` shows them.
    ///
    /// # Errors
    /// They aren't in the copy, which is no good any more.
    pub fn add(&mut self, size: usize, read: impl FnOnce() -> Option<Vec<u8>>) -> Result<(), Missed> {
        let needed = self.bytes.len().saturating_add(size);
        if needed > self.cap {
            return Err(Missed::TooLarge);
        }
        if size == 0 {
            return Ok(());
        }
        self.reserve(needed).ok_or(Missed::Unread)?;
        // Less than was announced would be judged as another body than the one that passed.
        let part = read().filter(|part| part.len() == size).ok_or(Missed::Unread)?;
        self.bytes.extend_from_slice(&part);
        Ok(())
    }

    /// Grows by doubling, so that a body in one-byte parts isn't copied anew for each.
    fn reserve(&mut self, needed: usize) -> Option<()> {
        if needed > self.taken {
            let wanted = self.taken.saturating_mul(2).max(needed).min(self.cap);
            let more = wanted - self.taken;
            let take = |left: usize| left.checked_sub(more);
            self.room.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
            self.taken = wanted;
            self.bytes.try_reserve_exact(wanted - self.bytes.len()).ok()?;
        }
        Some(())
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.room.0.fetch_add(self.taken, Ordering::Relaxed);
    }
}
