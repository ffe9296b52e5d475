//! Every answer that isn't a success, as RFC 6749 §5.2 and RFC 7591 §3.2.2 want it: a code and one sentence
//! in JSON.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    UnsupportedGrantType,
    UnsupportedResponseType,
    AccessDenied,
    InvalidRedirectUri,
    InvalidClientMetadata,
    ServerError,
}

impl Kind {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::ServerError => "server_error",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::AccessDenied => StatusCode::FORBIDDEN,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A refusal; the description is ours alone and never repeats what the client sent.
#[derive(Debug, Clone)]
pub(super) struct OAuthError {
    pub(super) kind: Kind,
    pub(super) description: &'static str,
}

impl OAuthError {
    pub(super) fn new(kind: Kind, description: &'static str) -> Self {
        Self { kind, description }
    }
}

impl From<std::io::Error> for OAuthError {
    fn from(_: std::io::Error) -> Self {
        Self::new(Kind::ServerError, "The issuer could not sign or make a key.")
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.kind.code(), "error_description": self.description });
        (self.kind.status(), [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
    }
}
