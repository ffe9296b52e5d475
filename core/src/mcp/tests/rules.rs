//! Rules on tools, prompts and resources: names that others may read in another way, and lists.

use super::lists::{listing, shown};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A server whose tools have rules by name (`help` is for all), and these.
fn ruled(mcp: Value, rules: Value) -> Gate {
    let mut route = json!({
        "tools": {"purge": [], "read": [], "Write": [], "help": "public", "検索": []},
        "prompts": {"ask": [], "unlisted": "allow"},
        "resources": {"notes://*": []},
    });
    route.as_object_mut().unwrap().extend(mcp.as_object().unwrap().clone());
    gate(json!({"hold_headers": true, "routes": [{"path": "/mcp", "mcp": route}], "rules": rules}))
}

fn status(gate: &mut Gate, body: &Value) -> u16 {
    send(gate, "2025-06-18", Some(&nobody()), body).status()
}

#[test]
fn a_rule_about_a_tool_holds_for_names_that_others_take_for_it() {
    let narrowed = json!([{"id": "a", "tools": ["purge"], "deny": {"user": {"exists": true}}}]);
    let asked = json!([{"id": "a", "deny": {"tool": {"in": ["purge", "drop"]}}}]);
    let begun = json!([{"id": "a", "deny": {"tool": {"glob": "pur*"}}}]);
    for rules in [narrowed, asked, begun] {
        let mut gate = ruled(json!({"unlisted": "allow", "tools": {"検索": []}}), rules.clone());
        for (name, expect) in [
            ("purge", 403),
            ("Purge", 403),
            ("PURGE", 403),
            (" purge", 403),
            ("purge ", 403),
            ("ｐurge", 403),
            ("pur\u{200b}ge", 403),
            ("read", 200),
            ("urge", 200),
            // Nobody knows what is made of such a name, but where the policy has it.
            ("検索", 200),
            ("検", 403),
        ] {
            assert_eq!(status(&mut gate, &tool(name)), expect, "{name:?} {rules}");
        }
        // It is about calls of tools alone.
        assert_eq!(status(&mut gate, &request("tools/list", json!({}))), 200, "{rules}");
        assert_eq!(status(&mut gate, &request("prompts/get", json!({"name": "purge"}))), 200, "{rules}");
    }
}

#[test]
fn nothing_is_allowed_by_a_name_that_is_only_like_another() {
    let narrowed = json!([{"id": "a", "tools": ["write"], "allow": {"user": {"exists": true}}}]);
    let asked = json!([{"id": "a", "routes": ["/mcp"], "allow": {"tool": {"prefix": "wri"}}}]);
    for rules in [narrowed, asked] {
        let mut gate = ruled(json!({"unlisted": "allow", "tools": {"x": []}}), rules.clone());
        // However it is read, `write ` begins as the second one wants it.
        let trimmed = if rules[0]["tools"].is_null() { 200 } else { 403 };
        for (name, expect) in
            [("write", 200), ("Write", 403), ("write ", trimmed), ("ｗrite", 403), ("writeｅ", 403)]
        {
            assert_eq!(status(&mut gate, &tool(name)), expect, "{name:?} {rules}");
        }
    }
}

#[test]
fn a_condition_on_another_kind_of_request_is_false() {
    let mut gate = ruled(json!({}), json!([{"id": "a", "deny": {"tool": {"is": "purge"}}}]));
    for (body, expect) in [
        (tool("purge"), 403),
        (tool("read"), 200),
        (request("prompts/get", json!({"name": "ask"})), 200),
        (request("resources/read", json!({"uri": "notes://1"})), 200),
        (request("ping", json!({})), 200),
    ] {
        assert_eq!(status(&mut gate, &body), expect, "{body}");
    }
    for (condition, refused) in [
        (json!({"tool": {"exists": true}}), "tools/call"),
        (json!({"prompt": {"exists": true}}), "prompts/get"),
        (json!({"resource": {"exists": true}}), "resources/read"),
        (json!({"prompt": {"is": "ask"}}), "prompts/get"),
        (json!({"resource": {"glob": "notes://*"}}), "resources/read"),
        (json!({"resource": {"is": "notes://1"}}), "resources/read"),
    ] {
        let mut gate = ruled(json!({}), json!([{"id": "a", "deny": condition}]));
        for body in [
            tool("read"),
            request("prompts/get", json!({"name": "ask"})),
            request("resources/read", json!({"uri": "notes://1"})),
            request("ping", json!({})),
        ] {
            let expect = if body["method"] == refused { 403 } else { 200 };
            assert_eq!(status(&mut gate, &body), expect, "{condition} {body}");
        }
    }
}

