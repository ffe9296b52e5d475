//! Which answers make a task.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn an_answer_makes_a_task_at_its_two_places_alone() {
    let ann = ann();
    let long = |n: usize| "x".repeat(n);
    for (what, body, id) in [
        ("an escaped id", nested(r"t-\u0031"), "t-1"),
        ("escaped members", nested("t-1").replace("task", r"t\u0061sk"), "t-1"),
        ("an id of the bound's length", nested(&long(256)), &long(256)),
        (
            "blanks and another order",
            r#" {"result": {"status":1, "taskId":"t-1", "resultType" : "task"}, "id" : 7 } "#.to_owned(),
            "t-1",
        ),
    ] {
        let mut gate = server(json!({}));
        made(&mut gate, Some(&ann), "whoami", &body);
        assert_eq!(status(&mut gate, Some(&ann), id), 200, "{what}");
    }
    let result = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#);
    for (what, body) in [
        (
            "in structuredContent",
            result(r#"{"structuredContent":{"task":{"taskId":"t-1"},"resultType":"task","taskId":"t-1"}}"#),
        ),
        (
            "in content",
            result(
                r#"{"content":[{"type":"text","text":"{\"task\":{\"taskId\":\"t-1\"}}","taskId":"t-1"}]}"#,
            ),
        ),
        ("beside content", result(r#"{"task":{"taskId":"t-1"},"content":[]}"#)),
        (
            "beside content, and flat",
            result(r#"{"resultType":"task","taskId":"t-1","structuredContent":{}}"#),
        ),
        ("beside content in another spelling", result(r#"{"task":{"taskId":"t-1"},"Content":[]}"#)),
        (
            "in _meta",
            result(
                r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t-1"},"task":{"taskId":"t-1"}}}"#,
            ),
        ),
        ("deeper", result(r#"{"task":{"task":{"taskId":"t-1"},"inner":{"taskId":"t-1"}}}"#)),
        ("beside the result", r#"{"id":7,"task":{"taskId":"t-1"},"taskId":"t-1","result":{}}"#.to_owned()),
        ("in an array", format!("[{}]", nested("t-1"))),
        ("two tasks", result(r#"{"task":{"taskId":"t-2"},"task":{"taskId":"t-1"}}"#)),
        ("two ids", result(r#"{"task":{"taskId":"t-2","taskId":"t-1"}}"#)),
        ("two ids, one escaped", result(r#"{"task":{"taskId":"t-1","t\u0061skId":"t-2"}}"#)),
        ("two results", r#"{"id":7,"result":{"task":{"taskId":"t-1"}},"result":{}}"#.to_owned()),
        ("both places", result(r#"{"task":{"taskId":"t-1"},"taskId":"t-1","resultType":"task"}"#)),
        (
            "a result in another spelling",
            r#"{"id":7,"Result":{},"result":{"task":{"taskId":"t-1"}}}"#.to_owned(),
        ),
        ("a task in another spelling", result(r#"{"Task":{"taskId":"t-2"},"task":{"taskId":"t-1"}}"#)),
        ("an id in another spelling", result(r#"{"task":{"taskId":"t-1","taskid":"t-2"}}"#)),
        ("folded by Unicode", result(r#"{"task":{"taskId":"t-1","tasKId":"t-2"}}"#)),
        ("no type", result(r#"{"taskId":"t-1","status":"working"}"#)),
        ("another type", result(r#"{"resultType":"complete","taskId":"t-1"}"#)),
        ("another type, nested", result(r#"{"resultType":"complete","task":{"taskId":"t-1"}}"#)),
        ("two types", result(r#"{"resultType":"complete","resultType":"task","taskId":"t-1"}"#)),
        ("an error, too", r#"{"id":7,"result":{"task":{"taskId":"t-1"}},"error":{}}"#.to_owned()),
        (
            "a request of the server's",
            r#"{"id":7,"method":"tasks/get","result":{"task":{"taskId":"t-1"}}}"#.to_owned(),
        ),
        ("another call's answer", nested("t-1").replace("\"id\":7", "\"id\":8")),
        ("nobody's answer", nested("t-1").replace("\"id\":7,", "")),
        ("a text for a number", nested("t-1").replace("\"id\":7", "\"id\":\"7\"")),
        ("numbers that JSON doesn't have", nested("t-1").replace("{}", "NaN")),
        ("trailing bytes", format!("{}x", nested("t-1"))),
        ("a byte order mark", format!("\u{feff}{}", nested("t-1"))),
        ("an id that is no text", result(r#"{"task":{"taskId":1}}"#)),
        ("an id with a control character", nested(r"t-1\u0000")),
        ("an id with blanks around it", nested(" t-1")),
        ("no id", nested("")),
        ("too long an id", nested(&long(257))),
    ] {
        let mut gate = server(json!({}));
        let mut exchange = calling(&mut gate, Some(&ann), "whoami");
        let before = gate.table.size().0;
        let shown = answer(&gate, &mut exchange, JSON, &body, usize::MAX);
        assert_eq!(shown.as_deref(), Ok(body.as_str()), "{what}: it passes all the same");
        for id in ["t-1", "t-2", "1", &long(257)] {
            assert_eq!(status(&mut gate, Some(&ann), id), 403, "{what} {id}");
        }
        assert_eq!(gate.table.size().0, before, "{what}");
    }
    let list = result(r#"{"tools":[{"name":"whoami"}],"task":{"taskId":"t-1"}}"#);
    let mut gate = server(json!({}));
    let mut exchange = calling(&mut gate, Some(&ann), "whoami");
    assert!(answer(&gate, &mut exchange, JSON, &list, usize::MAX).unwrap().contains("securitySchemes"));
    assert_eq!(status(&mut gate, Some(&ann), "t-1"), 403, "a list, and cut down as one");
}

/// Batches, other methods, refused calls: their answers tie nothing to a tool.
#[test]
fn only_the_answer_to_one_call_of_a_tool_makes_a_task() {
    let batch = json!([tool("whoami")]);
    let mut unanswered = tool("whoami");
    unanswered.as_object_mut().unwrap().remove("id");
    for body in [batch, unanswered, request("ping", json!({})), request("tasks/get", json!({"taskId": "t"}))]
    {
        let mut gate = server(json!({"tasks": "allow"}));
        let auth = format!("Bearer {}", ann());
        let (got, mut exchange) = gate.post("/mcp", &[("authorization", &auth)], body.to_string().as_bytes());
        assert_eq!(got.status(), 200, "{body}");
        let before = gate.table.size().0;
        let (json, event) = (nested("t-1"), format!("data: {}\n\n", nested("t-1")));
        for (kind, text) in [(JSON, &json), (SSE, &event)] {
            assert_eq!(answer(&gate, &mut exchange, kind, text, usize::MAX).as_ref(), Ok(text));
        }
        assert_eq!(gate.table.size().0, before, "{body}");
        assert_eq!(status(&mut gate, Some(&ben()), "t-1"), 200);
    }
}

#[test]
fn json_and_events_make_a_task_wherever_their_bytes_are_cut() {
    let before = "\u{feff}: hi\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"taskId\":\"t-2\"}}\r\n\r\n";
    let ann = ann();
    for form in FORMS {
        let task = form("t-1");
        let (start, end) = task.split_at(task.find(",\"result").unwrap() + 1);
        for (kind, body) in [
            (JSON, task.clone()),
            (SSE, format!("{before}id: 1\r\nevent: message\r\ndata: {start}\r\ndata:{end}\r\n\r\n: bye\n\n")),
            (SSE, format!("data: {task}\r\rdata: {}\r\r", form("t-2"))),
            (SSE, format!("data: {task}")),
        ] {
            for size in 1..=body.len() {
                let mut gate = server(json!({}));
                let mut exchange = calling(&mut gate, Some(&ann), "whoami");
                assert_eq!(answer(&gate, &mut exchange, kind, &body, size).as_ref(), Ok(&body), "{size}");
                assert_eq!(status(&mut gate, Some(&ann), "t-1"), 200, "{kind} {size} {body:?}");
                assert_eq!(status(&mut gate, Some(&ann), "t-2"), 403, "a call has one answer");
            }
        }
    }
}

/// What sloppy readers take for other lines, and what is longer than is held.
#[test]
fn events_that_readers_differ_about_make_no_task() {
    let (task, ann) = (nested("t-1"), ann());
    let filling = "x".repeat(2_000);
    for body in [
        format!(" data: {{}}\ndata: {task}\n\n"),
        format!("Data: {{}}\ndata: {task}\n\n"),
        format!("data: {task}\ndata: {task}\n\n"),
        format!("id: {filling}\ndata: {task}\n\n"),
        format!("data: {}\n\n", task.replace("\"_meta\":{}", &format!("\"_meta\":\"{filling}\""))),
    ] {
        for size in [1, 7, body.len()] {
            let mut gate = server(json!({"max_body": 1024}));
            let mut exchange = calling(&mut gate, Some(&ann), "whoami");
            let shown = answer(&gate, &mut exchange, SSE, &body, size);
            assert!(shown.is_err() || shown.as_ref() == Ok(&body), "{size} {shown:?}");
            assert_eq!(status(&mut gate, Some(&ann), "t-1"), 403, "{body}");
        }
    }
    let long = task.replace("\"_meta\":{}", &format!("\"_meta\":\"{filling}\""));
    let mut gate = server(json!({"max_body": 1024}));
    let mut exchange = calling(&mut gate, Some(&ann), "whoami");
    assert_eq!(answer(&gate, &mut exchange, JSON, &long, 7).as_ref(), Ok(&long), "it isn't held to its end");
    assert_eq!(status(&mut gate, Some(&ann), "t-1"), 403);
}

#[test]
fn how_an_event_is_cut_says_nothing_of_whether_it_makes_a_task() {
    for (filler, at, expect) in
        [(600, "end", 403), (600, "start", 403), (350, "end", 200), (350, "start", 200), (2_000, "end", 403)]
    {
        let fill = "x".repeat(filler);
        let task = match at {
            "end" => flat("t-1").replace("\"status\"", &format!("\"fill\":\"{fill}\",\"status\"")),
            _ => flat("t-1").replace("\"resultType\"", &format!("\"fill\":\"{fill}\",\"resultType\"")),
        };
        for body in
            [format!("data: {task}\n\n"), format!("data: {task}"), format!("id: 1\ndata: {task}\r\n\r\n")]
        {
            for size in [1, 7, 100, 500, 513, body.len()] {
                let mut gate = server(json!({"max_body": 1024}));
                let mut exchange = calling(&mut gate, Some(&ann()), "whoami");
                assert_eq!(answer(&gate, &mut exchange, SSE, &body, size).as_ref(), Ok(&body), "{size}");
                assert_eq!(status(&mut gate, Some(&ann()), "t-1"), expect, "{filler} {at} {size}");
            }
        }
    }
}
