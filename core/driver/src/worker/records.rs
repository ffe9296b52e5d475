//! What a worker does with records that go to a ledger by post: when a batch leaves, and what is counted.

use super::{Worker, WorkerCommand};
use crate::fetches::{Fetched, post};
use crate::outbox::{self, Posted};
use std::sync::Arc;

impl Worker {
    /// Takes a record for the ledger; answers whether the worker should look at once.
    pub(crate) fn keep_record(&mut self, status: u16, members: &str) -> bool {
        self.outbox.push(format!("{{\"status\":{status}{members}}}"))
    }

    /// Sends records to the ledger, where they are due and none are on their way.
    pub(super) fn post(&mut self, now_ms: u64, out: &mut Vec<WorkerCommand>) {
        let gateway = Arc::clone(&self.gateway);
        let Some(cluster) = &gateway.policy.posts_to else { return };
        self.outbox.take_left(&*gateway.table);
        self.count_dropped(out);
        let Some(body) = self.outbox.batch(now_ms) else { return };
        let mut headers = post("sidecar".to_owned(), outbox::PATH.to_owned(), body.len());
        headers.push(("x-gatewaystack-secret", gateway.sidecar_secret.clone()));
        self.fetch(Fetched::Records, (cluster.clone(), headers, body), outbox::TIMEOUT_MS, out);
    }

    /// The sidecar has taken records, or not.
    pub(super) fn posted(&mut self, status: Option<u16>, now_ms: u64, out: &mut Vec<WorkerCommand>) {
        let Some([posted, _, failures]) = self.statistics.records() else { return };
        match self.outbox.answered(status, now_ms) {
            Posted::Taken(records) => out.push(WorkerCommand::Count(posted, records)),
            Posted::Failed(why) => {
                out.push(WorkerCommand::Count(failures, 1));
                out.extend(why.map(|why| WorkerCommand::Warn(format!("records wait for the ledger: {why}"))));
            }
        }
    }

    fn count_dropped(&mut self, out: &mut Vec<WorkerCommand>) {
        let more = self.outbox.dropped();
        if let Some([_, dropped, _]) = self.statistics.records().filter(|_| more > 0) {
            out.push(WorkerCommand::Count(dropped, more));
        }
    }

    #[cfg(test)]
    pub(crate) fn has_no_records(&self) -> bool {
        self.outbox.is_empty()
    }

    /// It is over: who comes next finds what waits.
    pub(super) fn leave_records(&mut self, out: &mut Vec<WorkerCommand>) {
        if self.gateway.policy.posts_to.is_some() {
            self.outbox.leave(&*self.gateway.table);
            self.count_dropped(out);
        }
    }
}
