//! Contract §15: what conditions ask of a request and its caller, and what rules do with the answers.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A gateway with these rules on its only route.
fn ruled(rules: Value) -> Gate {
    gate(json!({
        "agents": {"unlisted": "allow", "list": [{"name": "reporter", "clients": ["rep-*"]}]},
        "rule_headers": ["x-department", "x-twice"],
        "rules": rules,
        "routes": [{"path": "/v1/*"}, {"path": "/open", "access": "public"}],
    }))
}

/// What a condition comes to for a caller: true, false or unknown.
fn truth(condition: &Value, token: &Token, headers: &[(&str, &str)]) -> Option<bool> {
    let minted = token.mint();
    let auth = format!("Bearer {minted}");
    let mut all = vec![("authorization", auth.as_str())];
    all.extend(headers);
    let status = |rule: Value| {
        let mut gate = ruled(json!([rule]));
        gate.send("GET", "/v1/notes/7", &all).status()
    };
    let denied = status(json!({"id": "a", "deny": condition}));
    let not_denied = status(json!({"id": "a", "deny": {"not": condition}}));
    let allowed = status(json!({"id": "a", "routes": ["/v1/*"], "allow": condition}));
    match (denied, not_denied, allowed) {
        (403, 200, 200) => Some(true),
        (200, 403, 403) => Some(false),
        (403, 403, 403) => None,
        other => panic!("{condition}: {other:?}"),
    }
}

fn ann() -> Token {
    token().sub("ann").claims(&json!({
        "org_id": "acme", "groups": ["staff", "support"], "scope": "a b", "client_id": "rep-1", "acr": "mfa",
        "auth_time": NOW_S - 600, "level": 7, "ratio": 0.5, "big": 9_007_199_254_740_993_i64, "on": true,
        "nothing": null, "roles": ["r1", "r2"], "odd": ["x", 7], "path": "/a/./b//c/../d/", "deep": {"er": "x"},
    }))
}

