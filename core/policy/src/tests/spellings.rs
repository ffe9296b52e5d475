//! Other spellings in a policy: of URIs, which are errors that name the right one, and of paths, which mean
//! the same.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_uri_in_another_spelling_is_told_the_right_one() {
    for (uri, right) in [
        ("Notes://Admin/*", "expected the URI in its one spelling: notes://admin/*"),
        ("file://localhost/a", "expected the URI in its one spelling: file:///a"),
        ("notes://caf\u{e9}", "expected the URI in its one spelling: notes://caf%C3%A9"),
        ("https://A.example", "expected the URI in its one spelling: https://a.example/"),
        ("plan", "expected an absolute URI"),
    ] {
        let mut policy = good();
        policy["routes"] = json!([{ "path": "/mcp", "mcp": { "resources": { uri: [] } } }]);
        let errors = load(Some(policy.to_string().as_bytes()), None).unwrap_err();
        assert!(errors.iter().any(|error| error.message.starts_with(right)), "{uri}: {errors:?}");
    }
    let mut policy = good();
    let good = [
        "*",
        "notes:*",
        "notes://*",
        "file:///secret/*",
        "notes://{id}",
        "notes://{id}/*",
        "urn:a:b",
        "https://a.example/*",
        "greeting://Alice",
    ];
    let resources: serde_json::Map<String, Value> =
        good.iter().map(|uri| ((*uri).to_owned(), json!([]))).collect();
    policy["routes"] = json!([{ "path": "/mcp", "mcp": { "resources": resources } }]);
    let errors = load(Some(policy.to_string().as_bytes()), None).err();
    assert_eq!(errors, None);
}

#[test]
fn an_escape_in_a_limits_route_is_no_other_route() {
    let mut policy = good();
    policy["routes"] = json!([{ "path": "/v1/{id}:run" }]);
    for route in ["/v1/{id}:run", "/v1/%7Bid%7d%3Arun"] {
        policy["rate_limits"] = json!([{ "by": "user", "max": 1, "window": "60s", "route": route }]);
        let loaded = load(Some(policy.to_string().as_bytes()), None).unwrap();
        let limited = loaded.rate_limits[0].route.clone().unwrap();
        assert!(loaded.routes.iter().any(|route| route.pattern == limited), "{route}");
    }
}
