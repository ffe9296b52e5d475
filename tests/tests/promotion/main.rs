//! Contract §9.4 and §9.5 against the stand-in of Auth0: who is promoted, to what, and what happens when
//! Auth0 says no or nothing. No Envoy is needed here.

mod grants;
mod refusals;
mod faults;
mod steps;

use gatewaystack::auth0::{Credentials, Management};
use gatewaystack::metrics::Metrics;
use gatewaystack::webhook::promote::{Promoter, Stop};
use gatewaystack_core::config;
use gatewaystack_core::config::policy::Promotion;
use gatewaystack_tests::auth0::{EnabledClients, MANAGEMENT_CLIENT, MANAGEMENT_SECRET, SecurityMode};
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";
const CHATGPT: &str = "https://chatgpt.com/connector_platform_oauth_redirect";
const CONNECTION: &str = "google-oauth2";

/// The defaults, and what a test changes of them.
fn rules(webhook: &Value) -> Promotion {
    let policy = json!({
        "issuers": [{"issuer": "https://idp.example", "audiences": [AUDIENCE]}],
        "scopes_supported": ["openid", "email", "tool:read", "tool:write"],
        "webhook": webhook,
    });
    config::load(Some(policy.to_string().as_bytes()), None).unwrap().own.promotion
}

fn promoter_with(auth0: &Auth0, webhook: &Value, secret: &str) -> Arc<Promoter> {
    let credentials = Credentials { client_id: MANAGEMENT_CLIENT.to_owned(), secret: secret.into() };
    let api =
        Management::new(format!("http://{}", auth0.domain()), credentials, Arc::new(Metrics::default()));
    Arc::new(Promoter::new(api, rules(webhook)))
}

/// Third-party clients on a domain-level connection: the default.
async fn domain_level() -> (Auth0, Arc<Promoter>) {
    let auth0 = Auth0::start().await;
    auth0.promote(CONNECTION);
    let promoter = promoter_with(&auth0, &json!({}), MANAGEMENT_SECRET);
    (auth0, promoter)
}

/// First-party clients, on a tenant that makes such that can become it.
async fn first_party(ways: EnabledClients) -> (Auth0, Arc<Promoter>) {
    let auth0 = Auth0::start().await;
    auth0.set_security_mode(SecurityMode::Permissive);
    auth0.set_enabled_clients(ways);
    let promoter = promoter_with(&auth0, &json!({"first_party": true}), MANAGEMENT_SECRET);
    (auth0, promoter)
}

/// Asserts that the client is what a promotion makes of it, and that nothing which it became on the way was
/// wrong.
fn assert_promoted(auth0: &Auth0, client_id: &str, is_first_party: bool, what: &str) {
    let client = auth0.client(client_id);
    assert_eq!(client["app_type"], "regular_web", "{what}: {client}");
    assert_eq!(client["token_endpoint_auth_method"], "none", "{what}: {client}");
    assert_eq!(client["grant_types"], json!(["authorization_code", "refresh_token"]), "{what}: {client}");
    assert_eq!(client["is_first_party"], is_first_party, "{what}: {client}");
    let grants: Vec<Value> =
        auth0.grants().into_iter().filter(|grant| grant["client_id"] == client_id).collect();
    let users: Vec<&Value> = grants.iter().filter(|grant| grant["subject_type"] == "user").collect();
    assert_eq!(users.len(), 1, "{what}: {grants:?}");
    assert_eq!(users[0]["audience"], AUDIENCE, "{what}");
    assert_eq!(users[0]["scope"], json!(["tool:read", "tool:write"]), "{what}");
    let enabled = auth0.connection(CONNECTION)["enabled_clients"].as_array().unwrap().clone();
    let times = enabled.iter().filter(|id| **id == client_id).count();
    assert_eq!(times, usize::from(is_first_party), "{what}: {enabled:?}");
    for write in auth0.writes(client_id) {
        assert_eq!(write.client["callbacks"], client["callbacks"], "{what}: {write:?}");
        assert!(write.grants.len() <= 1 && write.connections.len() <= 1, "{what}: {write:?}");
    }
}

/// Calls of the Management API that ask for a change.
fn changes(auth0: &Auth0) -> usize {
    auth0.count_of("PATCH", "/api/v2/") + auth0.count_of("POST", "/api/v2/")
}

fn parked(outcome: Result<(), Stop>) -> String {
    match outcome {
        Err(Stop::Parked(reason)) => reason,
        other => panic!("expected a parked promotion, got {other:?}"),
    }
}
