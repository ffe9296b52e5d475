//! The stand-in of Auth0 answers as Auth0's documentation says, and fails as it is told to. No Envoy is
//! needed here.

mod faults;
mod operations;
mod tokens;

use gatewaystack_tests::auth0::{MANAGEMENT_CLIENT, MANAGEMENT_SECRET};
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::time::Duration;

const CALLBACK: &str = "https://claude.ai/api/mcp/auth_callback";

/// One call with these headers, on a connection of its own.
async fn send(auth0: &Auth0, method: &str, path: &str, headers: &str, body: &str) -> Response {
    let (host, length) = (auth0.domain(), body.len());
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    client::raw(host, format!("{head}{headers}\r\n{body}").as_bytes()).await
}

async fn call(auth0: &Auth0, token: &str, method: &str, path: &str, body: &Value) -> Response {
    let headers = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(auth0, method, path, &headers, &body).await
}

async fn ask_token(auth0: &Auth0, changes: &Value) -> Response {
    let mut body = json!({
        "grant_type": "client_credentials", "client_id": MANAGEMENT_CLIENT, "client_secret": MANAGEMENT_SECRET,
        "audience": format!("http://{}/api/v2/", auth0.domain()),
    });
    body.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap_or_default());
    send(auth0, "POST", "/oauth/token", "content-type: application/json\r\n", &body.to_string()).await
}

async fn token(auth0: &Auth0) -> String {
    ask_token(auth0, &json!({})).await.json()["access_token"].as_str().unwrap().to_owned()
}

/// Whether `got` has all that `want` has; a list must have the same length.
fn holds(got: &Value, want: &Value) -> bool {
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            want.iter().all(|(name, w)| got.get(name).is_some_and(|g| holds(g, w)))
        }
        (Value::Array(got), Value::Array(want)) => {
            got.len() == want.len() && got.iter().zip(want).all(|(g, w)| holds(g, w))
        }
        _ => got == want,
    }
}

fn error(status: u16, error: &str, message: &str, code: &str) -> Value {
    json!({"statusCode": status, "error": error, "message": message, "errorCode": code})
}

fn invalid(message: &str) -> Value {
    error(400, "Bad Request", &format!("Payload validation error: {message}"), "invalid_body")
}

type Row = (&'static str, &'static str, Value, u16, Value);

/// Each row's call in turn; `{client}`, `{con}` and `{grant}` stand for ids.
async fn check(auth0: &Auth0, ids: &[(&str, &str)], rows: Vec<Row>) {
    let token = token(auth0).await;
    let fill = |text: String| ids.iter().fold(text, |t, (name, id)| t.replace(&format!("{{{name}}}"), id));
    for (method, path, body, status, want) in rows {
        let body: Value = serde_json::from_str(&fill(body.to_string())).unwrap();
        let want: Value = serde_json::from_str(&fill(want.to_string())).unwrap();
        let got = call(auth0, &token, method, &fill(path.to_owned()), &body).await;
        assert_eq!(got.status, status, "{method} {path} {body}: {got:?}");
        assert!(got.header("x-ratelimit-remaining").is_some(), "{got:?}");
        let answer = if got.body.is_empty() { Value::Null } else { got.json() };
        assert!(holds(&answer, &want), "{method} {path} {body}: {answer}\ninstead of {want}");
    }
}

#[tokio::test]
async fn a_registration_makes_a_client_and_an_event() {
    let auth0 = Auth0::start().await;
    let body = json!({"client_name": "ChatGPT", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "implicit"]});
    let kind = "content-type: application/json\r\n";
    let got = send(&auth0, "POST", "/oidc/register", kind, &body.to_string()).await;
    assert_eq!(got.status, 201, "{got:?}");
    let answer = got.json();
    let want = json!({"client_name": "ChatGPT", "redirect_uris": [CALLBACK], "grant_types": ["authorization_code"],
        "client_secret_expires_at": 0, "token_endpoint_auth_method": "none"});
    assert!(holds(&answer, &want), "{answer}");
    assert_eq!(answer.get("client_secret"), None);
    assert_eq!(send(&auth0, "POST", "/oidc/register", kind, "{}").await.status, 400);

    let id = answer["client_id"].as_str().unwrap();
    let event = auth0.registration_event(id);
    let want = json!({"data": {"type": "sapi", "description": "Dynamic client registration", "client_id": null,
    "log_id": event["log_id"], "details": {
        "request": {"method": "post", "path": "/oidc/register", "body": body},
        "response": {"statusCode": 201, "body": {"client_id": id, "name": "ChatGPT", "callbacks": [CALLBACK]}},
    }}});
    assert!(holds(&event, &want), "{event}");
    assert_eq!(event["log_id"].as_str().unwrap().len(), 56);
    let date = event["data"]["date"].as_str().unwrap();
    assert!(date.len() == 24 && date.starts_with("20") && date.ends_with('Z'), "{date}");
    assert_eq!(auth0.registration_event(id), event, "sent again, it is the same");

    let secretive = auth0.register("Claude", &[CALLBACK]);
    let event = auth0.registration_event(&secretive);
    assert_eq!(event["data"]["details"]["response"]["body"]["client_secret"], "REDACTED");
}

#[tokio::test]
async fn it_goes_down_and_comes_up_with_what_it_held() {
    let auth0 = Auth0::start().await;
    let token = token(&auth0).await;
    let id = auth0.register("Claude", &[CALLBACK]);
    auth0.down();
    eventually("refused connections", || async {
        tokio::net::TcpStream::connect(auth0.domain()).await.is_err().then_some(())
    })
    .await;
    auth0.up().await;
    let got = call(&auth0, &token, "GET", &format!("/api/v2/clients/{id}"), &Value::Null).await;
    assert_eq!(got.status, 200, "{got:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_thousands_of_calls_from_many_at_once() {
    let auth0 = Auth0::start().await;
    let token = token(&auth0).await;
    auth0.set_rate(100_000, 100_000);
    let tasks = (0..8).map(|_| {
        let (domain, token) = (auth0.domain().to_owned(), token.clone());
        tokio::spawn(async move {
            for _ in 0..250 {
                let request = format!(
                    "GET /api/v2/connections HTTP/1.1\r\nhost: {domain}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
                );
                assert_eq!(client::raw(&domain, request.as_bytes()).await.status, 200);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}
