//! A stream, and one event on its way: what is decided, and what follows for the request.

use super::response_state::ResponseState;
use crate::command::{Action, Command, RateLimitCall, Statistic};
use crate::copies::Copied;
use crate::view::View;
use crate::worker::Worker;
use gatewaystack_core::authenticate::Fetched;
use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::decision::{BodyRead, Decision, Observed, Wait};
use gatewaystack_core::exchange::{Arrival, Exchange, GaveUp, Judged};
use gatewaystack_core::rate_limit::service::{RateLimitRequest, RateLimitResponse};
use gatewaystack_core::world::World;

/// One request and its answer.
#[derive(Debug)]
pub struct Stream {
    pub(super) id: u32,
    pub(super) exchange: Exchange,
    pub(super) phase: Phase,
    pub(super) came: Progress,
    pub(super) response_state: ResponseState,
    /// What the rate limit service was asked for it, while it hasn't answered.
    pub(super) call: Option<u32>,
    /// What is left to do of an event, while it isn't known whether the service could be asked.
    pub(super) left: Option<Left>,
    /// A text of ours is on its way into the host's buffer.
    pub(super) replacing: bool,
}

/// What becomes of the request.
#[derive(Debug, Default)]
pub(super) enum Phase {
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

/// What is left to do of an event once a decision is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// The request's headers; `end`: nothing follows them.
    Headers { end: bool },
    /// A part of its body, of which the host holds so many bytes.
    Body { size: usize },
    /// Its trailers, with which its body was judged.
    Trailers,
    /// What it waited for has come.
    Resumed,
    /// The same, and the body that it doesn't have was judged.
    ResumedWithout,
}

/// What has come of the request so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// When, in nanoseconds.
    pub started_ns: u64,
    /// Its headers were all of it.
    pub bodiless: bool,
    /// Trailers, while it was held: the host won't show them again.
    pub trailers: bool,
    /// Keys or the feed, which it has waited for.
    pub fetched: bool,
    /// A good token says who sends it.
    pub vouched: bool,
    /// Its headers have left before its body was judged.
    pub headers_left: bool,
    /// The host was told that it is held.
    pub noted: bool,
    /// Its body has come, or is over its cap.
    pub judged_body: bool,
    /// The headers of its answer.
    pub answer: bool,
}

impl Stream {
    /// A request of which nothing has come; `id`: the host's number.
    pub fn new(id: u32) -> Self {
        Self {
            id,
            exchange: Exchange::default(),
            phase: Phase::default(),
            came: Progress::default(),
            response_state: ResponseState::default(),
            call: None,
            left: None,
            replacing: false,
        }
    }
}

/// One event, on its way.
pub(super) struct Transition<'a> {
    pub stream: &'a mut Stream,
    pub worker: &'a mut Worker,
    pub view: &'a dyn View,
    pub out: Vec<Command>,
}

