//! Every way to refuse, grouped by whose fault it is, with its status, error code, description and reason beside it (contract §3).

use crate::bearer;
use crate::jwt::TokenFault;
use crate::mcp::json_rpc::BodyFault;
use crate::path::PathFault;
use crate::rate_limit::LimitState;
use crate::request::RequestFault;
use crate::uri::UriFault;

/// Why a request doesn't pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    // The caller's request.
    /// It can't be judged safely.
    Unsafe(RequestFault),
    /// `Authorization` isn't what RFC 6750 allows, or is doubled, or too long.
    Authorization(AuthorizationFault),
    /// A built-in doesn't have this method; it has these.
    Method(String),
    /// A metadata document of a path that has none.
    NoDocument,
    /// An unknown `MCP-Protocol-Version`.
    Version,
    /// A body that can't be judged as MCP.
    Body(BodyFault),
    /// `/__test__/echo` without a usable `X-Required-Scope`.
    NoRequiredScope,
    /// Its body didn't come to an end in time.
    Slow,

    // The caller's token.
    /// None.
    NoToken,
    /// A JWE.
    Encrypted,
    /// Not three parts.
    Opaque,
    /// A signed token that isn't good.
    Token(TokenFault),

    // The policy.
    /// The token lacks scopes.
    Scope {
        /// What the operation needs.
        needed: Vec<String>,
        /// What the token has.
        have: Vec<String>,
    },
    /// A good token, and nothing that allows it.
    Denied(Denied),
    /// An upgrade on a route that has none.
    Upgrade,
    /// An origin that may not call an MCP route.
    Origin,
    /// The answer is one object, and another user's.
    NotOwner,
    /// The session is another caller's.
    NoSession,
    /// A task is another caller's.
    NoTask,

    // A limit.
    /// Over a limit.
    Limited(LimitState),
    /// Too many failed authentications from this address.
    AddressLimited(LimitState),

    // Us.
    /// The issuer's keys can't be had; retry after so many seconds.
    KeysUnavailable(u32),
    /// An unknown `kid` while no fetch is allowed; retry after so many seconds.
    KeyPending(u32),
    /// The upstream's answer can't be filtered safely.
    NotFilterable,
    /// There is no room to hold its body until it can be judged.
    NoRoom,
    /// The limits over machines can't be counted, and one says that nothing passes then.
    LimitsUnavailable,
    /// Our own fault.
    Internal(Fault),
}

/// What is wrong with `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationFault {
    /// No `b64token` after `Bearer`.
    Malformed,
    /// More than one.
    Doubled,
    /// Over [`bearer::MAX_TOKEN`].
    TooLong,
}

/// Why a good token isn't enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No route matches.
    NoRoute,
    /// The path differs by case alone from an earlier route's.
    Case,
    /// No rule allows the tool, prompt or resource.
    Unlisted,
    /// The route isn't for this issuer.
    Issuer,
    /// The tenant isn't among the issuer's.
    Tenant,
    /// A machine token on a route for users.
    Machine,
}

