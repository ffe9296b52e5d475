//! One request and its answer, as a state machine: each transition takes the state, the input as bytes and the world, and gives the next
//! state and a [`Decision`]. `exchange/judge.rs` reads top to bottom as CONTRACT §1.

mod judge;
mod mcp;
mod observe;
pub mod respond;

use crate::authenticate::Fetched;
use crate::authorize::Counting;
use crate::challenge;
use crate::config::policy::{IssuerId, LimitKey, Policy};
use crate::cors::{self, ResponseHeaders};
use crate::decision::Decision;
use crate::jwks::KeyRing;
use crate::jwt::signature::SignatureVerifier;
use crate::location::Seen;
use crate::mcp::operation::{Operation, Unread};
use crate::rate_limit::service::Answer;
use crate::rate_limit::{Counters, LimitState};
use crate::record::Facts;
use crate::refusal::{Fault, Refusal};
use crate::reply::{self, Asked};
use crate::request::{self, Headers};
use crate::token_cache::TokenCache;
use respond::Rewrite;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::net::IpAddr;

/// All that a decision depends on beside the request.
pub struct World<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Keys that this worker has.
    pub keys: &'a KeyRing,
    /// Tokens that it has verified.
    pub tokens: &'a RefCell<TokenCache>,
    /// Signatures.
    pub verifier: &'a dyn SignatureVerifier,
    /// Limits.
    pub counters: &'a Counters<'a>,
    /// The client's address, asked for only where a limit needs it.
    pub address: &'a dyn Fn() -> IpAddr,
    /// Unix time in milliseconds.
    pub now_ms: u64,
    /// Tokens found in the cache, to be added to a metric.
    pub cache_hits: Cell<u32>,
}

impl World<'_> {
    /// Whether a limit counts failed authentications.
    pub fn counts_failures(&self) -> bool {
        self.has_address_rule(true)
    }

    fn has_address_rule(&self, failures: bool) -> bool {
        let is = |by: &LimitKey| matches!(by, LimitKey::Address { failures_only, .. } if *failures_only == failures);
        self.policy.rate_limits.iter().any(|rule| is(&rule.by))
    }
}

/// Where an exchange is.
#[derive(Debug, Default)]
pub enum Exchange {
    /// Nothing has been read.
    #[default]
    AwaitHeaders,
    /// The request is held until keys come.
    AwaitKeys(AwaitKeys),
    /// The request is held until the rate limit service has answered.
    AwaitLimits(AwaitLimits),
    /// The request's body is being read.
    AwaitBody(AwaitBody),
    /// The request passes whatever it says; its body is copied on the way, and judged for the record.
    Watched(Watched),
    /// The request has passed.
    Forwarded(Forwarded),
    /// We have answered.
    Replied(Facts),
}

/// A request that is held.
#[derive(Debug)]
pub struct AwaitKeys {
    /// Whose keys it waits for.
    pub issuer: IssuerId,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
    kept: Kept,
}

/// A request that is held while its limits are counted elsewhere.
#[derive(Debug)]
pub struct AwaitLimits {
    kept: Kept,
}

/// A request whose body is being read.
#[derive(Debug)]
pub struct AwaitBody {
    kept: Kept,
}

/// A request whose body passes. Until it has, the record says that nobody knows what would have been decided.
#[derive(Debug)]
pub struct Watched {
    kept: Kept,
}

/// A request that has passed.
#[derive(Debug)]
pub struct Forwarded {
    /// For the record.
    pub facts: Facts,
    /// Headers to set in the answer.
    pub response: ResponseHeaders,
    /// Whether what it says of origins is taken out of it before.
    pub decides_origins: bool,
    /// What the answer must not show.
    pub rewrite: Option<Rewrite>,
    /// Which of the policy's further hosts the client named.
    pub listed: Option<usize>,
}

/// A request that will be judged again, and what is known of it.
#[derive(Debug)]
struct Kept {
    facts: Facts,
    headers: Headers,
    progress: Progress,
}

/// Why a request isn't held any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GaveUp {
    /// Others' bodies need the room of its own.
    Room,
    /// Its body takes too long.
    Time,
}

