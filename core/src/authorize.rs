//! What a caller may do: a request, its route and its principal in, a [`Permit`] or a refusal out (contract
//! §1.6, §1.8 to §1.10). The only place that makes permits.

use crate::challenge;
use crate::config::policy::{Builtin, Fact, Mcp, Policy, RateLimit, Route, ScopeRule};
use crate::cors::ResponseHeaders;
use crate::decision::{Edits, Permit};
use crate::evaluation::{Evaluation, Reason, Unknown};
use crate::feed::{Barred, Subject};
use crate::identity;
use crate::jwt::TokenFault;
use crate::mcp::json_rpc::Call;
use crate::mcp::needs::{self, Needs};
use crate::mcp::operation::Operation;
use crate::mcp::target::Target;
use crate::names;
use crate::principal::Principal;
use crate::query;
use crate::rate_limit::service::{self, RateLimitRequest, RateLimitResponse, Verdict};
use crate::rate_limit::{LimitState, Outcome};
use crate::refusal::{Denied, Fault, Refusal};
use crate::reply;
use crate::request::Request;
use crate::rules::facts::{Asked, Facts};
use crate::rules::{self, Against};
use crate::tally::Tally;
use crate::world::World;
use std::borrow::Cow;
use std::cell::RefCell;

/// A permit, or what has to be found out before there can be one.
#[derive(Debug)]
pub enum Permitted {
    /// It may pass.
    Permit(Permit),
    /// The rate limit service is to be asked; what this gateway's own limits came to.
    Ask(RateLimitRequest, Option<LimitState>),
}

/// How a caller's requests are counted.
#[derive(Debug, Clone, Copy)]
pub struct Counting {
    /// What counting its address came to, where a limit wants that.
    pub address: Option<LimitState>,
    /// Whether the rate limit service may be asked.
    pub asks: bool,
}

/// Permits a request to a public route, or to one whose `Authorization` isn't a token.
///
/// # Errors
/// The upgrade isn't allowed.
pub fn public(
    world: &World<'_>,
    request: &Request<'_>,
    route: &Route,
    counted: Option<LimitState>,
    cors: &ResponseHeaders,
) -> Result<Permit, Refusal> {
    check_upgrade(request, route)?;
    let edits = edits(world.policy, request, Some(route), None);
    Ok(Permit::new(edits, response(cors, counted)))
}

/// Permits a request with a good token.
///
/// # Errors
/// What the policy or a limit says against it.
pub fn caller(
    world: &World<'_>,
    request: &Request<'_>,
    route: &Route,
    principal: &Principal,
    around: (Counting, &ResponseHeaders),
    tally: &mut Tally,
) -> Result<Permitted, Refusal> {
    check_caller(world, request, route, principal)?;
    check_scopes(request, route, principal)?;
    check_rules(world, Some(request), route, principal, &mut [Asked::Nothing].into_iter(), tally)?;
    check_upgrade(request, route)?;
    permit(world, request, route, Some(principal), None, around, tally)
}

/// Permits an MCP operation; `principal`: `None` where nobody has signed in, which only what is open permits.
///
/// # Errors
/// What the policy or a limit says against it.
pub fn operation(
    world: &World<'_>,
    request: &Request<'_>,
    mcp: (&Route, &Mcp),
    principal: Option<&Principal>,
    operation: &Operation,
    around: (Counting, &ResponseHeaders),
    tally: &mut Tally,
) -> Result<Permitted, Refusal> {
    let (route, mcp) = mcp;
    check_operation(world, request, (route, mcp), principal, operation, tally)?;
    check_upgrade(request, route)?;
    permit(world, request, route, principal, Some(operation), around, tally)
}

/// Counts a caller whom nothing else is against, by this gateway's own limits first: who is over them isn't
/// asked about.
fn permit(
    world: &World<'_>,
    request: &Request<'_>,
    route: &Route,
    principal: Option<&Principal>,
    operation: Option<&Operation>,
    around: (Counting, &ResponseHeaders),
    tally: &mut Tally,
) -> Result<Permitted, Refusal> {
    check_audit(world, route)?;
    let (counting, cors) = around;
    let mut state = counting.address;
    if let Some(principal) = principal {
        let weight = |rule: &RateLimit| weight(rule, operation);
        let own =
            match world.counters.count_caller(world.policy, route, principal, &weight, world.now_ms, tally) {
                Err(_) => return Err(Refusal::Internal(Fault::SharedTable)),
                Ok(Outcome::Over(state)) => return Err(Refusal::Limited(state)),
                Ok(Outcome::Within(state)) => Some(state),
                Ok(Outcome::Unlimited) => None,
            };
        if counting.asks
            && let Some(question) = service::question(world.policy, route, principal, &weight)
        {
            return Ok(Permitted::Ask(question, own));
        }
        state = tightest([state, own, None]);
    }
    let edits = edits(world.policy, request, Some(route), principal);
    Ok(Permitted::Permit(Permit::new(edits, response(cors, state))))
}

