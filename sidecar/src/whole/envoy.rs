//! Envoy as our child: its start, what it says of what it was given, its end.

use crate::fetch;
use crate::launch;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// What is under way is ended within this time. Cloud Run gives ten seconds for all.
const FAREWELL: Duration = Duration::from_secs(6);
/// Envoy compiles the filter in it.
const START: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);
/// `--drain-strategy immediate`: the next answer on each connection asks its client to come again elsewhere.
const ARGUMENTS: [&str; 7] = [
    "--disable-hot-restart",
    "--drain-strategy",
    "immediate",
    "--drain-time-s",
    "5",
    // A record is in its file within that time; ten seconds else.
    "--file-flush-interval-msec",
    "100",
];
/// And after a few more, from 1.37 on; 64 KiB else, which an end without notice would lose.
const FLUSHES: [&str; 2] = ["--file-flush-min-size-kb", "1"];
const ACTIVE: &str = "http.gatewaystack.downstream_rq_active";
const VERSION: &str = "listener_manager.lds.version_text";
const REJECTED: &str = "listener_manager.lds.update_rejected";

/// The program, and what it is told besides.
pub struct Envoy {
    pub program: PathBuf,
    pub more: Vec<OsString>,
}

/// Envoy's admin interface: an address.
#[derive(Debug, Clone)]
pub struct Admin(pub String);

impl Envoy {
    /// Its output is ours. It ends with the value, or with us, however we end; and Ctrl-C reaches us alone.
    pub fn start(&self, state: &Path, log_level: &str) -> Result<Child, String> {
        let mut command = Command::from(launch::ends_with_us(&self.program));
        command.arg("--config-path").arg(state.join("envoy.yaml")).args(ARGUMENTS);
        if self.knows(FLUSHES[0]) {
            command.args(FLUSHES);
        }
        let says = |argument: &OsString| matches!(argument.to_str(), Some("-l" | "--log-level"));
        if !self.more.iter().any(says) {
            command.args(["--log-level", log_level]);
        }
        command.args(&self.more);
        // Its configuration is all it needs; the secrets of the sidecar may be among our variables.
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        #[cfg(unix)]
        command.process_group(0);
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn();
        child.map_err(|e| format!("can't start {}: {e}", self.program.display()))
    }
}

impl Envoy {
    /// Which version it is; `None`: it doesn't say.
    pub fn version(&self) -> Option<String> {
        let said = std::process::Command::new(&self.program).arg("--version").stdin(Stdio::null()).output();
        version(&String::from_utf8_lossy(&said.ok()?.stdout)).map(str::to_owned)
    }

    /// Whether this version has an argument: one that it doesn't know ends it.
    fn knows(&self, argument: &str) -> bool {
        let help = std::process::Command::new(&self.program).arg("--help").stdin(Stdio::null()).output();
        help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains(argument))
    }
}

impl Admin {
    /// Waits until the listener of `revision` is there. `refused` is how many were refused before.
    pub async fn has(&self, revision: &str, refused: u64) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            // It doesn't answer before it has begun.
            if let Ok(said) = self.stats("^listener_manager\\.lds\\.").await {
                if value(&said, VERSION).is_some_and(|version| version.trim_matches('"') == revision) {
                    return Ok(());
                }
                if refusals(&said) > refused {
                    return Err("envoy has refused the listener; its log says why".to_owned());
                }
            }
            sleep(PAUSE).await;
        }
        Err(format!("envoy doesn't have the listener after {} s", START.as_secs()))
    }

    /// How many listeners it has refused.
    pub async fn refused(&self) -> u64 {
        refusals(&self.stats("^listener_manager\\.lds\\.").await.unwrap_or_default())
    }

    /// Asks clients to go, waits for what is under way, then ends it.
    pub async fn end(&self, child: &mut Child) {
        let farewell = async {
            self.post("/drain_listeners?graceful&skip_exit").await?;
            let deadline = Instant::now() + FAREWELL;
            while Instant::now() < deadline && self.is_busy().await? {
                sleep(PAUSE).await;
            }
            self.post("/quitquitquit").await?;
            timeout(Duration::from_secs(1), child.wait()).await.map_err(|e| e.to_string())
        };
        // One that doesn't answer, or doesn't go, is ended.
        if let Err(reason) = farewell.await {
            tracing::warn!(%reason, "envoy is ended");
            drop(child.kill().await);
        }
    }

    /// Whether a request is under way.
    async fn is_busy(&self) -> Result<bool, String> {
        let said = self.stats(&format!("^{}$", ACTIVE.replace('.', "\\."))).await?;
        Ok(said.lines().filter_map(|line| line.rsplit_once(": ")).any(|(_, count)| count != "0"))
    }

    async fn stats(&self, filter: &str) -> Result<String, String> {
        let url = format!("http://{}/stats?filter={filter}", self.0);
        let said = fetch::reply(fetch::client()?.get(&url), &url, 64 * 1024).await?;
        Ok(String::from_utf8_lossy(&said.body).into_owned())
    }

    async fn post(&self, path: &str) -> Result<(), String> {
        let url = format!("http://{}{path}", self.0);
        fetch::reply(fetch::client()?.post(&url), &url, 1024).await.map(drop)
    }
}

/// Out of `/usr/bin/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn version(said: &str) -> Option<&str> {
    let version = said.split_once(" version: ")?.1.split('/').nth(1)?;
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

fn refusals(stats: &str) -> u64 {
    value(stats, REJECTED).and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn value<'s>(stats: &'s str, name: &str) -> Option<&'s str> {
    stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn envoys_version_is_read_and_nothing_else_is_taken_for_one() {
    let said = "\n/opt/envoy-1.9/bin/envoy  version: 0a1b/1.36.4/Clean/RELEASE/BoringSSL\n";
    assert_eq!(version(said), Some("1.36.4"));
    for said in ["", "/usr/bin/false", "envoy  version: 0a1b", "envoy  version: 0a1b/x/y"] {
        assert_eq!(version(said), None, "{said}");
    }
}
