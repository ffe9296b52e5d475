//! Lists of tasks, asked for or found by their form: nobody sees what is another's.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What a list of tasks shows where unknown ones pass, in each framing, asked for or found by its form.
#[test]
fn a_list_shows_no_task_of_anothers() {
    let mut gate = server(json!({"tasks": "allow", "lazy_auth": ["tasks/list", "ping"]}));
    made(&mut gate, Some(&ann()), "add_note", &flat("t-1"));
    made(&mut gate, Some(&ben()), "whoami", &nested("t-2"));
    made(&mut gate, None, "help", &flat("t-3"));
    let task = |id: &str| json!({"taskId": id, "status": "working", "x": [1, {"taskId": id}]});
    let result = |ids: &[&str]| {
        let tasks: Vec<Value> = ids.iter().map(|id| task(id)).collect();
        json!({"jsonrpc": "2.0", "id": 7, "result": {"tasks": tasks, "nextCursor": "t-1"}})
    };
    let all = result(&["t-1", "t-2", "t-3", "t-4", "+t", "017", "t 5"]);
    for (token, expect) in [
        (Some(ann()), &["t-1", "t-3", "t-4", "+t", "017"][..]),
        (Some(ben()), &["t-2", "t-3", "t-4", "+t", "017"]),
        (Some(reader()), &["t-3", "t-4", "+t", "017"]),
        (None, &["t-3", "t-4", "+t", "017"]),
    ] {
        for method in ["tasks/list", "ping"] {
            for (kind, body) in
                [(JSON, all.to_string()), (SSE, format!("data: {all}\n\n")), (JSON, json!([all]).to_string())]
            {
                let mut exchange = listing(&mut gate, token.as_deref(), method);
                let got = lists::shown(&gate, &mut exchange, kind, &body).unwrap();
                let text = got.strip_prefix("data: ").unwrap_or(&got);
                let value: Value = serde_json::from_str(text.trim()).unwrap();
                let value = if value.is_array() { value[0].clone() } else { value };
                assert_eq!(value, result(expect), "{method} {kind} {token:?}");
            }
        }
    }
}

fn listing(gate: &mut Gate, token: Option<&str>, method: &str) -> Exchange {
    let auth = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = auth.iter().map(|auth| ("authorization", auth.as_str())).collect();
    let (got, exchange) = gate.post("/mcp", &headers, request(method, json!({})).to_string().as_bytes());
    assert_eq!(got.status(), 200, "{method} {got:?}");
    exchange
}

/// By its form alone, an answer may be a list of tasks, or have something else of that name.
#[test]
fn what_is_found_to_list_tasks_is_cut_down_and_what_is_none_stays() {
    let result = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#);
    for (mcp, unknown) in
        [(json!({}), false), (json!({"tasks": "allow"}), true), (json!({"tasks": "deny"}), false)]
    {
        let is_denied = mcp["tasks"] == "deny";
        let mut gate = server(mcp);
        made(&mut gate, Some(&ann()), "whoami", &flat("t-1"));
        let mut show = |token: &str, body: &str| {
            let mut exchange = listing(&mut gate, Some(token), "made/up");
            lists::shown(&gate, &mut exchange, JSON, body)
        };
        let list = result(r#"{"tasks":[{"taskId":"t-1"},{"taskId":"t-9"}]}"#);
        let (own, others) = (show(&ann(), &list).unwrap(), show(&ben(), &list).unwrap());
        assert_eq!((own.contains("t-1"), own.contains("t-9")), (!is_denied, unknown), "{own}");
        assert_eq!((others.contains("t-1"), others.contains("t-9")), (false, unknown), "{others}");
        for body in [
            result(r#"{"tasks":["wash","dry"]}"#),
            result(r#"{"tasks":[{"title":"wash"},1,null]}"#),
            result(r#"{"tasks":{"t-1":{}}}"#),
            result(r#"{"tasks":[]}"#),
            result(r#"{"content":[{"tasks":[{"taskId":"t-1"}]}],"tasks":[{"taskId":"t-1"}]}"#),
        ] {
            assert_eq!(show(&ben(), &body).as_ref(), Ok(&body));
        }
        let many = |n: usize| {
            result(&format!(r#"{{"tasks":[{}{{"taskId":"t-1"}}]}}"#, r#"{"taskId":"t"},"#.repeat(n - 1)))
        };
        assert!(show(&ben(), &many(10_000)).is_ok());
        for body in [
            result(r#"{"tasks":[{"taskId":"t-9","TaskId":"t-1"}]}"#),
            result(r#"{"tasks":[{"taskId":"t-9","taskId":"t-1"}]}"#),
            result(r#"{"tasks":[{"taskId":1}]}"#),
            result(r#"{"tasks":[],"Tasks":[{"taskId":"t-1"}]}"#),
            result(r#"{"tasks":[{"taskId":"t-1"}],"x":NaN}"#),
            many(10_001),
        ] {
            assert_eq!(show(&ben(), &body), Err(502), "{}", body.get(..80).unwrap());
        }
    }
    let mut gate = server(json!({"tasks": "allow"}));
    let list = result(r#"{"tasks":[{"taskId":"t-9"}]}"#);
    for kind in [JSON, SSE] {
        let body = if kind == JSON { list.clone() } else { format!("data: {list}\n\n") };
        let mut exchange = listing(&mut gate, Some(&ben()), "tasks/list");
        gate.table.fail(true);
        let got = lists::shown(&gate, &mut exchange, kind, &body);
        assert!(got.is_err(), "{kind} {got:?}");
        gate.table.fail(false);
    }
    for body in [result("{}"), result(r#"{"tasks":["t-1"]}"#), result(r#"{"tasks":{}}"#)] {
        let mut exchange = listing(&mut gate, Some(&ben()), "tasks/list");
        assert_eq!(lists::shown(&gate, &mut exchange, JSON, &body), Err(502), "not what was asked for");
    }
}
