//! What an answer must not show, and how it is read for that: the upstream's status and headers in, how it must be treated out; then its body in, what the
//! caller may see of it out (contract §8, §12).

use crate::config::policy::{Policy, RouteId, Tasks};
use crate::exchange::making::{Made, Making};
use crate::exchange::watched::{Watched, is_harmless};
use crate::jwt::VerifiedClaims;
use crate::mcp::era::Era;
use crate::mcp::form::Scan;
use crate::mcp::id;
use crate::mcp::kind::Kind;
use crate::mcp::list::{Lens, Unfilterable};
use crate::mcp::operation::Operation;
use crate::mcp::session::Holder;
use crate::mcp::sse::Events;
use crate::mcp::tasks::{self, Finder};
use crate::refusal::Refusal;
use crate::reply::{self, Asked, AskedMcp, Reply};
use crate::request::Request;
use crate::response_filter::{self, Filtered};
use crate::world::World;
use std::sync::Arc;

/// What an answer must not show.
#[derive(Debug)]
pub struct Rewrite {
    pub(super) route: RouteId,
    pub(super) claims: Option<Arc<VerifiedClaims>>,
    pub(super) what: What,
    is_head: bool,
}

#[derive(Debug)]
pub(super) enum What {
    /// Elements of others.
    Owner,
    /// Tools, prompts and resources that the caller may not use.
    Lists(Lists),
}

#[derive(Debug)]
pub(super) struct Lists {
    era: Era,
    pub id: String,
    asked: Vec<(String, Kind)>,
    pub session: Session,
    pub making: Making,
}

/// What is known of a request's session when it passes.
#[derive(Debug)]
pub struct Session {
    /// Its id, where it is known for the caller's.
    pub id: Option<Vec<u8>>,
    /// The request is to end it.
    pub ends: bool,
}

/// What the host knows of an answer's headers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    /// `:status`.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// There is more than one.
    pub has_more_types: bool,
    /// All values of `Content-Encoding`.
    pub content_encodings: &'a [&'a [u8]],
    /// `Content-Length`.
    pub content_length: Option<&'a [u8]>,
    /// Nothing follows.
    pub is_end: bool,
}

/// How an answer must be treated.
#[derive(Debug)]
pub enum Treatment {
    /// It passes.
    Pass,
    /// Its body is read whole, at most so many bytes, and then filtered.
    Whole(usize),
    /// It was asked for as something else than a list. Its body is held while it may be one, at most so many bytes, and watched from then on.
    Watch(Watched),
    /// Its events are filtered as they come.
    Stream {
        /// What filters them.
        events: Events,
        /// It answers a list: where headers can be held, they wait for the first event, which may be a reason to refuse.
        is_answer: bool,
    },
    /// It has no body, and its headers must not describe one.
    Bare,
    /// It isn't shown.
    Refuse(Reply),
}

/// What a whole body becomes.
#[derive(Debug)]
pub enum Shown {
    /// It stays.
    Same,
    /// This instead.
    Changed(String),
    /// It isn't shown.
    Refuse(Reply),
}

/// A stream that ends before what can't be shown.
#[derive(Debug)]
pub struct End {
    /// What came before it and may be shown.
    pub before: Vec<u8>,
    /// The answer instead, where nothing has been shown.
    pub reply: Reply,
}

/// Headers that describe a body as it was before it was filtered.
pub const STALE: [&str; 4] = ["etag", "digest", "content-digest", "accept-ranges"];

impl Rewrite {
    /// Cuts an answer down to the caller's own elements.
    pub(super) fn owner(route: RouteId, claims: &Arc<VerifiedClaims>, request: &Request<'_>) -> Self {
        let is_head = request.method == "HEAD";
        Self { route, claims: Some(Arc::clone(claims)), what: What::Owner, is_head }
    }

    /// Cuts lists down to what the caller may use, and keeps the task that is made. What was asked for doesn't say what comes: an upstream knows its answers by ids that
    /// the client chose. The operation has passed, and what is kept of it is taken.
    pub(super) fn list(
        route: RouteId,
        claims: Option<&Arc<VerifiedClaims>>,
        operation: &mut Operation,
        session: Session,
        tasks: Tasks,
    ) -> Self {
        let mut calls = std::mem::take(&mut operation.calls);
        let asked = calls.iter().filter_map(|c| Some((c.id.clone(), Kind::of(&c.method)?))).collect();
        let (id, making) = match calls.pop() {
            Some(call) if calls.is_empty() && !operation.is_batch => Making::by(call, tasks),
            _ => (id::NONE.to_owned(), Making::Nothing),
        };
        let what = What::Lists(Lists { era: operation.era, id, asked, session, making });
        Self { route, claims: claims.cloned(), what, is_head: false }
    }