/// Why a request is judged (again).
#[derive(Debug, Clone, Copy)]
enum Came<'a> {
    /// Its headers are here.
    Headers,
    /// The fetch that it waited for has ended.
    Keys(Fetched),
    /// The rate limit service has answered.
    Limits,
    /// Its body is here; `None`: it is over the cap.
    Body(Option<&'a [u8]>),
}

/// What has been done for a request before it is judged (again).
#[derive(Debug, Default)]
struct Progress {
    /// It was counted by its address, where a rule wants that: once.
    counted: Option<Option<LimitState>>,
    /// Its caller was counted here: once.
    caller: Option<Option<LimitState>>,
    /// What the rate limit service said.
    answer: Option<Answer>,
    /// What its body says, where it was read.
    operation: Option<Result<Operation, Unread>>,
    /// Its failed authentication was counted.
    failed: bool,
    /// Why its token was refused when its headers left, which name nobody then: nothing may follow them.
    refused: Option<Refusal>,
}

impl Progress {
    fn counting(&mut self, address: Option<LimitState>) -> Counting<'_> {
        Counting { address, caller: &mut self.caller, answer: self.answer.as_ref() }
    }
}

impl Exchange {
    /// The request's headers are here.
    pub fn on_headers(self, world: &World<'_>, headers: Headers) -> (Self, Decision) {
        match self {
            Self::AwaitHeaders => {
                let kept = Kept { facts: Facts::default(), headers, progress: Progress::default() };
                judge::step(world, kept, Came::Headers)
            }
            other => other.fault(world),
        }
    }

    /// The fetch that the request waited for has ended.
    pub fn on_keys(self, world: &World<'_>, fetched: Fetched) -> (Self, Decision) {
        match self {
            Self::AwaitKeys(held) => judge::step(world, held.kept, Came::Keys(fetched)),
            other => other.fault(world),
        }
    }

    /// The rate limit service has answered, or hasn't.
    pub fn on_limits(self, world: &World<'_>, answer: Answer) -> (Self, Decision) {
        match self {
            Self::AwaitLimits(AwaitLimits { mut kept }) => {
                kept.progress.answer = Some(answer);
                judge::step(world, kept, Came::Limits)
            }
            other => other.fault(world),
        }
    }

    /// The request's body is here, whole; `None`: it is over the cap.
    pub fn on_body(self, world: &World<'_>, body: Option<&[u8]>) -> (Self, Decision) {
        match self {
            Self::AwaitBody(AwaitBody { kept }) | Self::Watched(Watched { kept }) => {
                judge::step(world, kept, Came::Body(body))
            }
            other => other.fault(world),
        }
    }

    /// What the request waits for, or the rest of its body, isn't waited for any longer.
    pub fn give_up(self, world: &World<'_>, why: GaveUp) -> (Self, Decision) {
        let (Self::AwaitKeys(AwaitKeys { kept, .. })
        | Self::AwaitLimits(AwaitLimits { kept })
        | Self::AwaitBody(AwaitBody { kept })) = self
        else {
            return self.fault(world);
        };
        let Kept { mut facts, headers, .. } = kept;
        let pairs = headers.pairs();
        let first = |name: &str| request::first(&pairs, name);
        let refusal = match why {
            GaveUp::Room => Refusal::NoRoom,
            GaveUp::Time => Refusal::Slow,
        };
        facts.refuse(&refusal);
        let route = facts.route.and_then(|id| world.policy.routes.get(id.0));
        let asked = Asked {
            request_id: facts.request_id.clone(),
            mcp: route.filter(|route| route.mcp.is_some()).map(|_| mcp::McpRoute::asked_nothing()),
            is_grpc: first("content-type").is_some_and(request::is_grpc),
            cors: cors::answer(&world.policy.cors, first("origin").and_then(|o| std::str::from_utf8(o).ok())),
            ..Asked::default()
        };
        (Self::Replied(facts), Decision::Reply(reply::refuse(world.policy, route, &asked, &refusal)))
    }

