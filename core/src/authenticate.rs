//! Who calls: a credential in, a [`Principal`] out (contract §1.7, §2). Header and claims come first, since
//! what they refuse costs no signature; then the key; then the signature. A token that was verified before
//! skips all three.

use crate::config::policy::{Issuer, IssuerId, Policy, Route};
use crate::credential::{Credential, Presented, Scheme, Token};
use crate::feed::Age;
use crate::hash;
use crate::jwks::control::{self, Force};
use crate::jwks::{Key, Lookup};
use crate::jwt::claims::UnverifiedClaims;
use crate::jwt::{self, TokenFault, claims, header, signature};
use crate::principal::Principal;
use crate::rate_limit::Outcome;
use crate::refusal::{Fault, Refusal};
use crate::tally::Tally;
use crate::world::World;
use std::sync::Arc;

/// What became of a fetch that a request waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It didn't wait.
    NotAsked,
    /// New keys came.
    Good,
    /// The fetch failed, or took too long.
    Failed,
}

/// What a request has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// What became of a fetch of keys.
    pub keys: Fetched,
    /// For the feed.
    pub feed: bool,
}

impl Waited {
    /// For nothing.
    pub const NOTHING: Self = Self { keys: Fetched::NotAsked, feed: false };

    /// Whether it was held.
    pub fn was_held(self) -> bool {
        self != Self::NOTHING
    }
}

/// Outcome of authentication.
#[derive(Debug)]
pub enum Caller {
    /// This one.
    Known(Arc<Principal>),
    /// Something must come first.
    Needs(Missing),
}

/// What must come before it is known who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The keys of this issuer.
    Keys(IssuerId),
    /// Who is blocked.
    Feed,
}

/// Authenticates the sender of a request to `route` by what it presents.
///
/// # Errors
/// Why the request is refused.
pub fn authenticate(
    world: &World<'_>,
    route: Option<&Route>,
    presented: Presented<'_>,
    waited: Waited,
    tally: &mut Tally,
) -> Result<Caller, Refusal> {
    let credential = match presented {
        Ok(None) => return Err(Refusal::NoToken),
        Ok(Some(credential)) => Ok(credential),
        Err(fault) => Err(fault),
    };
    if let Some(settings) = &world.policy.feed
        && !waited.feed
        && world.feed.age(settings, world.now_ms) == Age::Awaited
    {
        return Ok(Caller::Needs(Missing::Feed));
    }
    if let Some(principal) = credential.ok().and_then(|credential| known(world, credential)) {
        tally.cache_hits += 1;
        check_audience(world.policy, principal.issuer(), route, principal.audiences())?;
        return Ok(Caller::Known(principal));
    }
    check_address(world)?;
    let credential = credential.and_then(Credential::read).map_err(Refusal::Authorization)?;
    match credential.token {
        Token::Signed(token) => verify(world, route, token, waited.keys),
        Token::Encrypted => Err(Refusal::Encrypted),
        // What has been read is no longer unread.
        Token::Opaque | Token::Unread(_) => Err(Refusal::Opaque),
    }
}

/// Whose a token is that was verified before, byte for byte.
fn known(world: &World<'_>, credential: Credential<'_>) -> Option<Arc<Principal>> {
    // The bytes alone are enough by this scheme; one that asks for a proof isn't known by them.
    let Scheme::Bearer = credential.scheme;
    let token = credential.bytes()?;
    let principal = world.tokens.borrow_mut().find(token, world.now_ms)?;
    if !has_fresh_keys(world, principal.issuer()) {
        return None;
    }
    Some(principal)
}

/// A remembered verdict is as old as the keys are: past `max_stale` it doesn't count.
fn has_fresh_keys(world: &World<'_>, id: IssuerId) -> bool {
    world
        .policy
        .issuers
        .get(id.0)
        .is_some_and(|issuer| world.keys.are_fresh(id, issuer.max_stale_ms, world.now_ms))
}

/// Authenticates once more a caller whose token was good when the request began to wait.
///
/// # Errors
/// It has ended since, its key is gone, or the issuer's keys are too old by now.
pub fn again(
    world: &World<'_>,
    route: Option<&Route>,
    presented: Presented<'_>,
) -> Result<Arc<Principal>, Refusal> {
    // It was counted before.
    let waited = Waited { feed: true, ..Waited::NOTHING };
    match authenticate(world, route, presented, waited, &mut Tally::default())? {
        Caller::Known(principal) => Ok(principal),
        // It has waited once.
        Caller::Needs(_) => Err(Refusal::KeysUnavailable(1)),
    }
}

/// Addresses that failed too often are refused before a signature costs anything.
fn check_address(world: &World<'_>) -> Result<(), Refusal> {
    if !world.counts_failures() {
        return Ok(());
    }
    match world.counters.peek_failures(world.policy, (world.address)(), world.now_ms) {
        Ok(Outcome::Over(state)) => Err(Refusal::AddressLimited(state)),
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::Internal(Fault::SharedTable)),
    }
}

