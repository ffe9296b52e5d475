//! The management token (client credentials, RFC 6749 §4.4): kept until shortly before its end, got once for
//! all that wait for it.

use super::pace;
use super::trouble::{Trouble, message, parse};
use crate::fetch;
use crate::secret::Secret;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const MAX_ANSWER: usize = 64 * 1024;
/// Renewed this long before its end, or a tenth of its life where that is less.
const MARGIN: Duration = Duration::from_secs(60);
/// After a failure the next try waits at least so long, so that a wrong secret isn't sent for each event.
const FAILED: Duration = Duration::from_secs(2);
/// A token is used at least so long, whatever it says: it isn't got anew for each call.
const SHORTEST: u64 = 30;
const LONGEST: u64 = 604_800;

/// What the client of the Management API is known by.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub client_id: String,
    pub secret: Secret,
}

/// A token in use.
pub struct Token {
    text: Secret,
    /// What it may do.
    pub scopes: Vec<String>,
    ends: Instant,
}

impl Token {
    /// For the one place that sends it.
    pub fn reveal(&self) -> &str {
        self.text.reveal()
    }
}

/// Gets tokens.
pub struct Tokens {
    url: String,
    audience: String,
    credentials: Credentials,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    token: Option<Arc<Token>>,
    /// Until when nothing is tried, and why.
    failed: Option<(Instant, Trouble)>,
}

impl Tokens {
    /// Tokens of the tenant at `base`.
    pub fn new(base: &str, credentials: Credentials) -> Self {
        let (url, audience) = (format!("{base}/oauth/token"), format!("{base}/api/v2/"));
        Self { url, audience, credentials, cache: Mutex::default() }
    }

    /// A token that is good now.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn current(&self) -> Result<Arc<Token>, Trouble> {
        let mut cache = self.cache.lock().await;
        if let Some(token) = cache.token.as_ref().filter(|token| token.ends > Instant::now()) {
            return Ok(Arc::clone(token));
        }
        if let Some((until, trouble)) = &cache.failed
            && *until > Instant::now()
        {
            return Err(trouble.clone());
        }
        match self.fetch().await {
            Ok(token) => {
                let token = Arc::new(token);
                *cache = Cache { token: Some(Arc::clone(&token)), failed: None };
                Ok(token)
            }
            Err(trouble) => {
                let asked_for = if let Trouble::Passing { after, .. } = &trouble { *after } else { None };
                let until = Instant::now().checked_add(asked_for.unwrap_or_default().max(FAILED));
                *cache = Cache { token: None, failed: until.map(|until| (until, trouble.clone())) };
                Err(trouble)
            }
        }
    }

    /// Auth0 has refused this token.
    pub async fn forget(&self, token: &Arc<Token>) {
        let mut cache = self.cache.lock().await;
        if cache.token.as_ref().is_some_and(|current| Arc::ptr_eq(current, token)) {
            cache.token = None;
        }
    }

    /// The client's secret, to be kept out of messages.
    pub fn secret(&self) -> &Secret {
        &self.credentials.secret
    }

    async fn fetch(&self) -> Result<Token, Trouble> {
        let passing = |why: String| Trouble::Passing { why, after: None };
        let asked = Instant::now();
        let request = fetch::client().map_err(passing)?.post(&self.url).json(&json!({
            "grant_type": "client_credentials",
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.secret.reveal(),
            "audience": self.audience,
        }));
        let reply = fetch::reply(request, &self.url, MAX_ANSWER).await.map_err(passing)?;
        let body = parse(&reply.body);
        match reply.status {
            200 => read(&body, asked)
                .ok_or_else(|| passing("the token endpoint's answer has no token".to_owned())),
            status @ (408 | 429 | 500..) => {
                let limits = pace::Limits::read(&reply.headers);
                let after = if status == 429 { Some(limits.wait()) } else { limits.retry_after };
                Err(Trouble::Passing { why: format!("the token endpoint answered {status}"), after })
            }
            status => {
                let said = message(&body, self.secret());
                Err(Trouble::Lasting(format!(
                    "the management token was refused ({status}{said}): check AUTH0_MGMT_CLIENT_ID and its secret, and that the \
                     application is authorised for the Auth0 Management API"
                )))
            }
        }
    }
}

fn read(body: &Value, asked: Instant) -> Option<Token> {
    let text = body.get("access_token").and_then(Value::as_str).filter(|text| is_token(text))?;
    let life = body.get("expires_in").and_then(Value::as_u64).unwrap_or(3_600);
    let life = Duration::from_secs(life.clamp(SHORTEST, LONGEST));
    let ends = asked.checked_add(life.saturating_sub(MARGIN.min(life / 10)))?;
    let scopes = body.get("scope").and_then(Value::as_str).unwrap_or_default();
    Some(Token { text: text.into(), scopes: scopes.split(' ').map(str::to_owned).collect(), ends })
}

/// What can be in a header.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}
