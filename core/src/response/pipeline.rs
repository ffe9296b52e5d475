//! What is done with the messages of an answer: the cuts and the taps of its route, for the caller of its
//! request.

use crate::config::policy::{Policy, RouteId, Tasks};
use crate::mcp::form::Scan;
use crate::mcp::id;
use crate::mcp::json_rpc::Call;
use crate::mcp::kind::Kind;
use crate::mcp::operation::Operation;
use crate::mcp::session::Session;
use crate::principal::Principal;
use crate::refusal::Refusal;
use crate::reply::{self, McpReplyContext, Reply, ReplyContext};
use crate::request::Request;
use crate::response::cut::{Cut, CutContext};
use crate::response::framing::{Framing, Head};
use crate::response::sse::{Events, Messages};
use crate::response::tap::{Tap, TaskTap};
use crate::response::watched::Watched;
use crate::world::World;
use std::sync::Arc;

/// What is done with an answer.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) route: RouteId,
    pub(crate) principal: Option<Arc<Principal>>,
    cuts: Vec<Cut>,
    taps: Vec<Tap>,
    is_head: bool,
    /// Of a request to an MCP route.
    mcp: Option<OfMcp>,
}

/// What is known of an MCP request when it passes.
#[derive(Debug)]
struct OfMcp {
    /// The id of its call, as JSON.
    id: String,
    session: Session,
}

/// A body that has come.
#[derive(Debug)]
pub enum FilteredBody {
    /// It stays.
    Unchanged,
    /// This instead.
    Replaced(String),
    /// It isn't shown.
    Refuse(Reply),
}

/// A stream that ends before what can't be shown.
#[derive(Debug)]
pub struct StreamEnd {
    /// What came before it and may be shown.
    pub before: Vec<u8>,
    /// The answer instead, where nothing has been shown.
    pub reply: Reply,
}

impl Pipeline {
    /// Cuts an answer down to the caller's own elements.
    pub(crate) fn owner(route: RouteId, principal: &Arc<Principal>, request: &Request<'_>) -> Self {
        Self {
            route,
            principal: Some(Arc::clone(principal)),
            cuts: vec![Cut::Owner],
            taps: Vec::new(),
            is_head: request.method == "HEAD",
            mcp: None,
        }
    }

    /// Cuts lists down to what the caller may use, and looks for the task that is made. What was asked for
    /// doesn't say what comes: an upstream knows its answers by ids that the client chose. The operation has
    /// passed, and what is kept of it is taken.
    pub(crate) fn mcp(
        route: RouteId,
        principal: Option<&Arc<Principal>>,
        operation: &mut Operation,
        session: Session,
        tasks: Tasks,
    ) -> Self {
        let mut calls = std::mem::take(&mut operation.calls);
        let asked = calls.iter().filter_map(|c| Some((c.id.clone(), Kind::of(&c.method)?))).collect();
        let only = calls.pop().filter(|_| calls.is_empty() && !operation.is_batch);
        let (id, task) = match only {
            Some(Call { id, target, .. }) => {
                let task = TaskTap::of(&id, target, tasks);
                (id, task)
            }
            None => (id::NONE.to_owned(), None),
        };
        Self {
            route,
            principal: principal.cloned(),
            cuts: vec![Cut::Lists { era: operation.era, asked }],
            taps: task.map(Tap::Task).into_iter().collect(),
            is_head: false,
            mcp: Some(OfMcp { id, session }),
        }
    }

