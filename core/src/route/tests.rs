//! Hosts as routes are matched by them; the rest is in the exchange's tests.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What isn't a port stays, as in Envoy's routes: or the request would be judged by one route and forwarded by another.
#[test]
fn only_a_port_is_cut_off() {
    for (host, bare) in [
        ("Notes.Example.COM:443", "Notes.Example.COM"),
        ("notes.example.com:8443", "notes.example.com"),
        ("notes.example.com:", "notes.example.com"),
        ("notes.example.com:https", "notes.example.com:https"),
        ("notes.example.com:80x", "notes.example.com:80x"),
        ("notes.example.com:+80", "notes.example.com:+80"),
        ("notes.example.com::80", "notes.example.com:"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]"),
        ("", ""),
    ] {
        assert_eq!(bare_host(host), bare, "{host}");
    }
}

/// Each route in turn, as the index must find them.
#[cfg(not(target_arch = "wasm32"))]
fn one_by_one(policy: &Policy, method: &str, path: &str) -> Match {
    let segments = segments(path);
    let routes = || policy.routes.iter().enumerate();
    let found = routes().find(|(_, r)| matches(&r.pattern, &segments, true) && takes_method(r, method));
    match found {
        None => Match::None,
        Some((at, _)) if routes().take(at).any(|(_, r)| differs_by_case_alone(r, &segments)) => {
            Match::Ambiguous
        }
        Some((at, _)) => Match::Route(RouteId(at)),
    }
}

#[cfg(not(target_arch = "wasm32"))]
proptest::proptest! {
    #[test]
    fn the_index_finds_what_one_by_one_is_found(
        patterns in proptest::collection::vec("(/(a|A|b|bb|[*])){1,4}", 1..12),
        get_alone in proptest::collection::vec(proptest::bool::ANY, 12),
        paths in proptest::collection::vec("(/(a|A|b|B|bb|c)){0,5}/?", 1..20),
    ) {
        use serde_json::json;
        let listed: Vec<serde_json::Value> = patterns
            .iter()
            .zip(get_alone)
            .map(|(path, get)| if get { json!({"path": path, "methods": ["GET"]}) } else { json!({"path": path}) })
            .collect();
        let policy = json!({"builtin": {"metadata": false}, "routes": listed});
        let policy = crate::testing::policy(policy);
        for path in &paths {
            for method in ["GET", "POST"] {
                let found = find(&policy, method, "gateway.example.com", path);
                proptest::prop_assert_eq!(found, one_by_one(&policy, method, path), "{} {:?}", path, &patterns);
            }
        }
    }
}
