//! An upstream that answers with the very bytes that a test gives, when it says so, and keeps every byte that
//! reached it.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A step of an answer.
#[derive(Clone)]
pub enum Step {
    /// Don't wait for the request's body: only as the first.
    Early,
    /// These bytes.
    Send(Vec<u8>),
    /// Each of these bytes in a packet of its own, as far as the network lets it.
    Trickle(Vec<u8>),
    /// Wait for [`Scripted::signal`].
    Wait,
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Request line and headers.
    pub head: String,
    /// All that came after them, chunk sizes among it.
    pub body: Vec<u8>,
}

impl Received {
    /// The values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The body without the sizes of its chunks, as far as it has come.
    pub fn content(&self) -> Vec<u8> {
        if self.header("transfer-encoding").is_empty() {
            return self.body.clone();
        }
        let (mut out, mut rest) = (Vec::new(), &self.body[..]);
        while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
            let size = std::str::from_utf8(&rest[..end]).ok().and_then(|s| usize::from_str_radix(s, 16).ok());
            let chunk = size.filter(|size| *size > 0).and_then(|size| rest.get(end + 2..end + 2 + size));
            let Some(chunk) = chunk else { break };
            out.extend(chunk);
            rest = rest.get(end + 4 + chunk.len()..).unwrap_or_default();
        }
        out
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content()).into_owned()
    }

    fn is_whole(&self) -> bool {
        match self.header("content-length").first() {
            Some(length) => length.parse().is_ok_and(|length: usize| self.body.len() >= length),
            None if self.header("transfer-encoding").is_empty() => true,
            None => self.body.ends_with(b"0\r\n\r\n"),
        }
    }
}

struct Inner {
    script: Mutex<Vec<Step>>,
    seen: Mutex<Vec<Received>>,
    signals: Semaphore,
}

/// The upstream.
pub struct Scripted {
    pub url: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Scripted {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script =
            Mutex::new(vec![Step::Send(json_answer("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"))]);
        let inner = Arc::new(Inner { script, seen: Mutex::default(), signals: Semaphore::new(0) });
        let shared = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url, inner, task }
    }

    /// Answers like this from now on.
    pub fn answers(&self, steps: impl Into<Vec<Step>>) {
        *self.inner.script.lock().unwrap() = steps.into();
    }

    /// Lets one [`Step::Wait`] pass.
    pub fn signal(&self) {
        self.inner.signals.add_permits(1);
    }

    /// The requests so far, complete or not.
    pub fn seen(&self) -> Vec<Received> {
        self.inner.seen.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, inner: Arc<Inner>) {
    stream.set_nodelay(true).unwrap();
    let (mut read, mut write) = stream.into_split();
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        if !read.read_buf(&mut bytes).await.is_ok_and(|n| n > 0) {
            return;
        }
    };
    let body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let at = {
        let mut seen = inner.seen.lock().unwrap();
        seen.push(Received { head, body });
        seen.len() - 1
    };
    let whole = Arc::new(Semaphore::new(0));
    let reader = tokio::spawn({
        let (inner, whole) = (Arc::clone(&inner), Arc::clone(&whole));
        async move {
            loop {
                if inner.seen.lock().unwrap()[at].is_whole() {
                    whole.add_permits(1);
                }
                let mut more = Vec::with_capacity(64 * 1024);
                if !read.read_buf(&mut more).await.is_ok_and(|n| n > 0) {
                    break;
                }
                inner.seen.lock().unwrap()[at].body.extend(more);
            }
            whole.close();
        }
    });
    let script = inner.script.lock().unwrap().clone();
    if !matches!(script.first(), Some(Step::Early)) && whole.acquire().await.is_err() {
        return;
    }
    for step in script {
        match step {
            Step::Early => {}
            Step::Wait => inner.signals.acquire().await.unwrap().forget(),
            Step::Send(bytes) => drop(write.write_all(&bytes).await),
            Step::Trickle(bytes) => {
                for byte in bytes {
                    if write.write_all(&[byte]).await.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    let _ = write.shutdown().await;
    // Anyone who closes with bytes unread resets, and the answer may be lost.
    let _ = tokio::time::timeout(Duration::from_secs(2), reader).await;
}

/// A whole answer with a length.
pub fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// A whole answer in JSON.
pub fn json_answer(body: &str) -> Vec<u8> {
    answer("content-type: application/json\r\n", body)
}

/// The head of a chunked answer.
pub fn chunked_head(head: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{head}transfer-encoding: chunked\r\nconnection: close\r\n\r\n").into_bytes()
}

/// A body in chunks of at most `size` bytes, without its end.
pub fn chunks(body: &[u8], size: usize) -> Vec<u8> {
    let chunk = |c: &[u8]| [format!("{:x}\r\n", c.len()).as_bytes(), c, b"\r\n"].concat();
    body.chunks(size).flat_map(chunk).collect()
}

/// A whole chunked answer.
pub fn chunked_answer(head: &str, body: &str, size: usize) -> Vec<u8> {
    [chunked_head(head), chunks(body.as_bytes(), size), b"0\r\n\r\n".to_vec()].concat()
}
