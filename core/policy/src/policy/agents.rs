//! Agents: clients that have a name here.

use std::sync::Arc;

/// Which clients are agents.
#[derive(Debug, Clone)]
pub struct Agents {
    /// Whether callers pass whose client is none.
    pub allows_unlisted: bool,
    /// Whole ids, and whose they are, in order.
    pub(crate) exact: Vec<(String, Arc<str>)>,
    /// Beginnings of ids, the longest first.
    pub(crate) beginnings: Vec<(String, Arc<str>)>,
}

impl Agents {
    /// Whether there is an agent of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.exact.iter().chain(&self.beginnings).any(|(_, agent)| &**agent == name)
    }

    /// The agent that a client is: by its whole id, else by the longest beginning of it.
    pub fn of_client(&self, client: &str) -> Option<&Arc<str>> {
        let whole = self.exact.binary_search_by(|(id, _)| id.as_str().cmp(client));
        if let Some((_, agent)) = whole.ok().and_then(|at| self.exact.get(at)) {
            return Some(agent);
        }
        self.beginnings.iter().find(|(start, _)| client.starts_with(start.as_str())).map(|(_, agent)| agent)
    }
}
