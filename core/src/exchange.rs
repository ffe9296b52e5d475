//! One request and its answer, as a state machine: each transition takes the state, the input as bytes and the world, and gives the next
//! state and a [`Decision`]. Read [`judge`] top to bottom: it is CONTRACT §1.

use crate::authenticate::{Caller, Fetched, authenticate};
use crate::authorize;
use crate::bearer::Bearer;
use crate::config::policy::{Access, Builtin, IssuerId, LimitKey, Mode, Policy, Route, RouteId};
use crate::cors::{self, ResponseHeaders};
use crate::decision::{Decision, Permit};
use crate::hash;
use crate::jwks::KeyRing;
use crate::jwt::VerifiedClaims;
use crate::jwt::signature::SignatureVerifier;
use crate::metadata;
use crate::rate_limit::{Counters, LimitState, Outcome};
use crate::record::Facts;
use crate::refusal::{AuthorizationFault, Denied, Fault, Refusal};
use crate::reply::{self, Asked, Reply};
use crate::request::{self, Pairs, Request, RequestFault};
use crate::route::{self, Match};
use crate::shadow;
use crate::token_cache::TokenCache;
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

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
    facts: Facts,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A request that has passed.
#[derive(Debug)]
pub struct Forwarded {
    /// For the record.
    pub facts: Facts,
    /// Headers to set in the answer.
    pub response: ResponseHeaders,
}

impl Exchange {
    /// The request's headers are here.
    pub fn on_headers(self, world: &World<'_>, headers: Pairs<'_>) -> (Self, Decision) {
        match self {
            Self::AwaitHeaders => step(world, headers, Fetched::NotAsked),
            other => other.fault(world),
        }
    }

    /// The fetch that the request waited for has ended.
    pub fn on_keys(self, world: &World<'_>, fetched: Fetched) -> (Self, Decision) {
        match self {
            Self::AwaitKeys(held) => {
                let pairs: Vec<(&[u8], &[u8])> =
                    held.headers.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
                step(world, &pairs, fetched)
            }
            other => other.fault(world),
        }
    }

    /// The host can't do what the decision needs: refuse, whatever was decided before.
    pub fn fault(self, world: &World<'_>) -> (Self, Decision) {
        let mut facts = match self {
            Self::Forwarded(forwarded) => forwarded.facts,
            Self::Replied(facts) => facts,
            Self::AwaitKeys(held) => held.facts,
            Self::AwaitHeaders => Facts::default(),
        };
        let refusal = Refusal::Internal(Fault::Host);
        facts.refuse(&refusal);
        let asked = Asked { request_id: facts.request_id.clone(), ..Asked::default() };
        (Self::Replied(facts), Decision::Reply(reply::refuse(world.policy, None, &asked, &refusal)))
    }

    /// What the record says of this exchange.
    pub fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Forwarded(forwarded) => Some(&forwarded.facts),
            Self::Replied(facts) => Some(facts),
            Self::AwaitKeys(held) => Some(&held.facts),
            Self::AwaitHeaders => None,
        }
    }

    /// Headers to set in the upstream's answer.
    pub fn response(&self) -> &[(&'static str, String)] {
        match self {
            Self::Forwarded(forwarded) => &forwarded.response,
            Self::AwaitHeaders | Self::AwaitKeys(_) | Self::Replied(_) => &[],
        }
    }
}

/// What judging a request comes to.
enum Verdict {
    Forward(Permit, Option<Rc<VerifiedClaims>>),
    Answer(Reply),
    Await(IssuerId),
}

