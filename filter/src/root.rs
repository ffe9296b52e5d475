//! The root context: configuration, keys, and the requests that wait for them (ARCHITECTURE.md, "Keys").
//!
//! Fetches start here and only here, since one that a request owned would die with its client. Every tick and every wake-up runs
//! [`Root::poll`]: read what other workers published, fetch what is due, let go whoever has waited long enough.

mod asking;

use crate::holding::Held;
use crate::host::{self, Buffer, Map};
use crate::metrics::Metrics;
use crate::shared::{self, Cells, Mailbox};
use crate::stream::Stream;
use crate::verify::Native;
use crate::watch::Room;
use asking::Asked;
use gatewaystack_core::authenticate::Fetched;
use gatewaystack_core::config::{self, policy};
use gatewaystack_core::hash::Secret;
use gatewaystack_core::jwks::control::{self, Control, FETCH_TIMEOUT_MS};
use gatewaystack_core::jwks::discovery::{Fetch, Next, Request};
use gatewaystack_core::jwks::{self, KeyRing, MAX_DOCUMENT};
use gatewaystack_core::jwt::signature::{self, Portable, SignatureVerifier};
use gatewaystack_core::shared::swap;
use gatewaystack_core::token_cache::TokenCache;
use policy::{IssuerId, Policy};
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;

/// Requests that may wait in one worker.
const MAX_WAITERS: usize = 1_024;
/// Longest configuration.
const MAX_CONFIGURATION: usize = 4 * 1024 * 1024;
/// A held request waits for one request to the issuer, and a bit.
const MAX_WAIT_MS: u64 = FETCH_TIMEOUT_MS + 1_000;
/// Ticks in milliseconds: while keys are missing, and later.
const TICKS: (u32, u32) = (100, 1_000);

/// What the contexts of one plugin in one worker share.
pub struct Worker {
    /// The policy.
    pub policy: Policy,
    /// The process's secret.
    pub secret: Secret,
    /// Keys, parsed.
    pub keys: RefCell<KeyRing>,
    /// Verified tokens.
    pub tokens: RefCell<TokenCache>,
    /// Statistics.
    pub metrics: Metrics,
    /// For copies of bodies that are only watched.
    pub room: Room,
    /// Bodies that wait until they can be judged.
    pub held: Held,
    /// The largest body that the policy reads, in bytes.
    pub largest_body: usize,
    native: bool,
    root: u32,
    holder: u64,
    mailbox: Mailbox,
    waiters: RefCell<Vec<Waiter>>,
    /// Calls to the rate limit service that aren't over, by their tokens.
    asking: RefCell<Vec<Asked>>,
    tick: Cell<u32>,
}

struct Waiter {
    stream: Rc<Stream>,
    issuer: IssuerId,
    since: u64,
    generation: u64,
    failures: u64,
}

/// The waiter of a stream, of which there is one.
fn take(waiters: &mut Vec<Waiter>, stream: u32) -> Option<Waiter> {
    let at = waiters.iter().position(|waiter| waiter.stream.id == stream)?;
    Some(waiters.remove(at))
}

