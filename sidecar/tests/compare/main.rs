//! `gatewaystack compare` between two small servers: what it finds, what it lets pass, what it sends and what
//! it never shows.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helpers end it by panicking"
)]

mod command;
mod stand;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use gatewaystack::compare::{Arguments, compare};
use serde_json::{Value, json};
use stand::*;

/// The outcome of the only case, and where its answers differ.
async fn found(a: Answer, b: Answer, cases: &str) -> (String, Vec<String>) {
    let folder = Folder::new();
    let (a, b) = (answering(a).await, answering(b).await);
    let report = compare(&arguments(&a, &b, &folder.file("cases.yaml", cases))).await.unwrap();
    let report = report.to_json();
    let case = &report["cases"][0];
    let place = |difference: &Value| {
        let at = difference["at"].as_str().map(|at| format!(" {at}")).unwrap_or_default();
        format!("{}{at}", difference["what"].as_str().unwrap())
    };
    let places = case["differences"].as_array().unwrap().iter().map(place).collect();
    (case["outcome"].as_str().unwrap().to_owned(), places)
}

#[tokio::test]
async fn each_planted_difference_is_found_and_no_other() {
    let full = Answer::full;
    let without_ok = json!({ "items": [{ "id": 1, "tag": null }], "nested": { "a/b": "x" } }).to_string();
    let text_id = json!({ "ok": true, "items": [{ "id": "1", "tag": null }], "nested": { "a/b": "x" } });
    for (answer, expect) in [
        (full().status(201), vec!["status"]),
        (full().with("content-type", "application/problem+json"), vec!["header content-type"]),
        (full().and("content-type", "application/json"), vec!["header content-type"]),
        (
            full().with("www-authenticate", "Bearer realm=\"mcp\", scope=\"x\""),
            vec!["header www-authenticate"],
        ),
        (full().with("www-authenticate", "Basic realm=\"mcp\""), vec!["header www-authenticate"]),
        (full().and("www-authenticate", "Basic realm=\"mcp\""), vec!["header www-authenticate"]),
        (full().without("www-authenticate"), vec!["header www-authenticate"]),
        (full().with("cache-control", "no-store"), vec!["header cache-control"]),
        (full().with("allow", "GET"), vec!["header allow"]),
        (full().with("location", "/elsewhere"), vec!["header location"]),
        (full().without("retry-after"), vec!["header retry-after"]),
        (full().without("ratelimit-limit"), vec!["header ratelimit-limit"]),
        (full().with("ratelimit-policy", "x"), vec!["header ratelimit-policy"]),
        (full().with("vary", "Origin"), vec!["header vary"]),
        (full().with("access-control-allow-origin", "*"), vec!["header access-control-allow-origin"]),
        (full().with("access-control-max-age", "1"), vec!["header access-control-max-age"]),
        (full().without("mcp-session-id"), vec!["header mcp-session-id"]),
        (full().body(without_ok), vec!["body /ok"]),
        (full().body(text_id.to_string()), vec!["body /items/*/id"]),
        (full().body("[]"), vec!["body "]),
        (full().body(""), vec!["body "]),
        (full().body("{"), vec!["body "]),
        (full().body("{\"ok\":true,\"ok\":1}"), vec!["body "]),
        (full().with("content-encoding", "gzip"), vec!["body "]),
        (full().with("content-type", "text/plain").body("hello"), vec!["header content-type", "body "]),
        (full().events("data: {}\n\n"), vec!["header content-type", "body "]),
    ] {
        let (outcome, places) = found(full(), answer.clone(), ONE).await;
        assert_eq!(
            (outcome.as_str(), places),
            ("different", expect.iter().map(ToString::to_string).collect())
        );
        let (_, turned) = found(answer, full(), ONE).await;
        assert_eq!(turned, expect, "the other way round");
    }
}

