//! The echo server: any method on any path is answered with what arrived,
//! `{"method","path","query","headers","body"}`. A query or header name that comes once has a string, one
//! that comes more often a list, so that a doubled identity header can't hide. A few paths misbehave on
//! purpose, for tests: `/hang`, `/reset`, `/slow?ms=`, `/status/{code}`, `/stream?n=` (SSE), `/live`
//! (websocket echo).

use crate::server::{self, Abort, Running};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Path, Query};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::stream;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Larger bodies get 413.
const MAX_BODY: usize = 1024 * 1024;
const MAX_EVENTS: usize = 10_000;
const MAX_DELAY: Duration = Duration::from_secs(60);
const DEFAULT_EVENTS: usize = 3;

/// The echo server.
pub struct Echo;

impl Echo {
    /// Listens on 127.0.0.1 at `port`, or at a free port for 0.
    pub async fn start(port: u16) -> io::Result<Running> {
        Self::start_on(server::HERE, port).await
    }

    /// The same on another address: in a container.
    pub async fn start_on(bind: IpAddr, port: u16) -> io::Result<Running> {
        server::start(bind, port, |_| router()).await
    }
}

fn router() -> Router {
    Router::new()
        .route("/health", get(async || axum::Json(json!({ "ok": true }))))
        .route("/hang", any(std::future::pending::<Infallible>))
        .route("/reset", any(reset))
        .route("/slow", any(slow))
        .route("/status/{code}", any(status))
        .route("/stream", get(events))
        .route("/live", any(live))
        .fallback(echo)
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> axum::Json<Value> {
    let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap_or_default();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
    axum::Json(json!({
        "method": method.as_str(),
        "path": uri.path(),
        "query": grouped(query),
        "headers": grouped(headers),
        "body": text(&body),
    }))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn grouped(pairs: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in pairs {
        let value = Value::String(value);
        let merged = match map.remove(&name) {
            None => value,
            Some(Value::Array(mut values)) => {
                values.push(value);
                Value::Array(values)
            }
            Some(first) => json!([first, value]),
        };
        map.insert(name, merged);
    }
    map
}

async fn reset() -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(Abort);
    response
}

async fn slow(uri: Uri, method: Method, headers: HeaderMap, body: Bytes) -> axum::Json<Value> {
    let delay = Duration::from_millis(number(&uri, "ms").unwrap_or(1000));
    tokio::time::sleep(delay.min(MAX_DELAY)).await;
    echo(method, uri, headers, body).await
}

fn number(uri: &Uri, name: &str) -> Option<u64> {
    let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    query.into_iter().rfind(|(key, _)| key == name)?.1.parse().ok()
}

async fn status(Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        // 1xx can't end an exchange, so hyper wouldn't send it.
        Ok(code) if code.as_u16() >= 200 => {
            (code, axum::Json(json!({ "status": code.as_u16() }))).into_response()
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn events(uri: Uri) -> Response {
    let count = number(&uri, "n").and_then(|n| usize::try_from(n).ok()).unwrap_or(DEFAULT_EVENTS);
    let events =
        (1..=count.min(MAX_EVENTS)).map(|n| Ok::<_, Infallible>(format!("id: {n}\ndata: {{\"n\":{n}}}\n\n")));
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (kind, Body::from_stream(stream::iter(events))).into_response()
}

/// A plain request is echoed here, too: so the same path shows what an upgrade would have carried.
async fn live(
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    match upgrade {
        Ok(upgrade) => {
            let user = headers.get("x-user-id").map(|value| text(value.as_bytes()));
            upgrade.max_message_size(MAX_BODY).on_upgrade(|socket| converse(socket, user))
        }
        Err(_) => echo(method, uri, headers, Bytes::new()).await.into_response(),
    }
}

/// First says who the gateway says it is (`user:` and the identity header, or `user:-`), then echoes.
async fn converse(mut socket: WebSocket, user: Option<String>) {
    let greeting = format!("user:{}", user.as_deref().unwrap_or("-"));
    if socket.send(Message::Text(greeting.into())).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.recv().await {
        let echoed = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            Message::Close(_) => return,
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        };
        if echoed.is_err() {
            return;
        }
    }
}
