//! The task that sends all metrics to a collector (OTLP over HTTP), each [`PAUSE`]. Nothing waits for it.
//! What isn't taken is sent again as it is by then, for sums are cumulative; a collector that can't be
//! reached is asked less and less often. What has gone wrong is logged when it begins, and counted.

use super::metrics::Measured;
use crate::clock::now_ms;
use crate::fetch;
use crate::metrics::otlp;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::watch;

/// From one push to the next.
const PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(240);
/// What was counted last is sent when the process is told to stop, within this time.
const FAREWELL: Duration = Duration::from_secs(2);
/// An answer is a small object.
const MOST: usize = 64 * 1024;

/// Pushes to a collector.
#[derive(Clone)]
pub struct Push {
    pub measured: Measured,
    /// Where metrics go.
    pub url: String,
}

impl Push {
    /// Runs until `stop` is true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pause = PAUSE;
        loop {
            let is_over = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if is_over {
                drop(tokio::time::timeout(FAREWELL, self.push()).await);
                return;
            }
            let pushed = self.push().await;
            self.measured.metrics.pushed(pushed.is_ok());
            pause = match pushed {
                Ok(()) => {
                    if pause > PAUSE {
                        tracing::info!("metrics are pushed again");
                    }
                    PAUSE
                }
                Err(reason) => {
                    if pause == PAUSE {
                        tracing::warn!(%reason, "metrics aren't pushed; it is tried again");
                    }
                    (pause * 2).min(LONGEST_PAUSE)
                }
            };
        }
    }

    /// Sends all once.
    ///
    /// # Errors
    /// Why the collector doesn't have it.
    pub async fn push(&self) -> Result<(), String> {
        let families = self.measured.families().await;
        let instance = self.measured.instance().await;
        let body = otlp::request(&families, &instance, now_ms()).to_string();
        let said = fetch::post_json(&self.url, body, MOST).await?;
        if !(200..300).contains(&said.status) {
            return Err(format!("{} answered {}", self.url, said.status));
        }
        // What can't be read says nothing of refusals.
        let said: Value = serde_json::from_slice(&said.body).unwrap_or_default();
        match said.pointer("/partialSuccess/rejectedDataPoints").map(count) {
            Some(refused) if refused > 0 => Err(format!("{} refused {refused} points", self.url)),
            _ => Ok(()),
        }
    }
}

/// A 64-bit number is a string, or a number where it was written so.
fn count(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}
