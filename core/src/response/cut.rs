//! What shows less of an answer than the upstream sent: a message in, what the caller may see of it out, or
//! why none of it. It fails closed: what can't be read isn't shown.

use crate::authorize;
use crate::config::policy::Route;
use crate::mcp::era::Era;
use crate::mcp::kind::Kind;
use crate::mcp::list::ListFilter;
use crate::mcp::session::Holder;
use crate::mcp::tasks::Finder;
use crate::principal::Principal;
use crate::refusal::Refusal;
use crate::response::owner::{self, Filtered};
use crate::response::watched::is_harmless;
use crate::rules::facts::Asked;
use crate::tally::Tally;
use crate::world::World;

/// One of the cuts of a route.
#[derive(Debug)]
pub enum Cut {
    /// Elements of others go.
    Owner,
    /// Tools, prompts and resources go that the caller may not use, and others' tasks.
    Lists {
        /// The era of the request.
        era: Era,
        /// Ids (as JSON) of the calls that ask for a list, and what each lists.
        asked: Vec<(String, Kind)>,
    },
}

/// For whom an answer is cut.
#[derive(Clone, Copy)]
pub struct CutContext<'a> {
    /// The world.
    pub world: &'a World<'a>,
    /// The route.
    pub route: &'a Route,
    /// The caller; `None`: nobody has signed in.
    pub principal: Option<&'a Principal>,
}

impl Cut {
    /// Whether the answer is known to be one that it cuts. Else it is known by its form.
    pub fn is_asked(&self) -> bool {
        match self {
            Self::Owner => true,
            Self::Lists { asked, .. } => !asked.is_empty(),
        }
    }

    /// Whether it cuts streams of events.
    pub fn reads_events(&self) -> bool {
        match self {
            Self::Owner => false,
            Self::Lists { .. } => true,
        }
    }

    /// A body that has one message; `None`: all of it is shown.
    ///
    /// # Errors
    /// Nothing of it may be shown.
    pub fn body(&self, to: CutContext<'_>, body: &[u8]) -> Result<Option<String>, Refusal> {
        match self {
            Self::Owner => {
                let rule = to.route.response_filter.as_ref().ok_or(Refusal::NotFilterable)?;
                let user = to.principal.ok_or(Refusal::NotFilterable)?.user();
                match owner::filter(body, rule, user).map_err(|_| Refusal::NotFilterable)? {
                    Filtered::Same => Ok(None),
                    Filtered::Changed(text) => Ok(Some(text)),
                    Filtered::NotFound => Err(Refusal::NotOwner),
                }
            }
            // Not JSON, and no reader finds a list in it.
            Self::Lists { asked, .. } if asked.is_empty() && is_harmless(body) => Ok(None),
            Self::Lists { .. } => {
                self.message(to, std::str::from_utf8(body).map_err(|_| Refusal::NotFilterable)?)
            }
        }
    }

    /// A message; `None`: all of it is shown.
    ///
    /// # Errors
    /// Nothing of it may be shown.
    pub fn message(&self, to: CutContext<'_>, message: &str) -> Result<Option<String>, Refusal> {
        match self {
            Self::Owner => self.body(to, message.as_bytes()),
            Self::Lists { era, asked } => {
                let CutContext { world, route, principal } = to;
                let mcp = route.mcp.as_ref().ok_or(Refusal::NotFilterable)?;
                // Before anybody has signed in, a list shows what is there to sign in for.
                let may = |asked: Asked<'_>| {
                    let one = &mut [asked].into_iter();
                    let judge = |caller| {
                        authorize::check_rules(world, None, route, caller, one, &mut Tally::default())
                    };
                    principal.map_or(Ok(()), judge).is_ok()
                };
                let filter = ListFilter {
                    may: &may,
                    route,
                    mcp,
                    finder: Finder::new(world, Holder { route, principal }, mcp),
                    caller: principal.map(Principal::consented_scopes),
                    era: *era,
                    asked,
                };
                filter.filter(message).map_err(|_| Refusal::NotFilterable)
            }
        }
    }
}
