//! Answers that were asked for as something else than a list, and may be one by their form: a body as it comes in, out what may go on of it.

use super::Exchange;
use crate::mcp::form::{Form, Scan, names_a_list};

/// A body that is a list only by its form.
#[derive(Debug, Clone)]
pub struct Watched {
    pub(super) scan: Scan,
    /// So much of it is held.
    pub cap: usize,
    /// Some of it has gone on.
    pub flows: bool,
    pub(super) makes_tasks: bool,
}

/// What follows for a part of a [`Watched`] body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// It waits for more.
    Hold,
    /// All that has come goes on.
    Pass,
    /// It is whole, and read strictly.
    Read,
    /// It goes no further.
    End,
}

impl Exchange {
    /// What follows for more of a body that is watched, of which `size` bytes are held with it.
    pub fn on_response_part(
        &mut self,
        watched: &mut Watched,
        part: &[u8],
        size: usize,
        is_end: bool,
    ) -> Watch {
        watched.scan.feed(part);
        let (scan, is_held) = (&watched.scan, size <= watched.cap && !watched.flows);
        let watch = match is_held {
            true if is_end && scan.end() == Form::Other && !(watched.makes_tasks && scan.names_task()) => {
                Watch::Pass
            }
            true if is_end => Watch::Read,
            true if scan.is_other() => Watch::Pass,
            true => Watch::Hold,
            false if scan.may_be_list() || scan.is_broken() => Watch::End,
            false => Watch::Pass,
        };
        watched.flows |= watch == Watch::Pass;
        if watch == Watch::End {
            self.lose_answer();
        }
        watch
    }
}

/// Whether nobody finds a list in it.
pub(super) fn is_harmless(body: &[u8]) -> bool {
    let mut scan = Scan::default();
    scan.feed(body);
    match scan.end() {
        Form::Other => true,
        Form::Broken => !names_a_list(body),
        Form::List => false,
    }
}
