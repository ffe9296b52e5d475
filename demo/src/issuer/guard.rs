//! Who may call what: the issuer hands out tokens to anyone who asks, so a web page must not be able to ask
//! for its visitor. A page gets no answer through DNS rebinding (`Host` must be loopback), and none of
//! `/mint`, `/rotate` and the consent decision from another origin.

use super::Shared;
use super::error::{Kind, OAuthError};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

pub(super) async fn loopback_host(request: Request, next: Next) -> Response {
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    if host.is_some_and(|host| is_loopback(without_port(host))) {
        next.run(request).await
    } else {
        OAuthError::new(Kind::AccessDenied, "The issuer answers under loopback names only.").into_response()
    }
}

pub(super) async fn own_origin(State(issuer): State<Shared>, request: Request, next: Next) -> Response {
    let foreign = request.headers().get_all(header::ORIGIN).iter().any(|origin| !is_own(origin, &issuer));
    if foreign {
        return OAuthError::new(Kind::AccessDenied, "Another site may not call this.").into_response();
    }
    next.run(request).await
}

pub(super) async fn any_origin(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        let names = HeaderValue::from_static("Authorization, Content-Type, MCP-Protocol-Version");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    response
}

/// The address may be spelt `localhost`, too; the port must be ours.
fn is_own(origin: &HeaderValue, issuer: &Shared) -> bool {
    let Some(rest) = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://")) else {
        return false;
    };
    let port = issuer.url().rsplit(':').next();
    is_loopback(without_port(rest)) && rest.rsplit_once(':').map(|(_, port)| port) == port
}

pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "[::1]"
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_loopback() {
        for (host, expect) in [
            ("127.0.0.1:5051", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("[::1]:5051", true),
            ("evil.example", false),
            ("localhost.evil.example:5051", false),
            ("127.0.0.1.nip.io", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(without_port(host)), expect, "{host}");
        }
    }
}
