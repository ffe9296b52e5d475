//! What POLICY.md names and this version doesn't do yet: its form is read, and its use refused, since a policy that isn't
//! fully understood is not loaded. The issues that build these parts delete their lines here.

use super::compile::Errors;
use super::raw::RawRateLimit;

const MESSAGE: &str = "not available in this version";

/// Refuses the parts of a limit that are not built.
pub fn rate_limit(limit: &RawRateLimit, path: &str, errors: &mut Errors) {
    if limit.scope.is_some() {
        errors.push(format!("{path}.scope"), format!("limits over machines are {MESSAGE}"));
    }
    if limit.failure_mode.is_some() {
        errors.push(format!("{path}.failure_mode"), format!("limits over machines are {MESSAGE}"));
    }
}