fn step(world: &World<'_>, headers: Pairs<'_>, fetched: Fetched) -> (Exchange, Decision) {
    let mut facts = Facts::new(world.policy);
    let request = match request::parse(headers, &world.policy.identity) {
        Ok(request) => request,
        Err(fault) => {
            facts.describe_unparsed(headers);
            if facts.request_id.is_empty() {
                facts.request_id = made_up_id(world, headers);
            }
            return refuse_unparsed(world, facts, headers, fault);
        }
    };
    facts.describe(&request);
    if facts.request_id.is_empty() {
        facts.request_id = made_up_id(world, headers);
    }
    let found = route::find(world.policy, request.method, request.host, &request.target.path);
    let id = match found {
        Match::Route(id) | Match::WrongMethod(id) => Some(id),
        Match::None | Match::Ambiguous => None,
    };
    let route = id.and_then(|RouteId(at)| world.policy.routes.get(at));
    facts.route = route.map(|r| r.name.clone());
    let cors = cors::answer(&world.policy.cors, request.origin);
    let mode = shadow::mode(world.policy, &shadow::Asked::by(&request), found);
    let verdict = judge(world, &request, found, route, fetched, &mut facts, &cors);
    if mode == Mode::Shadow {
        return observe(world, &request, route, verdict, facts);
    }
    match verdict {
        Ok(Verdict::Forward(permit, claims)) => {
            facts.allow(claims.as_deref());
            let response = permit.response().clone();
            (Exchange::Forwarded(Forwarded { facts, response }), Decision::Forward(permit))
        }
        Ok(Verdict::Answer(reply)) => (Exchange::Replied(facts), Decision::Reply(reply)),
        Ok(Verdict::Await(issuer)) => (hold(headers, issuer, world.now_ms, facts), Decision::Await(issuer)),
        Err(refusal) => {
            facts.refuse(&refusal);
            let asked = asked(&request, &facts, cors);
            (Exchange::Replied(facts), Decision::Reply(reply::refuse(world.policy, route, &asked, &refusal)))
        }
    }
}

/// CONTRACT §1, steps 4 to 10.
fn judge(
    world: &World<'_>,
    request: &Request<'_>,
    found: Match,
    route: Option<&Route>,
    fetched: Fetched,
    facts: &mut Facts,
    cors: &ResponseHeaders,
) -> Result<Verdict, Refusal> {
    match request.bearer {
        Bearer::Doubled => {
            return Err(counted_failure(world, Refusal::Authorization(AuthorizationFault::Doubled)));
        }
        Bearer::TooLong => {
            return Err(counted_failure(world, Refusal::Authorization(AuthorizationFault::TooLong)));
        }
        _ => {}
    }
    if cors::is_preflight(request) {
        facts.answer("preflight", 204);
        return Ok(Verdict::Answer(reply::preflight(cors::preflight(&world.policy.cors, request.origin))));
    }
    if let Match::WrongMethod(_) = found {
        return Err(Refusal::Method(route::allowed_methods(world.policy, &request.target.path)));
    }
    let counted = count_address(world)?;
    facts.counted = counted;
    if let Some(route) = route.filter(|r| r.access == Access::Public || r.builtin == Some(Builtin::Unjudged))
    {
        let permit = authorize::public(world, request, route, counted, cors.clone())?;
        return forward_or_answer(world, request, route, facts, permit, None);
    }
    let claims =
        match authenticate(world, route, request.bearer, fetched).map_err(|r| counted_failure(world, r))? {
            Caller::Known(claims) => claims,
            Caller::NeedsKeys(issuer) => return Ok(Verdict::Await(issuer)),
        };
    facts.identify(world.policy, world.counters.secret, &claims);
    let Some(route) = route else {
        return Err(Refusal::Denied(if found == Match::Ambiguous { Denied::Case } else { Denied::NoRoute }));
    };
    let permit = authorize::caller(world, request, route, &claims, counted, cors.clone())?;
    forward_or_answer(world, request, route, facts, permit, Some(claims))
}

/// What is permitted goes to the upstream, but for the metadata documents that we serve.
fn forward_or_answer(
    world: &World<'_>,
    request: &Request<'_>,
    route: &Route,
    facts: &mut Facts,
    permit: Permit,
    claims: Option<Rc<VerifiedClaims>>,
) -> Result<Verdict, Refusal> {
    let Some(mut reply) = metadata::answer(world.policy, route, request)? else {
        return Ok(Verdict::Forward(permit, claims));
    };
    facts.answer("metadata", 200);
    let limits = permit.response().iter().filter(|(name, _)| name.starts_with("ratelimit-"));
    reply.headers.extend(limits.cloned());
    Ok(Verdict::Answer(reply))
}

