//! `issuers[].scope_prefix`: a policy in whose scopes some lack the prefix in, the same with it in each out.
//! Entra names a scope `api://APP/read` where it is asked for, and `read` in its tokens: the whole name is
//! what rules, documents and challenges have, and what a token's scope is read as.

use super::common::Errors;
use crate::raw::{RawMcp, RawPolicy};
use crate::values::name;
use serde_json::Value;
use std::borrow::Cow;

/// Scopes of OpenID Connect Core §5.4 and §11, which are no API's.
const OPENID: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

/// The prefix: one for all issuers, for a rule names a scope, not whose.
pub fn find(raw: &RawPolicy, errors: &mut Errors) -> String {
    let issuers = raw.issuers.as_deref().unwrap_or_default();
    let mut found = String::new();
    for (at, issuer) in issuers.iter().enumerate() {
        let Some(prefix) = &issuer.scope_prefix else { continue };
        let path = format!("issuers[{at}].scope_prefix");
        if errors.keep(&path, name::check_scope(prefix)).is_none() {
            continue;
        }
        if !found.is_empty() && found != *prefix {
            errors.push(
                &path,
                "expected the same for all issuers that have one: a rule names a scope, not whose it is",
            );
        }
        found.clone_from(prefix);
    }
    found
}

/// Makes the names whole.
pub fn complete(raw: &mut RawPolicy, prefix: &str) {
    if prefix.is_empty() {
        return;
    }
    let each = |list: &mut Option<Vec<String>>| {
        for scope in list.iter_mut().flatten() {
            extend(scope, prefix);
        }
    };
    each(&mut raw.scopes_supported);
    each(&mut raw.tool_scopes);
    each(&mut raw.hidden_scopes);
    for builtin in raw.builtin.iter_mut() {
        each(&mut builtin.read_scopes);
        each(&mut builtin.write_scopes);
    }
    for issuer in raw.issuers.iter_mut().flatten() {
        each(&mut issuer.scopes);
    }
    for route in raw.routes.iter_mut().flatten() {
        each(&mut route.scopes);
        each(&mut route.any_scope);
        for mcp in route.mcp.iter_mut() {
            rules(mcp, prefix);
        }
    }
}

/// A list of scopes, or `{ scopes, any_scope }`; what is neither names none.
fn rules(mcp: &mut RawMcp, prefix: &str) {
    for rules in [&mut mcp.tools, &mut mcp.prompts, &mut mcp.resources] {
        for (_, rule) in rules.iter_mut().flatten() {
            list(rule, prefix);
            for member in ["scopes", "any_scope"] {
                if let Some(scopes) = rule.get_mut(member) {
                    list(scopes, prefix);
                }
            }
        }
    }
}

fn list(value: &mut Value, prefix: &str) {
    for item in value.as_array_mut().into_iter().flatten() {
        if let Value::String(scope) = item {
            extend(scope, prefix);
        }
    }
}

fn extend(scope: &mut String, prefix: &str) {
    if !scope.is_empty() && !scope.starts_with(prefix) && !OPENID.contains(&scope.as_str()) {
        scope.insert_str(0, prefix);
    }
}

/// A token's scope, whole.
pub fn of_token<'s>(scope: &'s str, prefix: &str) -> Cow<'s, str> {
    if prefix.is_empty() || scope.starts_with(prefix) || OPENID.contains(&scope) {
        Cow::Borrowed(scope)
    } else {
        Cow::Owned(format!("{prefix}{scope}"))
    }
}
