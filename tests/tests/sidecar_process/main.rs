//! The real sidecar as a process: killed, told to stop, starved of a disk, and asked by its own commands. No
//! Envoy is needed here.

mod fault_loop;
mod life;

use gatewaystack_tests::auth0::SecurityMode;
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::time::Duration;

const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";
const CONNECTION: &str = "google-oauth2";

/// A tenant whose connection is domain-level, and a sidecar for it.
async fn domain_level() -> (Auth0, Sidecar) {
    let auth0 = Auth0::start().await;
    auth0.promote(CONNECTION);
    let sidecar = Sidecar::of(&auth0);
    (auth0, sidecar)
}

fn is_promoted(auth0: &Auth0, client_id: &str) -> bool {
    let client = auth0.client(client_id);
    client["app_type"] == "regular_web"
        && client["token_endpoint_auth_method"] == "none"
        && client["grant_types"] == json!(["authorization_code", "refresh_token"])
        && grants(auth0, client_id) == [json!(["tool:read", "tool:write"])]
}

/// The scopes of each of its grants for users.
fn grants(auth0: &Auth0, client_id: &str) -> Vec<Value> {
    let ours = |grant: &&Value| grant["client_id"] == client_id && grant["subject_type"] == "user";
    auth0.grants().iter().filter(ours).map(|grant| grant["scope"].clone()).collect()
}

/// Waits until the queue is empty, for as long as something becomes of it: an outage ends by itself.
async fn drained(sidecar: &Sidecar) {
    // Half a minute, at least, in which none goes.
    const LOOKS: u32 = 600;
    let (mut least, mut looks) = (u64::MAX, 0);
    loop {
        let (queued, _) = sidecar.queue().await;
        if queued == 0 {
            return;
        }
        looks = if queued < least { 0 } else { looks + 1 };
        least = least.min(queued);
        assert!(looks < LOOKS, "{queued} still wait:\n{}", tail(&sidecar.log()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn tail(log: &str) -> &str {
    log.get(log.len().saturating_sub(4_000)..).unwrap_or(log)
}
