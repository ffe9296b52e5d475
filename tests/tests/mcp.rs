//! MCP through the real Envoy, with headers held and without (CONTRACT §12, §8).

use gatewaystack_tests::*;
use serde_json::{Value, json};

fn policy(hold: bool) -> Value {
    json!({"hold_headers": hold, "routes": [
        {"path": "/mcp", "mcp": {"lazy_auth": ["tools/list"], "tools": {
            "whoami": [], "list_notes": ["tool:read"], "add_note": ["tool:write"], "help": "public"}}},
        {"path": "/notes", "response_filter": {"items": "/body", "owner": "/owner"}}
    ]})
}

fn call(name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}).to_string()
}

#[tokio::test]
async fn a_tool_is_called_or_refused_and_nothing_refused_reaches_the_upstream() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let gateway = gateway().policy(policy(true)).issuer(&issuer).upstream(&upstream.url).start().await;
    let reader = token().claim("scope", "tool:read").mint(&issuer);
    for (name, token, status) in [
        ("help", None, 200),
        ("whoami", None, 401),
        ("list_notes", Some(&reader), 200),
        ("add_note", Some(&reader), 403),
        ("unheard_of", Some(&reader), 403),
    ] {
        let before = upstream.seen().len();
        let mut request = gateway.post("/mcp", &call(name)).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.bearer(token);
        }
        let got = request.send().await;
        assert_eq!(got.status, status, "{name}: {got:?}");
        let seen = upstream.seen();
        assert_eq!(seen.len() - before, usize::from(status == 200), "{name}");
        if status == 200 {
            let last = seen.last().unwrap();
            assert_eq!(last["body"], call(name));
            assert_eq!(last["headers"]["authorization"], Value::Null);
        } else {
            assert_eq!(got.json()["error"]["code"], json!(-32001));
        }
    }
}
