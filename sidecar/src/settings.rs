//! What the sidecar is told: files and variables in, the policy, its secrets and its labels out.

mod env_file;
mod fault;
mod names;
mod policy_file;
mod secrets;

use crate::app::Settings;
use crate::audit::hash::hex;
use crate::auth0::Credentials;
use crate::connect;
use crate::secret::Secret;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::config::{self, Environment};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use fault::Fault;
pub(crate) use policy_file::yaml;
pub use secrets::check as check_secrets;

/// A policy and an environment, read but not understood.
#[derive(Debug)]
pub struct Source {
    file: Option<PathBuf>,
    /// The policy.
    pub policy: Option<Value>,
    /// The variables.
    pub env: Environment,
}

impl Source {
    /// A policy that comes from no file.
    pub fn of(policy: Option<Value>, env: Environment) -> Self {
        Self { file: None, policy, env }
    }

    /// Reads the files; the process's own variables win over the file's where `process` says that they count.
    ///
    /// # Errors
    /// Every file that can't be read, and every variable that is nearly one of ours.
    pub fn read(policy: Option<&Path>, env_file: Option<&Path>, process: bool) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut env = Environment::new();
        if let Some(file) = env_file {
            match env_file::read(file) {
                Ok(variables) => {
                    let unread = names::check(&variables, names::Place::File);
                    faults.extend(unread.into_iter().map(|error| Fault::new(Some(file), error)));
                    env = variables;
                }
                Err(found) => faults.extend(found),
            }
        }
        if process {
            // A variable that isn't text can't be one of ours.
            let own: Environment = std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect();
            let unread = names::check(&own, names::Place::Process);
            faults.extend(unread.into_iter().map(|error| Fault::new(None, error)));
            env.extend(own);
        }
        let value = policy.map(policy_file::read).transpose();
        match value {
            Ok(value) if faults.is_empty() => {
                Ok(Self { file: policy.map(Path::to_owned), policy: value, env })
            }
            Ok(_) => Err(faults),
            Err(fault) => {
                faults.push(fault);
                Err(faults)
            }
        }
    }

    /// The error with the number that its route has in the file: those of variables stand before it.
    pub fn moved(&self, error: ConfigError, policy: &Policy) -> ConfigError {
        let routes = policy.routes.iter().filter(|route| route.builtin.is_none());
        let written =
            self.policy.as_ref().and_then(|policy| policy.get("routes")?.as_array()).map_or(0, Vec::len);
        let before = routes.clone().count().saturating_sub(written);
        let place = error.path.strip_prefix("routes[").and_then(|rest| rest.split_once(']'));
        let Some((Ok(number), rest)) = place.map(|(number, rest)| (number.parse::<usize>(), rest)) else {
            return error;
        };
        match number.checked_sub(before) {
            Some(number) => ConfigError::new(format!("routes[{number}]{rest}"), error.message),
            None => ConfigError::new("", error.message),
        }
    }

    /// The errors with the file's name; a variable has none.
    pub fn name(&self, errors: Vec<ConfigError>) -> Vec<Fault> {
        let named = |error: ConfigError| {
            Fault::new(self.file.as_deref().filter(|_| !config::is_variable(&error.path)), error)
        };
        errors.into_iter().map(named).collect()
    }
}

/// The policy that `render` folded into `state`, and what the sidecar needs besides.
///
/// # Errors
/// What is missing or wrong.
pub fn for_serving(source: &Source, state: &Path) -> Result<(Arc<Policy>, Settings), Vec<Fault>> {
    let folded = state.join("policy.json");
    // Where Envoy runs with a rendered policy, the sidecar serves that one, whatever became of its sources
    // since.
    let (policy, value) = if folded.exists() {
        let value = policy_file::read(&folded).map_err(|f| vec![f])?;
        let nothing = Environment::new();
        config::load_value(Some(value), &nothing).map_err(|errors| {
            errors.into_iter().map(|error| Fault::new(Some(&folded), error)).collect::<Vec<_>>()
        })?
    } else {
        config::load_value(source.policy.clone(), &source.env).map_err(|e| source.name(e))?
    };
    let file = state.join("sidecar-secret");
    let secret = secrets::read(&file).map_err(|m| vec![Fault::in_file(&file, m)])?;
    let settings = of(&policy, &source.env, secret).map_err(|error| vec![Fault::new(None, error)])?;
    Ok((Arc::new(policy), Settings { policy_digest: digest(&value), ..settings }))
}

/// SHA-256 of a folded policy, in hex: what the audit log has of it.
pub fn digest(policy: &Value) -> String {
    hex(&Sha256::digest(serde_json_canonicalizer::to_vec(policy).unwrap_or_default()))
}

/// What the sidecar needs besides the policy; `secret` is what Envoy shows it.
///
/// # Errors
/// A secret that can't be used, under its variable's name and without its value.
pub fn of(policy: &Policy, env: &Environment, secret: Secret) -> Result<Settings, ConfigError> {
    check_secrets(env)?;
    let text = |names: &[&str]| secrets::text(env, names).map(|(_, text)| text.to_owned());
    let client_id = text(&["AUTH0_MGMT_CLIENT_ID", "MGMT_CLIENT_ID"]);
    let webhook = match secrets::find(env, "WEBHOOK_SHARED_SECRET")? {
        None => secrets::of_policy(env, policy.own.promotion.secret_file.as_deref())?,
        found => found,
    };
    Ok(Settings {
        secret,
        mode: text(&["MODE"]).unwrap_or_else(|| "production".to_owned()),
        version: text(&["COMMIT_SHA"]).unwrap_or_else(|| "dev".to_owned()),
        webhook_secret: webhook,
        health_secret: secrets::find(env, "HEALTH_ADMIN_SECRET")?,
        management: client_id
            .zip(secrets::find(env, "AUTH0_MGMT_CLIENT_SECRET")?)
            .map(|(client_id, secret)| Credentials { client_id, secret }),
        host: connect::sidecar_host(env)?,
        log_level: text(&["LOG_LEVEL"]).unwrap_or_else(|| "info".to_owned()),
        policy_digest: String::new(),
    })
}

#[cfg(test)]
mod tests;
