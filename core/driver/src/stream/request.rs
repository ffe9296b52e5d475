//! The request, as it comes, and as it goes on when it was held.

use super::transition::{Left, Phase, Transition};
use crate::bodies::Room;
use crate::command::{Action, Command};
use crate::copies::Missed;
use crate::event::Arrived;
use crate::view::{Body, Map};
use gatewaystack_core::decision::{Decision, Observed, Wait};
use gatewaystack_core::exchange::{Arrival, Exchange, GaveUp, Judged};
use gatewaystack_core::request::{self, Headers};
use gatewaystack_core::tally::Tally;
use gatewaystack_core::world::World;

impl Transition<'_> {
    pub(super) fn on_request_headers(&mut self, headers: Option<Headers>, end: bool) -> Action {
        let now_ns = self.view.now_ns();
        self.stream.came.started_ns = now_ns.unwrap_or_default();
        self.stream.came.bodiless = end;
        let decision = match headers {
            Some(headers) => {
                self.decide_at(now_ns, |exchange, world| exchange.on_headers(world, headers), Exchange::fault)
            }
            None => self.decide(Exchange::fault),
        };
        let action = self.apply(decision);
        self.finish(Left::Headers { end }, action)
    }

    pub(super) fn on_request_body(&mut self, size: usize, end: bool) -> Action {
        self.copy(size, end);
        let action = match self.cap() {
            Some(cap) if end || size > cap => self.judge_body(cap, size > cap),
            _ => self.gate(),
        };
        self.finish(Left::Body { size }, action)
    }

    pub(super) fn on_request_trailers(&mut self) -> Action {
        self.copy(0, true);
        let Some(cap) = self.cap() else { return self.pass_trailers() };
        if self.stream.came.fetched {
            // Where Envoy goes on with all of a request at once and trailers are part of it, it loses the
            // body (1.40): an upstream would get an empty one.
            return self.fail();
        }
        let action = self.judge_body(cap, false);
        self.finish(Left::Trailers, action)
    }

    /// Does what is left of an event: at once, or when it is known whether the service could be asked.
    pub(super) fn finish(&mut self, left: Left, action: Action) -> Action {
        if self.is_calling() {
            self.stream.left = Some(left);
            return Action::Pause;
        }
        match left {
            Left::Nothing => action,
            Left::Headers { end } => self.finish_headers(end, action),
            Left::Body { size } => self.settle(size, action),
            Left::Trailers => {
                if !self.stream.exchange.is_waiting() {
                    self.worker.bodies.forget(self.stream.id);
                }
                self.pass_trailers()
            }
            Left::Resumed => self.finish_resumed(action),
            Left::ResumedWithout => self.go_on(action),
        }
    }

    fn finish_headers(&mut self, end: bool, action: Action) -> Action {
        if !end {
            // It takes room before the first byte of its body.
            return if self.cap().is_some() { self.reserve(action) } else { action };
        }
        // No body will come.
        self.copy(0, true);
        match self.cap() {
            Some(cap) => {
                let action = self.judge_body(cap, false);
                self.finish(Left::Nothing, action)
            }
            None => action,
        }
    }

    /// Trailers go on without what a client must not say in them, or wait with the request.
    fn pass_trailers(&mut self) -> Action {
        if !self.passes() {
            self.stream.came.trailers = true;
            return Action::Pause;
        }
        match self.spoofed_trailers() {
            Some(spoofed) => {
                self.out.push(Command::StripTrailers(spoofed));
                Action::Continue
            }
            None => self.reset(),
        }
    }

    /// What a client must not say of itself in its trailers.
    fn spoofed_trailers(&self) -> Option<Vec<Vec<u8>>> {
        let trailers = self.view.headers(Map::RequestTrailers)?;
        let identity = &self.worker.gateway.policy.identity;
        let pairs = trailers.pairs();
        let spoofed = pairs.iter().filter(|(name, _)| request::is_spoofed_trailer(name, identity));
        Some(spoofed.map(|(name, _)| name.to_vec()).collect())
    }

    /// The body is there, or more of it than is read.
    fn judge_body(&mut self, cap: usize, is_too_large: bool) -> Action {
        self.stream.phase = Phase::Held;
        self.stream.came.judged_body = true;
        let body = if is_too_large { Some(None) } else { self.view.bytes(Body::Request, 0, cap).map(Some) };
        let decision = match body {
            Some(body) => {
                self.decide(|exchange, world| exchange.resume(world, Arrival::Body(body.as_deref())))
            }
            None => self.decide(Exchange::fault),
        };
        self.apply(decision)
    }

    /// Makes room for a body that is to be read; its headers may have left before.
    fn reserve(&mut self, action: Action) -> Action {
        let kept = self.keep(0);
        if self.stream.exchange.is_waiting() { action } else { kept }
    }

    /// Counts what is held of the body, or lets go of it.
    fn settle(&mut self, size: usize, action: Action) -> Action {
        if action == Action::Pause && size > 0 {
            return self.keep(size);
        }
        self.worker.bodies.forget(self.stream.id);
        action
    }

    /// Holds `size` bytes of the body, where there is room.
    fn keep(&mut self, size: usize) -> Action {
        let id = self.stream.id;
        if !self.stream.exchange.is_waiting() {
            self.worker.bodies.forget(id);
            return Action::Pause;
        }
        let (now_ms, largest) = (self.now_ms(), self.worker.gateway.largest_body);
        match self.worker.bodies.grow(id, size, self.stream.came.vouched, now_ms, largest) {
            Room::Enough => {}
            Room::Short => self.out.push(Command::Wake),
            Room::None => {
                self.worker.bodies.forget(id);
                self.stop(GaveUp::Room);
            }
        }
        Action::Pause
    }

    /// Looks at `size` bytes of the body that pass now, where it is watched.
    fn copy(&mut self, size: usize, is_end: bool) {
        let mut copy = match std::mem::take(&mut self.stream.phase) {
            Phase::Copying(copy) => copy,
            other => {
                self.stream.phase = other;
                return;
            }
        };
        self.stream.phase = Phase::Passing;
        let view = self.view;
        match copy.add(size, || view.bytes(Body::Request, 0, size)) {
            Ok(()) if is_end => self.judge_copy(Some(&copy.bytes)),
            Ok(()) => self.stream.phase = Phase::Copying(copy),
            Err(Missed::TooLarge) => self.judge_copy(None),
            Err(Missed::Unread) => {}
        }
    }

    fn judge_copy(&mut self, body: Option<&[u8]>) {
        // Its headers have left: there is nothing to apply, and without a clock nothing to say.
        let unchanged = |exchange, _: &World<'_>| Judged {
            exchange,
            decision: Decision::Observe(Observed::default()),
            tally: Tally::default(),
        };
        let now_ns = self.view.now_ns();
        let _ =
            self.decide_at(now_ns, |exchange, world| exchange.resume(world, Arrival::Body(body)), unchanged);
    }
}

