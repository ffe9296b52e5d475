//! The client of the smoke test: a method, a path and headers in, what came back out. No redirects, no proxies, one time-out; a token goes nowhere
//! where others could read it.

use crate::fetch;
use reqwest::Method;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(15);
const MAX_BODY: usize = 1024 * 1024;

/// A gateway to ask.
pub struct Client {
    base: String,
    http: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub challenge: String,
    pub retry_after: bool,
    pub body: Value,
}

impl Client {
    /// A client for the gateway at `url`.
    ///
    /// # Errors
    /// The URL can't be used, or not with tokens.
    pub fn new(url: &str, with_tokens: bool) -> Result<Self, String> {
        let parsed = reqwest::Url::parse(url).map_err(|e| format!("{url}: {e}"))?;
        let host = parsed.host_str().unwrap_or_default();
        let plain = match parsed.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(format!("{url}: expected a URL that begins with https:// or http://")),
        };
        if plain && with_tokens && !is_near(host) {
            return Err(format!("{url}: tokens go over https, or to this machine and its network only"));
        }
        fetch::install_provider();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent("gatewaystack-smoke")
            .build()
            .map_err(|_| "no client for TLS".to_owned())?;
        let mut base = parsed;
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base: base.as_str().trim_end_matches('/').to_owned(), http })
    }

    /// The gateway's URL without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Why nothing came back.
    pub async fn send(
        &self,
        method: &Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&'static str>,
    ) -> Result<Got, String> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let mut response = request.send().await.map_err(|e| cause(&e))?;
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
        Ok(Got { status, challenge, retry_after, body })
    }
}

impl Got {
    /// `error` of the body.
    pub fn error(&self) -> &str {
        self.body.get("error").and_then(Value::as_str).unwrap_or_default()
    }
}

/// This machine, or a network of one's own.
fn is_near(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private(),
        Ok(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unique_local(),
        Err(_) => {
            !host.contains('.')
                || [".svc", ".svc.cluster.local", ".internal", ".localhost"]
                    .iter()
                    .any(|end| host.ends_with(end))
        }
    }
}

/// The innermost reason: the outer ones repeat the URL.
fn cause(error: &dyn std::error::Error) -> String {
    let last = std::iter::successors(Some(error), |e| e.source()).last();
    last.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Client;

    #[test]
    fn tokens_go_nowhere_where_others_could_read_them() {
        for (url, with, without) in [
            ("https://gateway.example.com", true, true),
            ("http://gateway.example.com", false, true),
            ("http://8.8.8.8:8080", false, true),
            ("http://127.0.0.1:8080", true, true),
            ("http://[::1]:8080/", true, true),
            ("http://192.168.1.4", true, true),
            ("http://localhost:8080", true, true),
            ("http://gateway.default.svc:8080", true, true),
            ("http://evil.example.svc.example.com", false, true),
            ("ftp://gateway.example.com", false, false),
            ("gateway.example.com", false, false),
        ] {
            assert_eq!(Client::new(url, true).is_ok(), with, "{url} with tokens");
            assert_eq!(Client::new(url, false).is_ok(), without, "{url} without tokens");
        }
    }
}
