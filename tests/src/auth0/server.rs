//! The tenant on the wire: each connection of its own, so that a fault can cut it in any way.

use super::answer::Answer;
use super::faults::Fault;
use super::request::Request;
use super::routes::State;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

type Shared = Arc<Mutex<State>>;
type Response = hyper::Response<Full<Bytes>>;

/// What takes a connection away from HTTP.
enum Cut {
    Reset,
    /// These bytes, and no more.
    After(Vec<u8>),
}

/// Serves until it is aborted, which ends the connections, too.
pub async fn run(listener: TcpListener, state: Shared) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            connections.spawn(connection(stream, Arc::clone(&state)));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, state: Shared) {
    let (cut, mut cuts) = mpsc::channel(1);
    let service = service_fn(|request| exchange(request, Arc::clone(&state), cut.clone()));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let cut = tokio::select! {
        _ = &mut connection => return,
        cut = cuts.recv() => cut,
    };
    let mut stream = connection.into_parts().io.into_inner();
    match cut {
        Some(Cut::After(bytes)) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        // Without lingering, closing is a reset.
        Some(Cut::Reset) | None => {
            let _ = stream.set_zero_linger();
        }
    }
}

async fn exchange(
    request: hyper::Request<Incoming>,
    state: Shared,
    cut: mpsc::Sender<Cut>,
) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let request = Request::new(&parts, body);
    let latency = state.lock().unwrap().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let (answer, fault) = loop {
        {
            // Between the look and the call there is no other.
            let mut state = state.lock().unwrap();
            if !state.holds() {
                break state.answer(&request);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let cut_off = match fault {
        None => return Ok(response(&answer)),
        Some(Fault::Status(status) | Fault::StatusAfterApplying(status)) => {
            let failure = Answer::refused(status, "Injected fault", "");
            return Ok(response(&Answer { headers: answer.headers, ..failure }));
        }
        Some(Fault::Garbage) => return Ok(garbage()),
        Some(Fault::Reset | Fault::ResetAfterApplying) => Some(Cut::Reset),
        Some(Fault::Truncated) => Some(Cut::After(half(&answer))),
        Some(Fault::Hang) => None,
    };
    if let Some(how) = cut_off {
        let _ = cut.send(how).await;
    }
    // Until the connection is cut, or anyone who asked gives up.
    std::future::pending().await
}

fn response(answer: &Answer) -> Response {
    let body = answer.body.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut builder = hyper::Response::builder().status(answer.status);
    if answer.body.is_some() {
        builder = builder.header("content-type", "application/json; charset=utf-8");
    }
    for (name, value) in &answer.headers {
        builder = builder.header(*name, value);
    }
    builder.body(Full::new(body.into())).unwrap()
}

fn garbage() -> Response {
    let page = "<html><head><title>Just a moment…</title></head></html>";
    hyper::Response::builder()
        .header("content-type", "application/json")
        .body(Full::new(page.into()))
        .unwrap()
}

/// The answer's head with its whole length, and half of its body.
fn half(answer: &Answer) -> Vec<u8> {
    let body = answer.body.as_ref().map_or_else(|| "{\"truncated\":true}".to_owned(), ToString::to_string);
    let head = format!(
        "HTTP/1.1 {} Answer\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n\r\n",
        if answer.body.is_some() { answer.status } else { 200 },
        body.len()
    );
    [head.as_bytes(), &body.as_bytes()[..body.len() / 2]].concat()
}