#[tokio::test]
async fn what_changes_from_answer_to_answer_is_no_difference() {
    let full = Answer::full;
    let other_values = json!({ "nested": { "a/b": "y" }, "items": [{ "id": 2, "tag": null }, { "id": 3, "tag": null }], "ok": false });
    let text = |body: &str| full().with("content-type", "text/html").body(body);
    for (a, b) in [
        (full(), full()),
        (full(), full().body(other_values.to_string())),
        (full(), full().with("content-type", "Application/JSON")),
        (
            full(),
            full().with("www-authenticate", "bearer scope=x, realm=\"other, and\", resource_metadata=\"y\""),
        ),
        (full(), full().with("cache-control", "MAX-AGE=60,no-store")),
        (full(), full().with("vary", "accept").and("vary", "origin")),
        (full(), full().with("location", "/somewhere?code=2#x")),
        (full(), full().with("retry-after", "8").with("mcp-session-id", "2").with("ratelimit-limit", "1")),
        (full(), full().with("date", "Tue, 01 Dec 2026 00:00:00 GMT").with("server", "x")),
        (text("<p>a"), text("<p>b")),
        (text(&"a".repeat(2 << 20)), text("b")),
        (
            full().events("data: {\"a\":1}\n\n"),
            full().events(": hello\n\nid: 7\r\ndata: {\"a\":2}\r\n\r\ndata: []\n\n"),
        ),
        (full().events(""), full().events(": only a comment\n\n")),
        (full().body(""), full().body("")),
    ] {
        assert_eq!(found(a, b, ONE).await, ("same".to_owned(), vec![]));
    }
}

#[tokio::test]
async fn event_streams_are_compared_by_their_first_event() {
    let events = |text: &str| Answer::full().events(text);
    for (a, b, expect) in [
        ("data: {\"a\":1}\n\n", "data: {\"a\":\"1\"}\n\n", "body /a"),
        ("data: {\"a\":1}\n\n", "event: other\ndata: {\"a\":1}\n\n", "body "),
        ("data: {\"a\":1}\n\n", "data: hello\n\n", "body "),
        ("data: {\"a\":1}\n\n", "", "body "),
    ] {
        assert_eq!(found(events(a), events(b), ONE).await.1, [expect], "{a:?} {b:?}");
    }
}

#[tokio::test]
async fn a_stream_that_goes_on_is_read_to_its_first_event() {
    let endless = || {
        serve(Router::new().fallback(|| async {
            let first =
                futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from("data: {\"a\":1}\n\n"))]);
            let open = futures_util::StreamExt::chain(first, futures_util::stream::pending());
            let mut response = Response::new(Body::from_stream(open));
            response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
            response
        }))
    };
    let (a, b, folder) = (endless().await, endless().await, Folder::new());
    let report = compare(&arguments(&a, &b, &folder.file("cases.yaml", ONE))).await.unwrap().to_json();
    assert_eq!((&report["same"], &report["cases"][0]["a"]["shape"]["/a"]), (&json!(true), &json!("number")));
}

#[tokio::test]
async fn what_can_not_be_compared_is_a_difference_on_both_sides_too() {
    let long = format!("[\"{}\"]", "a".repeat(2 << 20));
    for answer in [
        Answer::full().body("{"),
        Answer::full().body("[1,1] 2"),
        Answer::full().body(long),
        Answer::full().with("content-encoding", "br"),
    ] {
        assert_eq!(
            found(answer.clone(), answer, ONE).await,
            ("different".to_owned(), vec!["body ".to_owned()])
        );
    }
    let bad = Answer::full().with("www-authenticate", "Bearer realm=\"open");
    let expect = vec!["header www-authenticate".to_owned()];
    assert_eq!(found(bad.clone(), bad, ONE).await, ("different".to_owned(), expect));
}

#[tokio::test]
async fn a_line_of_allow_names_one_difference_and_what_is_below_it() {
    let (a, b) = (
        || Answer::full().status(401),
        || Answer::full().with("vary", "Origin").body(json!({ "ok": 1, "items": [{ "id": 1 }] }).to_string()),
    );
    let all = "[{ status: [401, 200], why: a }, { header: Vary, why: b }, { path: /ok, why: c }, { path: /items, why: d }, { path: /nested, why: e }]";
    let of_case = format!("cases: [{{ name: one, path: /one, allow: {all} }}]\n");
    assert_eq!(found(a(), b(), &of_case).await.0, "allowed");
    assert_eq!(found(a(), b(), &format!("{ONE}allow: {all}\n")).await.0, "allowed");
    let whole_body = "[{ status: [401, 200], why: a }, { header: vary, why: b }, { path: '', why: c }]";
    assert_eq!(found(a(), b(), &format!("{ONE}allow: {whole_body}\n")).await.0, "allowed");
    for less in [
        all.replace("[401, 200]", "[200, 401]"),
        all.replace("[401, 200]", "[401, 204]"),
        all.replace("Vary", "allow"),
        all.replace("/ok", "/o"),
        all.replace("/items", "/items/*/id"),
        all.replace("/nested", "/nested/a~1b"),
    ] {
        assert_eq!(found(a(), b(), &format!("{ONE}allow: {less}\n")).await.0, "different", "{less}");
    }
}

