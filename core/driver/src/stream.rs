//! One request and its answer: what has come in, what the host has to do out. Whatever can't be done refuses the request, or ends its stream.

mod answer;

use crate::bodies::Room;
use crate::command::{Action, Ask, Command, Output, Statistic};
use crate::copies::{Copied, Missed};
use crate::event::{Arrived, Event, Failed};
use crate::view::{Body, Map, View};
use crate::worker::Worker;
use answer::Answering;
use gatewaystack_core::authenticate::Fetched;
use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::decision::{Decision, Observed, Read, Wait};
use gatewaystack_core::exchange::{Arrival, Exchange, GaveUp, Judged};
use gatewaystack_core::rate_limit::service::{Answer as Counted, Question};
use gatewaystack_core::request::{self, Headers};
use gatewaystack_core::tally::Tally;
use gatewaystack_core::world::World;

/// One request and its answer.
#[derive(Debug)]
pub struct Stream {
    id: u32,
    exchange: Exchange,
    phase: Phase,
    came: Came,
    answering: Answering,
    /// What the rate limit service was asked for it, while it hasn't answered.
    call: Option<u32>,
    /// A text of ours is on its way into the host's buffer.
    replacing: bool,
}

/// What becomes of the request.
#[derive(Debug, Default)]
enum Phase {
    /// Nothing of it goes on, or nothing more.
    #[default]
    Held,
    /// At most so many bytes of its body are read, which wait for what is decided.
    Reading(usize),
    /// It goes on, and its body is copied.
    Copying(Copied),
    /// It goes on.
    Passing,
    /// The host is done with it: nothing of it may be touched any more.
    Ended,
}

/// What has come of the request so far.
#[derive(Debug, Default)]
struct Came {
    /// When, in nanoseconds.
    started_ns: u64,
    /// Its headers were all of it.
    bodiless: bool,
    /// Trailers, while it was held: the host won't show them again.
    trailers: bool,
    /// Keys, which it has waited for.
    keys: bool,
    /// A good token says who sends it.
    vouched: bool,
    /// Its headers have left before its body was judged.
    headers_left: bool,
}

impl Stream {
    /// A request of which nothing has come; `id`: the host's number.
    pub fn new(id: u32) -> Self {
        Self {
            id,
            exchange: Exchange::default(),
            phase: Phase::default(),
            came: Came::default(),
            answering: Answering::default(),
            call: None,
            replacing: false,
        }
    }

    /// Whether the host is done with it.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// What follows from an event.
    pub fn on(&mut self, worker: &mut Worker, view: &dyn View, event: Event) -> Output {
        let mut step = Step { stream: self, worker, view, out: Vec::new() };
        let action = step.on(event);
        Output { commands: step.out, action }
    }
}

/// One event, on its way.
struct Step<'a> {
    stream: &'a mut Stream,
    worker: &'a mut Worker,
    view: &'a dyn View,
    out: Vec<Command>,
}

