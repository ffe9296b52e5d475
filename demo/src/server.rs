//! A router in, a listening server out (HTTP/1.1 and HTTP/2 without TLS). Written by hand over `hyper`
//! rather than with `axum::serve` for two reasons: a handler can have its connection closed without an answer
//! ([`Abort`]), and stopping ends open connections too.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// Connections served at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 2048;

/// A response that carries this as an extension is never sent: the connection (HTTP/2: the stream) is cut
/// instead.
#[derive(Clone, Copy)]
pub(crate) struct Abort;

/// A server that runs until [`Running::stop`] or until this value is dropped.
pub struct Running {
    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub url: String,
    task: JoinHandle<()>,
}

impl Running {
    /// Closes the listener and every open connection; returns when they are closed.
    pub async fn stop(mut self) {
        self.task.abort();
        // A cancelled task reports an error; it's the one we asked for.
        let _cancelled = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where a server listens that nothing else is said of.
pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Takes `port` of `bind` (0: a free one) before the router is made, because an issuer's documents name their
/// own address. That is always the one on loopback: in a container, whose port is published there, too.
pub(crate) async fn start(
    bind: IpAddr,
    port: u16,
    router: impl FnOnce(&str) -> Router,
) -> io::Result<Running> {
    let listener = TcpListener::bind((bind, port)).await?;
    let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
    let task = tokio::spawn(accept(listener, router(&url)));
    Ok(Running { url, task })
}

async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: the only thing that helps is that others end.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let router = router.clone();
        connections.spawn(async move {
            serve(stream, router).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, router: Router) {
    // Without this, small answers wait for the peer's acknowledgement; where it fails they are merely late.
    let _late = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = hyper::service::Service::call(&router, request);
        async move { abortable(answer.await) }
    });
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().max_buf_size(2 * 1024 * 1024);
    server.http2().max_concurrent_streams(1000).enable_connect_protocol();
    // A client that goes away isn't our fault, and nobody reads about it.
    let _gone = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

fn abortable<E>(answer: Result<Response<Body>, E>) -> Result<Response<Body>, io::Error> {
    match answer {
        Ok(response) if response.extensions().get::<Abort>().is_none() => Ok(response),
        _ => Err(io::ErrorKind::ConnectionReset.into()),
    }
}