impl Worker {
    /// The verifier in use.
    pub fn verifier(&self) -> &'static dyn SignatureVerifier {
        if self.native { &Native } else { &Portable }
    }

    /// Holds a request until its issuer's keys were fetched. `false`: too many wait already.
    pub fn hold(&self, stream: &Rc<Stream>, issuer: IssuerId, now: u64) -> bool {
        let (generation, failures) =
            self.keys.borrow().held(issuer).map_or((0, 0), |h| (h.generation, u64::from(h.failures)));
        let waiter = Waiter { stream: Rc::clone(stream), issuer, since: now, generation, failures };
        let mut waiters = self.waiters.borrow_mut();
        drop(take(&mut waiters, stream.id));
        if waiters.len() >= MAX_WAITERS {
            return false;
        }
        waiters.push(waiter);
        drop(waiters);
        self.mailbox.wake_self();
        true
    }

    /// A request is gone.
    pub fn forget(&self, stream: &Stream) {
        let gone = self.waiters.try_borrow_mut().ok().and_then(|mut waiters| take(&mut waiters, stream.id));
        drop(gone);
        self.held.forget(stream.id);
        self.forget_call(stream);
    }

    /// Has the root refuse whoever must go for others, soon.
    pub fn want_room(&self) {
        self.mailbox.wake_self();
    }

    fn control(&self, issuer: IssuerId) -> Option<Control> {
        control::read(&Cells, &control::control_cell(self.policy.issuers.get(issuer.0)?)).ok()
    }

    /// Takes over what another worker published.
    fn sync(&self, issuer: IssuerId, control: &Control) {
        let known = self.keys.borrow().held(issuer).map_or(0, |h| h.generation);
        if control.generation != known {
            self.load(issuer, control);
        }
        let mut keys = self.keys.borrow_mut();
        let Some(held) = keys.held_mut(issuer) else { return };
        held.failures = u32::try_from(control.failures).unwrap_or(u32::MAX);
        held.next_at = control.next_at;
    }

    fn load(&self, issuer: IssuerId, control: &Control) {
        let Some(cell) = self.policy.issuers.get(issuer.0).map(control::document_cell) else { return };
        let document = host::shared_data(&cell).ok().flatten();
        // Other plugins can write where we write: what is read is parsed and judged like any document.
        let Some(set) = document.and_then(|(bytes, _)| jwks::parse(&bytes).ok()) else { return };
        self.tokens.borrow_mut().retain_keys(issuer, |key| set.contains(key));
        if let Some(held) = self.keys.borrow_mut().held_mut(issuer) {
            held.set = Some(set);
            held.fetched_at = control.fetched_at;
            held.generation = control.generation;
        }
    }

    /// Lets go every request whose wait is over.
    fn release(&self, now: u64) {
        let mut ready = Vec::new();
        for waiter in self.waiters.borrow().iter() {
            if let Some(fetched) = self.is_over(waiter, now) {
                ready.push((waiter.stream.id, fetched));
            }
        }
        for (id, fetched) in ready {
            let Some(waiter) = take(&mut self.waiters.borrow_mut(), id) else { continue };
            // A context that is gone can't be chosen: its request is gone, too.
            if host::set_effective_context(id).is_ok()
                && let Some(issuer) = waiter.stream.resume(self, fetched)
                && !self.hold(&waiter.stream, issuer, now)
            {
                waiter.stream.give_up(self);
            }
        }
        self.make_room(now);
        let _ = host::set_effective_context(self.root);
    }

    fn is_over(&self, waiter: &Waiter, now: u64) -> Option<Fetched> {
        let keys = self.keys.borrow();
        let held = keys.held(waiter.issuer)?;
        if held.generation != waiter.generation {
            return Some(Fetched::Good);
        }
        let failed = u64::from(held.failures) > waiter.failures;
        (failed || now.saturating_sub(waiter.since) > MAX_WAIT_MS).then_some(Fetched::Failed)
    }

    fn set_tick(&self) {
        let has_keys = (0..self.policy.issuers.len())
            .all(|at| self.keys.borrow().held(IssuerId(at)).is_some_and(|h| h.set.is_some()));
        let wanted = if has_keys && self.mailbox.is_claimed() { TICKS.1 } else { TICKS.0 };
        if self.tick.replace(wanted) != wanted {
            let _ = host::set_tick_period(wanted);
        }
    }
}

/// The root context.
pub struct Root {
    id: u32,
    worker: RefCell<Option<Rc<Worker>>>,
    fetches: RefCell<Vec<(u32, IssuerId, Fetch)>>,
}

impl Root {
    /// A root context that isn't configured yet.
    pub fn new(id: u32) -> Self {
        Self { id, worker: RefCell::default(), fetches: RefCell::default() }
    }

    /// What its requests share; `None`: it isn't configured.
    pub fn worker(&self) -> Option<Rc<Worker>> {
        self.worker.borrow().clone()
    }

