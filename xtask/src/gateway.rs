//! The gateway: Envoy with the filter, and the sidecar. In: a configuration. Out: both running, or every
//! configuration error on standard error.

use std::{
    env, fs,
    fs::DirBuilder,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, test_kill_process};
use serde_json::Value;

use crate::{
    http::Request,
    process::{PAUSE, Stack, Stop, program},
    progress::Step,
    run::run,
    tools::{envoy::envoy, wasm},
    workspace::{Workspace, on_path},
};

/// How long the gateway may take until it answers. Envoy compiles the filter in it.
const START_TIME: Duration = Duration::from_secs(60);

/// Where the configuration comes from.
#[derive(Default)]
pub struct Configuration {
    pub env_file: Option<PathBuf>,
    pub policy: Option<PathBuf>,
    /// Variables instead of our own environment; none: our own.
    pub only: Option<Vec<(String, String)>>,
}

/// The built parts.
pub struct Built {
    pub gatewaystack: PathBuf,
    wasm: PathBuf,
    target: PathBuf,
}

/// A configuration that `render` has accepted.
pub struct Rendered<'a> {
    built: &'a Built,
    configuration: &'a Configuration,
    folder: RunFolder,
    pub ports: Ports,
}

/// What `render` says of the bootstrap that it wrote.
#[derive(Debug, PartialEq, Eq)]
pub struct Ports {
    pub listen: SocketAddr,
    pub sidecar: SocketAddr,
    pub admin: SocketAddr,
    /// Whether `/health` is routed through the gateway.
    pub health: bool,
    pub tls: bool,
    /// How much Envoy says in its log (`LOG_LEVEL`).
    pub log_level: String,
}

/// A folder for one run, for us alone: the bootstrap in it holds a secret. Removed at the end.
struct RunFolder(PathBuf);

pub fn build(workspace: &Workspace) -> Result<Built> {
    let wasm = wasm::filter(workspace)?;
    let step = Step::begin("native binaries", "building");
    run(workspace.cargo().args(["build", "--package=gatewaystack", "--package=gatewaystack-demo"]))?;
    step.done("built");
    Ok(Built { gatewaystack: workspace.binary("gatewaystack"), wasm, target: workspace.target.clone() })
}

impl Built {
    /// None when the configuration is bad: `render` has then said why, all of it.
    pub fn render<'a>(&'a self, configuration: &'a Configuration) -> Result<Option<Rendered<'a>>> {
        let folder = RunFolder::make(&self.target)?;
        let mut command = Command::new(&self.gatewaystack);
        command.arg("render").arg("--wasm").arg(&self.wasm).arg("--out").arg(&folder.0);
        configuration.apply(&mut command);
        let output =
            command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("gatewaystack render")?;
        match output.status.code() {
            Some(0) => {}
            Some(1) => return Ok(None),
            _ => bail!("gatewaystack render failed ({})", output.status),
        }
        let ports = Ports::parse(&output.stdout).context("gatewaystack render said nothing of its ports")?;
        Ok(Some(Rendered { built: self, configuration, folder, ports }))
    }
}

impl Rendered<'_> {
    /// Starts both parts and waits until they answer. False when `stop` came first.
    pub fn start(&self, stack: &mut Stack, stop: &Stop) -> Result<bool> {
        for (port, address) in [
            ("PORT", self.ports.listen),
            ("SIDECAR_PORT", self.ports.sidecar),
            ("ADMIN_PORT", self.ports.admin),
        ] {
            require_free(address, port)?;
        }
        let mut sidecar = program(&self.built.gatewaystack);
        sidecar.arg("serve").arg("--refusals").arg("--state").arg(&self.folder.0);
        self.configuration.apply(&mut sidecar);
        // Lines of refusals, or the records themselves, are what both have for standard output.
        stack.start_telling("gatewaystack serve", sidecar)?;
        let workers = thread::available_parallelism().map_or(1, usize::from);
        stack.start_telling(
            "envoy",
            with(program(&envoy()?), &self.bootstrap(), workers, &self.ports.log_level),
        )?;
        wait_until(stack, stop, "the gateway", || self.ready())
    }

    /// The bootstrap that `render` wrote.
    pub fn bootstrap(&self) -> PathBuf {
        self.folder.0.join("envoy.yaml")
    }

    /// `/health` through the gateway. Where that isn't routed or is behind TLS: Envoy's readiness and the
    /// sidecar's own.
    fn ready(&self) -> bool {
        let Ports { listen, sidecar, admin, health, tls, .. } = self.ports;
        match health && !tls {
            true => answers(listen, "/health"),
            false => answers(admin, "/ready") && answers(sidecar, "/health"),
        }
    }

    /// The address to tell.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.ports.tls { "https" } else { "http" }, self.ports.listen)
    }
}

