//! The upstream's answer, where it must not be shown as it is: headers held or corrected, the body read whole
//! or event by event, as the core says.

use super::response_state::ResponseState;
use super::transition::{Phase, Transition};
use crate::command::{Action, Command, HeaderEdit};
use crate::view::{Body, Map};
use gatewaystack_core::cors;
use gatewaystack_core::exchange::Exchange;
use gatewaystack_core::exchange::respond::{FilteredBody, Framing, Head, STALE, StreamEnd, Watch, Watched};
use gatewaystack_core::feed::Barred;
use gatewaystack_core::location;
use gatewaystack_core::reply::Reply;
use gatewaystack_core::response::sse::Events;
use gatewaystack_core::world::World;
use std::borrow::Cow;

/// What was known of a body's length when its headers were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// That it would change.
    Before,
    /// Nothing: it may be a list that nobody asked for here, of so many bytes.
    NotBefore(usize),
    /// It is over the cap.
    TooLarge,
}

/// Takes out the headers that describe a body as it was.
fn without_stale(keeps_length: bool) -> Vec<HeaderEdit> {
    let length = (!keeps_length).then_some("content-length");
    STALE.into_iter().chain(length).map(|name| HeaderEdit::Remove(Cow::Borrowed(name.as_bytes()))).collect()
}

