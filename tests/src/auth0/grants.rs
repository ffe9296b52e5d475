//! `GET` and `POST /api/v2/client-grants`, `GET` and `PATCH /api/v2/client-grants/{id}`, and the APIs that
//! they are for.
//!
//! A client may have two grants for one API, one of each `subject_type` ("Application Access to APIs: Client
//! Grants"); without a word it is `client`. More is a conflict.

use super::answer::{Answer, Outcome};
use super::request::Request;
use super::tenant::{Tenant, id};
use super::{paging, schema};
use serde_json::{Map, Value, json};

pub fn list(tenant: &mut Tenant, request: &Request, _: &str) -> Outcome {
    let filters = ["client_id", "audience", "subject_type"];
    let wanted = |grant: &&Value| filters.iter().all(|f| request.query(f).is_none_or(|v| grant[*f] == v));
    paging::list(request, "client_grants", tenant.grants.iter().filter(wanted).cloned().collect())
}

pub fn read(tenant: &mut Tenant, _: &Request, id: &str) -> Outcome {
    Answer::ok(tenant.grants.iter().find(|g| g["id"] == id).ok_or_else(inexistent)?.clone())
}

pub fn create(tenant: &mut Tenant, request: &Request, _: &str) -> Outcome {
    let body = request.json()?;
    let members = schema::members(&body, schema::NEW_GRANT, &["audience"], "")?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let (client_id, audience) = (text("client_id"), text("audience"));
    if client_id.is_empty() == text("default_for").is_empty() {
        return Err(Answer::invalid_body("Missing required property: client_id", ""));
    }
    if !client_id.is_empty() && !tenant.clients.contains_key(client_id) {
        return Err(Answer::refused(404, "Client not found", ""));
    }
    let Some(api) = tenant.api(audience) else {
        return Err(Answer::refused(404, &format!("No resource with identifier {audience}"), ""));
    };
    check_scopes(api, members)?;
    let mut grant = json!({"id": format!("cgr_{}", id(16)), "scope": [], "subject_type": "client"});
    for (name, value) in members {
        grant[name] = value.clone();
    }
    // One from before there were two kinds serves both.
    let same_kind = |g: &Value| g.get("subject_type").is_none_or(|kind| *kind == grant["subject_type"]);
    let same = |g: &&Value| {
        ["client_id", "default_for", "audience"].iter().all(|m| g.get(m) == grant.get(m)) && same_kind(g)
    };
    if tenant.grants.iter().find(same).is_some() {
        let message = format!("A client grant already exists between {client_id} and {audience}");
        return Err(Answer::refused(409, &message, ""));
    }
    tenant.grants.push(grant.clone());
    tenant.wrote(client_id, &format!("POST {}", request.target));
    Ok(Answer::json(201, grant))
}

pub fn update(tenant: &mut Tenant, request: &Request, id: &str) -> Outcome {
    let body = request.json()?;
    let members = schema::members(&body, schema::GRANT, &[], "")?;
    let at = tenant.grants.iter().position(|g| g["id"] == id).ok_or_else(inexistent)?;
    let audience = tenant.grants[at]["audience"].as_str().unwrap_or_default();
    if let Some(api) = tenant.api(audience) {
        check_scopes(api, members)?;
    }
    for (name, value) in members {
        tenant.grants[at][name] = value.clone();
    }
    let grant = tenant.grants[at].clone();
    tenant.wrote(grant["client_id"].as_str().unwrap_or_default(), &format!("PATCH {}", request.target));
    Answer::ok(grant)
}

/// `GET /api/v2/resource-servers`, with `identifiers` as often as wanted.
pub fn list_apis(tenant: &mut Tenant, request: &Request, _: &str) -> Outcome {
    let named: Vec<&str> =
        request.query.iter().filter(|(n, _)| n == "identifiers").map(|(_, v)| v.as_str()).collect();
    let wanted = |api: &&Value| named.is_empty() || named.iter().any(|n| api["identifier"] == *n);
    paging::list(request, "resource_servers", tenant.apis.iter().filter(wanted).cloned().collect())
}

/// `GET /api/v2/resource-servers/{id}`, by id or by identifier.
pub fn read_api(tenant: &mut Tenant, _: &Request, id: &str) -> Outcome {
    let found = tenant.apis.iter().find(|api| api["id"] == id || api["identifier"] == id);
    let missing = || Answer::refused(404, "The resource server does not exist", "inexistent_resource_server");
    Answer::ok(found.ok_or_else(missing)?.clone())
}

fn check_scopes(api: &Value, members: &Map<String, Value>) -> Result<(), Answer> {
    let defined =
        |scope: &Value| api["scopes"].as_array().into_iter().flatten().any(|s| s["value"] == *scope);
    if members.get("scope").and_then(Value::as_array).into_iter().flatten().all(defined) {
        return Ok(());
    }
    let message = "Payload validation error: scope must be a subset of resource server scopes";
    Err(Answer::refused(400, message, "invalid_body"))
}

fn inexistent() -> Answer {
    Answer::refused(404, "The client grant does not exist", "inexistent_client_grant")
}
