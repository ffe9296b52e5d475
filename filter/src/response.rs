//! The upstream's answer, where it must not be shown as it is: headers held or corrected, the body read whole or event by event, as the core says.

use crate::host::{self, Buffer, Map};
use crate::http::{Stream, answer, reset};
use crate::root::Worker;
use gatewaystack_core::exchange::respond::{Head, STALE, Shown, Treatment};
use gatewaystack_core::mcp::sse::Events;
use proxy_wasm::types::Action;

/// How the answer's body is treated.
pub enum Answering {
    /// It passes.
    Passing,
    /// It is read whole, at most so many bytes.
    Whole(usize),
    /// Its events are filtered.
    Events(Events),
}

impl Stream {
    /// Looks at the headers of an answer that must be cut down.
    pub fn treat(&self, worker: &Worker, is_end: bool) -> Action {
        let policy = &worker.policy;
        let treatment = match host::headers(Map::ResponseHeaders) {
            Ok(headers) => {
                let pairs = headers.pairs();
                let find = |name: &[u8]| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
                let status = find(b":status").and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
                let head = Head {
                    // Without a status it is taken for a success, which is cut down.
                    status: status.unwrap_or(200),
                    content_type: find(b"content-type"),
                    content_encoding: find(b"content-encoding"),
                    content_length: find(b"content-length"),
                    is_end,
                };
                self.exchange.borrow_mut().on_response(policy, &head)
            }
            Err(_) => return reset(),
        };
        let stale =
            || STALE.iter().try_for_each(|name| host::remove_header(Map::ResponseHeaders, name.as_bytes()));
        let forget_length = || host::remove_header(Map::ResponseHeaders, b"content-length");
        match treatment {
            Treatment::Pass => Action::Continue,
            Treatment::Refuse(reply) => answer(&reply).map_or_else(|_| reset(), |()| Action::Pause),
            Treatment::Bare => {
                stale().and_then(|()| forget_length()).map_or_else(|_| reset(), |()| Action::Continue)
            }
            Treatment::Whole(cap) => {
                self.answering.replace(Answering::Whole(cap));
                if policy.hold_headers {
                    return stale().map_or_else(|_| reset(), |()| Action::Pause);
                }
                stale().and_then(|()| forget_length()).map_or_else(|_| reset(), |()| Action::Continue)
            }
            Treatment::Stream(events) => {
                self.answering.replace(Answering::Events(events));
                stale().and_then(|()| forget_length()).map_or_else(|_| reset(), |()| Action::Continue)
            }
        }
    }

    /// Takes the answer's body, or a part of it.
    pub fn show(&self, worker: &Worker, size: usize, end: bool) -> Action {
        let mut answering = self.answering.borrow_mut();
        match &mut *answering {
            Answering::Passing => Action::Continue,
            Answering::Whole(cap) if size <= *cap && !end => Action::Pause,
            Answering::Whole(cap) => {
                let cap = *cap;
                *answering = Answering::Passing;
                self.show_whole(worker, cap, size > cap)
            }
            Answering::Events(events) => {
                let Ok(chunk) = host::buffer(Buffer::ResponseBody, size) else { return reset() };
                let shown =
                    self.exchange.borrow_mut().on_response_events(&worker.policy, events, &chunk, end);
                match shown {
                    Ok(bytes) if bytes == chunk => Action::Continue,
                    Ok(bytes) => host::set_buffer(Buffer::ResponseBody, &bytes)
                        .map_or_else(|_| reset(), |()| Action::Continue),
                    // The stream ends before what can't be shown.
                    Err(_) => reset(),
                }
            }
        }
    }

    fn show_whole(&self, worker: &Worker, cap: usize, is_too_large: bool) -> Action {
        let body = if is_too_large { None } else { host::buffer(Buffer::ResponseBody, cap).ok() };
        let shown = self.exchange.borrow_mut().on_response_body(&worker.policy, body.as_deref());
        let held = worker.policy.hold_headers;
        match shown {
            Shown::Same => Action::Continue,
            Shown::Changed(text) => {
                let length =
                    || host::set_header(Map::ResponseHeaders, "content-length", &text.len().to_string());
                let fixed = if held { length() } else { Ok(()) };
                let written = fixed.and_then(|()| host::set_buffer(Buffer::ResponseBody, text.as_bytes()));
                written.map_or_else(|_| reset(), |()| Action::Continue)
            }
            // The status has left already where headers can't be held.
            Shown::Refuse(reply) if held => answer(&reply).map_or_else(|_| reset(), |()| Action::Pause),
            Shown::Refuse(_) => reset(),
        }
    }
}
