//! The server of one app, or of whatever app is the newest, and with each its worker. In: a listener. Out: nothing, when all that was under way has
//! ended.

use super::{Shared, router, told_to_stop};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// Connections that don't end are cut this long after the process was told to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves until the process is told to stop; then what is under way is finished, or left in the queue.
///
/// # Errors
/// What the listener says.
pub async fn serve(listener: TcpListener, app: Shared) -> Result<(), String> {
    serve_until(listener, app, told_to_stop()).await
}

/// The same until `stop`.
pub async fn serve_until(
    listener: TcpListener,
    app: Shared,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let worker = app.worker();
    let work = async |told: watch::Receiver<bool>| {
        if let Some(worker) = worker {
            worker.run(told).await;
        }
    };
    serve_and_work(listener, router(app), work, stop).await
}

/// Serves whatever app is the newest, each for the requests that begin in its time.
///
/// # Errors
/// What the listener says.
pub async fn serve_changing(
    listener: TcpListener,
    apps: watch::Receiver<Shared>,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let routers = Newest::of(apps.clone());
    let newest = Router::new().fallback(async move |request: Request| routers.answer(request).await);
    serve_and_work(listener, newest, async |told| work_changing(apps, told).await, stop).await
}

/// A router for each app, made once.
struct Newest {
    apps: watch::Receiver<Shared>,
    made: Mutex<(Shared, Router)>,
}

impl Newest {
    fn of(apps: watch::Receiver<Shared>) -> Arc<Self> {
        let app = Arc::clone(&apps.borrow());
        let made = Mutex::new((Arc::clone(&app), router(app)));
        Arc::new(Self { apps, made })
    }

    async fn answer(&self, request: Request) -> Response {
        let router = {
            let app = Arc::clone(&self.apps.borrow());
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            if !Arc::ptr_eq(&made.0, &app) {
                *made = (Arc::clone(&app), router(app));
            }
            made.1.clone()
        };
        router.oneshot(request).await.into_response()
    }
}

/// One worker after the other: each ends what it has begun.
async fn work_changing(mut apps: watch::Receiver<Shared>, told: watch::Receiver<bool>) {
    while !*told.borrow() {
        let worker = apps.borrow_and_update().worker();
        let (halt, halted) = watch::channel(false);
        let work = async {
            match worker {
                Some(worker) => worker.run(halted).await,
                None => {
                    let mut halted = halted;
                    drop(halted.wait_for(|halt| *halt).await);
                }
            }
        };
        let mut told = told.clone();
        let over = async {
            let mut ending = told.clone();
            tokio::select! {
                changed = apps.changed() => if changed.is_err() { drop(told.wait_for(|stop| *stop).await) },
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
