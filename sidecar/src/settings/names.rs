//! Variables that are nearly ours: names in, an error for each that was probably meant as one that is read. A
//! limit under a name that nobody reads is no limit.
//!
//! | name | `PORTT`, `RATE_LIMT_MAX` | `MODEL`, `HOST`, `PATH` |
//! |---|---|---|
//! | is | an error | somebody else's |

use gatewaystack_core::config::Environment;
use gatewaystack_core::config::environment::SECRETS;
use gatewaystack_core::config::error::ConfigError;

/// All that some part reads, except for the secrets. A test holds it to the sources and to `.env.example`.
const READ: &[&str] = &[
    "ADMIN_PORT",
    "ALLOW_INSECURE_JWKS",
    "APP_ORIGIN",
    "AUTH0_AUDIENCE",
    "AUTH0_DOMAIN",
    "AUTH0_ISSUER",
    "AUTH0_JWKS_URI",
    "AUTH0_MGMT_CLIENT_ID",
    "AUTH0_TENANT_DOMAIN",
    "AUTH_AUDIENCE",
    "AUTH_ENFORCE_ALG",
    "AUTH_ISSUER",
    "AUTH_JWKS_URI",
    "BIND",
    "CHALLENGE_SCOPE",
    "COMMIT_SHA",
    "CONNECT_TO",
    "CORS_CREDENTIALS",
    "CORS_ORIGIN",
    "DATA_DIR",
    "DCR_CLIENT_NAME_ALLOW",
    "DCR_FIRST_PARTY",
    "DCR_REDIRECT_ALLOW",
    "DCR_SCOPES",
    "DEMO_MODE",
    "ENABLE_TEST_ROUTES",
    "ENFORCEMENT",
    "ENVOY_VERSION",
    "GOOGLE_CONNECTION_NAME",
    "IN_CONTAINER",
    "JWKS_URI",
    "JWKS_URI_FALLBACK",
    "LOG_LEVEL",
    "MCP_PATH",
    "MCP_TARGET",
    "MEMORY_LIMIT",
    "MGMT_CLIENT_ID",
    "MGMT_DOMAIN",
    "MODE",
    "OAUTH_AUDIENCE",
    "OAUTH_AUDIENCE_DEMO",
    "OAUTH_ISSUER",
    "OAUTH_ISSUER_DEMO",
    "OAUTH_JWKS_URI",
    "OAUTH_JWKS_URI_DEMO",
    "OAUTH_SCOPES",
    "OAUTH_SCOPES_DEMO",
    "PORT",
    "PRM_REQUIRE_TOKEN",
    "PROXY_INJECT_HEADER",
    "PROXY_INJECT_QUERY",
    "PROXY_PREFIX",
    "PROXY_TARGET",
    "PROXY_TIMEOUT_MS",
    "PUBLIC_HOSTS",
    "PUBLIC_URL",
    "RATE_LIMIT_ADDRESS_FAILURES",
    "RATE_LIMIT_FAILURE_MODE",
    "RATE_LIMIT_GLOBAL_MAX",
    "RATE_LIMIT_MAX",
    "RATE_LIMIT_SERVICE_URL",
    "RATE_LIMIT_TENANT_MAX",
    "RATE_LIMIT_WINDOW_MS",
    "REQUIRED_SCOPES",
    "REQUIRED_SCOPES_READ",
    "REQUIRED_SCOPES_WRITE",
    "RESOURCE_URL",
    "SIDECAR_HOST",
    "SIDECAR_PORT",
    "SSL_CERT_FILE",
    "STATS_PORT",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TOOL_SCOPES",
    "TOOL_SCOPES_JSON",
    "TOOL_SCOPE_ALLOWLIST_JSON",
    "TRUSTED_HOPS",
];
/// A name that begins so is meant for us, if it is in our own file.
const OURS: [&str; 6] =
    ["RATE_LIMIT_", "DCR_", "PROXY_INJECT_", "REQUIRED_SCOPES", "TOOL_SCOPE", "AUTH0_MGMT_"];

/// Where variables come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An env file, which was written for us.
    File,
    /// The process's environment, which has a whole machine's names in it.
    Process,
}

/// The variables that nobody reads, and that were probably meant as ones that are.
pub fn check(variables: &Environment, place: Place) -> Vec<ConfigError> {
    let set = variables.iter().filter(|(_, value)| !value.trim().is_empty() && !is_of_kubernetes(value));
    set.filter_map(|(name, _)| Some((name, meant(name, place)?)))
        .map(|(name, meant)| {
            ConfigError::new(name.clone(), format!("is read by nobody; did you mean {meant}?"))
        })
        .collect()
}

/// `AUTH_PORT=tcp://10.0.0.7:80`: made of the name of a Service.
fn is_of_kubernetes(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// The name that `name` was probably meant as.
fn meant(name: &str, place: Place) -> Option<&'static str> {
    // A secret in the wrong variable is told like any other, without its value.
    let known = || READ.iter().chain(SECRETS.iter().flat_map(|s| s.names.iter().chain(s.files))).copied();
    if known().any(|known| known == name) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let near = known().filter(|known| is_near(known, &upper, name, place));
    let nearest = near.min_by_key(|known| distance(known, &upper));
    let family = || {
        let prefix = OURS.iter().find(|prefix| place == Place::File && upper.starts_with(*prefix))?;
        known().filter(|known| known.starts_with(prefix)).min_by_key(|known| distance(known, &upper))
    };
    nearest.or_else(family)
}

fn is_near(known: &str, upper: &str, name: &str, place: Place) -> bool {
    if known.len() < 8 {
        // Many a word is one letter from PORT, MODE and BIND: only what a hand does to them counts.
        return name == upper && slipped(known, name);
    }
    let most = match (place, known.len()) {
        (Place::File, ..10) => 1,
        (Place::File, _) => 2,
        (Place::Process, ..14) => 1,
        (Place::Process, _) => 2,
    };
    distance(known, upper) <= most
}

/// Whether a letter is doubled or missing in the middle, or two are in the wrong order.
fn slipped(known: &str, name: &str) -> bool {
    let letters: Vec<char> = known.chars().collect();
    let without = |at: usize| letters.iter().enumerate().filter(move |(i, _)| *i != at).map(|(_, c)| *c);
    (0..letters.len()).any(|at| {
        let doubled =
            letters.iter().enumerate().flat_map(|(i, c)| std::iter::repeat_n(*c, 1 + usize::from(i == at)));
        let mut swapped = letters.clone();
        let other = (at + 1).min(letters.len() - 1);
        swapped.swap(at, other);
        let inside = at > 0 && at + 1 < letters.len();
        doubled.eq(name.chars())
            || inside && without(at).eq(name.chars())
            || swapped.into_iter().eq(name.chars())
    })
}

/// Letters put in, left out, mistaken or in the wrong order, between two names.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut least =
                (at(&last, j + 1) + 1).min(at(&row, j) + 1).min(at(&last, j) + usize::from(x != y));
            let crossed = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if crossed {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
