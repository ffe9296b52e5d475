//! What the sidecar tells of those who are blocked or whose tokens are revoked, as one worker knows it: that
//! in, whether a caller is barred out.
//!
//! ```text
//! sidecar ─ answer ─► one worker (by lease: control) ─ log, base (cells) ─► Feed of each worker
//! ```

pub mod answer;
pub mod blocks;
pub mod cells;
pub mod control;

use crate::config::policy::{self, OnStale};
use crate::hash::Secret;
use crate::principal::Principal;
use crate::record;
use blocks::{Blocks, Key, Kind, key};
use control::{Control, FIRST_WAIT_MS};
use std::sync::Arc;

/// What a worker knows.
#[derive(Debug, Default)]
pub struct Feed {
    /// Who is blocked.
    pub blocks: Blocks,
    /// When the sidecar last answered, Unix milliseconds; 0: never.
    pub fetched_at: u64,
    /// When the first worker began to ask; 0: none has.
    pub began_at: u64,
    /// When the sidecar last said that its audit log can be written; 0: it can't.
    pub audited_at: u64,
}

/// So long the audit log counts as written, in milliseconds, while the sidecar can't be asked.
const AUDITED_MS: u64 = 30_000;

/// How much what is known is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Nothing is known yet, and will be soon.
    Awaited,
    /// It is new enough.
    Good,
    /// It is too old, or the sidecar never answered.
    Stale,
}

/// Why a good token isn't good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// An operator has blocked the caller, or the issuer has disabled the account.
    Blocked,
    /// The issuer has revoked the token.
    Revoked,
}

/// Who calls, as blocks name them.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The caller.
    pub principal: &'a Principal,
    /// The MCP session that the request names.
    pub session: Option<&'a [u8]>,
    /// What records hash it with.
    pub session_secret: Secret,
}

/// Who was let in, for as long as the request and its answer take.
#[derive(Debug)]
pub struct Guest {
    principal: Arc<Principal>,
    /// What its session may be blocked by.
    session: Option<[Key; 2]>,
}

impl Guest {
    /// The caller of a request that passes; `secret`: of the feed's names.
    pub fn new(
        principal: Arc<Principal>,
        session: Option<&[u8]>,
        secret: Secret,
        session_secret: Secret,
    ) -> Self {
        Self { principal, session: session.map(|id| names_of(secret, session_secret, id)) }
    }
}

impl Feed {
    /// Takes over what is known of the sidecar's answers.
    pub fn see(&mut self, control: &Control) {
        (self.fetched_at, self.began_at) = (control.fetched_at, control.began_at);
        self.audited_at = control.audited_at;
    }

    /// Milliseconds since the sidecar last answered, or since it was first asked.
    pub fn age_ms(&self, now_ms: u64) -> u64 {
        let since = if self.fetched_at > 0 { self.fetched_at } else { self.began_at };
        if since > 0 { now_ms.saturating_sub(since) } else { 0 }
    }

    /// Whether what is decided now gets into the audit log, as far as anybody knows.
    pub fn is_audited(&self, now_ms: u64) -> bool {
        self.audited_at > 0 && now_ms.saturating_sub(self.audited_at) <= AUDITED_MS
    }

    /// How much it is worth at this time.
    pub fn age(&self, settings: &policy::Feed, now_ms: u64) -> Age {
        if self.fetched_at > 0 {
            let is_good = now_ms.saturating_sub(self.fetched_at) <= settings.max_stale_ms;
            return if is_good { Age::Good } else { Age::Stale };
        }
        let waits = self.began_at == 0 || now_ms.saturating_sub(self.began_at) < FIRST_WAIT_MS;
        if waits { Age::Awaited } else { Age::Stale }
    }

    /// Whether nothing passes that needs to know more.
    pub fn denies(&self, settings: &policy::Feed, now_ms: u64) -> bool {
        settings.on_stale == OnStale::Deny && self.age(settings, now_ms) != Age::Good
    }

    /// Whether a caller is barred.
    pub fn bars(&self, secret: Secret, now_ms: u64, subject: Subject<'_>) -> Option<Barred> {
        let Subject { principal, session, session_secret } = subject;
        self.judge(secret, now_ms, principal, || session.map(|id| names_of(secret, session_secret, id)))
    }

    /// Whether one who was let in is barred by now.
    pub fn bars_guest(&self, secret: Secret, now_ms: u64, guest: &Guest) -> Option<Barred> {
        self.judge(secret, now_ms, &guest.principal, || guest.session)
    }

    /// Who is blocked is told so whatever the token.
    fn judge(
        &self,
        secret: Secret,
        now_ms: u64,
        principal: &Principal,
        session: impl FnOnce() -> Option<[Key; 2]>,
    ) -> Option<Barred> {
        if self.blocks.is_empty() {
            return None;
        }
        let in_session = || {
            let names = if self.blocks.has_any(Kind::Session) { session() } else { None };
            names.is_some_and(|names| names.iter().any(|name| self.blocks.has(*name, now_ms)))
        };
        if self.is_blocked(secret, now_ms, principal) || in_session() {
            return Some(Barred::Blocked);
        }
        self.is_revoked(secret, principal).then_some(Barred::Revoked)
    }

    /// Tokens are, up to the second in which the last of them may have been issued.
    fn is_revoked(&self, secret: Secret, principal: &Principal) -> bool {
        if ![Kind::Revoked, Kind::Issuer].into_iter().any(|kind| self.blocks.has_any(kind)) {
            return false;
        }
        let is_until = |until_s: u32| principal.issued() < f64::from(until_s) + 1.0;
        names(secret, principal).iter().any(|(kind, key)| {
            kind.revokes()
                && self.blocks.has_any(*kind)
                && self.blocks.revoked_until(*key).is_some_and(is_until)
        })
    }

    fn is_blocked(&self, secret: Secret, now_ms: u64, principal: &Principal) -> bool {
        names(secret, principal)
            .iter()
            .any(|(kind, key)| !kind.revokes() && self.blocks.has_any(*kind) && self.blocks.has(*key, now_ms))
    }
}

/// What a caller may be blocked by. It is hashed once for as long as the caller is remembered: by one secret,
/// for the gateway has one.
fn names(secret: Secret, principal: &Principal) -> &[(Kind, Key)] {
    principal.names(|| {
        let name = |kind: Kind, value: &str| (kind, key(secret, kind, value.as_bytes()));
        let some = |kind: Kind, value: Option<&str>| value.map(|value| name(kind, value));
        let all = [
            some(Kind::User, Some(principal.user())),
            some(Kind::Disabled, principal.subject()),
            some(Kind::Tenant, principal.tenant()),
            some(Kind::Agent, principal.agent()),
            some(Kind::Client, principal.client()),
            some(Kind::Token, principal.token_id()),
            some(Kind::Revoked, principal.subject()),
            some(Kind::Issuer, Some(principal.issuer_name())),
        ];
        let digests = principal.token_digests().map(|digest| name(Kind::Token, digest));
        all.into_iter().flatten().chain(digests).collect()
    })
}

/// What a session may be blocked by: its id, and what records show of it.
fn names_of(secret: Secret, session_secret: Secret, id: &[u8]) -> [Key; 2] {
    let shown = format!("{:016x}", record::session(session_secret, id));
    [id, shown.as_bytes()].map(|name| key(secret, Kind::Session, name))
}

#[cfg(test)]
mod tests;
