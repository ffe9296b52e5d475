//! The upstream's answer: its status and headers in, how it must be treated out; then its body in, what the caller may see of it out (contract §8, §12).

mod session;
mod task;

use crate::config::policy::Policy;
use crate::exchange::rewrite::{self, Rewrite, What};
pub use crate::exchange::rewrite::{End, Head, STALE, Shown, Treatment};
use crate::exchange::state::{Exchange, Forwarded, Waiting};
pub use crate::exchange::watched::{Watch, Watched};
use crate::mcp::list::Unfilterable;
use crate::mcp::sse::{Cut, Events};
use crate::refusal::Refusal;
use crate::reply::{self, Asked, AskedMcp};
use crate::world::World;

impl Exchange {
    pub(super) fn rewrite(&self) -> Option<&Rewrite> {
        self.forwarded()?.rewrite.as_ref()
    }

    /// How the upstream's answer must be treated.
    pub fn on_response(&mut self, policy: &Policy, head: &Head<'_>) -> Treatment {
        let refusal = Refusal::NotFilterable;
        match self {
            Self::Forwarded(Forwarded { facts, rewrite: Some(rewrite), .. }) => {
                rewrite.treat(policy, head).unwrap_or_else(|| {
                    facts.refuse(&refusal);
                    Treatment::Refuse(rewrite::refuse(policy, rewrite, facts.request_id.clone(), &refusal))
                })
            }
            // The upstream has the headers alone and answers all the same: what it answers was asked for by nobody whom we know.
            Self::Waiting(Waiting { held, .. }) if (200..300).contains(&head.status) => {
                let mut facts = std::mem::take(&mut held.facts);
                facts.refuse(&refusal);
                let mcp = Some(AskedMcp::nothing());
                let asked = Asked { request_id: facts.request_id.clone(), mcp, ..Asked::default() };
                *self = Self::Replied(facts);
                Treatment::Refuse(reply::refuse(policy, None, &asked, &refusal))
            }
            Self::Forwarded(_) | Self::Waiting(_) | Self::New | Self::Watched(_) | Self::Replied(_) => {
                Treatment::Pass
            }
        }
    }

    /// What a whole body becomes; `None`: it is over the cap, or can't be read.
    pub fn on_response_body(&mut self, world: &World<'_>, body: Option<&[u8]>) -> Shown {
        let policy = world.policy;
        let Self::Forwarded(Forwarded { facts, rewrite: Some(rewrite), .. }) = self else {
            return Shown::Same;
        };
        let fits =
            |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() <= policy.answer_room());
        let shown = body.ok_or(Refusal::NotFilterable).and_then(|body| rewrite.show(world, body));
        match shown.and_then(|text| if fits(&text) { Ok(text) } else { Err(Refusal::NotFilterable) }) {
            Ok(None) => {
                rewrite.note_task_in(body.unwrap_or_default());
                Shown::Same
            }
            Ok(Some(text)) => Shown::Changed(text),
            Err(refusal) => {
                facts.refuse(&refusal);
                Shown::Refuse(rewrite::refuse(policy, rewrite, facts.request_id.clone(), &refusal))
            }
        }
    }

    /// The events of a chunk, filtered. An error ends the stream.
    ///
    /// # Errors
    /// What came before that may still be shown, or else an answer instead.
    pub fn on_response_events(
        &mut self,
        world: &World<'_>,
        events: &mut Events,
        chunk: &[u8],
        is_end: bool,
    ) -> Result<Vec<u8>, End> {
        let policy = world.policy;
        let Self::Forwarded(Forwarded { facts, rewrite: Some(rewrite), .. }) = self else {
            let reply = reply::refuse(policy, None, &Asked::default(), &Refusal::NotFilterable);
            return Err(End { before: Vec::new(), reply });
        };
        let filter = |text: &str| match &rewrite.what {
            What::Lists(lists) => rewrite.lens(world, lists, text).unwrap_or(Err(Unfilterable)),
            What::Owner => Err(Unfilterable),
        };
        let room = policy.answer_room();
        let fits = |events: &Events, text: &[u8]| !events.is_bound() || text.len() <= room;
        let shown = match events.feed(chunk, is_end, &filter) {
            Ok(text) if !fits(events, &text) => Err(Cut(Vec::new())),
            shown => shown,
        };
        if let (Ok(_), Some(id)) = (&shown, events.take_task()) {
            rewrite.note_task(id);
        }
        shown.map_err(|Cut(before)| {
            let refusal = Refusal::NotFilterable;
            facts.refuse(&refusal);
            End { before, reply: rewrite::refuse(policy, rewrite, facts.request_id.clone(), &refusal) }
        })
    }

    /// Whether the answer must be looked at: it may show what it must not, or nobody has allowed the request yet.
    pub fn judges_answer(&self) -> bool {
        match self {
            Self::Forwarded(Forwarded { rewrite, .. }) => rewrite.is_some(),
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
        let watch = watched.feed(part, size, is_end);
        if watch == Watch::End {
            self.lose_answer();
        }
        watch
    }
}
