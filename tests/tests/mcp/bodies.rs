//! Bodies that could be read in two ways, come in pieces, are too long, lie, wait for keys, or never come.

use super::*;
use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::scripted::{Step, json_answer};
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
async fn a_body_that_could_be_read_otherwise_never_passes_however_it_is_cut() {
    for held in [true, false] {
        let stage = stage(held).await;
        let good = stage.reader();
        let utf16: Vec<u8> = call("help").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let bodies: [(&str, &[u8]); 12] = [
            ("duplicate", br#"{"id":1,"method":"tools/call","params":{"name":"help","name":"add_note"}}"#),
            (
                "second method",
                br#"{"id":1,"method":"ping","method":"tools/call","params":{"name":"add_note"}}"#,
            ),
            ("folded", br#"{"id":1,"method":"tools/call","params":{"name":"help","Name":"add_note"}}"#),
            ("utf-16", &utf16),
            ("bom", b"\xef\xbb\xbf{\"id\":1,\"method\":\"ping\"}"),
            ("trailing", b"{\"id\":1,\"method\":\"ping\"}{\"id\":1,\"method\":\"tools/call\"}"),
            ("cut short", b"{\"id\":1,\"method\":\"ping\""),
            ("latin1", b"{\"id\":1,\"method\":\"ping\",\"x\":\"\xe9\"}"),
            ("batch", br#"[{"id":1,"method":"ping"}]"#),
            ("text", b"ping"),
            ("empty", b""),
            ("gzip", b"\x1f\x8b\x08\x00"),
        ];
        for http in BOTH {
            for (what, body) in bodies {
                for size in [1, 7, body.len().max(1)] {
                    let whole =
                        post("/mcp", body).bearer(Some(&good)).header("mcp-protocol-version", "2025-11-25");
                    let ask = if body.is_empty() { whole } else { whole.cut(size) };
                    stage.check_refused(http, ask, (400, -32600), what).await;
                }
            }
            for (name, value) in
                [("content-encoding", "gzip"), ("content-type", "application/json; charset=utf-16")]
            {
                let ask = post("/mcp", call("help")).bearer(Some(&good));
                let ask = if name == "content-type" { ask.without(name) } else { ask }.header(name, value);
                stage.check_refused(http, ask, (415, -32600), value).await;
            }
            let none = ask("POST", "/mcp").bearer(Some(&good)).header("content-type", "application/json");
            stage.check_refused(http, none, (400, -32600), "no body").await;
            for method in ["GET", "DELETE"] {
                let ask =
                    Ask { method: method.to_owned(), ..post("/mcp", call("add_note")).bearer(Some(&good)) };
                stage.check_refused(http, ask, (400, -32600), method).await;
            }
            for method in ["PUT", "PATCH"] {
                let ask = Ask { method: method.to_owned(), ..post("/mcp", call("help")) };
                stage.check_refused(http, ask, (405, -32600), method).await;
            }
        }
    }
}

#[tokio::test]
async fn a_body_arrives_whole_in_any_chunks_up_to_the_cap_and_not_past_it() {
    const CAP: usize = 1 << 20;
    let sized = |size: usize| {
        let empty =
            json!({"id": 1, "method": "tools/call", "params": {"name": "list_notes", "arguments": ""}});
        let arguments = "a".repeat(size - empty.to_string().len());
        json!({"id": 1, "method": "tools/call", "params": {"name": "list_notes", "arguments": arguments}})
            .to_string()
    };
    for held in [true, false] {
        let stage = stage(held).await;
        let good = stage.reader();
        for http in BOTH {
            for size in [CAP - 1, CAP, CAP + 1] {
                for piece in [size, 16_000] {
                    let ask = post("/mcp", sized(size)).bearer(Some(&good)).cut(piece);
                    if size > CAP {
                        stage.check_refused(http, ask, (413, -32600), "over").await;
                        continue;
                    }
                    let got = stage.send(http, ask).await;
                    assert_eq!(got.status, 200, "{http:?} {held} {size} {piece}");
                    let last = stage.upstream.seen().pop().unwrap();
                    let length = last.header("content-length").first().map(|l| l.parse().unwrap());
                    assert!(length.is_none_or(|l: usize| l == size));
                    assert_eq!(last.content(), sized(size).into_bytes(), "every byte, once, in order");
                }
            }
            let bytes =
                post("/mcp", call("list_notes")).bearer(Some(&good)).cut(1).trailer("x-user-id", "evil");
            let got = stage.send(http, bytes.trailer("x-sum", "1")).await;
            assert_eq!(got.status, 200, "{got:?}");
            let last = stage.upstream.seen().pop().unwrap();
            assert_eq!(last.content(), call("list_notes").into_bytes());
            assert!(!String::from_utf8_lossy(&last.body).contains("evil"), "{last:?}");
            let refused = post("/mcp", call("add_note")).bearer(Some(&good)).cut(5).trailer("x-sum", "1");
            stage.check_refused(http, refused, (403, -32001), "with trailers").await;
        }
    }
}

#[tokio::test]
async fn lengths_that_lie_and_clients_that_leave_bring_nothing_to_the_upstream() {
    for held in [true, false] {
        let stage = stage(held).await;
        let good = stage.reader();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {good}\r\ncontent-type: application/json\r\n"
        );
        let body = call("list_notes");
        let short = body.len() - 5;
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        for (what, rest, statuses) in [
            ("too short", format!("content-length: {short}\r\n\r\n{body}"), &[400][..]),
            (
                "both",
                format!("content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}", body.len()),
                &[400],
            ),
            ("two", format!("content-length: {}\r\ncontent-length: 3\r\n\r\n{body}", body.len()), &[400]),
            ("bad size", format!("transfer-encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n"), &[400]),
            ("gzip, chunked", format!("transfer-encoding: gzip, chunked\r\n\r\n{chunked}"), &[400, 501]),
        ] {
            let got = client::raw(stage.gateway.address(), format!("{head}{rest}").as_bytes()).await;
            assert!(statuses.contains(&got.status), "{what}: {got:?}");
        }
        for rest in [
            format!("content-length: {}\r\n\r\n{body}", body.len() + 5),
            format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len()),
            "content-length: 5\r\n\r\n".to_owned(),
        ] {
            let mut stream = tokio::net::TcpStream::connect(stage.gateway.address()).await.unwrap();
            stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
            eventually("a request that is read", || async {
                (stage.gateway.stat(&["http.gatewaystack", "downstream_rq_active"]).await > 0).then_some(())
            })
            .await;
            drop(stream);
            eventually("its end", || async {
                (stage.gateway.stat(&["http.gatewaystack", "downstream_rq_active"]).await == 0).then_some(())
            })
            .await;
        }
        // One record each, the aborted ones too.
        let records = stage.gateway.records(8).await;
        assert_eq!(records.len(), 8, "{records:#?}");
        assert!(records.iter().all(|r| r["decision"] != "allow"), "{records:#?}");
        for seen in stage.upstream.seen() {
            assert!(!held && seen.body.is_empty(), "{seen:?}");
            assert_eq!(seen.header("x-user-id"), ["ann"]);
        }
    }
}

#[tokio::test]
async fn an_upstream_that_answers_before_the_body_is_judged_shows_nothing() {
    let stage = stage(false).await;
    let good = stage.reader();
    let list = json_answer("{\"id\":1,\"result\":{\"tools\":[{\"name\":\"purge\"}]}}");
    stage.upstream.answers([Step::Early, Step::Send(list)]);
    for http in BOTH {
        // A body that never ends.
        let head = post("/mcp", "{").bearer(Some(&good)).cut(1);
        let mut got = match http {
            Http::Two => head.trailer("x", "y").open(http, stage.gateway.address()).await,
            Http::One => head.open(http, stage.gateway.address()).await,
        };
        let text = got.until("}}").await;
        assert!(got.status != 200 && !text.contains("purge"), "{http:?} {} {text}", got.status);
    }
    let mut stream = tokio::net::TcpStream::connect(stage.gateway.address()).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {good}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let got = client::over(stream, b"").await;
    assert_eq!((got.status, &got.json()["error"]["code"]), (502, &json!(-32603)), "{got:?}");
    let last = stage.gateway.records(3).await.pop().unwrap();
    assert_eq!((&last["decision"], &last["reason"]), (&json!("error"), &json!("not_filterable")));
}

#[tokio::test]
async fn a_call_waits_for_keys_and_goes_on_with_its_body_intact() {
    for held in [true, false] {
        for http in BOTH {
            let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
            issuer.set_mood(Mood::Hangs);
            let builder =
                gateway().policy(json!({"routes": [mcp(json!({}))]})).issuer(&issuer).upstream(&upstream.url);
            let builder = if held { builder } else { builder.without_held_headers() };
            let stage = Stage { gateway: builder.start().await, issuer, upstream, held };
            let good = stage.reader();
            let big = json!({"id": 1, "method": "tools/call", "params": {"name": "list_notes", "x": "y".repeat(300_000)}});
            // Envoy would lose this body (over HTTP/1.1 it drops the trailers instead): it is refused.
            let trailers = if !held && http == Http::Two { 500 } else { 200 };
            let asks = [
                (post("/mcp", big.to_string()), 200),
                (post("/mcp", big.to_string()).cut(1000).trailer("x-sum", "1"), trailers),
                (in_era(post("/mcp", call("list_notes")), NEWEST, "tools/call", Some("list_notes")), 200),
                (post("/mcp", call("add_note")), 403),
                (in_era(post("/mcp", call("add_note")), NEWEST, "tools/call", Some("add_note")), 403),
                (ask("GET", "/mcp"), 200),
                (ask("POST", "/mcp").header("content-type", "application/json"), 400),
            ];
            let count = u64::try_from(asks.len()).unwrap();
            let release = async {
                eventually("requests that wait", || async {
                    let active = stage.gateway.stat(&["http.gatewaystack", "downstream_rq_active"]).await;
                    (active >= count && stage.issuer.fetches() > 0).then_some(())
                })
                .await;
                assert!(stage.upstream.seen().is_empty());
                stage.issuer.set_mood(Mood::Well);
            };
            let address = stage.gateway.address().to_owned();
            let tasks: Vec<_> = asks
                .into_iter()
                .map(|(ask, status)| {
                    let (address, ask) = (address.clone(), ask.bearer(Some(&good)));
                    (tokio::spawn(async move { ask.send(http, &address).await }), status)
                })
                .collect();
            release.await;
            for (at, (task, status)) in tasks.into_iter().enumerate() {
                let got = task.await.unwrap();
                assert_eq!(got.status, status, "{http:?} held {held} {at}: {got:?}");
            }
            let seen = stage.upstream.seen();
            let whole = seen.iter().filter(|s| s.content() == big.to_string().as_bytes());
            assert_eq!(whole.count(), if trailers == 200 { 2 } else { 1 }, "{http:?} held {held}");
            assert!(seen.iter().all(|s| s.header("x-user-id") == ["ann"]));
            assert!(!seen.iter().any(|s| String::from_utf8_lossy(&s.body).contains("add_note")));
        }
    }
}
