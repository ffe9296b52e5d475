//! How a request is judged: read [`judge`] top to bottom, it is contract §1, steps 4 to 10.

use crate::authenticate::{self, Caller, Fetched, Waited, authenticate};
use crate::authorize::{self, Counting, Permitted};
use crate::challenge;
use crate::config::policy::{Access, Builtin, Mode, Route, RouteId};
use crate::cors;
use crate::credential::AuthorizationFault;
use crate::decision::{Decision, Observed, Permit};
use crate::exchange::address;
use crate::exchange::case::{Case, Verdict};
use crate::exchange::mcp::{self, McpRoute};
use crate::exchange::observe;
use crate::exchange::state::{Exchange, Findings, Forwarded, HeldRequest, Judged, Uncounted, Waiting};
use crate::feed::Guest;
use crate::hash;
use crate::principal::Principal;
use crate::rate_limit::service::RateLimitResponse;
use crate::record::DecisionRecord;
use crate::refusal::{Denied, Refusal};
use crate::reply::{self, ReplyContext};
use crate::request::{self, Headers, Pairs, Request};
use crate::response::pipeline::Pipeline;
use crate::route::{self, Match};
use crate::shadow;
use crate::tally::Tally;
use crate::world::World;
use std::sync::Arc;

/// Where judging begins, or goes on.
pub(super) enum Entry<'a> {
    /// Nothing is judged.
    Start,
    /// All but the token is judged; the fetch of its keys has ended.
    Keys(Fetched),
    /// All but the token is judged; it is known who is blocked, or won't be for now.
    Feed,
    /// All but the limits over machines is judged; they were asked for.
    Limits(Uncounted, RateLimitResponse),
    /// What the headers say is judged; the body is here.
    Body(Option<&'a [u8]>),
}

pub(super) fn begin(world: &World<'_>, headers: Headers) -> Judged {
    go_on(world, HeldRequest { facts: Box::default(), headers, known: Findings::default() }, Entry::Start)
}

