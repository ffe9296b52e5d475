//! An issuer that tests command: it counts fetches, rotates keys, and fails in the ways that issuers fail.

use crate::token::{Key, key_a};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the issuer answers.
#[derive(Clone)]
pub enum Mood {
    /// As it should.
    Well,
    /// With this status and body.
    Answers(u16, String),
    /// Not at all, until its mood changes.
    Hangs,
}

struct Inner {
    url: String,
    keys: Vec<Key>,
    mood: Mood,
    fetches: usize,
    cache_control: Option<&'static str>,
    configuration: Option<Value>,
}

/// The issuer.
pub struct TestIssuer {
    /// Its identifier, with a trailing slash.
    pub url: String,
    inner: Arc<Mutex<Inner>>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl TestIssuer {
    /// An issuer with key a.
    pub async fn start() -> Self {
        Self::with_keys(vec![key_a()]).await
    }

    /// An issuer with these keys.
    pub async fn with_keys(keys: Vec<Key>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let inner = Inner {
            url: url.clone(),
            keys,
            mood: Mood::Well,
            fetches: 0,
            cache_control: None,
            configuration: None,
        };
        let issuer = Self { url, inner: Arc::new(Mutex::new(inner)), server: Mutex::new(None) };
        issuer.serve(listener);
        issuer
    }

    fn serve(&self, listener: TcpListener) {
        let router = Router::new().fallback(answer).with_state(Arc::clone(&self.inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        *self.server.lock().unwrap() = Some(task);
    }

    /// Stops listening: connections are refused.
    pub fn down(&self) {
        self.server.lock().unwrap().take().unwrap().abort();
        self.set_mood(Mood::Answers(500, String::new()));
    }

    /// Listens again on the same port.
    pub async fn up(&self) {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener =
            crate::eventually("the issuer's port", || async { TcpListener::bind(&address).await.ok() }).await;
        self.set_mood(Mood::Well);
        self.serve(listener);
    }

    pub fn set_mood(&self, mood: Mood) {
        self.inner.lock().unwrap().mood = mood;
    }

    pub fn set_keys(&self, keys: Vec<Key>) {
        self.inner.lock().unwrap().keys = keys;
    }

    pub fn set_cache_control(&self, value: &'static str) {
        self.inner.lock().unwrap().cache_control = Some(value);
    }

    /// Another discovery document than its own.
    pub fn set_configuration(&self, document: Value) {
        self.inner.lock().unwrap().configuration = Some(document);
    }

    /// How often the key set was asked for.
    pub fn fetches(&self) -> usize {
        self.inner.lock().unwrap().fetches
    }

    pub fn first_key(&self) -> Key {
        self.inner.lock().unwrap().keys[0].clone()
    }
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, request: Request) -> (StatusCode, HeaderMap, String) {
    let path = request.uri().path().to_owned();
    if path == "/jwks" {
        inner.lock().unwrap().fetches += 1;
    }
    let mut mood = inner.lock().unwrap().mood.clone();
    while matches!(mood, Mood::Hangs) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        mood = inner.lock().unwrap().mood.clone();
    }
    let inner = inner.lock().unwrap();
    let mut headers = HeaderMap::new();
    if let Some(value) = inner.cache_control {
        headers.insert("cache-control", HeaderValue::from_static(value));
    }
    match (mood, inner.document(&path)) {
        (Mood::Answers(status, body), _) => (StatusCode::from_u16(status).unwrap(), headers, body),
        (_, Some(document)) => (StatusCode::OK, headers, document.to_string()),
        (_, None) => (StatusCode::NOT_FOUND, headers, String::new()),
    }
}

impl Inner {
    fn document(&self, path: &str) -> Option<Value> {
        let own = || json!({"issuer": self.url, "jwks_uri": format!("{}jwks", self.url)});
        match path {
            "/jwks" => Some(json!({"keys": self.keys.iter().map(Key::jwk).collect::<Vec<_>>()})),
            "/.well-known/openid-configuration" => Some(self.configuration.clone().unwrap_or_else(own)),
            _ => None,
        }
    }
}
