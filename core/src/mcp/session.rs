//! Sessions (MCP Transports, "Session Management"): a session belongs to the caller that got it. What a
//! server answers goes by the session, and its ids may be known to more than one; so another caller's use
//! finds no session.

use super::owners::{self, Kind, Owner};
use crate::config::policy::{Route, Sessions};
use crate::hash;
use crate::principal::Principal;
use crate::refusal::{Fault, Refusal};
use crate::world::World;

/// What is known of a request's session when it passes.
#[derive(Debug)]
pub struct Session {
    /// Its id, where it is known for the caller's.
    pub id: Option<Vec<u8>>,
    /// The request is to end it.
    pub ends: bool,
}

/// Who calls on which route.
#[derive(Clone, Copy)]
pub struct Holder<'a> {
    /// The route.
    pub route: &'a Route,
    /// `None`: nobody has signed in. A session that began so is nobody's: who signs in begins another.
    pub principal: Option<&'a Principal>,
}

impl Holder<'_> {
    /// The hash of an id that the route's server gave out; `kind`: of what.
    pub(super) fn key(&self, world: &World<'_>, kind: &[u8], id: &[u8]) -> u64 {
        hash::keyed(world.counters.secret, &[kind, &self.server(world).to_le_bytes(), id])
    }

    /// What tells servers apart, which may give out the same ids: routes of one path may have hosts of their
    /// own.
    fn server(&self, world: &World<'_>) -> u64 {
        let mut hosts: Vec<&str> = self.route.hosts.iter().map(String::as_str).collect();
        hosts.sort_unstable();
        let parts = [b"server".as_slice(), self.route.name.as_bytes()];
        let parts: Vec<&[u8]> = parts.into_iter().chain(hosts.into_iter().map(str::as_bytes)).collect();
        hash::keyed(world.counters.secret, &parts)
    }

    /// A session's hash, where it is bound on this route.
    fn session(&self, world: &World<'_>, id: &[u8]) -> Option<u64> {
        let is_bound = self.route.mcp.as_ref().is_some_and(|mcp| mcp.sessions == Sessions::Bind);
        is_bound.then(|| self.key(world, b"session", id))
    }

    /// The caller's hash: issuer, user and tenant, or nobody. One user may belong to more than one tenant.
    pub(super) fn caller(&self, world: &World<'_>) -> u64 {
        let Some(principal) = self.principal else { return hash::keyed(world.counters.secret, &[b"nobody"]) };
        let issuer = principal.user_issuer().and_then(|id| world.policy.issuers.get(id.0));
        let issuer = issuer.map(|issuer| issuer.issuer.as_bytes()).unwrap_or_default();
        let (user, tenant) = (principal.user().as_bytes(), principal.tenant().map(str::as_bytes));
        let parts = [b"caller".as_slice(), issuer, user].into_iter().chain(tenant);
        hash::keyed(world.counters.secret, &parts.collect::<Vec<_>>())
    }

    /// Whether the caller may use the session that the request names; answers whether it is known to be the
    /// caller's. One that nobody knows passes: the gateway may have been started since, and the server knows
    /// its own.
    ///
    /// # Errors
    /// It is another caller's, or that can't be found out.
    pub fn check(&self, world: &World<'_>, id: Option<&[u8]>) -> Result<bool, Refusal> {
        let Some(key) = id.and_then(|id| self.session(world, id)) else { return Ok(false) };
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
        let Some(key) = self.session(world, id) else { return Ok(()) };
        let caller = self.caller(world);
        owners::give(world.counters.table, Kind::Sessions, key, caller, world.now_ms)
            .map_err(|_| Refusal::Internal(Fault::SharedTable))
    }

    /// The server has ended it. One that stays in the table is only dropped later.
    pub fn release(&self, world: &World<'_>, id: &[u8]) {
        if let Some(key) = self.session(world, id) {
            let _ = owners::release(world.counters.table, Kind::Sessions, key);
        }
    }
}