#[test]
fn a_condition_is_true_false_or_unknown() {
    for (condition, expect) in [
        (json!({"user": {"is": "ann"}}), Some(true)),
        (json!({"user": {"is": "Ann"}}), Some(false)),
        (json!({"user": {"in": ["bob", "ann"]}}), Some(true)),
        (json!({"user": {"prefix": "an", "suffix": "nn"}}), Some(true)),
        (json!({"user": {"prefix": "an", "suffix": "x"}}), Some(false)),
        (json!({"user": {"glob": "a*"}}), Some(true)),
        (json!({"user": {"glob": "ann*"}}), Some(false)),
        (json!({"user": {"exists": true}}), Some(true)),
        (json!({"user": {"exists": false}}), Some(false)),
        (json!({"tenant": {"is": "acme"}}), Some(true)),
        (json!({"issuer": {"is": ISSUER}}), Some(true)),
        (json!({"groups": {"contains": "staff"}}), Some(true)),
        (json!({"groups": {"contains": ["staff", "nobody"]}}), Some(false)),
        (json!({"groups": {"subset_of": ["staff", "support", "r1", "r2", "more"]}}), Some(true)),
        (json!({"groups": {"subset_of": ["staff"]}}), Some(false)),
        (json!({"scopes": {"contains": ["a", "b"]}}), Some(true)),
        (json!({"scopes": {"contains": "tool:read"}}), Some(false)),
        (json!({"client": {"glob": "rep-*"}}), Some(true)),
        (json!({"agent": {"is": "reporter"}}), Some(true)),
        (json!({"actor": {"is": "x"}}), None),
        (json!({"actor": {"exists": true}}), Some(false)),
        (json!({"actor": {"exists": false}}), Some(true)),
        (json!({"machine": {"is": false}}), Some(true)),
        (json!({"machine": {"is": true}}), Some(false)),
        (json!({"acr": {"in": ["pwd", "mfa"]}}), Some(true)),
        (json!({"auth_age": {"max": "10m"}}), Some(true)),
        (json!({"auth_age": {"max": "9m"}}), Some(false)),
        (json!({"auth_age": {"between": ["5m", "1h"]}}), Some(true)),
        (json!({"claim:/level": {"is": 7}}), Some(true)),
        (json!({"claim:/level": {"is": "7"}}), None),
        (json!({"claim:/level": {"min": 7, "max": 7}}), Some(true)),
        (json!({"claim:/level": {"min": 7.5}}), Some(false)),
        (json!({"claim:/level": {"prefix": "7"}}), None),
        (json!({"claim:/ratio": {"between": [0, 1]}}), Some(true)),
        (json!({"claim:/big": {"is": 9_007_199_254_740_993_i64}}), Some(true)),
        (json!({"claim:/big": {"is": 9_007_199_254_740_992_i64}}), Some(false)),
        (json!({"claim:/big": {"max": 9_007_199_254_740_992_i64}}), Some(false)),
        (json!({"claim:/on": {"is": true}}), Some(true)),
        (json!({"claim:/on": {"is": "true"}}), None),
        (json!({"claim:/nothing": {"is": "x"}}), None),
        (json!({"claim:/nothing": {"exists": true}}), Some(true)),
        (json!({"claim:/none": {"is": "x"}}), None),
        (json!({"claim:/none": {"exists": true}}), Some(false)),
        (json!({"claim:/roles": {"contains": "r2"}}), Some(true)),
        (json!({"claim:/roles": {"is": "r2"}}), None),
        (json!({"claim:/odd": {"contains": "x"}}), None),
        (json!({"claim:/deep/er": {"is": "x"}}), Some(true)),
        (json!({"claim:/deep": {"is": "x"}}), None),
        (json!({"claim:/path": {"is": "/a/b/d"}}), Some(true)),
        (json!({"claim:/path": {"prefix": "/a/b"}}), Some(true)),
        (json!({"route": {"is": "/v1/*"}}), Some(true)),
        (json!({"method": {"in": ["GET", "HEAD"]}}), Some(true)),
        (json!({"path": {"glob": "/v1/notes/*"}}), Some(true)),
        (json!({"path": {"glob": "/v1/*/7"}}), Some(true)),
        (json!({"path": {"is": "/v1/notes/8"}}), Some(false)),
        (json!({"host": {"is": "gateway.example.com"}}), Some(true)),
        (json!({"header:x-department": {"is": "sales"}}), Some(true)),
        (json!({"header:x-twice": {"is": "a"}}), None),
        (json!({"header:x-twice": {"exists": true}}), Some(true)),
        (json!({"address": {"cidr": ["192.0.2.0/24", "198.51.100.1"]}}), Some(true)),
        (json!({"address": {"cidr": "10.0.0.0/8"}}), Some(false)),
        (json!({"any": [{"actor": {"is": "x"}}, {"user": {"is": "ann"}}]}), Some(true)),
        (json!({"any": [{"actor": {"is": "x"}}, {"user": {"is": "bob"}}]}), None),
        (json!({"actor": {"is": "x"}, "user": {"is": "bob"}}), Some(false)),
        (json!({"actor": {"is": "x"}, "user": {"is": "ann"}}), None),
        (json!({"not": {"not": {"user": {"is": "ann"}}}}), Some(true)),
        (json!({"user": {"is": "{user}"}}), Some(true)),
        (json!({"client": {"is": "rep-1"}, "claim:/deep/er": {"is": "{tenant}"}}), Some(false)),
        (json!({"user": {"glob": "{user}*"}}), Some(false)),
    ] {
        let headers = [("x-department", "sales"), ("x-twice", "a"), ("x_twice", "a")];
        assert_eq!(truth(&condition, &ann(), &headers), expect, "{condition}");
    }
}

