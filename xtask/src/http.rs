//! As much of an HTTP/1.1 client as the commands need (RFC 9112), for loopback. In: an address and a request.
//! Out: the answer, whole; at most 4 MiB of it, within 15 seconds.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const CONNECT_TIME: Duration = Duration::from_secs(2);
const ANSWER_TIME: Duration = Duration::from_secs(15);
const MAX_ANSWER: u64 = 4 << 20;

/// One request. `Host`, `Content-Length` and `Connection` are added.
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: Vec<(&'a str, String)>,
    pub body: &'a str,
}

pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub fn get(path: &'a str) -> Self {
        Self { method: "GET", path, headers: Vec::new(), body: "" }
    }

    pub fn send(&self, address: SocketAddr) -> io::Result<Response> {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIME)?;
        stream.set_read_timeout(Some(ANSWER_TIME))?;
        stream.set_write_timeout(Some(ANSWER_TIME))?;
        stream.write_all(self.text(address).as_bytes())?;
        let answer = read(&mut stream.take(MAX_ANSWER))?;
        Response::parse(&answer).ok_or_else(|| io::Error::other("not an HTTP/1.1 answer"))
    }

    fn text(&self, address: SocketAddr) -> String {
        let Self { method, path, headers, body } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || *method == "POST" {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        text + "\r\n" + body
    }
}

impl Response {
    /// The first header of this name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn says_its_length(&self) -> bool {
        ["content-length", "transfer-encoding"].iter().any(|name| self.header(name).is_some())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let body = bytes.get(end + 4..)?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let headers = lines.map(|line| line.split_once(':')).collect::<Option<Vec<_>>>()?;
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let response = Self { status, headers, body: Vec::new() };
        let body = match response.header("transfer-encoding") {
            Some(coding) if coding.eq_ignore_ascii_case("chunked") => unchunk(body)?,
            Some(_) => return None,
            None => whole(&response, body)?,
        };
        Some(Self { body, ..response })
    }
}

/// Until the answer is whole, where it says how long it is, else until the end: some servers let a second
/// pass before they close.
fn read(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        let length = stream.read(&mut buffer)?;
        answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let is_whole = || Response::parse(&answer).is_some_and(|response| response.says_its_length());
        if length == 0 || is_whole() {
            return Ok(answer);
        }
    }
}

/// The body, unless the connection ended before all of it was there.
fn whole(response: &Response, body: &[u8]) -> Option<Vec<u8>> {
    let Some(length) = response.header("content-length") else { return Some(body.to_vec()) };
    body.get(..length.parse().ok()?).map(<[u8]>::to_vec)
}

/// RFC 9112 §7.1, trailers ignored.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|window| window == b"\r\n")?;
        let line = std::str::from_utf8(rest.get(..line_end)?).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        rest = rest.get(line_end + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size.checked_add(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{Response, read};

    fn check(answer: &str, expect: Option<(u16, &str)>) {
        let parsed = Response::parse(answer.as_bytes());
        let parsed = parsed.map(|response| (response.status, String::from_utf8(response.body).unwrap()));
        assert_eq!(parsed, expect.map(|(status, body)| (status, body.to_owned())), "{answer:?}");
    }

    #[test]
    fn bodies_of_every_framing_are_read() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Some((200, "ok")));
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, "")));
        check("HTTP/1.1 200 OK\r\n\r\nuntil the end", Some((200, "until the end")));
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n",
            Some((200, "abc0123456789")),
        );
    }

    #[test]
    fn half_an_answer_is_none() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", None);
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab", None);
        check("HTTP/1.1 200 OK\r\n", None);
        check("", None);
    }

    #[test]
    fn reading_ends_with_a_whole_answer_or_with_the_connection() {
        let check = |pieces: &[&'static str], expect: &str| {
            let mut stream: Box<dyn Read> = Box::new("".as_bytes());
            for piece in pieces {
                stream = Box::new(stream.chain(piece.as_bytes()));
            }
            assert_eq!(String::from_utf8(read(&mut stream).unwrap()).unwrap(), expect);
        };
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        check(&["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 2\r\n\r\nok", "not waited for"], whole);
        check(&["HTTP/1.1 200 OK\r\n\r\na", "b"], "HTTP/1.1 200 OK\r\n\r\nab");
        check(&["HTTP/1.1 200 OK\r\n"], "HTTP/1.1 200 OK\r\n");
    }
}
