//! Questions to an identity provider on behalf of anyone who asks us: one at a time, the answer kept for a
//! while, in a task of its own. A caller that goes away ends nothing, so anyone who calls and hangs up again
//! and again has the provider asked no more often than anybody else.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A question, and its last answer.
pub struct Probe<T> {
    found: watch::Sender<Option<(Instant, Arc<T>)>>,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl<T> Default for Probe<T> {
    fn default() -> Self {
        Self { found: watch::Sender::new(None), running: Mutex::default() }
    }
}

impl<T: Send + Sync + 'static> Probe<T> {
    /// The last answer while it is `fresh`, else a new one, made from the last. `None`: it broke off, which
    /// only a fault of ours does.
    pub async fn answer<F>(
        &self,
        fresh: impl Fn(&T) -> Duration,
        ask: impl FnOnce(Option<Arc<T>>) -> F,
    ) -> Option<Arc<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut found = self.found.subscribe();
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let last = self.found.borrow().clone();
            if let Some((at, answer)) = &last
                && at.elapsed() < fresh(answer)
            {
                return Some(Arc::clone(answer));
            }
            if running.as_ref().is_none_or(JoinHandle::is_finished) {
                let question = ask(last.map(|(_, answer)| answer));
                let tell = self.found.clone();
                *running = Some(tokio::spawn(async move {
                    let answer = Arc::new(question.await);
                    tell.send_replace(Some((Instant::now(), answer)));
                }));
            }
        }
        found.changed().await.ok()?;
        found.borrow().as_ref().map(|(_, answer)| Arc::clone(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::Probe;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::sync::Notify;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn callers_that_hang_up_have_nothing_asked_twice() {
        let (probe, asked, go) = (Probe::<u32>::default(), AtomicUsize::new(0), Arc::new(Notify::new()));
        let call = || {
            probe.answer(
                |_| HOUR,
                |_| {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let go = Arc::clone(&go);
                    async move {
                        go.notified().await;
                        7
                    }
                },
            )
        };
        for _ in 0..100 {
            // Polled once, and dropped.
            let hung_up = tokio::time::timeout(Duration::ZERO, call()).await;
            assert!(hung_up.is_err());
        }
        go.notify_one();
        assert_eq!(call().await.as_deref(), Some(&7));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_is_no_longer_fresh_is_asked_again_and_knows_the_last_answer() {
        let probe = Probe::<u32>::default();
        let call = |fresh: Duration| {
            probe.answer(move |_| fresh, |last| async move { last.map_or(1, |last| *last + 1) })
        };
        assert_eq!(call(HOUR).await.as_deref(), Some(&1));
        assert_eq!(call(HOUR).await.as_deref(), Some(&1));
        assert_eq!(call(Duration::ZERO).await.as_deref(), Some(&2));
    }
}
