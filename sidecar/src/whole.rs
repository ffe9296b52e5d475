//! `gatewaystack run`: the whole gateway as one process with Envoy below it, for places that start one container. In: a rendered configuration and
//! Envoy's program. Out: nothing when it was told to stop, else which part has ended.
//!
//! No part is started again alone: whoever started us does that, and all begin afresh.

use crate::app::{self, Settings};
use crate::fetch;
use gatewaystack_core::config::policy::Policy;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

/// What is under way is ended within this time. Cloud Run gives ten seconds for all.
const FAREWELL: Duration = Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(100);
/// `--drain-strategy immediate`: the next answer on each connection asks its client to come again elsewhere.
const ARGUMENTS: [&str; 7] =
    ["--disable-hot-restart", "--log-level", "warn", "--drain-strategy", "immediate", "--drain-time-s", "5"];
const ACTIVE: &str = "http.gatewaystack.downstream_rq_active";

/// The program, and what it is told besides.
pub struct Envoy {
    pub program: PathBuf,
    pub more: Vec<OsString>,
}

/// What runs.
pub struct Parts {
    pub policy: Arc<Policy>,
    pub settings: Settings,
    pub envoy: Envoy,
    /// The folder with the bootstrap.
    pub state: PathBuf,
    /// Envoy's admin interface.
    pub admin: String,
}

/// Runs until the process is told to stop. Envoy ends first: the sidecar answers what still comes through it.
///
/// # Errors
/// The part that has ended, or couldn't begin, and why.
pub async fn run(parts: Parts) -> Result<(), String> {
    let Parts { policy, settings, envoy, state, admin } = parts;
    let (stop, stopped) = oneshot::channel::<()>();
    let sidecar = app::run(policy, settings, async { drop(stopped.await) });
    let envoy = async move {
        let mut child = start(&envoy, state)?;
        tokio::select! {
            ended = child.wait() => {
                let how = ended.map_or_else(|e| e.to_string(), |status| status.to_string());
                return Err(format!("envoy has ended ({how})"));
            }
            () = app::told_to_stop() => tracing::info!("the gateway ends"),
        }
        end(&mut child, &admin).await;
        drop(stop);
        Ok(())
    };
    tokio::try_join!(sidecar, envoy).map(drop)
}

/// Its output is ours. It ends with the value, and Ctrl-C reaches us alone.
fn start(envoy: &Envoy, state: PathBuf) -> Result<Child, String> {
    let mut command = Command::new(&envoy.program);
    command.arg("--config-path").arg(state.join("envoy.yaml")).args(ARGUMENTS).args(&envoy.more);
    // Its configuration is all it needs; the secrets of the sidecar may be among our variables.
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    #[cfg(unix)]
    command.process_group(0);
    let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn();
    child.map_err(|e| format!("can't start {}: {e}", envoy.program.display()))
}

/// Asks clients to go, waits for what is under way, then ends it.
async fn end(child: &mut Child, admin: &str) {
    let farewell = async {
        post(admin, "/drain_listeners?graceful&skip_exit").await?;
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline && is_busy(admin).await? {
            sleep(PAUSE).await;
        }
        post(admin, "/quitquitquit").await?;
        timeout(Duration::from_secs(1), child.wait()).await.map_err(|e| e.to_string())
    };
    // One that doesn't answer, or doesn't go, is ended.
    if let Err(reason) = farewell.await {
        tracing::warn!(%reason, "envoy is ended");
        drop(child.kill().await);
    }
}

async fn post(admin: &str, path: &str) -> Result<(), String> {
    let url = format!("http://{admin}{path}");
    fetch::answer(fetch::client()?.post(&url), &url, 1024).await.map(drop)
}

/// Whether a request is under way.
async fn is_busy(admin: &str) -> Result<bool, String> {
    let url = format!("http://{admin}/stats?filter=^{}$", ACTIVE.replace('.', "\\."));
    let said = fetch::answer(fetch::client()?.get(&url), &url, 64 * 1024).await?;
    let said = String::from_utf8_lossy(&said.body);
    Ok(said.lines().filter_map(|line| line.rsplit_once(": ")).any(|(_, count)| count != "0"))
}
