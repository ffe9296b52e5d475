//! The kinds of refusal: one row each, of which answers, challenges, records and statistics are made. A new
//! kind is a new row, and the compiler asks [`super::Refusal::kind`] which refusals have it.

/// What all refusals of a kind have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The HTTP status.
    pub status: u16,
    /// `decision` of the record.
    pub decision: &'static str,
    /// `reason` of the record and the statistics.
    pub reason: &'static str,
    /// `error` of the body.
    pub error: &'static str,
    /// `code` of a JSON-RPC error (JSON-RPC 2.0 §5.1, contract §12).
    pub code: i32,
    /// `WWW-Authenticate`.
    pub challenge: Challenge,
    /// Whether the answer has `Retry-After`.
    pub retries: bool,
    /// Whether it counts as a failed authentication of the client's address (contract §1.12).
    pub counts: bool,
}

/// What of a challenge an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// Nothing.
    None,
    /// A challenge without `error`: nothing was tried (RFC 6750 §3.1).
    Bare,
    /// A challenge with the row's `error`.
    Error,
}

macro_rules! kinds {
    ($($kind:ident: $status:literal $decision:ident $reason:literal, $error:literal $code:literal, $challenge:ident $($flag:ident)*;)*) => {
        /// A kind of refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "its row says what it is")]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// Each of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its row.
            pub fn row(self) -> &'static Row {
                match self {
                    $(Self::$kind => const {
                        let row = Row {
                            status: $status,
                            decision: stringify!($decision),
                            reason: $reason,
                            error: $error,
                            code: $code,
                            challenge: Challenge::$challenge,
                            retries: false,
                            counts: false,
                        };
                        &Row { $($flag: true,)* ..row }
                    },)*
                }
            }
        }
    };
}

// Kind: status, decision and reason of the record, error of the body, code of JSON-RPC, challenge; what else
// holds.
kinds! {
    UnsafePath: 400 deny "unsafe_path", "invalid_request" -32600, None;
    UnsafeMethod: 400 deny "unsafe_method", "invalid_request" -32600, None;
    UnsafeHeaders: 400 deny "unsafe_headers", "invalid_request" -32600, None;
    MalformedAuthorization: 400 deny "malformed_authorization", "invalid_request" -32600, None counts;
    Method: 405 deny "method_not_allowed", "method_not_allowed" -32600, None;
    NoDocument: 404 deny "no_document", "not_found" -32600, None;
    NoRequiredScope: 400 deny "no_required_scope", "missing_required_scope_header" -32600, None;
    Version: 400 deny "mcp_version", "invalid_request" -32022, None;
    BodyTooLarge: 413 deny "body_too_large", "content_too_large" -32600, None;
    BodyMediaType: 415 deny "body_media_type", "unsupported_media_type" -32600, None;
    Mismatch: 400 deny "mcp_mismatch", "invalid_request" -32020, None;
    BodyMalformed: 400 deny "body_malformed", "invalid_request" -32600, None;
    Slow: 408 deny "body_timeout", "request_timeout" -32600, None;
    NoToken: 401 deny "no_token", "unauthorized" -32001, Bare;
    Encrypted: 401 deny "token_encrypted", "invalid_token" -32001, Error;
    Opaque: 401 deny "token_opaque", "invalid_token" -32001, Error;
    TokenMalformed: 401 deny "token_malformed", "invalid_token" -32001, Error;
    TokenAlgorithm: 401 deny "token_algorithm", "invalid_token" -32001, Error;
    TokenType: 401 deny "token_type", "invalid_token" -32001, Error;
    TokenCritical: 401 deny "token_critical", "invalid_token" -32001, Error;
    TokenKeyId: 401 deny "token_kid", "invalid_token" -32001, Error;
    TokenIssuer: 401 deny "token_issuer", "invalid_token" -32001, Error;
    TokenAudience: 401 deny "token_audience", "invalid_token" -32001, Error;
    TokenExpired: 401 deny "token_expired", "invalid_token" -32001, Error;
    TokenNotYetValid: 401 deny "token_not_yet_valid", "invalid_token" -32001, Error;
    TokenClaim: 401 deny "token_claim", "invalid_token" -32001, Error;
    TokenSubject: 401 deny "token_subject", "invalid_token" -32001, Error;
    TokenUnverified: 401 deny "token_user_unverified", "invalid_token" -32001, Error;
    TokenReservedUser: 401 deny "token_reserved_user", "invalid_token" -32001, Error;
    TokenUnknownKey: 401 deny "token_unknown_key", "invalid_token" -32001, Error counts;
    TokenSignature: 401 deny "token_signature", "invalid_token" -32001, Error counts;
    TokenRevoked: 401 deny "revoked", "invalid_token" -32001, Error;
    Scope: 403 deny "insufficient_scope", "insufficient_scope" -32001, Error;
    NoRoute: 403 deny "no_route", "access_denied" -32001, None;
    Case: 403 deny "ambiguous_case", "access_denied" -32001, None;
    Unlisted: 403 deny "unlisted", "access_denied" -32001, None;
    Issuer: 403 deny "issuer_not_on_route", "access_denied" -32001, None;
    Tenant: 403 deny "tenant_not_allowed", "access_denied" -32001, None;
    Machine: 403 deny "machine_not_allowed", "access_denied" -32001, None;
    Agent: 403 deny "agent_unlisted", "agent_unlisted" -32001, None;
    Blocked: 403 deny "blocked", "blocked" -32001, None;
    Rule: 403 deny "policy_denied", "policy_denied" -32001, None;
    StepUp: 401 deny "step_up", "insufficient_user_authentication" -32001, Error;
    Upgrade: 403 deny "upgrade_not_allowed", "upgrade_not_allowed" -32001, None;
    Origin: 403 deny "origin_not_allowed", "origin_not_allowed" -32001, None;
    NotOwner: 404 deny "not_owner", "not_found" -32600, None;
    NoSession: 404 deny "session_not_found", "session_not_found" -32001, None;
    NoTask: 400 deny "task_not_found", "task_not_found" -32602, None;
    NotFilterable: 502 error "not_filterable", "response_not_filterable" -32603, None;
    Limited: 429 limited "rate_limited", "rate_limited" -32029, None retries;
    AddressLimited: 429 limited "address_limited", "rate_limited" -32029, None retries;
    KeysUnavailable: 503 error "keys_unavailable", "temporarily_unavailable" -32603, None retries;
    KeyPending: 503 error "key_pending", "temporarily_unavailable" -32603, None retries counts;
    LimitsUnavailable: 503 error "limits_unavailable", "temporarily_unavailable" -32603, None retries;
    FeedStale: 503 error "feed_stale", "temporarily_unavailable" -32603, None retries;
    AuditUnavailable: 503 error "audit_unavailable", "audit_unavailable" -32603, None retries;
    NoRoom: 503 error "no_room", "temporarily_unavailable" -32603, None retries;
    SharedTable: 503 error "fault_shared_table", "internal_error" -32603, None retries;
    Verifier: 500 error "fault_verifier", "internal_error" -32603, None;
    Host: 500 error "fault_host", "internal_error" -32603, None;
}

/// Decision and reason where nothing was decided in the end: the client has gone.
pub const GONE: (&str, &str) = ("error", "client_gone");

/// Decision and reason of every record that isn't of an allowed request: the closed set that statistics are
/// made of.
pub fn reasons() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_kind = |kind: &Kind| (kind.row().decision, kind.row().reason);
    Kind::ALL.iter().map(of_kind).chain([GONE])
}
