//! Sessions (MCP Transports, "Session Management"): a session belongs to the caller that got it. What a server answers goes by the session, and its ids may be known
//! to more than one; so another caller's use finds no session.

use super::owners::{self, Kind, Owner};
use crate::config::policy::{Route, Sessions};
use crate::hash;
use crate::jwt::VerifiedClaims;
use crate::refusal::{Fault, Refusal};
use crate::world::World;

/// Who calls on which route.
#[derive(Clone, Copy)]
pub struct Holder<'a> {
    /// The route.
    pub route: &'a Route,
    /// `None`: nobody has signed in. A session that began so is nobody's: who signs in begins another.
    pub claims: Option<&'a VerifiedClaims>,
}

impl Holder<'_> {
    /// A session's hash, where it is bound on this route. Two servers may give out the same id.
    fn key(&self, world: &World<'_>, id: &[u8]) -> Option<u64> {
        let is_bound = self.route.mcp.as_ref().is_some_and(|mcp| mcp.sessions == Sessions::Bind);
        is_bound.then(|| hash::keyed(world.counters.secret, &[b"session", self.route.name.as_bytes(), id]))
    }

    /// The caller's hash: issuer and user, or nobody.
    pub(super) fn caller(&self, world: &World<'_>) -> u64 {
        let issuers = &world.policy.issuers;
        let issuer = |claims: &VerifiedClaims| issuers.get(claims.issuer().0).map(|issuer| &issuer.issuer);
        let parts = match self.claims {
            Some(claims) => {
                let issuer = issuer(claims).map(String::as_bytes).unwrap_or_default();
                [b"caller", issuer, claims.user().as_bytes()]
            }
            None => [b"nobody".as_slice(), b"", b""],
        };
        hash::keyed(world.counters.secret, &parts)
    }

    /// Whether the caller may use the session that the request names; answers whether it is known to be the caller's. One that nobody knows passes: the gateway
    /// may have been started since, and the server knows its own.
    ///
    /// # Errors
    /// It is another caller's, or that can't be found out.
    pub fn check(&self, world: &World<'_>, id: Option<&[u8]>) -> Result<bool, Refusal> {
        let Some(key) = id.and_then(|id| self.key(world, id)) else { return Ok(false) };
        let caller = self.caller(world);
        match owners::find(world.counters.table, Kind::Sessions, key, caller, world.now_ms) {
            Ok(Owner::Caller) => Ok(true),
            Ok(Owner::Unknown) => Ok(false),
            Ok(Owner::Another) => Err(Refusal::NoSession),
            Err(_) => Err(Refusal::Internal(Fault::SharedTable)),
        }
    }

    /// The server has named a session in its answer: it is the caller's.
    ///
    /// # Errors
    /// That can't be kept.
    pub fn bind(&self, world: &World<'_>, id: &[u8]) -> Result<(), Refusal> {
        let Some(key) = self.key(world, id) else { return Ok(()) };
        let caller = self.caller(world);
        owners::give(world.counters.table, Kind::Sessions, key, caller, world.now_ms)
            .map_err(|_| Refusal::Internal(Fault::SharedTable))
    }

    /// The server has ended it. One that stays in the table is only dropped later.
    pub fn release(&self, world: &World<'_>, id: &[u8]) {
        if let Some(key) = self.key(world, id) {
            let _ = owners::release(world.counters.table, Kind::Sessions, key);
        }
    }
}