pub(super) fn go_on(world: &World<'_>, held: HeldRequest, entry: Entry<'_>) -> Judged {
    let HeldRequest { mut facts, headers, mut known } = held;
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
    match entry {
        Entry::Start => {
            facts.describe(&request, world.session_secret);
            if facts.request_id.is_empty() {
                facts.request_id = made_up_id(world, &pairs);
            }
        }
        Entry::Keys(_) | Entry::Feed | Entry::Body(_) => facts.judge_again(),
        Entry::Limits(..) => {}
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
    let mode = shadow::mode(world.policy, &shadow::RouteQuery::by(&request), found);
    let waited = match &entry {
        Entry::Keys(fetched) => Waited { keys: *fetched, feed: true },
        Entry::Feed => Waited { feed: true, ..Waited::NOTHING },
        Entry::Start | Entry::Limits(..) | Entry::Body(_) => Waited::NOTHING,
    };
    let case = Case { request: &request, found, route, waited, cors: &cors, mode };
    let mut tally = Tally::default();
    let verdict = judge(world, &case, entry, &mut known, &mut facts, &mut tally);
    facts.watch(std::mem::take(&mut tally.watched));
    if mode == Mode::Shadow {
        let (edits, watch) = observe::observe(world, &case, verdict, &mut facts);
        let exchange = match watch {
            Some(_) => Exchange::Watched(HeldRequest { facts, headers, known }),
            None => observe::passed(facts),
        };
        return Judged { exchange, decision: Decision::Observe(Observed { edits, watch }), tally };
    }
    let (exchange, decision) = match verdict {
        Ok(Verdict::Forward(mut permit, principal, pipeline)) => {
            facts.allow(principal.is_some());
            let response = permit.take_response();
            let is_ours = route.is_some_and(|(_, route)| route.builtin.is_some());
            let decides_origins = !is_ours && cors::decides(&world.policy.cors, request.origin);
            let listed = challenge::listed(world.policy, request.host);
            let may_change = world.policy.feed.is_some();
            let guest = principal.filter(|_| may_change).map(|caller| guest(world, &request, caller));
            let forwarded = Forwarded { facts, response, decides_origins, pipeline, listed, guest };
            (Exchange::Forwarded(forwarded), Decision::Forward(permit))
        }
        Ok(Verdict::Reply(reply)) => (Exchange::Replied(facts), Decision::Reply(reply)),
        Ok(Verdict::Wait(wait, on)) => {
            let held = HeldRequest { facts, headers, known };
            (Exchange::Waiting(Waiting { on, held }), Decision::Wait(wait))
        }
        Err(refusal) => {
            facts.refuse(&refusal);
            let asked = asked(&case, &known, &facts);
            let reply = reply::refuse(world.policy, route.map(|(_, route)| route), &asked, &refusal);
            (Exchange::Replied(facts), Decision::Reply(reply))
        }
    };
    Judged { exchange, decision, tally }
}

/// A caller who may be barred while the answer is on its way.
#[cold]
fn guest(world: &World<'_>, request: &Request<'_>, principal: Arc<Principal>) -> Box<Guest> {
    let (names, sessions) = (world.counters.secret, world.session_secret);
    Box::new(Guest::new(principal, request.mcp_session, names, sessions))
}

/// Contract §1, steps 4 to 10.
fn judge(
    world: &World<'_>,
    case: &Case<'_>,
    entry: Entry<'_>,
    known: &mut Findings,
    facts: &mut DecisionRecord,
    tally: &mut Tally,
) -> Result<Verdict, Refusal> {
    let mut body = None;
    match entry {
        Entry::Start => {
            if let Some(verdict) = before_caller(world, case, facts, tally)? {
                return Ok(verdict);
            }
        }
        Entry::Keys(_) | Entry::Feed => {}
        Entry::Body(whole) => body = Some(whole),
        Entry::Limits(uncounted, answer) => {
            return after_limits(world, case, uncounted, &answer, known, facts);
        }
    }
    if let Some(mcp) = McpRoute::of(case.route) {
        return mcp::judge(world, case, &mcp, body, known, facts, tally);
    }
    let request = case.request;
    let public = |route: &&Route| route.access == Access::Public || route.builtin == Some(Builtin::Unjudged);
    if let Some(route) = case.route.map(|(_, route)| route).filter(public) {
        let permit = authorize::public(world, request, route, facts.counted, case.cors)?;
        return forward_or_answer(world, case, route, facts, permit, None);
    }
    let of_route = case.route.map(|(_, route)| route);
    let principal = match authenticate(world, of_route, request.presented, case.waited, tally)
        .map_err(|refusal| address::count_failure(world, refusal, tally))?
    {
        Caller::Known(principal) => principal,
        Caller::Needs(missing) => return Ok(Verdict::missing(missing)),
    };
    facts.identify(&principal);
    let Some((id, route)) = case.route else {
        let is_case = case.found == Match::Ambiguous;
        return Err(Refusal::Denied(if is_case { Denied::Case } else { Denied::NoRoute }));
    };
    let counting = Counting { address: facts.counted, asks: case.asks_limits() };
    match authorize::caller(world, request, route, &principal, (counting, case.cors), tally)? {
        Permitted::Permit(permit) => {
            forward_or_answer(world, case, route, facts, permit, Some((id, principal)))
        }
        Permitted::Ask(question, own) => {
            Ok(Verdict::limits(question, Uncounted { principal, own, session: None }))
        }
    }
}

/// What is decided without asking who calls; `None`: nothing.
fn before_caller(
    world: &World<'_>,
    case: &Case<'_>,
    facts: &mut DecisionRecord,
    tally: &mut Tally,
) -> Result<Option<Verdict>, Refusal> {
    // Whatever the route is: what one reads as a token, another may read as none. A token's form matters
    // where one is asked for.
    if let Err(fault @ (AuthorizationFault::Doubled | AuthorizationFault::TooLong)) = case.request.presented {
        return Err(address::count_failure(world, Refusal::Authorization(fault), tally));
    }
    if cors::is_preflight(case.request) {
        facts.answer("preflight", 204);
        let headers = if is_public_document(world, case.route) {
            cors::preflight_of_public()
        } else {
            cors::preflight(&world.policy.cors, case.request.origin)
        };
        return Ok(Some(Verdict::Reply(reply::preflight(headers))));
    }
    if let (Match::WrongMethod(_), Some((_, route))) = (case.found, case.route) {
        // `Allow` (RFC 9110 §10.2.1).
        return Err(Refusal::Method(route.methods.as_deref().unwrap_or_default().join(", ")));
    }
    facts.counted = address::count(world, case.route.map(|(_, route)| route), tally)?;
    Ok(None)
}

/// All but the limits over machines was judged: they say whether it passes.
fn after_limits(
    world: &World<'_>,
    case: &Case<'_>,
    uncounted: Uncounted,
    answer: &RateLimitResponse,
    known: &mut Findings,
    facts: &mut DecisionRecord,
) -> Result<Verdict, Refusal> {
    let of_route = case.route.map(|(_, route)| route);
    let principal = authenticate::again(world, of_route, case.request.presented)?;
    authorize::check_feed(world, case.request, &principal)?;
    if let Some(mcp) = McpRoute::of(case.route) {
        return mcp::after_limits(world, case, &mcp, uncounted, answer, known, facts);
    }
    let Uncounted { principal, own, .. } = uncounted;
    // A policy's routes don't change while a request waits.
    let (id, route) = case.route.ok_or(Refusal::Denied(Denied::NoRoute))?;
    let (caller, counted) = ((principal.as_ref(), None), (facts.counted, own));
    let permit = authorize::counted(world, case.request, route, caller, counted, answer, case.cors)?;
    forward_or_answer(world, case, route, facts, permit, Some((id, principal)))
}

/// Whether a path is that of a metadata document which is for everybody, whatever the method.
fn is_public_document(world: &World<'_>, route: Option<(RouteId, &Route)>) -> bool {
    match route.and_then(|(_, route)| route.builtin) {
        Some(Builtin::ResourceMetadata) => !world.policy.metadata.require_token,
        Some(Builtin::IssuerMetadata) => true,
        _ => false,
    }
}

/// What is permitted goes to the upstream, except for the metadata documents that we serve.
fn forward_or_answer(
    world: &World<'_>,
    case: &Case<'_>,
    route: &Route,
    facts: &mut DecisionRecord,
    permit: Permit,
    caller: Option<(RouteId, Arc<Principal>)>,
) -> Result<Verdict, Refusal> {
    let Some(mut reply) = reply::metadata(world.policy, route, case.request)? else {
        let pipeline = caller
            .as_ref()
            .filter(|_| route.response_filter.is_some())
            .map(|(id, principal)| Box::new(Pipeline::owner(*id, principal, case.request)));
        return Ok(Verdict::Forward(permit, caller.map(|(_, principal)| principal), pipeline));
    };
    facts.answer("metadata", 200);
    let limits = permit.response().iter().filter(|(name, _)| name.starts_with("ratelimit-"));
    reply.headers.extend(limits.cloned());
    Ok(Verdict::Reply(reply))
}

fn asked(case: &Case<'_>, known: &Findings, facts: &DecisionRecord) -> ReplyContext {
    let request = case.request;
    ReplyContext {
        is_head: request.method == "HEAD",
        is_grpc: request.is_grpc,
        host: request.host.to_owned(),
        request_id: facts.request_id.clone(),
        counted: facts.counted,
        cors: case.cors.clone(),
        mcp: McpRoute::of(case.route).map(|mcp| mcp.asked(request, known)),
    }
}

/// An id for requests whose own can't be shown again.
fn made_up_id(world: &World<'_>, headers: Pairs<'_>) -> String {
    let id = request::first(headers, "x-request-id").unwrap_or_default();
    format!("{:016x}", hash::keyed(world.counters.secret, &[b"request", id, &world.now_ms.to_le_bytes()]))
}
