//! Policy and environment in, one compiled [`policy::Policy`] or all errors with their paths out.
//!
//! ```text
//! bytes ─ json ─► Value ─ structure ─► raw::RawPolicy ─ compile ─► policy::Policy
//!                   ▲ environment (fold)                 └────────► every ConfigError
//! ```
//!
//! `{"issuers":[{"issuer":"https://idp.example/","audiences":["api"]}]}` is accepted; a member that nobody
//! knows, a member given twice, a `null`, and whatever isn't part of this version are not: a policy that
//! isn't fully understood is not loaded.
//!
//! This crate is built for size, and each function of the standard library that is used for one type once
//! comes whole into the filter's module: so nothing here takes members out of a map, splices lists, collects
//! into maps, or prints floats or JSON values.

#![warn(missing_docs)]

pub mod error;
pub mod policy;
pub mod index;
pub mod bounds;
pub mod reference;
pub mod raw;
mod form;
mod structure;
mod values;
mod compile;
pub use compile::scope_prefix::of_token as whole_scope;
pub mod overlap;
pub mod environment;

use environment::Folded;
use error::ConfigError;
use policy::Policy;
use serde_json::Value;
use std::collections::BTreeMap;

/// Variables by name.
pub type Environment = BTreeMap<String, String>;

/// An environment; of a name that is there twice the last value counts.
pub fn environment_of(variables: Vec<(String, String)>) -> Environment {
    let mut environment = Environment::new();
    for (name, value) in variables {
        environment.insert(name, value);
    }
    environment
}

/// Where a policy is loaded, which decides what its absent built-in members mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `render` and the sidecar: health, metadata and webhook are on, the sidecar serves the metadata.
    Gateway,
    /// The filter: only metadata is on, and the filter serves it.
    Filter,
}

/// The deepest nesting of a policy; the outermost object is 1.
const MAX_DEPTH: usize = 32;

/// Loads a gateway's policy (JSON) with the environment folded in. Without a policy the environment alone
/// gives the original's routes.
///
/// # Errors
/// Everything that is wrong, each with its path or the name of its variable.
pub fn load(policy: Option<&[u8]>, env: Option<&Environment>) -> Result<Policy, Vec<ConfigError>> {
    let policy = policy.map(parse).transpose().map_err(|e| vec![e])?;
    let nothing = Environment::new();
    let folded = fold_all(policy, env.unwrap_or(&nothing));
    compile_folded(folded, Place::Gateway).map(|(policy, _)| policy)
}

/// Loads the filter's configuration. `env`, its VM's environment, counts only where the policy says
/// `environment: true`.
///
/// # Errors
/// As [`load`]; an empty configuration is one, too.
pub fn load_filter(policy: Option<&[u8]>, env: Option<&Environment>) -> Result<Policy, Vec<ConfigError>> {
    let Some(bytes) = policy.filter(|bytes| !bytes.trim_ascii().is_empty()) else {
        return Err(vec![ConfigError::new("", "the configuration is empty: expected a policy (JSON)")]);
    };
    let policy = parse(bytes).map_err(|e| vec![e])?;
    let asks = policy.get("environment") == Some(&Value::Bool(true));
    let folded = match env {
        Some(env) if asks => environment::overlay(policy, env),
        _ => Folded::new(policy),
    };
    compile_folded(folded, Place::Filter).map(|(policy, _)| policy)
}

/// Folds the environment into a policy: what comes out is what the filter loads, with each member whose
/// default differs between a gateway and a mesh written out.
///
/// # Errors
/// As [`load`]: what comes out has been compiled once.
pub fn fold(policy: Option<Value>, env: &Environment) -> Result<Value, Vec<ConfigError>> {
    load_value(policy, env).map(|(_, value)| value)
}

/// [`fold`] and [`load`] in one: the compiled policy and the folded JSON that it was compiled from.
///
/// # Errors
/// As [`load`].
pub fn load_value(policy: Option<Value>, env: &Environment) -> Result<(Policy, Value), Vec<ConfigError>> {
    compile_folded(fold_all(policy, env), Place::Gateway)
}

fn fold_all(policy: Option<Value>, env: &Environment) -> Folded {
    let folded = match policy {
        Some(policy) => environment::overlay(policy, env),
        None => environment::alone(env),
    };
    folded.written_out()
}

fn parse(bytes: &[u8]) -> Result<Value, ConfigError> {
    gatewaystack_text::json::parse(bytes, MAX_DEPTH)
        .map_err(|e| ConfigError::new("", format!("not a policy in JSON: {e}")))
}

fn compile_folded(folded: Folded, place: Place) -> Result<(Policy, Value), Vec<ConfigError>> {
    let Folded { value, errors, origins } = folded;
    let (mut raw, structural) = structure::read(&value);
    let (policy, semantic) = compile::compile(&mut raw, &value, place);
    let mut all = errors;
    // A member that was taken out for its form would be missed again by the checks of meaning.
    let known: Vec<String> = structural.iter().map(|e| e.path.clone()).collect();
    let semantic = semantic.into_iter().filter(|e| !known.iter().any(|k| related(k, &e.path)));
    for error in structural.into_iter().chain(semantic) {
        let error = origins.named(error);
        if !all.iter().any(|e| e.path == error.path && is_variable(&e.path)) {
            all.push(error);
        }
    }
    if all.is_empty() { Ok((policy, value)) } else { Err(all) }
}

/// Whether one path holds the other.
fn related(a: &str, b: &str) -> bool {
    holds(a, b) || holds(b, a)
}

/// Whether `outer` is `inner` or one of the members around it.
fn holds(outer: &str, inner: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether an error's path is a variable's name: those are upper case, members are not.
pub fn is_variable(path: &str) -> bool {
    !path.is_empty() && path.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests;
