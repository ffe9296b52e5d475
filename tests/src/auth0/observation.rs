//! What a test sees of the calls and of what they left. Secrets and tokens are left out.

use serde_json::Value;
use std::time::SystemTime;

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    /// The path with its query, as it came.
    pub path: String,
    /// The JSON body, or null.
    pub body: Value,
    /// 0: no whole answer was sent.
    pub status: u16,
    /// When it was carried out.
    pub at: SystemTime,
}

impl Call {
    pub fn matches(&self, method: &str, prefix: &str) -> bool {
        (method == "*" || method == self.method) && self.path.starts_with(prefix)
    }
}

/// A write that touched a client.
#[derive(Debug, Clone)]
pub struct Write {
    pub client_id: String,
    /// Such as `PATCH /api/v2/clients/x`.
    pub call: String,
    /// The client after it.
    pub client: Value,
    /// The names of the connections that have the client enabled, after it.
    pub connections: Vec<String>,
    /// The client's grants, after it.
    pub grants: Vec<Value>,
    pub at: SystemTime,
}

/// The body without what is secret in it.
pub fn without_secrets(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        for secret in ["client_secret", "client_assertion"] {
            members.remove(secret);
        }
    }
    body
}
