//! One request: Envoy's callbacks in, what Envoy is to do out.

use crate::apply::strip_trailers;
use crate::holding::Room;
use crate::host::{self, Buffer, Map, Status};
use crate::root::Worker;
use crate::stream::Stream;
use crate::vm::Action;
use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::cors;
use gatewaystack_core::decision::{Decision, Wait};
use gatewaystack_core::exchange::{Arrival, Exchange, GaveUp};
use gatewaystack_core::world::World;
use std::rc::Rc;

/// The filter state by which the bootstrap knows a request that was held.
const HELD: &str = "gatewaystack_held";

/// The context of one request.
pub struct HttpFilter {
    stream: Rc<Stream>,
    worker: Option<Rc<Worker>>,
}

impl HttpFilter {
    /// A request to a plugin that is configured, or to one that isn't: that one is refused.
    pub fn new(id: u32, worker: Option<Rc<Worker>>) -> Self {
        Self { stream: Rc::new(Stream::new(id)), worker }
    }

    /// The host is done with the stream.
    pub fn end(&self) {
        self.stream.ended.set(true);
    }

    /// Whether it is.
    pub fn has_ended(&self) -> bool {
        self.stream.ended.get()
    }

    /// Nothing waits for the stream any more.
    pub fn forget(&self) {
        if let Some(worker) = &self.worker {
            worker.forget(&self.stream);
        }
    }

    /// Holds the request until its issuer's keys are there, where there is room.
    fn hold(&self, worker: &Rc<Worker>, issuer: IssuerId) -> Action {
        if !worker.hold(&self.stream, issuer, self.stream.started_ns.get() / 1_000_000) {
            return self.stream.give_up(worker);
        }
        held()
    }

    /// Held or answered: nothing of the request may go on.
    fn gate(&self) -> Action {
        if self.stream.forwarded.get() { Action::Continue } else { Action::Pause }
    }

    /// Holds `size` bytes of the body, where there is room.
    fn keep(&self, worker: &Rc<Worker>, size: usize) -> Action {
        let stream = &self.stream;
        if !stream.is_waiting() {
            worker.held.forget(stream.id);
            return Action::Pause;
        }
        let now = host::now_ns().unwrap_or_default() / 1_000_000;
        match worker.held.grow(stream, size, stream.vouched.get(), now, worker.largest_body) {
            Room::Enough => Action::Pause,
            Room::Short => {
                worker.want_room();
                Action::Pause
            }
            Room::None => {
                worker.held.forget(stream.id);
                stream.stop(worker, GaveUp::Room);
                Action::Pause
            }
        }
    }

    /// Makes room for a body that is to be read; its headers may have left before.
    fn reserve(&self, worker: &Rc<Worker>, action: Action) -> Action {
        let kept = self.keep(worker, 0);
        if self.stream.is_waiting() { action } else { kept }
    }

    /// Counts what is held of the body, or lets go of it.
    fn settle(&self, worker: &Rc<Worker>, size: usize, action: Action) -> Action {
        if matches!(action, Action::Pause) && size > 0 {
            return self.keep(worker, size);
        }
        worker.held.forget(self.stream.id);
        action
    }

    /// Does what was decided, or holds the request.
    fn follow(&self, worker: &Rc<Worker>, decision: Decision) -> Action {
        match decision {
            Decision::Wait(Wait::Keys(issuer)) => self.hold(worker, issuer),
            Decision::Wait(Wait::Limits(question)) => match self.stream.ask(worker, &question) {
                None => held(),
                Some(decision) => self.follow(worker, decision),
            },
            decision => self.stream.apply(worker, decision).unwrap_or_else(|_| self.stream.reset()),
        }
    }

    /// The body is there, or more of it than is read.
    fn judge_body(&self, worker: &Rc<Worker>, cap: usize, is_too_large: bool) -> Action {
        self.stream.reading.take();
        let body = if is_too_large { Ok(None) } else { host::buffer(Buffer::RequestBody, cap).map(Some) };
        let decision = match body {
            Ok(body) => self
                .stream
                .decide(worker, |exchange, world| exchange.resume(world, Arrival::Body(body.as_deref()))),
            Err(_) => self.stream.decide(worker, Exchange::fault),
        };
        self.follow(worker, decision)
    }
}

/// Takes out of an answer what its server says of origins.
fn remove_origins() -> Result<(), Status> {
    let headers = host::headers(Map::ResponseHeaders)?;
    let mut names =
        headers.pairs().into_iter().map(|(name, _)| name).filter(|name| cors::is_about_origins(name));
    names.try_for_each(|name| host::remove_header(Map::ResponseHeaders, name))
}

