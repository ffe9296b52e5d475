//! What `doctor` is asked.

use super::call::Call;

/// What is asked about a token.
#[derive(Debug, Clone)]
pub struct Question {
    /// The token, with or without `Bearer` before it.
    pub token: String,
    /// The request's method; `GET`, or `POST` for a call.
    pub method: Option<String>,
    /// The request's path and query; without one a call is on the only MCP route, and a token is judged
    /// alone, and for each route.
    pub path: Option<String>,
    /// What is called on an MCP route.
    pub call: Option<Call>,
    /// The request's host; without one it is that of `public_url`.
    pub host: Option<String>,
    /// Fetch nothing: the signature stays unverified, so nothing is ever allowed.
    pub offline: bool,
    /// The identity provider is Auth0, whatever its domain is.
    pub auth0: bool,
}

impl Question {
    /// The request's method.
    pub fn method(&self) -> &str {
        let default = if self.call.is_some() { "POST" } else { "GET" };
        self.method.as_deref().unwrap_or(default)
    }
}
