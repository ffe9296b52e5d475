//! Secrets: variables and files in, secrets out; no message shows one.

use crate::secret::Secret;
use gatewaystack_core::config::Environment;
use gatewaystack_core::config::environment::{SECRETS, is_placeholder};
use gatewaystack_core::config::error::ConfigError;
use std::path::Path;

/// A secret in a file: longer ones are something else.
const MAX_SECRET: u64 = 4_096;

/// The first of the variables that is set and not empty.
pub fn text<'e>(env: &'e Environment, names: &[&'e str]) -> Option<(&'e str, &'e str)> {
    names.iter().find_map(|name| {
        let value = env.get(*name)?.trim();
        (!value.is_empty()).then_some((*name, value))
    })
}

/// The secrets in files, which the policy's compiler can't read.
///
/// # Errors
/// The first that can't be used, under its variable's name and without its value.
pub fn check(env: &Environment) -> Result<(), ConfigError> {
    for secret in SECRETS {
        if let Some((name, file)) = text(env, secret.files) {
            in_file(env, name, file)?;
        }
    }
    Ok(())
}

/// The secret whose first name is `name`: from its variable, or from the file that another names.
///
/// # Errors
/// The file can't be used.
pub fn find(env: &Environment, name: &str) -> Result<Option<Secret>, ConfigError> {
    let Some(secret) = SECRETS.iter().find(|secret| secret.names.contains(&name)) else { return Ok(None) };
    if let Some((_, value)) = text(env, secret.names) {
        return Ok(Some(value.into()));
    }
    text(env, secret.files).map(|(name, file)| in_file(env, name, file)).transpose()
}

/// The webhook's secret in the file that the policy names.
///
/// # Errors
/// The file can't be used.
pub fn of_policy(env: &Environment, file: Option<&str>) -> Result<Option<Secret>, ConfigError> {
    file.map(|file| in_file(env, "webhook.secret_file", file)).transpose()
}

fn in_file(env: &Environment, name: &str, file: &str) -> Result<Secret, ConfigError> {
    let demo = env.get("DEMO_MODE").is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
    let secret = read(Path::new(file)).map_err(|message| ConfigError::new(name, message))?;
    if !demo && is_placeholder(secret.reveal()) {
        return Err(ConfigError::new(
            name,
            "expected a secret of your own in the file: this one is in our examples",
        ));
    }
    Ok(secret)
}

/// A file's secret; the end of its line is none of it.
///
/// # Errors
/// Why it can't be used.
pub fn read(file: &Path) -> Result<Secret, String> {
    let about = std::fs::metadata(file).map_err(|e| format!("can't read the file: {e}"))?;
    if about.len() > MAX_SECRET {
        return Err(format!("expected a file of at most {MAX_SECRET} bytes"));
    }
    let text = std::fs::read_to_string(file).map_err(|e| format!("can't read the file: {e}"))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        Err("expected a secret in the file, which is empty".to_owned())
    } else {
        Ok(secret.into())
    }
}
