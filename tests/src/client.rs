//! Clients: one that sends any bytes over HTTP/1.1, and one that speaks HTTP/2 with prior knowledge.

use crate::PATIENCE;
use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// 0: the connection ended without an answer.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    fn nothing() -> Self {
        Self { status: 0, headers: Vec::new(), body: String::new() }
    }
}

/// A POST of JSON over HTTP/1.1, under the address's own name.
pub async fn post_json(address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    raw(address, request.as_bytes()).await
}

/// Sends bytes and reads one answer, to its end. (Envoy keeps an early answer's connection open for a second,
/// so that the client can read it: anyone who waits for the close waits that long.)
pub async fn raw(address: &str, request: &[u8]) -> Response {
    over(TcpStream::connect(address).await.unwrap(), request).await
}

/// The same over a connection that is there.
pub async fn over(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Response {
    let exchange = async {
        // A server that refuses early may stop reading: that is no failure.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        while !is_whole(&answer) && stream.read_buf(&mut answer).await.is_ok_and(|n| n > 0) {}
        answer
    };
    parse(&timeout(PATIENCE, exchange).await.expect("an answer in time"))
}

/// Whether an answer's head and the length that it states have come (RFC 9112 §6.3); without a length the
/// close ends it.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let body = &answer[end + 4..];
    let length = head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok());
    match length {
        Some(length) => body.len() >= length,
        None if head.contains("transfer-encoding: chunked") => body.ends_with(b"0\r\n\r\n"),
        None => ["204", "304", "101"].iter().any(|status| head.starts_with(&format!("http/1.1 {status}"))),
    }
}

fn parse(answer: &[u8]) -> Response {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Response::nothing() };
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).unwrap_or(0);
    let headers: Vec<(String, String)> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()))
        .collect();
    let chunked = headers.iter().any(|(n, v)| n == "transfer-encoding" && v == "chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Response { status, headers, body }
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        out.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    out
}

/// One request over HTTP/2, with any header bytes that its codec can carry, and trailers.
pub async fn http2(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &[u8])],
    body: Option<&str>,
    trailers: &[(&str, &str)],
) -> Response {
    let exchange = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let (sender, connection) = h2::client::handshake(stream).await.ok()?;
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut request = http::Request::builder().method(method).uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, http::HeaderValue::from_bytes(value).ok()?);
        }
        let has_body = body.is_some() || !trailers.is_empty();
        let mut sender = sender.ready().await.ok()?;
        let (response, mut send) = sender.send_request(request.body(()).ok()?, !has_body).ok()?;
        if has_body {
            let data = Bytes::copy_from_slice(body.unwrap_or_default().as_bytes());
            let _ = send.send_data(data, trailers.is_empty());
            if !trailers.is_empty() {
                let mut map = http::HeaderMap::new();
                for (name, value) in trailers {
                    map.append(http::HeaderName::from_bytes(name.as_bytes()).ok()?, value.parse().ok()?);
                }
                let _ = send.send_trailers(map);
            }
        }
        let response = response.await.ok()?;
        let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect();
        let status = response.status().as_u16();
        let mut stream = response.into_body();
        let mut body = Vec::new();
        while let Some(Ok(data)) = stream.data().await {
            let _ = stream.flow_control().release_capacity(data.len());
            body.extend_from_slice(&data);
        }
        driver.abort();
        Some(Response { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    };
    timeout(PATIENCE, exchange).await.expect("an answer in time").unwrap_or_else(Response::nothing)
}
