//! What came back of a row. In: an answer. Out: as much of it as rows look at.

use crate::client::{Client, MAX_BODY, Request, cause};
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub challenge: String,
    pub retry_after: bool,
    pub body: Value,
}

impl Reply {
    /// Sends a request, and reads the answer to its end.
    ///
    /// # Errors
    /// Why nothing came back.
    pub async fn by(client: &Client, request: &Request<'_>) -> Result<Self, String> {
        let mut response = client.ask(request).await.map_err(|failed| failed.why)?;
        let header = |name: &str| {
            response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (challenge, retry_after) = (header("www-authenticate"), !header("retry-after").is_empty());
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|e| cause(&e))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                return Err(format!("more than {MAX_BODY} bytes"));
            }
        }
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Self { status, challenge, retry_after, body })
    }

    /// `error` of the body.
    pub fn error(&self) -> &str {
        self.body.get("error").and_then(Value::as_str).unwrap_or_default()
    }
}
