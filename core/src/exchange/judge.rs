//! How a request is judged: read [`judge`] top to bottom, it is CONTRACT §1, steps 4 to 10.

use super::mcp::{self, McpRoute};
use super::observe;
use super::respond::Rewrite;
use super::{AwaitBody, AwaitKeys, AwaitLimits, Came, Exchange, Forwarded, Kept, Progress, Watched, World};
use crate::authenticate::{Caller, Fetched, authenticate};
use crate::authorize::{self, Permitted};
use crate::bearer::Bearer;
use crate::challenge;
use crate::config::policy::{Access, Builtin, IssuerId, Mode, Route, RouteId};
use crate::cors::{self, ResponseHeaders};
use crate::decision::{Decision, Observed, Permit, Read};
use crate::hash;
use crate::jwt::VerifiedClaims;
use crate::metadata;
use crate::rate_limit::service::{Answer, Question};
use crate::rate_limit::{LimitState, Outcome};
use crate::record::Facts;
use crate::refusal::{AuthorizationFault, Denied, Fault, Refusal};
use crate::reply::{self, Asked, Reply};
use crate::request::{self, Pairs, Request};
use crate::route::{self, Match};
use crate::shadow;
use std::rc::Rc;

/// What judging a request comes to.
pub(super) enum Verdict {
    Forward(Permit, Option<Rc<VerifiedClaims>>, Option<Rewrite>),
    Answer(Reply),
    Await(IssuerId),
    Ask(Question),
    Read(Read),
}

/// What is known of a request when it is judged.
pub(super) struct Case<'a> {
    pub request: &'a Request<'a>,
    pub found: Match,
    pub route: Option<(RouteId, &'a Route)>,
    pub came: Came<'a>,
    pub cors: &'a ResponseHeaders,
    /// Whether the decision will be enforced, or only recorded.
    pub mode: Mode,
}

impl Case<'_> {
    /// What became of a fetch that the request waited for.
    pub fn fetched(&self) -> Fetched {
        match self.came {
            Came::Keys(fetched) => fetched,
            Came::Headers | Came::Limits | Came::Body(_) => Fetched::NotAsked,
        }
    }
}

