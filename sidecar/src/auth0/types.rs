//! What we read of Auth0's objects; all other members stay theirs. A member that is null is as one that is
//! absent.

use serde::{Deserialize, Deserializer};

/// Third-party clients with Auth0's enhanced security have ids that begin so.
const STRICT_PREFIX: &str = "tpc_";

/// `GET /api/v2/clients/{id}`
#[derive(Debug, Clone, Deserialize)]
pub struct Client {
    pub client_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Redirect URIs.
    #[serde(default, deserialize_with = "or_default")]
    pub callbacks: Vec<String>,
    pub app_type: Option<String>,
    pub token_endpoint_auth_method: Option<String>,
    pub grant_types: Option<Vec<String>>,
    pub is_first_party: Option<bool>,
    third_party_security_mode: Option<String>,
}

impl Client {
    /// Whether this client is a third-party one for ever ("Security Controls for Third-Party Applications"):
    /// since April 2026 dynamic registration makes such ones, unless the tenant is in permissive mode.
    pub fn is_strict(&self) -> bool {
        self.third_party_security_mode.as_deref() == Some("strict")
            || self.client_id.starts_with(STRICT_PREFIX)
    }
}

/// `GET /api/v2/connections`
#[derive(Debug, Clone, Deserialize)]
pub struct Connection {
    pub id: String,
    pub name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub is_domain_connection: bool,
    /// Absent where the tenant has the endpoint of its own for them.
    pub enabled_clients: Option<Vec<String>>,
}

/// `GET /api/v2/connections/{id}/clients`
#[derive(Debug, Clone, Deserialize)]
pub struct EnabledClients {
    pub clients: Vec<EnabledClient>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct EnabledClient {
    pub client_id: String,
}

/// `GET /api/v2/client-grants`
#[derive(Debug, Clone, Deserialize)]
pub struct Grant {
    pub id: String,
    /// A tenant's default grants have none.
    #[serde(default, deserialize_with = "or_default")]
    pub client_id: String,
    pub audience: String,
    #[serde(default, deserialize_with = "or_default")]
    pub scope: Vec<String>,
    /// `user`, `client`; absent in a grant from before there were two kinds, which serves both.
    pub subject_type: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    allow_all_scopes: bool,
}

impl Grant {
    /// The scopes among `wanted` that this grant doesn't give.
    pub fn lacks<'w>(&self, wanted: &'w [String]) -> Vec<&'w String> {
        wanted.iter().filter(|scope| !self.allow_all_scopes && !self.scope.contains(scope)).collect()
    }
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}
