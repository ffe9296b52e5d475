//! Bodies that are held until they can be judged: how many bytes of them there are, and which go first when
//! there is no room for more or one takes too long. Whom no token vouches for gets little of both, so that a
//! crowd of strangers leaves room for everybody else.

use gatewaystack_core::exchange::GaveUp;

/// Bytes that one worker holds: of callers whom no token vouches for, and of known ones.
const ROOM: (usize, usize) = (8 * 1024 * 1024, 64 * 1024 * 1024);
/// What a held request takes besides its body, about: its headers, the host's state and ours.
const BESIDES: usize = 16 * 1024;
/// What most calls fit into: they wait where there is no room for larger ones, until the oldest have gone.
const SMALL: usize = BESIDES + 64 * 1024;
/// How long a body may take whose caller isn't known; a known one's is the policy's.
const PATIENCE_MS: u64 = 30_000;

/// The bodies that one worker holds.
#[derive(Debug, Default)]
pub struct Bodies {
    bodies: Vec<Body>,
    used: [usize; 2],
}

/// The beginning of a body.
#[derive(Debug)]
struct Body {
    stream: u32,
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

impl Bodies {
    fn used(&mut self, vouched: bool) -> &mut usize {
        let [strangers, known] = &mut self.used;
        if vouched { known } else { strangers }
    }

    /// A stream holds so many bytes of its body by now.
    pub fn grow(&mut self, stream: u32, body: usize, vouched: bool, now_ms: u64, largest: usize) -> Room {
        let bytes = body.saturating_add(BESIDES);
        let before = self.bodies.iter_mut().find(|body| body.stream == stream).map(|body| {
            let before = (body.bytes, body.vouched);
            (body.bytes, body.vouched) = (bytes, vouched);
            before
        });
        match before {
            Some((bytes, vouched)) => {
                let used = self.used(vouched);
                *used = used.saturating_sub(bytes);
            }
            None => self.bodies.push(Body { stream, bytes, since_ms: now_ms, vouched }),
        }
        let used = self.used(vouched);
        *used = used.saturating_add(bytes);
        let (used, room) = (*used, room(vouched, largest));
        let furthest = room.saturating_mul(if bytes > SMALL { 2 } else { 4 });
        match () {
            () if used <= room => Room::Enough,
            () if used <= furthest => Room::Short,
            () => Room::None,
        }
    }

    /// A stream holds nothing any more.
    pub fn forget(&mut self, stream: u32) {
        if let Some(at) = self.bodies.iter().position(|body| body.stream == stream) {
            let body = self.bodies.remove(at);
            let used = self.used(body.vouched);
            *used = used.saturating_sub(body.bytes);
        }
    }

    /// Who must go, the oldest first: those whose time is over, and as many more as there is no room for.
    pub fn overdue(&self, now_ms: u64, known_ms: u64, largest: usize) -> Vec<(u32, GaveUp)> {
        let [strangers, known] = self.used;
        let mut excess =
            [strangers.saturating_sub(room(false, largest)), known.saturating_sub(room(true, largest))];
        let mut overdue = Vec::new();
        for body in &self.bodies {
            let patience = if body.vouched { known_ms } else { known_ms.min(PATIENCE_MS) };
            let [strangers, known] = &mut excess;
            let excess = if body.vouched { known } else { strangers };
            let why = if now_ms.saturating_sub(body.since_ms) > patience {
                GaveUp::Time
            } else if *excess > 0 {
                GaveUp::Room
            } else {
                continue;
            };
            *excess = excess.saturating_sub(body.bytes);
            overdue.push((body.stream, why));
        }
        overdue
    }
}

/// One body of the largest that the policy reads always fits.
fn room(vouched: bool, largest: usize) -> usize {
    let room = if vouched { ROOM.1 } else { ROOM.0 };
    room.max(largest.saturating_add(BESIDES))
}
