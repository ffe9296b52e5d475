//! Faults on the way: a registration that was queued is promoted in the end, whatever happened in between,
//! and as if nothing had.

use super::*;
use gatewaystack::webhook::event::Registration;
use gatewaystack::webhook::queue::Queue;
use gatewaystack::webhook::worker::Worker;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

/// A worker on a queue of its own.
struct Running {
    _folder: TempDir,
    queue: Queue,
    wake: Arc<Notify>,
    _stop: watch::Sender<bool>,
}

impl Running {
    fn start(promoter: &Arc<Promoter>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path()).unwrap();
        let (wake, (stop, told)) = (Arc::new(Notify::new()), watch::channel(false));
        let worker = Worker {
            queue: queue.clone(),
            promoter: Some(Arc::clone(promoter)),
            metrics: Arc::default(),
            wake: Arc::clone(&wake),
        };
        tokio::spawn(worker.run(told));
        Self { _folder: folder, queue, wake, _stop: stop }
    }

    async fn receive(&self, ids: &[String]) {
        let named = |id: &String| Registration { log_id: format!("log-{id}"), client_id: Some(id.clone()) };
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        self.queue.receive(ids.iter().map(named).collect(), now).await.unwrap();
        self.wake.notify_one();
    }

    async fn finished(&self, what: &str) {
        eventually(what, || async {
            let counts = self.queue.counts().await.unwrap();
            let parked = self.queue.parked().await.unwrap();
            assert_eq!(parked.len(), 0, "{what}: {parked:?}");
            (counts.queued == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_once_with_any_call_the_promotion_is_done_in_the_end() {
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(408),
        Fault::Hang,
        Fault::Reset,
        Fault::Garbage,
        Fault::Truncated,
        Fault::StatusAfterApplying(502),
        Fault::ResetAfterApplying,
    ];
    let calls = [
        ("POST", "/oauth/token"),
        ("GET", "/api/v2/clients/"),
        ("PATCH", "/api/v2/clients/"),
        ("GET", "/api/v2/connections"),
        ("PATCH", "/api/v2/connections/"),
        ("POST", "/api/v2/client-grants"),
    ];
    let mut all = tokio::task::JoinSet::new();
    for fault in faults {
        for (method, path) in calls {
            for (ways, times) in
                [(EnabledClients::Both, 1), (EnabledClients::MemberOnly, 1), (EnabledClients::MemberOnly, 2)]
            {
                if fault == Fault::Hang && times > 1 {
                    // Ten seconds for what once shows as well.
                    continue;
                }
                all.spawn(async move {
                    let what = format!("{fault:?} at {method} {path}, {ways:?}, {times} times");
                    let (auth0, promoter) = first_party(ways).await;
                    let id = auth0.register("Claude", &[CLAUDE]);
                    auth0.fail(method, path, fault, times);
                    let running = Running::start(&promoter);
                    running.receive(std::slice::from_ref(&id)).await;
                    running.finished(&what).await;
                    assert_promoted(&auth0, &id, true, &what);
                    // The first of these was struck; what was done all the same isn't done again.
                    let calls = auth0.count_of(method, path);
                    assert!((1..=8).contains(&calls), "{what}: {calls} calls");
                });
            }
        }
    }
    let count = all.len();
    all.join_all().await;
    println!("{count} tenants, each with a fault or two: all promoted");
}

#[tokio::test]
async fn an_outage_is_waited_out_with_ever_longer_pauses() {
    let (auth0, promoter) = domain_level().await;
    let ids: Vec<String> = (0..20).map(|_| auth0.register("Claude", &[CLAUDE])).collect();
    auth0.fault_every(1, Fault::Status(503));
    let running = Running::start(&promoter);
    running.receive(&ids).await;
    eventually("the first tries", || async { (auth0.calls().len() >= 2).then_some(()) }).await;
    auth0.clear_faults();
    running.finished("the end of the outage").await;
    // A failed token endpoint is asked by nobody for two seconds, no matter who waits.
    let asked = token_calls(&auth0);
    let pauses = asked.windows(2).map(|two| two[1].duration_since(two[0]).unwrap());
    assert!(
        pauses.into_iter().all(|pause| pause >= Duration::from_millis(1_900)),
        "20 registrations: {asked:?}"
    );
    ids.iter().for_each(|id| assert_promoted(&auth0, id, false, "outage"));
}

fn token_calls(auth0: &Auth0) -> Vec<SystemTime> {
    auth0.calls().into_iter().filter(|call| call.path == "/oauth/token").map(|call| call.at).collect()
}

/// The moment of the first 429, and of the first call after it.
fn around_the_refusal(auth0: &Auth0) -> (SystemTime, SystemTime) {
    let calls: Vec<_> = auth0.calls().into_iter().filter(|call| call.path.starts_with("/api/v2/")).collect();
    let at = calls.iter().position(|call| call.status == 429).expect("a refusal");
    (calls[at].at, calls[at + 1].at)
}

#[tokio::test]
async fn a_429_is_obeyed_by_its_retry_after_and_else_by_its_reset() {
    for retry_after in [None, Some(3)] {
        let (auth0, promoter) = domain_level().await;
        let id = auth0.register("Claude", &[CLAUDE]);
        auth0.refuse(1);
        auth0.set_retry_after(retry_after);
        assert_eq!(promoter.promote(&id).await, Ok(()));
        let (refused, next) = around_the_refusal(&auth0);
        // The reset is the next full second.
        let second = refused.duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
        let due = retry_after
            .map_or(UNIX_EPOCH + Duration::from_secs(second), |s| refused + Duration::from_secs(s));
        assert!(
            next >= due - Duration::from_millis(20),
            "{retry_after:?}: {:?} early",
            due.duration_since(next)
        );
        assert_eq!(auth0.status_count(429), 1, "{retry_after:?}");
    }
}

#[tokio::test]
async fn a_token_endpoint_that_asks_for_patience_gets_it() {
    let (auth0, promoter) = domain_level().await;
    let id = auth0.register("Claude", &[CLAUDE]);
    auth0.set_token_rate(0, 0);
    auth0.set_retry_after(Some(4));
    assert!(matches!(promoter.promote(&id).await, Err(Stop::Later(_))));
    auth0.set_token_rate(100, 100);
    // Anyone who asks meanwhile, and however often.
    eventually("the promotion", || async { promoter.promote(&id).await.ok() }).await;
    let asked = token_calls(&auth0);
    let pause = asked[1].duration_since(asked[0]).unwrap();
    assert!(asked.len() == 2 && pause >= Duration::from_millis(3_900), "{pause:?}");
    assert_promoted(&auth0, &id, false, "after the token endpoint's limit");
}