    fn configure(&self) -> Result<(), String> {
        let bytes = host::buffer(Buffer::PluginConfiguration, MAX_CONFIGURATION)
            .map_err(|status| format!("the configuration can't be read (status {})", status.0))?;
        // `vars` panics on what isn't UTF-8.
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
        let environment = config::environment_of(variables.collect());
        let policy = config::load_filter(Some(&bytes), Some(&environment)).map_err(|errors| {
            let (mut all, mut separator) = (String::new(), "");
            for error in &errors {
                // A string takes all that is written to it.
                let _ = write!(all, "{separator}{error}");
                separator = "; ";
            }
            all
        })?;
        let native = choose_verifier(policy.verifier)?;
        let secret = shared::secret().map_err(|_| "shared data can't be used".to_owned())?;
        let metrics = Metrics::define(&policy);
        metrics.set_native(native);
        log::info!(
            "gatewaystack: policy {} with {} routes, signatures verified by {}",
            policy.revision,
            policy.routes.len(),
            if native { "the host" } else { "the filter" }
        );
        let holder = host::random().map_err(|status| format!("no random bytes (status {})", status.0))?;
        let holder = u64::from_le_bytes(holder);
        let worker = Worker {
            keys: RefCell::new(KeyRing::new(&policy)),
            tokens: RefCell::default(),
            metrics,
            room: Room::default(),
            held: Held::default(),
            largest_body: policy
                .routes
                .iter()
                .filter_map(|route| Some(route.mcp.as_ref()?.max_body))
                .max()
                .unwrap_or(0),
            native,
            root: self.id,
            holder,
            mailbox: Mailbox::new(holder),
            waiters: RefCell::default(),
            asking: RefCell::default(),
            tick: Cell::new(TICKS.0),
            policy,
            secret,
        };
        self.worker.replace(Some(Rc::new(worker)));
        host::set_tick_period(TICKS.0).map_err(|status| format!("no tick (status {})", status.0))
    }

    /// Reads what others published, fetches what is due, and lets go whoever has waited long enough.
    fn poll(&self, worker: &Rc<Worker>) {
        let Ok(now) = host::now_ns().map(|ns| ns / 1_000_000) else { return };
        worker.mailbox.beat(now);
        for at in 0..worker.policy.issuers.len() {
            let issuer = IssuerId(at);
            let Some(control) = worker.control(issuer) else { continue };
            worker.sync(issuer, &control);
            self.fetch_if_due(worker, issuer, &control, now);
            if control.fetched_at > 0 {
                worker.metrics.set_keys_age(issuer, now.saturating_sub(control.fetched_at) / 1000);
            }
        }
        worker.release(now);
        worker.metrics.flush();
        worker.set_tick();
    }

    fn fetch_if_due(&self, worker: &Worker, id: IssuerId, seen: &Control, now: u64) {
        let Some(issuer) = worker.policy.issuers.get(id.0) else { return };
        // Look before taking: a write on every tick of every worker would be wasted.
        if !seen.clone().take_lease(worker.holder, now) {
            return;
        }
        let taken =
            control::update(&Cells, &control::control_cell(issuer), |c| c.take_lease(worker.holder, now));
        if taken == Ok(true) {
            let (fetch, request) = Fetch::start(&issuer.issuer, &issuer.jwks);
            self.send(worker, id, fetch, &request);
        }
    }

    fn send(&self, worker: &Worker, id: IssuerId, fetch: Fetch, request: &Request) {
        let Some(issuer) = worker.policy.issuers.get(id.0) else { return };
        let headers = [
            (":method", "GET"),
            (":scheme", if request.tls { "https" } else { "http" }),
            (":path", request.path.as_str()),
            (":authority", request.authority.as_str()),
            ("accept", "application/json"),
            ("user-agent", "gatewaystack"),
        ];
        let timeout = u32::try_from(FETCH_TIMEOUT_MS).unwrap_or(u32::MAX);
        match host::http_call(&issuer.jwks_cluster, &headers, timeout) {
            Ok(token) => self.fetches.borrow_mut().push((token, id, fetch)),
            Err(_) => self.finish(
                worker,
                id,
                Next::Failed("the host can't send the request: is the cluster there?"),
                None,
            ),
        }
    }

