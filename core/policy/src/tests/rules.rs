//! Rules: whatever is wrong with one names itself, and what can't come true is wrong.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn with(rules: Value) -> Value {
    let mut policy = good();
    policy["routes"] = json!([
        {"path": "/v1/*"},
        {"path": "/mcp", "mcp": {"tools": {"read": [], "purge": []}}},
        {"path": "/free", "mcp": {"unlisted": "allow"}},
    ]);
    policy["agents"] = json!({"unlisted": "allow", "list": [{"name": "robot", "clients": ["r-*"]}]});
    policy["rule_headers"] = json!(["X-Department"]);
    policy["rules"] = rules;
    policy
}

/// What is wrong with a condition of a rule, by its place in it.
fn wrong(condition: Value) -> Vec<String> {
    let errors = loaded(&with(json!([{"id": "a", "deny": condition}]))).err().unwrap_or_default();
    errors.into_iter().map(|path| path.strip_prefix("rules[0].deny").unwrap().to_owned()).collect()
}

#[test]
fn what_a_condition_can_ask_loads() {
    for condition in [
        json!({"user": {"is": "a", "in": ["a", "b"], "prefix": "a", "suffix": "a", "glob": "a*", "exists": true}}),
        json!({"issuer": {"is": "https://idp.example/"}}),
        json!({"groups": {"contains": "a"}, "scopes": {"contains": ["a", "{user}"], "subset_of": ["a"]}}),
        json!({"agent": {"in": ["robot"]}, "machine": {"is": true}}),
        json!({"auth_age": {"min": 0, "max": "400d", "between": ["1m", "1h"]}}),
        json!({"claim:/a~1b/0": {"is": 7, "in": [1.5, "x", true], "min": -1, "between": [-1, 1.5], "contains": "x"}}),
        json!({"header:x-department": {"exists": false}}),
        json!({"route": {"in": ["/v1/*", "/mcp"]}, "method": {"is": "GET"}, "path": {"prefix": "/v1/"}}),
        json!({"host": {"is": "api.example.com"}, "address": {"cidr": ["10.0.0.0/8", "::1"]}}),
        json!({"address": {"cidr": "10.0.0.0/8"}}),
        json!({"tool": {"is": "read"}, "prompt": {"glob": "*x"}, "resource": {"glob": "notes://{user}/*"}}),
        json!({"arguments": {"/amount": {"max": 100}, "/a~1b/0": {"in": ["EUR", 7, true], "contains": "x"}}}),
        json!({"any": [{"user": {"is": "a"}}, {"not": {"user": {"is": "b"}}}]}),
        json!({"time": {"zone": "+05:30", "inside": "22:00-06:00", "days": ["mon", "sun"]}}),
        json!({"time": {"zone": "UTC", "outside": "00:00-24:00"}}),
    ] {
        assert_eq!(wrong(condition.clone()), [""; 0], "{condition}");
    }
}

