//! A policy while variables are folded into it, and which member came from which.

use crate::error::ConfigError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A policy with the environment folded in.
#[derive(Debug)]
pub struct Folded {
    /// The policy.
    pub(crate) value: Value,
    /// Variables that can't be read at all.
    pub(crate) errors: Vec<ConfigError>,
    /// Which member came from which variable.
    pub(crate) origins: Origins,
}

/// Members by the variables that they came from.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    pub(super) variables: BTreeMap<String, String>,
    /// Routes that were put before the policy's, whose numbers they moved.
    pub(super) routes_before: usize,
}

impl Origins {
    /// The error with the name of the variable, or with the number that the route has in the policy.
    pub(crate) fn named(&self, error: ConfigError) -> ConfigError {
        let around = self.variables.iter().filter(|(member, _)| crate::holds(member, &error.path));
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

impl Folded {
    /// A policy as it is.
    pub(crate) fn new(value: Value) -> Self {
        Self { value, errors: Vec::new(), origins: Origins::default() }
    }

    /// Writes out what would mean something else in a mesh: there the built-in groups are off, the filter
    /// serves the metadata, headers aren't held, and the filter may read its VM's environment.
    pub(crate) fn written_out(mut self) -> Self {
        for (path, default) in [
            ("version", json!(1)),
            ("builtin.health", json!(true)),
            ("builtin.metadata", json!(true)),
            ("builtin.webhook", json!(true)),
            ("builtin.signals", json!(true)),
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
    pub(super) fn set(&mut self, path: &str, value: Value, variable: &str) {
        if let Some(slot) = self.slot(path) {
            *slot = value;
        }
        self.origin(path, variable);
    }

    /// Notes that errors at `path` are the variable's.
    #[cold]
    pub(super) fn origin(&mut self, path: &str, variable: &str) {
        self.origins.variables.insert(path.to_owned(), variable.to_owned());
    }

    /// The place of a member, made where absent. `None` where something else than an object is in the way,
    /// which is an error of its own.
    #[cold]
    pub(super) fn slot(&mut self, path: &str) -> Option<&mut Value> {
        path.split('.').try_fold(&mut self.value, |around, name| {
            if around.is_null() {
                *around = Value::Object(Map::new());
            }
            Some(around.as_object_mut()?.entry(name).or_insert(Value::Null))
        })
    }

    /// The list at `path`, made where absent.
    #[cold]
    pub(super) fn list(&mut self, path: &str) -> Option<&mut Vec<Value>> {
        let slot = self.slot(path)?;
        if slot.is_null() {
            *slot = json!([]);
        }
        slot.as_array_mut()
    }
}