/// Our own faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The shared table can't be used: limits can't be kept.
    SharedTable,
    /// The signature verifier failed.
    Verifier,
    /// The host refused a call that the decision needs.
    Host,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Body(BodyFault::TooLarge) => 413,
            Self::Body(BodyFault::MediaType) => 415,
            Self::Unsafe(_)
            | Self::Authorization(_)
            | Self::NoRequiredScope
            | Self::Version
            | Self::Body(_)
            // A 404 would end the client's session.
            | Self::NoTask => 400,
            Self::NoToken | Self::Encrypted | Self::Opaque | Self::Token(_) => 401,
            Self::Scope { .. } | Self::Denied(_) | Self::Upgrade | Self::Origin => 403,
            Self::NoDocument | Self::NotOwner | Self::NoSession => 404,
            Self::Method(_) => 405,
            Self::Slow => 408,
            Self::Limited(_) | Self::AddressLimited(_) => 429,
            Self::Internal(Fault::SharedTable)
            | Self::LimitsUnavailable
            | Self::NoRoom
            | Self::KeysUnavailable(_)
            | Self::KeyPending(_) => 503,
            Self::NotFilterable => 502,
            Self::Internal(Fault::Verifier | Fault::Host) => 500,
        }
    }

    /// `error` of the body.
    pub fn error(&self) -> &'static str {
        match self {
            Self::Body(BodyFault::TooLarge) => "content_too_large",
            Self::Body(BodyFault::MediaType) => "unsupported_media_type",
            Self::Unsafe(_) | Self::Authorization(_) | Self::Version | Self::Body(_) => "invalid_request",
            Self::NoRequiredScope => "missing_required_scope_header",
            Self::NoToken => "unauthorized",
            Self::Encrypted | Self::Opaque | Self::Token(_) => "invalid_token",
            Self::Scope { .. } => "insufficient_scope",
            Self::Denied(_) => "access_denied",
            Self::Upgrade => "upgrade_not_allowed",
            Self::Method(_) => "method_not_allowed",
            Self::Slow => "request_timeout",
            Self::NoDocument | Self::NotOwner => "not_found",
            Self::NoSession => "session_not_found",
            Self::NoTask => "task_not_found",
            Self::Origin => "origin_not_allowed",
            Self::NotFilterable => "response_not_filterable",
            Self::Limited(_) | Self::AddressLimited(_) => "rate_limited",
            Self::KeysUnavailable(_) | Self::KeyPending(_) | Self::LimitsUnavailable | Self::NoRoom => {
                "temporarily_unavailable"
            }
            Self::Internal(_) => "internal_error",
        }
    }

    /// `error=` of the challenge; `None`: the challenge has none (RFC 6750 §3.1).
    pub fn challenge_error(&self) -> Option<&'static str> {
        match self.error() {
            error @ ("invalid_token" | "insufficient_scope") => Some(error),
            _ => None,
        }
    }

    /// Whether the answer carries `WWW-Authenticate`.
    pub fn is_challenged(&self) -> bool {
        self.status() == 401 || matches!(self, Self::Scope { .. })
    }

    /// `Retry-After` in seconds.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Limited(state) | Self::AddressLimited(state) => Some(state.reset_s.max(1)),
            Self::KeysUnavailable(s) | Self::KeyPending(s) => Some(u64::from(*s).max(1)),
            Self::LimitsUnavailable | Self::NoRoom | Self::Internal(Fault::SharedTable) => Some(1),
            _ => None,
        }
    }

    /// Whether this counts as a failed authentication of the client's address (contract §1.12).
    pub fn is_address_failure(&self) -> bool {
        matches!(
            self,
            Self::Authorization(_)
                | Self::KeyPending(_)
                | Self::Token(TokenFault::Signature | TokenFault::UnknownKey)
        )
    }

    /// `decision` of the record.
    pub fn decision(&self) -> &'static str {
        match self.status() {
            429 => "limited",
            500.. => "error",
            _ => "deny",
        }
    }

    /// `reason` of the record and the statistics: one of [`REASONS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unsafe(RequestFault::Path(_)) => "unsafe_path",
            Self::Unsafe(RequestFault::Method) => "unsafe_method",
            Self::Unsafe(_) => "unsafe_headers",
            Self::Authorization(_) => "malformed_authorization",
            Self::Method(_) => "method_not_allowed",
            Self::NoDocument => "no_document",
            Self::NoRequiredScope => "no_required_scope",
            Self::Version => "mcp_version",
            Self::Slow => "body_timeout",
            Self::Body(BodyFault::TooLarge) => "body_too_large",
            Self::Body(BodyFault::MediaType) => "body_media_type",
            Self::Body(BodyFault::Mismatch) => "mcp_mismatch",
            Self::Body(_) => "body_malformed",
            Self::NoToken => "no_token",
            Self::Encrypted => "token_encrypted",
            Self::Opaque => "token_opaque",
            Self::Token(fault) => token_reason(*fault),
            Self::Scope { .. } => "insufficient_scope",
            Self::Denied(Denied::NoRoute) => "no_route",
            Self::Denied(Denied::Case) => "ambiguous_case",
            Self::Denied(Denied::Unlisted) => "unlisted",
            Self::Denied(Denied::Issuer) => "issuer_not_on_route",
            Self::Denied(Denied::Tenant) => "tenant_not_allowed",
            Self::Denied(Denied::Machine) => "machine_not_allowed",
            Self::Upgrade => "upgrade_not_allowed",
            Self::Origin => "origin_not_allowed",
            Self::NotOwner => "not_owner",
            Self::NoSession => "session_not_found",
            Self::NoTask => "task_not_found",
            Self::NotFilterable => "not_filterable",
            Self::Limited(_) => "rate_limited",
            Self::AddressLimited(_) => "address_limited",
            Self::KeysUnavailable(_) => "keys_unavailable",
            Self::KeyPending(_) => "key_pending",
            Self::LimitsUnavailable => "limits_unavailable",
            Self::NoRoom => "no_room",
            Self::Internal(Fault::SharedTable) => "fault_shared_table",
            Self::Internal(Fault::Verifier) => "fault_verifier",
            Self::Internal(Fault::Host) => "fault_host",
        }
    }

    /// `error_description`: what to do about it, in one sentence, without any byte of the client's.
    pub fn description(&self) -> String {
        match self {
            Self::Unsafe(fault) => unsafe_description(*fault),
            Self::Authorization(AuthorizationFault::Malformed) => {
                "Send the header as: Authorization: Bearer <access token>".into()
            }
            Self::Authorization(AuthorizationFault::Doubled) => "Send one Authorization header only".into(),
            Self::Authorization(AuthorizationFault::TooLong) => {
                format!("Send an access token of at most {} bytes", bearer::MAX_TOKEN)
            }
            Self::Method(allow) => format!("Use one of the methods of this path: {allow}"),
            Self::NoDocument => "No protected resource has this path; ask for the document of one that has".into(),
            Self::NoRequiredScope => "Name the scope to test in the header X-Required-Scope".into(),
            Self::NoToken => "Access token required".into(),
            Self::Encrypted => "The token is encrypted (JWE, 5 parts): set the API's audience at the identity provider, so that it issues a signed token".into(),
            Self::Opaque => "Expecting JWS access token (3 parts)".into(),
            Self::Token(fault) => token_description(*fault).into(),
            Self::Scope { needed, .. } => format!("Request a token with the scope: {}", needed.join(" ")),
            Self::Denied(Denied::NoRoute | Denied::Case) => "No route of this gateway allows the request; check its path and method".into(),
            Self::Version => "This version of MCP is not spoken here; use one of data.supported".into(),
            Self::Body(fault) => body_description(*fault).into(),
            Self::Denied(Denied::Unlisted) => "The policy does not allow this tool, prompt, resource or task; use one that is listed".into(),
            Self::Origin => "Pages of this origin may not call this server; the operator has to allow it".into(),
            Self::NotOwner => "There is nothing of yours here".into(),
            Self::NoSession => "This session is not yours or has ended; begin another with initialize".into(),
            Self::NoTask => "There is no such task of yours; call its tool anew".into(),
            Self::NotFilterable => "The upstream's answer can't be cut down to what is yours; the operator has to look at it".into(),
            Self::Denied(Denied::Issuer) => "Tokens of this issuer are not accepted on this route; sign in with another one".into(),
            Self::Denied(Denied::Tenant) => "This organization may not use the gateway; sign in with another one".into(),
            Self::Denied(Denied::Machine) => "This route is for users; sign in as one instead of using client credentials".into(),
            Self::Upgrade => "This route does not take upgrades; use plain HTTP".into(),
            Self::Limited(s) | Self::AddressLimited(s) => format!("Too many requests; retry in {} s", s.reset_s.max(1)),
            Self::KeysUnavailable(_) => "The identity provider's keys are not available yet; retry shortly".into(),
            Self::KeyPending(_) => "The token's key is not known yet; retry shortly".into(),
            Self::Slow => "The body took too long to come; send it at once".into(),
            Self::NoRoom => "Too many bodies wait to be judged; retry shortly, with an access token".into(),
            Self::LimitsUnavailable => "The limits of all gateways can't be counted now; retry shortly".into(),
            Self::Internal(_) => "The gateway could not judge the request; retry shortly".into(),
        }
    }
}