#[test]
fn what_is_missing_is_unknown_and_nothing_is_allowed_by_it() {
    let bare = token().sub("ann").without("scope");
    for condition in [
        json!({"tenant": {"is": "acme"}}),
        json!({"user": {"is": "{tenant}"}}),
        json!({"user": {"glob": "{client}*"}}),
        json!({"client": {"prefix": "x"}}),
        json!({"agent": {"is": "reporter"}}),
        json!({"auth_age": {"max": "400d"}}),
        json!({"auth_age": {"min": "1s"}}),
        json!({"acr": {"is": "mfa"}}),
        json!({"header:x-department": {"is": "sales"}}),
        json!({"claim:/x": {"min": 0}}),
        json!({"claim:/x": {"subset_of": ["a"]}}),
        json!({"groups": {"contains": "{tenant}"}}),
    ] {
        assert_eq!(truth(&condition, &bare, &[]), None, "{condition}");
    }
    // No groups and no scopes are empty sets, which are known; those that were left out aren't.
    assert_eq!(truth(&json!({"groups": {"contains": "a"}}), &bare, &[]), Some(false));
    assert_eq!(truth(&json!({"groups": {"subset_of": ["a"]}}), &bare, &[]), Some(true));
    assert_eq!(truth(&json!({"scopes": {"subset_of": ["a"]}}), &bare, &[]), Some(true));
    for claims in
        [json!({"_claim_names": {"groups": "src"}}), json!({"groups": 7}), json!({"groups": ["a", 7]})]
    {
        let token = bare.clone().claims(&claims);
        assert_eq!(truth(&json!({"groups": {"contains": "a"}}), &token, &[]), None, "{claims}");
        assert_eq!(truth(&json!({"groups": {"subset_of": ["a"]}}), &token, &[]), None, "{claims}");
    }
    // Somebody who says that he signs in tomorrow hasn't signed in lately.
    let tomorrow = bare.claim("auth_time", NOW_S + 86_400);
    assert_eq!(truth(&json!({"auth_age": {"max": "1h"}}), &tomorrow, &[]), None);
}

#[test]
fn a_path_is_compared_by_where_it_leads() {
    for (path, expect) in [
        ("/a/b", Some(true)),
        ("/a/b/", Some(true)),
        ("//a///b", Some(true)),
        ("/./a/x/../b/.", Some(true)),
        ("/a/b/c", Some(false)),
        ("/", Some(false)),
        ("/a/../../b", None),
        ("/a\\b", None),
        ("/a/%62", None),
        ("a/b", None),
        ("", None),
    ] {
        let token = ann().claim("path", path);
        assert_eq!(truth(&json!({"claim:/path": {"is": "/a/b"}}), &token, &[]), expect, "{path:?}");
    }
}

#[test]
fn hours_belong_to_the_day_on_which_they_began() {
    // NOW_S is a Monday, 14:13:20 in UTC.
    for (time, expect) in [
        (json!({"zone": "UTC", "inside": "14:00-15:00"}), true),
        (json!({"zone": "UTC", "inside": "14:14-15:00"}), false),
        (json!({"zone": "UTC", "inside": "13:00-14:13"}), false),
        (json!({"zone": "+02:00", "inside": "16:13-16:14"}), true),
        (json!({"zone": "-05:30", "inside": "08:43-08:44"}), true),
        (json!({"zone": "UTC", "outside": "08:00-18:00"}), false),
        (json!({"zone": "UTC", "outside": "18:00-08:00"}), true),
        (json!({"zone": "UTC", "days": ["mon"]}), true),
        (json!({"zone": "UTC", "days": ["tue", "sun"]}), false),
        (json!({"zone": "+10:00", "days": ["tue"]}), true),
        (json!({"zone": "UTC", "days": ["mon"], "inside": "22:00-15:00"}), false),
        (json!({"zone": "UTC", "days": ["sun"], "inside": "22:00-15:00"}), true),
        (json!({"zone": "UTC", "days": ["mon"], "inside": "14:00-24:00"}), true),
        (json!({"zone": "UTC", "days": ["mon"], "outside": "15:00-16:00"}), true),
        (json!({"zone": "UTC", "days": ["sun"], "outside": "15:00-16:00"}), false),
    ] {
        assert_eq!(truth(&json!({"time": time}), &ann(), &[]), Some(expect), "{time}");
    }
}

