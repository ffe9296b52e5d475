//! The official Rust SDK (`rmcp`) as a client, in both its eras.

use super::scene::scene;
use super::table::{KEEPS, went};
use super::{ALL, READERS, WRITERS};
use gatewaystack_tests::person::consent;
use reqwest::{Client, Url};
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientServiceExt as _, RoleClient, RunningService, ServiceError};
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, OAuthState,
    WWWAuthenticateParams,
};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
};
use rmcp::{ClientLifecycleMode, object};
use serde_json::{Map, Value};

const CALLBACK: &str = "http://127.0.0.1:1/callback";

type Service = RunningService<RoleClient, ()>;

/// A connection, and who keeps its tokens.
struct Connection {
    service: Service,
    auth: AuthClient<Client>,
}

impl Connection {
    async fn open(url: &str, manager: AuthorizationManager, lifecycle: ClientLifecycleMode) -> Self {
        let auth = AuthClient::new(Client::new(), manager);
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(auth.clone(), config);
        Self { service: ().serve_with_lifecycle(transport, lifecycle).await.unwrap(), auth }
    }

    async fn names(&self) -> String {
        let mut names: Vec<_> = self
            .service
            .list_all_tools()
            .await
            .unwrap()
            .into_iter()
            .map(|tool| tool.name.into_owned())
            .collect();
        names.sort();
        names.join(" ")
    }

    /// The tool's text, or the challenge.
    async fn call(&self, name: &'static str, arguments: Map<String, Value>) -> Result<String, String> {
        match self.service.call_tool(CallToolRequestParams::new(name).with_arguments(arguments)).await {
            Ok(result) => {
                Ok(serde_json::to_value(&result.content[0]).unwrap()["text"].as_str().unwrap().to_owned())
            }
            Err(error) => Err(challenge(&error)),
        }
    }
}

fn challenge(error: &ServiceError) -> String {
    error.auth_challenge().unwrap_or_else(|| panic!("no challenge: {error:?}")).to_owned()
}

fn scope(authorization_url: &str) -> String {
    let url = Url::parse(authorization_url).unwrap();
    url.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned()
}

/// By the challenge of a 401: discovery, registration, consent, token.
async fn sign_in(url: &str, challenge: &str) -> AuthorizationManager {
    let mut state = OAuthState::new(url, None).await.unwrap();
    let request =
        AuthorizationRequest::new(CALLBACK).with_initial_scope_selection().with_challenge(challenge);
    state.start_authorization(request).await.unwrap();
    let to = state.get_authorization_url().await.unwrap();
    assert_eq!(
        scope(&to),
        "tool:read offline_access",
        "the challenge's scope, not all that the metadata names"
    );
    state.handle_callback_url(&consent(&to, "bob").await).await.unwrap();
    state.into_authorization_manager().unwrap()
}

/// By the challenge of a 403, with the tokens that are there.
async fn step_up(url: &str, challenge: &str, connection: &Connection) {
    let wanted = WWWAuthenticateParams::parse(challenge, &Url::parse(url).unwrap());
    assert!(wanted.is_insufficient_scope(), "{challenge}");
    let manager = connection.auth.auth_manager.lock().await;
    let to = manager.request_scope_upgrade(&wanted.scope.unwrap()).await.unwrap();
    let mut asked: Vec<String> = scope(&to).split(' ').map(str::to_owned).collect();
    asked.sort();
    assert_eq!(asked, ["offline_access", "tool:read", "tool:write"]);
    let back = AuthorizationCallback::from_redirect_url(&consent(&to, "bob").await).unwrap();
    manager
        .exchange_code_for_token_with_issuer(&back.code, &back.csrf_token, back.issuer.as_deref())
        .await
        .unwrap();
}

async fn goes_all_the_way(lifecycle: ClientLifecycleMode, version: &str) {
    // Built together with the sidecar, reqwest has TLS without a provider of its cryptography, and won't
    // start without one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scene = scene().await;
    let nobody = AuthorizationManager::new(scene.url.as_str()).await.unwrap();
    let before = Connection::open(&scene.url, nobody, lifecycle.clone()).await;
    assert_eq!(before.names().await, ALL);
    let refused = before.call("list_notes", object!({})).await.unwrap_err();
    assert!(refused.contains("scope=\"tool:read\"") && !refused.contains("error="), "{refused}");

    let bob = Connection::open(&scene.url, sign_in(&scene.url, &refused).await, lifecycle).await;
    assert!(bob.call("list_notes", object!({})).await.unwrap().starts_with("1 notes of bob:"));
    assert_eq!(bob.names().await, READERS);
    let note = || object!({"text": "by Rust"});
    let refused = bob.call("add_note", note()).await.unwrap_err();
    step_up(&scene.url, &refused, &bob).await;
    assert_eq!(bob.call("add_note", note()).await.unwrap(), "Noted. bob has 2 notes now.");
    assert_eq!(bob.names().await, WRITERS);
    went("crates.io rmcp", version, KEEPS);
}

#[tokio::test]
async fn the_rust_sdk_goes_all_the_way_in_the_older_era() {
    goes_all_the_way(ClientLifecycleMode::Initialize, "2025-11-25").await;
}

#[tokio::test]
async fn the_rust_sdk_goes_all_the_way_in_the_newest_era() {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    goes_all_the_way(ClientLifecycleMode::Discover { preferred_versions }, "2026-07-28").await;
}
