//! What we read of Auth0's objects; all other members stay theirs.

use serde::Deserialize;

/// `GET /api/v2/clients/{id}`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Client {
    pub client_id: String,
    pub name: String,
    /// Redirect URIs.
    pub callbacks: Option<Vec<String>>,
    pub app_type: Option<String>,
    pub token_endpoint_auth_method: Option<String>,
    pub grant_types: Option<Vec<String>>,
    pub is_first_party: Option<bool>,
}

/// `GET /api/v2/connections`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Connection {
    pub id: String,
    pub name: String,
    pub is_domain_connection: bool,
    /// Absent where the tenant has the endpoint of its own for them.
    pub enabled_clients: Option<Vec<String>>,
}

/// `GET /api/v2/connections/{id}/clients`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct EnabledClients {
    pub clients: Vec<EnabledClient>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct EnabledClient {
    pub client_id: String,
}

/// `GET /api/v2/client-grants`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Grant {
    pub id: String,
    pub client_id: String,
    pub audience: String,
    pub scope: Vec<String>,
}
