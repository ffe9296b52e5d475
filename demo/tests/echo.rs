//! The echo server, as its users see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod client;

use gatewaystack_demo::Echo;
use serde_json::{Value, json};

#[tokio::test]
async fn shows_method_path_query_headers_and_body() {
    let echo = Echo::start(0).await.unwrap();
    let answer: Value = client::client()
        .put(format!("{}/a/b?foo=bar&x=1&x=2", echo.url))
        .header("X-User-Id", "alice")
        .header("X-Twice", "1")
        .header("X-Twice", "2")
        .body("hello")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer["method"], "PUT");
    assert_eq!(answer["path"], "/a/b");
    assert_eq!(answer["query"], json!({ "foo": "bar", "x": ["1", "2"] }));
    assert_eq!(answer["headers"]["x-user-id"], "alice");
    assert_eq!(answer["headers"]["x-twice"], json!(["1", "2"]));
    assert_eq!(answer["body"], "hello");
}

#[tokio::test]
async fn answers_health_and_the_wished_status() {
    let echo = Echo::start(0).await.unwrap();
    assert_eq!(client::client().get(format!("{}/health", echo.url)).send().await.unwrap().status(), 200);
    for code in [200, 204, 404, 418, 503] {
        assert_eq!(
            client::client().get(format!("{}/status/{code}", echo.url)).send().await.unwrap().status(),
            code
        );
    }
    assert_eq!(client::client().get(format!("{}/status/99", echo.url)).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn refuses_a_body_over_a_mebibyte() {
    let echo = Echo::start(0).await.unwrap();
    let post = |size: usize| client::client().post(format!("{}/x", echo.url)).body(vec![b'a'; size]).send();
    assert_eq!(post(1024 * 1024).await.unwrap().status(), 200);
    // The server may cut the connection while we still send.
    assert!(post(1024 * 1024 + 1).await.map_or(true, |answer| answer.status() == 413));
}

#[tokio::test]
async fn closes_the_connection_on_reset_and_streams_events() {
    let echo = Echo::start(0).await.unwrap();
    assert!(client::client().get(format!("{}/reset", echo.url)).send().await.is_err());
    let stream = client::client().get(format!("{}/stream", echo.url)).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(stream.text().await.unwrap().matches("data: ").count(), 3);
    let stream = client::client().get(format!("{}/stream?n=7", echo.url)).send().await.unwrap();
    assert_eq!(stream.text().await.unwrap().matches("data: ").count(), 7);
}

#[tokio::test]
async fn echoes_websocket_messages() {
    use futures_util::{SinkExt, StreamExt};
    let echo = Echo::start(0).await.unwrap();
    let address = echo.url.replace("http://", "ws://");
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("{address}/live")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "user:-");
    socket.send("hello".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "hello");
}

#[tokio::test]
async fn stopping_ends_open_connections() {
    let echo = Echo::start(0).await.unwrap();
    let hanging = tokio::spawn(client::client().get(format!("{}/hang", echo.url)).send());
    let url = echo.url.clone();
    echo.stop().await;
    assert!(hanging.await.unwrap().is_err());
    assert!(client::client().get(url).send().await.is_err());
}
