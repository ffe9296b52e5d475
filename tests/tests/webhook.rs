//! Contract §9 row by row, as Auth0's log stream and anyone who pretends to be it see it: Envoy, the filter
//! and the sidecar together.

use gatewaystack_tests::auth0::{MANAGEMENT_CLIENT, MANAGEMENT_SECRET};
use gatewaystack_tests::sidecar::WEBHOOK_SECRET;
use gatewaystack_tests::*;
use serde_json::{Value, json};

const PATHS: [&str; 3] = ["/webhooks/auth0/logs", "/auth0/logs", "/auth0-log-webhook"];
const HOOK: &str = PATHS[0];
const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";

type Headers<'a> = &'a [(&'a str, &'a str)];

struct World {
    _issuer: TestIssuer,
    auth0: Auth0,
    gateway: Gateway,
}

async fn world() -> World {
    let (issuer, auth0) = (TestIssuer::start().await, Auth0::start().await);
    auth0.promote("google-oauth2");
    let gateway = gateway()
        .env("AUTH_ISSUER", &issuer.url)
        .env("AUTH_AUDIENCE", AUDIENCE)
        .env("TOOL_SCOPES", "tool:read,tool:write")
        .env("WEBHOOK_SHARED_SECRET", WEBHOOK_SECRET)
        .env("AUTH0_TENANT_DOMAIN", auth0.domain())
        .env("AUTH0_MGMT_CLIENT_ID", MANAGEMENT_CLIENT)
        .env("AUTH0_MGMT_CLIENT_SECRET", MANAGEMENT_SECRET)
        .start()
        .await;
    World { _issuer: issuer, auth0, gateway }
}

impl World {
    async fn hook(&self, body: &str) -> Response {
        self.gateway.post(HOOK, body).header("authorization", WEBHOOK_SECRET).send().await
    }

    async fn settled(&self, parked: u64) {
        eventually("the queue's end", || async {
            let health = self.gateway.get("/health/auth0").send().await.json();
            (health["webhookQueueDepth"] == 0 && health["webhookParked"] == parked).then_some(())
        })
        .await;
    }
}

fn event(log_id: &str, client_id: &str) -> Value {
    json!({"log_id": log_id, "data": {"type": "sapi", "description": "Dynamic client registration", "client_id": client_id}})
}

/// The same, with an event that can't be read.
fn skipping(mut answer: Value) -> Value {
    answer["skipped"] = json!(1);
    answer
}

fn queued(queued: u64, duplicates: u64) -> Value {
    json!({"ok": true, "queued": queued, "duplicates": duplicates})
}

