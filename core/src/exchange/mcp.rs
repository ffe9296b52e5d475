//! How a request to an MCP route is judged (contract §12): version, origin, token, body, scopes, limits, in
//! this order. A body is read before a token is refused, since the challenge names the scopes of the
//! operation; where the headers of 2026-07-28 name it, without.

use crate::authenticate::{Caller, authenticate};
use crate::authorize::{self, Counting, Permitted};
use crate::config::policy::{ChallengeMode, Mcp, Mode, Route, RouteId, Tasks};
use crate::decision::BodyRead;
use crate::exchange::address;
use crate::exchange::case::{Case, Verdict};
use crate::exchange::reading::{check_origin, era, is_json, is_plain, read};
use crate::exchange::state::{Findings, Uncounted};
use crate::mcp::era::Era;
use crate::mcp::json_rpc::Call;
use crate::mcp::needs::Needs;
use crate::mcp::operation::{Operation, Unread};
use crate::mcp::session::{Holder, Session};
use crate::mcp::strict::BodyFault;
use crate::mcp::target::Target;
use crate::mcp::task;
use crate::mcp::tasks;
use crate::principal::Principal;
use crate::rate_limit::service::RateLimitResponse;
use crate::record::DecisionRecord;
use crate::refusal::{Fault, Refusal};
use crate::reply::McpReplyContext;
use crate::request::Request;
use crate::response::pipeline::Pipeline;
use crate::tally::Tally;
use crate::world::World;
use std::borrow::Cow;

/// The methods of an MCP route (Streamable HTTP).
const METHODS: [&str; 4] = ["POST", "GET", "DELETE", "OPTIONS"];

/// A route with MCP rules.
#[derive(Clone, Copy)]
pub(super) struct McpRoute<'a> {
    id: RouteId,
    route: &'a Route,
    mcp: &'a Mcp,
}

