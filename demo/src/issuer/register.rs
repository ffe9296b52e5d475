//! Dynamic client registration (RFC 7591): metadata in, a public client out. Redirect URIs must be `https` or
//! point at this machine; everything else that a client asks for is answered with what it gets (§3.2.1 allows
//! that).

use super::error::{Kind, OAuthError};
use super::guard::is_loopback;
use super::store::Client;
use super::{Shared, now, random_id, unix_now};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const MAX_REDIRECT_URIS: usize = 10;
const MAX_URI: usize = 2048;
const MAX_NAME: usize = 200;
/// Cursor's, which belongs to its app on this machine (RFC 8252 §7.1). No other scheme is accepted: what a
/// scheme opens is for the machine to say, and `javascript:` is one, too.
const OF_APPS: [&str; 1] = ["cursor://anysphere.cursor-mcp/oauth/callback"];

/// The members that matter here; RFC 7591 §2 wants unknown ones ignored.
#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
}

pub(super) async fn register(
    State(issuer): State<Shared>,
    body: Bytes,
) -> Result<impl IntoResponse, OAuthError> {
    // Through a map: serde would take an array for a structure, too.
    let wanted: Wanted = serde_json::from_slice(&body)
        .and_then(|object: Map<String, Value>| serde_json::from_value(Value::Object(object)))
        .map_err(|_| OAuthError::new(Kind::InvalidClientMetadata, "The body is not JSON client metadata."))?;
    let client = client(wanted)?;
    let id = random_id()?;
    let mut grants = vec!["authorization_code"];
    grants.extend(client.may_refresh.then_some("refresh_token"));
    let answer = json!({
        "client_id": id,
        "client_id_issued_at": unix_now(),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": grants,
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    issuer.store().clients.insert(id, client, now());
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], axum::Json(answer)))
}

fn client(wanted: Wanted) -> Result<Client, OAuthError> {
    let uris = &wanted.redirect_uris;
    if uris.is_empty() || uris.len() > MAX_REDIRECT_URIS || !uris.iter().all(|uri| is_acceptable(uri)) {
        let description = "redirect_uris needs 1 to 10 https or loopback URIs without a fragment.";
        return Err(OAuthError::new(Kind::InvalidRedirectUri, description));
    }
    let name = wanted.client_name.unwrap_or_else(|| "unnamed client".to_string());
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(OAuthError::new(
            Kind::InvalidClientMetadata,
            "client_name is too long or has control characters.",
        ));
    }
    let grants = wanted.grant_types.unwrap_or_else(|| vec!["authorization_code".to_string()]);
    let responses = wanted.response_types.unwrap_or_else(|| vec!["code".to_string()]);
    if !grants.iter().any(|grant| grant == "authorization_code")
        || !responses.iter().any(|kind| kind == "code")
    {
        return Err(OAuthError::new(
            Kind::InvalidClientMetadata,
            "Only the authorization code grant is offered.",
        ));
    }
    let may_refresh = grants.iter().any(|grant| grant == "refresh_token");
    Ok(Client { name, redirect_uris: wanted.redirect_uris, may_refresh })
}

fn is_acceptable(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    // `http::Uri` drops a fragment in silence, and user information can disguise the host on the consent
    // page.
    let plain = text.len() <= MAX_URI && !text.contains('#') && !authority.as_str().contains('@');
    let of_web = scheme == "https" || (scheme == "http" && is_loopback(authority.host()));
    plain && (of_web || OF_APPS.contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_are_https_or_loopback() {
        for (uri, expect) in [
            ("https://claude.ai/api/mcp/auth_callback", true),
            ("http://127.0.0.1:33418/callback", true),
            ("http://localhost:1/cb?x=y", true),
            ("http://[::1]:1/cb", true),
            ("http://evil.example/cb", false),
            ("http://localhost.evil.example/cb", false),
            ("http://localhost@evil.example/cb", false),
            ("https://a.example/cb#fragment", false),
            ("javascript:alert(1)", false),
            ("cursor://callback", false),
            ("cursor://anysphere.cursor-mcp/oauth/callback", true),
            ("cursor://anysphere.cursor-mcp/oauth/callback/x", false),
            ("/cb", false),
            ("", false),
        ] {
            assert_eq!(is_acceptable(uri), expect, "{uri}");
        }
    }
}