fn unsafe_description(fault: RequestFault) -> String {
    match fault {
        RequestFault::Path(PathFault::NotAbsolute) => {
            "The request target must be a path that begins with /".into()
        }
        RequestFault::Path(PathFault::DotSegment | PathFault::EmptySegment) => {
            "The path must not have empty, . or .. segments".into()
        }
        RequestFault::Path(PathFault::Character) => {
            "The path has a character that must not stand there; escape it or leave it out".into()
        }
        RequestFault::Path(PathFault::Escape) => {
            "The path has a percent escape that is broken or not allowed".into()
        }
        RequestFault::Path(PathFault::Lookalike) => {
            "A segment of the path must not end in a dot, have blanks at its ends, or have :$ in it".into()
        }
        RequestFault::Doubled(name) => format!("Send one {name} header only"),
        RequestFault::Connection => "The Connection header must not name other headers".into(),
        RequestFault::Method => "Use a request method for resources, in upper case".into(),
        RequestFault::NotText(name) => format!("The {name} header must be ASCII text"),
    }
}

fn body_description(fault: BodyFault) -> &'static str {
    match fault {
        BodyFault::Json => "The body must be one JSON text in UTF-8",
        BodyFault::Doubled => "The body must not have a member twice, or in two spellings",
        BodyFault::Surrogate => {
            "The body has half a surrogate pair, which is no character; escape whole ones"
        }
        BodyFault::Method => "Spell the method as the specification does",
        BodyFault::Uri(fault) => uri_description(fault),
        BodyFault::Lookalike => {
            "The URI differs from one that has a rule by its case, slashes, dots or blanks alone; use that one"
        }
        BodyFault::Version => "This version of MCP is not spoken here; use one of data.supported",
        BodyFault::Message => "The body must be a JSON-RPC 2.0 message",
        BodyFault::Batch => {
            "Send one message; a batch, where this version of MCP has them, holds 1 to 100, and at most 16 of them ask for a list"
        }
        BodyFault::Target => "The call must name its tool, prompt, resource or task",
        BodyFault::Mismatch => "Mcp-Method, Mcp-Name and MCP-Protocol-Version must say what the body says",
        BodyFault::TooLarge => "The body is larger than this server takes; send less at once",
        BodyFault::MediaType => "Send the body as application/json in UTF-8, not encoded",
    }
}