impl Transition<'_> {
    /// Without a clock everything is long ago.
    pub(super) fn now_ms(&self) -> u64 {
        self.view.now_ns().unwrap_or_default() / 1_000_000
    }

    /// Whether the request may go on.
    pub(super) fn passes(&self) -> bool {
        matches!(self.stream.phase, Phase::Passing | Phase::Copying(_))
    }

    /// Held or answered: nothing of the request may go on.
    pub(super) fn gate(&self) -> Action {
        if self.passes() { Action::Continue } else { Action::Pause }
    }

    /// How much of the body is held and read; `None`: nothing is.
    pub(super) fn cap(&self) -> Option<usize> {
        if let Phase::Reading(cap) = self.stream.phase { Some(cap) } else { None }
    }

    /// Runs one transition of the exchange in the world as it is now. Without a clock no token can be judged:
    /// the request is refused.
    pub(super) fn decide(&mut self, transition: impl FnOnce(Exchange, &World<'_>) -> Judged) -> Decision {
        self.decide_at(self.view.now_ns(), transition, Exchange::fault)
    }

    /// The same at a time that is known, and what follows without a clock.
    pub(super) fn decide_at(
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
        if self.worker.gateway.policy.own.otlp.is_some() {
            self.note();
        }
        judged.decision
    }

    /// What a span says, which is ended before the record is written. What is decided anew is noted anew.
    fn note(&mut self) {
        let exchange = &self.stream.exchange;
        let Some(facts) = exchange.facts().filter(|_| !exchange.is_waiting()) else { return };
        let attributes = facts.attributes(&self.worker.gateway.policy);
        let note = |(name, value): (&'static str, Option<&str>)| Some(Command::Note(name, value?.to_owned()));
        self.out.extend(attributes.into_iter().filter_map(note));
    }

    /// Holds the request until something has come: the one place that knows how each is come by.
    fn wait(&mut self, wait: Wait) -> Action {
        match wait {
            Wait::Keys(issuer) => self.wait_for_keys(issuer),
            Wait::Feed => self.wait_for_feed(),
            Wait::Limits(question) => match self.ask(question) {
                // Until the host says whether the service could be asked.
                None => Action::Pause,
                Some(decision) => self.apply(decision),
            },
            Wait::Body(read) => self.read(read),
        }
    }

    /// Nothing of it goes on for now.
    pub(super) fn hold(&mut self) -> Action {
        // Once is enough, and what has come whole can't be too large.
        let came = &mut self.stream.came;
        if !came.noted && !came.judged_body {
            came.noted = true;
            self.out.push(Command::NoteHeld);
        }
        Action::Pause
    }

    /// Holds the request until its issuer's keys are there, where there is room.
    fn wait_for_keys(&mut self, issuer: IssuerId) -> Action {
        let now_ms = self.now_ms();
        let worker = &mut *self.worker;
        if !worker.waiters.add(self.stream.id, issuer, &worker.keys, now_ms) {
            return self.give_up();
        }
        self.out.push(Command::Wake);
        self.hold()
    }

    /// Holds the request until it is known who is blocked, where there is room.
    fn wait_for_feed(&mut self) -> Action {
        let now_ms = self.now_ms();
        if self.worker.waiters.add_for_feed(self.stream.id, now_ms) {
            self.out.push(Command::Wake);
            return self.hold();
        }
        let refused = self.decide(|exchange, world| exchange.give_up(world, GaveUp::Feed));
        self.apply(refused)
    }

    /// Reads its body. Where the host can't hold the headers, they leave as they may, and the body waits.
    fn read(&mut self, read: BodyRead) -> Action {
        let BodyRead { cap, let_go, vouched } = read;
        self.stream.came.vouched = vouched;
        self.stream.phase = Phase::Reading(cap);
        self.stream.came.headers_left = let_go.is_some();
        match let_go {
            Some(edits) => {
                self.out.push(Command::Edit { edits, must: true });
                Action::Continue
            }
            None => Action::Pause,
        }
    }

    /// Whether the last thing to do is a call, of which the host will say whether it could be made.
    pub(super) fn is_calling(&self) -> bool {
        matches!(self.out.last(), Some(Command::CallRateLimit(_)))
    }

    /// Whether it waits for something else than its body.
    pub(super) fn is_held(&self) -> bool {
        self.stream.exchange.is_waiting() && self.cap().is_none()
    }

    /// A request that can't wait for keys.
    pub(super) fn give_up(&mut self) -> Action {
        let failed = Arrival::Keys(Fetched::Failed);
        let refused = self.decide(|exchange, world| exchange.resume(world, failed));
        self.apply(refused)
    }

    /// Has the rate limit service asked; where that can't be: what is decided without it.
    fn ask(&mut self, question: RateLimitRequest) -> Option<Decision> {
        // Limits over machines are users' and tenants': who is asked about is known.
        self.stream.came.vouched = true;
        let now_ms = self.now_ms();
        let service = self.worker.gateway.policy.limit_service.as_ref();
        let ask =
            service.map(|s| RateLimitCall { cluster: s.cluster.clone(), timeout_ms: s.timeout_ms, question });
        self.count(self.worker.statistics.asked());
        match ask.filter(|_| self.worker.calls.has_room(now_ms)) {
            Some(ask) => {
                self.out.push(Command::CallRateLimit(ask));
                None
            }
            None => Some(self.unasked()),
        }
    }

    /// The service can't be asked.
    pub(super) fn unasked(&mut self) -> Decision {
        self.count(self.worker.statistics.unanswered());
        let nothing = Arrival::Limits(RateLimitResponse::Nothing);
        self.decide(|exchange, world| exchange.resume(world, nothing))
    }

    pub(super) fn count(&mut self, statistic: Option<Statistic>) {
        self.out.extend(statistic.map(|statistic| Command::Count(statistic, 1)));
    }

    /// Does what was decided, or holds the request.
    pub(super) fn apply(&mut self, decision: Decision) -> Action {
        match decision {
            Decision::Forward(permit) => {
                // Of headers that have left, what the permit would change has been changed in the same way.
                if !self.stream.came.headers_left {
                    self.out.push(Command::Edit { edits: permit.into_edits(), must: true });
                }
                self.stream.phase = Phase::Passing;
                if let Some(guest) = self.stream.exchange.take_guest() {
                    self.worker.guests.add(self.stream.id, guest);
                }
                Action::Continue
            }
            // Shadow mode never refuses, not even for a fault of ours; what spoofs an identity must go all
            // the same, in the query, too.
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
            Decision::Wait(wait) => self.wait(wait),
        }
    }

    /// The host can't do what was decided: it is refused.
    pub(super) fn fail(&mut self) -> Action {
        self.stream.phase = Phase::Held;
        let refused = self.decide(Exchange::fault);
        self.apply(refused)
    }

    /// The last resort where no answer can be sent.
    pub(super) fn reset(&mut self) -> Action {
        self.out.push(Command::Reset);
        Action::Pause
    }
}