#[test]
fn each_call_of_a_batch_is_judged_and_what_is_open_is_open() {
    let deny = json!([{"id": "a", "deny": {"tool": {"in": ["purge", "help"]}}}]);
    let mut gate = ruled(json!({"lazy_auth": ["tools/list"]}), deny);
    let batch = |names: &[&str]| Value::from(names.iter().map(|name| tool(name)).collect::<Vec<_>>());
    let era = "2025-03-26";
    for (names, expect) in [(&["read", "read"][..], 200), (&["read", "purge"], 403), (&["help", "read"], 200)]
    {
        assert_eq!(send(&mut gate, era, Some(&nobody()), &batch(names)).status(), expect, "{names:?}");
    }
    assert_eq!(send(&mut gate, era, None, &tool("help")).status(), 200);
    assert_eq!(send(&mut gate, era, None, &tool("purge")).status(), 401);
    let all = json!([{"id": "a", "deny": {"user": {"exists": true}}}]);
    let mut gate = ruled(json!({}), all);
    assert_eq!(status(&mut gate, &tool("help")), 200);
    for (method, expect) in [("GET", 403), ("DELETE", 403)] {
        let auth = format!("Bearer {}", nobody());
        let headers = [("authorization", auth.as_str()), ("mcp-protocol-version", era)];
        assert_eq!(gate.send(method, "/mcp", &headers).status(), expect, "{method}");
    }
}

#[test]
fn a_refusal_is_an_error_that_names_the_rule() {
    let rules = json!([
        {"id": "a", "tools": ["purge"], "deny": {"user": {"exists": true}}, "message": "Nobody purges."},
        {"id": "b", "tools": ["read"], "step_up": {"acr": ["mfa"]}},
    ]);
    let mut gate = ruled(json!({}), rules.clone());
    let got = send(&mut gate, NEWEST, Some(&nobody()), &tool("purge"));
    let error = &got.body()["error"];
    assert_eq!(
        (got.status(), &error["code"], &error["message"]),
        (403, &json!(-32001), &json!("Nobody purges."))
    );
    assert_eq!((&error["data"]["error"], &error["data"]["rule"]), (&json!("policy_denied"), &json!("a")));
    assert_eq!((&gate.record["rule"], &gate.record["tool"]), (&json!("a"), &json!("purge")));
    let got = send(&mut gate, NEWEST, Some(&nobody()), &tool("read"));
    assert_eq!((got.status(), &got.body()["error"]["data"]["rule"]), (401, &json!("b")));
    assert!(challenge(&got).contains("insufficient_user_authentication"));
    // ChatGPT reads it in the tool's result.
    let mut gate = ruled(json!({"challenge_mode": "meta"}), rules);
    let got = send(&mut gate, NEWEST, Some(&nobody()), &tool("read"));
    let said = got.body()["result"]["_meta"]["mcp/www_authenticate"][0].to_string();
    assert!(got.status() == 200 && said.contains("acr_values"), "{got:?}");
}

