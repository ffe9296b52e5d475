//! `gatewaystack run`: the whole gateway as one process with Envoy below it, for places that start one
//! container. In: where the configuration is, and Envoy's program. Out: nothing when it was told to stop,
//! else which part has ended.
//!
//! SIGHUP has the configuration read and rendered anew: Envoy and sidecar go over to it while they run, and a
//! bad one changes nothing. No part is started again alone: what started us does that, and all begin
//! afresh.

mod configured;
mod envoy;

use crate::app::{self, App, Served};
use crate::connect::ConnectTo;
use crate::ledger::end_torn_line;
use crate::refusals::Refusals;
use crate::settings::Fault;
use crate::{fetch, log};
use configured::Configured;
pub use configured::Origin;
use envoy::Admin;
pub use envoy::Envoy;
use std::sync::Arc;
use tokio::process::Child;
use tokio::sync::{oneshot, watch};

/// Runs until the process is told to stop, and `says` the ports when the configuration is good. Envoy ends
/// first: the sidecar answers what still comes through it.
///
/// # Errors
/// All that is wrong with the configuration; or the part that has ended, or couldn't begin, and why.
pub fn run(
    mut origin: Origin,
    envoy: &Envoy,
    says: &dyn Fn(&serde_json::Value) -> Result<(), Vec<Fault>>,
) -> Result<(), Vec<Fault>> {
    let failed = |e: String| vec![Fault::text(e)];
    let source = origin.read()?;
    origin.settle(&source)?;
    origin.ports.extend(envoy.version().map(|version| ("ENVOY_VERSION".to_owned(), version)));
    let first = origin.configured()?;
    first.require_free().map_err(failed)?;
    fetch::connect_to(ConnectTo::read(&source.env).map_err(|e| source.name(vec![e]))?);
    fetch::trust(&source.env).map_err(|e| source.name(vec![e]))?;
    log::install(&first.settings.log_level);
    let runtime = app::runtime();
    let runtime = runtime.map_err(|e| vec![Fault::text(format!("no runtime: {e}"))])?;
    first.write().map_err(failed)?;
    says(&first.summary())?;
    runtime.block_on(both(&origin, first, envoy)).map_err(failed)
}

/// Sidecar and Envoy, side by side.
async fn both(origin: &Origin, first: Configured, envoy: &Envoy) -> Result<(), String> {
    fetch::install_provider();
    let (listener, app) = app::open(Arc::clone(&first.policy), first.settings.clone()).await?;
    let (served, changing) = watch::channel(app.served());
    let (stop, stopped) = oneshot::channel::<()>();
    let sidecar = app::serve_changing(listener, changing, async { drop(stopped.await) });
    let envoy = async move {
        let admin = Admin(first.admin().to_owned());
        // What an Envoy before this one didn't finish takes no record with it.
        let records = first.records_file();
        end_torn_line(&records).map_err(|e| format!("can't use {}: {e}", records.display()))?;
        let mut child = envoy.start(origin.state(), first.log_level())?;
        let refusals = Refusals::print(first.records_file(), first.prints_refusals());
        let mut running = Running { origin, current: first, app, served, admin, refusals };
        running.until_told(&mut child).await?;
        tracing::info!("the gateway ends");
        running.admin.end(&mut child).await;
        drop(stop);
        Ok(())
    };
    tokio::try_join!(sidecar, envoy).map(drop)
}

/// What is served now.
struct Running<'r> {
    origin: &'r Origin,
    current: Configured,
    app: App,
    served: watch::Sender<Served>,
    admin: Admin,
    refusals: Refusals,
}

impl Running<'_> {
    /// An error where Envoy has ended, or doesn't serve what it was started with.
    async fn until_told(&mut self, child: &mut Child) -> Result<(), String> {
        let mut renewals = Renewals::listen()?;
        let mut stop = std::pin::pin!(app::told_to_stop());
        let begun = self.admin.has(self.current.revision(), 0);
        tokio::select! {
            ended = child.wait() => return Err(ended_by(ended)),
            begun = begun => begun?,
            () = &mut stop => return Ok(()),
        }
        loop {
            let renewed = async {
                renewals.next().await;
                self.renew().await;
            };
            tokio::select! {
                ended = child.wait() => return Err(ended_by(ended)),
                () = &mut stop => return Ok(()),
                () = renewed => {}
            }
        }
    }

    /// Goes over to what the files say now; where they can't be followed, all stays.
    async fn renew(&mut self) {
        match self.renewed().await {
            Ok(()) => tracing::info!(policy = self.current.revision(), "the new policy is served"),
            Err(reasons) => {
                for reason in reasons {
                    tracing::error!(%reason, "the new policy isn't taken; the old one stays");
                }
            }
        }
    }

    async fn renewed(&mut self) -> Result<(), Vec<String>> {
        let texts = |faults: Vec<Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
        let next = self.origin.configured().map_err(texts)?;
        next.can_follow(&self.current).map_err(|e| vec![e])?;
        let app = self.app.renewed(Arc::clone(&next.policy), next.settings.clone());
        let app = app.map_err(|e| vec![e])?;
        let refused = self.admin.refused().await;
        next.write().map_err(|e| vec![e])?;
        self.admin.has(next.revision(), refused).await.map_err(|e| vec![e])?;
        self.served.send_replace(app.served());
        self.app = app;
        self.refusals.switch(next.prints_refusals());
        self.current = next;
        Ok(())
    }
}

fn ended_by(ended: std::io::Result<std::process::ExitStatus>) -> String {
    format!("envoy has ended ({})", ended.map_or_else(|e| e.to_string(), |status| status.to_string()))
}

/// SIGHUP, one after the other; none of them ends us.
struct Renewals {
    #[cfg(unix)]
    hangups: tokio::signal::unix::Signal,
}

impl Renewals {
    #[cfg(unix)]
    fn listen() -> Result<Self, String> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangups = signal(SignalKind::hangup()).map_err(|e| format!("can't listen for signals: {e}"))?;
        Ok(Self { hangups })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        self.hangups.recv().await;
    }

    #[cfg(not(unix))]
    fn listen() -> Result<Self, String> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
