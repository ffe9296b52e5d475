//! Rules in the real Envoy (contract §15): arguments are waited for, a fresh sign-in is asked for, header and
//! address are Envoy's, and records say which rule it was.

use gatewaystack_tests::*;
use serde_json::{Value, json};

#[tokio::test]
async fn rules_decide_by_arguments_sign_in_and_address_and_records_name_them() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let gateway = gateway()
        .policy(json!({
            "ledger": {"on": true},
            "rule_headers": ["x-department"],
            "routes": [{"path": "/mcp", "mcp": {"tools": {"refund": [], "read": []}}}, {"path": "/v1/*"}],
            "rules": [
                {"id": "refunds", "tools": ["refund"], "step_up": {"acr": ["mfa"], "max_age": "1h"},
                 "allow": {"groups": {"contains": "support"}, "arguments": {"/amount": {"max": 100}}}},
                {"id": "sales", "routes": ["/v1/*"], "message": "Sales stays outside.",
                 "deny": {"header:x-department": {"is": "sales"}, "address": {"cidr": "127.0.0.0/8"}}},
                {"id": "trial", "deny": {"path": {"glob": "/v1/*"}, "header:x-department": {"exists": true}}, "mode": "watch"},
            ],
        }))
        .trust(json!({"issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url)}))
        .upstream(&upstream.url)
        .start()
        .await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let support = token().subject("ann").claim("groups", json!(["support"])).claim("acr", "mfa");
    let fresh = support.clone().claim("auth_time", now).mint(&issuer);
    let stale = support.claim("auth_time", now - 7_200).mint(&issuer);
    let other = token().subject("bob").claim("groups", json!([])).mint(&issuer);
    let call = async |token: &str, tool: &str, arguments: &str| {
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{arguments}}}}}"
        );
        let ask = gateway.post("/mcp", &body).bearer(token).header("content-type", "application/json");
        ask.header("mcp-protocol-version", "2025-06-18").send().await
    };
    for (token, tool, arguments, status) in [
        (&fresh, "refund", "{\"amount\":100}", 200),
        (&fresh, "refund", "{\"amount\":101}", 403),
        (&fresh, "refund", "{\"amount\":1,\"Amount\":1000}", 403),
        (&fresh, "refund", "{}", 403),
        (&stale, "refund", "{\"amount\":100}", 401),
        (&stale, "refund", "{\"amount\":101}", 403),
        (&other, "refund", "{\"amount\":100}", 403),
        (&other, "read", "{\"amount\":1000}", 200),
    ] {
        let answer = call(token, tool, arguments).await;
        assert_eq!(answer.status, status, "{tool} {arguments}");
        if status != 200 {
            assert_eq!(answer.json()["error"]["data"]["rule"], "refunds", "{arguments}");
        }
        if status == 401 {
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("insufficient_user_authentication"), "{challenge}");
            assert!(challenge.contains("acr_values=\"mfa\", max_age=\"3600\""), "{challenge}");
        }
    }
    let get = async |department: &str| {
        gateway.get("/v1/x").bearer(&other).header("x-department", department).send().await
    };
    let refused = get("sales").await;
    let said = [&refused.json()["error"], &refused.json()["rule"], &refused.json()["error_description"]]
        .map(Value::clone);
    assert_eq!(said, ["policy_denied", "sales", "Sales stays outside."].map(Value::from));
    assert_eq!(get("support").await.status, 200);
    assert_eq!(upstream.seen().len(), 3, "nothing that was refused reached it");
    let records = eventually("their records", || async {
        let condition =
            json!({"any": [{"rule": {"exists": true}}, {"watched": {"contains": "trial"}}]}).to_string();
        let said = gateway.run(&["records", "--json", "--where", &condition]);
        let records: Vec<Value> = serde_json::from_str(&said).unwrap();
        (records.len() == 8).then_some(records)
    })
    .await;
    let count = |rule: Value| records.iter().filter(|record| record["rule"] == rule).count();
    assert_eq!((count(json!("refunds")), count(json!("sales")), count(Value::Null)), (6, 1, 1));
    assert!(records.iter().all(|record| (record["path"] == "/mcp") == record["watched"].is_null()));
}
