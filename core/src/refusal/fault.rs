//! Every way to refuse, grouped by whose fault it is.

use crate::config::policy::StepUp;
use crate::credential::AuthorizationFault;
use crate::jwt::TokenFault;
use crate::mcp::strict::BodyFault;
use crate::rate_limit::LimitState;
use crate::request::RequestFault;
use std::sync::Arc;

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
    /// A rule refuses it: its id, and what the policy says to the client.
    Rule(Arc<str>, Arc<str>),
    /// A rule wants its caller to sign in anew (RFC 9470): its id, and how.
    StepUp(Arc<str>, StepUp),
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
    /// Nobody knows who is blocked, and the policy says that nothing passes then.
    FeedStale,
    /// The audit log can't be written, and the route wants it.
    AuditUnavailable,
    /// Our own fault.
    Internal(Fault),
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
    /// The client is none of the policy's agents, and no other may act.
    Agent,
    /// An operator has blocked the caller, or the issuer has disabled the account.
    Blocked,
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
