//! What an override can't touch: `issuers`, a member of the policy; `routes[].mode`, a member of each of the
//! override's routes.

use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::raw::{self, RawPolicy, RawRoute};
use serde_json::{Map, Value};

/// The members of a policy.
pub const MEMBERS: &[&str] = RawPolicy::NAMES;

/// The members of a route.
pub const OF_ROUTES: &[&str] = RawRoute::NAMES;

/// What is locked where nobody says otherwise: who is trusted and how that is verified, what backends are
/// told, what is recorded, and whether anything is refused at all. `cargo xtask docs` writes the same into
/// `deploy/helm/values.yaml`.
pub fn default_names() -> Vec<String> {
    raw::locks().collect()
}

/// The lists that are joined: a lock of one lets overrides add to it.
pub const LISTS: [&str; 2] = raw::JOINED;

/// Members that overrides can't touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locked(Vec<String>);

impl Locked {
    /// What is locked where nobody says otherwise.
    pub fn by_default() -> Self {
        Self(default_names())
    }

    /// Reads the names.
    ///
    /// # Errors
    /// The first name that nothing has: a lock with a typing error would lock nothing.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let known = |name: &str| match name.strip_prefix("routes[].") {
            Some(of_route) => OF_ROUTES.contains(&of_route),
            None => MEMBERS.contains(&name),
        };
        let check = |name: &str| {
            known(name).then(|| name.to_owned()).ok_or_else(|| {
                format!("locked: {name}: expected a member of a policy, such as issuers, or of its routes, such as routes[].mode")
            })
        };
        names.into_iter().map(check).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a member of the policy is locked.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|locked| locked == name)
    }

    /// What an override says that it can't.
    pub fn refuses(&self, document: &Map<String, Value>) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        for (name, value) in document {
            if LISTS.contains(&name.as_str()) {
                if self.has(name) && !value.is_array() {
                    faults.push(ConfigError::new(name, "is locked: an override can only add to it"));
                }
            } else if self.has(name) && !is_enforce(name, value) {
                faults.push(refused(name));
            }
        }
        faults.extend(self.refuses_in_routes(document));
        faults
    }

    fn refuses_in_routes(&self, document: &Map<String, Value>) -> Vec<ConfigError> {
        let (path, routes) = match document.get("routes") {
            Some(Value::Object(instead)) => ("routes.replace", instead.get("replace")),
            routes => ("routes", routes),
        };
        let routes = routes.and_then(Value::as_array).into_iter().flatten().enumerate();
        let members = routes.flat_map(|(at, route)| {
            route.as_object().into_iter().flatten().map(move |(name, value)| (at, name, value))
        });
        let locked = members
            .filter(|(_, name, value)| self.has(&format!("routes[].{name}")) && !is_enforce(name, value));
        locked.map(|(at, name, _)| refused(&format!("{path}[{at}].{name}"))).collect()
    }
}

fn is_enforce(name: &str, value: &Value) -> bool {
    name == "mode" && value == "enforce"
}

fn refused(path: &str) -> ConfigError {
    let rule = if path.ends_with("mode") { "; enforce alone may be said" } else { "" };
    ConfigError::new(path, format!("is locked: only the base says it{rule}"))
}
