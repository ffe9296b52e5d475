//! The environment (contract §11): a policy and variables in, the policy with the variables folded in out.
//!
//! A variable becomes a member of the policy, so that each fact is checked in one place and the filter sees
//! what the variables said; where the member is wrong, the error names the variable as the operator wrote it.
//! What had no member got one: `docs/decisions/0001-policy-members-for-the-environment.md`.

mod folded;
mod issuer;
mod limits;
mod own;
mod reader;
mod routes;
mod secrets;

use super::Environment;
pub use folded::Folded;
use reader::Reader;
pub use secrets::{SECRETS, Secret, is_placeholder};
use serde_json::{Value, json};

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
