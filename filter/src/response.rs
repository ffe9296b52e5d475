//! The upstream's answer, where it must not be shown as it is: headers held or corrected, the body read whole or event by event, as the core says.

use crate::apply::answer;
use crate::host::{self, Buffer, Map, Status};
use crate::root::Worker;
use crate::stream::{Stream, in_world};
use crate::vm::Action;
use gatewaystack_core::exchange::Exchange;
use gatewaystack_core::exchange::respond::{End, Head, STALE, Shown, Treatment, Watch, Watched};
use gatewaystack_core::location;
use gatewaystack_core::mcp::sse::Events;
use gatewaystack_core::reply::Reply;
use gatewaystack_core::world::World;

/// How the answer's body is treated.
pub enum Answering {
    /// It passes.
    Passing,
    /// It is read whole, at most so many bytes.
    Whole(usize),
    /// It is held while it may be a list, and watched; so much of what is held was seen already.
    Watched { watched: Watched, read: usize },
    /// Its events are filtered; `held`: its headers wait for the first of them.
    Events { events: Events, held: bool },
    /// Nothing more of it is shown.
    Over,
}

/// What was known of a body's length when its headers were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// That it would change.
    Before,
    /// Nothing: it may be a list that nobody asked for here, of so many bytes.
    NotBefore(usize),
    /// It is over the cap.
    TooLarge,
}

/// Takes out the headers that describe a body as it was.
fn remove_stale(keeps_length: bool) -> Result<(), Status> {
    let length = (!keeps_length).then_some("content-length");
    let mut stale = STALE.into_iter().chain(length);
    stale.try_for_each(|name| host::remove_header(Map::ResponseHeaders, name.as_bytes()))
}

impl Stream {
    /// Has addresses in an answer lead back to us, which the upstream knows by others.
    pub fn lead_back(&self, worker: &Worker) {
        let map = Map::ResponseHeaders;
        let seen = self.exchange.borrow().seen(&worker.policy);
        let Some(seen) = seen.filter(|_| host::has_header(map, location::MARK)) else { return };
        let _ = host::remove_header(map, location::MARK.as_bytes());
        let Ok(headers) = host::headers(map) else { return };
        for (name, values) in seen.led_back(&worker.policy, &headers.pairs()) {
            let _ = host::remove_header(map, name.as_bytes());
            for value in &values {
                let _ = host::add_header(map, name, value);
            }
        }
    }

