//! Auth0 for the tests: its token endpoint, the part of its Management API that the gateway speaks, its
//! dynamic client registration, and the log event of a registration; on loopback, with faults on request.
//!
//! ```ignore
//! let auth0 = Auth0::start().await;
//! let client = auth0.register("Claude", &["https://claude.ai/api/mcp/auth_callback"]);
//! let event = auth0.registration_event(&client); // what the log stream would post
//! auth0.fail("PATCH", "/api/v2/clients", Fault::StatusAfterApplying(500), 1);
//! ```
//!
//! Built from Auth0's documentation: the Management API's reference (clients, connections, client grants,
//! resource servers), "Rate Limit Policy" and "Rate Limit Use Cases", "Application Access to APIs: Client
//! Grants", "Security Controls for Third-Party Applications", "Permissive Mode", "Dynamic Client
//! Registration", "Migrate Enabled Client Management to Dedicated Connection Endpoints", the schema of the
//! log event `sapi`; and, where these are silent, from the answers of the real API that the test recordings
//! of Auth0's Terraform provider hold.
//!
//! What is known to differ, or isn't documented: messages of validation errors name a property without its
//! description; 401 and 409 carry no `errorCode`; `client_secret` is never shown (as to a token without
//! `read:client_keys`); the answers to a changed `is_first_party`, to an unknown client at a connection and
//! to an unknown client grant are guesses in body, not in class; rate limits are one bucket for the
//! Management API and one for the token endpoint.

mod answer;
mod clients;
mod connections;
mod faults;
mod grants;
mod limit;
mod observation;
mod paging;
mod registration;
mod request;
mod routes;
mod schema;
mod server;
mod tenant;
mod tokens;

pub use faults::Fault;
pub use observation::{Call, Write};
pub use tenant::{EnabledClients, SecurityMode};

use crate::AUDIENCE;
use limit::Bucket;
use routes::State;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The client that the Management API knows, and its secret.
pub const MANAGEMENT_CLIENT: &str = "mgmt";
pub const MANAGEMENT_SECRET: &str = "kT3mVn8sQ2xLw9bRz5cHd7fJg4pYe6uAi1oXtMvB";

/// All scopes that this part of the Management API asks for.
pub const MANAGEMENT_SCOPES: [&str; 8] = [
    "read:clients",
    "update:clients",
    "read:connections",
    "update:connections",
    "read:client_grants",
    "create:client_grants",
    "update:client_grants",
    "read:resource_servers",
];