impl Transition<'_> {
    pub(super) fn on_response_headers(&mut self, is_end: bool) -> Action {
        self.stream.came.answer = true;
        let gateway = std::sync::Arc::clone(&self.worker.gateway);
        let policy = &gateway.policy;
        if self.stream.exchange.decides_origins(policy) {
            // An upstream's word on origins that may still be in it is none that may go on.
            let Some(headers) = self.view.headers(Map::Response) else { return self.end_response() };
            let pairs = headers.pairs();
            let names = pairs.iter().map(|(name, _)| *name).filter(|name| cors::is_about_origins(name));
            let removed = names.map(|name| HeaderEdit::Remove(Cow::Owned(name.to_vec()))).collect::<Vec<_>>();
            if !removed.is_empty() {
                self.out.push(Command::EditResponse { edits: removed, must: true });
            }
        }
        // Missing limit or CORS headers are no reason to withhold an answer that was permitted.
        let ours = self.stream.exchange.take_response(policy).into_iter().map(|(name, value)| {
            // The upstream may vary by more than the origin.
            let write = if name == "vary" { HeaderEdit::Add } else { HeaderEdit::Set };
            write(Cow::Borrowed(name), value)
        });
        let ours: Vec<_> = ours.collect();
        if !ours.is_empty() {
            self.out.push(Command::EditResponse { edits: ours, must: false });
        }
        self.lead_back();
        if self.stream.exchange.judges_answer() { self.treat(is_end) } else { Action::Continue }
    }

    /// Has addresses in an answer lead back to us, which the upstream knows by others.
    fn lead_back(&mut self) {
        let gateway = std::sync::Arc::clone(&self.worker.gateway);
        let Some(seen) = self.stream.exchange.seen(&gateway.policy) else { return };
        if !self.view.has_header(Map::Response, location::MARK) {
            return;
        }
        let mut edits = vec![HeaderEdit::Remove(Cow::Borrowed(location::MARK.as_bytes()))];
        if let Some(headers) = self.view.headers(Map::Response) {
            for (name, values) in seen.led_back(&gateway.policy, &headers.pairs()) {
                edits.push(HeaderEdit::Remove(Cow::Borrowed(name.as_bytes())));
                edits.extend(values.into_iter().map(|value| HeaderEdit::Add(name.into(), value.into())));
            }
        }
        self.out.push(Command::EditResponse { edits, must: false });
    }

    /// Looks at the headers of an answer that must be cut down.
    fn treat(&mut self, is_end: bool) -> Action {
        let Some(headers) = self.view.headers(Map::Response) else { return self.end_response() };
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
        if let Some(reply) = self.keep_session(head.status, find(b"mcp-session-id")) {
            return self.refuse(reply);
        }
        let framing = self.stream.exchange.on_response(&self.worker.gateway.policy, &head);
        self.prepare(framing)
    }

    /// Keeps whose the session is that the answer names; what is answered instead, where that can't be kept.
    fn keep_session(&mut self, status: u16, id: Option<&[u8]>) -> Option<Reply> {
        if !self.stream.exchange.moves_session(&self.worker.gateway.policy, id) {
            return None;
        }
        let now_ms = self.now_ms();
        self.look_at(now_ms, |exchange, world| exchange.on_session(world, status, id))
    }

    /// Keeps whose the task is that the answer makes; what is answered instead, where that can't be.
    fn keep_task(&mut self) -> Option<Reply> {
        if !self.stream.exchange.makes_task() {
            return None;
        }
        let now_ms = self.now_ms();
        self.look_at(now_ms, Exchange::on_task)
    }

    /// Looks at a body. What a list shows doesn't count as used, so that it doesn't matter what time it is.
    fn look<R>(&mut self, run: impl FnOnce(&mut Exchange, &World<'_>) -> R) -> R {
        self.look_at(0, run)
    }

    fn look_at<R>(&mut self, now_ms: u64, run: impl FnOnce(&mut Exchange, &World<'_>) -> R) -> R {
        let exchange = &mut self.stream.exchange;
        self.worker.in_world(now_ms, &|| None, |world| run(exchange, world))
    }

    fn prepare(&mut self, framing: Framing) -> Action {
        let can_hold = self.worker.gateway.policy.hold_headers;
        let (next, held) = match framing {
            Framing::Pass => return Action::Continue,
            Framing::Refuse(reply) => return self.refuse(reply),
            Framing::Bare => (ResponseState::Passing, false),
            Framing::Whole(cap) => (ResponseState::Whole(cap), can_hold),
            // Most are no lists, and nothing of their headers changes.
            Framing::Watch(watched) => {
                self.stream.response_state = ResponseState::Watched { watched, read: 0 };
                return if can_hold { Action::Pause } else { Action::Continue };
            }
            Framing::Events { events, is_asked } => {
                let held = can_hold && is_asked;
                (ResponseState::Events { events, held }, held)
            }
        };
        // Only the length of a whole body that is held will be known in time.
        let keeps_length = held && matches!(next, ResponseState::Whole(_));
        self.stream.response_state = next;
        self.out.push(Command::EditResponse { edits: without_stale(keeps_length), must: true });
        if held { Action::Pause } else { Action::Continue }
    }

    /// Takes the answer's body, or a part of it.
    pub(super) fn show(&mut self, size: usize, end: bool) -> Action {
        // Whatever goes wrong from here on, nothing more is shown.
        match std::mem::replace(&mut self.stream.response_state, ResponseState::Over) {
            ResponseState::Passing => {
                self.stream.response_state = ResponseState::Passing;
                Action::Continue
            }
            ResponseState::Over => Action::Pause,
            ResponseState::Whole(cap) if size <= cap && !end => {
                self.stream.response_state = ResponseState::Whole(cap);
                Action::Pause
            }
            ResponseState::Whole(cap) if size > cap => self.show_whole(cap, Length::TooLarge),
            ResponseState::Whole(cap) => self.show_whole(cap, Length::Before),
            ResponseState::Watched { watched, read } => self.show_watched(watched, read, size, end),
            ResponseState::Events { events, held } => self.show_events(events, held, size, end),
        }
    }

    fn show_whole(&mut self, cap: usize, known: Length) -> Action {
        let body = match known {
            Length::TooLarge => None,
            Length::Before => self.view.bytes(Body::Response, 0, cap),
            // Less than was seen of it would be judged instead of what goes on.
            Length::NotBefore(size) => {
                self.view.bytes(Body::Response, 0, cap).filter(|body| body.len() == size)
            }
        };
        let shown = self.look(|exchange, world| exchange.on_response_body(world, body.as_deref()));
        let held = self.worker.gateway.policy.hold_headers;
        if let FilteredBody::Unchanged | FilteredBody::Replaced(_) = shown
            && let Some(reply) = self.keep_task()
        {
            return if held { self.refuse(reply) } else { self.end_response() };
        }
        match shown {
            FilteredBody::Unchanged => {}
            // They said how long it was.
            FilteredBody::Replaced(_) if !held && matches!(known, Length::NotBefore(_)) => {
                self.stream.exchange.lose_answer();
                return self.end_response();
            }
            FilteredBody::Replaced(text) => {
                let is_new = matches!(known, Length::NotBefore(_));
                let mut edits = if is_new { without_stale(true) } else { Vec::new() };
                if held {
                    edits.push(HeaderEdit::Set("content-length".into(), text.len().to_string().into()));
                }
                if !edits.is_empty() {
                    self.out.push(Command::EditResponse { edits, must: true });
                }
                self.replace(text.into_bytes());
            }
            FilteredBody::Refuse(reply) if held => return self.refuse(reply),
            // The status has left already.
            FilteredBody::Refuse(_) => return self.end_response(),
        }
        self.stream.response_state = ResponseState::Passing;
        Action::Continue
    }

    fn show_watched(&mut self, mut watched: Watched, read: usize, size: usize, end: bool) -> Action {
        // What goes on at once isn't kept, so that the next part is all there is.
        let read = if watched.flows { 0 } else { read };
        let part = size.checked_sub(read).and_then(|new| match new {
            0 => Some(Vec::new()),
            new => self.view.bytes(Body::Response, read, new).filter(|part| part.len() == new),
        });
        let Some(part) = part else { return self.end_response() };
        let (cap, has_gone) = (watched.cap, watched.flows);
        let watch = self.stream.exchange.on_response_part(&mut watched, &part, size, end);
        match watch {
            Watch::Hold => {
                self.stream.response_state = ResponseState::Watched { watched, read: size };
                Action::Pause
            }
            Watch::Pass if end => {
                self.stream.response_state = ResponseState::Passing;
                Action::Continue
            }
            Watch::Pass => {
                self.stream.response_state = ResponseState::Watched { watched, read: 0 };
                Action::Continue
            }
            Watch::Read => self.show_whole(cap, Length::NotBefore(size)),
            Watch::End if has_gone => self.end_response(),
            Watch::End => self.show_whole(cap, Length::TooLarge),
        }
    }

    fn show_events(&mut self, mut events: Events, held: bool, size: usize, end: bool) -> Action {
        // Less than was announced, or nothing at all, would pass for events that need no change.
        let Some(chunk) = self.view.bytes(Body::Response, 0, size).filter(|chunk| chunk.len() == size) else {
            return self.end_response();
        };
        let shown = self.look(|exchange, world| exchange.on_response_events(world, &mut events, &chunk, end));
        match shown {
            Ok(bytes) => {
                // The headers of what may make one aren't held.
                if self.keep_task().is_some() {
                    return self.end_response();
                }
                let held = held && bytes.is_empty() && !end;
                if bytes != chunk {
                    self.replace(bytes);
                }
                self.stream.response_state = ResponseState::Events { events, held };
                if held { Action::Pause } else { Action::Continue }
            }
            Err(StreamEnd { before, reply }) if held && before.is_empty() => self.refuse(reply),
            // The stream ends before what can't be shown.
            Err(_) => self.end_response(),
        }
    }

    /// The answer's trailers are here: nothing follows its body.
    pub(super) fn show_trailers(&mut self) -> Action {
        match std::mem::replace(&mut self.stream.response_state, ResponseState::Over) {
            ResponseState::Whole(cap) => self.show_whole(cap, Length::Before),
            ResponseState::Watched { watched, read } => {
                let size = if watched.flows { 0 } else { read };
                self.show_watched(watched, read, size, true)
            }
            ResponseState::Over => Action::Pause,
            // An event without its end isn't one (§9.2.6): it is not shown.
            next @ (ResponseState::Passing | ResponseState::Events { .. }) => {
                self.stream.response_state = next;
                Action::Continue
            }
        }
    }

    /// Replaces what there is of the body. A host that holds less than we know of ends the stream while it
    /// does so.
    fn replace(&mut self, bytes: Vec<u8>) {
        self.stream.replacing = true;
        self.out.push(Command::Replace(bytes));
    }

    fn refuse(&mut self, reply: Reply) -> Action {
        self.stream.response_state = ResponseState::Over;
        self.out.push(Command::Reply(reply));
        Action::Pause
    }

    /// Nothing more of an answer is shown to somebody who is barred by now, and nothing more of the request
    /// goes on.
    pub(super) fn on_barred(&mut self, why: Barred) -> Action {
        let barred = self.stream.exchange.bar(&self.worker.gateway.policy, why);
        let Some(reply) = barred else { return Action::Pause };
        self.stream.phase = Phase::Held;
        if self.stream.came.answer {
            return self.end_response();
        }
        self.out.push(Command::Reply(reply));
        Action::Pause
    }

    pub(super) fn end_response(&mut self) -> Action {
        self.stream.response_state = ResponseState::Over;
        self.reset()
    }
}