#[test]
fn what_a_condition_can_not_ask_names_itself() {
    for (condition, place) in [
        (json!({}), ""),
        (json!([]), ""),
        (json!("x"), ""),
        (json!({"usr": {"is": "a"}}), ".usr"),
        (json!({"claim:x": {"is": "a"}}), "[\"claim:x\"]"),
        (json!({"claim:/a~2": {"is": "a"}}), "[\"claim:/a~2\"]"),
        (json!({"header:x-other": {"is": "a"}}), "[\"header:x-other\"]"),
        (json!({"header:X-Department": {"is": "a"}}), "[\"header:X-Department\"]"),
        (json!({"user": "a"}), ".user"),
        (json!({"user": {}}), ".user"),
        (json!({"user": {"equals": "a"}}), ".user.equals"),
        (json!({"user": {"min": 1}}), ".user.min"),
        (json!({"user": {"is": 7}}), ".user.is"),
        (json!({"user": {"is": ""}}), ".user.is"),
        (json!({"user": {"is": "a\u{1}"}}), ".user.is"),
        (json!({"user": {"is": "{sub}"}}), ".user.is"),
        (json!({"user": {"is": "{user"}}), ".user.is"),
        (json!({"user": {"in": []}}), ".user.in"),
        (json!({"user": {"in": "a"}}), ".user.in"),
        (json!({"user": {"in": ["a", 7]}}), ".user.in[1]"),
        (json!({"user": {"glob": "a"}}), ".user.glob"),
        (json!({"user": {"exists": "yes"}}), ".user.exists"),
        (json!({"groups": {"is": "a"}}), ".groups.is"),
        (json!({"groups": {"contains": []}}), ".groups.contains"),
        (json!({"machine": {"is": "true"}}), ".machine.is"),
        (json!({"auth_age": {"max": 15}}), ".auth_age.max"),
        (json!({"auth_age": {"max": "15"}}), ".auth_age.max"),
        (json!({"auth_age": {"between": ["1h", "1m"]}}), ".auth_age.between"),
        (json!({"claim:/x": {"between": [1]}}), "[\"claim:/x\"].between"),
        (json!({"claim:/x": {"between": [2, 1]}}), "[\"claim:/x\"].between"),
        (json!({"claim:/x": {"min": "1"}}), "[\"claim:/x\"].min"),
        (json!({"issuer": {"is": "https://idp.example"}}), ".issuer.is"),
        (json!({"agent": {"in": ["robot", "human"]}}), ".agent.in[1]"),
        (json!({"route": {"is": "/v2/*"}}), ".route.is"),
        (json!({"method": {"is": "get"}}), ".method.is"),
        (json!({"host": {"is": "Api.example.com"}}), ".host.is"),
        (json!({"host": {"is": "api.example.com:443"}}), ".host.is"),
        (json!({"path": {"is": "/v1/../x"}}), ".path.is"),
        (json!({"path": {"is": "/v1//x"}}), ".path.is"),
        (json!({"path": {"is": "/v1/"}}), ".path.is"),
        (json!({"address": {"cidr": ["10.0.0.1/8"]}}), ".address.cidr"),
        (json!({"address": {"is": "10.0.0.1"}}), ".address.is"),
        (json!({"tool": {"is": "{user}"}}), ".tool.is"),
        (json!({"arguments": {}}), ".arguments"),
        (json!({"arguments": {"amount": {"max": 1}}}), ".arguments.amount"),
        (json!({"arguments": {"": {"max": 1}}}), ".arguments[\"\"]"),
        (json!({"arguments": {"/amount": 1}}), ".arguments[\"/amount\"]"),
        (json!({"arguments": {"/amount": {"most": 1}}}), ".arguments[\"/amount\"].most"),
        (json!({"any": []}), ".any"),
        (json!({"any": {"user": {"is": "a"}}}), ".any"),
        (json!({"any": [{}]}), ".any[0]"),
        (json!({"not": {}}), ".not"),
        (json!({"not": {"usr": {}}}), ".not.usr"),
        (json!({"time": "UTC"}), ".time"),
        (json!({"time": {"zone": "UTC"}}), ".time"),
        (json!({"time": {"days": ["mon"]}}), ".time.zone"),
        (json!({"time": {"zone": "Moon/Base", "days": ["mon"]}}), ".time.zone"),
        (json!({"time": {"zone": "UTC", "days": ["Mon"]}}), ".time.days"),
        (json!({"time": {"zone": "UTC", "inside": "8:00-18:00"}}), ".time.inside"),
        (json!({"time": {"zone": "UTC", "inside": "08:00-08:00"}}), ".time.inside"),
        (json!({"time": {"zone": "UTC", "inside": "08:00-25:00"}}), ".time.inside"),
        (json!({"time": {"zone": "UTC", "hours": "08:00-18:00", "days": ["mon"]}}), ".time.hours"),
    ] {
        assert_eq!(wrong(condition.clone()), [place], "{condition}");
    }
    let deep = (0..20).fold(json!({"user": {"is": "a"}}), |inner, _| json!({"not": inner}));
    assert_eq!(wrong(deep).len(), 1);
}

