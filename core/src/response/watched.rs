//! Answers that were asked for as something else than a list, and may be one by their form: a body as it
//! comes in, out what may go on of it.

use crate::mcp::form::{Form, Scan, names_a_list};

/// A body that is a list only by its form.
#[derive(Debug, Clone)]
pub struct Watched {
    scan: Scan,
    /// So much of it is held.
    pub cap: usize,
    /// Some of it has gone on.
    pub flows: bool,
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

impl Watched {
    /// A body of which at most `cap` bytes are held.
    pub fn new(cap: usize) -> Self {
        Self { scan: Scan::default(), cap, flows: false }
    }

    /// What follows for more of the body, of which `size` bytes are held with it; `is_wanted`: whether a
    /// message that begins like this is read whole, though it is no list.
    pub fn feed(
        &mut self,
        part: &[u8],
        size: usize,
        is_end: bool,
        is_wanted: impl Fn(&Scan) -> bool,
    ) -> Watch {
        self.scan.feed(part);
        let (scan, is_held) = (&self.scan, size <= self.cap && !self.flows);
        let watch = match is_held {
            true if is_end && scan.end() == Form::Other && !is_wanted(scan) => Watch::Pass,
            true if is_end => Watch::Read,
            true if scan.is_other() => Watch::Pass,
            true => Watch::Hold,
            false if scan.may_be_list() || scan.is_broken() => Watch::End,
            false => Watch::Pass,
        };
        self.flows |= watch == Watch::Pass;
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