/// Permits a request whose limits over machines were asked for: all else was judged before. `counted`: by its
/// address, and by this gateway's own limits.
///
/// # Errors
/// A limit is exceeded, or the service is away and a limit says that nothing passes then.
pub fn counted(
    world: &World<'_>,
    request: &Request<'_>,
    route: &Route,
    caller: (&Principal, Option<&Operation>),
    counted: (Option<LimitState>, Option<LimitState>),
    answer: &RateLimitResponse,
    cors: &ResponseHeaders,
) -> Result<Permit, Refusal> {
    check_audit(world, route)?;
    let (principal, operation) = caller;
    let shared = match service::judge(world.policy, route, principal, &|rule| weight(rule, operation), answer)
    {
        Verdict::Within(state) => state,
        Verdict::Over(state) => return Err(Refusal::Limited(state)),
        Verdict::Away => return Err(Refusal::LimitsUnavailable),
    };
    let edits = edits(world.policy, request, Some(route), Some(principal));
    Ok(Permit::new(edits, response(cors, tightest([counted.0, counted.1, shared]))))
}

fn tightest(states: [Option<LimitState>; 3]) -> Option<LimitState> {
    states.into_iter().flatten().min_by_key(LimitState::tightness)
}

/// Whether the policy allows an MCP operation; nothing is counted.
///
/// # Errors
/// What is against it.
pub fn check_operation(
    world: &World<'_>,
    request: &Request<'_>,
    mcp: (&Route, &Mcp),
    principal: Option<&Principal>,
    operation: &Operation,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    let (route, mcp) = mcp;
    if let Some(principal) = principal {
        check_caller(world, request, route, principal)?;
    }
    let (needs, have) = (Needs::of(operation, route, mcp), principal.map(Principal::consented_scopes));
    match (needs.evaluate(have), have) {
        (Evaluation::Allow, None) => Ok(()),
        (Evaluation::Allow, Some(_)) => {
            check_calls(world, request, (route, mcp), principal, operation, tally)
        }
        // What nobody may do is told after signing in.
        (Evaluation::Depends(Unknown::Caller), _) | (Evaluation::Deny(_), None) => Err(Refusal::NoToken),
        (Evaluation::Deny(Reason::Unlisted), Some(_)) => Err(Refusal::Denied(Denied::Unlisted)),
        (Evaluation::Deny(Reason::Scopes), Some(have)) => {
            Err(Refusal::Scope { needed: needs.scopes(), have: have.names().to_vec() })
        }
    }
}

/// Judges each call by the rules, but what is open to all.
fn check_calls(
    world: &World<'_>,
    request: &Request<'_>,
    mcp: (&Route, &Mcp),
    principal: Option<&Principal>,
    operation: &Operation,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    let (route, mcp) = mcp;
    let Some(principal) = principal.filter(|_| !world.policy.rules.list.is_empty()) else { return Ok(()) };
    let judged = operation.calls.iter().filter(|call| !needs::is_open(mcp, call));
    let calls = judged.map(|call| Asked::of(call, mcp));
    let is_bare = operation.calls.is_empty() || operation.is_answer;
    let bare = is_bare.then_some(Asked::Nothing);
    check_rules(world, Some(request), route, principal, &mut calls.chain(bare), tally)
}

/// Judges what is asked by the rules.
///
/// # Errors
/// A rule refuses something of it.
pub fn check_rules(
    world: &World<'_>,
    request: Option<&Request<'_>>,
    route: &Route,
    principal: &Principal,
    asked: &mut dyn Iterator<Item = Asked<'_>>,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    let rules = &world.policy.rules;
    if rules.list.is_empty() || route.builtin.is_some() {
        return Ok(());
    }
    let address = || Some((world.address)()).filter(|address| !address.is_unspecified());
    let mut against = None;
    for asked in asked {
        let (address, now_ms, caller) = (&address, world.now_ms, principal.attributes());
        let verdict = rules::judge(&Facts {
            rules,
            request,
            route,
            caller,
            asked,
            address,
            now_ms,
            found: RefCell::default(),
        });
        tally.watched.extend(verdict.watched);
        against = against.or(verdict.against);
    }
    tally.watched.sort_unstable();
    tally.watched.dedup();
    match against {
        None => Ok(()),
        Some(Against::Rule(id, message)) => Err(Refusal::Rule(id, message)),
        Some(Against::StepUp(id, step_up)) => Err(Refusal::StepUp(id, step_up)),
    }
}