fn uri_description(fault: UriFault) -> &'static str {
    match fault {
        UriFault::Scheme => "A resource's URI must begin with a scheme in lower case",
        UriFault::Character => "The URI has a character that must be escaped there, or can't stand there",
        UriFault::Escape => "Escape in a URI what needs it alone, in upper case, and once",
        UriFault::Authority => {
            "The URI's host must be in lower case, without user, default port or final dot; file: is followed by ///"
        }
        UriFault::DotSegment => "The URI must not have . or .. segments",
        UriFault::Empty => {
            "The URI must not have an empty path, query, fragment or segment where it can be left out"
        }
    }
}

fn token_reason(fault: TokenFault) -> &'static str {
    match fault {
        TokenFault::Malformed => "token_malformed",
        TokenFault::Algorithm => "token_algorithm",
        TokenFault::Type => "token_type",
        TokenFault::Critical => "token_critical",
        TokenFault::KeyId => "token_kid",
        TokenFault::Issuer => "token_issuer",
        TokenFault::Audience => "token_audience",
        TokenFault::Expired => "token_expired",
        TokenFault::NotYetValid => "token_not_yet_valid",
        TokenFault::Claim => "token_claim",
        TokenFault::Subject => "token_subject",
        TokenFault::ReservedUser => "token_reserved_user",
        TokenFault::UnknownKey => "token_unknown_key",
        TokenFault::Signature => "token_signature",
    }
}

