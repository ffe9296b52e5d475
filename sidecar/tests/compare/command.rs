//! How the command ends, and its reports.

use super::stand::*;
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use gatewaystack::compare::{Arguments, compare};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

fn program(arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gatewaystack"));
    command.arg("compare").args(arguments).env_clear().output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_with_0_1_or_2() {
    let (a, b) = (answering(Answer::full()).await, answering(Answer::full().without("vary")).await);
    let folder = Folder::new();
    let cases = folder.file("cases.yaml", ONE);
    let bad = folder.file("bad.yaml", "cases: [{ name: a, paths: /a }]\nmore: 1\n");
    let (cases, bad) = (cases.to_str().unwrap(), bad.to_str().unwrap());
    let code = |arguments: &[&str]| program(arguments).status.code();
    assert_eq!(code(&[&a, &a, "--cases", cases]), Some(0));
    assert_eq!(code(&[&a, &b, "--cases", cases]), Some(1));
    assert_eq!(code(&[&a, &b]), Some(1));
    assert_eq!(code(&[&a, "http://127.0.0.1:1", "--cases", cases]), Some(1));
    for wrong in [
        vec![],
        vec![a.as_str()],
        vec![&a, "gateway.example.com"],
        vec![&a, "ftp://gateway.example.com"],
        vec![&a, "http://user:secret@127.0.0.1:1"],
        vec![&a, "http://127.0.0.1:1/?token=secret"],
        vec![&a, &b, "--cases", "/none/such.yaml"],
        vec![&a, &b, "--cases", bad],
        vec![&a, &b, "--cases", "/dev/zero"],
        vec![&a, "http://user:secret@[bad"],
        vec![&a, &b, "--cases", cases, "--reader", "@/none/such"],
        vec![&a, &b, "--cases", cases, "--reader", ""],
        vec![&a, "http://gateway.example.com", "--cases", cases, "--reader", "secret"],
        vec![&a, &a, "--cases", cases, "--markdown", "/none/such/report.md"],
        vec![&a, &b, "--other"],
    ] {
        let out = program(&wrong);
        assert_eq!(out.status.code(), Some(2), "{wrong:?}");
        let words = String::from_utf8(out.stderr).unwrap();
        assert!(!words.is_empty() && !words.contains("secret"), "{words}");
    }
    let words = String::from_utf8(program(&[&a, &b, "--cases", bad]).stderr).unwrap();
    let places: Vec<&str> =
        words.lines().filter_map(|line| line.strip_prefix(bad)?.split(": ").nth(1)).collect();
    assert_eq!(places, ["more", "cases[0].paths", "cases[0].path"], "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_json_and_markdown_with_both_sides() {
    let (a, folder) = (answering(Answer::full()).await, Folder::new());
    let b = answering(Answer::full().status(201).body("{\"a|`b\":1}")).await;
    let cases = folder
        .file("cases.yaml", "cases: [{ name: 'a | b', path: /one }]\nallow: [{ path: /none, why: old }]\n");
    let report = folder.0.path().join("report.md");
    let (cases, file) = (cases.to_str().unwrap(), report.to_str().unwrap());
    let out = program(&[&a, &b, "--cases", cases, "--json", "--report", file]);
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(
        (&told["a"], &told["same"], &told["unused"]),
        (&json!(format!("{a}/")), &json!(false), &json!(["old"]))
    );
    let case = &told["cases"][0];
    assert_eq!((&case["a"]["status"], &case["b"]["status"]), (&json!(200), &json!(201)));
    assert_eq!(case["a"]["shape"]["/items/*/tag"], json!("null"));
    assert_eq!(case["a"]["headers"]["www-authenticate"], json!("bearer (realm, resource_metadata, scope)"));
    let first = json!({ "what": "status", "at": null, "a": "200", "b": "201", "allowed": null });
    assert_eq!(case["differences"][0], first);
    let text = std::fs::read_to_string(&report).unwrap();
    for line in [
        "| `a \\| b` | 200 | 201 | DIFFERENT |",
        "| `status` | `200` | `201` | – |",
        "| `body /a\\|'b` | – | `number` | – |",
        "- `old`",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

/// The first block of this language in `docs/compare.md`.
fn documented(language: &str) -> String {
    let file = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../docs/compare.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (_, block) = text.split_once(&format!("\n```{language}\n")).unwrap();
    block.split_once("\n```").unwrap().0.to_owned()
}

#[tokio::test]
async fn the_documents_file_gives_the_documents_report() {
    let by_method = |get: Answer, post: Answer| {
        serve(Router::new().fallback(move |request: Request| async move {
            if request.method() == "GET" { get.response() } else { post.response() }
        }))
    };
    let bare = || Answer { status: 200, headers: HeaderMap::new(), body: Vec::new() };
    let json = |body: Value| bare().with("content-type", "application/json").body(body.to_string());
    let refused = |more: Value, challenge| {
        let mut body = json!({ "error": "unauthorized" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json(body).status(401).with("www-authenticate", challenge)
    };
    let a = by_method(
        json(json!({ "notes": [{ "id": 1, "text": "a" }] })),
        refused(json!({}), "Bearer realm=\"mcp\""),
    );
    let b = by_method(
        json(json!({ "notes": [{ "id": "1", "text": "a" }] })).with("vary", "origin"),
        refused(json!({ "request_id": "x" }), "Bearer realm=\"mcp\", scope=\"notes:write\""),
    );
    let (a, b, folder) = (a.await, b.await, Folder::new());
    let cases = folder.file("cases.yaml", &documented("yaml"));
    let arguments = Arguments { reader: Some("t".repeat(20)), ..arguments(&a, &b, &cases) };
    let report = compare(&arguments).await.unwrap().to_markdown();
    let report = report.replace(&a, "https://old.example.com").replace(&b, "https://new.example.com");
    assert_eq!(documented("markdown").trim(), report.trim(), "\n{report}");
}

#[tokio::test]
async fn a_file_without_cases_has_those_of_the_original() {
    let (a, folder) = (answering(Answer::full()).await, Folder::new());
    let b = answering(Answer::full().without("vary")).await;
    let file = folder.file("allow.yaml", "allow: [{ header: vary, why: meant }]\n");
    let report = compare(&arguments(&a, &b, &file)).await.unwrap();
    assert!(report.is_same() && report.rows.len() > 25, "{}", report.to_text());
}