#[tokio::test]
async fn the_secret_is_known_in_three_forms_on_three_paths_and_nothing_else_is() {
    let world = world().await;
    let (bearer, lower) = (format!("Bearer {WEBHOOK_SECRET}"), format!("bearer {WEBHOOK_SECRET}"));
    let (longer, token) = (format!("{WEBHOOK_SECRET}x"), "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln".to_owned());
    let admin = "basic YTpi";
    let rows: [(Headers<'_>, u16, &str); 12] = [
        (&[("authorization", WEBHOOK_SECRET)], 200, ""),
        (&[("authorization", &bearer)], 200, ""),
        (&[("authorization", &lower)], 200, ""),
        (&[("x-webhook-secret", WEBHOOK_SECRET)], 200, ""),
        (&[("x-webhook-secret", WEBHOOK_SECRET), ("authorization", &token)], 200, ""),
        (&[], 401, "unauthorized"),
        (&[("authorization", &longer)], 401, "unauthorized"),
        (&[("authorization", &token)], 401, "unauthorized"),
        (&[("authorization", admin)], 401, "unauthorized"),
        (&[("x-webhook-secret", &bearer)], 401, "unauthorized"),
        (&[("x-webhook-secret", &longer), ("x-webhook-secret", WEBHOOK_SECRET)], 401, "unauthorized"),
        // Envoy joins the two with a comma: two of them are two, whatever they are.
        (&[("authorization", WEBHOOK_SECRET), ("authorization", WEBHOOK_SECRET)], 400, "invalid_request"),
    ];
    for path in PATHS {
        for (headers, status, error) in rows {
            let mut request = world.gateway.post(path, "{}");
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let got = request.send().await;
            assert_eq!(got.status, status, "{path} {headers:?}: {got:?}");
            if status == 200 {
                assert_eq!(got.json(), json!({"ok": true, "filtered": true}), "{path} {headers:?}");
            } else {
                assert_eq!(got.json()["error"], error, "{path} {headers:?}: {got:?}");
                assert_eq!(got.header("cache-control"), Some("no-store"), "{path} {headers:?}");
                assert_eq!(got.header("www-authenticate"), None, "it is no token: {got:?}");
                assert!(!got.body.contains(WEBHOOK_SECRET));
            }
        }
        let got = world.gateway.get(path).header("authorization", WEBHOOK_SECRET).send().await;
        assert_eq!((got.status, got.header("allow").is_some()), (405, true), "{path}: {got:?}");
    }
    assert_eq!(world.auth0.calls().len(), 0);
}

#[tokio::test]
async fn without_a_secret_nothing_is_taken_and_health_is_untouched() {
    let issuer = TestIssuer::start().await;
    let gateway = gateway().env("AUTH_ISSUER", &issuer.url).env("AUTH_AUDIENCE", AUDIENCE).start().await;
    for path in PATHS {
        let got = gateway.post(path, "{}").header("authorization", WEBHOOK_SECRET).send().await;
        assert_eq!(
            (got.status, got.json()["error"].clone()),
            (503, json!("temporarily_unavailable")),
            "{got:?}"
        );
        assert!(got.header("retry-after").is_some(), "{got:?}");
    }
    assert_eq!(gateway.get("/health").send().await.status, 200);
    let health = gateway.get("/health/auth0").send().await;
    assert_eq!(
        (health.status, health.json()["managementConfigured"].clone()),
        (200, json!(false)),
        "{health:?}"
    );
}

#[tokio::test]
async fn a_body_is_taken_whole_or_refused_with_the_contracts_status() {
    let world = world().await;
    let told = world.auth0.registration_event(&world.auth0.register("Other", &[CLAUDE]));
    let (bare, wrapped) = (told["data"].clone(), event("wrapped-1", "AClient1"));
    let padded = |length: usize| format!("{wrapped}{}", " ".repeat(length - wrapped.to_string().len()));
    let filtered = json!({"ok": true, "filtered": true});
    let rows: Vec<(&str, String, u16, Value)> = vec![
        ("an event", bare.to_string(), 200, queued(1, 0)),
        ("the same", bare.to_string(), 200, queued(0, 1)),
        ("the same, wrapped", json!({"log_id": bare["log_id"], "data": bare}).to_string(), 200, queued(0, 1)),
        ("exactly 1 MiB", padded(1 << 20), 200, queued(1, 0)),
        ("a byte more", padded((1 << 20) + 1), 413, json!("content_too_large")),
        (
            "an array",
            json!([event("a1", "A"), event("a2", "B"), event("a2", "B")]).to_string(),
            200,
            queued(2, 1),
        ),
        ("logs", json!({"logs": [event("b1", "A")]}).to_string(), 200, queued(1, 0)),
        ("lines", format!("{}\n{}\n", event("c1", "A"), event("c2", "B")), 200, queued(2, 0)),
        ("others", json!([{"type": "s"}, {"type": "seacft"}]).to_string(), 200, filtered.clone()),
        (
            "a failed one",
            json!({"type": "fapi", "description": "Dynamic client registration"}).to_string(),
            200,
            filtered.clone(),
        ),
        ("nothing", String::new(), 400, json!("invalid_request")),
        ("no JSON", "<xml/>".to_owned(), 400, json!("invalid_request")),
        ("truncated", event("d1", "A").to_string()[..40].to_owned(), 400, json!("invalid_request")),
        ("a good line and a bad one", format!("{}\n{{", event("d2", "A")), 200, skipping(queued(1, 0))),
        ("a good event and a number", json!([event("d3", "A"), 7]).to_string(), 200, skipping(queued(1, 0))),
        (
            "a good event and one with a lone surrogate",
            format!("[{{\"a\":\"\\ud83d\"}},{}]", event("d4", "A")),
            200,
            skipping(queued(1, 0)),
        ),
        ("deep", "[".repeat(500_000), 400, json!("invalid_request")),
        (
            "deep within",
            format!("{{\"data\":{}1{}}}", "{\"a\":".repeat(100), "}".repeat(100)),
            200,
            skipping(filtered.clone()),
        ),
        ("a member twice", "{\"type\":\"s\",\"type\":\"sapi\"}".to_owned(), 200, skipping(filtered.clone())),
        ("no UTF-8 escapes", "{\"a\":\"\\ud800\"}".to_owned(), 200, skipping(filtered.clone())),
    ];
    for (what, body, status, expect) in rows {
        let got = world.hook(&body).await;
        assert_eq!(got.status, status, "{what}: {got:?}");
        assert_eq!(if status == 200 { got.json() } else { got.json()["error"].clone() }, expect, "{what}");
    }
}

#[tokio::test]
async fn hostile_client_ids_are_parked_and_nothing_is_sent_to_auth0() {
    let world = world().await;
    let long = "a".repeat(65);
    let ids = [
        "../x",
        "..",
        "a/../../connections",
        "a?x=1",
        "a#b",
        "a%2e%2e",
        "a b",
        "",
        "ä",
        "a\r\nx: y",
        long.as_str(),
    ];
    for (n, id) in ids.into_iter().enumerate() {
        let got = world.hook(&event(&format!("hostile-{n}"), id).to_string()).await;
        assert_eq!((got.status, got.json()), (200, queued(1, 0)), "{id:?}");
    }
    world.settled(ids.len() as u64).await;
    // The probe of the management API aside, nobody called.
    assert_eq!(world.auth0.count_of("*", "/api/v2/clients"), 0);
    assert_eq!(world.auth0.count_of("PATCH", "/"), 0);
    assert_eq!(world.auth0.count_of("POST", "/api/v2/"), 0);
}

#[tokio::test]
async fn a_registration_is_promoted_through_the_gateway_once_however_often_it_is_told() {
    let world = world().await;
    let (good, bad) = (world.auth0.register("Claude", &[CLAUDE]), world.auth0.register("Evil", &[CLAUDE]));
    let body =
        json!([world.auth0.registration_event(&good), world.auth0.registration_event(&bad)]).to_string();
    assert_eq!(world.hook(&body).await.json(), queued(2, 0));
    world.settled(1).await;
    let client = world.auth0.client(&good);
    assert_eq!((&client["app_type"], &client["is_first_party"]), (&json!("regular_web"), &json!(false)));
    let grants = world.auth0.grants();
    assert_eq!(grants.len(), 1, "{grants:?}");
    assert_eq!(
        (&grants[0]["client_id"], &grants[0]["audience"], &grants[0]["scope"], &grants[0]["subject_type"]),
        (&json!(good), &json!(AUDIENCE), &json!(["tool:read", "tool:write"]), &json!("user"))
    );
    let writes = world.auth0.writes(&good).len();
    for path in PATHS {
        let got = world.gateway.post(path, &body).header("x-webhook-secret", WEBHOOK_SECRET).send().await;
        assert_eq!(got.json(), queued(0, 2), "{path}");
    }
    // The same client under another log's id: looked at, and nothing written.
    assert_eq!(world.hook(&event("another", &good).to_string()).await.json(), queued(1, 0));
    world.settled(1).await;
    assert_eq!(world.auth0.writes(&good).len(), writes);
    assert_eq!(world.auth0.writes(&bad).len(), 1, "but for its registration");
    let health = world.gateway.get("/health/auth0").send().await;
    assert_eq!(health.status, 200, "{health:?}");
    assert!(health.json()["webhookLastSeen"].as_str().is_some_and(|at| at.ends_with('Z')), "{health:?}");
}
