//! The rules of an MCP route, and how a sloppy server might take one name for another.

use super::parts::ScopeRule;

/// The rules of an MCP route (contract §12).
#[derive(Debug, Clone)]
pub struct Mcp {
    /// The protected resource's identifier, byte for byte; an accepted audience, too.
    pub resource: String,
    /// Rules by tool.
    pub tools: McpRules,
    /// Rules by prompt.
    pub prompts: McpRules,
    /// Rules by URI.
    pub resources: McpRules,
    /// Methods that are open without a token, `initialize` and `notifications/initialized` among them; empty:
    /// none is.
    pub lazy_auth: Vec<String>,
    /// Whether anything on the route may do without a token.
    pub opens: bool,
    /// How a client is told to sign in.
    pub challenge_mode: ChallengeMode,
    /// Whose a session is.
    pub sessions: Sessions,
    /// Who may ask for tasks, whose state has results of tools in it.
    pub tasks: Tasks,
    /// Whether rules ask for arguments.
    pub keeps_arguments: bool,
    /// Origins that browsers may call from, or `*`.
    pub allowed_origins: Vec<String>,
    /// `scopes_supported` of its own metadata document.
    pub scopes_supported: Vec<String>,
}

/// Rules by name.
#[derive(Debug, Clone)]
pub struct McpRules {
    /// Exact names, in order.
    pub named: Vec<(String, McpRule)>,
    /// Beginnings of names (one or more characters follow), the longest first.
    pub patterns: Vec<(String, McpRule)>,
    /// Whether a token is enough for what has no rule; else it is denied.
    pub allow_unlisted: bool,
    /// What sloppy servers take these names for.
    pub keys: Keys,
}

/// Names as sloppy servers read them: in their folded form.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// Of the exact names, in order.
    pub named: Vec<String>,
    /// Of the beginnings, in the order of those.
    pub patterns: Vec<String>,
}

impl McpRules {
    /// The rule of `name`.
    #[inline]
    pub fn find(&self, name: &str) -> Option<&McpRule> {
        let exact = self.named.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok();
        let fits = |start: &str| name.strip_prefix(start).is_some_and(|rest| !rest.is_empty());
        let found = exact.and_then(|at| self.named.get(at));
        found.or_else(|| self.patterns.iter().find(|(start, _)| fits(start))).map(|(_, rule)| rule)
    }

    /// Whether a sloppy server takes `name` for one that has a rule of its own, which isn't the rule that
    /// `name` has. `key`: its folded form; `None`: it has none, and could be anything.
    #[inline]
    pub fn is_mistakable(&self, name: &str, key: Option<&str>) -> bool {
        if self.named.binary_search_by(|(other, _)| other.as_str().cmp(name)).is_ok() {
            return false;
        }
        let Some(key) = key else { return !(self.named.is_empty() && self.patterns.is_empty()) };
        if self.keys.named.binary_search_by(|other| other.as_str().cmp(key)).is_ok() {
            return true;
        }
        let begins = |text: &str, start: &str| text.strip_prefix(start).is_some_and(|rest| !rest.is_empty());
        // Servers that open files drop a query. Anyone who has a rule for queries has a pattern that takes
        // them in.
        let bare = key.split('?').next().unwrap_or(key);
        let is_meant = |bare: &str| {
            self.patterns.iter().any(|(start, _)| start.len() >= bare.len() && begins(name, start))
        };
        if bare.len() < key.len()
            && self.keys.named.binary_search_by(|other| other.as_str().cmp(bare)).is_ok()
            && !is_meant(bare)
        {
            return true;
        }
        let patterns = self.patterns.iter().map(|(start, _)| start).zip(&self.keys.patterns);
        let (mut own, mut best) = (None, None);
        for (start, folded) in patterns {
            if own.is_none() && begins(name, start) {
                own = Some(folded.len());
            }
            if begins(key, folded) {
                best = best.max(Some(folded.len()));
            }
        }
        best > own
    }

    /// All rules.
    #[inline]
    pub fn all(&self) -> impl Iterator<Item = &McpRule> {
        self.named.iter().chain(&self.patterns).map(|(_, rule)| rule)
    }
}

/// Who may use a tool, prompt or resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpRule {
    /// Anybody.
    Public,
    /// Anyone who has a good token with these scopes.
    Token(ScopeRule),
}

/// How a client is told to sign in or to ask for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeMode {
    /// By status and `WWW-Authenticate`.
    Http,
    /// On `tools/call` by a result with `_meta["mcp/www_authenticate"]`.
    Meta,
}

/// Whose a session (`Mcp-Session-Id`) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// The caller's that got it.
    Bind,
    /// Anyone's who knows its id.
    Pass,
}

/// Who may ask for tasks. One that is known to have been made by a tool follows that tool's rule in any case
/// but the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// Anyone who has a token, where nobody knows which tool made them.
    Allow,
    /// Nobody, where nobody knows which tool made them.
    Known,
    /// Nobody.
    Deny,
}
