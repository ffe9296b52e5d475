//! `GET /api/v2/clients`, `GET` and `PATCH /api/v2/clients/{id}`.

use super::answer::{Answer, Outcome};
use super::request::Request;
use super::tenant::Tenant;
use super::{paging, schema};
use serde_json::{Map, Value};

/// Grant types that a client may be given (OIDC-conformant ones and Auth0's own).
const GRANT_TYPES: [&str; 11] = [
    "authorization_code",
    "implicit",
    "refresh_token",
    "client_credentials",
    "password",
    "http://auth0.com/oauth/grant-type/password-realm",
    "http://auth0.com/oauth/grant-type/mfa-oob",
    "http://auth0.com/oauth/grant-type/mfa-otp",
    "http://auth0.com/oauth/grant-type/mfa-recovery-code",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];
const STRICT_GRANT_TYPES: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];
const STRICT_APP_TYPES: [&str; 4] = ["regular_web", "spa", "native", "non_interactive"];

/// A client as a token without `read:client_keys` sees it.
pub fn shown(client: &Value) -> Value {
    super::observation::without_secrets(client.clone())
}

pub fn list(tenant: &mut Tenant, request: &Request, _: &str) -> Outcome {
    let wanted = |client: &&Value| {
        request.query("is_first_party").is_none_or(|f| client["is_first_party"] == (f == "true"))
            && request.query("app_type").is_none_or(|types| types.split(',').any(|t| client["app_type"] == t))
    };
    paging::list(request, "clients", tenant.clients.values().filter(wanted).map(shown).collect())
}

pub fn read(tenant: &mut Tenant, request: &Request, id: &str) -> Outcome {
    let client = tenant.clients.get(id).ok_or_else(inexistent)?;
    Answer::ok(paging::picked(request, shown(client)))
}

pub fn update(tenant: &mut Tenant, request: &Request, id: &str) -> Outcome {
    let body = request.json()?;
    let members = schema::members(&body, schema::CLIENT, &[], "")?;
    let client = tenant.clients.get(id).ok_or_else(inexistent)?;
    if client["third_party_security_mode"] == "strict" {
        stays_strict(client, members)?;
    }
    let mut changed = client.clone();
    for (name, value) in members {
        change(&mut changed, name, value);
    }
    check_grant_types(&changed)?;
    let answer = shown(&changed);
    tenant.clients.insert(id.to_owned(), changed);
    tenant.wrote(id, &format!("PATCH {}", request.target));
    Answer::ok(answer)
}

pub fn inexistent() -> Answer {
    Answer::refused(404, "The client does not exist", "inexistent_client")
}

/// Null takes a member away, metadata is merged, everything else replaced.
fn change(client: &mut Value, name: &str, value: &Value) {
    let Some(members) = client.as_object_mut() else { return };
    match (value, members.get_mut(name)) {
        (Value::Null, _) => {
            members.remove(name);
        }
        (Value::Object(new), Some(Value::Object(old))) if name == "client_metadata" => {
            old.extend(new.clone());
            old.retain(|_, v| !v.is_null());
        }
        _ => {
            members.insert(name.to_owned(), value.clone());
        }
    }
}

/// "Security Controls for Third-Party Applications": ownership and mode never change, and few properties may
/// be set at all.
fn stays_strict(client: &Value, members: &Map<String, Value>) -> Result<(), Answer> {
    let refused = |why: String| Err(Answer::refused(400, &why, "invalid_body"));
    for fixed in ["is_first_party", "third_party_security_mode"] {
        if members.get(fixed).is_some_and(|value| *value != client[fixed]) {
            return refused(format!("{fixed} cannot be changed for a third-party client in strict mode"));
        }
    }
    if let Some(name) = members.keys().find(|name| !schema::STRICT_CLIENT.contains(&name.as_str())) {
        return refused(format!("{name} is not supported for third-party clients in strict mode"));
    }
    let app_type = members.get("app_type").and_then(Value::as_str);
    if let Some(other) = app_type.filter(|t| !STRICT_APP_TYPES.contains(t)) {
        return refused(format!("app_type {other} is not supported for third-party clients in strict mode"));
    }
    Ok(())
}

fn check_grant_types(client: &Value) -> Result<(), Answer> {
    let given: Vec<&str> =
        client["grant_types"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let strict = client["third_party_security_mode"] == "strict";
    let is_public = client["token_endpoint_auth_method"] == "none";
    let allowed = |g: &str| {
        let known = if strict { STRICT_GRANT_TYPES.contains(&g) } else { GRANT_TYPES.contains(&g) };
        known && !(is_public && g == "client_credentials")
    };
    let wrong: Vec<&str> = given.into_iter().filter(|g| !allowed(g)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Answer::refused(400, &format!("Invalid grant types: {}", wrong.join(",")), "invalid_body"))
}
