//! The MCP server and the connector, as the gateway calls them: by the verified user, and never without one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod client;

use gatewaystack_demo::{Apps, Issuer};
use serde_json::{Value, json};

/// The JSON-RPC answer, whatever its framing.
async fn ask(url: &str, user: Option<&str>, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut request = client::client().post(url).json(&body);
    request = request.header("accept", "application/json, text/event-stream");
    if let Some(user) = user {
        request = request.header("x-user-id", user);
    }
    let text = request.send().await.unwrap().text().await.unwrap();
    let data = text.lines().find_map(|line| line.strip_prefix("data: ").filter(|data| data.starts_with('{')));
    serde_json::from_str(data.unwrap_or(&text)).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn call(url: &str, user: Option<&str>, name: &str, arguments: Value) -> Value {
    ask(url, user, "tools/call", json!({"name": name, "arguments": arguments})).await
}

#[tokio::test]
async fn each_user_has_notes_of_its_own() {
    let issuer = Issuer::new().start(0).await.unwrap();
    let url = format!("{}/mcp", issuer.url);
    let text = |answer: Value| answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(text(call(&url, Some("ann"), "whoami", json!({})).await), "You are ann.");
    call(&url, Some("ann"), "add_note", json!({"text": "buy milk"})).await;
    assert!(text(call(&url, Some("ann"), "list_notes", json!({})).await).contains("buy milk"));
    assert!(!text(call(&url, Some("bob"), "list_notes", json!({})).await).contains("buy milk"));
    let other = text(call(&url, Some("ann"), "read_other_users_note", json!({"owner": "bob"})).await);
    assert_eq!(other, "There is nothing of yours among the notes of bob: you are ann.");
    assert_eq!(text(call(&url, Some("ann"), "purge", json!({})).await), "2 notes of ann are gone.");
}

#[tokio::test]
async fn nobody_calls_a_tool_and_anybody_reads_the_list() {
    let issuer = Issuer::new().start(0).await.unwrap();
    let url = format!("{}/mcp", issuer.url);
    for user in [None, Some("")] {
        let answer = call(&url, user, "whoami", json!({})).await;
        assert_eq!(answer["error"]["code"], json!(-32600), "{answer}");
    }
    let list = ask(&url, None, "tools/list", json!({})).await;
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 5);
    let missing = call(&url, Some("ann"), "add_note", json!({})).await;
    assert_eq!(missing["error"]["code"], json!(-32602));
}

#[tokio::test]
async fn the_connector_describes_its_tools_for_the_apps_sdk() {
    let apps = Apps::start(0).await.unwrap();
    let list = ask(&format!("{}/apps", apps.url), None, "tools/list", json!({})).await;
    for tool in list["result"]["tools"].as_array().unwrap() {
        assert!(tool["_meta"]["openai/toolInvocation/invoked"].is_string(), "{tool}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
    }
}
