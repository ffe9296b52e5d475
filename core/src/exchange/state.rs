//! Where an exchange is: one request and its answer. Only the transitions (`exchange.rs`) and the judge
//! change it.

use crate::authenticate::Fetched;
use crate::challenge;
use crate::config::policy::Policy;
use crate::cors::{self, ResponseHeaders};
use crate::decision::Decision;
use crate::feed::Guest;
use crate::location::PublicAddress;
use crate::mcp::operation::{Operation, Unread};
use crate::mcp::session::Session;
use crate::principal::Principal;
use crate::rate_limit::LimitState;
use crate::rate_limit::service::RateLimitResponse;
use crate::record::DecisionRecord;
use crate::refusal::Refusal;
use crate::request::{self, Headers};
use crate::response::pipeline::Pipeline;
use crate::tally::Tally;
use std::borrow::Cow;
use std::sync::Arc;

/// Where an exchange is.
#[derive(Debug, Default)]
pub enum Exchange {
    /// Nothing has been read.
    #[default]
    New,
    /// The request is held until something has come.
    Waiting(Waiting),
    /// The request passes whatever it says; its body is copied on the way, and judged for the record.
    Watched(HeldRequest),
    /// The request has passed.
    Forwarded(Forwarded),
    /// We have answered.
    Replied(Box<DecisionRecord>),
}

/// A request that is held.
#[derive(Debug)]
pub struct Waiting {
    /// For what.
    pub(super) on: Awaited,
    pub(super) held: HeldRequest,
}

/// What a held request waits for: a new kind has a place here, in [`Arrival`] and in
/// [`crate::decision::Wait`], and the compiler shows the rest.
#[derive(Debug)]
pub(super) enum Awaited {
    /// Its issuer's keys.
    Keys,
    /// Who is blocked.
    Feed,
    /// What the rate limit service says; all else is judged.
    Limits(Box<Uncounted>),
    /// Its body.
    Body,
}

/// What has come for a held request.
#[derive(Debug, Clone)]
pub enum Arrival<'a> {
    /// The fetch of keys has ended.
    Keys(Fetched),
    /// It is known who is blocked, or won't be for now.
    Feed,
    /// The rate limit service has answered, or won't.
    Limits(RateLimitResponse),
    /// The whole body; `None`: it is over the cap.
    Body(Option<&'a [u8]>),
}

/// A request that would pass without the limits over machines.
#[derive(Debug)]
pub(super) struct Uncounted {
    pub principal: Arc<Principal>,
    /// What this gateway's own limits came to.
    pub own: Option<LimitState>,
    /// The session of an MCP request.
    pub session: Option<Session>,
}

/// A request that will be judged again, and what is known of it.
#[derive(Debug)]
pub struct HeldRequest {
    pub(super) facts: Box<DecisionRecord>,
    pub(super) headers: Headers,
    pub(super) known: Findings,
}

/// What judging has found out so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What its body says, where it was read.
    pub operation: Option<Result<Operation, Unread>>,
    /// Why its token was refused when its headers left, which name nobody then: nothing may follow them.
    pub refused: Option<Refusal>,
}

/// A request that has passed.
#[derive(Debug)]
pub struct Forwarded {
    /// For the record.
    pub facts: Box<DecisionRecord>,
    /// Headers to set in the answer.
    pub response: ResponseHeaders,
    /// Whether what it says of origins is taken out of it before.
    pub decides_origins: bool,
    /// What is done with the answer.
    pub pipeline: Option<Box<Pipeline>>,
    /// Which of the policy's further hosts the client named.
    pub listed: Option<usize>,
    /// Who was let in, where that may change.
    pub guest: Option<Box<Guest>>,
}

/// Why a request isn't held any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GaveUp {
    /// Others' bodies need the room of its own.
    Room,
    /// Its body takes too long.
    Time,
    /// There is no room to wait until it is known who is blocked.
    Feed,
}

/// What judging came to.
#[derive(Debug)]
pub struct Judged {
    /// Where the exchange is now.
    pub exchange: Exchange,
    /// What the host has to do.
    pub decision: Decision,
    /// What was done besides.
    pub tally: Tally,
}

impl Judged {
    pub(super) fn new(exchange: Exchange, decision: Decision) -> Self {
        Self { exchange, decision, tally: Tally::default() }
    }
}

