//! The upstream's answer, by the request that it is for: its status and headers in, how its body is read out;
//! then the body in, what the caller may see of it out (contract §8, §12).

mod session;
mod task;

use crate::config::policy::Policy;
use crate::exchange::state::{Exchange, Forwarded, Waiting};
use crate::refusal::Refusal;
use crate::reply::{self, McpReplyContext, ReplyContext};
pub use crate::response::framing::{Framing, Head, STALE};
use crate::response::pipeline::Pipeline;
pub use crate::response::pipeline::{FilteredBody, StreamEnd};
use crate::response::sse::{Ended, Events};
pub use crate::response::watched::{Watch, Watched};
use crate::world::World;

impl Exchange {
    pub(super) fn pipeline(&self) -> Option<&Pipeline> {
        self.forwarded()?.pipeline.as_deref()
    }

    /// How the body of the upstream's answer is read.
    pub fn on_response(&mut self, policy: &Policy, head: &Head<'_>) -> Framing {
        let refusal = Refusal::NotFilterable;
        match self {
            Self::Forwarded(Forwarded { facts, pipeline: Some(pipeline), .. }) => {
                pipeline.framing(policy, head).unwrap_or_else(|| {
                    facts.refuse(&refusal);
                    Framing::Refuse(pipeline.refuse(policy, facts.request_id.clone(), &refusal))
                })
            }
            // The upstream has the headers alone and answers all the same: what it answers was asked for by
            // nobody whom we know.
            Self::Waiting(Waiting { held, .. }) if (200..300).contains(&head.status) => {
                let mut facts = std::mem::take(&mut held.facts);
                facts.refuse(&refusal);
                let mcp = Some(McpReplyContext::nothing());
                let asked =
                    ReplyContext { request_id: facts.request_id.clone(), mcp, ..ReplyContext::default() };
                *self = Self::Replied(facts);
                Framing::Refuse(reply::refuse(policy, None, &asked, &refusal))
            }
            Self::Forwarded(_) | Self::Waiting(_) | Self::New | Self::Watched(_) | Self::Replied(_) => {
                Framing::Pass
            }
        }
    }

    /// What a whole body becomes; `None`: it is over the cap, or can't be read.
    pub fn on_response_body(&mut self, world: &World<'_>, body: Option<&[u8]>) -> FilteredBody {
        let Self::Forwarded(Forwarded { facts, pipeline: Some(pipeline), .. }) = self else {
            return FilteredBody::Unchanged;
        };
        match body.ok_or(Refusal::NotFilterable).and_then(|body| pipeline.body(world, body)) {
            Ok(None) => FilteredBody::Unchanged,
            Ok(Some(text)) => FilteredBody::Replaced(text),
            Err(refusal) => {
                facts.refuse(&refusal);
                FilteredBody::Refuse(pipeline.refuse(world.policy, facts.request_id.clone(), &refusal))
            }
        }
    }

    /// The events of a chunk, as far as they are shown. An error ends the stream.
    ///
    /// # Errors
    /// What came before that may still be shown, or else an answer instead.
    pub fn on_response_events(
        &mut self,
        world: &World<'_>,
        events: &mut Events,
        chunk: &[u8],
        is_end: bool,
    ) -> Result<Vec<u8>, StreamEnd> {
        let policy = world.policy;
        let Self::Forwarded(Forwarded { facts, pipeline: Some(pipeline), .. }) = self else {
            let reply = reply::refuse(policy, None, &ReplyContext::default(), &Refusal::NotFilterable);
            return Err(StreamEnd { before: Vec::new(), reply });
        };
        let room = policy.answer_room();
        let shown = match pipeline.messages(world) {
            Ok(mut messages) => events.feed(chunk, is_end, &mut messages),
            Err(_) => Err(Ended(Vec::new())),
        };
        let shown = match shown {
            Ok(text) if events.is_bound() && text.len() > room => Err(Ended(Vec::new())),
            shown => shown,
        };
        shown.map_err(|Ended(before)| {
            let refusal = Refusal::NotFilterable;
            facts.refuse(&refusal);
            StreamEnd { before, reply: pipeline.refuse(policy, facts.request_id.clone(), &refusal) }
        })
    }

    /// Whether the answer must be looked at: it may show what it must not, or nobody has allowed the request
    /// yet.
    pub fn judges_answer(&self) -> bool {
        match self {
            Self::Forwarded(Forwarded { pipeline, .. }) => pipeline.is_some(),
            Self::Waiting(_) => true,
            Self::New | Self::Watched(_) | Self::Replied(_) => false,
        }
    }

    /// What follows for more of a body that is watched, of which `size` bytes are held with it.
    pub fn on_response_part(
        &mut self,
        watched: &mut Watched,
        part: &[u8],
        size: usize,
        is_end: bool,
    ) -> Watch {
        let pipeline = self.pipeline();
        let watch =
            watched.feed(part, size, is_end, |scan| pipeline.is_some_and(|pipeline| pipeline.wants(scan)));
        if watch == Watch::End {
            self.lose_answer();
        }
        watch
    }
}
