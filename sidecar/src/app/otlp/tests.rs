//! Records by OTLP: what counts as one, who may send, and what is too much.

use super::*;
use crate::ledger::{Ledger, Limits};
use axum::body::Body;
use axum::http::Method;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use serde_json::json;
use tempfile::TempDir;
use tower::ServiceExt as _;

const SHOWN: &str = "5ecre7";

fn records() -> (TempDir, Arc<Records>, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Limits { keep_ms: 1 << 40, max_bytes: 1 << 30 }).unwrap();
    (folder, Arc::new(Records::new(SHOWN.into(), ledger.clone(), Arc::default())), ledger)
}

fn line(seq: u64) -> String {
    format!("{{\"status\":200,\"vm\":\"00000000000000aa\",\"seq\":{seq},\"decision\":\"allow\"}}\n")
}

fn request(bodies: Vec<Option<Value>>) -> ExportLogsServiceRequest {
    let record = |value| LogRecord { body: Some(AnyValue { value }), ..LogRecord::default() };
    let scope = ScopeLogs { log_records: bodies.into_iter().map(record).collect(), ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }
}

fn texts(texts: &[&str]) -> ExportLogsServiceRequest {
    request(texts.iter().map(|text| Some(Value::StringValue((*text).to_owned()))).collect())
}

#[test]
fn a_body_that_is_text_is_a_line_and_all_else_is_none() {
    let all = request(vec![
        Some(Value::StringValue("{\"a\":\n1}\n".to_owned())),
        Some(Value::IntValue(1)),
        Some(Value::StringValue("  ".to_owned())),
        None,
    ]);
    assert_eq!(String::from_utf8(lines(all)).unwrap(), "{\"a\": 1}\n?\n?\n?\n");
    assert_eq!(lines(ExportLogsServiceRequest::default()), b"");
}

async fn post_to(
    records: &Arc<Records>,
    secret: &str,
    kind: &str,
    body: impl Into<Body>,
) -> (StatusCode, Vec<u8>) {
    let request = axum::http::Request::builder()
        .method(Method::POST)
        .uri("/v1/logs")
        .header(SECRET, secret)
        .header("content-type", kind)
        .body(body.into())
        .unwrap();
    let response = routes(Arc::clone(records)).oneshot(request).await.unwrap();
    (response.status(), to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
}

#[tokio::test]
async fn records_come_over_http_in_both_forms_and_count_once() {
    let (_folder, records, ledger) = records();
    const PROTOBUF: &str = "application/x-protobuf";
    let body = texts(&[&line(1), &line(2), "no record"]).encode_to_vec();
    for _ in 0..2 {
        let (status, said) = post_to(&records, SHOWN, PROTOBUF, body.clone()).await;
        let said = ExportLogsServiceResponse::decode(said.as_slice()).unwrap();
        assert_eq!((status, said.partial_success.unwrap().rejected_log_records), (StatusCode::OK, 1));
    }
    let json = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"timeUnixNano": "1", "body": {"stringValue": line(2)}}, {"body": {"stringValue": line(3)}},
    ]}]}]});
    let (status, said) = post_to(&records, SHOWN, "application/json; charset=utf-8", json.to_string()).await;
    assert_eq!((status, said.as_slice()), (StatusCode::OK, &b"{}"[..]));
    let none =
        json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "none"}}]}]}]});
    let (status, said) = post_to(&records, SHOWN, "application/json", none.to_string()).await;
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!((status, &said["partialSuccess"]["rejectedLogRecords"]), (StatusCode::OK, &json!("1")));
    assert_eq!(ledger.standing().totals.records, 3);
    for (secret, kind, body, expect) in [
        ("5ecre8", PROTOBUF, body.clone(), StatusCode::FORBIDDEN),
        ("", PROTOBUF, body.clone(), StatusCode::FORBIDDEN),
        (SHOWN, "text/plain", body.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (SHOWN, PROTOBUF, vec![0xff; 9], StatusCode::BAD_REQUEST),
        (SHOWN, "application/json", b"[]".to_vec(), StatusCode::BAD_REQUEST),
        (SHOWN, PROTOBUF, vec![0; MAX_MESSAGE + 1], StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(post_to(&records, secret, kind, body).await.0, expect, "{kind}");
    }
    assert_eq!(ledger.standing().totals.records, 3);
}

#[tokio::test]
async fn records_come_by_grpc_from_who_shows_the_secret() {
    let (folder, records, ledger) = records();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = watch::channel(false);
    let otlp = Otlp { records, host: String::new(), port: 0 };
    let served = tokio::spawn(otlp.serve(listener, told));
    let channel = tonic::transport::Endpoint::new(url).unwrap().connect().await.unwrap();
    let mut client = LogsServiceClient::new(channel);
    let with = |secret: &str, request: ExportLogsServiceRequest| {
        let mut request = tonic::Request::new(request);
        request.metadata_mut().insert(SECRET, secret.parse().unwrap());
        request
    };
    let open = client.export(tonic::Request::new(texts(&[&line(1)]))).await.unwrap_err();
    assert_eq!(open.code(), Code::PermissionDenied);
    let wrong = client.export(with("5ecre8", texts(&[&line(1)]))).await.unwrap_err();
    assert_eq!(wrong.code(), Code::PermissionDenied);
    let large = "x".repeat(MAX_MESSAGE + 1);
    assert_eq!(client.export(with(SHOWN, texts(&[&large]))).await.unwrap_err().code(), Code::OutOfRange);
    assert_eq!(ledger.standing().totals.records, 0);
    for _ in 0..2 {
        let said = client.export(with(SHOWN, texts(&[&line(1), &line(2)]))).await.unwrap();
        assert_eq!(said.into_inner().partial_success, None);
    }
    assert_eq!(ledger.standing().totals.records, 2);
    let db = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
    db.execute_batch("ALTER TABLE record RENAME TO elsewhere").unwrap();
    let trouble = client.export(with(SHOWN, texts(&[&line(3)]))).await.unwrap_err();
    assert_eq!(trouble.code(), Code::Unavailable);
    drop(client);
    tell.send_replace(true);
    served.await.unwrap();
}
