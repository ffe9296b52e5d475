//! What a refused client is told to do about it.

use super::fault::{Denied, Refusal};
use crate::config::policy::StepUp;
use crate::credential::{self, AuthorizationFault};
use crate::jwt::TokenFault;
use crate::mcp::strict::BodyFault;
use crate::path::PathFault;
use crate::request::RequestFault;
use crate::uri::UriFault;

/// `error_description`: one sentence, without any byte of the client's.
pub(super) fn of(refusal: &Refusal) -> String {
    use Refusal as R;
    match refusal {
        R::Unsafe(fault) => unsafe_description(*fault),
        R::Authorization(AuthorizationFault::Malformed) => {
            "Send the header as: Authorization: Bearer <access token>".into()
        }
        R::Authorization(AuthorizationFault::Doubled) => "Send one Authorization header only".into(),
        R::Authorization(AuthorizationFault::TooLong) => {
            format!("Send an access token of at most {} bytes", credential::MAX_TOKEN)
        }
        R::Method(allow) => format!("Use one of the methods of this path: {allow}"),
        R::NoDocument => "No protected resource has this path; ask for the document of one that has".into(),
        R::NoRequiredScope => "Name the scope to test in the header X-Required-Scope".into(),
        R::NoToken => "Access token required".into(),
        R::Encrypted => "The token is encrypted (JWE, 5 parts): set the API's audience at the identity provider, so that it issues a signed token".into(),
        R::Opaque => "Expecting JWS access token (3 parts)".into(),
        R::Token(fault) => token_description(*fault).into(),
        R::Scope { needed, .. } => format!("Request a token with the scope: {}", needed.join(" ")),
        R::Denied(Denied::NoRoute | Denied::Case) => "No route of this gateway allows the request; check its path and method".into(),
        R::Version => "This version of MCP is not spoken here; use one of data.supported".into(),
        R::Body(fault) => body_description(*fault).into(),
        R::Denied(Denied::Unlisted) => "The policy does not allow this tool, prompt, resource or task; use one that is listed".into(),
        R::Origin => "Pages of this origin may not call this server; the operator has to allow it".into(),
        R::NotOwner => "There is nothing of yours here".into(),
        R::NoSession => "This session is not yours or has ended; begin another with initialize".into(),
        R::NoTask => "There is no such task of yours; call its tool anew".into(),
        R::NotFilterable => "The upstream's answer can't be cut down to what is yours; the operator has to look at it".into(),
        R::Denied(Denied::Issuer) => "Tokens of this issuer are not accepted on this route; sign in with another one".into(),
        R::Denied(Denied::Tenant) => "This organization may not use the gateway; sign in with another one".into(),
        R::Denied(Denied::Machine) => "This route is for users; sign in as one instead of using client credentials".into(),
        R::Denied(Denied::Agent) => "This client is not one that may act here; the operator has to list it".into(),
        R::Denied(Denied::Blocked) => "The operator of this gateway has blocked this caller; ask them why".into(),
        R::Rule(id, message) if message.is_empty() => format!("The rule {id} of this gateway does not allow it"),
        R::Rule(_, message) => message.to_string(),
        R::StepUp(_, step_up) => step_up_description(step_up),
        R::Upgrade => "This route does not take upgrades; use plain HTTP".into(),
        R::Limited(s) | R::AddressLimited(s) => format!("Too many requests; retry in {} s", s.reset_s.max(1)),
        R::KeysUnavailable(_) => "The identity provider's keys are not available yet; retry shortly".into(),
        R::KeyPending(_) => "The token's key is not known yet; retry shortly".into(),
        R::Slow => "The body took too long to come; send it at once".into(),
        R::NoRoom => "Too many bodies wait to be judged; retry shortly, with an access token".into(),
        R::LimitsUnavailable => "The limits of all gateways can't be counted now; retry shortly".into(),
        R::FeedStale => "The gateway doesn't know at present who is blocked; retry shortly".into(),
        R::AuditUnavailable => "What is done can't be recorded for the audit now; retry shortly".into(),
        R::Internal(_) => "The gateway could not judge the request; retry shortly".into(),
    }
}

fn step_up_description(step_up: &StepUp) -> String {
    let how =
        if step_up.acr.is_empty() { String::new() } else { format!(" with {}", step_up.acr.join(" or ")) };
    match step_up.max_age_s {
        Some(seconds) => format!("Sign in again{how}, at most {seconds} s before the call"),
        None => format!("Sign in again{how}"),
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
            "The path has a character that is not allowed; escape it or leave it out".into()
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
        UriFault::Character => "The URI has a character that must be escaped, or that is not allowed",
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

fn token_description(fault: TokenFault) -> &'static str {
    match fault {
        TokenFault::Malformed => "The access token is not a well-formed JWS; get a new one",
        TokenFault::Algorithm => {
            "The access token must be signed as its issuer is allowed to here (RS256 where the policy says nothing); set that at the identity provider"
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
        TokenFault::Unverified => {
            "The token's issuer has not verified what names the user; verify it there, and sign in again"
        }
        TokenFault::ReservedUser => "The access token names a user that belongs to another issuer",
        TokenFault::UnknownKey => {
            "The access token is signed with a key that its issuer does not publish; sign in again"
        }
        TokenFault::Signature => "The access token's signature is not valid; sign in again",
        TokenFault::Revoked => "The access token has been revoked by its issuer; sign in again",
    }
}
