//! Shadow mode: nothing is refused, nothing spoofed passes, and what is enforced stays so.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn shadow_mode_strips_and_injects_but_refuses_nothing() {
    let mut gate = gate(
        json!({"mode": "shadow", "routes": [{"path": "/x", "scopes": ["tool:read"]}], "identity": {"user_query": "userId"}}),
    );
    let auth = format!("Bearer {}", token().mint());
    let got = gate.send("GET", "/x?userId=evil", &[("authorization", &auth), ("x-user-id", "evil")]);
    let Got::Observed(edits) = &got else { panic!("{got:?}") };
    assert_eq!(edits.remove, [b"x-user-id".to_vec()], "the token stays");
    assert_eq!(edits.set[0].1, "auth0|ann");
    assert_eq!(edits.path.as_deref(), Some("/x?userId=auth0%7Cann"));
    for (path, headers, decision, reason) in [
        ("/x", vec![("x-user-id", "evil")], "deny", "no_token"),
        ("/nope", vec![("authorization", auth.as_str())], "deny", "no_route"),
        ("/a//b", vec![("x-user-id", "evil")], "deny", "unsafe_path"),
    ] {
        let got = gate.send("GET", path, &headers);
        let Got::Observed(edits) = &got else { panic!("{got:?}") };
        assert!(edits.set.is_empty() && edits.path.is_none());
        assert_eq!(edits.remove.len(), headers.iter().filter(|h| h.0 == "x-user-id").count());
        assert_eq!(gate.record["decision"], "allow");
        assert_eq!(
            (&gate.record["shadow"]["decision"], &gate.record["shadow"]["reason"]),
            (&json!(decision), &json!(reason))
        );
    }
    let mut cold = cold_gate(json!({"mode": "shadow", "routes": [{"path": "/x"}]}));
    assert_eq!(cold.send("GET", "/x", &[("authorization", &auth)]).status(), 200, "nothing waits for keys");
    assert_eq!(cold.record["shadow"]["decision"], "unknown");
}

#[test]
fn what_cannot_be_judged_loses_its_impostors_too() {
    let mut gate =
        gate(json!({"mode": "shadow", "routes": [{"path": "/x"}], "identity": {"user_query": "userId"}}));
    for (path, doubled, expect) in [
        ("/a//b?userId=evil&a=1", false, Some("/a//b?a=1")),
        ("/a;b?%75serId[]=evil", false, Some("/a;b")),
        ("/x?userId=evil", true, Some("/x")),
        ("/caf\u{e9}?userId=evil&a=\u{e9}", false, Some("/caf%C3%A9?a=%C3%A9")),
        ("/caf\u{e9}?a=1", false, None),
        ("/a//b", false, None),
    ] {
        let twice: &[(&str, &str)] = &[("content-type", "a"), ("content-type", "b"), ("x-user-id", "evil")];
        let got = gate.send("GET", path, if doubled { twice } else { &twice[2..] });
        let Got::Observed(edits) = &got else { panic!("{path}: {got:?}") };
        assert_eq!((edits.path.as_deref(), edits.remove.len()), (expect, 1), "{path}");
        assert_eq!(gate.record["shadow"]["decision"], "deny", "{path}");
    }
}

/// A file in shadow mode with one route that is enforced.
#[test]
fn no_odd_request_goes_around_a_route_that_is_enforced() {
    let policy = json!({"mode": "shadow", "routes": [
        {"path": "/admin/*", "mode": "enforce", "scopes": ["admin"]},
        {"path": "/both/x"},
        {"path": "/*"},
    ]});
    let twice: &[(&str, &str)] = &[("content-type", "a"), ("content-type", "b")];
    let hosts: &[(&str, &str)] = &[("host", "a"), ("host", "b")];
    for (path, headers, status) in [
        ("/admin/x", &[][..], 401),
        ("/admin/x", twice, 400),
        ("/%61dmin/x", twice, 400),
        ("/Admin/x", &[], 401),
        ("/Admin/x", twice, 400),
        // Which route they are meant for can't be told.
        ("/a//b", &[], 400),
        ("/both/../admin/x", &[], 400),
        ("/both/x", hosts, 400),
        // These can be told from it.
        ("/both/x", &[], 200),
        ("/both/x", twice, 200),
        ("/BOTH/x", &[], 200),
    ] {
        let got = gate(policy.clone()).send("GET", path, headers);
        assert_eq!(got.status(), status, "{path} {headers:?}: {got:?}");
    }
    // The path alone, without a route for all.
    let alone = json!({"mode": "shadow", "routes": [{"path": "/admin/*", "mode": "enforce"}]});
    for (path, status) in [("/ADMIN/x", 401), ("/else", 200)] {
        assert_eq!(gate(alone.clone()).send("GET", path, &[]).status(), status, "{path}");
    }
}

#[test]
fn an_observed_route_of_an_enforced_file_passes_what_is_odd() {
    let policy =
        json!({"routes": [{"path": "/new/*", "mode": "shadow"}, {"path": "/v1/*", "access": "public"}]});
    let twice: &[(&str, &str)] = &[("content-type", "a"), ("content-type", "b")];
    for (path, status) in [("/new/x", 200), ("/v1/x", 400), ("/new//x", 400), ("/nope", 400)] {
        assert_eq!(gate(policy.clone()).send("GET", path, twice).status(), status, "{path}");
    }
}

/// Envoy forwards what is only watched as it came: by the spelling, not by what it means.
#[test]
fn a_spelling_that_envoy_takes_for_an_enforced_route_is_enforced() {
    let policy = json!({"routes": [{"path": "/new/*", "mode": "shadow"}, {"path": "/*"}]});
    let twice: &[(&str, &str)] = &[("content-type", "a"), ("content-type", "b")];
    for (path, headers, status) in [
        ("/new/x", &[][..], 200),
        ("/new/%78", &[], 200),
        ("/%6eew/x", &[], 401),
        ("/%6eew/x", twice, 400),
        ("/new/%78", twice, 200),
    ] {
        assert_eq!(gate(policy.clone()).send("GET", path, headers).status(), status, "{path} {headers:?}");
    }
    let auth = format!("Bearer {}", token().mint());
    let got = gate(policy).send("GET", "/%6eew/x", &[("authorization", &auth)]);
    assert_eq!(got.edits().path.as_deref(), Some("/new/x"), "with a permit it goes where it was judged");
    assert!(got.edits().rerouted);
    let all = json!({"mode": "shadow", "routes": [{"path": "/new/*"}, {"path": "/*"}]});
    assert_eq!(gate(all).send("GET", "/%6eew/x", &[]).status(), 200, "nothing is enforced there");
}
