//! Small servers for `compare`: an answer in, a base URL out.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use gatewaystack::compare::Arguments;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// An answer that has everything that is compared.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn full() -> Self {
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            (
                "www-authenticate",
                "Bearer realm=\"mcp\", scope=\"tool:read\", resource_metadata=\"https://a.example/x\"",
            ),
            ("cache-control", "no-store, max-age=60"),
            ("allow", "GET, POST"),
            ("location", "/somewhere?code=1"),
            ("retry-after", "7"),
            ("ratelimit-limit", "60"),
            ("vary", "Origin, Accept"),
            ("access-control-allow-origin", "https://app.example"),
            ("mcp-session-id", "1"),
            ("date", "Mon, 30 Nov 2026 00:00:00 GMT"),
        ];
        let pair = |(name, value): (&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let body = json!({ "ok": true, "items": [{ "id": 1, "tag": null }], "nested": { "a/b": "x" } });
        Self { status: 200, headers: headers.into_iter().map(pair).collect(), body: body.to_string().into() }
    }

    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    pub fn and(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(name, HeaderValue::from_static(value));
        self
    }

    pub fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn events(self, body: &str) -> Self {
        self.with("content-type", "text/event-stream").body(body)
    }

    pub fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        *response.headers_mut() = self.headers;
        response
    }
}

/// What a server was asked: method, path and query, headers, body.
pub type Asked = Arc<Mutex<Vec<(String, String, HeaderMap, Bytes)>>>;

pub async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

pub async fn answering(answer: Answer) -> String {
    serve(Router::new().fallback(move || async move { answer.response() })).await
}

pub async fn listening() -> (String, Asked) {
    let asked = Asked::default();
    let kept = asked.clone();
    let router = Router::new().fallback(move |request: Request| async move {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let (method, target) = (head.method.to_string(), head.uri.path_and_query().unwrap().to_string());
        kept.lock().unwrap().push((method, target, head.headers.clone(), body));
        // An echo server, at its worst: the token is a value, a member and a header.
        let token =
            head.headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("none").to_owned();
        let bare = token.trim_start_matches("Bearer ").to_owned();
        let body = json!({ "token": token, bare.clone(): [1] });
        Answer::full().body(body.to_string()).response_with("cache-control", &format!("private={bare}"))
    });
    (serve(router).await, asked)
}

impl Answer {
    pub fn response_with(mut self, name: &'static str, value: &str) -> Response<Body> {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self.response()
    }
}

pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }
}

pub fn arguments(a: &str, b: &str, cases: &Path) -> Arguments {
    Arguments {
        a: a.to_owned(),
        b: b.to_owned(),
        cases: Some(cases.to_owned()),
        reader: None,
        writer: None,
        json: false,
        markdown: None,
    }
}

pub const ONE: &str = "cases: [{ name: one, path: /one }]\n";