    /// Looks at the headers of an answer that must be cut down.
    pub fn treat(&self, worker: &Worker, is_end: bool) -> Action {
        let Ok(headers) = host::headers(Map::ResponseHeaders) else { return self.end() };
        let pairs = headers.pairs();
        let all = |name: &[u8]| -> Vec<&[u8]> {
            pairs.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value).collect()
        };
        let types = all(b"content-type");
        let find = |name: &[u8]| all(name).first().copied();
        let status = find(b":status").and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
        let head = Head {
            // Without a status it is taken for a success, which is cut down.
            status: status.unwrap_or(200),
            content_type: types.first().copied(),
            has_more_types: types.len() > 1,
            content_encodings: &all(b"content-encoding"),
            content_length: find(b"content-length"),
            is_end,
        };
        if let Some(reply) = self.keep_session(worker, head.status, find(b"mcp-session-id")) {
            return self.refuse(&reply);
        }
        let treatment = self.exchange.borrow_mut().on_response(&worker.policy, &head);
        self.prepare(worker, treatment)
    }

    /// Keeps whose the session is that the answer names; what is answered instead, where that can't be kept.
    fn keep_session(&self, worker: &Worker, status: u16, id: Option<&[u8]>) -> Option<Reply> {
        if !self.exchange.borrow().moves_session(&worker.policy, id) {
            return None;
        }
        // Without a clock it counts as used long ago.
        let now_ms = host::now_ns().unwrap_or_default() / 1_000_000;
        self.with_exchange(worker, now_ms, |exchange, world| exchange.on_session(world, status, id))
    }

    /// Keeps whose the task is that the answer makes; what is answered instead, where that can't be.
    fn keep_task(&self, worker: &Worker) -> Option<Reply> {
        if !self.exchange.borrow().makes_task() {
            return None;
        }
        // Without a clock it counts as used long ago.
        let now_ms = host::now_ns().unwrap_or_default() / 1_000_000;
        self.with_exchange(worker, now_ms, |exchange, world| exchange.on_task(world))
    }

    /// Looks at a body. What a list shows doesn't count as used, so that it doesn't matter what time it is.
    fn look<R>(&self, worker: &Worker, run: impl FnOnce(&mut Exchange, &World<'_>) -> R) -> R {
        self.with_exchange(worker, 0, run)
    }

    /// The exchange is taken out while the core may call the host.
    fn with_exchange<R>(
        &self,
        worker: &Worker,
        now_ms: u64,
        run: impl FnOnce(&mut Exchange, &World<'_>) -> R,
    ) -> R {
        in_world(worker, now_ms, |world| {
            let mut exchange = self.exchange.take();
            let result = run(&mut exchange, world);
            self.exchange.replace(exchange);
            result
        })
    }

    fn prepare(&self, worker: &Worker, treatment: Treatment) -> Action {
        let can_hold = worker.policy.hold_headers;
        let (next, held) = match treatment {
            Treatment::Pass => return Action::Continue,
            Treatment::Refuse(reply) => return self.refuse(&reply),
            Treatment::Bare => (Answering::Passing, false),
            Treatment::Whole(cap) => (Answering::Whole(cap), can_hold),
            // Most are no lists, and nothing of their headers changes.
            Treatment::Watch(watched) => {
                self.answering.replace(Answering::Watched { watched, read: 0 });
                return if can_hold { Action::Pause } else { Action::Continue };
            }
            Treatment::Stream { events, is_answer } => {
                let held = can_hold && is_answer;
                (Answering::Events { events, held }, held)
            }
        };
        // Only the length of a whole body that is held will be known in time.
        let keeps_length = held && matches!(next, Answering::Whole(_));
        self.answering.replace(next);
        if remove_stale(keeps_length).is_err() {
            return self.end();
        }
        if held { Action::Pause } else { Action::Continue }
    }

    /// Takes the answer's body, or a part of it.
    pub fn show(&self, worker: &Worker, size: usize, end: bool) -> Action {
        // Whatever goes wrong from here on, nothing more is shown.
        match self.answering.replace(Answering::Over) {
            Answering::Passing => {
                self.answering.replace(Answering::Passing);
                Action::Continue
            }
            Answering::Over => Action::Pause,
            Answering::Whole(cap) if size <= cap && !end => {
                self.answering.replace(Answering::Whole(cap));
                Action::Pause
            }
            Answering::Whole(cap) if size > cap => self.show_whole(worker, cap, Known::TooLarge),
            Answering::Whole(cap) => self.show_whole(worker, cap, Known::Before),
            Answering::Watched { watched, read } => self.show_watched(worker, watched, read, size, end),
            Answering::Events { events, held } => self.show_events(worker, events, held, size, end),
        }
    }

    fn show_whole(&self, worker: &Worker, cap: usize, known: Known) -> Action {
        let body = match known {
            Known::TooLarge => None,
            Known::Before => host::buffer(Buffer::ResponseBody, cap).ok(),
            // Less than was seen of it would be judged instead of what goes on.
            Known::NotBefore(size) => {
                host::buffer(Buffer::ResponseBody, cap).ok().filter(|body| body.len() == size)
            }
        };
        let shown = self.look(worker, |exchange, world| exchange.on_response_body(world, body.as_deref()));
        let held = worker.policy.hold_headers;
        match shown {
            Shown::Same => {
                if let Some(reply) = self.keep_task(worker) {
                    return if held { self.refuse(&reply) } else { self.end() };
                }
            }
            // They said how long it was.
            Shown::Changed(_) if !held && matches!(known, Known::NotBefore(_)) => {
                self.exchange.borrow_mut().lose_answer();
                return self.end();
            }
            Shown::Changed(text) => {
                let is_new = matches!(known, Known::NotBefore(_));
                let stale = if is_new { remove_stale(true) } else { Ok(()) };
                let length = text.len().to_string();
                let fixed = stale.and_then(|()| match held {
                    true => host::set_header(Map::ResponseHeaders, "content-length", &length),
                    false => Ok(()),
                });
                if fixed.and_then(|()| self.set_body(text.as_bytes())).is_err() {
                    return self.end();
                }
            }
            Shown::Refuse(reply) if held => return self.refuse(&reply),
            // The status has left already.
            Shown::Refuse(_) => return self.end(),
        }
        self.answering.replace(Answering::Passing);
        Action::Continue
    }

    fn show_watched(
        &self,
        worker: &Worker,
        mut watched: Watched,
        read: usize,
        size: usize,
        end: bool,
    ) -> Action {
        // What goes on at once isn't kept, so that the next part is all there is.
        let read = if watched.flows { 0 } else { read };
        let new = size.checked_sub(read);
        let part = new.and_then(|new| match new {
            0 => Some(Vec::new()),
            new => host::buffer_from(Buffer::ResponseBody, read, new).ok().filter(|part| part.len() == new),
        });
        let Some(part) = part else { return self.end() };
        let (cap, has_gone) = (watched.cap, watched.flows);
        let watch = self.exchange.borrow_mut().on_response_part(&mut watched, &part, size, end);
        match watch {
            Watch::Hold => {
                self.answering.replace(Answering::Watched { watched, read: size });
                Action::Pause
            }
            Watch::Pass if end => {
                self.answering.replace(Answering::Passing);
                Action::Continue
            }
            Watch::Pass => {
                self.answering.replace(Answering::Watched { watched, read: 0 });
                Action::Continue
            }
            Watch::Read => self.show_whole(worker, cap, Known::NotBefore(size)),
            Watch::End if has_gone => self.end(),
            Watch::End => self.show_whole(worker, cap, Known::TooLarge),
        }
    }

    fn show_events(&self, worker: &Worker, mut events: Events, held: bool, size: usize, end: bool) -> Action {
        // Less than was announced, or nothing at all, would pass for events that need no change.
        let Some(chunk) = host::buffer(Buffer::ResponseBody, size).ok().filter(|chunk| chunk.len() == size)
        else {
            return self.end();
        };
        let shown =
            self.look(worker, |exchange, world| exchange.on_response_events(world, &mut events, &chunk, end));
        match shown {
            Ok(bytes) => {
                // The headers of what may make one aren't held.
                if self.keep_task(worker).is_some() {
                    return self.end();
                }
                if bytes != chunk && self.set_body(&bytes).is_err() {
                    return self.end();
                }
                let held = held && bytes.is_empty() && !end;
                self.answering.replace(Answering::Events { events, held });
                if held { Action::Pause } else { Action::Continue }
            }
            Err(End { before, reply }) if held && before.is_empty() => self.refuse(&reply),
            // The stream ends before what can't be shown.
            Err(_) => self.end(),
        }
    }

    /// The answer's trailers are here: nothing follows its body.
    pub fn show_trailers(&self, worker: &Worker) -> Action {
        match self.answering.replace(Answering::Over) {
            Answering::Whole(cap) => self.show_whole(worker, cap, Known::Before),
            Answering::Watched { watched, read } => {
                let size = if watched.flows { 0 } else { read };
                self.show_watched(worker, watched, read, size, true)
            }
            Answering::Over => Action::Pause,
            // An event without its end isn't one (§9.2.6): it is not shown.
            next @ (Answering::Passing | Answering::Events { .. }) => {
                self.answering.replace(next);
                Action::Continue
            }
        }
    }

    /// Replaces what there is of the body. A host that holds less than we know of ends the stream in this call.
    fn set_body(&self, bytes: &[u8]) -> Result<(), Status> {
        self.replacing.set(true);
        let done = host::set_buffer(Buffer::ResponseBody, bytes);
        self.replacing.set(false);
        done
    }

    fn refuse(&self, reply: &Reply) -> Action {
        self.answering.replace(Answering::Over);
        answer(reply).map_or_else(|_| self.reset(), |()| Action::Pause)
    }

    pub fn end(&self) -> Action {
        self.answering.replace(Answering::Over);
        self.reset()
    }
}
