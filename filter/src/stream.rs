//! The state of one request and what is done with it, whether Envoy calls or the root lets it go: decisions of the core applied. Whatever can't be applied refuses
//! the request.

use crate::apply::{answer, edit, strip_trailers};
use crate::host::{self, Status};
use crate::response::Answering;
use crate::root::Worker;
use crate::shared::Cells;
use crate::vm::Action;
use crate::watch::Copied;
use gatewaystack_core::authenticate::Fetched;
use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::decision::{Decision, Observed, Read, Wait};
use gatewaystack_core::exchange::{Arrival, Exchange, GaveUp, Judged};
use gatewaystack_core::rate_limit::service::{Answer as Counted, Question};
use gatewaystack_core::rate_limit::{Counters, address};
use gatewaystack_core::world::World;
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// The state of one request, which the root reaches when it was held.
pub struct Stream {
    /// The context's id.
    pub id: u32,
    pub(crate) exchange: RefCell<Exchange>,
    pub(crate) started_ns: Cell<u64>,
    /// Whether the request may go on: only a permit (or shadow mode) sets it.
    pub(crate) forwarded: Cell<bool>,
    /// Whether its headers have left before its body was judged.
    pub(crate) let_go: Cell<bool>,
    /// Its headers were all of it.
    pub(crate) bodiless: Cell<bool>,
    /// Trailers have come while the request was held: Envoy won't show them again.
    pub(crate) trailers: Cell<bool>,
    pub(crate) reading: RefCell<Reading>,
    /// A good token says who sends it.
    pub(crate) vouched: Cell<bool>,
    /// It has waited for keys.
    pub(crate) waited: Cell<bool>,
    /// What the rate limit service was asked for it, while it hasn't answered.
    pub(crate) asked: Cell<Option<u32>>,
    pub(crate) answering: RefCell<Answering>,
    /// The host is done with it, maybe inside a call of ours: nothing of it may be touched any more.
    pub(crate) ended: Cell<bool>,
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

impl Stream {
    /// A request of which nothing has come.
    pub fn new(id: u32) -> Self {
        Self {
            id,
            exchange: RefCell::new(Exchange::New),
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
        }
    }

    /// The fetch that this request waited for has ended: runs in the root, with this context in effect. Answers whose keys it still needs.
    pub fn resume(self: &Rc<Self>, worker: &Worker, fetched: Fetched) -> Option<IssuerId> {
        if !self.is_waiting() {
            return None;
        }
        self.waited.set(true);
        let decided = self.decide(worker, |exchange, world| exchange.resume(world, Arrival::Keys(fetched)));
        self.follow_held(worker, decided)
    }

    /// The rate limit service has answered, or hasn't: runs with this context in effect. Answers whose keys the request needs now.
    pub fn count(self: &Rc<Self>, worker: &Worker, answer: Counted) -> Option<IssuerId> {
        if !self.is_waiting() {
            return None;
        }
        let decided = self.decide(worker, |exchange, world| exchange.resume(world, Arrival::Limits(answer)));
        self.follow_held(worker, decided)
    }

    /// Has the rate limit service asked; where that can't be: what is decided without it.
    pub(crate) fn ask(self: &Rc<Self>, worker: &Worker, question: &Question) -> Option<Decision> {
        // Limits over machines are users' and tenants': whoever is asked about is known.
        self.vouched.set(true);
        if worker.ask(self, question) {
            return None;
        }
        let nothing = Arrival::Limits(Counted::Nothing);
        Some(self.decide(worker, |exchange, world| exchange.resume(world, nothing)))
    }

    /// Does what was decided about a request that was held.
    fn follow_held(self: &Rc<Self>, worker: &Worker, decided: Decision) -> Option<IssuerId> {
        let decided = match decided {
            Decision::Wait(Wait::Limits(question)) => self.ask(worker, &question)?,
            decided => decided,
        };
        if let Decision::Wait(Wait::Keys(issuer)) = &decided {
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
        let nothing = Arrival::Body(Some(b""));
        let decided = match self.decide(worker, |exchange, world| exchange.resume(world, nothing)) {
            Decision::Wait(Wait::Limits(question)) => match self.ask(worker, &question) {
                None => return Ok(Action::Pause),
                Some(decided) => decided,
            },
            decided => decided,
        };
        match decided {
            // It has waited once.
            Decision::Wait(Wait::Keys(_)) => Ok(self.give_up(worker)),
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
        let failed = Arrival::Keys(Fetched::Failed);
        let refused = self.decide(worker, |exchange, world| exchange.resume(world, failed));
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
        worker.forget(self);
        self.reading.take();
        let refused = self.decide(worker, |exchange, world| exchange.give_up(world, why));
        if self.apply(worker, refused).is_err() {
            self.reset();
        }
    }

    /// Whether something is still to be decided.
    pub(crate) fn is_waiting(&self) -> bool {
        self.exchange.borrow().is_waiting()
    }

    /// How much of the body is held and read; `None`: nothing is.
    pub(crate) fn cap(&self) -> Option<usize> {
        match &*self.reading.borrow() {
            Reading::Body(cap) => Some(*cap),
            Reading::Nothing | Reading::Watch(_) => None,
        }
    }

    /// Runs one transition of the exchange with the world as it is now. Without a clock no token can be judged: the request is refused.
    pub(crate) fn decide(
        &self,
        worker: &Worker,
        step: impl FnOnce(Exchange, &World<'_>) -> Judged,
    ) -> Decision {
        self.decide_at(worker, host::now_ns(), step, Exchange::fault)
    }

    /// The same at a time that is known, and what follows without a clock.
    pub(crate) fn decide_at(
        &self,
        worker: &Worker,
        now: Result<u64, Status>,
        step: impl FnOnce(Exchange, &World<'_>) -> Judged,
        without_clock: impl FnOnce(Exchange, &World<'_>) -> Judged,
    ) -> Decision {
        let now_ms = now.as_ref().map_or(0, |now| now / 1_000_000);
        in_world(worker, now_ms, |world| {
            let exchange = self.exchange.take();
            let judged = if now.is_ok() { step(exchange, world) } else { without_clock(exchange, world) };
            self.exchange.replace(judged.exchange);
            worker.metrics.add(judged.tally);
            judged.decision
        })
    }

    /// Does what was decided. An edit that the host refuses turns the permit into a refusal.
    pub(crate) fn apply(&self, worker: &Worker, decision: Decision) -> Result<Action, Status> {
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
            Decision::Wait(Wait::Keys(_) | Wait::Limits(_)) => Ok(Action::Pause),
            Decision::Wait(Wait::Body(Read { cap, let_go, vouched })) => {
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

    pub(crate) fn fail(&self, worker: &Worker) -> Result<Action, Status> {
        match self.decide(worker, Exchange::fault) {
            Decision::Reply(reply) => answer(&reply).map(|()| Action::Pause),
            _ => Err(host::GARBAGE),
        }
    }
}

/// Runs something in the world as it is at this time.
pub(crate) fn in_world<R>(worker: &Worker, now_ms: u64, run: impl FnOnce(&World<'_>) -> R) -> R {
    let counters = Counters { table: &Cells, secret: worker.secret };
    let keys = worker.keys.borrow();
    let world = World {
        policy: &worker.policy,
        keys: &keys,
        tokens: &worker.tokens,
        verifier: worker.verifier(),
        counters: &counters,
        address: &source_address,
        now_ms,
    };
    run(&world)
}

fn source_address() -> IpAddr {
    let property = host::property("source\0address").ok().flatten();
    // All clients without an address (a Unix socket's) are counted as one.
    address::of_source(property).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
