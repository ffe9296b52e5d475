//! One request and its answer, as a state machine: each transition takes the state, what has come and the
//! world, and gives the next state, a [`Decision`] and what it did besides. `exchange/judge.rs` reads top to
//! bottom as contract §1.

mod address;
mod case;
mod judge;
mod mcp;
mod observe;
mod reading;
pub mod respond;
mod state;

use crate::authorize;
use crate::config::policy::Policy;
use crate::cors;
use crate::decision::Decision;
use crate::feed::Barred;
use crate::refusal::{Fault, Refusal};
use crate::reply::{self, McpReplyContext, Reply, ReplyContext};
use crate::request::{self, Headers};
use crate::world::World;
use judge::Entry;
pub use state::{Arrival, Exchange, Forwarded, GaveUp, HeldRequest, Judged};
use state::{Awaited, Waiting};

impl Exchange {
    /// The request's headers are here.
    pub fn on_headers(self, world: &World<'_>, headers: Headers) -> Judged {
        match self {
            Self::New => judge::begin(world, headers),
            other => other.fault(world),
        }
    }

    /// What the request waited for has come. Anything else is a fault of ours.
    pub fn resume(self, world: &World<'_>, arrival: Arrival<'_>) -> Judged {
        let (on, held) = match self {
            Self::Waiting(Waiting { on, held }) => (on, held),
            Self::Watched(held) => (Awaited::Body, held),
            other @ (Self::New | Self::Forwarded(_) | Self::Replied(_)) => return other.fault(world),
        };
        match (on, arrival) {
            (Awaited::Keys, Arrival::Keys(fetched)) => judge::go_on(world, held, Entry::Keys(fetched)),
            (Awaited::Feed, Arrival::Feed) => judge::go_on(world, held, Entry::Feed),
            (Awaited::Limits(uncounted), Arrival::Limits(answer)) => {
                judge::go_on(world, held, Entry::Limits(*uncounted, answer))
            }
            (Awaited::Body, Arrival::Body(body)) => judge::go_on(world, held, Entry::Body(body)),
            (on @ (Awaited::Keys | Awaited::Feed | Awaited::Limits(_) | Awaited::Body), _) => {
                Self::Waiting(Waiting { on, held }).fault(world)
            }
        }
    }

    /// What the request waits for, or the rest of its body, isn't waited for any longer.
    pub fn give_up(self, world: &World<'_>, why: GaveUp) -> Judged {
        let Self::Waiting(Waiting { held, .. }) = self else { return self.fault(world) };
        let HeldRequest { mut facts, headers, .. } = held;
        let pairs = headers.pairs();
        let first = |name: &str| request::first(&pairs, name);
        let refusal = match why {
            GaveUp::Room => Refusal::NoRoom,
            GaveUp::Time => Refusal::Slow,
            GaveUp::Feed => Refusal::FeedStale,
        };
        facts.refuse(&refusal);
        let route = facts.route.and_then(|id| world.policy.routes.get(id.0));
        let asked = ReplyContext {
            request_id: facts.request_id.clone(),
            mcp: route.filter(|route| route.mcp.is_some()).map(|_| McpReplyContext::nothing()),
            is_grpc: first("content-type").is_some_and(request::is_grpc),
            cors: cors::answer(&world.policy.cors, first("origin").and_then(|o| std::str::from_utf8(o).ok())),
            ..ReplyContext::default()
        };
        let reply = reply::refuse(world.policy, route, &asked, &refusal);
        Judged::new(Self::Replied(facts), Decision::Reply(reply))
    }

    /// Who was let in is barred by now: what is answered, where nothing of an answer has left; `None`:
    /// nothing has passed.
    pub fn bar(&mut self, policy: &Policy, why: Barred) -> Option<Reply> {
        let Self::Forwarded(Forwarded { facts, response, .. }) = self else { return None };
        let (mut facts, cors) = (std::mem::take(facts), std::mem::take(response));
        let refusal = authorize::barred(why);
        facts.refuse(&refusal);
        let route = facts.route.and_then(|id| policy.routes.get(id.0));
        let asked = ReplyContext {
            request_id: facts.request_id.clone(),
            mcp: route.filter(|route| route.mcp.is_some()).map(|_| McpReplyContext::nothing()),
            cors,
            ..ReplyContext::default()
        };
        *self = Self::Replied(facts);
        Some(reply::refuse(policy, route, &asked, &refusal))
    }

    /// The host can't do what the decision needs: refuse, whatever was decided before.
    pub fn fault(self, world: &World<'_>) -> Judged {
        let mut facts = self.into_facts();
        let refusal = Refusal::Internal(Fault::Host);
        facts.refuse(&refusal);
        let asked = ReplyContext { request_id: facts.request_id.clone(), ..ReplyContext::default() };
        let reply = reply::refuse(world.policy, None, &asked, &refusal);
        Judged::new(Self::Replied(facts), Decision::Reply(reply))
    }
}

#[cfg(test)]
mod tests;
