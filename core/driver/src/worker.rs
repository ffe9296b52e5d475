//! What one worker owns: its keys, the tokens that it has verified, and what waits in it. Only one thread at
//! a time has it.

use crate::bodies::Bodies;
use crate::calls::Calls;
use crate::claims::{self, Claim};
use crate::command::Statistic;
use crate::copies::Copies;
use crate::event::Arrived;
use crate::feed::{Followed, Follower};
use crate::fetches::{Fetched, Fetches, get, status_and_age};
use crate::gateway::Gateway;
use crate::guests::Guests;
use crate::outbox::{self, Outbox};
use crate::statistics::{MAX_TOOLS, Statistics};
use crate::waiters::Waiters;
use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::feed::Barred;
use gatewaystack_core::feed::control::TIMEOUT_MS as FEED_TIMEOUT_MS;
use gatewaystack_core::jwks::KeyRing;
pub use gatewaystack_core::jwks::MAX_DOCUMENT;
use gatewaystack_core::jwks::discovery::Next;
use gatewaystack_core::rate_limit::Counters;
use gatewaystack_core::rate_limit::service::RateLimitResponse;
use gatewaystack_core::request::Headers;
use gatewaystack_core::token_cache::TokenCache;
use gatewaystack_core::world::World;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

mod keys;
mod records;

/// Ticks in milliseconds: while keys are missing, and later.
const TICKS: (u32, u32) = (100, 1_000);
/// What a worker is woken by.
pub const MAILBOXES: &str = "mailbox";