impl Exchange {
    /// What the record says of this exchange.
    pub fn facts(&self) -> Option<&DecisionRecord> {
        match self {
            Self::Forwarded(forwarded) => Some(&forwarded.facts),
            Self::Replied(facts) => Some(facts),
            Self::Waiting(Waiting { held, .. }) | Self::Watched(held) => Some(&held.facts),
            Self::New => None,
        }
    }

    /// The same, taken out.
    pub(super) fn into_facts(self) -> Box<DecisionRecord> {
        match self {
            Self::Forwarded(forwarded) => forwarded.facts,
            Self::Replied(facts) => facts,
            Self::Waiting(Waiting { held, .. }) | Self::Watched(held) => held.facts,
            Self::New => Box::default(),
        }
    }

    /// Whether something is still to be decided before the request may go on.
    pub fn is_waiting(&self) -> bool {
        self.waiting().is_some()
    }

    /// The request, where it has passed.
    pub(super) fn forwarded(&self) -> Option<&Forwarded> {
        match self {
            Self::Forwarded(forwarded) => Some(forwarded),
            Self::New | Self::Waiting(_) | Self::Watched(_) | Self::Replied(_) => None,
        }
    }

    /// The request, where it isn't judged yet. Where headers can't be held, the upstream has them, and may
    /// answer all the same.
    fn waiting(&self) -> Option<&HeldRequest> {
        match self {
            Self::Waiting(Waiting { held, .. }) => Some(held),
            Self::New | Self::Watched(_) | Self::Forwarded(_) | Self::Replied(_) => None,
        }
    }

    /// Whether what the upstream says of origins must be taken out of its answer
    /// ([`cors::is_about_origins`]).
    pub fn decides_origins(&self, policy: &Policy) -> bool {
        let of_waiting =
            |held: &HeldRequest| held.text("origin", |origin| cors::decides(&policy.cors, origin));
        self.forwarded()
            .map_or_else(|| self.waiting().is_some_and(of_waiting), |forwarded| forwarded.decides_origins)
    }

    /// How the client sees us, where the upstream's answer may name the upstream instead.
    pub fn seen(&self, policy: &Policy) -> Option<PublicAddress> {
        let listed = |host: Option<&str>| challenge::listed(policy, host.unwrap_or_default());
        let (facts, listed) = match (self.forwarded(), self.waiting()) {
            (Some(forwarded), _) => (&forwarded.facts, forwarded.listed),
            (None, Some(held)) => (&held.facts, held.text(":authority", listed)),
            (None, None) => return None,
        };
        PublicAddress::by(policy, facts.route?, listed)
    }

    /// Headers to set in the upstream's answer.
    pub fn response(&self, policy: &Policy) -> Cow<'_, [(&'static str, Cow<'static, str>)]> {
        let of_waiting =
            |held: &HeldRequest| held.text("origin", |origin| cors::answer(&policy.cors, origin)).into();
        self.forwarded().map_or_else(
            || self.waiting().map_or_else(Cow::default, of_waiting),
            |forwarded| forwarded.response.as_slice().into(),
        )
    }

    /// The same, for the host that sets them: they are set once.
    pub fn take_response(&mut self, policy: &Policy) -> ResponseHeaders {
        match self {
            Self::Forwarded(forwarded) => std::mem::take(&mut forwarded.response),
            other => other.response(policy).into_owned(),
        }
    }

    /// Who was let in, for whoever sees that it stays so.
    pub fn take_guest(&mut self) -> Option<Box<Guest>> {
        match self {
            Self::Forwarded(forwarded) => forwarded.guest.take(),
            Self::New | Self::Waiting(_) | Self::Watched(_) | Self::Replied(_) => None,
        }
    }

    /// The host can't take what was to take the answer's place, and ends the stream itself.
    pub fn lose_answer(&mut self) {
        if let Self::Forwarded(Forwarded { facts, .. }) = self {
            facts.refuse(&Refusal::NotFilterable);
        }
    }
}

impl HeldRequest {
    /// What follows from a header's first value, as text.
    fn text<R>(&self, name: &str, follows: impl FnOnce(Option<&str>) -> R) -> R {
        let pairs = self.headers.pairs();
        follows(request::first(&pairs, name).and_then(|value| std::str::from_utf8(value).ok()))
    }
}