/// Envoy's callbacks.
impl HttpFilter {
    /// The request's headers are here.
    pub fn on_request_headers(&self, end: bool) -> Action {
        let now = host::now_ns();
        self.stream.started_ns.set(*now.as_ref().unwrap_or(&0));
        self.stream.bodiless.set(end);
        let Some(worker) = &self.worker else { return self.stream.reset() };
        let decision = match host::headers(Map::RequestHeaders) {
            Ok(headers) => {
                let step = |exchange: Exchange, world: &World<'_>| exchange.on_headers(world, headers);
                self.stream.decide_at(worker, now, step, Exchange::fault)
            }
            Err(_) => self.stream.decide(worker, Exchange::fault),
        };
        let action = self.follow(worker, decision);
        if !end {
            // It takes room before the first byte of its body.
            return if self.stream.cap().is_some() { self.reserve(worker, action) } else { action };
        }
        // No body will come.
        self.stream.watch(worker, 0, true);
        match self.stream.cap() {
            Some(cap) => self.judge_body(worker, cap, false),
            None => action,
        }
    }

    /// So much of its body is.
    pub fn on_request_body(&self, size: usize, end: bool) -> Action {
        let Some(worker) = &self.worker else { return self.gate() };
        self.stream.watch(worker, size, end);
        match self.stream.cap() {
            Some(cap) if end || size > cap => {
                let action = self.judge_body(worker, cap, size > cap);
                self.settle(worker, size, action)
            }
            _ => {
                let action = self.gate();
                self.settle(worker, size, action)
            }
        }
    }

    /// Its trailers are.
    pub fn on_request_trailers(&self) -> Action {
        if let Some(worker) = &self.worker {
            self.stream.watch(worker, 0, true);
        }
        if let (Some(cap), Some(worker)) = (self.stream.cap(), &self.worker) {
            if self.stream.waited.get() {
                // Where Envoy goes on with all of a request at once and trailers are part of it, it loses the body (1.40): an upstream
                // would get an empty one.
                self.stream.reading.take();
                return self.stream.fail(worker).unwrap_or_else(|_| self.stream.reset());
            }
            self.judge_body(worker, cap, false);
            if !self.stream.is_waiting() {
                worker.held.forget(self.stream.id);
            }
        }
        let Some(worker) = self.worker.as_ref().filter(|_| self.stream.forwarded.get()) else {
            self.stream.trailers.set(true);
            return Action::Pause;
        };
        strip_trailers(worker).map_or_else(|_| self.stream.reset(), |()| Action::Continue)
    }

    /// The answer's headers are here.
    pub fn on_response_headers(&self, end: bool) -> Action {
        // Missing limit or CORS headers are no reason to withhold an answer that was permitted.
        let Some(worker) = &self.worker else { return Action::Continue };
        let decides_origins = self.stream.exchange.borrow().decides_origins(&worker.policy);
        // An upstream's word on origins that may still be in it is one.
        if decides_origins && remove_origins().is_err() {
            return self.stream.end();
        }
        for (name, value) in self.stream.exchange.borrow().response(&worker.policy).iter() {
            // The upstream may vary by more than the origin.
            let write = if *name == "vary" { host::add_header } else { host::set_header };
            let _ = write(Map::ResponseHeaders, name, value);
        }
        self.stream.lead_back(worker);
        if self.stream.exchange.borrow().judges_answer() {
            self.stream.treat(worker, end)
        } else {
            Action::Continue
        }
    }

    /// So much of its body is.
    pub fn on_response_body(&self, size: usize, end: bool) -> Action {
        let Some(worker) = &self.worker else { return Action::Continue };
        self.stream.show(worker, size, end)
    }

    /// Its trailers are.
    pub fn on_response_trailers(&self) -> Action {
        match &self.worker {
            Some(worker) => self.stream.show_trailers(worker),
            None => Action::Continue,
        }
    }

    /// Writes the record: once.
    pub fn on_log(&self) {
        self.end();
        let Some(worker) = &self.worker else { return };
        // Nothing is borrowed while the host is called, and nothing is left for a second record.
        let mut exchange = self.stream.exchange.take();
        if self.stream.replacing.get() {
            exchange.lose_answer();
        }
        let Some(facts) = exchange.facts() else { return };
        let now = host::now_ns().unwrap_or_default();
        let latency = now.saturating_sub(self.stream.started_ns.get()) / 1_000;
        let record = facts.members(&worker.policy, worker.secret, now / 1_000, latency);
        let _ = host::set_property("gatewaystack", &record);
        worker.metrics.count(&worker.policy, facts);
    }
}

/// Envoy's 413 would be untrue for a body that is only too large to wait: the bootstrap tells them apart by this.
fn held() -> Action {
    let _ = host::set_property(HELD, "1");
    Action::Pause
}
