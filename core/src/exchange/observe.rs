//! Shadow mode (contract §10.1), and requests that can't be judged at all.

use crate::config::policy::{Mode, Route, RouteId};
use crate::cors;
use crate::decision::{Decision, Edits, Observed, Wait};
use crate::exchange::case::{Case, Verdict};
use crate::exchange::state::{Exchange, Forwarded, Judged};
use crate::path;
use crate::record::DecisionRecord;
use crate::refusal::Refusal;
use crate::reply::{self, McpReplyContext, ReplyContext};
use crate::request::{self, Pairs, RequestFault};
use crate::route::{self, Match};
use crate::shadow;
use crate::world::World;

/// Strips what clients say of themselves, injects what is verified where enforcing would allow, and touches
/// nothing else. Where the body decides, nobody knows by then whether it would, so nobody is named; the body
/// is judged once it has passed, and its edits come to nothing.
pub(super) fn observe(
    world: &World<'_>,
    case: &Case<'_>,
    verdict: Result<Verdict, Refusal>,
    facts: &mut DecisionRecord,
) -> (Edits, Option<usize>) {
    let (mut caller, mut watch) = (None, None);
    match &verdict {
        Ok(Verdict::Forward(_, principal, _)) => {
            facts.allow(principal.is_some());
            caller = principal.as_deref();
        }
        Ok(Verdict::Reply(_)) => {}
        // Nothing waits: neither for keys nor for a body, nor for a rate limit service, which isn't asked.
        Ok(Verdict::Wait(Wait::Keys(_) | Wait::Limits(_), _)) => facts.unknown("keys_pending"),
        Ok(Verdict::Wait(Wait::Feed, _)) => facts.unknown("feed_pending"),
        Ok(Verdict::Wait(Wait::Body(read), _)) => {
            // Until it has come to its end.
            facts.unknown("body_unread");
            watch = Some(read.cap);
        }
        Err(refusal) => facts.refuse(refusal),
    }
    let in_query = case.route.is_some_and(|(_, route)| route.builtin.is_none());
    let edits = shadow::edits(world.policy, case.request, caller, in_query);
    facts.shadow();
    (edits, watch)
}

/// Refuses what can't be judged; in shadow mode it passes without what clients say of themselves.
pub(super) fn refuse_unparsed(
    world: &World<'_>,
    mut facts: Box<DecisionRecord>,
    headers: Pairs<'_>,
    fault: RequestFault,
) -> Judged {
    let refusal = Refusal::Unsafe(fault);
    facts.refuse(&refusal);
    if shadow::mode_of_unparsed(world.policy, headers, fault) == Mode::Shadow {
        facts.shadow();
        let edits = shadow::edits_of_unparsed(world.policy, headers);
        return Judged::new(passed(facts), Decision::Observe(Observed { edits, watch: None }));
    }
    let first = |name: &str| request::first(headers, name).and_then(|value| std::str::from_utf8(value).ok());
    let cors = cors::answer(&world.policy.cors, first("origin"));
    // An MCP client expects JSON-RPC, whatever is wrong with its headers.
    let route = mcp_route(world, first(":method"), first(":authority"), first(":path"));
    let asked = ReplyContext {
        request_id: facts.request_id.clone(),
        is_head: first(":method") == Some("HEAD"),
        is_grpc: request::first(headers, "content-type").is_some_and(request::is_grpc),
        cors,
        mcp: route.filter(|(_, route)| route.mcp.is_some()).map(|_| McpReplyContext::nothing()),
        ..ReplyContext::default()
    };
    let route = route.map(|(_, route)| route);
    let reply = reply::refuse(world.policy, route, &asked, &refusal);
    Judged::new(Exchange::Replied(facts), Decision::Reply(reply))
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

pub(super) fn passed(facts: Box<DecisionRecord>) -> Exchange {
    Exchange::Forwarded(Forwarded {
        facts,
        response: Vec::new(),
        decides_origins: false,
        pipeline: None,
        listed: None,
        guest: None,
    })
}
