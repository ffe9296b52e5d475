//! Contract §9.1 to §9.3: who may send, what is taken, and what is said of it.

use super::*;
use crate::secret::Secret;
use tempfile::TempDir;

const HOOK: &str = "the-webhooks-own-secret";
const PATH: &str = "/webhooks/auth0/logs";

fn listening() -> (TempDir, Router) {
    let folder = tempfile::tempdir().unwrap();
    let policy = json!({
        "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
        "sidecar": { "data_dir": folder.path() }
    });
    let policy = Arc::new(config::load(Some(policy.to_string().as_bytes()), None).unwrap());
    let settings = Settings { webhook_secret: Some(Secret::from(HOOK)), ..Settings::default() };
    (folder, App::new(policy, settings).unwrap().served.router)
}

fn registration(log_id: &str, client_id: &str) -> Value {
    json!({ "log_id": log_id, "data": { "type": "sapi", "description": "Dynamic client registration", "client_id": client_id } })
}

fn hook(body: impl Into<Body>) -> Call {
    call(Method::POST, PATH).header("x-webhook-secret", HOOK).body(body)
}

#[tokio::test]
async fn the_secret_is_asked_for_before_anything_else() {
    let (_folder, app) = listening();
    let (bearer, lower) = (format!("Bearer {HOOK}"), format!("bearer  {HOOK}"));
    for (name, value, status) in [
        ("x-webhook-secret", HOOK, 200),
        ("authorization", HOOK, 200),
        ("authorization", bearer.as_str(), 200),
        ("authorization", lower.as_str(), 200),
        ("x-webhook-secret", bearer.as_str(), 401),
        ("x-webhook-secret", "", 401),
        ("x-webhook-secret", "the-webhooks-own-secre", 401),
        ("authorization", "Bearer", 401),
        ("authorization", "Basic the-webhooks-own-secret", 401),
        ("x-other", HOOK, 401),
    ] {
        for path in [PATH, "/auth0/logs", "/auth0-log-webhook", "/auth0/logs/"] {
            let (got, body) = call(Method::POST, path).header(name, value).body("{}").send(&app).await;
            assert_eq!(got.as_u16(), status, "{name}: {value}");
            assert_eq!(body.get("error").is_some(), status == 401, "{body}");
            assert!(!body.to_string().contains(HOOK));
        }
    }
    let twice = call(Method::POST, PATH).header("x-webhook-secret", HOOK).header("x-webhook-secret", HOOK);
    assert_eq!(twice.body("{}").send(&app).await.0, StatusCode::UNAUTHORIZED);
    // Anyone who doesn't know the secret isn't told what else is wrong.
    let large = call(Method::POST, PATH).body(vec![b' '; (1 << 20) + 1]);
    assert_eq!(large.send(&app).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_a_secret_nothing_is_taken_and_the_sidecar_is_ready() {
    let app = app(&[]);
    let (status, body) = hook("{}").send(&app).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("temporarily_unavailable"))
    );
    assert_eq!(call(Method::GET, "/ready").send(&app).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_body_is_taken_whole_or_refused() {
    let (_folder, app) = listening();
    let one = registration("1", "a");
    let padded = |length: usize| format!("{one}{}", " ".repeat(length - one.to_string().len()));
    let filtered = json!({ "ok": true, "filtered": true });
    let queued =
        |queued: u64, duplicates: u64| json!({ "ok": true, "queued": queued, "duplicates": duplicates });
    let skipping = |mut answer: Value| {
        answer["skipped"] = json!(1);
        answer
    };
    for (body, status, expect) in [
        ("{}".to_owned(), 200, filtered.clone()),
        ("[]".to_owned(), 200, filtered.clone()),
        (json!({ "type": "s", "description": "Login" }).to_string(), 200, filtered.clone()),
        (padded(1 << 20), 200, queued(1, 0)),
        (padded((1 << 20) + 1), 413, json!("content_too_large")),
        (json!([one, registration("2", "b"), registration("2", "b")]).to_string(), 200, queued(1, 2)),
        (format!("{}\n{}", registration("3", "c"), registration("4", "../x")), 200, queued(2, 0)),
        (json!({ "logs": [registration("5", "d")] }).to_string(), 200, queued(1, 0)),
        (String::new(), 400, json!("invalid_request")),
        ("{\"logs\":".to_owned(), 400, json!("invalid_request")),
        ("[1]".to_owned(), 200, skipping(filtered)),
        (format!("[{},7]", registration("6", "e")), 200, skipping(queued(1, 0))),
        ("[".repeat(1 << 20), 400, json!("invalid_request")),
    ] {
        let shown = body.get(..80).unwrap_or(&body).to_owned();
        let (got, answer) = hook(body).send(&app).await;
        assert_eq!(got.as_u16(), status, "{shown}: {answer}");
        assert_eq!(if status == 200 { &answer } else { &answer["error"] }, &expect, "{shown}");
    }
    let seen = call(Method::GET, "/metrics").text(&app).await;
    assert!(seen.contains("gatewaystack_webhook_queue_depth 5\n"), "{seen}");
    assert!(seen.contains("gatewaystack_webhook_events_total{result=\"skipped\"} 2\n"), "{seen}");
    assert!(seen.contains("gatewaystack_webhook_parked 1\n"), "{seen}");
    assert!(seen.contains("gatewaystack_webhook_events_total{result=\"duplicate\"} 2\n"), "{seen}");
}

#[tokio::test]
async fn the_health_of_the_provider_is_hidden_behind_its_secret() {
    let policy = json!({ "issuers": [{ "issuer": "http://127.0.0.1:9", "audiences": ["a"] }] });
    let policy = Arc::new(config::load(Some(policy.to_string().as_bytes()), None).unwrap());
    let open = App::new(Arc::clone(&policy), Settings::default()).unwrap().served.router;
    let settings = Settings { health_secret: Some(Secret::from("adm1n")), ..Settings::default() };
    let hidden = App::new(policy, settings).unwrap().served.router;
    let ask = |name: &str, value: &str| call(Method::GET, "/health/auth0").header(name, value);
    let (status, body) = ask("a", "b").send(&open).await;
    assert_eq!(
        (status.as_u16(), &body["jwksReachable"], &body["managementConfigured"]),
        (503, &json!(false), &json!(false))
    );
    assert!(
        body["jwksError"].is_string()
            && body["webhookQueueDepth"] == 0
            && body["issuers"][0]["audience"] == "a"
    );
    for (name, value, status) in [
        ("x-admin-secret", "adm1n", 503),
        ("authorization", "Bearer adm1n", 503),
        ("authorization", "adm1n", 404),
        ("x-admin-secret", "adm1", 404),
        ("a", "b", 404),
    ] {
        let (got, body) = ask(name, value).send(&hidden).await;
        assert_eq!(got.as_u16(), status, "{name}: {value}");
        assert_eq!(body["error"] == "not_found", status == 404, "{body}");
    }
}
