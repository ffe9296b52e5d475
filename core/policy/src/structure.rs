//! Form: a JSON value in, the raw policy and every error of form out. Each member that doesn't fit is
//! reported with its path and counts as absent, so that one run shows all.

use super::error::ConfigError;
use super::form::{Form as _, Reading};
use super::raw::RawPolicy;
use serde_json::Value;

/// Reads the form.
pub fn read(value: &Value) -> (RawPolicy, Vec<ConfigError>) {
    let mut reading = Reading::default();
    if !value.is_object() {
        reading.error("expected a policy: one object with `issuers`, `routes` and so on".to_owned());
        return (RawPolicy::default(), reading.into_errors());
    }
    reading.nulls(value);
    let policy = RawPolicy::read(value, &mut reading).unwrap_or_default();
    (policy, reading.into_errors())
}