pub(super) fn step(world: &World<'_>, kept: Kept, came: Came<'_>) -> (Exchange, Decision) {
    let Kept { mut facts, headers, mut progress } = kept;
    let pairs = headers.pairs();
    let request = match request::parse(&pairs, &world.policy.identity) {
        Ok(request) => request,
        Err(fault) => {
            facts.describe_unparsed(&pairs);
            if facts.request_id.is_empty() {
                facts.request_id = made_up_id(world, &pairs);
            }
            return observe::refuse_unparsed(world, facts, &pairs, fault);
        }
    };
    match came {
        Came::Headers => facts.describe(&request),
        Came::Keys(_) | Came::Limits | Came::Body(_) => facts.judge_again(),
    }
    if facts.request_id.is_empty() {
        facts.request_id = made_up_id(world, &pairs);
    }
    let found = route::find(world.policy, request.method, request.host, &request.target.path);
    let route = match found {
        Match::Route(id) | Match::WrongMethod(id) => world.policy.routes.get(id.0).map(|route| (id, route)),
        Match::None | Match::Ambiguous => None,
    };
    facts.route = route.map(|(id, _)| id);
    let cors = if is_public_document(world, route) {
        cors::answer_of_public()
    } else {
        cors::answer(&world.policy.cors, request.origin)
    };
    let mode = shadow::mode(world.policy, &shadow::Asked::by(&request), found);
    if mode == Mode::Shadow {
        // Nothing waits for what is only watched.
        progress.answer = Some(Answer::NotAsked);
    }
    let case = Case { request: &request, found, route, came, cors: &cors, mode };
    let verdict = judge(world, &case, &mut progress, &mut facts);
    if mode == Mode::Shadow {
        let (edits, watch) = observe::observe(world, &case, verdict, &mut facts);
        let exchange = match watch {
            Some(_) => Exchange::Watched(Watched { kept: Kept { facts, headers, progress } }),
            None => observe::passed(facts),
        };
        return (exchange, Decision::Observe(Observed { edits, watch }));
    }
    match verdict {
        Ok(Verdict::Forward(mut permit, claims, rewrite)) => {
            facts.allow(claims.is_some());
            let response = permit.take_response();
            let is_ours = route.is_some_and(|(_, route)| route.builtin.is_some());
            let decides_origins = !is_ours && cors::decides(&world.policy.cors, request.origin);
            let listed = challenge::listed(world.policy, request.host);
            let forwarded = Forwarded { facts, response, decides_origins, rewrite, listed };
            (Exchange::Forwarded(forwarded), Decision::Forward(permit))
        }
        Ok(Verdict::Answer(reply)) => (Exchange::Replied(facts), Decision::Reply(reply)),
        Ok(Verdict::Await(issuer)) => {
            let kept = Kept { facts, headers, progress };
            (Exchange::AwaitKeys(AwaitKeys { issuer, since_ms: world.now_ms, kept }), Decision::Await(issuer))
        }
        Ok(Verdict::Ask(question)) => {
            let kept = Kept { facts, headers, progress };
            (Exchange::AwaitLimits(AwaitLimits { kept }), Decision::Ask(question))
        }
        Ok(Verdict::Read(read)) => {
            let kept = Kept { facts, headers, progress };
            (Exchange::AwaitBody(AwaitBody { kept }), Decision::Read(read))
        }
        Err(refusal) => {
            facts.refuse(&refusal);
            let asked = asked(&case, &progress, &facts);
            let reply = reply::refuse(world.policy, route.map(|(_, route)| route), &asked, &refusal);
            (Exchange::Replied(facts), Decision::Reply(reply))
        }
    }
}

/// CONTRACT §1, steps 4 to 10.
fn judge(
    world: &World<'_>,
    case: &Case<'_>,
    progress: &mut Progress,
    facts: &mut Facts,
) -> Result<Verdict, Refusal> {
    let Case { request, found, route, came: _, cors, mode: _ } = *case;
    match request.bearer {
        Bearer::Doubled => {
            return Err(counted_failure(
                world,
                progress,
                Refusal::Authorization(AuthorizationFault::Doubled),
            ));
        }
        Bearer::TooLong => {
            return Err(counted_failure(
                world,
                progress,
                Refusal::Authorization(AuthorizationFault::TooLong),
            ));
        }
        _ => {}
    }
    if cors::is_preflight(request) {
        facts.answer("preflight", 204);
        let headers = if is_public_document(world, case.route) {
            cors::preflight_of_public()
        } else {
            cors::preflight(&world.policy.cors, request.origin)
        };
        return Ok(Verdict::Answer(reply::preflight(headers)));
    }
    if let Match::WrongMethod(_) = found {
        return Err(Refusal::Method(route::allowed_methods(world.policy, &request.target.path)));
    }
    let counted = count_address(world, route.map(|(_, route)| route), progress)?;
    facts.counted = counted;
    if let Some(mcp) = McpRoute::of(route) {
        return mcp::judge(world, case, &mcp, counted, progress, facts);
    }
    let route = route.map(|(_, route)| route);
    if let Some(route) = route.filter(|r| r.access == Access::Public || r.builtin == Some(Builtin::Unjudged))
    {
        let permit = authorize::public(world, request, route, counted, cors)?;
        return forward_or_answer(world, case, route, facts, permit, None);
    }
    let claims = match authenticate(world, route, request.bearer, case.fetched())
        .map_err(|r| counted_failure(world, progress, r))?
    {
        Caller::Known(claims) => claims,
        Caller::NeedsKeys(issuer) => return Ok(Verdict::Await(issuer)),
    };
    facts.identify(&claims);
    let Some((id, route)) = case.route else {
        return Err(Refusal::Denied(if found == Match::Ambiguous { Denied::Case } else { Denied::NoRoute }));
    };
    match authorize::caller(world, request, route, &claims, progress.counting(counted), cors)? {
        Permitted::Permit(permit) => forward_or_answer(world, case, route, facts, permit, Some((id, claims))),
        Permitted::Ask(question) => Ok(Verdict::Ask(question)),
    }
}

