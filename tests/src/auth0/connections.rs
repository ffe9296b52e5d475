//! `GET /api/v2/connections`, `GET` and `PATCH /api/v2/connections/{id}`, and the clients of a connection by
//! their own endpoints.

use super::answer::{Answer, Outcome};
use super::request::Request;
use super::tenant::{EnabledClients, Tenant, is_enabled};
use super::{clients, paging, schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most clients that one `PATCH …/clients` may name.
const MOST_CLIENTS: usize = 50;

pub fn list(tenant: &mut Tenant, request: &Request, _: &str) -> Outcome {
    let strategies: Vec<&str> =
        request.query.iter().filter(|(n, _)| n == "strategy").map(|(_, s)| s.as_str()).collect();
    let wanted = |connection: &&Value| {
        request.query("name").is_none_or(|name| connection["name"] == name)
            && (strategies.is_empty() || strategies.iter().any(|s| connection["strategy"] == *s))
    };
    let ways = tenant.enabled_clients;
    let all = tenant.connections.iter().filter(wanted).map(|c| shown(ways, c)).collect();
    paging::list(request, "connections", all)
}

pub fn read(tenant: &mut Tenant, request: &Request, id: &str) -> Outcome {
    let at = position(tenant, id)?;
    Answer::ok(paging::picked(request, shown(tenant.enabled_clients, &tenant.connections[at])))
}

/// Every member that is sent replaces the whole of what was there, `options` and `enabled_clients` too.
pub fn update(tenant: &mut Tenant, request: &Request, id: &str) -> Outcome {
    let body = request.json()?;
    let members = schema::members(&body, schema::CONNECTION, &[], "")?;
    let at = position(tenant, id)?;
    if tenant.enabled_clients == EnabledClients::EndpointsOnly && members.contains_key("enabled_clients") {
        return Err(Answer::invalid_body("Additional properties not allowed: enabled_clients", ""));
    }
    let before = enabled(&tenant.connections[at]);
    for (name, value) in members {
        let value = if name == "enabled_clients" && value.is_null() { json!([]) } else { value.clone() };
        tenant.connections[at][name] = value;
    }
    let after = enabled(&tenant.connections[at]);
    for client in before.symmetric_difference(&after) {
        tenant.wrote(client, &format!("PATCH {}", request.target));
    }
    Answer::ok(shown(tenant.enabled_clients, &tenant.connections[at]))
}

/// `GET /api/v2/connections/{id}/clients`: by checkpoint only.
pub fn read_clients(tenant: &mut Tenant, request: &Request, id: &str) -> Outcome {
    has_endpoints(tenant)?;
    let at = position(tenant, id)?;
    let all = tenant.connections[at]["enabled_clients"].as_array().into_iter().flatten();
    paging::checkpoint(request, "clients", all.map(|id| json!({"client_id": id})).collect())
}

/// `PATCH /api/v2/connections/{id}/clients`: changes those that it names, all or none.
pub fn update_clients(tenant: &mut Tenant, request: &Request, id: &str) -> Outcome {
    has_endpoints(tenant)?;
    let body = request.json()?;
    let Some(changes) = body.as_array() else {
        return Err(Answer::invalid_body("Expected type array but found type object", ""));
    };
    if changes.is_empty() {
        return Err(Answer::invalid_body("Array is too short (0), minimum 1", ""));
    }
    if changes.len() > MOST_CLIENTS {
        let problem = format!("Array is too long ({}), maximum {MOST_CLIENTS}", changes.len());
        return Err(Answer::invalid_body(&problem, ""));
    }
    for (n, change) in changes.iter().enumerate() {
        let required = ["client_id", "status"];
        schema::members(change, schema::ENABLED_CLIENT, &required, &format!("[{n}]."))?;
    }
    let at = position(tenant, id)?;
    let named = |change: &Value| change["client_id"].as_str().unwrap_or_default().to_owned();
    if !changes.iter().all(|change| tenant.clients.contains_key(&named(change))) {
        return Err(clients::inexistent());
    }
    for change in changes {
        let client = named(change);
        let connection = &mut tenant.connections[at];
        let (was, shall) = (is_enabled(connection, &client), change["status"] == true);
        if let Some(enabled) = connection["enabled_clients"].as_array_mut().filter(|_| was != shall) {
            enabled.retain(|c| *c != client);
            enabled.extend(shall.then(|| client.clone().into()));
            tenant.wrote(&client, &format!("PATCH {}", request.target));
        }
    }
    Answer::no_content()
}

fn has_endpoints(tenant: &Tenant) -> Result<(), Answer> {
    if tenant.enabled_clients == EnabledClients::MemberOnly {
        return Err(Answer::no_route());
    }
    Ok(())
}

fn position(tenant: &Tenant, id: &str) -> Result<usize, Answer> {
    let found = tenant.connections.iter().position(|c| c["id"] == id);
    found.ok_or_else(|| Answer::refused(404, "The connection does not exist", "inexistent_connection"))
}

fn enabled(connection: &Value) -> BTreeSet<String> {
    let ids = connection["enabled_clients"].as_array().into_iter().flatten();
    ids.filter_map(|id| Some(id.as_str()?.to_owned())).collect()
}

fn shown(ways: EnabledClients, connection: &Value) -> Value {
    let mut connection = connection.clone();
    if let (EnabledClients::EndpointsOnly, Some(members)) = (ways, connection.as_object_mut()) {
        members.remove("enabled_clients");
    }
    connection
}