fn verify(
    world: &World<'_>,
    route: Option<&Route>,
    token: &str,
    fetched: Fetched,
) -> Result<Caller, Refusal> {
    let parts = jwt::decode(token).map_err(Refusal::Token)?;
    let header = header::parse(&parts.header).map_err(Refusal::Token)?;
    let kid = header.kid.as_deref();
    let unverified = claims::parse(&parts.payload, world.policy, world.now_ms).map_err(Refusal::Token)?;
    let id = unverified.issuer();
    let issuer = world.policy.issuers.get(id.0).ok_or(Refusal::Token(TokenFault::Issuer))?;
    // RFC 8725 §3.1: the issuer's algorithms are the policy's, and not the token's choice.
    if !issuer.algorithms.contains(&header.algorithm) {
        return Err(Refusal::Token(TokenFault::Algorithm));
    }
    check_audience(world.policy, id, route, unverified.audiences())?;
    let keys = match world.keys.find(id, (header.algorithm, kid), issuer.max_stale_ms, world.now_ms) {
        Lookup::Keys(keys) => keys,
        Lookup::NeedsKid => return Err(Refusal::Token(TokenFault::KeyId)),
        Lookup::Unavailable(seconds) => return Err(Refusal::KeysUnavailable(seconds)),
        Lookup::NotYet if fetched == Fetched::NotAsked => return Ok(Caller::Needs(Missing::Keys(id))),
        Lookup::NotYet => return Err(Refusal::KeysUnavailable(1)),
        Lookup::UnknownKid => {
            return unknown_kid(world, id, issuer, kid.unwrap_or_default(), fetched);
        }
    };
    check_signature(world, unverified, &keys, &parts, token)
}

fn check_signature(
    world: &World<'_>,
    unverified: UnverifiedClaims,
    keys: &[&Key],
    parts: &jwt::Parts<'_>,
    token: &str,
) -> Result<Caller, Refusal> {
    match signature::verify(world.verifier, keys, parts.signed, &parts.signature) {
        Err(_) => Err(Refusal::Internal(Fault::Verifier)),
        Ok(None) => Err(Refusal::Token(TokenFault::Signature)),
        Ok(Some((proof, key))) => {
            let principal = Arc::new(unverified.verified(proof));
            // It may be blocked later, while the answer is on its way.
            if world.policy.feed.is_some() {
                principal.digest(token.as_bytes());
            }
            world.tokens.borrow_mut().insert(token.as_bytes(), Arc::clone(&principal), key);
            Ok(Caller::Known(principal))
        }
    }
}

/// An unknown `kid` may be a new key: one fetch is worth it, but no flood of made-up `kid`s may cause more
/// (contract §2.1).
fn unknown_kid(
    world: &World<'_>,
    id: IssuerId,
    issuer: &Issuer,
    kid: &str,
    fetched: Fetched,
) -> Result<Caller, Refusal> {
    let cell = control::control_cell(issuer);
    let kid = hash::keyed(world.counters.secret, &[b"kid", kid.as_bytes()]);
    let table = world.counters.table;
    let now = world.now_ms;
    if fetched == Fetched::Failed {
        return Err(Refusal::KeyPending(30));
    }
    let held = world.keys.held(id).map_or(0, |held| held.generation);
    // Another worker may have published keys that this one hasn't read yet: then it waits for the next look,
    // which is due.
    let answer = control::update(table, &cell, |control| match control.force_unless_newer(held, now) {
        // The fetch that it waited for was the one that the floor allows. (One that began before the key was
        // published isn't: then the floor is free, and it waits once more.)
        Force::Spent(_) if fetched == Fetched::Good => {
            control.remember_refused(kid);
            None
        }
        Force::Spent(_) if control.was_refused(kid) => None,
        answer => Some(answer),
    });
    match answer.map_err(|_| Refusal::Internal(Fault::SharedTable))? {
        Some(Force::Wait) => Ok(Caller::Needs(Missing::Keys(id))),
        Some(Force::Spent(seconds)) => Err(Refusal::KeyPending(seconds)),
        None => Err(Refusal::Token(TokenFault::UnknownKey)),
    }
}

/// Whether a member of `aud` is accepted on this route (RFC 7519 §4.1.3, RFC 8707 §2).
fn check_audience(
    policy: &Policy,
    issuer: IssuerId,
    route: Option<&Route>,
    audiences: &[String],
) -> Result<(), Refusal> {
    let of_issuer = policy.issuers.get(issuer.0).map(|i| i.audiences.as_slice()).unwrap_or_default();
    let of_route = route.map(|r| r.audiences.as_slice()).unwrap_or_default();
    let strict = route.is_some_and(|r| r.audience_strict);
    let accepted = |aud: &String| of_route.contains(aud) || (!strict && of_issuer.contains(aud));
    if audiences.iter().any(accepted) { Ok(()) } else { Err(Refusal::Token(TokenFault::Audience)) }
}
