//! One request: Envoy's callbacks in, decisions of the core applied. Whatever can't be applied refuses the request.

use crate::apply::{answer, edit, strip_trailers};
use crate::holding::Room;
use crate::host::{self, Buffer, Map, Status};
use crate::response::Answering;
use crate::root::Worker;
use crate::shared::Cells;
use crate::vm::Action;
use crate::watch::Copied;
use gatewaystack_core::authenticate::Fetched;
use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::decision::{Decision, Observed, Read};
use gatewaystack_core::exchange::{Exchange, GaveUp, World};
use gatewaystack_core::rate_limit::service::Answer as Counted;
use gatewaystack_core::rate_limit::service::Question;
use gatewaystack_core::rate_limit::{Counters, address};
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// The filter state by which the bootstrap knows a request that was held.
const HELD: &str = "gatewaystack_held";

/// The state of one request, which the root reaches when it was held.
pub struct Stream {
    /// The context's id.
    pub id: u32,
    pub(crate) exchange: RefCell<Exchange>,
    started_ns: Cell<u64>,
    /// Whether the request may go on: only a permit (or shadow mode) sets it.
    forwarded: Cell<bool>,
    /// Whether its headers have left before its body was judged.
    let_go: Cell<bool>,
    /// Its headers were all of it.
    bodiless: Cell<bool>,
    /// Trailers have come while the request was held: Envoy won't show them again.
    trailers: Cell<bool>,
    pub(crate) reading: RefCell<Reading>,
    /// A good token says who sends it.
    vouched: Cell<bool>,
    /// It has waited for keys.
    waited: Cell<bool>,
    /// What the rate limit service was asked for it, while it hasn't answered.
    pub(crate) asked: Cell<Option<u32>>,
    pub(crate) answering: RefCell<Answering>,
    /// The host is done with it, maybe inside a call of ours: nothing of it may be touched any more.
    ended: Cell<bool>,
    /// A text of ours is on its way into the host's buffer.
    pub(crate) replacing: Cell<bool>,
}

/// Whether the request's body is being read.
#[derive(Default)]
pub(crate) enum Reading {
    /// Nothing of it is wanted.
    #[default]
    Nothing,
    /// At most so many bytes of it, which wait for what is decided.
    Body(usize),
    /// It passes, and is copied.
    Watch(Copied),
}

/// The context of one request.
pub struct HttpFilter {
    stream: Rc<Stream>,
    worker: Option<Rc<Worker>>,
}

impl HttpFilter {
    /// A request to a plugin that is configured, or to one that isn't: that one is refused.
    pub fn new(id: u32, worker: Option<Rc<Worker>>) -> Self {
        let stream = Stream {
            id,
            exchange: RefCell::new(Exchange::AwaitHeaders),
            started_ns: Cell::new(0),
            forwarded: Cell::new(false),
            let_go: Cell::new(false),
            bodiless: Cell::new(false),
            trailers: Cell::new(false),
            reading: RefCell::default(),
            vouched: Cell::new(false),
            waited: Cell::new(false),
            asked: Cell::new(None),
            answering: RefCell::new(Answering::Passing),
            ended: Cell::new(false),
            replacing: Cell::new(false),
        };
        Self { stream: Rc::new(stream), worker }
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
            Decision::Await(issuer) => self.hold(worker, issuer),
            Decision::Ask(question) => match self.stream.ask(worker, &question) {
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
            Ok(body) => {
                self.stream.decide(worker, |exchange, world| exchange.on_body(world, body.as_deref()))
            }
            Err(_) => self.stream.decide(worker, Exchange::fault),
        };
        self.follow(worker, decision)
    }
}

impl Stream {
    /// The fetch that this request waited for has ended: runs in the root, with this context in effect. Answers whose keys it still needs.
    pub fn resume(self: &Rc<Self>, worker: &Worker, fetched: Fetched) -> Option<IssuerId> {
        self.waited.set(true);
        let decided = self.decide(worker, |exchange, world| exchange.on_keys(world, fetched));
        self.follow_held(worker, decided)
    }

    /// The rate limit service has answered, or hasn't: runs with this context in effect. Answers whose keys the request needs now.
    pub fn count(self: &Rc<Self>, worker: &Worker, answer: Counted) -> Option<IssuerId> {
        let decided = self.decide(worker, |exchange, world| exchange.on_limits(world, answer));
        self.follow_held(worker, decided)
    }