/// How often a request counts: each call of a batch; for a rule about tools, each call of one of them, and so
/// nothing that is no operation.
fn weight(rule: &RateLimit, operation: Option<&Operation>) -> u32 {
    let Some(operation) = operation else { return u32::from(rule.tools.is_none()) };
    let calls = match &rule.tools {
        None => operation.calls.len().max(1),
        Some(tools) => {
            let is = |call: &&Call| matches!(&call.target, Target::Tool(name) if is_one_of(tools, name));
            operation.calls.iter().filter(is).count()
        }
    };
    u32::try_from(calls).unwrap_or(u32::MAX)
}

/// Whether a server, or a sloppy one, takes `name` for one of these tools.
fn is_one_of(tools: &[String], name: &str) -> bool {
    tools.iter().any(|tool| tool == name || plainly(tool).eq(plainly(name)))
}

fn plainly(name: &str) -> impl Iterator<Item = char> {
    name.trim().chars().filter_map(names::plain)
}

/// The edits that any forwarded request gets: impostors out, the verified identity in.
pub fn edits(
    policy: &Policy,
    request: &Request<'_>,
    route: Option<&Route>,
    principal: Option<&Principal>,
) -> Edits {
    let mut edits = Edits::default();
    let keeps_token = route.is_some_and(|r| r.forward_authorization || r.builtin == Some(Builtin::Unjudged));
    if request.has_authorization && !keeps_token {
        edits.remove.push(Cow::Borrowed(b"authorization"));
    }
    if let Some(route) = route {
        let partial = request.partial.iter().filter(|name| is_unfilterable(route, name));
        edits.remove.extend(partial.map(|name| Cow::Owned(name.to_vec())));
    }
    strip_headers(&mut edits, request);
    if let Some(principal) = principal {
        inject_headers(policy, &mut edits, principal);
    }
    let user = principal.filter(|_| route.is_some_and(|r| r.builtin.is_none()));
    edit_target(policy, request, &mut edits, user);
    edits
}

/// Whether a header would have the upstream answer with less than the whole, or encoded, where the answer
/// must be read.
fn is_unfilterable(route: &Route, name: &[u8]) -> bool {
    route.response_filter.is_some() || (route.mcp.is_some() && name == b"accept-encoding")
}

/// Removes what a client must not say of itself.
pub fn strip_headers(edits: &mut Edits, request: &Request<'_>) {
    edits.remove.extend(request.spoofed.iter().map(|name| Cow::Owned(name.to_vec())));
}

/// Says who the verified caller is.
pub fn inject_headers(policy: &Policy, edits: &mut Edits, principal: &Principal) {
    edits.set.push((policy.identity.user_header.clone(), identity::header_value(principal.user())));
    if let Some(tenant) = principal.tenant() {
        edits.set.push((policy.identity.tenant_header.clone(), identity::header_value(tenant)));
    }
    for (fact, name) in &policy.identity.facts {
        let value = match fact {
            Fact::Agent => principal.agent().map(identity::header_value),
            Fact::Client => principal.client().map(identity::header_value),
            Fact::Groups => identity::groups_value(principal.groups()),
        };
        edits.set.extend(value.map(|value| (name.clone(), value)));
    }
}

/// Writes the normalised path, and the identity query.
fn edit_target(policy: &Policy, request: &Request<'_>, edits: &mut Edits, user: Option<&Principal>) {
    let target = &request.target;
    let query = identity_query(policy, target.query.as_deref(), user);
    if !target.changed && query.is_none() {
        return;
    }
    let query = query.unwrap_or_else(|| target.query.clone());
    edits.path = Some(match query {
        Some(query) => format!("{}?{query}", target.path),
        None => target.path.clone(),
    });
    edits.rerouted = target.changed;
}

/// The query after edits; `None`: it stays as it is.
pub fn identity_query(
    policy: &Policy,
    query: Option<&str>,
    user: Option<&Principal>,
) -> Option<Option<String>> {
    let name = policy.identity.user_query.as_deref()?;
    let stripped = query.and_then(|q| query::strip(q, name));
    match user {
        None => stripped.map(|q| Some(q).filter(|q| !q.is_empty())),
        Some(user) => {
            let left = stripped.as_deref().or(query).unwrap_or_default();
            Some(Some(query::append(left, name, user.user())))
        }
    }
}