impl Step<'_> {
    fn on(&mut self, event: Event) -> Action {
        if self.stream.has_ended() && !matches!(event, Event::Log | Event::End) {
            return Action::Pause;
        }
        match event {
            Event::RequestHeaders { headers, end } => self.on_request_headers(headers, end),
            Event::RequestBody { size, end } => self.on_request_body(size, end),
            Event::RequestTrailers => self.on_request_trailers(),
            Event::AnswerHeaders { end } => self.on_answer_headers(end),
            Event::AnswerBody { size, end } => self.show(size, end),
            Event::AnswerTrailers => self.show_trailers(),
            Event::Arrived(arrived) => self.on_arrived(arrived),
            Event::Asked(token) => {
                let timeout = self.worker.gateway.policy.limit_service.as_ref().map_or(0, |s| s.timeout_ms);
                // A second later than the host ends it.
                self.worker.calls.begin(token, self.stream.id, self.now_ms() + timeout + 1_000);
                self.stream.call = Some(token);
                Action::Pause
            }
            Event::Replaced => {
                self.stream.replacing = false;
                Action::Pause
            }
            Event::Failed(failed) => self.on_failed(failed),
            Event::Log => self.on_log(),
            Event::End => {
                self.end();
                let call = self.stream.call.take();
                self.worker.forget(self.stream.id, call);
                Action::Pause
            }
        }
    }

    /// Without a clock everything is long ago.
    fn now_ms(&self) -> u64 {
        self.view.now_ns().unwrap_or_default() / 1_000_000
    }

    /// Whether the request may go on.
    fn passes(&self) -> bool {
        matches!(self.stream.phase, Phase::Passing | Phase::Copying(_))
    }

    /// Held or answered: nothing of the request may go on.
    fn gate(&self) -> Action {
        if self.passes() { Action::Continue } else { Action::Pause }
    }

    /// How much of the body is held and read; `None`: nothing is.
    fn cap(&self) -> Option<usize> {
        if let Phase::Reading(cap) = self.stream.phase { Some(cap) } else { None }
    }

    /// Runs one transition of the exchange in the world as it is now. Without a clock no token can be judged: the request is refused.
    fn decide(&mut self, transition: impl FnOnce(Exchange, &World<'_>) -> Judged) -> Decision {
        self.decide_at(self.view.now_ns(), transition, Exchange::fault)
    }

    /// The same at a time that is known, and what follows without a clock.
    fn decide_at(
        &mut self,
        now_ns: Option<u64>,
        transition: impl FnOnce(Exchange, &World<'_>) -> Judged,
        without_clock: impl FnOnce(Exchange, &World<'_>) -> Judged,
    ) -> Decision {
        let exchange = std::mem::take(&mut self.stream.exchange);
        let (now_ms, view) = (now_ns.unwrap_or_default() / 1_000_000, self.view);
        let judged = self.worker.in_world(now_ms, &|| view.source_address(), |world| {
            if now_ns.is_some() { transition(exchange, world) } else { without_clock(exchange, world) }
        });
        self.stream.exchange = judged.exchange;
        let out = &mut self.out;
        let mut count = |statistic: Statistic, more: u32| out.push(Command::Count(statistic, more));
        self.worker.statistics.add(judged.tally, &mut count);
        judged.decision
    }

    /// Does what was decided, or holds the request.
    fn follow(&mut self, decision: Decision) -> Action {
        match decision {
            Decision::Wait(Wait::Keys(issuer)) => {
                let started_ms = self.stream.came.started_ns / 1_000_000;
                self.hold(issuer, started_ms)
            }
            Decision::Wait(Wait::Limits(question)) => match self.ask(question) {
                None => self.held(),
                Some(decision) => self.follow(decision),
            },
            decision => self.apply(decision),
        }
    }

    fn held(&mut self) -> Action {
        self.out.push(Command::NoteHeld);
        Action::Pause
    }

    /// Holds the request until its issuer's keys are there, where there is room.
    fn hold(&mut self, issuer: IssuerId, now_ms: u64) -> Action {
        let worker = &mut *self.worker;
        if !worker.waiters.add(self.stream.id, issuer, &worker.keys, now_ms) {
            return self.give_up();
        }
        self.out.push(Command::Wake);
        self.held()
    }

    /// A request that can't wait for keys.
    fn give_up(&mut self) -> Action {
        let failed = Arrival::Keys(Fetched::Failed);
        let refused = self.decide(|exchange, world| exchange.resume(world, failed));
        self.apply(refused)
    }

    /// Has the rate limit service asked; where that can't be: what is decided without it.
    fn ask(&mut self, question: Question) -> Option<Decision> {
        // Limits over machines are users' and tenants': who is asked about is known.
        self.stream.came.vouched = true;
        let now_ms = self.now_ms();
        let service = self.worker.gateway.policy.limit_service.as_ref();
        let ask = service.map(|s| Ask { cluster: s.cluster.clone(), timeout_ms: s.timeout_ms, question });
        self.count(self.worker.statistics.asked());
        match ask.filter(|_| self.worker.calls.has_room(now_ms)) {
            Some(ask) => {
                self.out.push(Command::Ask(ask));
                None
            }
            None => Some(self.unasked()),
        }
    }

    /// The service can't be asked.
    fn unasked(&mut self) -> Decision {
        self.count(self.worker.statistics.unanswered());
        let nothing = Arrival::Limits(Counted::Nothing);
        self.decide(|exchange, world| exchange.resume(world, nothing))
    }

    fn count(&mut self, statistic: Option<Statistic>) {
        self.out.extend(statistic.map(|statistic| Command::Count(statistic, 1)));
    }

    /// Does what was decided, of what isn't waited for elsewhere.
    fn apply(&mut self, decision: Decision) -> Action {
        match decision {
            Decision::Forward(permit) => {
                // Of headers that have left, what the permit would change has been changed in the same way.
                if !self.stream.came.headers_left {
                    self.out.push(Command::Edit { edits: permit.into_edits(), must: true });
                }
                self.stream.phase = Phase::Passing;
                Action::Continue
            }
            // Shadow mode never refuses, not even for a fault of ours; what spoofs an identity must go all the same, in the query, too.
            Decision::Observe(Observed { edits, watch }) => {
                let must = !edits.remove.is_empty() || edits.path.is_some();
                self.out.push(Command::Edit { edits, must });
                self.stream.phase = match watch {
                    Some(cap) => Phase::Copying(Copied::new(cap, &self.worker.copies)),
                    None => Phase::Passing,
                };
                Action::Continue
            }
            Decision::Reply(reply) => {
                self.stream.phase = Phase::Held;
                self.out.push(Command::Reply(reply));
                Action::Pause
            }
            // The caller holds the request.
            Decision::Wait(Wait::Keys(_) | Wait::Limits(_)) => Action::Pause,
            Decision::Wait(Wait::Body(Read { cap, let_go, vouched })) => {
                self.stream.came.vouched = vouched;
                self.stream.phase = Phase::Reading(cap);
                // The host can't hold the headers: they leave as they may, and the body waits.
                self.stream.came.headers_left = let_go.is_some();
                match let_go {
                    Some(edits) => {
                        self.out.push(Command::Edit { edits, must: true });
                        Action::Continue
                    }
                    None => Action::Pause,
                }
            }
        }
    }

    /// The host can't do what was decided: it is refused.
    fn fail(&mut self) -> Action {
        self.stream.phase = Phase::Held;
        let refused = self.decide(Exchange::fault);
        self.apply(refused)
    }

    /// The last resort where no answer can be sent.
    fn reset(&mut self) -> Action {
        self.out.push(Command::Reset);
        Action::Pause
    }

    fn on_failed(&mut self, failed: Failed) -> Action {
        match failed {
            Failed::Edit => self.fail(),
            Failed::Release | Failed::Reply => self.reset(),
            Failed::Ask => {
                let decision = self.unasked();
                self.follow(decision)
            }
            Failed::Answer => self.end_answer(),
        }
    }
}

/// The request, as it comes.
impl Step<'_> {
    fn on_request_headers(&mut self, headers: Option<Headers>, end: bool) -> Action {
        let now_ns = self.view.now_ns();
        self.stream.came.started_ns = now_ns.unwrap_or_default();
        self.stream.came.bodiless = end;
        let decision = match headers {
            Some(headers) => {
                self.decide_at(now_ns, |exchange, world| exchange.on_headers(world, headers), Exchange::fault)
            }
            None => self.decide(Exchange::fault),
        };
        let action = self.follow(decision);
        if !end {
            // It takes room before the first byte of its body.
            return if self.cap().is_some() { self.reserve(action) } else { action };
        }
        // No body will come.
        self.copy(0, true);
        match self.cap() {
            Some(cap) => self.judge_body(cap, false),
            None => action,
        }
    }

    fn on_request_body(&mut self, size: usize, end: bool) -> Action {
        self.copy(size, end);
        let action = match self.cap() {
            Some(cap) if end || size > cap => self.judge_body(cap, size > cap),
            _ => self.gate(),
        };
        self.settle(size, action)
    }

    fn on_request_trailers(&mut self) -> Action {
        self.copy(0, true);
        if let Some(cap) = self.cap() {
            if self.stream.came.keys {
                // Where Envoy goes on with all of a request at once and trailers are part of it, it loses the body (1.40): an upstream
                // would get an empty one.
                return self.fail();
            }
            self.judge_body(cap, false);
            if !self.stream.exchange.is_waiting() {
                self.worker.bodies.forget(self.stream.id);
            }
        }
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
        let body = if is_too_large { Some(None) } else { self.view.bytes(Body::Request, 0, cap).map(Some) };
        let decision = match body {
            Some(body) => {
                self.decide(|exchange, world| exchange.resume(world, Arrival::Body(body.as_deref())))
            }
            None => self.decide(Exchange::fault),
        };
        self.follow(decision)
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
impl Step<'_> {
    fn on_arrived(&mut self, arrived: Arrived) -> Action {
        if !self.stream.exchange.is_waiting() {
            return Action::Pause;
        }
        let arrival = match arrived {
            Arrived::Nothing(why) => return self.stop(why),
            Arrived::Keys(fetched) => {
                self.stream.came.keys = true;
                Arrival::Keys(fetched)
            }
            Arrived::Limits(answer) => {
                self.stream.call = None;
                Arrival::Limits(answer)
            }
        };
        let decided = self.decide(|exchange, world| exchange.resume(world, arrival));
        self.follow_held(decided)
    }

    /// Does what was decided about a request that was held.
    fn follow_held(&mut self, decided: Decision) -> Action {
        let decided = match decided {
            Decision::Wait(Wait::Limits(question)) => match self.ask(question) {
                None => return Action::Pause,
                Some(decided) => decided,
            },
            decided => decided,
        };
        if let Decision::Wait(Wait::Keys(issuer)) = decided {
            let now_ms = self.now_ms();
            return self.hold(issuer, now_ms);
        }
        self.worker.bodies.forget(self.stream.id);
        let mut action = self.apply(decided);
        if self.cap().is_some() && self.stream.came.headers_left && self.stream.came.bodiless {
            action = self.judge_nothing();
        }
        let reads = self.cap().is_some();
        if action == Action::Pause && !reads {
            return action;
        }
        if self.passes() || self.stream.came.headers_left && reads { self.release() } else { self.reset() }
    }

    /// Judges the body that a request without one has.
    fn judge_nothing(&mut self) -> Action {
        self.stream.phase = Phase::Held;
        let nothing = Arrival::Body(Some(b""));
        let decided = match self.decide(|exchange, world| exchange.resume(world, nothing)) {
            Decision::Wait(Wait::Limits(question)) => match self.ask(question) {
                None => return Action::Pause,
                Some(decided) => decided,
            },
            decided => decided,
        };
        match decided {
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

/// The end.
impl Step<'_> {
    fn end(&mut self) {
        self.stream.phase = Phase::Ended;
    }

    /// Writes the record: once.
    fn on_log(&mut self) -> Action {
        self.end();
        // Nothing is left for a second record.
        let mut exchange = std::mem::take(&mut self.stream.exchange);
        if self.stream.replacing {
            exchange.lose_answer();
        }
        let Some(facts) = exchange.facts() else { return Action::Pause };
        let now_ns = self.view.now_ns().unwrap_or_default();
        let latency_us = now_ns.saturating_sub(self.stream.came.started_ns) / 1_000;
        let Worker { gateway, statistics, .. } = &mut *self.worker;
        let record = facts.members(&gateway.policy, gateway.secret, now_ns / 1_000, latency_us);
        self.out.push(Command::Record(record));
        let out = &mut self.out;
        statistics.count(&gateway.policy, facts, &mut |statistic, more| {
            out.push(Command::Count(statistic, more));
        });
        Action::Pause
    }
}
