//! Works the queue off: a few promotions at once, each due when it is due. Nothing is lost when this ends in
//! the middle: what wasn't marked is due again at the next start.

use super::promote::{Promoter, Stop};
use super::queue::{Job, Queue};
use crate::auth0::{CONCURRENCY, Trouble};
use crate::clock::now_ms;
use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinSet};

/// `gatewaystack webhook retry` writes to the queue behind our back.
const LOOK: Duration = Duration::from_secs(2);
/// How long those under way may take when the process is told to stop.
const FAREWELL: Duration = Duration::from_secs(8);
const FIRST_BACKOFF_MS: u64 = 1_000;
const LONGEST_BACKOFF_MS: u64 = 300_000;
/// After this long a registration is parked, whatever it failed for; but not before it was tried this often:
/// clocks jump.
const GIVE_UP_MS: i64 = 72 * 3_600 * 1_000;
const GIVE_UP_ATTEMPTS: u32 = 100;

/// Works until told to stop. Clones share the queue.
#[derive(Clone)]
pub struct Worker {
    pub queue: Queue,
    /// `None`: the Management API isn't configured.
    pub promoter: Option<Arc<Promoter>>,
    pub metrics: Arc<Metrics>,
    /// Something was queued.
    pub wake: Arc<Notify>,
}

impl Worker {
    /// Runs until `stop` is true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let mut running: JoinSet<()> = JoinSet::new();
        let mut busy: Vec<(Id, String)> = Vec::new();
        while !*stop.borrow() {
            let room = CONCURRENCY.saturating_sub(running.len());
            let clients = busy.iter().map(|(_, client)| client.clone()).collect();
            let due = if room == 0 { Ok(Vec::new()) } else { this.queue.due(now_ms(), room, clients).await };
            let due = due.unwrap_or_else(|error| {
                tracing::error!(%error, "the queue can't be read");
                Vec::new()
            });
            for job in due {
                let client = job.client_id.clone();
                let task = Arc::clone(&this);
                let handle = running.spawn(async move { task.work(job).await });
                busy.push((handle.id(), client));
            }
            let nap = this.nap(running.len() < CONCURRENCY).await;
            tokio::select! {
                Some(ended) = running.join_next_with_id() => {
                    let id = ended.map_or_else(|e| e.id(), |(id, ())| id);
                    busy.retain(|(other, _)| *other != id);
                }
                () = tokio::time::sleep(nap) => {}
                () = this.wake.notified() => {}
                _ = stop.changed() => {}
            }
        }
        let all = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tracing::warn!("promotions under way were broken off; they are taken up again at the next start");
        }
    }

    /// Until the next one is due, but not for long.
    async fn nap(&self, has_room: bool) -> Duration {
        match self.queue.next_due().await {
            Ok(Some(due)) if has_room => {
                let wait = u64::try_from(due.saturating_sub(now_ms())).unwrap_or(0);
                Duration::from_millis(wait).clamp(Duration::from_millis(50), LOOK)
            }
            _ => LOOK,
        }
    }

    async fn work(&self, job: Job) {
        let Job { log_id, client_id, attempts, received_ms } = job;
        let outcome = match &self.promoter {
            Some(promoter) => promoter.promote(&client_id).await,
            None => Err(Stop::Parked(
                "not_configured: set AUTH0_TENANT_DOMAIN, AUTH0_MGMT_CLIENT_ID and AUTH0_MGMT_CLIENT_SECRET"
                    .to_owned(),
            )),
        };
        // Kept until it is written: done anew, it would cost Auth0 the same calls again and again while the
        // disk is full.
        while let Err(error) = self.settle(&log_id, &client_id, (attempts, received_ms), &outcome).await {
            tracing::error!(%error, log_id, client_id, "the outcome of a promotion can't be written");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Writes what became of a job.
    async fn settle(
        &self,
        log_id: &str,
        client_id: &str,
        (attempts, received_ms): (u32, i64),
        outcome: &Result<(), Stop>,
    ) -> Result<(), String> {
        let now = now_ms();
        let has_time = now.saturating_sub(received_ms) < GIVE_UP_MS || attempts < GIVE_UP_ATTEMPTS;
        let reason = match outcome {
            Ok(()) => {
                self.queue.done(log_id.to_owned(), now).await?;
                self.metrics.promoted();
                tracing::info!(log_id, client_id, "client promoted");
                return Ok(());
            }
            Err(Stop::Later(Trouble::Passing { why, after })) if has_time => {
                let wait = after.unwrap_or_default().max(backoff(attempts));
                let due = now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
                self.queue.later(log_id.to_owned(), why.clone(), due, now).await?;
                self.metrics.retried();
                tracing::warn!(log_id, client_id, attempts, reason = why, "promotion is tried again");
                return Ok(());
            }
            Err(Stop::Later(Trouble::Passing { why, .. } | Trouble::Lasting(why))) => {
                format!("gave_up: {why}")
            }
            Err(Stop::Parked(reason)) => reason.clone(),
        };
        if self.queue.park(log_id.to_owned(), reason.clone(), now).await? {
            self.metrics.parked();
            tracing::warn!(log_id, client_id, reason, "promotion is parked");
        } else {
            self.metrics.retried();
            tracing::warn!(log_id, client_id, reason, "promotion is tried again, for too many are parked");
        }
        Ok(())
    }
}

/// Twice as long each time, and never quite the same.
fn backoff(attempts: u32) -> Duration {
    let whole = FIRST_BACKOFF_MS.saturating_mul(1u64 << attempts.min(16)).min(LONGEST_BACKOFF_MS);
    let mut random = [0u8; 8];
    // Without randomness the wait is the whole one.
    let part = getrandom::fill(&mut random).map_or(0, |()| u64::from_le_bytes(random) % (whole / 2).max(1));
    Duration::from_millis(whole.saturating_sub(part))
}

#[cfg(test)]
mod tests {
    use super::backoff;

    #[test]
    fn the_wait_grows_to_five_minutes_and_stays_there() {
        for (attempts, from, to) in
            [(0, 500, 1_000), (1, 1_000, 2_000), (5, 16_000, 32_000), (40, 150_000, 300_000)]
        {
            let wait = u64::try_from(backoff(attempts).as_millis()).unwrap();
            assert!((from..=to).contains(&wait), "{attempts}: {wait}");
        }
    }
}
