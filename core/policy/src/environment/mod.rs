//! The environment (contract §11): a policy and variables in, the policy with the variables folded in out.
//!
//! A variable becomes a member of the policy, so that each fact is checked in one place and the filter sees what the
//! variables said; where the member is wrong, the error names the variable as the operator wrote it. What had no member
//! got one: `docs/decisions/0001-policy-members-for-the-environment.md`.

mod issuer;
mod limits;
mod own;
mod reader;
mod routes;
mod secrets;

use super::Environment;
use super::error::ConfigError;
use reader::Reader;
pub use secrets::{SECRETS, Secret, is_placeholder};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A policy with the environment folded in.
#[derive(Debug)]
pub struct Folded {
    /// The policy.
    pub(super) value: Value,
    /// Variables that can't be read at all.
    pub(super) errors: Vec<ConfigError>,
    /// Which member came from which variable.
    pub(super) origins: Origins,
}

/// Members by the variables that they came from.
#[derive(Debug, Default)]
pub(super) struct Origins {
    variables: BTreeMap<String, String>,
    /// Routes that were put before the policy's, whose numbers they moved.
    routes_before: usize,
}

impl Origins {
    /// The error with the name of the variable, or with the number that the route has in the policy.
    pub(super) fn named(&self, error: ConfigError) -> ConfigError {
        let around = self.variables.iter().filter(|(member, _)| super::holds(member, &error.path));
        if let Some((_, variable)) = around.max_by_key(|(member, _)| member.len()) {
            return ConfigError::new(variable.clone(), error.message);
        }
        match moved(&error.path) {
            Some((number, rest)) if number >= self.routes_before => {
                ConfigError::new(format!("routes[{}]{rest}", number - self.routes_before), error.message)
            }
            _ => error,
        }
    }
}

fn moved(path: &str) -> Option<(usize, &str)> {
    let (number, rest) = path.strip_prefix("routes[")?.split_once(']')?;
    Some((number.parse().ok()?, rest))
}

/// Folds `env` into `policy`.
pub(super) fn overlay(policy: Value, env: &Environment) -> Folded {
    fold(policy, env, false)
}

/// The policy that the environment alone gives: the original's routes.
pub(super) fn alone(env: &Environment) -> Folded {
    fold(json!({ "builtin": { "demo_routes": true } }), env, true)
}

fn fold(policy: Value, env: &Environment, alone: bool) -> Folded {
    let mut reader = Reader::new(env);
    let mut folded = Folded::new(policy);
    let demo = reader.boolean(&["DEMO_MODE"]).is_some_and(|(_, on)| on);
    issuer::fold(&mut reader, &mut folded, alone, demo);
    identity(&mut reader, &mut folded);
    routes::fold(&mut reader, &mut folded, alone);
    limits::fold(&mut reader, &mut folded, alone);
    own::fold(&mut reader, &mut folded, alone);
    secrets::check(&mut reader, demo);
    if demo {
        own::demo_stays_here(&mut reader, &folded);
    }
    folded.errors = reader.errors;
    folded
}

/// How clients see us, what they are told, and where identity goes.
fn identity(reader: &mut Reader<'_>, folded: &mut Folded) {
    for (name, path) in [
        ("PUBLIC_URL", "public_url"),
        ("RESOURCE_URL", "resource"),
        ("PROXY_INJECT_HEADER", "identity.user_header"),
        ("PROXY_INJECT_QUERY", "identity.user_query"),
    ] {
        if let Some((name, text)) = reader.text(&[name]) {
            folded.set(path, json!(text), name);
        }
    }
    for (names, path) in [
        (&["PUBLIC_HOSTS"][..], "public_hosts"),
        (&["TOOL_SCOPES", "REQUIRED_SCOPES"], "tool_scopes"),
        (&["CORS_ORIGIN", "APP_ORIGIN"], "cors.origins"),
    ] {
        if let Some((name, list)) = reader.list(names) {
            folded.set(path, json!(list), name);
        }
    }
    for (name, path) in
        [("CORS_CREDENTIALS", "cors.credentials"), ("PRM_REQUIRE_TOKEN", "metadata.require_token")]
    {
        if let Some((name, on)) = reader.boolean(&[name]) {
            folded.set(path, json!(on), name);
        }
    }
    for (name, path, words) in [
        ("ENFORCEMENT", "mode", &["enforce", "shadow"][..]),
        ("CHALLENGE_SCOPE", "challenge_scope", &["operation", "all"]),
    ] {
        if let Some((name, word)) = reader.word(name, words) {
            folded.set(path, json!(word), name);
        }
    }
}

impl Folded {
    /// A policy as it is.
    pub(super) fn new(value: Value) -> Self {
        Self { value, errors: Vec::new(), origins: Origins::default() }
    }

    /// Writes out what would mean something else in a mesh: there the built-in groups are off, the filter serves the
    /// metadata, headers aren't held, and the filter may read its VM's environment.
    pub(super) fn written_out(mut self) -> Self {
        for (path, default) in [
            ("version", json!(1)),
            ("builtin.health", json!(true)),
            ("builtin.metadata", json!(true)),
            ("builtin.webhook", json!(true)),
            ("builtin.demo_routes", json!(false)),
            ("metadata.serve", json!("sidecar")),
        ] {
            if let Some(slot) = self.slot(path)
                && slot.is_null()
            {
                *slot = default;
            }
        }
        for (path, value) in [("hold_headers", json!(true)), ("environment", json!(false))] {
            if let Some(slot) = self.slot(path).filter(|slot| slot.is_null() || slot.is_boolean()) {
                *slot = value;
            }
        }
        self
    }

    /// Sets the member at `path` (`cors.origins`), which came from `variable`.
    #[cold]
    fn set(&mut self, path: &str, value: Value, variable: &str) {
        if let Some(slot) = self.slot(path) {
            *slot = value;
        }
        self.origin(path, variable);
    }

    /// Notes that errors at `path` are the variable's.
    #[cold]
    fn origin(&mut self, path: &str, variable: &str) {
        self.origins.variables.insert(path.to_owned(), variable.to_owned());
    }

    /// The place of a member, made where absent. `None` where something else than an object is in the way, which is an
    /// error of its own.
    #[cold]
    fn slot(&mut self, path: &str) -> Option<&mut Value> {
        path.split('.').try_fold(&mut self.value, |around, name| {
            if around.is_null() {
                *around = Value::Object(Map::new());
            }
            Some(around.as_object_mut()?.entry(name).or_insert(Value::Null))
        })
    }

    /// The list at `path`, made where absent.
    #[cold]
    fn list(&mut self, path: &str) -> Option<&mut Vec<Value>> {
        let slot = self.slot(path)?;
        if slot.is_null() {
            *slot = json!([]);
        }
        slot.as_array_mut()
    }
}
