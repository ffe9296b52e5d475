//! Progress on standard error, since standard output belongs to what a command answers. In: what is being
//! done. Out: a line when it begins, and one with its seconds when it has ended.

use std::time::Instant;

/// A long step. Says when it begins; `done` says how long it took.
pub struct Step {
    what: String,
    began: Instant,
}

impl Step {
    pub fn begin(what: impl Into<String>, doing: &str) -> Self {
        let what = what.into();
        eprintln!("{what}: {doing} …");
        Self { what, began: Instant::now() }
    }

    pub fn done(self, outcome: &str) {
        eprintln!("{}: {outcome} ({:.1} s)", self.what, self.began.elapsed().as_secs_f64());
    }
}
