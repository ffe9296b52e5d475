//! Where an exchange is, and what it then has for its answer.

use super::*;
use crate::exchange::Exchange;
use crate::request::Headers;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The exchange of a request of a page, as its headers leave it.
fn begun(gate: &Gate, method: &str, path: &str, token: Option<&str>) -> Exchange {
    let auth = token.map(|token| format!("Bearer {token}"));
    let mut all: Vec<(&[u8], &[u8])> = vec![
        (b":method", method.as_bytes()),
        (b":path", path.as_bytes()),
        (b":authority", b"gateway.example.com"),
        (b"content-type", b"application/json"),
        (b"origin", b"https://app.example"),
    ];
    all.extend(auth.as_deref().map(|auth| (&b"authorization"[..], auth.as_bytes())));
    gate.world(|world| Exchange::New.on_headers(world, Headers::of(&all))).exchange
}

#[test]
fn only_what_is_not_decided_yet_waits_and_each_answer_has_its_headers_once() {
    let gate = gate(json!({
        "routes": [
            {"path": "/x"},
            {"path": "/mcp", "mcp": {"tools": {"t": []}}},
            {"path": "/seen", "mode": "shadow", "mcp": {"tools": {"t": []}}},
        ],
        "cors": {"origins": ["https://app.example"]},
        "hold_headers": false,
    }));
    let good = token().mint();
    // Whether it waits, and whether the upstream's answer gets headers of ours.
    for (path, token, waits, has_headers) in [
        ("/mcp", Some(good.as_str()), true, true),
        ("/x", Some(&good), false, true),
        ("/x", None, false, false),
        ("/seen", None, false, false),
    ] {
        let mut exchange = begun(&gate, "POST", path, token);
        assert_eq!(exchange.is_waiting(), waits, "{path} {token:?}");
        let mut taken =
            || exchange.take_response(&gate.policy).iter().any(|(name, _)| name.starts_with("access-"));
        assert_eq!(taken(), has_headers, "{path} {token:?}");
        assert_eq!(taken(), has_headers && waits, "{path} {token:?}: again");
    }
    assert!(!Exchange::New.is_waiting());
}

#[test]
fn an_answer_that_is_lost_is_so_in_the_record_of_what_has_passed_alone() {
    let gate = gate(json!({"routes": [{"path": "/x"}]}));
    let good = token().mint();
    for (token, before, after) in [
        (Some(good.as_str()), ("allow", "authorized"), ("error", "not_filterable")),
        (None, ("deny", "no_token"), ("deny", "no_token")),
    ] {
        let mut exchange = begun(&gate, "GET", "/x", token);
        assert_eq!(exchange.facts().unwrap().outcome(), before);
        exchange.lose_answer();
        assert_eq!(exchange.facts().unwrap().outcome(), after);
    }
}
