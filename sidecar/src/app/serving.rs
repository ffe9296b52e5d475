//! The server of what is served, or of whatever is the newest of it, and with each its worker and what keeps
//! the ledger. In: a listener. Out: nothing, when all that was under way has ended.

use super::otlp::Otlp;
use super::push::Push;
use crate::ledger::Tail;
use crate::webhook::worker::Worker;
use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse as _;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// Connections that don't end are cut this long after the process was told to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// What is served under one policy. Clones share all of it.
#[derive(Clone)]
pub struct Served {
    pub(super) router: Router,
    /// There is one where there is a queue.
    pub(super) worker: Option<Worker>,
    /// There is one where there is a ledger.
    pub(super) tail: Option<Tail>,
    /// There is one where metrics are pushed.
    pub(super) push: Option<Push>,
    /// There is one where records come by OTLP.
    pub(super) otlp: Option<Otlp>,
}

impl Served {
    #[cfg(test)]
    pub(crate) fn router(self) -> Router {
        self.router
    }
}

/// What goes on besides requests.
struct Work {
    worker: Option<Worker>,
    tail: Option<Tail>,
    push: Option<Push>,
    otlp: Option<Otlp>,
}

/// All of it, until it is told.
async fn work(Work { worker, tail, push, otlp }: Work, told: watch::Receiver<bool>) {
    let promotes = async {
        match worker {
            Some(worker) => worker.run(told.clone()).await,
            None => drop(told.clone().wait_for(|stop| *stop).await),
        }
    };
    let keeps = async {
        if let Some(tail) = tail {
            tail.run(told.clone()).await;
        }
    };
    let pushes = async {
        if let Some(push) = push {
            push.run(told.clone()).await;
        }
    };
    let takes = async {
        if let Some(otlp) = otlp {
            otlp.run(told.clone()).await;
        }
    };
    tokio::join!(promotes, keeps, pushes, takes);
}

/// Serves until `stop`; then what is under way is finished, or left in the queue.
///
/// # Errors
/// What the listener says.
pub async fn serve_until(
    listener: TcpListener,
    served: Served,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let Served { router, worker, tail, push, otlp } = served;
    serve_and_work(listener, router, |told| work(Work { worker, tail, push, otlp }, told), stop).await
}

/// Serves whatever is the newest, each for the requests that begin in its time.
///
/// # Errors
/// What the listener says.
pub async fn serve_changing(
    listener: TcpListener,
    served: watch::Receiver<Served>,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let current = served.clone();
    let newest = Router::new().fallback(async move |request: Request| {
        let router = current.borrow().router.clone();
        router.oneshot(request).await.into_response()
    });
    serve_and_work(listener, newest, async |told| work_changing(served, told).await, stop).await
}

/// One worker after the other: each ends what it has begun.
async fn work_changing(mut served: watch::Receiver<Served>, told: watch::Receiver<bool>) {
    while !*told.borrow() {
        let Served { worker, tail, push, otlp, .. } = served.borrow_and_update().clone();
        let (halt, halted) = watch::channel(false);
        let work = work(Work { worker, tail, push, otlp }, halted);
        let mut told = told.clone();
        let over = async {
            let mut ending = told.clone();
            tokio::select! {
                changed = served.changed() => {
                    if changed.is_err() { drop(told.wait_for(|stop| *stop).await) }
                }
                _ = ending.wait_for(|stop| *stop) => {}
            }
            halt.send_replace(true);
        };
        tokio::join!(work, over);
    }
}

/// Until `stop`: then what is under way is finished, or left in the queue.
async fn serve_and_work<W: Future<Output = ()>>(
    listener: TcpListener,
    router: Router,
    work: impl FnOnce(watch::Receiver<bool>) -> W,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let (tell, told) = watch::channel(false);
    let work = work(told.clone());
    let stopping = {
        let mut told = told.clone();
        async move { drop(told.wait_for(|stop| *stop).await) }
    };
    let server = axum::serve(listener, router).with_graceful_shutdown(stopping);
    let overdue = {
        let mut told = told.clone();
        async move {
            drop(told.wait_for(|stop| *stop).await);
            tokio::time::sleep(FAREWELL).await;
        }
    };
    let signal = async {
        stop.await;
        tracing::info!("stopping");
        let _ = tell.send(true);
        std::future::pending::<()>().await;
    };
    let both = async { tokio::join!(async { server.await.map_err(|e| e.to_string()) }, work).0 };
    tokio::select! {
        ended = both => ended,
        () = overdue => Ok(()),
        () = signal => Ok(()),
    }
}