/// A tenant of Auth0.
pub struct Auth0 {
    domain: String,
    state: Arc<Mutex<State>>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl Auth0 {
    /// A tenant with the connection `google-oauth2` (not domain-level), the API [`AUDIENCE`] with the scopes
    /// `tool:read` and `tool:write`, and no client but [`MANAGEMENT_CLIENT`].
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let domain = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::new(&domain)));
        let auth0 = Self { domain, state, server: Mutex::new(None) };
        auth0.add_connection("google-oauth2", "google-oauth2", false);
        auth0.add_api(AUDIENCE, &["tool:read", "tool:write"]);
        auth0.serve(listener);
        auth0
    }

    fn serve(&self, listener: TcpListener) {
        *self.server.lock().unwrap() = Some(tokio::spawn(server::run(listener, Arc::clone(&self.state))));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// `127.0.0.1:PORT`, spoken to over http.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Stops listening and cuts every connection. What the tenant holds stays.
    pub fn down(&self) {
        self.server.lock().unwrap().take().unwrap().abort();
    }

    /// Listens again on the same port.
    pub async fn up(&self) {
        let bind = || async { TcpListener::bind(&self.domain).await.ok() };
        self.serve(crate::eventually("Auth0's port", bind).await);
    }

    /// What the Management API's client signs in with. Issued tokens stay good.
    pub fn set_credentials(&self, id: &str, secret: &str) {
        self.state().tokens.set_credentials(id, secret);
    }

    /// What the Management API's client is granted from now on; none at all: no token for it (403).
    pub fn set_scopes(&self, scopes: &[&str]) {
        self.state().tokens.set_scopes(scopes);
    }

    /// How long tokens live that are issued from now on (a day).
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.state().tokens.lifetime = lifetime;
    }

    /// Refuses every token that was issued so far.
    pub fn revoke_tokens(&self) {
        self.state().tokens.revoke();
    }

    /// The Management API's limit: as many calls at once, and as many more at each full second (1000 and
    /// 1000).
    pub fn set_rate(&self, burst: u32, per_second: u32) {
        self.state().management = Bucket::new(burst, per_second);
    }

    /// Refuses the next calls of the Management API as over the limit; the others go on as before.
    pub fn refuse(&self, calls: u32) {
        self.state().management.refusals = calls;
    }

    /// The token endpoint's limit (100 and 100).
    pub fn set_token_rate(&self, burst: u32, per_second: u32) {
        self.state().authentication = Bucket::new(burst, per_second);
    }

    /// The `Retry-After` of a 429, which Auth0's custom limits and quotas have and its global limit doesn't
    /// (none).
    pub fn set_retry_after(&self, seconds: Option<u64>) {
        self.state().retry_after = seconds;
    }

    /// How long a call waits before it is carried out (not at all): what reads and then writes meets others
    /// in between.
    pub fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// Holds every call once there are so many client grants, until [`Auth0::go_on`].
    pub fn hold_from(&self, grants: usize) {
        self.state().held_from = Some(grants);
    }

    /// Lets the calls pass that are held.
    pub fn go_on(&self) {
        self.state().held_from = None;
    }

    /// What dynamic registration makes of clients from now on (strict, as tenants since April 2026 do).
    pub fn set_security_mode(&self, mode: SecurityMode) {
        self.state().tenant.security_mode = mode;
    }

    /// Which ways to the clients of a connection this tenant has (both).
    pub fn set_enabled_clients(&self, ways: EnabledClients) {
        self.state().tenant.enabled_clients = ways;
    }

    /// An API. The same identifier again replaces its scopes.
    pub fn add_api(&self, identifier: &str, scopes: &[&str]) {
        self.state().tenant.add_api(identifier, scopes);
    }

    /// A connection, and its id.
    pub fn add_connection(&self, name: &str, strategy: &str, domain_level: bool) -> String {
        self.state().tenant.add_connection(name, strategy, domain_level)
    }

    /// Makes a connection a domain-level one, as an administrator does.
    pub fn promote(&self, connection: &str) {
        self.state().tenant.connection_mut(connection)["is_domain_connection"] = json!(true);
    }

    /// A client grant that is there already, and its id. One with no subject type is from before there were
    /// two kinds.
    pub fn add_grant(&self, client_id: &str, audience: &str, scopes: &[&str], subject_type: &str) -> String {
        self.state().tenant.add_grant(client_id, audience, scopes, subject_type)
    }

    /// Takes away all grants of a client, as an administrator does.
    pub fn remove_grants(&self, client_id: &str) {
        self.state().tenant.grants.retain(|grant| grant["client_id"] != client_id);
    }

    /// Registers a client, as one that states its name and its redirect URIs only. The id.
    pub fn register(&self, name: &str, redirect_uris: &[&str]) -> String {
        self.register_as(&json!({"client_name": name, "redirect_uris": redirect_uris}))
    }

    /// Registers a client that states all this (RFC 7591 §2). The id.
    pub fn register_as(&self, metadata: &Value) -> String {
        let answer = self.state().tenant.register(metadata).unwrap_or_else(|refused| panic!("{refused:?}"));
        answer.body.unwrap()["client_id"].as_str().unwrap().to_owned()
    }

    /// What the log stream posts for a registered client: one and the same event each time.
    pub fn registration_event(&self, client_id: &str) -> Value {
        let state = self.state();
        state.tenant.events.get(client_id).unwrap_or_else(|| panic!("{client_id} never registered")).clone()
    }

    /// Lets the next `times` calls of this method (`*`: any) whose path starts so meet a fault.
    pub fn fail(&self, method: &str, prefix: &str, fault: Fault, times: usize) {
        self.state().faults.add(method, prefix, fault, times);
    }

    /// Lets every `n`th call from now on meet a fault.
    pub fn fault_every(&self, n: usize, fault: Fault) {
        self.state().faults.every(n, fault);
    }

    /// No more faults.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// All calls so far, in the order in which they were carried out.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many calls of this method (`*`: any) had a path that starts so.
    pub fn count_of(&self, method: &str, prefix: &str) -> usize {
        self.state().calls.iter().filter(|c| c.matches(method, prefix)).count()
    }

    /// How many calls were answered with this status; 0: not answered.
    pub fn status_count(&self, status: u16) -> usize {
        self.state().calls.iter().filter(|c| c.status == status).count()
    }

    /// A client as `GET /api/v2/clients/{id}` shows it.
    pub fn client(&self, client_id: &str) -> Value {
        clients::shown(&self.state().tenant.clients[client_id])
    }

    /// A connection by name, with its `enabled_clients`.
    pub fn connection(&self, name: &str) -> Value {
        self.state().tenant.connection_mut(name).clone()
    }

    /// All client grants.
    pub fn grants(&self) -> Vec<Value> {
        self.state().tenant.grants.clone()
    }

    /// Each write that touched a client, with what it left.
    pub fn writes(&self, client_id: &str) -> Vec<Write> {
        self.state().tenant.writes.iter().filter(|w| w.client_id == client_id).cloned().collect()
    }
}

impl Drop for Auth0 {
    fn drop(&mut self) {
        if let Some(server) = self.server.lock().unwrap().take() {
            server.abort();
        }
    }
}
