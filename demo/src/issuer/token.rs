//! The token endpoint (RFC 6749 §4.1.3 and §6): a code with its PKCE verifier, or a refresh token, in; an
//! access token and the next refresh token out. Codes and refresh tokens work once; a second use ends every
//! token of that consent.

use super::error::{Kind, OAuthError};
use super::params::Params;
use super::store::{Grant, Once, Pending, Store};
use super::{Shared, now, random_id, unix_now};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const LIFETIME: u64 = 3600;

/// `POST /token`
pub(super) async fn token(
    State(issuer): State<Shared>,
    body: Bytes,
) -> Result<impl IntoResponse, OAuthError> {
    let params = Params::of_form(&body)?;
    let client_id =
        params.get("client_id").ok_or(OAuthError::new(Kind::InvalidClient, "client_id is missing."))?;
    if issuer.store().clients.get(client_id, now()).is_none() {
        return Err(OAuthError::new(
            Kind::InvalidClient,
            "This client is not registered here; register it again.",
        ));
    }
    let grant = match params.required("grant_type", "grant_type is missing.")? {
        "authorization_code" => by_code(&issuer, &params, client_id)?,
        "refresh_token" => by_refresh_token(&issuer, &params, client_id)?,
        _ => {
            return Err(OAuthError::new(
                Kind::UnsupportedGrantType,
                "Use authorization_code or refresh_token.",
            ));
        }
    };
    answer(&issuer, &params, grant)
}

fn by_code(issuer: &Shared, params: &Params, client_id: &str) -> Result<Grant, OAuthError> {
    let code = params.required("code", "code is missing.")?;
    let verifier = params.required("code_verifier", "code_verifier is missing.")?;
    let redirect_uri = params.required("redirect_uri", "redirect_uri is missing.")?;
    let mut store = issuer.store();
    let Some(Once::Unused(pending)) = store.codes.get(code, now()).cloned() else {
        let family = match store.codes.get(code, now()) {
            Some(Once::Used { family }) => Some(family.clone()),
            _ => None,
        };
        return Err(replayed(&mut store, family));
    };
    // Spent by anyone who shows it, also where the rest is wrong: a guess at the verifier gets one try.
    store.codes.replace(code, Once::Used { family: pending.grant.family.clone() }, now());
    let Pending { grant, redirect_uri: expected, code_challenge, .. } = pending;
    if grant.client_id != client_id || expected != redirect_uri {
        return Err(OAuthError::new(
            Kind::InvalidGrant,
            "The code belongs to another client or redirect_uri.",
        ));
    }
    if !proves(verifier, &code_challenge) {
        return Err(OAuthError::new(Kind::InvalidGrant, "code_verifier doesn't match the code_challenge."));
    }
    Ok(grant)
}

fn by_refresh_token(issuer: &Shared, params: &Params, client_id: &str) -> Result<Grant, OAuthError> {
    let token = params.required("refresh_token", "refresh_token is missing.")?;
    let mut store = issuer.store();
    let grant = match store.refresh.get(token, now()) {
        Some(Once::Unused(grant)) => grant.clone(),
        Some(Once::Used { family }) => {
            let family = Some(family.clone());
            return Err(replayed(&mut store, family));
        }
        None => return Err(replayed(&mut store, None)),
    };
    if grant.client_id != client_id || store.revoked.get(&grant.family, now()).is_some() {
        return Err(OAuthError::new(Kind::InvalidGrant, "The refresh token is not valid for this client."));
    }
    let narrowed = narrowed(&grant, params)?;
    store.refresh.replace(token, Once::Used { family: grant.family.clone() }, now());
    Ok(narrowed)
}

fn replayed(store: &mut Store, family: Option<String>) -> OAuthError {
    if let Some(family) = family {
        store.revoked.insert(family, (), now());
    }
    OAuthError::new(Kind::InvalidGrant, "The code or refresh token is unknown, expired or was used before.")
}

/// A refresh may ask for less than was granted, never for more (RFC 6749 §6).
fn narrowed(grant: &Grant, params: &Params) -> Result<Grant, OAuthError> {
    let scopes = params.scopes()?.unwrap_or_else(|| grant.scopes.clone());
    if scopes.iter().all(|scope| grant.scopes.contains(scope)) {
        Ok(Grant { scopes, ..grant.clone() })
    } else {
        Err(OAuthError::new(Kind::InvalidScope, "A refresh can't widen the scope."))
    }
}

fn answer(issuer: &Shared, params: &Params, grant: Grant) -> Result<impl IntoResponse + use<>, OAuthError> {
    let audience = audience(issuer, &grant, &params.resources()?)?;
    let access_token = issuer.keys().sign(claims(issuer, &grant, audience)?)?;
    let mut body = Map::from_iter([
        ("access_token".to_string(), json!(access_token)),
        ("token_type".to_string(), json!("Bearer")),
        ("expires_in".to_string(), json!(LIFETIME)),
        ("scope".to_string(), json!(grant.scopes.join(" "))),
    ]);
    if grant.may_refresh {
        let refresh_token = random_id()?;
        body.insert("refresh_token".to_string(), json!(refresh_token));
        issuer.store().refresh.insert(refresh_token, Once::Unused(grant), now());
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(body)))
}

/// RFC 8707 §2.2: the token request may pick among the resources of the authorization request.
fn audience(issuer: &Shared, grant: &Grant, asked: &[String]) -> Result<Value, OAuthError> {
    if !grant.resources.is_empty() && !asked.iter().all(|uri| grant.resources.contains(uri)) {
        return Err(OAuthError::new(
            Kind::InvalidTarget,
            "The resource was not part of the authorization request.",
        ));
    }
    Ok(match if asked.is_empty() { grant.resources.as_slice() } else { asked } {
        [] => json!(issuer.audience()),
        [one] => json!(one),
        several => json!(several),
    })
}

fn claims(issuer: &Shared, grant: &Grant, audience: Value) -> Result<Map<String, Value>, OAuthError> {
    let now = unix_now();
    Ok(Map::from_iter([
        ("iss".to_string(), json!(issuer.url())),
        ("sub".to_string(), json!(grant.subject)),
        ("aud".to_string(), audience),
        ("client_id".to_string(), json!(grant.client_id)),
        ("scope".to_string(), json!(grant.scopes.join(" "))),
        ("iat".to_string(), json!(now)),
        ("exp".to_string(), json!(now + LIFETIME)),
        ("jti".to_string(), json!(random_id()?)),
    ]))
}

/// RFC 7636 §4.1 and §4.6. Both sides of the comparison are hashes or public, so its timing tells nothing.
fn proves(verifier: &str, challenge: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(legal)
        && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_of_rfc_7636_appendix_b_proves_its_challenge() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(proves("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge));
        assert!(!proves("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXj", challenge));
        assert!(!proves("short", challenge));
    }
}