    /// The host can't do what the decision needs: refuse, whatever was decided before.
    pub fn fault(self, world: &World<'_>) -> (Self, Decision) {
        let mut facts = match self {
            Self::Forwarded(forwarded) => forwarded.facts,
            Self::Replied(facts) => facts,
            Self::AwaitKeys(AwaitKeys { kept, .. })
            | Self::AwaitLimits(AwaitLimits { kept })
            | Self::AwaitBody(AwaitBody { kept })
            | Self::Watched(Watched { kept }) => kept.facts,
            Self::AwaitHeaders => Facts::default(),
        };
        let refusal = Refusal::Internal(Fault::Host);
        facts.refuse(&refusal);
        let asked = Asked { request_id: facts.request_id.clone(), ..Asked::default() };
        (Self::Replied(facts), Decision::Reply(reply::refuse(world.policy, None, &asked, &refusal)))
    }

    /// The host can't take what was to stand in the answer's place, and ends the stream itself.
    pub fn lose_answer(&mut self) {
        if let Self::Forwarded(Forwarded { facts, .. }) = self {
            facts.refuse(&Refusal::NotFilterable);
        }
    }

    /// What the record says of this exchange.
    pub fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Forwarded(forwarded) => Some(&forwarded.facts),
            Self::Replied(facts) => Some(facts),
            Self::AwaitKeys(AwaitKeys { kept, .. })
            | Self::AwaitLimits(AwaitLimits { kept })
            | Self::AwaitBody(AwaitBody { kept })
            | Self::Watched(Watched { kept }) => Some(&kept.facts),
            Self::AwaitHeaders => None,
        }
    }

    /// The request, where it has passed.
    fn forwarded(&self) -> Option<&Forwarded> {
        match self {
            Self::Forwarded(forwarded) => Some(forwarded),
            Self::AwaitHeaders
            | Self::AwaitKeys(_)
            | Self::AwaitLimits(_)
            | Self::AwaitBody(_)
            | Self::Watched(_)
            | Self::Replied(_) => None,
        }
    }

    /// The request, where it isn't judged yet. Where headers can't be held, the upstream has them, and may answer all the same.
    fn waiting(&self) -> Option<&Kept> {
        match self {
            Self::AwaitKeys(AwaitKeys { kept, .. })
            | Self::AwaitLimits(AwaitLimits { kept })
            | Self::AwaitBody(AwaitBody { kept }) => Some(kept),
            Self::AwaitHeaders | Self::Watched(_) | Self::Forwarded(_) | Self::Replied(_) => None,
        }
    }

    /// Whether what the upstream says of origins must be taken out of its answer ([`cors::is_about_origins`]).
    pub fn decides_origins(&self, policy: &Policy) -> bool {
        let of_waiting = |kept: &Kept| kept.text("origin", |origin| cors::decides(&policy.cors, origin));
        self.forwarded()
            .map_or_else(|| self.waiting().is_some_and(of_waiting), |forwarded| forwarded.decides_origins)
    }

    /// How the client sees us, where the upstream's answer may name the upstream instead.
    pub fn seen(&self, policy: &Policy) -> Option<Seen> {
        let listed = |host: Option<&str>| challenge::listed(policy, host.unwrap_or_default());
        let (facts, listed) = match (self.forwarded(), self.waiting()) {
            (Some(forwarded), _) => (&forwarded.facts, forwarded.listed),
            (None, Some(kept)) => (&kept.facts, kept.text(":authority", listed)),
            (None, None) => return None,
        };
        Seen::by(policy, facts.route?, listed)
    }

    /// Headers to set in the upstream's answer.
    pub fn response(&self, policy: &Policy) -> Cow<'_, [(&'static str, Cow<'static, str>)]> {
        let of_waiting =
            |kept: &Kept| kept.text("origin", |origin| cors::answer(&policy.cors, origin)).into();
        self.forwarded().map_or_else(
            || self.waiting().map_or_else(Cow::default, of_waiting),
            |forwarded| forwarded.response.as_slice().into(),
        )
    }
}

impl Kept {
    /// What follows from a header's first value, as text.
    fn text<R>(&self, name: &str, follows: impl FnOnce(Option<&str>) -> R) -> R {
        let pairs = self.headers.pairs();
        follows(request::first(&pairs, name).and_then(|value| std::str::from_utf8(value).ok()))
    }
}

#[cfg(test)]
mod tests;
