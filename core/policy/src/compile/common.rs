//! What several parts of the policy are compiled with: the list of errors, and members that are in more
//! than one place.

use crate::error::ConfigError;
use crate::policy::Mode;
use crate::raw::{RawMode, RawPolicy};
use crate::values::{name, url};
use gatewaystack_text::sorted;

/// Where clients see us without a `public_url`.
pub(super) const PUBLIC_URL: &str = "http://localhost:8080";

/// The errors found so far.
#[derive(Debug, Default)]
pub struct Errors(pub(super) Vec<ConfigError>);

impl Errors {
    /// Notes an error at `path`.
    pub fn push(&mut self, path: impl AsRef<str>, message: impl AsRef<str>) {
        self.note(path.as_ref(), message.as_ref());
    }

    // Two hundred places call it: `cold` keeps it from being copied into each, here and in `environment`.
    #[cold]
    fn note(&mut self, path: &str, message: &str) {
        self.0.push(ConfigError::new(path, message));
    }

    /// Notes the error of `result` at `path`, and gives what is good.
    pub fn keep<T>(&mut self, path: impl AsRef<str>, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.push(path, message)).ok()
    }
}

/// The mode, where one is given.
pub(super) fn mode(raw: Option<RawMode>) -> Mode {
    match raw {
        None | Some(RawMode::Enforce) => Mode::Enforce,
        Some(RawMode::Shadow) => Mode::Shadow,
    }
}

/// Hosts in their spelling, each with an optional port.
pub(super) fn hosts(list: Option<&[String]>, path: &str, errors: &mut Errors) -> Vec<String> {
    let list = list.unwrap_or_default();
    for (at, host) in list.iter().enumerate() {
        if url::host_and_port(host).is_none() {
            errors.push(
                format!("{path}[{at}]"),
                "expected a host, such as gateway.example.com or gateway.example.com:8443",
            );
        }
    }
    list.to_vec()
}

/// A list of scopes, each a scope-token.
pub(super) fn scopes(list: Option<&[String]>, path: &str, errors: &mut Errors) -> Vec<String> {
    let list = list.unwrap_or_default();
    for (at, scope) in list.iter().enumerate() {
        errors.keep(format!("{path}[{at}]"), name::check_scope(scope));
    }
    list.to_vec()
}

/// `scopes` with those that are advertised anyhow, without the hidden ones and without `offline_access`,
/// which is a client's business with the identity provider; sorted.
pub(super) fn advertised(raw: &RawPolicy, mut scopes: Vec<String>) -> Vec<String> {
    let default = ["openid", "email", "profile"].map(str::to_owned);
    scopes.extend(raw.scopes_supported.clone().unwrap_or_else(|| default.to_vec()));
    scopes.extend(raw.tool_scopes.clone().unwrap_or_default());
    let hidden = raw.hidden_scopes.as_deref().unwrap_or_default();
    scopes.retain(|scope| scope != "offline_access" && !hidden.contains(scope));
    sorted::unique(&scopes)
}
