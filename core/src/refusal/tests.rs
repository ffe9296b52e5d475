//! Every refusal has its status, code, reason and text.

use super::*;
use crate::config::policy::StepUp;
use crate::credential::AuthorizationFault;
use crate::path::PathFault;
use crate::rate_limit::LimitState;
use crate::uri::UriFault;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn every() -> Vec<Refusal> {
    use TokenFault::*;
    let state = LimitState { limit: 1, window_s: 60, remaining: 0, reset_s: 3 };
    let tokens = [
        Malformed,
        Algorithm,
        Type,
        Critical,
        KeyId,
        Issuer,
        Audience,
        Expired,
        NotYetValid,
        Claim,
        Subject,
        Unverified,
        ReservedUser,
        UnknownKey,
        Signature,
        Revoked,
    ];
    let mut all: Vec<Refusal> = tokens.into_iter().map(Refusal::Token).collect();
    all.extend([
        Refusal::Unsafe(RequestFault::Path(PathFault::DotSegment)),
        Refusal::Unsafe(RequestFault::Path(PathFault::Lookalike)),
        Refusal::Unsafe(RequestFault::Method),
        Refusal::Unsafe(RequestFault::Connection),
        Refusal::Authorization(AuthorizationFault::Malformed),
        Refusal::Method("GET".into()),
        Refusal::NoDocument,
        Refusal::NoRequiredScope,
        Refusal::Version,
        Refusal::Body(BodyFault::Json),
        Refusal::Body(BodyFault::Doubled),
        Refusal::Body(BodyFault::Surrogate),
        Refusal::Body(BodyFault::Method),
        Refusal::Body(BodyFault::Uri(UriFault::Scheme)),
        Refusal::Body(BodyFault::Uri(UriFault::Character)),
        Refusal::Body(BodyFault::Uri(UriFault::Escape)),
        Refusal::Body(BodyFault::Uri(UriFault::Authority)),
        Refusal::Body(BodyFault::Uri(UriFault::DotSegment)),
        Refusal::Body(BodyFault::Uri(UriFault::Empty)),
        Refusal::Body(BodyFault::Lookalike),
        Refusal::Body(BodyFault::Version),
        Refusal::Body(BodyFault::Message),
        Refusal::Body(BodyFault::Batch),
        Refusal::Body(BodyFault::Target),
        Refusal::Body(BodyFault::Mismatch),
        Refusal::Body(BodyFault::TooLarge),
        Refusal::Body(BodyFault::MediaType),
        Refusal::Origin,
        Refusal::NotOwner,
        Refusal::NoSession,
        Refusal::NoTask,
        Refusal::NotFilterable,
        Refusal::NoToken,
        Refusal::Encrypted,
        Refusal::Opaque,
        Refusal::Scope { needed: vec![], have: vec![] },
        Refusal::Denied(Denied::NoRoute),
        Refusal::Denied(Denied::Case),
        Refusal::Denied(Denied::Unlisted),
        Refusal::Denied(Denied::Issuer),
        Refusal::Denied(Denied::Tenant),
        Refusal::Denied(Denied::Machine),
        Refusal::Denied(Denied::Agent),
        Refusal::Denied(Denied::Blocked),
        Refusal::Rule("a".into(), "".into()),
        Refusal::StepUp("a".into(), StepUp { max_age_s: Some(60), acr: vec!["mfa".into()] }),
        Refusal::Upgrade,
        Refusal::Limited(state),
        Refusal::AddressLimited(state),
        Refusal::KeysUnavailable(2),
        Refusal::KeyPending(2),
        Refusal::LimitsUnavailable,
        Refusal::FeedStale,
        Refusal::AuditUnavailable,
        Refusal::NoRoom,
        Refusal::Slow,
        Refusal::Internal(Fault::SharedTable),
        Refusal::Internal(Fault::Verifier),
        Refusal::Internal(Fault::Host),
    ]);
    all
}

/// Each row is some refusal's, so that no statistic is defined that nothing counts.
#[test]
fn every_row_is_used_and_no_two_are_counted_as_one() {
    let used: Vec<Kind> = every().iter().map(Refusal::kind).collect();
    for kind in Kind::ALL {
        assert!(used.contains(kind), "{kind:?}");
    }
    let mut reasons: Vec<_> = kind::reasons().collect();
    assert_eq!(reasons.len(), Kind::ALL.len() + 1);
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), Kind::ALL.len() + 1);
}

/// What a status says elsewhere, too.
#[test]
fn rows_agree_with_their_status() {
    for kind in Kind::ALL {
        let row = kind.row();
        let decision = match row.status {
            429 => "limited",
            500.. => "error",
            _ => "deny",
        };
        let code = match row.status {
            401 | 403 => -32001,
            429 => -32029,
            500.. => -32603,
            _ => row.code,
        };
        assert_eq!((row.decision, row.code), (decision, code), "{kind:?}");
        assert_eq!(row.challenge != Challenge::None, row.status == 401 || *kind == Kind::Scope, "{kind:?}");
        assert_eq!(row.retries, matches!(row.status, 429 | 503), "{kind:?}");
    }
}

#[test]
fn every_refusal_is_an_error_status_and_says_what_to_do() {
    for refusal in every() {
        assert!(refusal.status() >= 400, "{refusal:?}");
        assert!(refusal.description().is_ascii() && refusal.description().len() > 10, "{refusal:?}");
        assert_eq!(refusal.retry_after().is_some(), matches!(refusal.status(), 429 | 503), "{refusal:?}");
    }
}
