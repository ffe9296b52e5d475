//! Every way to refuse, grouped by whose fault it is (contract §3). All that an answer, a record and a
//! statistic say of one is a row in `refusal/kind.rs`; what the client is told to do is in
//! `refusal/description.rs`.

mod description;
mod fault;
pub mod kind;

use crate::jwt::TokenFault;
use crate::mcp::strict::BodyFault;
use crate::request::RequestFault;
pub use fault::{Denied, Fault, Refusal};
use kind::{Challenge, Kind};
use std::sync::Arc;

impl Refusal {
    /// Which row it has.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unsafe(RequestFault::Path(_)) => Kind::UnsafePath,
            Self::Unsafe(RequestFault::Method) => Kind::UnsafeMethod,
            Self::Unsafe(RequestFault::Doubled(_) | RequestFault::Connection | RequestFault::NotText(_)) => {
                Kind::UnsafeHeaders
            }
            Self::Authorization(_) => Kind::MalformedAuthorization,
            Self::Method(_) => Kind::Method,
            Self::NoDocument => Kind::NoDocument,
            Self::Version => Kind::Version,
            Self::Body(fault) => of_body(*fault),
            Self::NoRequiredScope => Kind::NoRequiredScope,
            Self::Slow => Kind::Slow,
            Self::NoToken => Kind::NoToken,
            Self::Encrypted => Kind::Encrypted,
            Self::Opaque => Kind::Opaque,
            Self::Token(fault) => of_token(*fault),
            Self::Scope { .. } => Kind::Scope,
            Self::Denied(denied) => of_denied(*denied),
            Self::Rule(..) => Kind::Rule,
            Self::StepUp(..) => Kind::StepUp,
            Self::Upgrade => Kind::Upgrade,
            Self::Origin => Kind::Origin,
            Self::NotOwner => Kind::NotOwner,
            Self::NoSession => Kind::NoSession,
            Self::NoTask => Kind::NoTask,
            Self::Limited(_) => Kind::Limited,
            Self::AddressLimited(_) => Kind::AddressLimited,
            Self::KeysUnavailable(_) => Kind::KeysUnavailable,
            Self::KeyPending(_) => Kind::KeyPending,
            Self::NotFilterable => Kind::NotFilterable,
            Self::NoRoom => Kind::NoRoom,
            Self::LimitsUnavailable => Kind::LimitsUnavailable,
            Self::FeedStale => Kind::FeedStale,
            Self::AuditUnavailable => Kind::AuditUnavailable,
            Self::Internal(Fault::SharedTable) => Kind::SharedTable,
            Self::Internal(Fault::Verifier) => Kind::Verifier,
            Self::Internal(Fault::Host) => Kind::Host,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.kind().row().status
    }

    /// `error` of the body.
    pub fn error(&self) -> &'static str {
        self.kind().row().error
    }

    /// `code` of a JSON-RPC error.
    pub fn code(&self) -> i32 {
        self.kind().row().code
    }

    /// `error=` of the challenge; `None`: the challenge has none (RFC 6750 §3.1).
    pub fn challenge_error(&self) -> Option<&'static str> {
        let row = self.kind().row();
        (row.challenge == Challenge::Error).then_some(row.error)
    }

    /// Whether the answer carries `WWW-Authenticate`.
    pub fn is_challenged(&self) -> bool {
        self.kind().row().challenge != Challenge::None
    }

    /// `Retry-After` in seconds.
    pub fn retry_after(&self) -> Option<u64> {
        let told = match self {
            Self::Limited(state) | Self::AddressLimited(state) => state.reset_s,
            Self::KeysUnavailable(seconds) | Self::KeyPending(seconds) => u64::from(*seconds),
            _ => 1,
        };
        self.kind().row().retries.then_some(told.max(1))
    }

    /// Whether this counts as a failed authentication of the client's address (contract §1.12).
    pub fn is_address_failure(&self) -> bool {
        self.kind().row().counts
    }

    /// `decision` of the record.
    pub fn decision(&self) -> &'static str {
        self.kind().row().decision
    }

    /// `reason` of the record and the statistics.
    pub fn reason(&self) -> &'static str {
        self.kind().row().reason
    }

    /// The rule that refuses it, by its id.
    pub fn rule(&self) -> Option<&Arc<str>> {
        match self {
            Self::Rule(id, _) | Self::StepUp(id, _) => Some(id),
            _ => None,
        }
    }

    /// `error_description`: what to do about it, in one sentence, without any byte of the client's.
    pub fn description(&self) -> String {
        description::of(self)
    }
}

fn of_body(fault: BodyFault) -> Kind {
    match fault {
        BodyFault::TooLarge => Kind::BodyTooLarge,
        BodyFault::MediaType => Kind::BodyMediaType,
        BodyFault::Mismatch => Kind::Mismatch,
        BodyFault::Json
        | BodyFault::Doubled
        | BodyFault::Surrogate
        | BodyFault::Method
        | BodyFault::Uri(_)
        | BodyFault::Lookalike
        | BodyFault::Version
        | BodyFault::Message
        | BodyFault::Batch
        | BodyFault::Target => Kind::BodyMalformed,
    }
}

fn of_token(fault: TokenFault) -> Kind {
    match fault {
        TokenFault::Malformed => Kind::TokenMalformed,
        TokenFault::Algorithm => Kind::TokenAlgorithm,
        TokenFault::Type => Kind::TokenType,
        TokenFault::Critical => Kind::TokenCritical,
        TokenFault::KeyId => Kind::TokenKeyId,
        TokenFault::Issuer => Kind::TokenIssuer,
        TokenFault::Audience => Kind::TokenAudience,
        TokenFault::Expired => Kind::TokenExpired,
        TokenFault::NotYetValid => Kind::TokenNotYetValid,
        TokenFault::Claim => Kind::TokenClaim,
        TokenFault::Subject => Kind::TokenSubject,
        TokenFault::Unverified => Kind::TokenUnverified,
        TokenFault::ReservedUser => Kind::TokenReservedUser,
        TokenFault::UnknownKey => Kind::TokenUnknownKey,
        TokenFault::Signature => Kind::TokenSignature,
        TokenFault::Revoked => Kind::TokenRevoked,
    }
}

fn of_denied(denied: Denied) -> Kind {
    match denied {
        Denied::NoRoute => Kind::NoRoute,
        Denied::Case => Kind::Case,
        Denied::Unlisted => Kind::Unlisted,
        Denied::Issuer => Kind::Issuer,
        Denied::Tenant => Kind::Tenant,
        Denied::Machine => Kind::Machine,
        Denied::Agent => Kind::Agent,
        Denied::Blocked => Kind::Blocked,
    }
}

#[cfg(test)]
mod tests;
