//! A steady load: clients over HTTP/1.1 and HTTP/2 that keep their connections and ask again and again, until
//! they are stopped. In: a request. Out: what each was answered last, and every answer that wasn't 200.

use crate::{client, eventually};
use bytes::Bytes;
use serde_json::Value;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// How often each client asks: a load, no flood.
const PACE: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Seen {
    answers: u64,
    last: Value,
    failures: Vec<String>,
}

/// The clients.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<(Arc<Mutex<Seen>>, JoinHandle<()>)>,
}

impl Load {
    /// So many clients of each kind.
    pub fn start(each: usize, address: &str, path: &str, token: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..each * 2).map(|at| {
            let seen = Arc::new(Mutex::new(Seen::default()));
            let client = Client {
                address: address.to_owned(),
                path: path.to_owned(),
                bearer: format!("Bearer {token}"),
                stop: Arc::clone(&stop),
                seen: Arc::clone(&seen),
            };
            let task = match at % 2 {
                0 => tokio::spawn(async move { client.http1().await }),
                _ => tokio::spawn(async move { client.http2().await }),
            };
            (seen, task)
        });
        Self { clients: clients.collect(), stop }
    }

    /// Waits until each client was answered something, by what `is` sees in it.
    pub async fn sees(&self, what: &str, is: impl Fn(&Value) -> bool) {
        eventually(what, || async {
            let all = self.clients.iter().all(|(seen, _)| is(&seen.lock().unwrap().last));
            (all || !self.failures().is_empty()).then_some(())
        })
        .await;
        assert_eq!(self.failures(), Vec::<String>::new(), "while waiting for {what}");
    }

    fn failures(&self) -> Vec<String> {
        self.clients.iter().flat_map(|(seen, _)| seen.lock().unwrap().failures.clone()).collect()
    }

    /// Stops them. Every one of their requests was answered with 200; the number of these.
    pub async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut answers = 0;
        for (seen, task) in self.clients {
            task.await.unwrap();
            let seen = seen.lock().unwrap();
            assert_eq!(seen.failures, Vec::<String>::new());
            answers += seen.answers;
        }
        answers
    }
}

struct Client {
    address: String,
    path: String,
    bearer: String,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
}

impl Client {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn note(&self, answer: Result<(u16, &str), String>) {
        let mut seen = self.seen.lock().unwrap();
        match answer {
            Ok((200, body)) => {
                seen.answers += 1;
                seen.last = serde_json::from_str(body).unwrap_or_default();
            }
            Ok((status, body)) => seen.failures.push(format!("{status} {body}")),
            Err(why) => seen.failures.push(why),
        }
    }

    async fn http1(&self) {
        let mut pace = tokio::time::interval(PACE);
        let Self { address, path, bearer, .. } = self;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {bearer}\r\n\r\n");
        while self.goes_on() {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut is_open = true;
            while is_open && self.goes_on() {
                pace.tick().await;
                let got = client::over(&mut stream, request.as_bytes()).await;
                // Said with an answer: the next request would come too late.
                is_open = got.status != 0 && got.header("connection") != Some("close");
                self.note(Ok((got.status, &got.body)));
            }
        }
    }

    async fn http2(&self) {
        let mut pace = tokio::time::interval(PACE);
        while self.goes_on() {
            let stream = TcpStream::connect(&self.address).await.unwrap();
            let (sender, connection) = h2::client::handshake(stream).await.unwrap();
            let driver = tokio::spawn(connection);
            while self.goes_on() {
                pace.tick().await;
                // A connection that was told to go takes no further request: none is lost by that.
                let Ok(ready) = sender.clone().ready().await else { break };
                let Some(exchange) = self.ask(ready) else { break };
                let answer = exchange.await;
                self.note(
                    answer.as_ref().map(|(status, body)| (*status, body.as_str())).map_err(Clone::clone),
                );
            }
            driver.abort();
        }
    }

    /// `None`: it couldn't be sent.
    fn ask(
        &self,
        mut sender: h2::client::SendRequest<Bytes>,
    ) -> Option<impl Future<Output = Result<(u16, String), String>>> {
        let request = http::Request::get(format!("http://{}{}", self.address, self.path))
            .header("authorization", &self.bearer)
            .body(())
            .unwrap();
        let (response, _) = sender.send_request(request, true).ok()?;
        Some(async {
            let (head, mut stream) = response.await.map_err(|e| format!("HTTP/2: {e}"))?.into_parts();
            let mut body = Vec::new();
            while let Some(data) = stream.data().await {
                let data = data.map_err(|e| format!("HTTP/2, in the body: {e}"))?;
                let _ = stream.flow_control().release_capacity(data.len());
                body.extend_from_slice(&data);
            }
            Ok((head.status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
        })
    }
}