#[test]
fn what_a_rule_can_not_be_names_itself() {
    let deny = json!({"user": {"is": "a"}});
    for (rule, place) in [
        (json!({"deny": deny}), "rules[0].id"),
        (json!({"id": "", "deny": deny}), "rules[0].id"),
        (json!({"id": "a"}), "rules[0]"),
        (json!({"id": "a", "mode": "watch"}), "rules[0]"),
        (json!({"id": "a", "allow": deny}), "rules[0].allow"),
        (json!({"id": "a", "routes": [], "deny": deny}), "rules[0].routes"),
        (json!({"id": "a", "routes": ["/v2"], "deny": deny}), "rules[0].routes[0]"),
        (json!({"id": "a", "tools": [], "deny": deny}), "rules[0].tools"),
        (json!({"id": "a", "routes": ["/v1/*"], "tools": ["read"], "deny": deny}), "rules[0].tools"),
        (json!({"id": "a", "routes": ["/mcp"], "tools": ["reed"], "deny": deny}), "rules[0].tools[0]"),
        (json!({"id": "a", "routes": ["/v1/*"], "deny": {"tool": {"is": "read"}}}), "rules[0].deny.tool"),
        (
            json!({"id": "a", "routes": ["/mcp"], "deny": {"route": {"is": "/v1/*"}}}),
            "rules[0].deny.route.is",
        ),
        (
            json!({"id": "a", "routes": ["/v1/*"], "deny": {"arguments": {"/x": {"is": 1}}}}),
            "rules[0].deny.arguments",
        ),
        (json!({"id": "a", "step_up": {}}), "rules[0].step_up"),
        (json!({"id": "a", "step_up": {"max_age": "0"}}), "rules[0].step_up.max_age"),
        (json!({"id": "a", "step_up": {"acr": ["a b"]}}), "rules[0].step_up.acr[0]"),
        (json!({"id": "a", "deny": deny, "message": ""}), "rules[0].message"),
        (json!({"id": "a", "deny": deny, "mode": "shadow"}), "rules[0].mode"),
        (json!({"id": "a", "deny": deny, "effect": "deny"}), "rules[0].effect"),
    ] {
        let errors = loaded(&with(json!([rule]))).err().unwrap_or_default();
        assert!(errors.contains(&place.to_owned()), "{rule}: {errors:?}");
    }
    let twice = json!([{"id": "a", "deny": deny}, {"id": "b", "deny": deny}, {"id": "a", "deny": deny}]);
    assert_eq!(loaded(&with(twice)).err(), Some(vec!["rules[2].id".to_owned()]));
    let mut mesh = with(json!([{"id": "a", "deny": {"arguments": {"/x": {"is": 1}}}}]));
    for (held, errors) in [(json!(false), &["rules"][..]), (json!(true), &[])] {
        mesh["hold_headers"] = held;
        let loaded = load_filter(Some(mesh.to_string().as_bytes()), None).map_err(paths_of);
        assert!(loaded.err().unwrap_or_default().iter().filter(|path| *path == "rules").eq(errors), "{mesh}");
    }
    for header in ["Authorization", "cookie", "DPoP", "Proxy-Authorization", "x y", ""] {
        let mut policy = with(json!([]));
        policy["rule_headers"] = json!([header]);
        assert_eq!(loaded(&policy).err(), Some(vec!["rule_headers[0]".to_owned()]), "{header}");
    }
}

#[test]
fn rules_are_in_the_order_of_their_ids_and_found_by_their_tools() {
    let deny = json!({"user": {"is": "a"}});
    let rules = json!([
        {"id": "c", "tools": ["Read", "read"], "deny": deny},
        {"id": "a", "tools": ["read", "other"], "deny": deny},
        {"id": "b", "deny": {"claim:/x": {"is": "a"}, "claim:/y": {"is": "b"}}},
        {"id": "d", "deny": {"claim:/y": {"is": "a"}}},
    ]);
    let policy = loaded(&with(rules)).unwrap();
    let ids: Vec<&str> = policy.rules.list.iter().map(|rule| &*rule.id).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
    assert_eq!(policy.rules.general, [1, 3]);
    let tools: Vec<_> = policy.rules.of_tools.iter().map(|(key, at)| (key.as_str(), at.as_slice())).collect();
    assert_eq!(tools, [("other", &[0][..]), ("read", &[0, 2])]);
    let claims: Vec<&str> = policy.rules.claims.iter().map(super::super::policy::Claim::as_str).collect();
    assert_eq!(claims, ["/x", "/y"]);
    assert_eq!(policy.rules.headers, ["x-department"]);
}
