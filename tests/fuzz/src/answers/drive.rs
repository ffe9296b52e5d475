//! An answer through the core, as `core/driver/src/stream/response.rs` takes it there: its text in, what the
//! client sees of it out.

use crate::gateway::Gateway;
use gatewaystack_core::exchange::Exchange;
use gatewaystack_core::exchange::respond::{FilteredBody, Framing, Head, Watch, Watched};
use gatewaystack_core::response::sse::Events;

/// What an upstream answers.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub text: &'a [u8],
    pub content_type: &'static str,
    pub status: u16,
    /// How it is cut into chunks: 0: not at all.
    pub cut: u8,
}

pub const TYPES: [&str; 5] = [
    "application/json",
    "text/event-stream",
    "text/event-stream; charset=utf-8",
    "",
    "application/json;charset=latin1",
];

/// How an answer ends for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As the upstream's does.
    Whole,
    /// We answer instead.
    Refused,
    /// The stream breaks off.
    Cut,
}

/// What a client sees.
#[derive(Debug)]
pub struct Seen {
    pub body: Vec<u8>,
    pub end: End,
    /// The longest text that took a body's place.
    pub longest: usize,
    /// After each chunk: how much of the answer had come, and how much the client had seen.
    pub steps: Vec<(usize, usize)>,
}

impl Answer<'_> {
    pub fn is_stream(&self) -> bool {
        self.content_type.starts_with("text/event-stream")
    }

    /// The answer in chunks; the last may be empty.
    fn chunks(&self) -> Vec<&[u8]> {
        let mut chunks = Vec::new();
        let (mut rest, mut random) = (self.text, u32::from(self.cut));
        while self.cut != 0 && !rest.is_empty() {
            random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            // Mostly short ones; one in four is long.
            let size = random >> 16 & if random >> 8 & 3 == 0 { 0x3fff } else { 0xf };
            let (chunk, after) = rest.split_at(rest.len().min(usize::try_from(size).unwrap_or(1).max(1)));
            chunks.push(chunk);
            rest = after;
        }
        if self.cut & 1 == 0 || !rest.is_empty() {
            chunks.push(rest);
        }
        chunks
    }
}

impl Seen {
    /// For people.
    pub fn shown(&self) -> String {
        format!("{:?}: {}", self.end, String::from_utf8_lossy(&self.body).escape_debug())
    }

    fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

/// Takes the answer through the exchange.
pub fn show(gateway: &Gateway, exchange: &mut Exchange, answer: &Answer<'_>) -> Seen {
    let types = [answer.content_type.as_bytes()];
    let head = Head {
        status: answer.status,
        content_type: types.first().copied().filter(|kind| !kind.is_empty()),
        ..Head::default()
    };
    let host = Host { gateway, chunks: answer.chunks() };
    let seen = Seen { body: Vec::new(), end: End::Whole, longest: 0, steps: Vec::new() };
    match exchange.on_response(&gateway.policy, &head) {
        Framing::Pass | Framing::Bare => Seen { body: answer.text.to_vec(), ..seen },
        Framing::Refuse(_) => seen.end(End::Refused),
        Framing::Whole(cap) => {
            let fits = answer.text.len() <= cap;
            host.whole(exchange, seen, fits.then_some(answer.text), false)
        }
        Framing::Watch(watched) => host.watch(exchange, seen, watched),
        Framing::Events { events, is_asked } => host.stream(exchange, seen, events, is_asked),
    }
}

struct Host<'a> {
    gateway: &'a Gateway,
    chunks: Vec<&'a [u8]>,
}

impl Host<'_> {
    fn holds(&self) -> bool {
        self.gateway.policy.hold_headers
    }

    fn whole(&self, exchange: &mut Exchange, mut seen: Seen, body: Option<&[u8]>, is_watched: bool) -> Seen {
        match self.gateway.in_world(|world| exchange.on_response_body(world, body)) {
            FilteredBody::Unchanged => {
                seen.body.extend_from_slice(body.unwrap_or_default());
                seen
            }
            // The headers have said how long it was.
            FilteredBody::Replaced(_) if is_watched && !self.holds() => seen.end(End::Cut),
            FilteredBody::Replaced(text) => {
                seen.longest = text.len();
                seen.body.extend_from_slice(text.as_bytes());
                seen
            }
            FilteredBody::Refuse(_) => seen.end(if self.holds() { End::Refused } else { End::Cut }),
        }
    }

    fn watch(&self, exchange: &mut Exchange, mut seen: Seen, mut watched: Watched) -> Seen {
        let mut held: Vec<u8> = Vec::new();
        for (at, chunk) in self.chunks.iter().enumerate() {
            let is_end = at + 1 == self.chunks.len();
            let has_gone = watched.flows;
            held.extend_from_slice(chunk);
            match exchange.on_response_part(&mut watched, chunk, held.len(), is_end) {
                Watch::Hold => {}
                Watch::Pass => seen.body.append(&mut held),
                Watch::Read => return self.whole(exchange, seen, Some(&held), true),
                Watch::End if has_gone => return seen.end(End::Cut),
                Watch::End => return self.whole(exchange, seen, None, true),
            }
        }
        assert!(held.is_empty(), "the end was held");
        seen
    }

    fn stream(&self, exchange: &mut Exchange, mut seen: Seen, mut events: Events, is_asked: bool) -> Seen {
        let (mut held, mut come) = (self.holds() && is_asked, 0);
        for (at, chunk) in self.chunks.iter().enumerate() {
            let is_end = at + 1 == self.chunks.len();
            come += chunk.len();
            let shown =
                self.gateway.in_world(|world| exchange.on_response_events(world, &mut events, chunk, is_end));
            match shown {
                Ok(bytes) => {
                    if bytes != *chunk {
                        seen.longest = seen.longest.max(bytes.len());
                    }
                    held = held && bytes.is_empty() && !is_end;
                    seen.body.extend_from_slice(&bytes);
                    seen.steps.push((come, seen.body.len()));
                }
                Err(end) if held && end.before.is_empty() => return seen.end(End::Refused),
                Err(_) => return seen.end(End::Cut),
            }
        }
        seen
    }
}
