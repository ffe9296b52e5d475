//! Shadow mode (POLICY.md), and requests that can't be judged at all.

use super::judge::Verdict;
use super::mcp::McpRoute;
use super::{Exchange, Forwarded, World};
use crate::authorize;
use crate::config::policy::{Mode, Route, RouteId};
use crate::cors;
use crate::decision::{Decision, Edits};
use crate::path;
use crate::record::Facts;
use crate::refusal::Refusal;
use crate::reply::{self, Asked};
use crate::request::{self, Pairs, Request};
use crate::route::{self, Match};

/// Strips what clients say of themselves, injects what is verified where enforcing would allow, and touches nothing else.
pub(super) fn observe(
    world: &World<'_>,
    request: &Request<'_>,
    route: Option<&Route>,
    verdict: Result<Verdict, Refusal>,
    mut facts: Facts,
) -> (Exchange, Decision) {
    let mut edits = Edits::default();
    authorize::strip_headers(&mut edits, request);
    let mut user = None;
    match &verdict {
        Ok(Verdict::Forward(_, claims, _)) => {
            facts.allow(claims.as_deref());
            if let Some(claims) = claims {
                authorize::inject_headers(world.policy, &mut edits, claims);
                user = Some(claims);
            }
        }
        Ok(Verdict::Answer(_)) => {}
        // Nothing waits: neither for keys nor for a body.
        Ok(Verdict::Await(_)) => facts.unknown("keys_pending"),
        Ok(Verdict::Read(_)) => facts.unknown("body_unread"),
        Err(refusal) => facts.refuse(refusal),
    }
    let user = user.filter(|_| route.is_some_and(|r| r.builtin.is_none()));
    if let Some(query) =
        authorize::identity_query(world.policy, request.target.query.as_deref(), user.map(|c| &**c))
    {
        // Escapes in the path stay as they came: only the query is written anew.
        let path = request.raw_path;
        edits.path = Some(query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")));
    }
    facts.shadow();
    (passed(facts), Decision::Observe(edits))
}

/// Refuses what can't be judged; in shadow mode it passes without what clients say of themselves.
pub(super) fn refuse_unparsed(
    world: &World<'_>,
    mut facts: Facts,
    headers: Pairs<'_>,
    refusal: &Refusal,
) -> (Exchange, Decision) {
    facts.refuse(refusal);
    if world.policy.mode == Mode::Shadow {
        facts.shadow();
        let spoofed = headers.iter().filter(|(name, _)| request::is_spoofed(name, &world.policy.identity));
        let edits = Edits { remove: spoofed.map(|(name, _)| name.to_vec()).collect(), ..Edits::default() };
        return (passed(facts), Decision::Observe(edits));
    }
    let first = |name: &[u8]| {
        let value = headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        value.and_then(|value| std::str::from_utf8(value).ok())
    };
    let cors = cors::answer(&world.policy.cors, first(b"origin"));
    // An MCP client expects JSON-RPC, whatever is wrong with its headers.
    let route = mcp_route(world, first(b":method"), first(b":authority"), first(b":path"));
    let asked = Asked {
        request_id: facts.request_id.clone(),
        is_head: first(b":method") == Some("HEAD"),
        cors,
        mcp: McpRoute::of(route).map(|_| McpRoute::asked_nothing()),
        ..Asked::default()
    };
    let route = route.map(|(_, route)| route);
    (Exchange::Replied(facts), Decision::Reply(reply::refuse(world.policy, route, &asked, refusal)))
}

fn mcp_route<'p>(
    world: &World<'p>,
    method: Option<&str>,
    host: Option<&str>,
    path: Option<&str>,
) -> Option<(RouteId, &'p Route)> {
    let target = path::parse(path?.as_bytes()).ok()?;
    match route::find(world.policy, method?, host.unwrap_or_default(), &target.path) {
        Match::Route(id) => world.policy.routes.get(id.0).map(|route| (id, route)),
        Match::WrongMethod(_) | Match::None | Match::Ambiguous => None,
    }
}

fn passed(facts: Facts) -> Exchange {
    Exchange::Forwarded(Forwarded { facts, response: Vec::new(), rewrite: None })
}
