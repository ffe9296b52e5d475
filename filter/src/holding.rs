//! Bodies that are held until they can be judged: how many bytes of them there are, and which go first when there is no room for more or one takes
//! too long. Whom no token vouches for gets little of both, so that a crowd of strangers leaves room for everybody else.

use crate::root::Worker;
use crate::stream::Stream;
use gatewaystack_core::exchange::GaveUp;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Bytes that one worker holds: of callers whom no token vouches for, and of known ones.
const ROOM: (usize, usize) = (8 * 1024 * 1024, 64 * 1024 * 1024);
/// What a held request takes beside its body, about: its headers, Envoy's state and ours.
const BESIDE: usize = 16 * 1024;
/// What most calls fit into: they wait where there is no room for larger ones, until the oldest have gone.
const SMALL: usize = BESIDE + 64 * 1024;
/// How long a body may take whose caller isn't known; a known one's is the policy's.
const PATIENCE_MS: u64 = 30_000;

/// The bodies that one worker holds.
#[derive(Default)]
pub struct Held {
    bodies: RefCell<Vec<Body>>,
    used: (Cell<usize>, Cell<usize>),
}

/// The beginning of a body.
struct Body {
    stream: Rc<Stream>,
    bytes: usize,
    since_ms: u64,
    vouched: bool,
}

/// What follows for a body that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It waits.
    Enough,
    /// It waits, and the oldest must go.
    Short,
    /// It can't wait.
    None,
}

impl Held {
    fn used(&self, vouched: bool) -> &Cell<usize> {
        if vouched { &self.used.1 } else { &self.used.0 }
    }

    /// A stream holds so many bytes of its body by now.
    pub fn grow(&self, stream: &Rc<Stream>, body: usize, vouched: bool, now_ms: u64, largest: usize) -> Room {
        let bytes = body.saturating_add(BESIDE);
        let mut bodies = self.bodies.borrow_mut();
        let at = bodies.iter().position(|body| body.stream.id == stream.id);
        match at.and_then(|at| bodies.get_mut(at)) {
            Some(body) => {
                let (before, used) = (self.used(body.vouched), self.used(vouched));
                before.set(before.get().saturating_sub(body.bytes));
                used.set(used.get().saturating_add(bytes));
                (body.bytes, body.vouched) = (bytes, vouched);
            }
            None => {
                let used = self.used(vouched);
                used.set(used.get().saturating_add(bytes));
                bodies.push(Body { stream: Rc::clone(stream), bytes, since_ms: now_ms, vouched });
            }
        }
        let (used, room) = (self.used(vouched).get(), room(vouched, largest));
        let furthest = room.saturating_mul(if bytes > SMALL { 2 } else { 4 });
        match () {
            () if used <= room => Room::Enough,
            () if used <= furthest => Room::Short,
            () => Room::None,
        }
    }

    /// A stream holds nothing any more.
    pub fn forget(&self, stream: u32) {
        // Nothing here calls the host, so that nobody comes back while the list is borrowed.
        let mut bodies = self.bodies.borrow_mut();
        if let Some(at) = bodies.iter().position(|body| body.stream.id == stream) {
            let body = bodies.remove(at);
            let used = self.used(body.vouched);
            used.set(used.get().saturating_sub(body.bytes));
            drop(bodies);
            drop(body);
        }
    }

    /// Who must go, the oldest first: those whose time is over, and as many more as there is no room for.
    fn overdue(&self, now_ms: u64, known_ms: u64, largest: usize) -> Vec<(Rc<Stream>, GaveUp)> {
        let mut excess =
            [false, true].map(|vouched| self.used(vouched).get().saturating_sub(room(vouched, largest)));
        let mut overdue = Vec::new();
        for body in self.bodies.borrow().iter() {
            let patience = if body.vouched { known_ms } else { known_ms.min(PATIENCE_MS) };
            let [unknown, known] = &mut excess;
            let excess = if body.vouched { known } else { unknown };
            let why = if now_ms.saturating_sub(body.since_ms) > patience {
                GaveUp::Time
            } else if *excess > 0 {
                GaveUp::Room
            } else {
                continue;
            };
            *excess = excess.saturating_sub(body.bytes);
            overdue.push((Rc::clone(&body.stream), why));
        }
        overdue
    }
}

/// One body of the largest that the policy reads always fits.
fn room(vouched: bool, largest: usize) -> usize {
    let room = if vouched { ROOM.1 } else { ROOM.0 };
    room.max(largest.saturating_add(BESIDE))
}

impl Worker {
    /// Refuses whoever must go: runs in the root.
    pub fn make_room(&self, now_ms: u64) {
        for (stream, why) in self.held.overdue(now_ms, self.policy.body_timeout_ms, self.largest_body) {
            self.held.forget(stream.id);
            // A context that is gone can't be chosen: its request is gone, too.
            if crate::host::set_effective_context(stream.id).is_ok() {
                stream.stop(self, why);
            }
        }
    }
}