#[tokio::test]
async fn both_get_the_same_request_and_the_token_that_the_case_names() {
    let ((a, on_a), (b, on_b), folder) = (listening().await, listening().await, Folder::new());
    let cases = "cases:\n\
                 - { name: n, path: '/n?q=1', headers: { X-Own: v } }\n\
                 - { name: r, path: /r, token: reader }\n\
                 - { name: w, method: POST, path: /w, token: writer, body: '{\"a\":1}', headers: { content-type: application/json } }\n";
    let arguments = Arguments {
        reader: Some("reader-token".to_owned()),
        writer: Some("reader-token-and-more".to_owned()),
        ..arguments(&format!("{a}/"), &format!("{b}/below"), &folder.file("cases.yaml", cases))
    };
    let report = compare(&arguments).await.unwrap();
    let [on_a, on_b] = [on_a, on_b].map(|asked| std::mem::take(&mut *asked.lock().unwrap()));
    let targets = |asked: &[(String, String, HeaderMap, Bytes)]| {
        asked.iter().map(|(method, target, _, _)| format!("{method} {target}")).collect::<Vec<_>>()
    };
    assert_eq!(targets(&on_a), ["GET /n?q=1", "GET /r", "POST /w"]);
    assert_eq!(targets(&on_b), ["GET /below/n?q=1", "GET /below/r", "POST /below/w"]);
    for (one, other) in on_a.iter().zip(&on_b) {
        let without_host = |headers: &HeaderMap| {
            let mut headers = headers.clone();
            headers.remove("host");
            headers
        };
        assert_eq!((without_host(&one.2), &one.3), (without_host(&other.2), &other.3));
    }
    let tokens: Vec<_> =
        on_a.iter().map(|asked| asked.2.get("authorization").and_then(|v| v.to_str().ok())).collect();
    assert_eq!(tokens, [None, Some("Bearer reader-token"), Some("Bearer reader-token-and-more")]);
    assert_eq!(&on_a[2].3[..], b"{\"a\":1}");
    assert!(report.is_same(), "{}", report.to_text());
    for text in [report.to_text(), report.to_markdown(), report.to_json().to_string()] {
        assert!(!text.contains("reader-token") && !text.contains("q=1"), "{text}");
    }
    assert!(report.to_json().to_string().contains("[token]"));
}

#[tokio::test]
async fn redirects_are_compared_and_not_followed() {
    let (elsewhere, asked) = listening().await;
    let to = |status: StatusCode, location: String| {
        serve(Router::new().fallback(move || async move {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response.headers_mut().insert("location", HeaderValue::from_str(&location).unwrap());
            response
        }))
    };
    let a = to(StatusCode::FOUND, format!("{elsewhere}/sign-in?state=1")).await;
    let b = to(StatusCode::FOUND, "/sign-in".to_owned()).await;
    let folder = Folder::new();
    let report = compare(&arguments(&a, &b, &folder.file("cases.yaml", ONE))).await.unwrap();
    assert!(report.is_same() && asked.lock().unwrap().is_empty(), "{}", report.to_text());
    assert_eq!(report.to_json()["cases"][0]["a"]["headers"]["location"], json!("/sign-in"));
}

#[tokio::test]
async fn a_case_whose_token_is_not_there_is_skipped_and_all_skipped_is_nothing() {
    let (a, b, folder) = (answering(Answer::full()).await, answering(Answer::full()).await, Folder::new());
    let some =
        folder.file("some.yaml", "cases: [{ name: a, path: /a, token: reader }, { name: b, path: /b }]");
    let report = compare(&arguments(&a, &b, &some)).await.unwrap();
    assert!(report.is_same() && report.to_text().contains("skipped: no --reader"), "{}", report.to_text());
    let all = folder.file("all.yaml", "cases: [{ name: a, path: /a, token: writer }]");
    assert!(compare(&arguments(&a, &b, &all)).await.is_err());
}

#[tokio::test]
async fn a_side_where_nobody_is_differs_whatever_is_allowed() {
    let (a, folder) = (answering(Answer::full()).await, Folder::new());
    let cases = "cases: [{ name: a, path: /a }, { name: b, path: /b }]\nallow: [{ path: '', why: all }]\n";
    let report =
        compare(&arguments(&a, "http://127.0.0.1:1", &folder.file("cases.yaml", cases))).await.unwrap();
    assert!(!report.is_same() && report.to_text().contains("not asked: nobody was there before"));
}
