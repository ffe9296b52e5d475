//! Contract §14: who acts. Users, groups, machines and agents, as tokens say them in many ways.

use super::*;
use crate::groups::{Groups, Unknown};
use crate::principal::Principal;
use std::sync::Arc;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A gateway whose first issuer has these members, too.
fn with_issuer(members: Value) -> Gate {
    let mut issuer = json!({"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_cluster": "a"});
    issuer.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    gate(json!({"issuers": [issuer], "routes": [
        {"path": "/users", "users_only": true}, {"path": "/scoped", "scopes": ["tool:read"]}, {"path": "/*"}
    ]}))
}

/// Who a token makes a request's, where it is good.
fn caller(gate: &mut Gate, token: &Token) -> Option<Arc<Principal>> {
    let minted = token.mint();
    assert!(matches!(gate.status("GET", "/x", &minted), 200 | 401 | 403));
    gate.tokens.borrow_mut().find(minted.as_bytes(), gate.now_ms)
}

fn groups(gate: &mut Gate, token: &Token) -> Result<Vec<String>, Unknown> {
    match caller(gate, token).unwrap().groups() {
        Groups::Known(names) => Ok(names.iter().map(str::to_owned).collect()),
        Groups::Unknown(why) => Err(*why),
    }
}

#[test]
fn groups_are_a_set_or_unknown() {
    let many = |count: usize| (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>();
    let mut sorted = many(500);
    sorted.sort_unstable();
    let known = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let mut gate = with_issuer(json!({}));
    for (claims, expect) in [
        (json!({}), known(&[])),
        (json!({"groups": []}), known(&[])),
        (json!({"groups": ["b", "a", "b"]}), known(&["a", "b"])),
        (json!({"groups": "Domain Users"}), known(&["Domain Users"])),
        (json!({"groups": ""}), known(&[])),
        (json!({"groups": ["", "a"]}), known(&["a"])),
        (json!({"groups": ["a"], "roles": "r", "cognito:groups": ["c", "a"]}), known(&["a", "c", "r"])),
        (json!({"groups": ["ä", "A", "a"]}), known(&["A", "a", "ä"])),
        (json!({"role": ["a"], "Groups": ["a"], "/groups": ["a"]}), known(&[])),
        (json!({"groups": many(500)}), Ok(sorted.clone())),
        (json!({"groups": many(500), "roles": many(500)}), Ok(sorted.clone())),
        (json!({"groups": many(501)}), Err(Unknown::TooMany)),
        (json!({"groups": many(500), "roles": "one more"}), Err(Unknown::TooMany)),
        (json!({"groups": 7}), Err(Unknown::Form)),
        (json!({"groups": null}), Err(Unknown::Form)),
        (json!({"groups": true}), Err(Unknown::Form)),
        (json!({"groups": {"a": "b"}}), Err(Unknown::Form)),
        (json!({"groups": ["a", 7]}), Err(Unknown::Form)),
        (json!({"groups": ["a", null]}), Err(Unknown::Form)),
        (json!({"groups": ["a", ["b"]]}), Err(Unknown::Form)),
        (json!({"groups": ["a"], "roles": 1}), Err(Unknown::Form)),
        (json!({"_claim_names": {"groups": "src1"}}), Err(Unknown::Elsewhere)),
        (json!({"_claim_names": {"groups": null}}), Err(Unknown::Elsewhere)),
        (json!({"_claim_names": {"groups": "src1"}, "groups": ["a"]}), Err(Unknown::Elsewhere)),
        (json!({"_claim_names": {"roles": "src1"}}), Err(Unknown::Elsewhere)),
        (json!({"_claim_names": {"email": "src1"}, "groups": ["a"]}), known(&["a"])),
        (json!({"_claim_names": "groups"}), Err(Unknown::Elsewhere)),
        (json!({"hasgroups": true}), Err(Unknown::Elsewhere)),
        (json!({"hasgroups": "true"}), Err(Unknown::Elsewhere)),
        (json!({"hasgroups": false, "groups": ["a"]}), known(&["a"])),
    ] {
        assert_eq!(groups(&mut gate, &token().claims(&claims)), expect, "{claims}");
    }
}

#[test]
fn groups_are_where_the_policy_says() {
    let mut gate = with_issuer(
        json!({"group_claims": ["/realm_access/roles", "https://a.example/roles", "/a~1b/c~0d", "/list/1"]}),
    );
    for (claims, expect) in [
        (json!({"realm_access": {"roles": ["a"]}}), Ok(vec!["a"])),
        (json!({"https://a.example/roles": "n"}), Ok(vec!["n"])),
        (json!({"a/b": {"c~d": ["p"]}}), Ok(vec!["p"])),
        (json!({"list": ["zero", ["one"]]}), Ok(vec!["one"])),
        (json!({"list": {"1": "member"}}), Ok(vec!["member"])),
        (json!({"groups": ["a"], "roles": ["b"], "/realm_access/roles": ["c"]}), Ok(vec![])),
        (json!({"realm_access": "roles"}), Ok(vec![])),
        (json!({"realm_access": [{"roles": ["a"]}]}), Ok(vec![])),
        (json!({"realm_access": {"roles": {"a": 1}}}), Err(Unknown::Form)),
        // Of a claim that isn't asked for nobody misses anything.
        (json!({"_claim_names": {"groups": "src1"}, "hasgroups": true}), Ok(vec![])),
        (json!({"_claim_names": {"realm_access": "src1"}}), Err(Unknown::Elsewhere)),
    ] {
        let expect = expect.map(|names| names.into_iter().map(str::to_owned).collect());
        assert_eq!(groups(&mut gate, &token().claims(&claims)), expect, "{claims}");
    }
}

#[test]
fn users_tenants_and_scopes_may_stand_inside_another_claim() {
    let mut gate = with_issuer(
        json!({"user_claim": "/identity/0/id", "tenant_claim": "/org/a~1b", "scope_claims": ["/access/scopes", "/permissions"], "tenants": ["acme"]}),
    );
    let good =
        json!({"identity": [{"id": "ann"}], "org": {"a/b": "acme"}, "access": {"scopes": "x tool:read"}});
    let without = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        token().without("scope").claims(&claims).mint()
    };
    assert_eq!(gate.status("GET", "/scoped", &without("x", json!(1))), 200);
    assert_eq!((&gate.record["sub"], &gate.record["tenant"]), (&json!("ann"), &json!("acme")));
    for (member, value, status) in [
        ("identity", json!([{"id": 7}]), 401),
        ("identity", json!([{"id": ""}]), 401),
        ("identity", json!([["ann"]]), 401),
        ("identity", json!([]), 401),
        ("identity", json!({"0": {"id": "bob"}}), 200),
        ("identity", json!({"00": {"id": "bob"}}), 401),
        ("org", json!({"a/b": "other"}), 403),
        ("org", json!({"a/b": 7}), 401),
        ("org", json!({"a~1b": "acme"}), 403),
        ("access", json!({"scopes": ["tool:read"]}), 200),
        ("access", json!({"scopes": {"tool:read": 1}}), 403),
        ("access", json!(["tool:read"]), 403),
    ] {
        assert_eq!(
            gate.status("GET", "/scoped", &without(member, value.clone())),
            status,
            "{member} {value}"
        );
    }
    // `permissions` is an array, whatever way leads there.
    let permissions = |value: Value| {
        let mut claims = good.clone();
        claims["access"] = json!({});
        claims["permissions"] = value;
        token().without("scope").claims(&claims).mint()
    };
    assert_eq!(gate.status("GET", "/scoped", &permissions(json!(["tool:read"]))), 200);
    assert_eq!(gate.status("GET", "/scoped", &permissions(json!("tool:read"))), 403);
}

