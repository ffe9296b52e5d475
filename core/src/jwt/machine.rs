//! Whether a token belongs to a machine: its claims and the issuer's marks in, yes or no out. No
//! specification has a claim for it, so these are the identity providers' own marks; a policy may add to
//! them. Asked once, when a token is verified.
//!
//! | provider | mark |
//! |---|---|
//! | Auth0 | `gty: client-credentials`; `sub` ends in `@clients` |
//! | RFC 9068 §2.2, Cognito, Auth0 | `sub` is `client_id` or `azp` |
//! | Okta | `sub` is `cid` |
//! | Entra | `idtyp: app`; `sub` is `appid`; or `oid` is `sub`, with `roles` and without `scp` |
//! | Keycloak | `preferred_username: service-account-…` |
//! | FusionAuth and others | `gty` with `client_credentials` in it |

use crate::config::policy::{Mark, Sign};
use crate::json::{Members, View};

/// Names of the client, of which a machine's `sub` is one.
const CLIENTS: [&str; 5] = ["azp", "client_id", "cid", "appid", "clientId"];

/// Whether the claims have any of the marks, those of every issuer or `own` ones.
pub fn is_machine(claims: &Members<'_>, own: &[Mark]) -> bool {
    has_known_mark(claims) || own.iter().any(|mark| says(claims.at(mark.claim.path()), &mark.sign))
}

/// Whether a claim says what is asked of it. By type and value: `"true"` isn't `true`. Of a list one element
/// is enough.
fn says(value: Option<&View<'_>>, sign: &Sign) -> bool {
    match value {
        Some(View::Array(items)) if !matches!(sign, Sign::Exists(_)) => {
            items.iter().any(|item| is(Some(item), sign))
        }
        value => is(value, sign),
    }
}

/// The same, where a list says nothing.
pub fn is(value: Option<&View<'_>>, sign: &Sign) -> bool {
    match (sign, value) {
        (Sign::Exists(exists), value) => value.is_some() == *exists,
        (Sign::Text(text), Some(View::String(value))) => value == text,
        (Sign::Number(number), Some(View::Number(value))) => value.as_i64() == Some(*number),
        (Sign::Flag(flag), Some(View::Bool(value))) => value == flag,
        (Sign::Prefix(prefix), Some(View::String(value))) => value.starts_with(prefix.as_str()),
        _ => false,
    }
}

fn has_known_mark(claims: &Members<'_>) -> bool {
    let text = |name: &str| claims.get(name).and_then(View::as_str);
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let is_client =
        |sub: &str| sub.ends_with("@clients") || CLIENTS.iter().any(|name| text(name) == Some(sub));
    text("sub").is_some_and(is_client)
        || claims.get("gty").is_some_and(grants_to_clients)
        || text("idtyp").is_some_and(|kind| same(kind, "app"))
        || is_entras(claims)
        || text("preferred_username").is_some_and(|name| {
            name.get(..SERVICE_ACCOUNT.len()).is_some_and(|start| same(start, SERVICE_ACCOUNT))
        })
}

const SERVICE_ACCOUNT: &str = "service-account-";

/// An application's own token: it has roles and was delegated nothing. A user's `sub` is another for each
/// application, and never his `oid`.
fn is_entras(claims: &Members<'_>) -> bool {
    let text = |name: &str| claims.get(name).and_then(View::as_str);
    text("oid").is_some()
        && text("oid") == text("sub")
        && claims.contains_key("roles")
        && !claims.contains_key("scp")
}

/// The grant as a text, maybe with others next to it, or as a list.
fn grants_to_clients(gty: &View<'_>) -> bool {
    let is_it = |text: &str| {
        let spelled = |name: &str| text.split(' ').any(|grant| grant.eq_ignore_ascii_case(name));
        spelled("client-credentials") || spelled("client_credentials")
    };
    match gty {
        View::String(text) => is_it(text),
        View::Array(grants) => grants.iter().filter_map(View::as_str).any(is_it),
        _ => false,
    }
}
