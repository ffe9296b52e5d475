//! The demo's consent page in a real browser: what a person sees there, clicks or types, and what the client
//! has then. The script (`tests/node/clients/consent_page.mjs`) has a person for each test, and finds each
//! control by its role and its label.

use super::scene::scene;
use super::scripts::node;
use gatewaystack_tests::gateway::from_environment;
use serde_json::{Value, json};

const READ: &str = "checkbox \"tool:read\" [checked]";
const NO_WRITE: &str = "checkbox \"tool:write (not asked for)\"";
const NO_ADMIN: &str = "checkbox \"admin (not asked for)\"";
/// The page, the click, and back at the client.
const CONSENT: [&str; 3] = ["GET issuer/authorize", "POST issuer/authorize/decision", "GET client/callback"];

/// What this person's steps gave. Nobody's browser has anything to complain about.
async fn person(name: &str) -> Value {
    from_environment("GATEWAYSTACK_CHROMIUM");
    let scene = scene().await;
    let mut got = node(&["consent_page.mjs", name, &scene.url]).await;
    let steps = &got["steps"];
    assert_eq!(steps["error"], Value::Null, "{got:#}");
    assert_eq!(steps["challenge"], json!({ "status": 401, "scope": "tool:read" }), "{got:#}");
    assert_eq!(got["complaints"], json!([]), "in the browser's console: {got:#}");
    got["steps"].take()
}

/// The browser's requests are these alone: a page loads nothing, neither from its own server nor from
/// elsewhere.
fn asked_for(steps: &Value, requests: &[&str]) {
    assert_eq!(steps["the page asked for"], json!(requests), "{steps:#}");
    assert_eq!(steps["this machine was asked for"], json!(requests), "{steps:#}");
}

/// What the client is told with a code. The page's address, which has the client's challenge in it, is the
/// issuer's alone.
fn allowed() -> Value {
    json!({ "code": "a code", "state": "ours", "iss": "the issuer's", "referrer": null })
}

#[tokio::test]
#[ignore = "a real browser: cargo xtask test --all fetches it"]
async fn a_person_gives_in_the_browser_what_is_asked_for_and_then_more() {
    let steps = person("generous").await;
    let page = &steps["first page"];
    assert_eq!(page["title"], "Sign in to the demo", "{page:#}");
    assert_eq!(page["heading"], "Sign in to the demo", "{page:#}");
    let host = steps["the host of the client"].as_str().unwrap();
    let asks = format!("Notes on my desk asks to act for you. The answer goes to {host}.");
    assert_eq!(page["asks"], asks, "{page:#}");
    assert_eq!((&page["users"], &page["user"]), (&json!(["ann", "bob"]), &json!("ann")), "{page:#}");
    assert_eq!(page["scopes"], json!([READ, NO_WRITE, NO_ADMIN]), "{page:#}");

    assert_eq!(steps["first: seen"], "Back at the client", "{steps:#}");
    assert_eq!(steps["first: told"], allowed(), "{steps:#}");
    assert_eq!(steps["first: scope"], "tool:read", "{steps:#}");
    assert!(steps["read"].as_str().unwrap().starts_with("1 notes of bob:"), "{steps:#}");
    let refused = json!({ "status": 403, "scope": "tool:write", "error": "insufficient_scope" });
    assert_eq!(steps["write"], refused, "{steps:#}");

    let both = json!([READ, "checkbox \"tool:write\" [checked]", NO_ADMIN]);
    assert_eq!(steps["second page"]["scopes"], both, "{steps:#}");
    assert_eq!(steps["second: told"], allowed(), "{steps:#}");
    assert_eq!(steps["second: scope"], "tool:read tool:write", "{steps:#}");
    assert_eq!(steps["write again"], "Noted. bob has 2 notes now.", "{steps:#}");
    assert!(steps["read again"].as_str().unwrap().starts_with("2 notes of bob:"), "{steps:#}");
    asked_for(&steps, &CONSENT.repeat(2));
}

#[tokio::test]
#[ignore = "a real browser: cargo xtask test --all fetches it"]
async fn a_person_denies_in_the_browser_and_the_client_is_told() {
    let steps = person("unwilling").await;
    let denied =
        json!({ "error": "access_denied", "state": "ours", "iss": "the issuer's", "referrer": null });
    assert_eq!(steps["only: told"], denied, "{steps:#}");
    assert_eq!(steps["read"], steps["challenge"], "as before: {steps:#}");
    asked_for(&steps, &CONSENT);
}

#[tokio::test]
#[ignore = "a real browser: cargo xtask test --all fetches it"]
async fn a_person_unticks_a_scope_in_the_browser_and_the_token_is_without_it() {
    let steps = person("sparing").await;
    assert_eq!(steps["page"]["scopes"], json!(["checkbox \"tool:read\"", NO_WRITE, NO_ADMIN]), "{steps:#}");
    assert_eq!(steps["only: told"], allowed(), "{steps:#}");
    assert_eq!(steps["only: scope"], "", "{steps:#}");
    let refused = json!({ "status": 403, "scope": "tool:read", "error": "insufficient_scope" });
    assert_eq!(steps["read"], refused, "{steps:#}");
    assert_eq!(steps["who"], "You are bob.", "{steps:#}");
    asked_for(&steps, &CONSENT);
}

#[tokio::test]
#[ignore = "a real browser: cargo xtask test --all fetches it"]
async fn a_person_without_a_mouse_reaches_every_control_in_the_browser_and_sees_which() {
    let steps = person("without_a_mouse").await;
    let allow = "button \"Allow\"";
    let stops = ["combobox \"Sign in as\"", READ, NO_WRITE, NO_ADMIN, allow, "button \"Deny\"", allow];
    assert_eq!(steps["stops"], json!(stops), "{steps:#}");
    assert_eq!(steps["page"]["user"], "bob", "{steps:#}");
    assert_eq!(
        steps["page"]["scopes"],
        json!([READ, format!("{NO_WRITE} [checked]"), NO_ADMIN]),
        "{steps:#}"
    );
    assert_eq!(steps["only: told"], allowed(), "{steps:#}");
    assert_eq!(steps["only: scope"], "tool:read tool:write", "{steps:#}");
    assert_eq!(steps["write"], "Noted. bob has 2 notes now.", "{steps:#}");
    asked_for(&steps, &CONSENT);
}

#[tokio::test]
#[ignore = "a real browser: cargo xtask test --all fetches it"]
async fn a_clients_name_is_text_in_the_browser_and_leaves_the_host_readable() {
    let steps = person("suspicious").await;
    let asks = steps["page"]["asks"].as_str().unwrap();
    let name =
        r#"</strong><script>ran = 1</script><img src="/x" onerror="ran = 1"><b>bold</b> &amp; "quoted""#;
    assert!(asks.starts_with(&format!("{name} asks to act for you.")), "{steps:#}");
    assert_eq!(steps["elements of the name"], 0, "{steps:#}");
    assert_eq!(steps["its script ran"], false, "{steps:#}");
    assert_eq!(steps["host from left to right"], true, "{steps:#}");
    asked_for(&steps, &[CONSENT[0], CONSENT[0]]);
}