#[test]
fn a_name_with_dots_is_one_name() {
    let mut gate = with_issuer(json!({"user_claim": "act.sub", "group_claims": ["realm_access.roles"]}));
    let ann = token().claims(&json!({"act.sub": "ann", "realm_access.roles": "a", "act": {"sub": "bob"}}));
    assert_eq!(groups(&mut gate, &ann), Ok(vec!["a".to_owned()]));
    assert_eq!(gate.record["sub"], "ann");
    assert_eq!(gate.status("GET", "/x", &ann.without("act.sub").mint()), 401);
}

#[test]
fn how_and_when_somebody_signed_in_is_kept() {
    let mut gate = with_issuer(json!({}));
    for (claims, acr, at) in [
        (json!({}), None, None),
        (json!({"acr": "urn:mace:silver", "auth_time": NOW_S - 5}), Some("urn:mace:silver"), Some(NOW_S - 5)),
        (json!({"acr": 1, "auth_time": "now"}), None, None),
        (json!({"acr": "", "auth_time": -1}), None, None),
        (json!({"acr": ["mfa"], "auth_time": null}), None, None),
    ] {
        let caller = caller(&mut gate, &token().claims(&claims)).unwrap();
        assert_eq!(caller.acr(), acr, "{claims}");
        assert_eq!(caller.signed_in().map(|at| at as u64), at, "{claims}");
    }
}
