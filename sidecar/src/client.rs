//! The client of `smoke` and `compare`: a method, a path and headers in, the answer's head out, its body
//! still to be read. No redirects, no proxies, one time-out for all of it; a token goes nowhere where others
//! could read it.

use crate::fetch;
use reqwest::{Method, Response, Url};
use std::net::IpAddr;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(15);
/// Of a body, at most this is read.
pub const MAX_BODY: usize = 1024 * 1024;

/// A gateway to ask.
pub struct Client {
    base: String,
    http: reqwest::Client,
}

/// What is sent.
pub struct Request<'a> {
    pub method: &'a Method,
    /// Behind the base URL, with its query.
    pub path: &'a str,
    pub token: Option<&'a str>,
    pub headers: Vec<(&'a str, &'a str)>,
    pub body: Option<&'a str>,
}

/// Why nothing came back.
#[derive(Debug)]
pub struct NoResponse {
    pub why: String,
    /// Whether anybody was there.
    pub connected: bool,
}

impl Client {
    /// A client for the gateway at `url`.
    ///
    /// # Errors
    /// The URL can't be used, or not with tokens.
    pub fn new(url: &str, with_tokens: bool, agent: &str) -> Result<Self, String> {
        let parsed = Url::parse(url).map_err(|e| format!("{url}: {e}"))?;
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
            .user_agent(agent)
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
    pub async fn ask(&self, request: &Request<'_>) -> Result<Response, NoResponse> {
        let url = format!("{}{}", self.base, request.path);
        let mut sent = self.http.request(request.method.clone(), url);
        sent = request.headers.iter().fold(sent, |sent, (name, value)| sent.header(*name, *value));
        if let Some(token) = request.token {
            sent = sent.header("authorization", format!("Bearer {token}"));
        }
        if let Some(body) = request.body {
            sent = sent.body(body.to_owned());
        }
        sent.send().await.map_err(|e| NoResponse { why: cause(&e), connected: !e.is_connect() })
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
pub fn cause(error: &dyn std::error::Error) -> String {
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
            assert_eq!(Client::new(url, true, "test").is_ok(), with, "{url} with tokens");
            assert_eq!(Client::new(url, false, "test").is_ok(), without, "{url} without tokens");
        }
    }
}
