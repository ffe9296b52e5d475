//! What the index finds; the rest is in the exchange's tests.

#![cfg(not(target_arch = "wasm32"))]

use super::*;

/// Each route in turn, as the index must find them.
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
