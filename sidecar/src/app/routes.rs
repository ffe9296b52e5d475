//! The routes table. In: the policy, which says what is on, and what each page is given. Out: a router.
//!
//! To add a page, write it in a file next to this one: a function of the request, and of the state that it
//! needs. Its row in the table gives it that state, and nothing else. Envoy leads to it where the policy has
//! a built-in route for it (`core/policy/src/compile/builtins.rs`).

use super::audit::audit;
use super::demo::{self, Identity, MAX_BODY};
use super::feed::{Feed, feed};
use super::health::{self, Labels, Provider};
use super::metadata::{public, resource_metadata};
use super::metrics::{Measured, metrics};
use super::records::{Records, records};
use super::relay::{self, Relay};
use super::reply::{not_found, wrong_method};
use crate::ledger::Ledger;
use crate::signals::route::{self as signals, Signals};
use crate::webhook::route::{Webhook, receive};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::metadata::PATH as RESOURCE;
use std::sync::Arc;
use std::time::Duration;
use tower_http::timeout::TimeoutLayer;

/// A request takes at most this long: a sender that stalls, or a provider that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the pages are given.
pub struct States {
    pub labels: Arc<Labels>,
    pub measured: Measured,
    pub provider: Arc<Provider>,
    pub identity: Arc<Identity>,
    pub webhook: Arc<Webhook>,
    pub relay: Arc<Relay>,
    /// Where the ledger is on, as are the next two.
    pub feed: Option<Arc<Feed>>,
    pub records: Option<Arc<Records>>,
    pub signals: Option<Arc<Signals>>,
    /// Where the audit log is.
    pub audit: Option<Ledger>,
}

/// Whether it is on, its path, and its page by method.
type Row<'a> = (bool, &'a str, MethodRouter);

/// The pages of the groups that are on, and what anyone who starts the sidecar asks: `/health`, `/ready` and
/// `/metrics`, the last two never routed from outside, nor what the filter itself asks.
pub fn router(policy: &Arc<Policy>, states: States) -> Router {
    let States { labels, measured, provider, identity, webhook, relay, .. } = states;
    let States { feed: fed, records: kept, signals: told, audit: log, .. } = states;
    let on = |name: &str| policy.routes.iter().any(|r| r.builtin.is_some() && r.name == name);
    let (demos, logs, documents) = (on("/protected"), on("/webhooks/auth0/logs"), policy.metadata.on);
    let resource = get(resource_metadata).with_state(Arc::clone(policy));
    let resource = if policy.metadata.require_token { resource } else { public(resource) };
    let resource_of_path = format!("{RESOURCE}/{{*path}}");
    let test_echo = get(demo::test_echo).post(demo::test_echo);
    let writer_only = get(demo::protected).post(demo::protected);
    let mut table: Vec<Row<'_>> = vec![
        (true, "/health", get(health::health).with_state(labels)),
        (true, "/ready", get(health::ready).with_state(measured.clone())),
        (true, "/metrics", get(metrics).with_state(measured)),
        (on("/health/auth0"), "/health/auth0", get(health::health_auth0).with_state(provider)),
        (demos, "/", get(demo::root)),
        (demos, "/protected", get(demo::protected).with_state(identity.clone())),
        (demos, "/protected/ping", get(demo::protected).with_state(identity.clone())),
        (demos, "/protected/echo", post(demo::echo).with_state(identity.clone())),
        (demos, "/writer-only", writer_only.with_state(identity.clone())),
        (on("/__test__/echo"), "/__test__/echo", test_echo.with_state(identity)),
        (logs, "/webhooks/auth0/logs", post(receive).with_state(webhook.clone())),
        (logs, "/auth0/logs", post(receive).with_state(webhook.clone())),
        (logs, "/auth0-log-webhook", post(receive).with_state(webhook)),
        (documents, RESOURCE, resource.clone()),
        (documents, &resource_of_path, resource),
        (documents, relay::OAUTH, public(get(relay::authorization_server).with_state(relay.clone()))),
        (documents, relay::OPENID, public(get(relay::openid_configuration).with_state(relay))),
    ];
    if let Some(state) = fed {
        table.push((true, "/internal/feed", get(feed).with_state(state)));
    }
    if let Some(state) = kept {
        table.push((true, "/internal/records", post(records).with_state(state)));
    }
    if let Some(ledger) = log {
        table.push((true, "/audit/{*path}", get(audit).with_state(ledger)));
    }
    if let Some(state) = told {
        table.push((on(signals::PATH), signals::PATH, post(signals::receive).with_state(state)));
    }
    let mut router = Router::new();
    for (_, path, page) in table.into_iter().filter(|(is_on, ..)| *is_on) {
        // One trailing slash is ignored, as the filter does.
        if path != "/" && !path.ends_with('}') {
            router = router.route(&format!("{path}/"), page.clone());
        }
        router = router.route(path, page);
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, PATIENCE))
}