#[test]
fn one_of_the_allows_is_enough_and_a_deny_outweighs_them() {
    let mut gate = ruled(json!([
        {"id": "b", "routes": ["/v1/*"], "allow": {"groups": {"contains": "staff"}}},
        {"id": "a", "routes": ["/v1/*"], "allow": {"groups": {"contains": "support"}}, "message": "Ask support."},
        {"id": "z", "deny": {"user": {"is": "eve"}}, "message": "Not you."},
        {"id": "y", "deny": {"user": {"prefix": "ev"}}},
        {"id": "w", "deny": {"user": {"is": "wim"}}, "mode": "watch"},
        {"id": "v", "routes": ["/v1/*"], "allow": {"user": {"is": "vic"}}, "mode": "watch"},
    ]));
    let mut ask = |sub: &str, groups: &[&str]| {
        let token = token().sub(sub).claim("groups", groups).mint();
        let got = gate.send("GET", "/v1/x", &[("authorization", &format!("Bearer {token}"))]);
        let body = if got.status() == 200 { Value::Null } else { got.body() };
        (got.status(), body, gate.record.clone())
    };
    for (sub, groups, rule, message) in [
        ("ann", &["staff"][..], "", ""),
        ("ann", &["support"], "", ""),
        ("ann", &[], "a", "Ask support."),
        ("vic", &[], "a", "Ask support."),
        ("eve", &["staff"], "y", "The rule y of this gateway does not allow it"),
        ("wim", &["staff"], "", ""),
    ] {
        let (status, body, record) = ask(sub, groups);
        assert_eq!(status, if rule.is_empty() { 200 } else { 403 }, "{sub}");
        if rule.is_empty() {
            assert_eq!((&record["rule"], &record["reason"]), (&Value::Null, &json!("authorized")));
        } else {
            let said = json!([body["error"], body["rule"], body["error_description"]]);
            assert_eq!(said, json!(["policy_denied", rule, message]), "{sub}");
            assert_eq!((&record["rule"], &record["reason"]), (&json!(rule), &json!("policy_denied")));
        }
        // The rule that would allow Vic alone would refuse whoever no other rule allows.
        let watched = match (sub, rule) {
            ("wim", _) => json!(["w"]),
            ("ann", "a") => json!(["v"]),
            _ => Value::Null,
        };
        assert_eq!(record["watched"], watched, "{sub}: {record}");
    }
    // Nobody has to sign in there.
    assert_eq!(gate.send("GET", "/open", &[]).status(), 200);
}

#[test]
fn whoever_must_sign_in_anew_is_told_how() {
    let step_up = json!({"max_age": "15m", "acr": ["mfa", "hw"]});
    let mut gate = ruled(json!([
        {"id": "pay", "routes": ["/v1/*"], "step_up": step_up},
        {"id": "no", "deny": {"user": {"is": "eve"}}},
    ]));
    for (claims, status) in [
        (json!({"acr": "hw", "auth_time": NOW_S - 900}), 200),
        (json!({"acr": "hw", "auth_time": NOW_S - 901}), 401),
        (json!({"acr": "pwd", "auth_time": NOW_S}), 401),
        (json!({"acr": "hw"}), 401),
        (json!({"auth_time": NOW_S}), 401),
        (json!({"acr": ["hw"], "auth_time": NOW_S}), 401),
        (json!({"acr": "hw", "auth_time": NOW_S.to_string()}), 401),
        (json!({"acr": "hw", "auth_time": NOW_S + 86_400}), 401),
        (json!({"sub": "eve", "acr": "pwd", "auth_time": NOW_S}), 403),
    ] {
        let token = token().claims(&claims).mint();
        let got = gate.send("GET", "/v1/x", &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(got.status(), status, "{claims}");
        if status == 401 {
            let challenge = got.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
            assert!(challenge.contains("acr_values=\"mfa hw\", max_age=\"900\""), "{challenge}");
            assert_eq!(got.body()["rule"], "pay");
            assert_eq!((&gate.record["rule"], &gate.record["reason"]), (&json!("pay"), &json!("step_up")));
        }
    }
}
