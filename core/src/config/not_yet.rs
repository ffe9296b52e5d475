//! What POLICY.md names and this version doesn't do yet: its form is read, and its use refused, since a policy that isn't
//! fully understood is not loaded. The issues that build these parts delete their lines here.

use super::compile::Errors;
use super::raw::{RawRateLimit, RawRoute};

const MESSAGE: &str = "not available in this version";

/// Variables of parts that are not built.
pub const VARIABLES: &[&str] = &["MCP_TARGET", "TOOL_SCOPES_JSON"];

/// The error's text for one of [`VARIABLES`].
pub fn variable_message() -> String {
    MESSAGE.to_owned()
}

/// Refuses the parts of a route that are not built.
pub fn route(route: &RawRoute, path: &str, errors: &mut Errors) {
    if route.mcp.is_some() {
        errors.push(format!("{path}.mcp"), MESSAGE);
    }
    if route.response_filter.is_some() {
        errors.push(format!("{path}.response_filter"), MESSAGE);
    }
}

/// Refuses the parts of a limit that are not built.
pub fn rate_limit(limit: &RawRateLimit, path: &str, errors: &mut Errors) {
    if limit.tools.is_some() {
        errors.push(format!("{path}.tools"), MESSAGE);
    }
    if limit.scope.is_some() {
        errors.push(format!("{path}.scope"), format!("limits over machines are {MESSAGE}"));
    }
    if limit.failure_mode.is_some() {
        errors.push(format!("{path}.failure_mode"), format!("limits over machines are {MESSAGE}"));
    }
}