    pub(super) fn treat(&self, policy: &Policy, head: &Head<'_>) -> Option<Treatment> {
        let route = policy.routes.get(self.route.0)?;
        if !(200..300).contains(&head.status) {
            return Some(Treatment::Pass);
        }
        if head.is_end || self.is_head {
            return Some(if self.is_asked() { Treatment::Bare } else { Treatment::Pass });
        }
        let cap = match &self.what {
            What::Owner => route.response_filter.as_ref()?.max_bytes,
            What::Lists(_) => route.mcp.as_ref()?.max_body,
        };
        // A host that holds less would end the stream by itself.
        let cap = cap.min(policy.answer_room());
        if head.content_encodings.iter().any(|e| !e.trim_ascii().eq_ignore_ascii_case(b"identity")) {
            return None;
        }
        if head.has_more_types || head.content_type.is_some_and(|kind| !is_utf8(kind)) {
            return None;
        }
        let is_stream = head.content_type.is_some_and(|t| starts_with(t, b"text/event-stream"));
        match &self.what {
            What::Owner if is_stream => return None,
            What::Lists(_) if is_stream => {
                let is_answer = self.is_asked();
                let events = Events::new(cap, is_answer).of_call(self.calling().map(str::to_owned));
                return Some(Treatment::Stream { events, is_answer });
            }
            What::Lists(_) if !self.is_asked() => {
                let makes_tasks = self.calling().is_some();
                return Some(Treatment::Watch(Watched {
                    scan: Scan::default(),
                    cap,
                    flows: false,
                    makes_tasks,
                }));
            }
            What::Owner | What::Lists(_) => {}
        }
        let length =
            head.content_length.and_then(|l| std::str::from_utf8(l).ok()?.trim().parse::<u64>().ok());
        let fits = length.is_none_or(|length| usize::try_from(length).is_ok_and(|length| length <= cap));
        fits.then_some(Treatment::Whole(cap))
    }

    /// Whether the answer is known to be one that is cut down.
    fn is_asked(&self) -> bool {
        match &self.what {
            What::Owner => true,
            What::Lists(lists) => !lists.asked.is_empty(),
        }
    }

    pub(super) fn show(&self, world: &World<'_>, body: &[u8]) -> Result<Option<String>, Refusal> {
        let route = world.policy.routes.get(self.route.0).ok_or(Refusal::NotFilterable)?;
        let text = || std::str::from_utf8(body).map_err(|_| Refusal::NotFilterable);
        match &self.what {
            What::Owner => {
                let rule = route.response_filter.as_ref().ok_or(Refusal::NotFilterable)?;
                let user = self.claims.as_ref().ok_or(Refusal::NotFilterable)?.user();
                match response_filter::filter(body, rule, user).map_err(|_| Refusal::NotFilterable)? {
                    Filtered::Same => Ok(None),
                    Filtered::Changed(text) => Ok(Some(text)),
                    Filtered::NotFound => Err(Refusal::NotOwner),
                }
            }
            // Not JSON, and no reader finds a list in it.
            What::Lists(_) if !self.is_asked() && is_harmless(body) => Ok(None),
            What::Lists(lists) => self
                .lens(world, lists, text()?)
                .ok_or(Refusal::NotFilterable)?
                .map_err(|_| Refusal::NotFilterable),
        }
    }

    pub(super) fn lens(
        &self,
        world: &World<'_>,
        lists: &Lists,
        text: &str,
    ) -> Option<Result<Option<String>, Unfilterable>> {
        let route = world.policy.routes.get(self.route.0)?;
        let mcp = route.mcp.as_ref()?;
        let holder = Holder { route, claims: self.claims.as_deref() };
        let lens = Lens {
            route,
            mcp,
            finder: Finder::new(world, holder, mcp),
            caller: self.claims.as_ref().map(|claims| claims.consented_scopes()),
            era: lists.era,
            asked: &lists.asked,
        };
        Some(lens.filter(text))
    }

    pub(super) fn asked(&self) -> Option<AskedMcp> {
        match &self.what {
            What::Owner => None,
            What::Lists(lists) => {
                Some(AskedMcp { id: lists.id.clone(), scopes: None, tool_call: None, version: None })
            }
        }
    }
}

impl Rewrite {
    /// The id of the call whose answer may make a task.
    pub(super) fn calling(&self) -> Option<&str> {
        match &self.what {
            What::Lists(Lists { id, making: Making::ByTool(_), .. }) => Some(id),
            What::Lists(_) | What::Owner => None,
        }
    }

    /// Notes the task that a whole answer makes, if it makes one.
    pub(super) fn note_task_in(&mut self, answer: &[u8]) {
        let made = self.calling().and_then(|call| tasks::made(std::str::from_utf8(answer).ok()?, call));
        if let Some(id) = made {
            self.note_task(id);
        }
    }

    /// Notes the task that the answer has made: the first, since a call has one answer.
    pub(super) fn note_task(&mut self, id: String) {
        if let What::Lists(Lists { making, .. }) = &mut self.what
            && let Making::ByTool(tool) = making
        {
            *making = Making::Made(Box::new(Made { tool: std::mem::take(tool), id }));
        }
    }
}

/// The answer instead, where it can't be shown.
pub(super) fn refuse(policy: &Policy, rewrite: &Rewrite, request_id: String, refusal: &Refusal) -> Reply {
    let asked = Asked { request_id, mcp: rewrite.asked(), ..Asked::default() };
    reply::refuse(policy, policy.routes.get(rewrite.route.0), &asked, refusal)
}

/// Whether a type names no charset but UTF-8. A comma joins two of them.
fn is_utf8(kind: &[u8]) -> bool {
    let Ok(kind) = std::str::from_utf8(kind) else { return false };
    let fits = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        !name.trim().trim_end_matches('*').eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8"].iter().any(|name| value.eq_ignore_ascii_case(name))
    };
    !kind.contains(',') && kind.split(';').skip(1).all(fits)
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.trim_ascii_start().get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}
