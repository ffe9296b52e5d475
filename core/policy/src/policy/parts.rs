//! Parts of a policy that are in more than one place.

use gatewaystack_text::scopes::Scopes;

/// An absolute URL in the parts that a fetch needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// `https` where true, else `http`.
    pub tls: bool,
    /// Host without brackets, lower case.
    pub host: String,
    /// Explicit or default port.
    pub port: u16,
    /// Host and port as the `Host` header has them (default ports left out).
    pub authority: String,
    /// Path and query, beginning with `/`.
    pub path: String,
}

/// A path pattern, in segments of the normalised path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Segments before the end; `None` is `*`: exactly one segment.
    pub segments: Vec<Option<String>>,
    /// Ends in `/*`: one or more segments follow.
    pub rest: bool,
}

/// Scopes of a route or tool. Empty in both: a token is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeRule {
    /// All of these.
    pub all: Vec<String>,
    /// At least one of these, where not empty.
    pub any: Vec<String>,
}

impl ScopeRule {
    /// Whether these are enough.
    #[inline]
    pub fn is_met(&self, by: &Scopes) -> bool {
        let has = |scope: &String| by.has(scope);
        self.all.iter().all(has) && (self.any.is_empty() || self.any.iter().any(has))
    }
}
