//! Auth0's Management API: a call in, its answer out. One token for all calls, renewed before it ends; calls
//! wait while the tenant's rate limit is spent ([`pace`]); no redirects, bounded answers, and no secret in
//! any message.

mod pace;
mod token;
mod trouble;
pub mod types;

use crate::fetch;
use crate::metrics::Metrics;
use pace::Pace;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
pub use token::Credentials;
use token::Tokens;
pub use trouble::Trouble;
use trouble::{message, parse};

/// Calls at once. Few, so that a tenant's limit is felt before it is overrun.
pub const CONCURRENCY: usize = 4;
const MAX_ANSWER: usize = 2 * 1024 * 1024;
/// A refusal for its rate is taken this often before the caller hears of it, and at once when it shall wait
/// longer than this.
const PATIENCE: usize = 3;
const SHORT: Duration = Duration::from_secs(10);

/// An answer that isn't a fault: 2xx, or another status for the caller to judge.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

/// The API of one tenant.
pub struct Management {
    base: String,
    tokens: Tokens,
    pace: Pace,
    metrics: Arc<Metrics>,
}

impl Management {
    /// The API at `base` (`https://tenant.eu.auth0.com`).
    pub fn new(base: String, credentials: Credentials, metrics: Arc<Metrics>) -> Self {
        Self { tokens: Tokens::new(&base, credentials), base, pace: Pace::default(), metrics }
    }

    /// The scopes that the management token has.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn scopes(&self) -> Result<Vec<String>, Trouble> {
        self.tokens.current().await.map(|token| token.scopes.clone())
    }

    /// Sends one call to `path` below `/api/v2`.
    ///
    /// # Errors
    /// No answer, 5xx and 429 are passing; a token that is refused twice is lasting.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, Trouble> {
        let mut renewed = false;
        let mut patience = PATIENCE;
        loop {
            let token = self.tokens.current().await?;
            let turn = self.pace.turn().await;
            let sent = self.send(&method, path, body, token.reveal()).await;
            let status = sent.as_ref().ok().map(|(status, _, _)| *status);
            turn.learn(sent.as_ref().ok().map(|(status, limits, _)| (*status, limits)));
            self.metrics.auth0(status);
            let (status, limits, body) = sent.map_err(|why| Trouble::Passing { why, after: None })?;
            match status {
                401 if !renewed => {
                    // It may have been revoked before its end.
                    self.tokens.forget(&token).await;
                    renewed = true;
                }
                429 if patience > 0 && limits.wait() <= SHORT => patience -= 1,
                429 => {
                    let why = format!("{method} {path}: Auth0's rate limit is spent");
                    return Err(Trouble::Passing { why, after: Some(limits.wait()) });
                }
                408 | 500.. => {
                    let why = format!("{method} {path} answered {status}");
                    return Err(Trouble::Passing { why, after: limits.retry_after });
                }
                401 => return Err(self.refused(&method, path, &Reply { status, body })),
                _ => return Ok(Reply { status, body }),
            }
        }
    }

    /// A call whose answer must be a success of this form.
    ///
    /// # Errors
    /// As [`Self::call`]; any other status is lasting.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Trouble> {
        let reply = self.call(method.clone(), path, body).await?;
        if !(200..300).contains(&reply.status) {
            return Err(self.refused(&method, path, &reply));
        }
        serde_json::from_value(reply.body).map_err(|_| Trouble::Passing {
            why: format!("{method} {path} answered in another form than expected"),
            after: None,
        })
    }

    /// Says how a call was refused, in Auth0's words.
    pub fn refused(&self, method: &Method, path: &str, reply: &Reply) -> Trouble {
        let said = message(&reply.body, self.tokens.secret());
        Trouble::Lasting(format!("{method} {path} answered {}{said}", reply.status))
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        token: &str,
    ) -> Result<(u16, pace::Limits, Value), String> {
        let url = format!("{}/api/v2{path}", self.base);
        let mut request = fetch::client()?.request(method.clone(), &url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = fetch::reply(request, &url, MAX_ANSWER).await?;
        let limits = pace::Limits::read(&reply.headers);
        let body = if reply.status < 400 {
            parse(&reply.body)
        } else {
            // Anyone who refuses a token may repeat it, and what is refused is logged.
            parse(String::from_utf8_lossy(&reply.body).replace(token, "…").as_bytes())
        };
        Ok((reply.status, limits, body))
    }
}
