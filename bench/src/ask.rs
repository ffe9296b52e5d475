//! A load whose requests all differ. In: an address, a path, a file of tokens, how many connections and
//! requests. Out: one JSON object with the requests, the seconds that they took, and latencies in
//! microseconds; an error when any answer isn't 200.
//!
//! `wrk` makes all requests before it sends the first one, and a million don't fit into its Lua. The file is
//! read as the tokens are sent, from its start again when it ends.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, BufRead, BufReader, Seek},
    net::SocketAddr,
    rc::Rc,
    time::Instant,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::LocalSet};

pub struct Wanted<'a> {
    pub address: SocketAddr,
    pub path: &'a str,
    pub tokens: &'a str,
    pub connections: usize,
    pub requests: usize,
}

pub async fn run(wanted: &Wanted<'_>) -> io::Result<Value> {
    let turns = Rc::new(RefCell::new(Turns {
        lines: BufReader::new(File::open(wanted.tokens)?),
        left: wanted.requests,
    }));
    let began = Instant::now();
    let mut latencies = LocalSet::new().run_until(all(wanted, &turns)).await?;
    let seconds = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at =
        |percent: usize| latencies.get((latencies.len() * percent / 100).min(latencies.len() - 1)).copied();
    Ok(json!({
        "requests": latencies.len(), "seconds": seconds,
        "p50_us": at(50), "p99_us": at(99),
    }))
}

async fn all(wanted: &Wanted<'_>, turns: &Rc<RefCell<Turns>>) -> io::Result<Vec<u32>> {
    let mut running = Vec::new();
    for _ in 0..wanted.connections {
        let (turns, path, address) = (Rc::clone(turns), wanted.path.to_owned(), wanted.address);
        running.push(tokio::task::spawn_local(async move { connection(address, &path, &turns).await }));
    }
    let mut latencies = Vec::new();
    for one in running {
        latencies.extend(one.await.map_err(io::Error::other)??);
    }
    if latencies.is_empty() { Err(io::Error::other("nothing was asked")) } else { Ok(latencies) }
}

/// Requests one after the other, until all have been sent.
async fn connection(address: SocketAddr, path: &str, turns: &RefCell<Turns>) -> io::Result<Vec<u32>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(connection);
    let mut latencies = Vec::new();
    loop {
        let Some(token) = turns.borrow_mut().next()? else { return Ok(latencies) };
        let began = Instant::now();
        ask(&mut sender, path, &token).await?;
        latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}

async fn ask(sender: &mut SendRequest<Empty<Bytes>>, path: &str, token: &str) -> io::Result<()> {
    let request =
        Request::get(path).header("host", "127.0.0.1").header("authorization", format!("Bearer {token}"));
    let request = request.body(Empty::new()).map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status();
    response.into_body().collect().await.map_err(io::Error::other)?;
    if status == 200 { Ok(()) } else { Err(io::Error::other(format!("an answer was {status}"))) }
}

/// The tokens' turns.
struct Turns {
    lines: BufReader<File>,
    left: usize,
}

impl Turns {
    /// The next token; `None`: enough were sent.
    fn next(&mut self) -> io::Result<Option<String>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            self.lines.rewind()?;
            self.lines.read_line(&mut line)?;
        }
        line.truncate(line.trim_end().len());
        Ok(Some(line))
    }
}