    fn finish(&self, worker: &Worker, id: IssuerId, next: Next, max_age: Option<u64>) {
        let Some(issuer) = worker.policy.issuers.get(id.0) else { return };
        let Ok(now) = host::now_ns().map(|ns| ns / 1_000_000) else { return };
        let failure = match next {
            Next::Request(fetch, request) => return self.send(worker, id, fetch, &request),
            Next::Keys(_, document) => {
                let written = swap(&Cells, &control::document_cell(issuer), |_| (Some(document.clone()), ()));
                written.err().map(|_| "shared data can't be written")
            }
            Next::Failed(why) => Some(why),
        };
        let cell = control::control_cell(issuer);
        let _ = control::update(&Cells, &cell, |control| match failure {
            None => control.succeed(worker.holder, now, (issuer.refresh_ms, issuer.max_stale_ms), max_age),
            Some(_) => control.fail(worker.holder, now),
        });
        if let Some(why) = failure {
            worker.metrics.count_fetch_failure(id);
            // An issuer is a URL: visible ASCII, without double quotes.
            log::warn!("gatewaystack: keys of {} not fetched: {why}", issuer.issuer);
        }
        worker.mailbox.wake_all(now);
    }
}

/// Whether to use the host's verifier, by a known answer.
fn choose_verifier(choice: policy::Verifier) -> Result<bool, String> {
    let native = || signature::passes_known_answer(&Native);
    match choice {
        policy::Verifier::Native if !native() => {
            Err("verifier: this host has no verify_signature that passes the known-answer test; use auto or portable".into())
        }
        policy::Verifier::Native => Ok(true),
        policy::Verifier::Auto if native() => Ok(true),
        policy::Verifier::Auto | policy::Verifier::Portable if signature::passes_known_answer(&Portable) => Ok(false),
        policy::Verifier::Auto | policy::Verifier::Portable => Err("verifier: no verifier passes the known-answer test".into()),
    }
}

impl Root {
    /// The rate limit service has answered.
    pub fn on_grpc_call_response(&self, token: u32, status: u32, size: usize) {
        if let Some(worker) = self.worker() {
            worker.answered(token, status, size);
        }
    }

    /// An issuer has answered.
    pub fn on_http_call_response(&self, token: u32, body_size: usize) {
        let Some(worker) = self.worker() else { return };
        let Some((id, fetch)) = self.take_fetch(token) else { return };
        let headers = host::headers(Map::CallResponseHeaders).unwrap_or_default();
        let pairs = headers.pairs();
        let find = |name: &[u8]| {
            pairs.iter().find(|(n, _)| *n == name).and_then(|(_, v)| std::str::from_utf8(v).ok())
        };
        let status = find(b":status").and_then(|s| s.parse().ok());
        let max_age = find(b"cache-control").and_then(max_age);
        // One byte more than is allowed, so that too long a document is seen to be too long.
        let body =
            host::buffer(Buffer::CallResponseBody, (MAX_DOCUMENT + 1).min(body_size)).unwrap_or_default();
        self.finish(&worker, id, fetch.answer(status, &body), max_age);
        self.poll(&worker);
    }

    fn take_fetch(&self, token: u32) -> Option<(IssuerId, Fetch)> {
        let mut fetches = self.fetches.borrow_mut();
        let at = fetches.iter().position(|(other, ..)| *other == token)?;
        let (_, id, fetch) = fetches.remove(at);
        Some((id, fetch))
    }

    /// Reads the policy; whether it can be used.
    pub fn on_configure(&self) -> bool {
        match self.configure() {
            Ok(()) => true,
            Err(why) => {
                log::error!("gatewaystack: the policy is refused: {why}");
                false
            }
        }
    }

    /// Time has passed.
    pub fn on_tick(&self) {
        if let Some(worker) = self.worker() {
            self.poll(&worker);
        }
    }

    /// A request waits, or another worker has something.
    pub fn on_queue_ready(&self, queue: u32) {
        if let Some(worker) = self.worker() {
            worker.mailbox.drain(queue);
            self.poll(&worker);
        }
    }
}

/// `max-age` in seconds (RFC 9111 §5.2.2.1).
fn max_age(cache_control: &str) -> Option<u64> {
    cache_control.split(',').find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok()).flatten()
    })
}
