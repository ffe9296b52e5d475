//! The sidecar's answers, without a socket; the relays against an issuer on loopback.

use super::{App, Settings};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::routing::get;
use gatewaystack_core::config::{self, Environment};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt as _;

mod ledger;
mod push;
mod webhook;

const SECRET: &str = "5ecre7";

fn app(variables: &[(&str, &str)]) -> Router {
    let base = [
        ("AUTH_ISSUER", "https://idp.example/"),
        ("AUTH_AUDIENCE", "https://gateway.local/api"),
        ("ENABLE_TEST_ROUTES", "true"),
    ];
    let env: Environment =
        base.iter().chain(variables).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let policy = Arc::new(config::load(None, Some(&env)).unwrap());
    let settings =
        Settings { secret: SECRET.into(), mode: "test".into(), version: "abc".into(), ..Settings::default() };
    App::new(policy, settings).unwrap().served.router
}

struct Call(axum::http::request::Builder, Body);

fn call(method: Method, path: &str) -> Call {
    Call(Request::builder().method(method).uri(path), Body::empty())
}

impl Call {
    fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value), self.1)
    }
    fn judged(self, user: &str) -> Self {
        self.header("x-gatewaystack-secret", SECRET).header("x-user-id", user)
    }
    fn body(self, body: impl Into<Body>) -> Self {
        Self(self.0, body.into())
    }
    async fn text(self, app: &Router) -> String {
        let response = app.clone().oneshot(self.0.body(self.1).unwrap()).await.unwrap();
        String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }
    async fn send(self, app: &Router) -> (StatusCode, Value) {
        let response = app.clone().oneshot(self.0.body(self.1).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn public_routes_answer_anybody() {
    let app = app(&[]);
    assert_eq!(call(Method::GET, "/").send(&app).await, (StatusCode::OK, json!({ "ok": true })));
    let (status, health) = call(Method::GET, "/health/").send(&app).await;
    assert_eq!(
        (status, &health["ok"], &health["mode"], &health["version"]),
        (StatusCode::OK, &json!(true), &json!("test"), &json!("abc"))
    );
    assert!(health["time"].as_str().unwrap().ends_with('Z'));
    let (_, document) = call(Method::GET, "/.well-known/oauth-protected-resource").send(&app).await;
    assert_eq!(document["resource"], "https://gateway.local/api");
    assert_eq!(
        document["scopes_supported"],
        json!(["email", "openid", "profile", "tool:read", "tool:write"])
    );
    for path in ["/.well-known/oauth-protected-resource/mcp", "/nothing"] {
        let (status, body) = call(Method::GET, path).header("x-request-id", "id-1").send(&app).await;
        assert_eq!(
            (status, &body["error"], &body["request_id"]),
            (StatusCode::NOT_FOUND, &json!("not_found"), &json!("id-1"))
        );
    }
    assert_eq!(call(Method::DELETE, "/health").send(&app).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(call(Method::POST, "/auth0/logs").send(&app).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let app = app(&[]);
    for (path, allow) in [
        ("/health/", "GET,HEAD"),
        ("/protected/echo", "POST"),
        ("/writer-only", "GET,HEAD,POST"),
        ("/.well-known/openid-configuration", "GET,HEAD,OPTIONS"),
    ] {
        let wrong = Request::builder().method(Method::DELETE).uri(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(wrong).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()["allow"], allow, "{path}");
    }
}

#[tokio::test]
async fn identity_routes_answer_to_envoy_alone() {
    let app = app(&[]);
    for (method, path) in [
        (Method::GET, "/protected"),
        (Method::GET, "/protected/ping"),
        (Method::POST, "/protected/echo"),
        (Method::GET, "/writer-only"),
        (Method::POST, "/writer-only"),
        (Method::GET, "/__test__/echo"),
    ] {
        let named = || call(method.clone(), path).header("x-user-id", "mallory");
        assert_eq!(named().send(&app).await.0, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(
            named().header("x-gatewaystack-secret", "").send(&app).await.0,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert_eq!(
            named().header("x-gatewaystack-secret", "5ecre8").send(&app).await.0,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        let unnamed = call(method.clone(), path).header("x-gatewaystack-secret", SECRET);
        assert_eq!(unnamed.send(&app).await.0, StatusCode::UNAUTHORIZED, "{path}");
        assert_ne!(
            call(method.clone(), path).judged("u").send(&app).await.0,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
}

#[tokio::test]
async fn echoes_show_the_user_and_the_body() {
    let app = app(&[]);
    let echo = |body: &'static str| call(Method::POST, "/protected/echo").judged("a|b%C3%A9%25").body(body);
    let expect = |body: Value| (StatusCode::OK, json!({ "ok": true, "sub": "a|b\u{e9}%", "body": body }));
    assert_eq!(echo("{\"a\":1}").send(&app).await, expect(json!({ "a": 1 })));
    assert_eq!(echo("").send(&app).await, expect(Value::Null));
    assert_eq!(echo("{").send(&app).await.1["error"], "invalid_request");
    let large = call(Method::POST, "/protected/echo").judged("u").body(vec![b' '; (1 << 20) + 1]);
    assert_eq!(large.send(&app).await.0, StatusCode::PAYLOAD_TOO_LARGE);

    let test = |method| call(method, "/__test__/echo").judged("u");
    assert_eq!(test(Method::GET).send(&app).await.1["error"], "missing_required_scope_header");
    let (status, body) =
        test(Method::POST).header("x-required-scope", "tool:write").body("[1]").send(&app).await;
    let expected = json!({ "ok": true, "user": "u", "scope": "tool:write", "method": "POST", "route": "/__test__/echo", "body": [1] });
    assert_eq!((status, body), (StatusCode::OK, expected));
}

#[tokio::test]
async fn groups_that_are_off_are_not_served() {
    let policy =
        br#"{"issuers":[{"issuer":"https://idp.example","audiences":["a"]}],"builtin":{"metadata":false}}"#;
    let policy = Arc::new(config::load(Some(policy), None).unwrap());
    let settings = Settings { secret: SECRET.into(), ..Settings::default() };
    let app = App::new(policy, settings).unwrap().served.router;
    for path in ["/", "/protected", "/__test__/echo", "/.well-known/oauth-protected-resource"] {
        assert_eq!(call(Method::GET, path).judged("u").send(&app).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

/// An issuer on loopback that has the given document at one path; `{issuer}` in it becomes its URL.
async fn issuer(path: &'static str, document: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = document.replace("{issuer}", &url);
    let elsewhere = format!("{url}{path}");
    let app = Router::new()
        .route(path, get(move || async move { body }))
        .route("/.well-known/moved", get(|| async move { axum::response::Redirect::temporary(&elsewhere) }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn the_relays_give_the_issuers_own_document_or_nothing() {
    const OPENID: &str = "/.well-known/openid-configuration";
    const OAUTH: &str = "/.well-known/oauth-authorization-server";
    for (path, document, good) in [
        (OPENID, "{\"issuer\":\"{issuer}\"}", true),
        (OAUTH, "{\"issuer\":\"{issuer}/\"}", true),
        (OPENID, "{\"issuer\":\"https://evil.example\"}", false),
        (OPENID, "{\"issuer\":\"{issuer}\",\"issuer\":\"{issuer}\"}", false),
        (OPENID, "not JSON", false),
        ("/elsewhere", "{}", false),
    ] {
        let url = issuer(path, document).await;
        let app = app(&[("AUTH_ISSUER", &url)]);
        for asked in [OPENID, OAUTH] {
            let (status, body) = call(Method::GET, asked).send(&app).await;
            let expect = if good { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
            assert_eq!(status, expect, "{asked} of {document}");
            assert_eq!(body["error"] == "discovery_fetch_failed", !good);
        }
    }
    let large: &'static str =
        Box::leak(format!("{{\"issuer\":\"{{issuer}}\",\"a\":\"{}\"}}", "x".repeat(70_000)).into_boxed_str());
    let app = app(&[("AUTH_ISSUER", &issuer(OPENID, large).await)]);
    assert_eq!(call(Method::GET, OPENID).send(&app).await.0, StatusCode::BAD_GATEWAY);
}