fn token_description(fault: TokenFault) -> &'static str {
    match fault {
        TokenFault::Malformed => "The access token is not a well-formed JWS; get a new one",
        TokenFault::Algorithm => {
            "The access token must be signed with RS256; set that at the identity provider"
        }
        TokenFault::Type => "The token is not an access token (typ must be JWT or at+jwt)",
        TokenFault::Critical => "The access token has critical extensions, which are not supported",
        TokenFault::KeyId => "The access token must name its key with a kid",
        TokenFault::Issuer => "The access token is from an issuer that this gateway does not trust",
        TokenFault::Audience => "The access token is not for this resource; request one with its audience",
        TokenFault::Expired => "The access token has expired; refresh it or sign in again",
        TokenFault::NotYetValid => "The access token is not valid yet; check the clocks",
        TokenFault::Claim => "The access token lacks a claim that is needed, or one has the wrong form",
        TokenFault::Subject => "The access token does not name a user",
        TokenFault::ReservedUser => "The access token names a user that belongs to another issuer",
        TokenFault::UnknownKey => {
            "The access token is signed with a key that its issuer does not publish; sign in again"
        }
        TokenFault::Signature => "The access token's signature is not valid; sign in again",
    }
}

/// Every reason that a record can have beside `allow`, with its decision: the closed set that statistics are made of.
pub const REASONS: [(&str, &str); 53] = [
    ("deny", "unsafe_path"),
    ("deny", "unsafe_method"),
    ("deny", "unsafe_headers"),
    ("deny", "malformed_authorization"),
    ("deny", "method_not_allowed"),
    ("deny", "no_document"),
    ("deny", "no_required_scope"),
    ("deny", "mcp_version"),
    ("deny", "body_too_large"),
    ("deny", "body_media_type"),
    ("deny", "mcp_mismatch"),
    ("deny", "body_malformed"),
    ("deny", "body_timeout"),
    ("deny", "no_token"),
    ("deny", "token_encrypted"),
    ("deny", "token_opaque"),
    ("deny", "token_malformed"),
    ("deny", "token_algorithm"),
    ("deny", "token_type"),
    ("deny", "token_critical"),
    ("deny", "token_kid"),
    ("deny", "token_issuer"),
    ("deny", "token_audience"),
    ("deny", "token_expired"),
    ("deny", "token_not_yet_valid"),
    ("deny", "token_claim"),
    ("deny", "token_subject"),
    ("deny", "token_reserved_user"),
    ("deny", "token_unknown_key"),
    ("deny", "token_signature"),
    ("deny", "insufficient_scope"),
    ("deny", "no_route"),
    ("deny", "ambiguous_case"),
    ("deny", "unlisted"),
    ("deny", "issuer_not_on_route"),
    ("deny", "tenant_not_allowed"),
    ("deny", "machine_not_allowed"),
    ("deny", "upgrade_not_allowed"),
    ("deny", "origin_not_allowed"),
    ("deny", "not_owner"),
    ("deny", "session_not_found"),
    ("deny", "task_not_found"),
    ("error", "not_filterable"),
    ("limited", "rate_limited"),
    ("limited", "address_limited"),
    ("error", "keys_unavailable"),
    ("error", "key_pending"),
    ("error", "limits_unavailable"),
    ("error", "no_room"),
    ("error", "fault_shared_table"),
    ("error", "fault_verifier"),
    ("error", "fault_host"),
    ("error", "client_gone"),
];

#[cfg(test)]
mod tests;
