//! A worker's keys: what others have published is taken over, and what is due is fetched, by one worker.

use super::{MAILBOXES, Worker, WorkerCommand};
use crate::claims;
use crate::fetches::{Fetched, get};
use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::jwks;
use gatewaystack_core::jwks::control::{self, Control, FETCH_TIMEOUT_MS};
use gatewaystack_core::jwks::discovery::{Fetch, Next, Request};
use gatewaystack_core::shared::swap;
use std::sync::Arc;

impl Worker {
    pub(super) fn control(&self, issuer: IssuerId) -> Option<Control> {
        let cell = control::control_cell(self.gateway.policy.issuers.get(issuer.0)?);
        control::read(&*self.gateway.table, &cell).ok()
    }

    /// Takes over what another worker published.
    pub(super) fn sync(&mut self, issuer: IssuerId, control: &Control) {
        let known = self.keys.held(issuer).map_or(0, |held| held.generation);
        if control.generation != known {
            self.load(issuer, control);
        }
        let Some(held) = self.keys.held_mut(issuer) else { return };
        held.failures = u32::try_from(control.failures).unwrap_or(u32::MAX);
        held.next_at = control.next_at;
    }

    fn load(&mut self, issuer: IssuerId, control: &Control) {
        let Some(cell) = self.gateway.policy.issuers.get(issuer.0).map(control::document_cell) else {
            return;
        };
        let document = self.gateway.table.read(&cell).ok().flatten();
        // Other plugins can write where we write: what is read is parsed and judged like any document.
        let Some(set) = document.and_then(|(bytes, _)| jwks::parse(&bytes).ok()) else { return };
        self.tokens.borrow_mut().retain_keys(issuer, |key| set.contains(key));
        if let Some(held) = self.keys.held_mut(issuer) {
            held.set = Some(set);
            held.fetched_at = control.fetched_at;
            held.generation = control.generation;
        }
    }

    pub(super) fn fetch_if_due(
        &mut self,
        id: IssuerId,
        seen: &Control,
        now_ms: u64,
        out: &mut Vec<WorkerCommand>,
    ) {
        let gateway = Arc::clone(&self.gateway);
        let Some(issuer) = gateway.policy.issuers.get(id.0) else { return };
        // Look before taking: a write on every tick of every worker would be wasted.
        if !seen.clone().take_lease(self.holder, now_ms) {
            return;
        }
        let take = |control: &mut Control| control.take_lease(self.holder, now_ms);
        if control::update(&*gateway.table, &control::control_cell(issuer), take) == Ok(true) {
            let (fetch, request) = Fetch::start(&issuer.issuer, &issuer.jwks);
            self.send(id, fetch, request, out);
        }
    }

    fn send(&mut self, id: IssuerId, fetch: Fetch, request: Request, out: &mut Vec<WorkerCommand>) {
        let Some(issuer) = self.gateway.policy.issuers.get(id.0) else { return };
        let cluster = issuer.jwks_cluster.clone();
        let headers = get(request.tls, request.authority, request.path);
        self.fetch(Fetched::Keys(id, fetch), (cluster, headers, Vec::new()), FETCH_TIMEOUT_MS, out);
    }

    pub(super) fn finish(
        &mut self,
        id: IssuerId,
        next: Next,
        max_age: Option<u64>,
        now_ms: u64,
        out: &mut Vec<WorkerCommand>,
    ) {
        let gateway = Arc::clone(&self.gateway);
        let Some(issuer) = gateway.policy.issuers.get(id.0) else { return };
        let table = &*gateway.table;
        let failure = match next {
            Next::Request(fetch, request) => return self.send(id, fetch, request, out),
            Next::Keys(_, document) => {
                let written = swap(table, &control::document_cell(issuer), |_| (Some(document.clone()), ()));
                written.err().map(|_| "shared data can't be written")
            }
            Next::Failed(why) => Some(why),
        };
        let cell = control::control_cell(issuer);
        let _ = control::update(table, &cell, |control| match failure {
            None => control.succeed(self.holder, now_ms, (issuer.refresh_ms, issuer.max_stale_ms), max_age),
            Some(_) => control.fail(self.holder, now_ms),
        });
        if let Some(why) = failure {
            out.extend(self.statistics.fetch_failures(id).map(|failures| WorkerCommand::Count(failures, 1)));
            // An issuer is a URL: visible ASCII, without double quotes.
            out.push(WorkerCommand::Warn(format!("keys of {} not fetched: {why}", issuer.issuer)));
        }
        out.push(WorkerCommand::Wake(claims::claimed(table, MAILBOXES, now_ms)));
    }
}