impl Configuration {
    fn apply(&self, command: &mut Command) {
        for (option, file) in [("--policy", &self.policy), ("--env-file", &self.env_file)] {
            if let Some(file) = file {
                command.arg(option).arg(file);
            }
        }
        if let Some(only) = &self.only {
            let kept = ["PATH", "HOME", "TMPDIR"].map(|name| env::var_os(name).map(|value| (name, value)));
            command.env_clear().envs(kept.into_iter().flatten()).envs(only.iter().cloned());
        }
    }
}

impl Ports {
    fn parse(line: &[u8]) -> Option<Self> {
        let said: Value = serde_json::from_slice(line).ok()?;
        let address = |name: &str| said.get(name)?.as_str()?.parse().ok().map(reachable);
        let truth = |name: &str| said.get(name).and_then(Value::as_bool).unwrap_or(false);
        let (health, tls) = (truth("health"), truth("tls"));
        Some(Self {
            listen: address("listen")?,
            sidecar: address("sidecar")?,
            admin: address("admin")?,
            health,
            tls,
            log_level: said.get("log_level").and_then(Value::as_str).unwrap_or("warn").to_owned(),
        })
    }
}

impl RunFolder {
    fn make(target: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let runs = target.join("run");
        remove_abandoned(&runs);
        let folder = runs.join(format!("{}-{number}", process::id()));
        // What an earlier process of this number left behind, killed before it could remove it.
        let _ = fs::remove_dir_all(&folder);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.with_context(|| format!("can't make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes what runs left behind that were killed before they could: there is a secret in it.
fn remove_abandoned(runs: &Path) {
    for path in fs::read_dir(runs).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let id = name.split('-').next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        if id.is_some_and(|id| test_kill_process(id).is_err()) {
            // Somebody else may remove it at the same moment.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Envoy with this bootstrap, which says warnings alone.
pub fn envoy_with(bootstrap: &Path, workers: usize) -> Result<Command> {
    Ok(with(program(&envoy()?), bootstrap, workers, "warn"))
}

/// The same under callgrind, which counts from when it is told to, and writes into files that are named after
/// `out`.
pub fn envoy_counted(bootstrap: &Path, workers: usize, out: &Path) -> Result<Command> {
    let mut command = program(&on_path("valgrind").context("valgrind isn't on PATH")?);
    command.args(["-q", "--tool=callgrind", "--instr-atstart=no"]);
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(envoy()?);
    Ok(with(command, bootstrap, workers, "warn"))
}

fn with(mut command: Command, bootstrap: &Path, workers: usize, log_level: &str) -> Command {
    command.arg("-c").arg(bootstrap).arg("--concurrency").arg(workers.to_string());
    command.args(["--use-dynamic-base-id", "--disable-hot-restart", "--log-level", log_level]);
    // A record is in its file within a tenth of a second; ten seconds else.
    command.args(["--file-flush-interval-msec", "100", "--file-flush-min-size-kb", "1"]);
    command
}

/// Waits until `ready` says so. False when `stop` came first; an error when a part ends or the time is over.
pub fn wait_until(stack: &mut Stack, stop: &Stop, what: &str, ready: impl Fn() -> bool) -> Result<bool> {
    let deadline = Instant::now() + START_TIME;
    while !stop.asked() {
        stack.check()?;
        if ready() {
            return Ok(true);
        }
        if Instant::now() > deadline {
            bail!("{what} doesn't answer after {} s", START_TIME.as_secs());
        }
        thread::sleep(PAUSE);
    }
    Ok(false)
}

/// Whether a GET is answered with 200.
pub fn answers(address: SocketAddr, path: &str) -> bool {
    Request::get(path).send(address).is_ok_and(|response| response.status == 200)
}

/// A clear word before Envoy's unclear one.
pub fn require_free(address: SocketAddr, variable: &str) -> Result<()> {
    match std::net::TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => bail!("{variable}: can't listen on {address}: {error}"),
    }
}

/// An address that binds to every interface is reached over loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        false => address,
    }
}

#[cfg(test)]
mod tests {
    use super::Ports;

    fn check(line: &str, expect: Option<(&str, bool, bool)>) {
        let ports =
            Ports::parse(line.as_bytes()).map(|ports| (ports.listen.to_string(), ports.health, ports.tls));
        assert_eq!(ports, expect.map(|(listen, health, tls)| (listen.to_owned(), health, tls)), "{line}");
    }

    #[test]
    fn the_ports_of_render_are_read() {
        let rest = r#""sidecar":"127.0.0.1:8081","admin":"127.0.0.1:9901""#;
        check(
            &format!(r#"{{"listen":"127.0.0.1:8080",{rest},"health":true}}"#),
            Some(("127.0.0.1:8080", true, false)),
        );
        check(
            &format!(r#"{{"listen":"0.0.0.0:443",{rest},"tls":true}}"#),
            Some(("127.0.0.1:443", false, true)),
        );
        check(r#"{"listen":"127.0.0.1:8080"}"#, None);
        check("", None);
    }
}