    /// Has the rate limit service asked; where that can't be: what is decided without it.
    fn ask(self: &Rc<Self>, worker: &Worker, question: &Question) -> Option<Decision> {
        if worker.ask(self, question) {
            return None;
        }
        Some(self.decide(worker, |exchange, world| exchange.on_limits(world, Counted::Nothing)))
    }

    /// Does what was decided about a request that was held.
    fn follow_held(self: &Rc<Self>, worker: &Worker, decided: Decision) -> Option<IssuerId> {
        let decided = match decided {
            Decision::Ask(question) => self.ask(worker, &question)?,
            decided => decided,
        };
        if let Decision::Await(issuer) = &decided {
            return Some(*issuer);
        }
        worker.held.forget(self.id);
        let mut applied = self.apply(worker, decided);
        if self.ended.get() {
            return None;
        }
        let reads = || self.cap().is_some();
        if reads() && self.let_go.get() && self.bodiless.get() {
            applied = self.judge_nothing(worker);
        }
        let goes_on = self.forwarded.get() || self.let_go.get() && reads();
        let answered = matches!(applied, Ok(Action::Pause)) && !reads();
        if !answered && (!goes_on || self.go_on(worker).is_err()) {
            self.reset();
        }
        None
    }

    /// Judges the body that a request without one has.
    fn judge_nothing(self: &Rc<Self>, worker: &Worker) -> Result<Action, Status> {
        self.reading.take();
        let decided = match self.decide(worker, |exchange, world| exchange.on_body(world, Some(b""))) {
            Decision::Ask(question) => match self.ask(worker, &question) {
                None => return Ok(Action::Pause),
                Some(decided) => decided,
            },
            decided => decided,
        };
        match decided {
            // It has waited once.
            Decision::Await(_) => Ok(self.give_up(worker)),
            decision => self.apply(worker, decision),
        }
    }

    /// Lets go of a held request, with the trailers that waited with it.
    fn go_on(&self, worker: &Worker) -> Result<(), Status> {
        if self.ended.get() {
            return Ok(());
        }
        if self.trailers.get() {
            strip_trailers(worker)?;
        }
        host::continue_request()
    }

    /// A held request that can't wait any longer.
    pub fn give_up(&self, worker: &Worker) -> Action {
        let refused = self.decide(worker, |exchange, world| exchange.on_keys(world, Fetched::Failed));
        self.apply(worker, refused).unwrap_or_else(|_| self.reset())
    }

    /// The last resort where no answer can be sent.
    pub(crate) fn reset(&self) -> Action {
        if !self.ended.get() {
            host::reset();
        }
        Action::Pause
    }

    /// The request isn't held any longer: it is answered, with this context in effect.
    pub fn stop(&self, worker: &Worker, why: GaveUp) {
        if !self.is_waiting() {
            return;
        }
        self.reading.take();
        let refused = self.decide(worker, |exchange, world| exchange.give_up(world, why));
        if self.apply(worker, refused).is_err() {
            self.reset();
        }
    }

    /// Whether something is still to be decided.
    fn is_waiting(&self) -> bool {
        match *self.exchange.borrow() {
            Exchange::AwaitKeys(_) | Exchange::AwaitLimits(_) | Exchange::AwaitBody(_) => true,
            Exchange::AwaitHeaders | Exchange::Watched(_) | Exchange::Forwarded(_) | Exchange::Replied(_) => {
                false
            }
        }
    }

    /// How much of the body is held and read; `None`: nothing is.
    fn cap(&self) -> Option<usize> {
        match &*self.reading.borrow() {
            Reading::Body(cap) => Some(*cap),
            Reading::Nothing | Reading::Watch(_) => None,
        }
    }