    /// The session of an MCP request.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.mcp.as_ref().map(|mcp| &mcp.session)
    }

    /// How the body is read; `None`: not in a way that it could be cut.
    pub(crate) fn framing(&self, policy: &Policy, head: &Head<'_>) -> Option<Framing> {
        let route = policy.routes.get(self.route.0)?;
        if !head.is_success() {
            return Some(Framing::Pass);
        }
        let is_asked = self.cuts.iter().any(Cut::is_asked);
        if head.is_end || self.is_head {
            return Some(if is_asked { Framing::Bare } else { Framing::Pass });
        }
        // A host that holds less would end the stream by itself.
        let cap = route.reads.answer?.min(policy.answer_room());
        if !head.is_readable() {
            return None;
        }
        if head.is_stream() {
            let can_read = self.cuts.iter().all(Cut::reads_events);
            return can_read.then(|| Framing::Events { events: Events::new(cap, is_asked), is_asked });
        }
        if !is_asked {
            return Some(Framing::Watch(Watched::new(cap)));
        }
        head.fits(cap).then_some(Framing::Whole(cap))
    }

    /// What is shown of a whole body; `None`: all of it.
    pub(crate) fn body(&mut self, world: &World<'_>, body: &[u8]) -> Result<Option<String>, Refusal> {
        let to = context(self.route, self.principal.as_deref(), world)?;
        let mut shown: Option<String> = None;
        for cut in &self.cuts {
            let body = shown.as_ref().map_or(body, |text| text.as_bytes());
            shown = cut.body(to, body)?.or(shown);
        }
        // What replaces a body fits into the host.
        if shown.as_ref().is_some_and(|text| text.len() > world.policy.answer_room()) {
            return Err(Refusal::NotFilterable);
        }
        if let Ok(message) = std::str::from_utf8(body) {
            self.taps.iter_mut().for_each(|tap| tap.see(message));
        }
        Ok(shown)
    }

    /// What reads the messages of a stream.
    pub(crate) fn messages<'a>(&'a mut self, world: &'a World<'a>) -> Result<Streamed<'a>, Refusal> {
        let to = context(self.route, self.principal.as_deref(), world)?;
        Ok(Streamed { to, cuts: &self.cuts, taps: &mut self.taps })
    }

    /// Whether a tap wants to see a message that begins like this.
    pub(crate) fn wants(&self, scan: &Scan) -> bool {
        self.taps.iter().any(|tap| tap.wants(scan))
    }

    /// The task that what has come of the answer makes.
    pub(crate) fn task(&self) -> Option<&TaskTap> {
        self.taps.iter().map(|Tap::Task(tap)| tap).find(|tap| tap.id.is_some())
    }

    /// The same, taken out: no other is looked for.
    pub(crate) fn take_task(&mut self) -> Option<TaskTap> {
        let at = self.taps.iter().position(|Tap::Task(tap)| tap.id.is_some())?;
        let Tap::Task(tap) = self.taps.remove(at);
        Some(tap)
    }

    /// The answer instead, where it can't be shown.
    pub(crate) fn refuse(&self, policy: &Policy, request_id: String, refusal: &Refusal) -> Reply {
        let of = |mcp: &OfMcp| McpReplyContext {
            id: mcp.id.clone(),
            scopes: None,
            tool_call: None,
            version: None,
        };
        let asked = ReplyContext { request_id, mcp: self.mcp.as_ref().map(of), ..ReplyContext::default() };
        reply::refuse(policy, policy.routes.get(self.route.0), &asked, refusal)
    }
}

/// For whom it is cut.
fn context<'a>(
    RouteId(at): RouteId,
    principal: Option<&'a Principal>,
    world: &'a World<'a>,
) -> Result<CutContext<'a>, Refusal> {
    let route = world.policy.routes.get(at).ok_or(Refusal::NotFilterable)?;
    Ok(CutContext { world, route, principal })
}

/// A pipeline that reads the messages of a stream.
pub(crate) struct Streamed<'a> {
    to: CutContext<'a>,
    cuts: &'a [Cut],
    taps: &'a mut [Tap],
}

impl Messages for Streamed<'_> {
    fn cut(&self, message: &str) -> Result<Option<String>, Refusal> {
        let mut shown: Option<String> = None;
        for cut in self.cuts {
            shown = cut.message(self.to, shown.as_deref().unwrap_or(message))?.or(shown);
        }
        Ok(shown)
    }

    fn wants(&self, scan: &Scan) -> bool {
        self.taps.iter().any(|tap| tap.wants(scan))
    }

    fn see(&mut self, message: &str) {
        self.taps.iter_mut().for_each(|tap| tap.see(message));
    }
}

#[cfg(test)]
mod tests;