/// Where it goes, its headers and its body.
type Question = (String, Vec<(&'static str, String)>, Vec<u8>);

/// What has happened to a worker.
#[derive(Debug)]
pub enum WorkerEvent {
    /// Time has passed, or somebody woke it.
    Poll,
    /// It is woken by what is in its place from now on.
    Listening,
    /// A fetch is under way, by the call of this number; `None`: it can't be sent.
    Sent(usize, Option<u32>),
    /// A fetch has ended.
    Fetched {
        /// The call's number.
        token: u32,
        /// The answer's headers.
        headers: Headers,
        /// Its body, and of one that is longer than [`MAX_DOCUMENT`] a byte more than that.
        body: Vec<u8>,
    },
    /// The rate limit service has answered the call of this number, or won't.
    Counted(u32, RateLimitResponse),
    /// Those that were let go have gone on.
    MakeRoom,
}

impl WorkerEvent {
    fn needs_no_clock(&self) -> bool {
        match self {
            Self::Listening | Self::Counted(..) => true,
            Self::Poll | Self::Sent(..) | Self::Fetched { .. } | Self::MakeRoom => false,
        }
    }
}

/// What follows for a worker.
#[derive(Debug)]
pub enum WorkerCommand {
    /// Ask an issuer, or the sidecar, or send it something; [`WorkerEvent::Sent`] has the number of the call.
    Fetch {
        /// Which fetch.
        fetch: usize,
        /// Where the issuer is.
        cluster: String,
        /// The request's headers.
        headers: Vec<(&'static str, String)>,
        /// Its body; empty: it has none.
        body: Vec<u8>,
        /// How long it may take.
        timeout_ms: u64,
    },
    /// What a stream waited for has come.
    Resume(u32, Arrived),
    /// Whom a stream is of is barred by now.
    Bar(u32, Barred),
    /// [`WorkerEvent::MakeRoom`], now.
    MakeRoom,
    /// Be woken by what is in this place; [`WorkerEvent::Listening`] says that it is so.
    Listen(usize),
    /// Wake the workers of these places.
    Wake(Vec<usize>),
    /// Tick so often from now on.
    Tick(u32),
    /// Add to a statistic.
    Count(Statistic, u32),
    /// Set a statistic.
    Set(Statistic, u64),
    /// Tell the operator.
    Warn(String),
}

/// A worker.
pub struct Worker {
    /// What all workers share.
    pub gateway: Arc<Gateway>,
    /// Statistics.
    pub statistics: Statistics,
    pub(crate) keys: KeyRing,
    tokens: RefCell<TokenCache>,
    follower: Follower,
    pub(crate) guests: Guests,
    pub(crate) waiters: Waiters,
    pub(crate) bodies: Bodies,
    pub(crate) copies: Copies,
    pub(crate) calls: Calls,
    fetches: Fetches,
    outbox: Outbox,
    holder: u64,
    /// How many records it has made.
    records: u64,
    mailbox: Claim,
    is_listening: bool,
    tick: u32,
    has_told: bool,
}

impl Worker {
    /// A worker that has nothing yet; `holder`: a number that no other worker has.
    pub fn new(gateway: Arc<Gateway>, holder: u64) -> Self {
        Self {
            statistics: Statistics::new(&gateway.policy),
            keys: KeyRing::new(&gateway.policy),
            tokens: RefCell::default(),
            follower: Follower::default(),
            guests: Guests::default(),
            waiters: Waiters::default(),
            bodies: Bodies::default(),
            copies: Copies::default(),
            calls: Calls::default(),
            fetches: Fetches::default(),
            outbox: Outbox::default(),
            holder,
            records: 0,
            mailbox: Claim::new(MAILBOXES, holder),
            is_listening: false,
            tick: TICKS.0,
            has_told: false,
            gateway,
        }
    }

    /// How often it ticks at first, in milliseconds.
    pub fn first_tick() -> u32 {
        TICKS.0
    }

    /// Runs something in the world as it is at this time.
    pub(crate) fn in_world<R>(
        &self,
        now_ms: u64,
        address: &dyn Fn() -> Option<IpAddr>,
        run: impl FnOnce(&World<'_>) -> R,
    ) -> R {
        let counters = Counters { table: &*self.gateway.table, secret: self.gateway.secret };
        // All clients without an address (a Unix socket's) are counted as one.
        let address = || address().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        run(&World {
            policy: &self.gateway.policy,
            keys: &self.keys,
            tokens: &self.tokens,
            feed: &self.follower.feed,
            session_secret: self.gateway.session_secret,
            verifier: &*self.gateway.verifier,
            counters: &counters,
            address: &address,
            now_ms,
        })
    }

    /// Who makes the next record, and its number.
    pub(crate) fn number_record(&mut self) -> (u64, u64) {
        self.records += 1;
        (self.holder, self.records)
    }

    #[cfg(test)]
    pub(crate) fn is_fetching(&self) -> bool {
        !self.fetches.is_empty()
    }

    /// An event that can't be handled: no fetch waits for it.
    fn lose(&mut self, event: &WorkerEvent) {
        match event {
            WorkerEvent::Sent(number, _) => self.lose_fetch(|fetches| fetches.sent(*number, None)),
            WorkerEvent::Fetched { token, .. } => self.lose_fetch(|fetches| fetches.end(*token)),
            WorkerEvent::Poll | WorkerEvent::MakeRoom | WorkerEvent::Listening | WorkerEvent::Counted(..) => {
            }
        }
    }

    fn lose_fetch(&mut self, end: impl FnOnce(&mut Fetches) -> Option<Fetched>) {
        if let Some(Fetched::Records) = end(&mut self.fetches) {
            // They go again.
            self.outbox.answered(None, 0);
        }
    }

    /// What follows from an event; without a clock, of what needs none.
    pub fn on(&mut self, event: WorkerEvent, now_ms: Option<u64>) -> Vec<WorkerCommand> {
        let mut out = Vec::new();
        let Some(now_ms) = now_ms.or_else(|| event.needs_no_clock().then_some(0)) else {
            self.lose(&event);
            return out;
        };
        match event {
            WorkerEvent::Poll => self.poll(now_ms, &mut out),
            WorkerEvent::Listening => self.is_listening = true,
            WorkerEvent::Sent(number, token) => self.sent(number, token, now_ms, &mut out),
            WorkerEvent::Fetched { token, headers, body } => {
                self.fetched(token, &headers, &body, now_ms, &mut out);
            }
            WorkerEvent::Counted(token, answer) => {
                if let Some(stream) = self.calls.end(token) {
                    if answer == RateLimitResponse::Nothing {
                        out.extend(self.statistics.unanswered().map(|one| WorkerCommand::Count(one, 1)));
                    }
                    out.push(WorkerCommand::Resume(stream, Arrived::Limits(answer)));
                }
            }
            WorkerEvent::MakeRoom => {
                let patience = self.gateway.policy.body_timeout_ms;
                for (stream, why) in self.bodies.overdue(now_ms, patience, self.gateway.largest_body) {
                    self.bodies.forget(stream);
                    out.push(WorkerCommand::Resume(stream, Arrived::Nothing(why)));
                }
            }
        }
        out
    }

    /// Reads what others published, fetches what is due, and lets go whose wait is over.
    fn poll(&mut self, now_ms: u64, out: &mut Vec<WorkerCommand>) {
        self.tell(out);
        self.beat(now_ms, out);
        for at in 0..self.gateway.policy.issuers.len() {
            let issuer = IssuerId(at);
            let Some(control) = self.control(issuer) else { continue };
            self.sync(issuer, &control);
            self.fetch_if_due(issuer, &control, now_ms, out);
            if control.fetched_at > 0
                && let Some(age) = self.statistics.keys_age(issuer)
            {
                out.push(WorkerCommand::Set(age, now_ms.saturating_sub(control.fetched_at) / 1000));
            }
        }
        self.follow(now_ms, out);
        self.post(now_ms, out);
        let (feed, at) = (&self.follower.feed, self.follower.place());
        for (stream, why) in self.guests.barred(feed, at, self.gateway.secret, now_ms) {
            out.push(WorkerCommand::Bar(stream, why));
        }
        let has_feed = self.follower.is_known(&self.gateway, now_ms);
        for (stream, arrived) in self.waiters.ready(&self.keys, has_feed, now_ms) {
            out.push(WorkerCommand::Resume(stream, arrived));
        }
        out.push(WorkerCommand::MakeRoom);
        self.flush(out);
        let has_keys = (0..self.gateway.policy.issuers.len())
            .all(|at| self.keys.held(IssuerId(at)).is_some_and(|held| held.set.is_some()));
        let slow = self
            .gateway
            .policy
            .feed
            .as_ref()
            .map_or(TICKS.1, |feed| TICKS.1.min(u32::try_from(feed.interval_ms).unwrap_or(TICKS.1)));
        let slow = if self.gateway.policy.posts_to.is_some() { slow.min(outbox::TICK_MS) } else { slow };
        let wanted = if has_keys && has_feed && self.is_listening { slow } else { TICKS.0 };
        if self.tick != wanted {
            self.tick = wanted;
            out.push(WorkerCommand::Tick(wanted));
        }
    }

    /// Tells what statistics have remembered.
    pub fn flush(&mut self, out: &mut Vec<WorkerCommand>) {
        let uncounted =
            self.statistics.flush(&mut |statistic, more| out.push(WorkerCommand::Count(statistic, more)));
        if uncounted > 0 {
            out.push(WorkerCommand::Warn(format!(
                "the table of addresses is full: {uncounted} requests of others weren't counted by address"
            )));
        }
    }

    /// It is over: what others are to know, they find.
    pub fn end(&mut self, out: &mut Vec<WorkerCommand>) {
        self.flush(out);
        self.leave_records(out);
    }

    /// What holds from the start is told once.
    fn tell(&mut self, out: &mut Vec<WorkerCommand>) {
        if std::mem::replace(&mut self.has_told, true) {
            return;
        }
        out.push(WorkerCommand::Set(self.statistics.native(), u64::from(self.gateway.is_native)));
        let unnamed = self.statistics.unnamed_tools();
        if unnamed > 0 {
            out.push(WorkerCommand::Warn(format!(
                "{unnamed} tools are counted as (more): statistics have the names of {MAX_TOOLS} at most"
            )));
        }
    }

    fn beat(&mut self, now_ms: u64, out: &mut Vec<WorkerCommand>) {
        if self.mailbox.beat(&*self.gateway.table, now_ms) {
            self.is_listening = false;
        }
        if !self.is_listening
            && let Some(place) = self.mailbox.place()
        {
            out.push(WorkerCommand::Listen(place));
        }
    }

    /// Asks the sidecar who is blocked, where it is this worker's turn.
    fn follow(&mut self, now_ms: u64, out: &mut Vec<WorkerCommand>) {
        let gateway = Arc::clone(&self.gateway);
        let path = self.follower.poll(&gateway, self.holder, now_ms);
        if let Some(age) = self.statistics.feed_age() {
            out.push(WorkerCommand::Set(age, self.follower.feed.age_ms(now_ms) / 1000));
        }
        let Some(path) = path else { return };
        let Some(feed) = gateway.policy.feed.as_ref() else { return };
        let mut headers = get(false, "sidecar".to_owned(), path);
        headers.push(("x-gatewaystack-secret", gateway.sidecar_secret.clone()));
        self.fetch(Fetched::Feed, (feed.cluster.clone(), headers, Vec::new()), FEED_TIMEOUT_MS, out);
    }

    fn fetch(
        &mut self,
        what: Fetched,
        (cluster, headers, body): Question,
        timeout_ms: u64,
        out: &mut Vec<WorkerCommand>,
    ) {
        let fetch = self.fetches.begin(what);
        out.push(WorkerCommand::Fetch { fetch, cluster, headers, body, timeout_ms });
    }

    fn sent(&mut self, number: usize, token: Option<u32>, now_ms: u64, out: &mut Vec<WorkerCommand>) {
        match self.fetches.sent(number, token) {
            None => {}
            Some(Fetched::Keys(issuer, _)) => {
                let failed = Next::Failed("the host can't send the request: is the cluster there?");
                self.finish(issuer, failed, None, now_ms, out);
            }
            Some(Fetched::Feed) => self.followed(None, now_ms, out),
            Some(Fetched::Records) => self.posted(None, now_ms, out),
        }
    }

    /// The sidecar has answered, or won't.
    fn followed(&mut self, answer: Option<(u16, &[u8])>, now_ms: u64, out: &mut Vec<WorkerCommand>) {
        let gateway = Arc::clone(&self.gateway);
        let followed = self.follower.answered(&gateway, self.holder, answer, now_ms);
        out.extend(self.follower.warning(&followed).map(WorkerCommand::Warn));
        if followed == Followed::New {
            out.push(WorkerCommand::Wake(claims::claimed(&*gateway.table, MAILBOXES, now_ms)));
        }
    }

    fn fetched(
        &mut self,
        token: u32,
        headers: &Headers,
        body: &[u8],
        now_ms: u64,
        out: &mut Vec<WorkerCommand>,
    ) {
        let Some(what) = self.fetches.end(token) else { return };
        let (status, max_age) = status_and_age(headers);
        match what {
            Fetched::Keys(issuer, fetch) => {
                self.finish(issuer, fetch.answer(status, body), max_age, now_ms, out);
            }
            Fetched::Feed => self.followed(status.map(|status| (status, body)), now_ms, out),
            Fetched::Records => self.posted(status, now_ms, out),
        }
        self.poll(now_ms, out);
    }

    /// A request is gone: nothing waits for it any more.
    pub(crate) fn forget(&mut self, stream: u32, call: Option<u32>) {
        self.guests.forget(stream);
        self.waiters.forget(stream);
        self.bodies.forget(stream);
        if let Some(token) = call {
            self.calls.forget(token);
        }
    }
}