    /// Runs one transition of the exchange with the world as it is now. Without a clock no token can be judged: the request is refused.
    fn decide(
        &self,
        worker: &Worker,
        step: impl FnOnce(Exchange, &World<'_>) -> (Exchange, Decision),
    ) -> Decision {
        self.decide_at(worker, host::now_ns(), step, Exchange::fault)
    }

    /// The same at a time that is known, and what follows without a clock.
    pub(crate) fn decide_at(
        &self,
        worker: &Worker,
        now: Result<u64, Status>,
        step: impl FnOnce(Exchange, &World<'_>) -> (Exchange, Decision),
        without_clock: impl FnOnce(Exchange, &World<'_>) -> (Exchange, Decision),
    ) -> Decision {
        let now_ms = now.as_ref().map_or(0, |now| now / 1_000_000);
        in_world(worker, now_ms, |world| {
            let exchange = self.exchange.take();
            let (next, decision) =
                if now.is_ok() { step(exchange, world) } else { without_clock(exchange, world) };
            self.exchange.replace(next);
            decision
        })
    }

    /// Does what was decided. An edit that the host refuses turns the permit into a refusal.
    fn apply(&self, worker: &Worker, decision: Decision) -> Result<Action, Status> {
        match decision {
            Decision::Forward(_) if self.let_go.get() => {
                // What the permit would change has left already, changed in the same way.
                self.forwarded.set(true);
                Ok(Action::Continue)
            }
            Decision::Forward(permit) => match edit(permit.edits()) {
                Ok(()) => {
                    self.forwarded.set(true);
                    Ok(Action::Continue)
                }
                Err(_) => self.fail(worker),
            },
            // Shadow mode never refuses, not even for a fault of ours; what spoofs an identity must go all the same, in the query, too.
            Decision::Observe(Observed { edits, watch }) => {
                if edit(&edits).is_err() && (!edits.remove.is_empty() || edits.path.is_some()) {
                    return self.fail(worker);
                }
                if let Some(cap) = watch {
                    self.reading.replace(Reading::Watch(Copied::new(cap, &worker.room)));
                }
                self.forwarded.set(true);
                Ok(Action::Continue)
            }
            Decision::Reply(reply) => answer(&reply).map(|()| Action::Pause),
            // The caller holds the request.
            Decision::Await(_) | Decision::Ask(_) => Ok(Action::Pause),
            Decision::Read(Read { cap, let_go, vouched }) => {
                self.vouched.set(vouched);
                // The host can't hold the headers: they leave as they may, and the body waits.
                if let Some(edits) = &let_go
                    && edit(edits).is_err()
                {
                    return self.fail(worker);
                }
                self.reading.replace(Reading::Body(cap));
                self.let_go.set(let_go.is_some());
                Ok(if let_go.is_some() { Action::Continue } else { Action::Pause })
            }
        }
    }

    fn fail(&self, worker: &Worker) -> Result<Action, Status> {
        match self.decide(worker, Exchange::fault) {
            Decision::Reply(reply) => answer(&reply).map(|()| Action::Pause),
            _ => Err(host::GARBAGE),
        }
    }
}

/// Runs something in the world as it is at this time.
pub(crate) fn in_world<R>(worker: &Worker, now_ms: u64, run: impl FnOnce(&World<'_>) -> R) -> R {
    let counters =
        Counters { table: &Cells, secret: worker.secret, evicted: Cell::new(0), uncounted: Cell::new(0) };
    let keys = worker.keys.borrow();
    let world = World {
        policy: &worker.policy,
        keys: &keys,
        tokens: &worker.tokens,
        verifier: worker.verifier(),
        counters: &counters,
        address: &source_address,
        now_ms,
        cache_hits: Cell::new(0),
    };
    let result = run(&world);
    worker.metrics.add_cache_hits(world.cache_hits.get());
    worker.metrics.add_evictions(counters.evicted.get());
    worker.metrics.add_uncounted(counters.uncounted.get());
    result
}

fn source_address() -> IpAddr {
    let property = host::property("source\0address").ok().flatten();
    let text = property.and_then(|bytes| String::from_utf8(bytes).ok());
    // All clients without an address (a Unix socket's) are counted as one.
    text.and_then(|t| address::parse(&t)).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
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
            worker.held.forget(self.stream.id);
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
        for (name, value) in self.stream.exchange.borrow().response() {
            // The upstream may vary by more than the origin.
            let write = if *name == "vary" { host::add_header } else { host::set_header };
            let _ = write(Map::ResponseHeaders, name, value);
        }
        match &self.worker {
            Some(worker) if self.stream.exchange.borrow().judges_answer() => self.stream.treat(worker, end),
            _ => Action::Continue,
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