#[test]
fn a_list_hides_what_is_refused_whatever_is_asked_and_shows_what_depends() {
    let names = |rules: Value| -> Vec<String> {
        let mut gate = ruled(json!({}), rules);
        let mut exchange = listing(&mut gate, "2025-06-18", Some(&nobody()), "tools/list");
        let tools: Vec<Value> = ["purge", "read", "Write", "help"]
            .iter()
            .map(|name| json!({"name": name, "inputSchema": {}}))
            .collect();
        let answer = json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": tools}}).to_string();
        let text = shown(&gate, &mut exchange, "application/json", &answer).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let tools = value["result"]["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["purge", "read", "Write", "help"];
    let without_purge = &all[1..];
    for (rules, expect) in [
        (json!([]), &all[..]),
        (json!([{"id": "a", "tools": ["purge"], "deny": {"user": {"exists": true}}}]), without_purge),
        (json!([{"id": "a", "deny": {"tool": {"is": "purge"}, "actor": {"is": "x"}}}]), without_purge),
        (json!([{"id": "a", "tools": ["purge"], "allow": {"groups": {"contains": "x"}}}]), without_purge),
        (json!([{"id": "a", "tools": ["purge"], "allow": {"actor": {"is": "x"}}}]), without_purge),
        // It depends on when, from where and how it is asked for.
        (json!([{"id": "a", "tools": ["purge"], "deny": {"time": {"zone": "UTC", "days": ["mon"]}}}]), &all),
        (json!([{"id": "a", "tools": ["purge"], "deny": {"address": {"cidr": "0.0.0.0/0"}}}]), &all),
        (json!([{"id": "a", "tools": ["purge"], "allow": {"time": {"zone": "UTC", "days": ["sun"]}}}]), &all),
        (json!([{"id": "a", "tools": ["purge"], "step_up": {"acr": ["mfa"]}}]), &all),
        (json!([{"id": "a", "tools": ["purge"], "deny": {"user": {"exists": true}}, "mode": "watch"}]), &all),
    ] {
        assert_eq!(names(rules.clone()), expect, "{rules}");
    }
}

/// What a condition on arguments comes to, by the arguments' JSON.
fn of_arguments(condition: &Value, arguments: &str) -> Result<Option<bool>, u16> {
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{{\"name\":\"purge\",\"arguments\":{arguments}}}}}"
    );
    let auth = format!("Bearer {}", nobody());
    let headers = [("mcp-protocol-version", "2025-06-18"), ("authorization", auth.as_str())];
    let status =
        |rule: Value| ruled(json!({}), json!([rule])).post("/mcp", &headers, body.as_bytes()).0.status();
    let condition = json!({"arguments": condition});
    let denied = status(json!({"id": "a", "deny": condition}));
    let not_denied = status(json!({"id": "a", "deny": {"not": condition}}));
    let allowed = status(json!({"id": "a", "tools": ["purge"], "allow": condition}));
    match (denied, not_denied, allowed) {
        (403, 200, 200) => Ok(Some(true)),
        (200, 403, 403) => Ok(Some(false)),
        (403, 403, 403) => Ok(None),
        (one, other, third) if one == other && other == third => Err(one),
        other => panic!("{condition} {arguments}: {other:?}"),
    }
}

#[test]
fn a_condition_on_arguments_takes_no_other_for_them() {
    let (yes, no, unknown) = (Ok(Some(true)), Ok(Some(false)), Ok(None));
    let most = json!({"/amount": {"max": 100}});
    for (arguments, expect) in [
        ("{\"amount\":100}", yes),
        ("{\"amount\":101}", no),
        ("{\"amount\":1e2}", yes),
        ("{\"amount\":100.0}", yes),
        ("{\"amount\":100.00000000001}", no),
        ("{\"amount\":100.00000000000000001}", unknown),
        ("{\"amount\":-0}", yes),
        ("{\"amount\":0.0}", yes),
        ("{\"amount\":1e400}", unknown),
        ("{\"amount\":1e-400}", unknown),
        ("{\"amount\":99999999999999999999}", unknown),
        ("{\"amount\":-99999999999999999999}", unknown),
        ("{\"amount\":\"100\"}", unknown),
        ("{\"amount\":true}", unknown),
        ("{\"amount\":null}", unknown),
        ("{\"amount\":[100]}", unknown),
        ("{\"amount\":{\"value\":100}}", unknown),
        ("{}", unknown),
        ("null", unknown),
        ("[100]", unknown),
        ("\"amount\"", unknown),
        ("{\"\\u0061mount\":100}", yes),
        ("{\"Amount\":100}", unknown),
        ("{\"amount\":1,\"Amount\":1000}", unknown),
        ("{\"amount\":1,\"\\u0041mount\":1000}", unknown),
        ("{\"amount\":1,\"amount\\u0000x\":1000}", unknown),
        ("{\"amount\":1,\"amount\":1000}", Err(400)),
        ("{\"amount\":1,\"\\u0061mount\":1000}", Err(400)),
        ("{\"amount\":01}", Err(400)),
    ] {
        assert_eq!(of_arguments(&most, arguments), expect, "{arguments}");
    }
    let text = json!({"/to/0/name": {"is": "ann"}});
    for (arguments, expect) in [
        ("{\"to\":[{\"name\":\"ann\"}]}", yes),
        ("{\"to\":[{\"name\":\"\\u0061nn\"}]}", yes),
        ("{\"to\":[{\"name\":\"Ann\"}]}", no),
        ("{\"to\":[{\"name\":\"ann\\u0000\"}]}", no),
        ("{\"to\":[{\"name\":7}]}", unknown),
        ("{\"to\":[{\"name\":\"\\ud800\"}]}", unknown),
        ("{\"to\":[]}", unknown),
        ("{\"to\":{\"0\":{\"name\":\"ann\"}}}", yes),
        ("{\"to\":[{\"name\":\"ann\",\"NAME\":\"bob\"}]}", unknown),
        ("{\"to\":[{\"name\":\"ann\"}],\"TO\":[]}", unknown),
    ] {
        assert_eq!(of_arguments(&text, arguments), expect, "{arguments}");
    }
    let list = json!({"/tags": {"subset_of": ["a", "b"]}});
    for (arguments, expect) in [
        ("{\"tags\":[\"a\"]}", yes),
        ("{\"tags\":[]}", yes),
        ("{\"tags\":[\"a\",\"c\"]}", no),
        ("{\"tags\":\"a\"}", unknown),
        ("{\"tags\":[\"a\",1]}", unknown),
    ] {
        assert_eq!(of_arguments(&list, arguments), expect, "{arguments}");
    }
    let many = |count: usize| format!("{{\"tags\":{}}}", json!(vec!["a"; count]));
    assert_eq!([of_arguments(&list, &many(500)), of_arguments(&list, &many(501))], [yes, unknown]);
    let file = json!({"/file": {"glob": "/home/ann/*"}});
    for (arguments, expect) in [
        ("{\"file\":\"/home/ann/x/y\"}", yes),
        ("{\"file\":\"/home/ann/../bob/x\"}", no),
        ("{\"file\":\"/home/ann/%2e%2e/bob\"}", unknown),
        ("{\"file\":\"home/ann/x\"}", unknown),
        ("{\"file\":\"/home//ann/./x\"}", yes),
    ] {
        assert_eq!(of_arguments(&file, arguments), expect, "{arguments}");
    }
}

#[test]
fn arguments_have_one_place() {
    let rules = json!([{"id": "a", "tools": ["purge"], "allow": {"arguments": {"/n": {"is": 1}}}}]);
    let mut gate = ruled(json!({}), rules);
    for (params, expect) in [
        (json!({"name": "purge", "arguments": {"n": 1}}), 200),
        (json!({"name": "purge", "arguments": {"n": 2}}), 403),
        (json!({"name": "purge", "Arguments": {"n": 1}}), 400),
        (json!({"name": "purge", "arguments": {"n": 1}, "ARGUMENTS": {"n": 2}}), 400),
        (json!({"name": "purge", "n": 1}), 403),
        (json!({"name": "read", "arguments": {"n": 2}}), 200),
    ] {
        assert_eq!(status(&mut gate, &request("tools/call", params.clone())), expect, "{params}");
    }
    // Each call of a batch has its own.
    let call = |n: u64| request("tools/call", json!({"name": "purge", "arguments": {"n": n}}));
    for (batch, expect) in [(json!([call(1), call(1)]), 200), (json!([call(1), call(2)]), 403)] {
        assert_eq!(send(&mut gate, "2025-03-26", Some(&nobody()), &batch).status(), expect, "{batch}");
    }
    // In a list it is shown, for it depends on them.
    let mut exchange = listing(&mut gate, "2025-06-18", Some(&nobody()), "tools/list");
    let answer =
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"tools\":[{\"name\":\"purge\",\"inputSchema\":{}}]}}";
    assert!(shown(&gate, &mut exchange, "application/json", answer).unwrap().contains("purge"));
}