impl<'a> McpRoute<'a> {
    /// The route, if it has such rules.
    pub fn of(route: Option<(RouteId, &'a Route)>) -> Option<Self> {
        let (id, route) = route?;
        route.mcp.as_ref().map(|mcp| Self { id, route, mcp })
    }

    /// What an answer depends on: the operation that the body, or else the headers, tell of.
    pub fn asked(&self, request: &Request<'_>, known: &Findings) -> McpReplyContext {
        let (read, unread) = match &known.operation {
            Some(Ok(operation)) => (Some(operation), None),
            Some(Err(unread)) => (None, Some(unread)),
            None => (None, None),
        };
        let id = unread.map(|unread| unread.id.clone());
        let Some(era) = era(request) else { return Self::asked_in_vain(request, id) };
        let operation = match read {
            Some(operation) => Some(Cow::Borrowed(operation)),
            None if request.method == "POST" => Operation::of_headers(request, era).map(Cow::Owned),
            None => Some(Cow::Owned(Operation::without_body(era))),
        };
        let version = unread.and_then(|unread| unread.version.clone());
        let nothing = McpReplyContext::nothing();
        let operation = match operation {
            Some(operation) => operation,
            None if unread.is_some() => {
                return McpReplyContext { id: id.unwrap_or(nothing.id), version, ..nothing };
            }
            // Nothing is known but where the call goes: what every call there needs.
            None => Cow::Owned(Operation::without_body(era)),
        };
        let needs = Needs::of(&operation, self.route, self.mcp);
        let is_tool = |operation: &Operation| {
            operation.call().is_some_and(|call| matches!(call.target, Target::Tool(_)))
        };
        McpReplyContext {
            id: id.unwrap_or_else(|| operation.id().to_owned()),
            scopes: (!needs.has_unlisted()).then(|| needs.scopes()),
            tool_call: is_tool(&operation).then_some(operation.era),
            version,
        }
    }

    /// Under an unknown version.
    fn asked_in_vain(request: &Request<'_>, id: Option<String>) -> McpReplyContext {
        let version = request.mcp_version.map(|version| String::from_utf8_lossy(version).into_owned());
        let nothing = McpReplyContext::nothing();
        McpReplyContext { id: id.unwrap_or(nothing.id), version, ..nothing }
    }

    /// Whether a refusal of this operation is a result, which needs the id that only the body has.
    fn answers_by_result(&self, operation: &Operation) -> bool {
        let is_tool = operation.call().is_some_and(|call| matches!(call.target, Target::Tool(_)));
        is_tool && self.mcp.challenge_mode == ChallengeMode::Meta
    }

    /// Whether headers name a method about a task, and not the task: which tool made it may decide.
    fn lacks_task(&self, operation: &Operation) -> bool {
        let lacks = |call: &Call| call.target == Target::None && task::is_about_one(&call.method);
        self.mcp.tasks != Tasks::Deny && operation.call().is_some_and(lacks)
    }

    /// Finds out who made the tasks that an operation names, by the caller.
    fn find_tasks(
        &self,
        world: &World<'_>,
        principal: Option<&Principal>,
        operation: &mut Operation,
        facts: &mut DecisionRecord,
    ) -> Result<(), Refusal> {
        if operation.tasks().next().is_none() {
            return Ok(());
        }
        let found = tasks::find(world, &Holder { route: self.route, principal }, self.mcp, operation);
        facts.operate(operation);
        found
    }

    /// So much of a body is read. (A policy has a cap for each such route; without one nothing is.)
    fn cap(&self) -> usize {
        self.route.reads.request.unwrap_or(0)
    }

    fn is_open(&self, operation: &Operation) -> bool {
        Needs::of(operation, self.route, self.mcp).is_open()
    }
}

pub(super) fn judge(
    world: &World<'_>,
    case: &Case<'_>,
    route: &McpRoute<'_>,
    body: Option<Option<&[u8]>>,
    known: &mut Findings,
    facts: &mut DecisionRecord,
    tally: &mut Tally,
) -> Result<Verdict, Refusal> {
    let request = case.request;
    if !METHODS.contains(&request.method) {
        return Err(Refusal::Method(METHODS.join(", ")));
    }
    if let Some(body) = body {
        known.operation = Some(read(route.mcp, request, body));
    }
    let Some(era) = era(request) else { return unknown_version(world, case, route, known) };
    if let Some(Err(Unread { fault: BodyFault::Version, .. })) = &known.operation {
        return Err(Refusal::Version);
    }
    check_origin(route.mcp, request)?;
    if known.operation.is_none() {
        if request.method == "POST" && !is_json(request) {
            if let Some(wait) = id_of_unfit(world, case, route, tally)? {
                return Ok(wait);
            }
            known.operation = Some(Err(Unread::unseen(BodyFault::MediaType)));
        } else if request.method != "POST" && case.mode == Mode::Shadow {
            // Such a request says all in its headers, which leave before a body could be watched.
            known.operation = Some(Ok(Operation::without_body(era)));
        }
    }
    match known.operation.take() {
        Some(mut operation) => {
            let decided = decide(world, case, route, &mut operation, known, facts, tally);
            // For an answer, and for the next time.
            known.operation = Some(operation);
            decided
        }
        None => before_body(world, case, route, era, known, facts, tally),
    }
}

/// The refusal carries the call's id, which the body has; where headers leave before it, it does without.
fn unknown_version(
    world: &World<'_>,
    case: &Case<'_>,
    route: &McpRoute<'_>,
    known: &Findings,
) -> Result<Verdict, Refusal> {
    // What follows the headers of an upgrade is no body.
    let is_readable =
        case.request.method == "POST" && is_json(case.request) && case.request.upgrade.is_none();
    let is_held = world.policy.hold_headers && case.mode == Mode::Enforce;
    let may_wait = route.mcp.opens || case.request.presented != Ok(None);
    if is_readable && is_held && may_wait && known.operation.is_none() {
        return Ok(Verdict::body(BodyRead { cap: route.cap(), let_go: None, vouched: false }));
    }
    Err(Refusal::Version)
}

/// A body of another type is refused; to whom a good token vouches for, with the call's id, which the body
/// may have. `None`: it can't be read.
fn id_of_unfit(
    world: &World<'_>,
    case: &Case<'_>,
    route: &McpRoute<'_>,
    tally: &mut Tally,
) -> Result<Option<Verdict>, Refusal> {
    let is_held = world.policy.hold_headers && case.mode == Mode::Enforce;
    if !is_held || !is_plain(case.request) || case.request.upgrade.is_some() {
        return Ok(None);
    }
    Ok(Some(match caller(world, case, route, false, tally)? {
        Some(Caller::Needs(missing)) => Verdict::missing(missing),
        // What was held isn't held again.
        Some(Caller::Known(_)) if case.waited.was_held() => return Ok(None),
        Some(Caller::Known(_)) | None => {
            Verdict::body(BodyRead { cap: route.cap(), let_go: None, vouched: true })
        }
    }))
}

/// The operation is known, or why it isn't.
fn decide(
    world: &World<'_>,
    case: &Case<'_>,
    route: &McpRoute<'_>,
    operation: &mut Result<Operation, Unread>,
    known: &mut Findings,
    facts: &mut DecisionRecord,
    tally: &mut Tally,
) -> Result<Verdict, Refusal> {
    if let Ok(operation) = operation {
        facts.operate(operation);
    }
    if let Some(refusal) = known.refused.take() {
        return Err(refusal);
    }
    if let (Ok(operation), Ok(None)) = (&mut *operation, case.request.presented) {
        route.find_tasks(world, None, operation, facts)?;
    }
    let is_open = operation.as_ref().is_ok_and(|operation| route.is_open(operation));
    let principal = match caller(world, case, route, is_open, tally)? {
        Some(Caller::Needs(missing)) => return Ok(Verdict::missing(missing)),
        Some(Caller::Known(principal)) => Some(principal),
        None => None,
    };
    if let Some(principal) = &principal {
        facts.identify(principal);
    }
    let operation = operation.as_mut().map_err(|unread| Refusal::Body(unread.fault))?;
    if operation.asks_too_much() {
        return Err(Refusal::Body(BodyFault::Batch));
    }
    let session = session(world, case, route, principal.as_deref())?;
    if principal.is_some() {
        route.find_tasks(world, principal.as_deref(), operation, facts)?;
    }
    let around = (Counting { address: facts.counted, asks: case.asks_limits() }, case.cors);
    let permitted = authorize::operation(
        world,
        case.request,
        (route.route, route.mcp),
        principal.as_deref(),
        operation,
        around,
        tally,
    )?;
    match (permitted, principal) {
        (Permitted::Permit(permit), principal) => {
            let pipeline = Pipeline::mcp(route.id, principal.as_ref(), operation, session, route.mcp.tasks);
            Ok(Verdict::Forward(permit, principal, Some(Box::new(pipeline))))
        }
        (Permitted::Ask(question, own), Some(principal)) => {
            Ok(Verdict::limits(question, Uncounted { principal, own, session: Some(session) }))
        }
        // Nobody who hasn't signed in is asked about.
        (Permitted::Ask(..), None) => Err(Refusal::NoToken),
    }
}

/// All but the limits over machines was judged.
pub(super) fn after_limits(
    world: &World<'_>,
    case: &Case<'_>,
    route: &McpRoute<'_>,
    uncounted: Uncounted,
    answer: &RateLimitResponse,
    known: &mut Findings,
    facts: &DecisionRecord,
) -> Result<Verdict, Refusal> {
    let Uncounted { principal, own, session } = uncounted;
    // Nobody is asked about before it is known what the body says.
    let (Some(Ok(operation)), Some(session)) = (&mut known.operation, session) else {
        return Err(Refusal::Internal(Fault::Host));
    };
    let permit = authorize::counted(
        world,
        case.request,
        route.route,
        (&principal, Some(operation)),
        (facts.counted, own),
        answer,
        case.cors,
    )?;
    let pipeline = Pipeline::mcp(route.id, Some(&principal), operation, session, route.mcp.tasks);
    Ok(Verdict::Forward(permit, Some(principal), Some(Box::new(pipeline))))
}

/// Refuses what the headers alone are enough to refuse; else the body is read. A good token's call is refused
/// with the body in hand, for headers that disagree with it come first; where headers leave before the body,
/// those of a call that will be refused stay here.
fn before_body(
    world: &World<'_>,
    case: &Case<'_>,
    route: &McpRoute<'_>,
    era: Era,
    known: &mut Findings,
    facts: &mut DecisionRecord,
    tally: &mut Tally,
) -> Result<Verdict, Refusal> {
    let request = case.request;
    let mut sender_is = None;
    let (early, cap) = match request.method {
        "POST" => (
            Operation::of_headers(request, era)
                .filter(|early| !route.answers_by_result(early) && !route.lacks_task(early)),
            route.cap(),
        ),
        // That there is none can only be seen.
        _ => (Some(Operation::without_body(era)), 0),
    };
    if let Some(mut operation) = early {
        facts.operate(&operation);
        if request.presented == Ok(None) {
            route.find_tasks(world, None, &mut operation, facts)?;
        }
        match caller(world, case, route, route.is_open(&operation), tally)? {
            // What is missing is waited for once the body is there.
            Some(Caller::Needs(_)) => {}
            Some(Caller::Known(principal)) => {
                facts.identify(&principal);
                if request.method != "POST" || !world.policy.hold_headers {
                    let principal = Some(principal.as_ref());
                    route.find_tasks(world, principal, &mut operation, facts)?;
                    let rules = (route.route, route.mcp);
                    authorize::check_operation(world, request, rules, principal, &operation, tally)?;
                }
                sender_is = Some(principal);
            }
            // Nobody, and the operation is open.
            None => {}
        }
    } else if request.presented == Ok(None) {
        // Whatever the body says: there is no token, and it can't do without.
        if !route.mcp.opens && route.mcp.challenge_mode != ChallengeMode::Meta {
            return Err(Refusal::NoToken);
        }
    } else if world.policy.hold_headers
        && let Some(Caller::Known(principal)) = sender(world, case, route, known, tally)
    {
        sender_is = Some(principal);
    }
    // What follows the headers of an upgrade is no body.
    authorize::check_upgrade(request, route.route)?;
    let let_go = if world.policy.hold_headers || case.mode == Mode::Shadow {
        None
    } else {
        // The headers leave before the body comes: who calls must be in them by then.
        let principal = match sender_is {
            Some(principal) => Some(principal),
            None => match sender(world, case, route, known, tally) {
                Some(Caller::Known(principal)) => Some(principal),
                Some(Caller::Needs(missing)) => return Ok(Verdict::missing(missing)),
                None => None,
            },
        };
        // A session that isn't the caller's must not leave with them either.
        if let Some(principal) = &principal {
            authorize::check_feed(world, request, principal)?;
            authorize::check_audit(world, route.route)?;
            session(world, case, route, Some(principal))?;
        }
        let edits = authorize::edits(world.policy, request, Some(route.route), principal.as_deref());
        sender_is = principal;
        Some(edits)
    };
    Ok(Verdict::body(BodyRead { cap, let_go, vouched: sender_is.is_some() }))
}

/// Who sends a body, as far as the token says. A method that is open may need none; a bad one is refused with
/// the body in hand, for the challenge names the operation's scopes, and errors carry its id.
fn sender(
    world: &World<'_>,
    case: &Case<'_>,
    route: &McpRoute<'_>,
    known: &mut Findings,
    tally: &mut Tally,
) -> Option<Caller> {
    match authenticate(world, Some(route.route), case.request.presented, case.waited, tally) {
        Ok(caller) => Some(caller),
        Err(Refusal::NoToken) => None,
        Err(refusal) => {
            known.refused = Some(address::count_failure(world, refusal, tally));
            None
        }
    }
}

/// The session that the request names, and whether it is known for the caller's.
///
/// # Errors
/// It is another's.
fn session(
    world: &World<'_>,
    case: &Case<'_>,
    route: &McpRoute<'_>,
    principal: Option<&Principal>,
) -> Result<Session, Refusal> {
    let (request, holder) = (case.request, Holder { route: route.route, principal });
    let is_callers = holder.check(world, request.mcp_session)?;
    let id = request.mcp_session.filter(|_| is_callers).map(<[u8]>::to_vec);
    Ok(Session { id, ends: request.method == "DELETE" })
}

/// Who calls; `None`: nobody, which is fine here. A bad token is refused whether or not one is needed.
fn caller(
    world: &World<'_>,
    case: &Case<'_>,
    route: &McpRoute<'_>,
    is_open: bool,
    tally: &mut Tally,
) -> Result<Option<Caller>, Refusal> {
    if is_open && case.request.presented == Ok(None) {
        return Ok(None);
    }
    authenticate(world, Some(route.route), case.request.presented, case.waited, tally)
        .map(Some)
        .map_err(|refusal| address::count_failure(world, refusal, tally))
}
