//! One exchange over HTTP/1.1 or HTTP/2, its body in pieces, and answers read as they come.

use crate::PATIENCE;
use crate::client::{self, Response};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Both ways to speak HTTP.
pub const BOTH: [Http; 2] = [Http::One, Http::Two];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

/// A request to be.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Each in a frame of its own; none: no body.
    pub pieces: Vec<Vec<u8>>,
    pub trailers: Vec<(String, String)>,
}

/// A POST of JSON.
pub fn post(path: &str, body: impl AsRef<[u8]>) -> Ask {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    ask("POST", path).piece(body.as_ref()).headers(headers)
}

pub fn ask(method: &str, path: &str) -> Ask {
    Ask {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        pieces: Vec::new(),
        trailers: Vec::new(),
    }
}

impl Ask {
    pub fn piece(mut self, bytes: &[u8]) -> Self {
        self.pieces.push(bytes.to_vec());
        self
    }

    pub fn headers(mut self, headers: Vec<(String, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    pub fn bearer(self, token: Option<&str>) -> Self {
        match token {
            Some(token) => self.header("authorization", &format!("Bearer {token}")),
            None => self,
        }
    }

    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same body in pieces of `size` bytes.
    pub fn cut(mut self, size: usize) -> Self {
        let all = self.pieces.concat();
        self.pieces = all.chunks(size).map(<[u8]>::to_vec).collect();
        self
    }

    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: gateway.test\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    async fn write_one(self, mut stream: impl tokio::io::AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut head = self.head();
        if self.pieces.len() == 1 && self.trailers.is_empty() {
            head.push_str(&format!("content-length: {}\r\n\r\n", self.pieces[0].len()));
            stream.write_all(head.as_bytes()).await?;
            return stream.write_all(&self.pieces[0]).await;
        }
        if self.pieces.is_empty() && self.trailers.is_empty() {
            head.push_str("\r\n");
            return stream.write_all(head.as_bytes()).await;
        }
        head.push_str("transfer-encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        for piece in self.pieces {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
            stream.write_all(&chunk).await?;
            tokio::task::yield_now().await;
        }
        let trailers: String = self.trailers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
        stream.write_all(format!("0\r\n{trailers}\r\n").as_bytes()).await
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self, http: Http, address: &str) -> Response {
        match http {
            Http::One => {
                let stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                // Anyone who closes its half has left, to Envoy: it stays open until the answer is there.
                let (read, mut write) = stream.into_split();
                let (answer, _) = tokio::join!(
                    client::over(tokio::io::join(read, tokio::io::sink()), b""),
                    self.write_one(&mut write)
                );
                answer
            }
            Http::Two => {
                let mut answer = self.open(http, address).await;
                let mut body = Vec::new();
                while let Some(data) = answer.next().await {
                    body.extend(data);
                }
                let body = String::from_utf8_lossy(&body).into_owned();
                Response { status: answer.status, headers: answer.headers, body }
            }
        }
    }

    /// Sends it and reads the answer as it comes.
    pub async fn open(self, http: Http, address: &str) -> Open {
        let opening = async {
            match http {
                Http::One => self.open_one(address).await,
                Http::Two => self.open_two(address).await.unwrap_or_else(Open::nothing),
            }
        };
        timeout(PATIENCE, opening).await.expect("headers in time")
    }

    async fn open_one(self, address: &str) -> Open {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        self.write_one(&mut stream).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return Open::nothing(),
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let headers = fields.map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect();
        Open { status, headers, body: Body::One(stream) }
    }

    async fn open_two(self, address: &str) -> Option<Open> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = h2::client::handshake(stream).await.ok()?;
        let driver = Driver(tokio::spawn(async move {
            let _ = connection.await;
        }));
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("http://gateway.test{}", self.path));
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let mut sender = sender.ready().await.ok()?;
        let bodiless = self.pieces.is_empty() && self.trailers.is_empty();
        let (response, mut send) = sender.send_request(request.body(()).ok()?, bodiless).ok()?;
        let last = self.pieces.len().saturating_sub(1);
        for (at, piece) in self.pieces.into_iter().enumerate() {
            let _ = send.send_data(Bytes::from(piece), at == last && self.trailers.is_empty());
            tokio::task::yield_now().await;
        }
        if !self.trailers.is_empty() {
            let mut map = http::HeaderMap::new();
            for (name, value) in &self.trailers {
                map.append(http::HeaderName::from_bytes(name.as_bytes()).ok()?, value.parse().ok()?);
            }
            let _ = send.send_trailers(map);
        }
        let response = response.await.ok()?;
        let status = response.status().as_u16();
        let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect();
        Some(Open { status, headers, body: Body::Two(response.into_body(), driver) })
    }
}

struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose headers have come.
pub struct Open {
    /// 0: none have.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    body: Body,
}

enum Body {
    None,
    One(TcpStream),
    Two(h2::RecvStream, #[allow(dead_code, reason = "keeps the connection")] Driver),
}

impl Open {
    fn nothing() -> Self {
        Self { status: 0, headers: Vec::new(), body: Body::None }
    }

    /// What came next (over HTTP/1.1 with chunk sizes); `None`: the answer has ended, well or not.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let next = async {
            match &mut self.body {
                Body::None => None,
                Body::One(stream) => {
                    let mut bytes = Vec::new();
                    stream.read_buf(&mut bytes).await.ok().filter(|n| *n > 0).map(|_| bytes)
                }
                Body::Two(stream, _) => {
                    let data = stream.data().await?.ok()?;
                    let _ = stream.flow_control().release_capacity(data.len());
                    Some(data.to_vec())
                }
            }
        };
        timeout(PATIENCE, next).await.expect("data in time")
    }

    /// All that comes until it contains `text`, or until the end.
    pub async fn until(&mut self, text: &str) -> String {
        let mut got = String::new();
        while !got.contains(text) {
            let Some(data) = self.next().await else { break };
            got.push_str(&String::from_utf8_lossy(&data));
        }
        got
    }
}
