//! Nothing is lost and nothing doubled: a stream of events, a provider with faults, and a sidecar that is
//! killed again and again.

use super::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const EVENTS: usize = 1_000;
const KILLS: usize = 40;
const SEED: u64 = 0x5eed_4a05;

/// The same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// As Auth0's log stream: a few events a call, sent again until somebody says that they were taken. Spread
/// over the kills, however long either takes.
async fn stream(sidecar: Address, events: Vec<Value>, sent: Arc<AtomicUsize>, kills: Arc<AtomicUsize>) {
    let mut random = Random(SEED ^ 1);
    let (total, mut waiting) = (events.len(), VecDeque::from(events));
    while !waiting.is_empty() {
        let count = usize::try_from(1 + random.below(12)).unwrap().min(waiting.len());
        let batch: Vec<Value> = waiting.drain(..count).collect();
        loop {
            sent.fetch_add(1, Ordering::Relaxed);
            if sidecar.hook(&Value::from(batch.clone())).await == Some(200) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.below(200))).await;
        while (total - waiting.len()) * KILLS > total * (kills.load(Ordering::Relaxed) + 1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Where to post; the sidecar itself belongs to the one that kills it.
struct Address(String);

impl Address {
    async fn hook(&self, body: &Value) -> Option<u16> {
        let stream = tokio::net::TcpStream::connect(&self.0).await.ok()?;
        let (secret, body) = (sidecar::WEBHOOK_SECRET, body.to_string());
        let head = format!(
            "POST /webhooks/auth0/logs HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-webhook-secret: {secret}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Some(client::over(stream, format!("{head}{body}").as_bytes()).await.status)
    }
}

/// Each client's event, a tenth of them a second time somewhere later.
fn shuffled(auth0: &Auth0, clients: &[String]) -> Vec<Value> {
    let mut random = Random(SEED);
    let mut events: Vec<Value> = clients.iter().map(|id| auth0.registration_event(id)).collect();
    for _ in 0..clients.len() / 10 {
        let again = events[usize::try_from(random.below(events.len() as u64)).unwrap()].clone();
        let at = usize::try_from(random.below(events.len() as u64 + 1)).unwrap();
        events.insert(at, again);
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_a_thousand_events_survives_kills_at_any_moment() {
    let (auth0, mut sidecar) = domain_level().await;
    let names = |n: usize| if n.is_multiple_of(50) { "Somebody" } else { "Claude" };
    let clients: Vec<String> = (0..=EVENTS * 10 / 11).map(|n| auth0.register(names(n), &[CLAUDE])).collect();
    let events = shuffled(&auth0, &clients);
    let total = events.len();
    auth0.set_latency(Duration::from_millis(8));
    auth0.fault_every(41, Fault::ResetAfterApplying);
    sidecar.start();
    let started = Instant::now();
    let (sent, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let killed = Arc::new(AtomicUsize::new(0));
    let sender = {
        let (address, sent, done) = (Address(sidecar.address()), Arc::clone(&sent), Arc::clone(&done));
        let killed = Arc::clone(&killed);
        tokio::spawn(async move {
            stream(address, events, sent, killed).await;
            done.store(true, Ordering::Relaxed);
        })
    };
    let mut random = Random(SEED ^ 2);
    let (mut kills, mut during) = (0, 0);
    let faults = [Fault::StatusAfterApplying(500), Fault::Truncated, Fault::Garbage, Fault::Status(503)];
    while kills < KILLS || !done.load(Ordering::Relaxed) {
        // The moment is random; some fall into its start.
        tokio::time::sleep(Duration::from_millis(20 + random.below(500))).await;
        during += usize::from(!done.load(Ordering::Relaxed));
        sidecar.kill();
        auth0.fault_every(41, faults[kills % faults.len()]);
        sidecar.start();
        kills += 1;
        killed.store(kills, Ordering::Relaxed);
    }
    sender.await.unwrap();
    auth0.clear_faults();
    sidecar.ready().await;
    drained(&sidecar).await;
    let took = started.elapsed();
    assert_everybody_once(&auth0, &clients, &sidecar).await;
    assert!(during >= KILLS - 1, "kills while the stream ran: {during}");
    let (calls, anew) = (auth0.calls().len(), begun_again(&auth0, &clients));
    assert!(anew > 0, "no kill and no fault struck a promotion");
    println!(
        "{total} events of {} clients in {} bodies, {kills} kills ({during} during the stream), {calls} calls of Auth0, {} without an answer, {anew} \
         promotions begun more than once: all promoted exactly as once in {took:.1?}",
        clients.len(),
        sent.load(Ordering::Relaxed),
        auth0.status_count(0),
    );
}

/// How many promotions were broken off and begun again: each begins by looking at its client.
fn begun_again(auth0: &Auth0, clients: &[String]) -> usize {
    let calls = auth0.calls();
    let mut looks: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for call in calls.iter().filter(|call| call.matches("GET", "/api/v2/clients/")) {
        let id = call.path.trim_start_matches("/api/v2/clients/").split('?').next().unwrap_or_default();
        *looks.entry(id).or_default() += 1;
    }
    clients.iter().filter(|id| looks.get(id.as_str()).is_some_and(|count| *count > 1)).count()
}

/// Those that may be are promoted, with one grant; the others are parked and were never touched; and no write
/// left a wrong state.
async fn assert_everybody_once(auth0: &Auth0, clients: &[String], sidecar: &Sidecar) {
    let mut refused = 0;
    for id in clients {
        let writes = auth0.writes(id);
        if auth0.client(id)["name"] == "Somebody" {
            assert_eq!((writes.len(), grants(auth0, id)), (1, Vec::new()), "but for its registration");
            refused += 1;
            continue;
        }
        assert!(is_promoted(auth0, id), "{}: {:?}", auth0.client(id), grants(auth0, id));
        // Registration, client, grant: a repetition writes at most the client once more, to the same.
        assert!((3..=4).contains(&writes.len()), "{writes:?}");
        for write in &writes {
            assert!(write.grants.len() <= 1 && write.connections.is_empty(), "{write:?}");
            assert_eq!(write.client["callbacks"], json!([CLAUDE]), "{write:?}");
            assert_eq!(write.client["is_first_party"], false, "{write:?}");
        }
    }
    assert_eq!(sidecar.queue().await, (0, refused));
    assert_eq!(auth0.grants().len() as u64, clients.len() as u64 - refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_two_hundred_keeps_within_ten_calls_a_second() {
    let (auth0, mut sidecar) = domain_level().await;
    let clients: Vec<String> = (0..200).map(|_| auth0.register("ChatGPT", &[CLAUDE])).collect();
    let events: Vec<Value> = clients.iter().map(|id| auth0.registration_event(id)).collect();
    auth0.set_rate(10, 10);
    sidecar.start();
    sidecar.ready().await;
    let started = Instant::now();
    assert_eq!(sidecar.hook(&Value::from(events)).await.unwrap().json()["queued"], 200);
    drained(&sidecar).await;
    let took = started.elapsed();
    assert!(clients.iter().all(|id| is_promoted(&auth0, id)));
    let calls = auth0.count_of("*", "/api/v2/");
    let limited = auth0.status_count(429);
    println!(
        "200 registrations at 10 calls a second: {calls} calls, {limited} answered 429, all promoted in {took:.1?}"
    );
    assert!(calls <= 200 * 3 + 60, "{calls} calls");
    assert!(limited * 50 <= calls, "{limited} of {calls} calls were one too many");
}