/// Refuses a caller who is blocked and a token that is revoked, whatever is remembered of it.
///
/// # Errors
/// One of them is so, or nobody knows by now.
pub fn check_feed(world: &World<'_>, request: &Request<'_>, principal: &Principal) -> Result<(), Refusal> {
    let Some(settings) = &world.policy.feed else { return Ok(()) };
    if world.feed.denies(settings, world.now_ms) {
        return Err(Refusal::FeedStale);
    }
    let session_secret = world.session_secret;
    let subject = Subject { principal, session: request.mcp_session, session_secret };
    world.feed.bars(world.counters.secret, world.now_ms, subject).map_or(Ok(()), |why| Err(barred(why)))
}

/// Refuses while what is decided couldn't be proved later, where the route wants that.
///
/// # Errors
/// It is so.
pub fn check_audit(world: &World<'_>, route: &Route) -> Result<(), Refusal> {
    if route.audit_required && !world.feed.is_audited(world.now_ms) {
        return Err(Refusal::AuditUnavailable);
    }
    Ok(())
}

/// What a barred caller is told.
pub fn barred(why: Barred) -> Refusal {
    match why {
        Barred::Blocked => Refusal::Denied(Denied::Blocked),
        Barred::Revoked => Refusal::Token(TokenFault::Revoked),
    }
}

fn check_caller(
    world: &World<'_>,
    request: &Request<'_>,
    route: &Route,
    principal: &Principal,
) -> Result<(), Refusal> {
    check_feed(world, request, principal)?;
    let (policy, id) = (world.policy, principal.issuer());
    if route.issuers.as_ref().is_some_and(|issuers| !issuers.contains(&id)) {
        return Err(Refusal::Denied(Denied::Issuer));
    }
    let issuer = policy.issuers.get(id.0).ok_or(Refusal::Denied(Denied::Issuer))?;
    // The claim was prefixed, the policy's list isn't.
    let tenant = principal.tenant().and_then(|t| t.strip_prefix(issuer.user_prefix.as_str()));
    if issuer.tenants.as_ref().is_some_and(|tenants| !tenants.iter().any(|t| Some(t.as_str()) == tenant)) {
        return Err(Refusal::Denied(Denied::Tenant));
    }
    if route.users_only && principal.is_machine() {
        return Err(Refusal::Denied(Denied::Machine));
    }
    if principal.agent().is_none() && policy.agents.as_ref().is_some_and(|agents| !agents.allows_unlisted) {
        return Err(Refusal::Denied(Denied::Agent));
    }
    Ok(())
}

fn check_scopes(request: &Request<'_>, route: &Route, principal: &Principal) -> Result<(), Refusal> {
    if route.builtin == Some(Builtin::TestEcho) {
        let asked = request.required_scope.and_then(scope_tokens).ok_or(Refusal::NoRequiredScope)?;
        return check_rule(&ScopeRule { all: asked, any: Vec::new() }, principal);
    }
    check_rule(&route.scopes, principal)
}

fn check_rule(rule: &ScopeRule, principal: &Principal) -> Result<(), Refusal> {
    let have = principal.scopes();
    if rule.is_met(have) {
        return Ok(());
    }
    Err(Refusal::Scope { needed: challenge::needed(rule), have: have.names().to_vec() })
}

/// RFC 6749 §3.3 `scope`, at most 256 bytes: it is shown again in a challenge.
fn scope_tokens(value: &[u8]) -> Option<Vec<String>> {
    let is_scope_char = |b: &u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let text = std::str::from_utf8(value).ok().filter(|t| t.len() <= 256)?;
    let tokens: Vec<String> = text.split(' ').filter(|t| !t.is_empty()).map(str::to_owned).collect();
    (!tokens.is_empty() && tokens.iter().all(|t| t.as_bytes().iter().all(is_scope_char))).then_some(tokens)
}

/// Refuses an upgrade that the route doesn't name.
///
/// # Errors
/// The upgrade isn't allowed.
pub fn check_upgrade(request: &Request<'_>, route: &Route) -> Result<(), Refusal> {
    match request.upgrade {
        None => Ok(()),
        Some(to) if route.upgrade_websocket && to.eq_ignore_ascii_case(b"websocket") => Ok(()),
        Some(_) => Err(Refusal::Upgrade),
    }
}

fn response(cors: &ResponseHeaders, counted: Option<LimitState>) -> ResponseHeaders {
    let limit = counted.as_ref().map(reply::limit_headers);
    let mut headers = Vec::with_capacity(cors.len() + limit.as_ref().map_or(0, |limit| limit.len()));
    headers.extend(cors.iter().cloned());
    headers.extend(limit.into_iter().flatten());
    headers
}
