//! The upstream's answer, where it must not be shown as it is: headers held or corrected, the body read whole or event by event, as the core says.

use crate::apply::answer;
use crate::host::{self, Buffer, Map};
use crate::http::{Stream, reset};
use crate::root::Worker;
use gatewaystack_core::exchange::respond::{End, Head, STALE, Shown, Treatment};
use gatewaystack_core::mcp::sse::Events;
use gatewaystack_core::reply::Reply;
use proxy_wasm::types::Action;

/// How the answer's body is treated.
pub enum Answering {
    /// It passes.
    Passing,
    /// It is read whole, at most so many bytes.
    Whole(usize),
    /// Its events are filtered; `held`: its headers wait for the first of them.
    Events { events: Events, held: bool },
    /// Nothing more of it is shown.
    Over,
}

impl Stream {
    /// Looks at the headers of an answer that must be cut down.
    pub fn treat(&self, worker: &Worker, is_end: bool) -> Action {
        let Ok(headers) = host::headers(Map::ResponseHeaders) else { return self.end() };
        let pairs = headers.pairs();
        let all = |name: &[u8]| -> Vec<&[u8]> {
            pairs.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value).collect()
        };
        let find = |name: &[u8]| all(name).first().copied();
        let status = find(b":status").and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
        let head = Head {
            // Without a status it is taken for a success, which is cut down.
            status: status.unwrap_or(200),
            content_type: find(b"content-type"),
            content_encodings: &all(b"content-encoding"),
            content_length: find(b"content-length"),
            is_end,
        };
        let treatment = self.exchange.borrow_mut().on_response(&worker.policy, &head);
        self.prepare(worker, treatment)
    }

    fn prepare(&self, worker: &Worker, treatment: Treatment) -> Action {
        let can_hold = worker.policy.hold_headers;
        let (next, held) = match treatment {
            Treatment::Pass => return Action::Continue,
            Treatment::Refuse(reply) => return self.refuse(&reply),
            Treatment::Bare => (Answering::Passing, false),
            Treatment::Whole(cap) => (Answering::Whole(cap), can_hold),
            Treatment::Stream { events, is_answer } => {
                let held = can_hold && is_answer;
                (Answering::Events { events, held }, held)
            }
        };
        // Only the length of a whole body that is held will be known in time.
        let keeps_length = held && matches!(next, Answering::Whole(_));
        self.answering.replace(next);
        let length = (!keeps_length).then_some("content-length");
        let mut stale = STALE.into_iter().chain(length);
        if stale.try_for_each(|name| host::remove_header(Map::ResponseHeaders, name.as_bytes())).is_err() {
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
            Answering::Whole(cap) => self.show_whole(worker, cap, size > cap),
            Answering::Events { events, held } => self.show_events(worker, events, held, size, end),
        }
    }

    fn show_whole(&self, worker: &Worker, cap: usize, is_too_large: bool) -> Action {
        let body = if is_too_large { None } else { host::buffer(Buffer::ResponseBody, cap).ok() };
        let shown = self.exchange.borrow_mut().on_response_body(&worker.policy, body.as_deref());
        let held = worker.policy.hold_headers;
        match shown {
            Shown::Same => {}
            Shown::Changed(text) => {
                let length = text.len().to_string();
                let fixed = if held {
                    host::set_header(Map::ResponseHeaders, "content-length", &length)
                } else {
                    Ok(())
                };
                if fixed.and_then(|()| host::set_buffer(Buffer::ResponseBody, text.as_bytes())).is_err() {
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

    fn show_events(&self, worker: &Worker, mut events: Events, held: bool, size: usize, end: bool) -> Action {
        // Less than was announced, or nothing at all, would pass for events that need no change.
        let Some(chunk) = host::buffer(Buffer::ResponseBody, size).ok().filter(|chunk| chunk.len() == size)
        else {
            return self.end();
        };
        let shown = self.exchange.borrow_mut().on_response_events(&worker.policy, &mut events, &chunk, end);
        match shown {
            Ok(bytes) => {
                if bytes != chunk && host::set_buffer(Buffer::ResponseBody, &bytes).is_err() {
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
            Answering::Whole(cap) => self.show_whole(worker, cap, false),
            Answering::Over => Action::Pause,
            // An event without its end isn't one (§9.2.6): it is not shown.
            next @ (Answering::Passing | Answering::Events { .. }) => {
                self.answering.replace(next);
                Action::Continue
            }
        }
    }

    fn refuse(&self, reply: &Reply) -> Action {
        self.answering.replace(Answering::Over);
        answer(reply).map_or_else(|_| reset(), |()| Action::Pause)
    }

    fn end(&self) -> Action {
        self.answering.replace(Answering::Over);
        reset()
    }
}
