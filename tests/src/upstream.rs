//! An upstream that remembers what reached it, and answers with it; where an upgrade is asked for, it sends
//! back what comes.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Seen = Arc<Mutex<Vec<Value>>>;

/// The upstream.
pub struct Upstream {
    pub url: String,
    seen: Seen,
    task: JoinHandle<()>,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Seen::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, task }
    }

    /// The requests so far: `method`, `target`, `headers` (name to a list of values), `trailers`, `body`.
    pub fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(seen): State<Seen>, mut request: Request) -> Response {
    let upgrade = request.headers().contains_key("upgrade").then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Body::empty().into_response() };
    let list = |headers: &http::HeaderMap| {
        let mut map = serde_json::Map::new();
        for name in headers.keys() {
            let values: Vec<_> = headers
                .get_all(name)
                .iter()
                .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
                .collect();
            map.insert(name.as_str().to_owned(), json!(values));
        }
        Value::Object(map)
    };
    let trailers = body.trailers().map(&list).unwrap_or_default();
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let request = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.path_and_query().map(|t| t.as_str()),
        "headers": list(&parts.headers),
        "trailers": trailers,
        "body": body,
    });
    seen.lock().unwrap().push(request.clone());
    let Some(upgrade) = upgrade else { return axum::Json(request).into_response() };
    tokio::spawn(async move {
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    let headers = [("connection", "upgrade"), ("upgrade", "websocket")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
