//! The authorization endpoint (RFC 6749 §4.1, PKCE S256 required): `ask` checks the request and shows the
//! consent page, `decide` takes the click. Until the redirect URI is known to be the client's, a fault is
//! shown here and never redirected (RFC 6749 §4.1.2.1).

use super::consent;
use super::error::{Kind, OAuthError};
use super::params::Params;
use super::store::{Grant, Once, Pending};
use super::{Shared, now, random_id};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

const DEFAULT_SCOPE: &str = "tool:read";
const MAX_SUBJECT: usize = 128;

/// `GET /authorize`
pub(super) async fn ask(State(issuer): State<Shared>, uri: Uri) -> Result<Response, OAuthError> {
    let params = Params::of_query(&uri)?;
    let client_id = params.required("client_id", "client_id is missing.")?;
    let Some(client) = issuer.store().clients.get(client_id, now()).cloned() else {
        return Err(OAuthError::new(
            Kind::InvalidRequest,
            "This client is not registered here; register it again.",
        ));
    };
    let redirect_uri = params.required("redirect_uri", "redirect_uri is missing.")?;
    // Character by character (RFC 9700 §2.1): any looser comparison has been an open redirect.
    if !client.redirect_uris.iter().any(|known| known == redirect_uri) {
        return Err(OAuthError::new(
            Kind::InvalidRequest,
            "redirect_uri is not one that the client registered.",
        ));
    }
    match checked(&params, client_id, client.may_refresh) {
        Err(error) => redirect(&issuer, redirect_uri, params.get("state"), Err(error.kind)),
        Ok((grant, code_challenge)) => {
            let request = random_id()?;
            let page = consent::page(&client.name, redirect_uri, &grant.scopes, &request);
            let state = params.get("state").map(str::to_string);
            let pending = Pending { grant, redirect_uri: redirect_uri.to_string(), state, code_challenge };
            issuer.store().consents.insert(request, pending, now());
            Ok(page)
        }
    }
}

/// `POST /authorize/decision`: only who has read the page knows the request's id, and it works once.
pub(super) async fn decide(State(issuer): State<Shared>, body: Bytes) -> Result<Response, OAuthError> {
    let params = Params::of_form(&body)?;
    let request = params.required("request", "request is missing.")?;
    let Some(mut pending) = issuer.store().consents.take(request, now()) else {
        return Err(OAuthError::new(Kind::InvalidRequest, "This page was used or is too old; start again."));
    };
    let (redirect_uri, state) = (pending.redirect_uri.clone(), pending.state.clone());
    if params.get("decision") != Some("allow") {
        return redirect(&issuer, &redirect_uri, state.as_deref(), Err(Kind::AccessDenied));
    }
    if let Some(subject) = params.get("sub") {
        if subject.len() > MAX_SUBJECT || subject.chars().any(char::is_control) {
            return Err(OAuthError::new(
                Kind::InvalidRequest,
                "The user name is too long or has control characters.",
            ));
        }
        pending.grant.subject = subject.to_string();
    }
    consent::narrowed(&mut pending.grant, &params);
    let code = random_id()?;
    issuer.store().codes.insert(code.clone(), Once::Unused(pending), now());
    redirect(&issuer, &redirect_uri, state.as_deref(), Ok(&code))
}

fn checked(params: &Params, client_id: &str, may_refresh: bool) -> Result<(Grant, String), OAuthError> {
    if params.get("response_type") != Some("code") {
        return Err(OAuthError::new(Kind::UnsupportedResponseType, "Only response_type=code is offered."));
    }
    let challenge = params.required("code_challenge", "PKCE is required.")?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    // 43 characters: SHA-256 in base64url (RFC 7636 §4.2).
    if params.get("code_challenge_method") != Some("S256")
        || challenge.len() != 43
        || !challenge.bytes().all(legal)
    {
        return Err(OAuthError::new(Kind::InvalidRequest, "PKCE with S256 is required."));
    }
    let scopes = params.scopes()?.unwrap_or_else(|| vec![DEFAULT_SCOPE.to_string()]);
    let grant = Grant {
        client_id: client_id.to_string(),
        subject: consent::DEFAULT_SUBJECT.to_string(),
        scopes,
        resources: params.resources()?,
        may_refresh,
        family: random_id()?,
    };
    Ok((grant, challenge.to_string()))
}

/// Back to the client with a code or an error, its `state`, and our name (RFC 9207).
fn redirect(
    issuer: &Shared,
    redirect_uri: &str,
    state: Option<&str>,
    outcome: Result<&str, Kind>,
) -> Result<Response, OAuthError> {
    let outcome = match outcome {
        Ok(code) => ("code", code),
        Err(kind) => ("error", kind.code()),
    };
    let query: Vec<String> =
        [Some(outcome), state.map(|state| ("state", state)), Some(("iss", issuer.url()))]
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
            .collect();
    let separator = if redirect_uri.contains('?') { '&' } else { '?' };
    let location = format!("{redirect_uri}{separator}{}", query.join("&"));
    let location = HeaderValue::try_from(location)
        .map_err(|_| OAuthError::new(Kind::InvalidRequest, "redirect_uri can't be written into a header."))?;
    // 303, so that a browser never sends the form on to the client (RFC 9700 §4.12).
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)], [(header::CACHE_CONTROL, "no-store")])
        .into_response())
}

fn percent_encoded(value: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value
        .bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
