//! What a tenant holds, and the history of what was done to its clients.

use super::observation::Write;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::SystemTime;

/// What dynamic registration makes of a client ("Permissive Mode for Third-Party Applications").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityMode {
    /// `tpc_…`, third-party for ever, few settings.
    Strict,
    /// As it was before April 2026: it may become first-party.
    Permissive,
}

/// The ways to the clients of a connection ("Migrate Enabled Client Management to Dedicated Connection
/// Endpoints").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnabledClients {
    /// The member `enabled_clients` of a connection, and `/connections/{id}/clients`.
    Both,
    /// The member only; the endpoints aren't there (404).
    MemberOnly,
    /// The endpoints only: the member isn't shown, and refused in a `PATCH`.
    EndpointsOnly,
}

pub struct Tenant {
    pub security_mode: SecurityMode,
    pub enabled_clients: EnabledClients,
    pub clients: BTreeMap<String, Value>,
    /// Each with its `enabled_clients`.
    pub connections: Vec<Value>,
    pub grants: Vec<Value>,
    pub apis: Vec<Value>,
    /// The log event of each registration, by client.
    pub events: HashMap<String, Value>,
    pub writes: Vec<Write>,
}

impl Tenant {
    pub fn new() -> Self {
        Self {
            security_mode: SecurityMode::Strict,
            enabled_clients: EnabledClients::Both,
            clients: BTreeMap::new(),
            connections: Vec::new(),
            grants: Vec::new(),
            apis: Vec::new(),
            events: HashMap::new(),
            writes: Vec::new(),
        }
    }

    pub fn add_api(&mut self, identifier: &str, scopes: &[&str]) {
        self.apis.retain(|api| api["identifier"] != identifier);
        let scopes: Vec<Value> = scopes.iter().map(|s| json!({"value": s, "description": s})).collect();
        let user = json!({"policy": "allow_all"});
        let client = json!({"policy": "require_client_grant"});
        self.apis.push(json!({
            "id": id(24), "name": identifier, "identifier": identifier, "scopes": scopes,
            "allow_offline_access": true, "skip_consent_for_verifiable_first_party_clients": true,
            "token_lifetime": 86_400, "token_lifetime_for_web": 7_200, "signing_alg": "RS256", "is_system": false,
            "subject_type_authorization": {"user": user, "client": client},
        }));
    }

    pub fn api(&self, identifier: &str) -> Option<&Value> {
        self.apis.iter().find(|api| api["identifier"] == identifier)
    }

    pub fn audiences(&self) -> HashSet<String> {
        self.apis.iter().filter_map(|api| Some(api["identifier"].as_str()?.to_owned())).collect()
    }

    pub fn add_connection(&mut self, name: &str, strategy: &str, domain_level: bool) -> String {
        let id = format!("con_{}", id(16));
        self.connections.push(json!({
            "id": id, "name": name, "strategy": strategy, "is_domain_connection": domain_level,
            "options": {"email": true, "profile": true, "scope": ["email", "profile"]},
            "authentication": {"active": true}, "connected_accounts": {"active": false},
            "realms": [name], "enabled_clients": [],
        }));
        id
    }

    /// The connection of this name. Panics where there is none.
    pub fn connection_mut(&mut self, name: &str) -> &mut Value {
        let found = self.connections.iter_mut().find(|c| c["name"] == name);
        found.unwrap_or_else(|| panic!("no connection {name}"))
    }

    pub fn add_grant(
        &mut self,
        client_id: &str,
        audience: &str,
        scopes: &[&str],
        subject_type: &str,
    ) -> String {
        let id = format!("cgr_{}", id(16));
        let mut grant = json!({"id": id, "client_id": client_id, "audience": audience, "scope": scopes});
        if !subject_type.is_empty() {
            grant["subject_type"] = subject_type.into();
        }
        self.grants.push(grant);
        id
    }

    /// Remembers what a write left of a client.
    pub fn wrote(&mut self, client_id: &str, call: &str) {
        let enabled = |c: &&Value| is_enabled(c, client_id);
        let names = self.connections.iter().filter(enabled).filter_map(|c| c["name"].as_str());
        self.writes.push(Write {
            client_id: client_id.to_owned(),
            call: call.to_owned(),
            client: self.clients.get(client_id).map(super::clients::shown).unwrap_or_default(),
            connections: names.map(str::to_owned).collect(),
            grants: self.grants.iter().filter(|g| g["client_id"] == client_id).cloned().collect(),
            at: SystemTime::now(),
        });
    }
}

/// Whether a connection has the client enabled.
pub fn is_enabled(connection: &Value, client_id: &str) -> bool {
    connection["enabled_clients"].as_array().is_some_and(|clients| clients.iter().any(|c| c == client_id))
}

/// So many random letters and digits.
pub fn id(length: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let random = RandomState::new();
    let letter = |n: usize| char::from(LETTERS[(random.hash_one(n) % 62) as usize]);
    (0..length).map(letter).collect()
}