/// A request that was held, as it goes on.
impl Transition<'_> {
    pub(super) fn on_arrived(&mut self, arrived: Arrived) -> Action {
        if !self.stream.exchange.is_waiting() {
            return Action::Pause;
        }
        let arrival = match arrived {
            Arrived::Nothing(why) => return self.stop(why),
            Arrived::Keys(fetched) => {
                self.stream.came.fetched = true;
                Arrival::Keys(fetched)
            }
            Arrived::Feed => {
                self.stream.came.fetched = true;
                Arrival::Feed
            }
            Arrived::Limits(answer) => {
                self.stream.call = None;
                Arrival::Limits(answer)
            }
        };
        let decided = self.decide(|exchange, world| exchange.resume(world, arrival));
        let action = self.apply(decided);
        self.finish(Left::Resumed, action)
    }

    /// What was decided about a request that was held is done.
    fn finish_resumed(&mut self, action: Action) -> Action {
        if self.is_held() {
            return action;
        }
        self.worker.bodies.forget(self.stream.id);
        if self.cap().is_some() && self.stream.came.headers_left && self.stream.came.bodiless {
            let action = self.judge_nothing();
            return self.finish(Left::ResumedWithout, action);
        }
        self.go_on(action)
    }

    /// Lets a request go on that was held, unless it is held still, or answered.
    fn go_on(&mut self, action: Action) -> Action {
        let reads = self.cap().is_some();
        if action == Action::Pause && !reads {
            return action;
        }
        if self.passes() || self.stream.came.headers_left && reads { self.release() } else { self.reset() }
    }

    /// Judges the body that a request without one has.
    fn judge_nothing(&mut self) -> Action {
        self.stream.phase = Phase::Held;
        self.stream.came.judged_body = true;
        let nothing = Arrival::Body(Some(b""));
        match self.decide(|exchange, world| exchange.resume(world, nothing)) {
            // It has waited once.
            Decision::Wait(Wait::Keys(_)) => self.give_up(),
            decision => self.apply(decision),
        }
    }

    /// Lets go of a held request, with the trailers that waited with it.
    fn release(&mut self) -> Action {
        if self.stream.came.trailers {
            match self.spoofed_trailers() {
                Some(spoofed) => self.out.push(Command::StripTrailers(spoofed)),
                None => return self.reset(),
            }
        }
        self.out.push(Command::Release);
        Action::Continue
    }

    /// The request isn't held any longer: it is answered.
    fn stop(&mut self, why: GaveUp) -> Action {
        if !self.stream.exchange.is_waiting() {
            return Action::Pause;
        }
        let call = self.stream.call.take();
        self.worker.forget(self.stream.id, call);
        self.stream.phase = Phase::Held;
        let refused = self.decide(|exchange, world| exchange.give_up(world, why));
        self.apply(refused)
    }
}
