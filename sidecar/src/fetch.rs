//! Fetching from identity providers: a URL in, a small body out. No redirects, no proxies, one time-out,
//! verified against the system's roots.

use crate::connect::ConnectTo;
use gatewaystack_core::config::Environment;
use gatewaystack_core::config::error::ConfigError;
use reqwest::RequestBuilder;
use reqwest::header::{HOST, HeaderMap};
use std::sync::{Once, OnceLock};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Chooses the cryptography of TLS, once a process.
pub fn install_provider() {
    static ONCE: Once = Once::new();
    // Where another part of the process has chosen, that choice holds.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

static ELSEWHERE: OnceLock<ConnectTo> = OnceLock::new();

/// Where the servers are that URLs call loopback, from now on; said once a process.
pub fn connect_to(elsewhere: ConnectTo) {
    drop(ELSEWHERE.set(elsewhere));
}

/// `GET`s `url`; a body over `max` bytes, a status but 200 and no answer in time are errors.
///
/// # Errors
/// What happened, in words that show nothing of the answer.
pub async fn get(url: &str, max: usize) -> Result<Vec<u8>, String> {
    let (status, body) = send(url, max).await?;
    if status == 200 { Ok(body) } else { Err(format!("{url} answered {status}")) }
}

/// `GET`s `url`: status and body.
///
/// # Errors
/// As [`get`], but a status is none.
pub async fn send(url: &str, max: usize) -> Result<(u16, Vec<u8>), String> {
    let request = match ELSEWHERE.get().and_then(|elsewhere| elsewhere.url(url)) {
        Some((elsewhere, host)) => client()?.get(elsewhere).header(HOST, host),
        None => client()?.get(url),
    };
    let request = request.header("accept", "application/json");
    reply(request, url, max).await.map(|reply| (reply.status, reply.body))
}

/// `POST`s JSON to `url`.
///
/// # Errors
/// As [`reply`].
pub async fn post_json(url: &str, body: String, max: usize) -> Result<Reply, String> {
    let request = match ELSEWHERE.get().and_then(|elsewhere| elsewhere.url(url)) {
        Some((elsewhere, host)) => client()?.post(elsewhere).header(HOST, host),
        None => client()?.post(url),
    };
    reply(request.header("content-type", "application/json").body(body), url, max).await
}

/// An answer, read to its end.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Sends `request`, which goes to `url`, and reads the answer.
///
/// # Errors
/// No answer in time, a broken one, or one of more than `max` bytes.
pub async fn reply(request: RequestBuilder, url: &str, max: usize) -> Result<Reply, String> {
    let failed = |what: &str, e: &reqwest::Error| format!("{url} {what}: {}", cause(e));
    let mut response = request.send().await.map_err(|e| failed("didn't answer", &e))?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| failed("broke off", &e))? {
        body.extend_from_slice(&chunk);
        if body.len() > max {
            return Err(format!("{url} answered more than {max} bytes"));
        }
    }
    Ok(Reply { status, headers, body })
}

/// Certificates in the place of the system's.
static ROOTS: OnceLock<Vec<reqwest::Certificate>> = OnceLock::new();

/// Has every fetch know servers by the certificates in `SSL_CERT_FILE`, where that is set, as Envoy does;
/// said once a process, before the first. An env file's variables are nobody's else: what reads the process's
/// own doesn't see them.
///
/// # Errors
/// The file has no certificates.
pub fn trust(env: &Environment) -> Result<(), ConfigError> {
    let Some(file) = env.get("SSL_CERT_FILE").map(|file| file.trim()).filter(|file| !file.is_empty()) else {
        return Ok(());
    };
    let failed = |why: String| {
        ConfigError::new("SSL_CERT_FILE", format!("expected a file with certificates (PEM): {why}"))
    };
    let bytes = std::fs::read(file).map_err(|e| failed(e.to_string()))?;
    let roots = reqwest::Certificate::from_pem_bundle(&bytes).map_err(|e| failed(cause(&e)))?;
    if roots.is_empty() {
        return Err(failed("there is none in it".to_owned()));
    }
    drop(ROOTS.set(roots));
    Ok(())
}

/// The one client of this process: no redirects, no proxies, one time-out.
///
/// # Errors
/// TLS can't be had.
pub fn client() -> Result<&'static reqwest::Client, String> {
    static CLIENT: OnceLock<Result<reqwest::Client, String>> = OnceLock::new();
    CLIENT.get_or_init(client_of_its_own).as_ref().map_err(Clone::clone)
}

/// Another one, for a runtime of its own: a connection belongs to the runtime in which it was made.
///
/// # Errors
/// TLS can't be had.
pub fn client_of_its_own() -> Result<reqwest::Client, String> {
    install_provider();
    let builder = reqwest::Client::builder();
    let builder = match ROOTS.get() {
        Some(roots) => builder.tls_certs_only(roots.iter().cloned()),
        None => builder,
    };
    builder
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .user_agent("gatewaystack")
        .build()
        .map_err(|e| format!("no client for TLS: {}", cause(&e)))
}

/// The innermost reason: the outer ones repeat the URL.
fn cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |e| e.source()).last().map(ToString::to_string).unwrap_or_default()
}