/// Whether a path is that of a metadata document which is for everybody, whatever the method.
fn is_public_document(world: &World<'_>, route: Option<(RouteId, &Route)>) -> bool {
    match route.and_then(|(_, route)| route.builtin) {
        Some(Builtin::ResourceMetadata) => !world.policy.metadata.require_token,
        Some(Builtin::IssuerMetadata) => true,
        _ => false,
    }
}

/// What is permitted goes to the upstream, but for the metadata documents that we serve.
fn forward_or_answer(
    world: &World<'_>,
    case: &Case<'_>,
    route: &Route,
    facts: &mut Facts,
    permit: Permit,
    caller: Option<(RouteId, Rc<VerifiedClaims>)>,
) -> Result<Verdict, Refusal> {
    let Some(mut reply) = metadata::answer(world.policy, route, case.request)? else {
        let rewrite = caller
            .as_ref()
            .filter(|_| route.response_filter.is_some())
            .map(|(id, claims)| Rewrite::owner(*id, claims, case.request));
        return Ok(Verdict::Forward(permit, caller.map(|(_, claims)| claims), rewrite));
    };
    facts.answer("metadata", 200);
    let limits = permit.response().iter().filter(|(name, _)| name.starts_with("ratelimit-"));
    reply.headers.extend(limits.cloned());
    Ok(Verdict::Answer(reply))
}

fn asked(case: &Case<'_>, progress: &Progress, facts: &Facts) -> Asked {
    let request = case.request;
    Asked {
        is_head: request.method == "HEAD",
        is_grpc: request.is_grpc,
        host: request.host.to_owned(),
        request_id: facts.request_id.clone(),
        counted: facts.counted,
        cors: case.cors.clone(),
        mcp: McpRoute::of(case.route).map(|mcp| mcp.asked(request, progress)),
    }
}

/// Counts a request by its address, where a limit says `on: all`; once, however often it is judged.
fn count_address(
    world: &World<'_>,
    route: Option<&Route>,
    progress: &mut Progress,
) -> Result<Option<LimitState>, Refusal> {
    if let Some(counted) = progress.counted {
        return Ok(counted);
    }
    let counted = if world.has_address_rule(false) {
        match world.counters.count_address(world.policy, route, (world.address)(), world.now_ms) {
            Ok(Outcome::Over(state)) => return Err(Refusal::Limited(state)),
            Ok(Outcome::Within(state)) => Some(state),
            Ok(Outcome::Unlimited) => None,
            Err(_) => return Err(Refusal::Internal(Fault::SharedTable)),
        }
    } else {
        None
    };
    progress.counted = Some(counted);
    Ok(counted)
}

/// Counts a failed authentication against its address, once. The refusal stands, whatever counting says.
pub(super) fn counted_failure(world: &World<'_>, progress: &mut Progress, refusal: Refusal) -> Refusal {
    if !progress.failed && refusal.is_address_failure() && world.counts_failures() {
        progress.failed = true;
        let _ = world.counters.count_failure(world.policy, (world.address)(), world.now_ms);
    }
    refusal
}

/// An id for requests whose own can't be shown again.
fn made_up_id(world: &World<'_>, headers: Pairs<'_>) -> String {
    let id = request::first(headers, "x-request-id").unwrap_or_default();
    format!("{:016x}", hash::keyed(world.counters.secret, &[b"request", id, &world.now_ms.to_le_bytes()]))
}