/// Shadow mode: strips what clients say of themselves, injects what is verified where enforcing would allow, and touches nothing else.
fn observe(
    world: &World<'_>,
    request: &Request<'_>,
    route: Option<&Route>,
    verdict: Result<Verdict, Refusal>,
    mut facts: Facts,
) -> (Exchange, Decision) {
    let mut caller = None;
    match &verdict {
        Ok(Verdict::Forward(_, claims)) => {
            facts.allow(claims.as_deref());
            caller = claims.as_deref();
        }
        Ok(Verdict::Answer(_)) => {}
        Ok(Verdict::Await(_)) => facts.unknown(),
        Err(refusal) => facts.refuse(refusal),
    }
    let in_query = route.is_some_and(|r| r.builtin.is_none());
    let edits = shadow::edits(world.policy, request, caller, in_query);
    facts.shadow();
    (Exchange::Forwarded(Forwarded { facts, response: Vec::new() }), Decision::Observe(edits))
}

fn refuse_unparsed(
    world: &World<'_>,
    mut facts: Facts,
    headers: Pairs<'_>,
    fault: RequestFault,
) -> (Exchange, Decision) {
    let refusal = Refusal::Unsafe(fault);
    facts.refuse(&refusal);
    if shadow::mode_of_unparsed(world.policy, headers, fault) == Mode::Shadow {
        facts.shadow();
        let edits = shadow::edits_of_unparsed(world.policy, headers);
        return (Exchange::Forwarded(Forwarded { facts, response: Vec::new() }), Decision::Observe(edits));
    }
    let is_head = request::first(headers, ":method") == Some(b"HEAD");
    let origin = request::first(headers, "origin").and_then(|v| std::str::from_utf8(v).ok());
    let cors = cors::answer(&world.policy.cors, origin);
    let is_grpc = request::first(headers, "content-type").is_some_and(request::is_grpc);
    let asked = Asked { request_id: facts.request_id.clone(), is_head, is_grpc, cors, ..Asked::default() };
    (Exchange::Replied(facts), Decision::Reply(reply::refuse(world.policy, None, &asked, &refusal)))
}

fn hold(headers: Pairs<'_>, issuer: IssuerId, now_ms: u64, facts: Facts) -> Exchange {
    let headers = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    Exchange::AwaitKeys(AwaitKeys { issuer, since_ms: now_ms, facts, headers })
}

fn asked(request: &Request<'_>, facts: &Facts, cors: ResponseHeaders) -> Asked {
    Asked {
        is_head: request.method == "HEAD",
        is_grpc: request.is_grpc,
        host: request.host.to_owned(),
        request_id: facts.request_id.clone(),
        counted: facts.counted,
        cors,
    }
}

/// Counts a request by its address, where a limit says `on: all`.
fn count_address(world: &World<'_>) -> Result<Option<LimitState>, Refusal> {
    if !world.has_address_rule(false) {
        return Ok(None);
    }
    match world.counters.count_address(world.policy, (world.address)(), false, world.now_ms) {
        Ok(Outcome::Over(state)) => Err(Refusal::Limited(state)),
        Ok(Outcome::Within(state)) => Ok(Some(state)),
        Ok(Outcome::Unlimited) => Ok(None),
        Err(_) => Err(Refusal::Internal(Fault::SharedTable)),
    }
}

/// Counts a failed authentication against its address. The refusal stands, whatever counting says.
fn counted_failure(world: &World<'_>, refusal: Refusal) -> Refusal {
    if refusal.is_address_failure() && world.counts_failures() {
        let _ = world.counters.count_address(world.policy, (world.address)(), true, world.now_ms);
    }
    refusal
}

/// An id for requests whose own can't be shown again.
fn made_up_id(world: &World<'_>, headers: Pairs<'_>) -> String {
    let id = request::first(headers, "x-request-id").unwrap_or_default();
    format!("{:016x}", hash::keyed(world.counters.secret, &[b"request", id, &world.now_ms.to_le_bytes()]))
}

#[cfg(test)]
mod tests;
