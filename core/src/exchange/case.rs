//! One judgement: what is known of the request when it begins, and what it comes to.

use crate::authenticate::{Missing, Waited};
use crate::config::policy::{Mode, Route, RouteId};
use crate::cors::ResponseHeaders;
use crate::decision::{BodyRead, Permit, Wait};
use crate::exchange::state::{Awaited, Uncounted};
use crate::principal::Principal;
use crate::rate_limit::service::RateLimitRequest;
use crate::reply::Reply;
use crate::request::Request;
use crate::response::pipeline::Pipeline;
use crate::route::Match;
use std::sync::Arc;

/// What judging a request comes to.
pub(super) enum Verdict {
    Forward(Permit, Option<Arc<Principal>>, Option<Box<Pipeline>>),
    Reply(Reply),
    /// It goes on once something has come: what the host has to do for that, and what judging goes on with.
    Wait(Wait, Awaited),
}

impl Verdict {
    /// It goes on once that is there which says who calls.
    pub fn missing(missing: Missing) -> Self {
        match missing {
            Missing::Keys(issuer) => Self::Wait(Wait::Keys(issuer), Awaited::Keys),
            Missing::Feed => Self::Wait(Wait::Feed, Awaited::Feed),
        }
    }

    /// It goes on once the rate limit service has answered.
    pub fn limits(question: RateLimitRequest, uncounted: Uncounted) -> Self {
        Self::Wait(Wait::Limits(question), Awaited::Limits(Box::new(uncounted)))
    }

    /// It goes on once its body is there.
    pub fn body(read: BodyRead) -> Self {
        Self::Wait(Wait::Body(read), Awaited::Body)
    }
}

/// What is known of a request when it is judged.
pub(super) struct Case<'a> {
    pub request: &'a Request<'a>,
    pub found: Match,
    pub route: Option<(RouteId, &'a Route)>,
    /// What it has waited for.
    pub waited: Waited,
    pub cors: &'a ResponseHeaders,
    /// Whether the decision will be enforced, or only recorded.
    pub mode: Mode,
}

impl Case<'_> {
    /// Whether limits over machines are asked for: nothing waits for what is only watched.
    pub fn asks_limits(&self) -> bool {
        self.mode == Mode::Enforce
    }
}
