//! The real sidecar, a process of its own: `gatewaystack serve` with an env file, started, killed and started
//! again on the same data.

use crate::auth0::{MANAGEMENT_CLIENT, MANAGEMENT_SECRET};
use crate::client::{self, Response};
use crate::{AUDIENCE, Auth0, eventually};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use tempfile::TempDir;

/// What the log stream shows.
pub const WEBHOOK_SECRET: &str = "w3bh00k-S3cr3t-of-the-tests-9f21";
/// What Envoy shows.
pub const SIDECAR_SECRET: &str = "5e1dec5e1dec5e1dec5e1dec5e1dec5e1dec5e1dec5e1dec5e1dec5e1dec5e1d";

/// A sidecar that may run. It ends with this value.
pub struct Sidecar {
    folder: TempDir,
    port: u16,
    env: BTreeMap<String, String>,
    binary: PathBuf,
    child: Option<Child>,
}

impl Sidecar {
    /// One that is configured for this tenant, and doesn't run yet.
    pub fn of(auth0: &Auth0) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sidecar-secret"), SIDECAR_SECRET).unwrap();
        // Free now; nothing else asks the system for this very port while the test runs.
        let port = crate::free_port();
        let data = folder.path().join("data").display().to_string();
        let env = [
            ("AUTH_ISSUER", "http://127.0.0.1:9/"),
            ("AUTH_AUDIENCE", AUDIENCE),
            ("TOOL_SCOPES", "tool:read,tool:write"),
            ("SIDECAR_PORT", &port.to_string()),
            ("DATA_DIR", &data),
            ("WEBHOOK_SHARED_SECRET", WEBHOOK_SECRET),
            ("AUTH0_TENANT_DOMAIN", auth0.domain()),
            ("AUTH0_MGMT_CLIENT_ID", MANAGEMENT_CLIENT),
            ("AUTH0_MGMT_CLIENT_SECRET", MANAGEMENT_SECRET),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let binary = crate::gateway::from_environment("GATEWAYSTACK_BIN");
        Self { folder, port, env, binary, child: None }
    }

    /// As it ships, in the images; where that wasn't built, the debug build.
    pub fn as_shipped(mut self) -> Self {
        if let Some(programs) = std::env::var_os("GATEWAYSTACK_PROGRAMS") {
            self.binary = Path::new(&programs).join("gatewaystack");
        }
        self
    }

    /// What it takes, in kilobytes: of a debug build what it has for itself, for its code is three times as
    /// large as what ships, and most of it is mapped.
    pub fn weighs(&self) -> u64 {
        if std::env::var_os("GATEWAYSTACK_PROGRAMS").is_some() {
            self.memory("VmRSS")
        } else {
            self.memory("RssAnon")
        }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `gatewaystack` with these arguments and this configuration, and nothing of the test's own environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let file = self.folder.path().join("env");
        let lines: String = self.env.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
        std::fs::write(&file, lines).unwrap();
        let mut command = Command::new(&self.binary);
        command.args(arguments).env_clear();
        command.arg("--env-file").arg(file).stdin(Stdio::null());
        command
    }

    fn serve(&self) -> Command {
        let mut command = self.command(&["serve"]);
        command.arg("--state").arg(self.folder.path());
        command
    }

    /// Starts it where no file can grow over so many bytes, as on a full disk.
    pub fn start_short_of_disk(&mut self, bytes: u64) {
        let serve = self.serve();
        let mut limited = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
        limited.arg("-c").arg(script).arg(serve.get_program()).args(serve.get_args());
        limited.env_clear().stdin(Stdio::null());
        self.spawn(limited);
    }

    /// Starts it; what it says goes to [`Self::log`], with what it said before.
    pub fn start(&mut self) {
        self.spawn(self.serve());
    }

    fn spawn(&mut self, mut command: Command) {
        let log = || {
            let file = self.folder.path().join("log");
            std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap()
        };
        let child = command.stdout(log()).stderr(log()).spawn().unwrap();
        assert!(self.child.replace(child).is_none(), "it runs already");
    }

    /// Runs it until it ends by itself.
    pub fn fails(&self, change: impl FnOnce(&mut Command)) -> Output {
        let mut command = self.serve();
        change(&mut command);
        command.output().unwrap()
    }

    /// Waits until it serves.
    pub async fn ready(&self) {
        eventually("the sidecar", || async {
            let got = self.try_send("GET", "/ready", "", "").await?;
            (got.status == 200).then_some(())
        })
        .await;
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and what it exits with.
    pub fn terminate(&mut self) -> ExitStatus {
        self.tell_to_stop();
        self.ends()
    }

    /// SIGTERM
    pub fn tell_to_stop(&self) {
        let told = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end: what it exits with.
    pub fn ends(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// All it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.try_send("GET", path, "", "").await.expect("a sidecar that runs")
    }

    /// The log stream's call; `None`: nobody took it.
    pub async fn hook(&self, body: &Value) -> Option<Response> {
        let secret = format!("authorization: {WEBHOOK_SECRET}\r\n");
        self.try_send("POST", "/webhooks/auth0/logs", &secret, &body.to_string()).await
    }

    async fn try_send(&self, method: &str, path: &str, headers: &str, body: &str) -> Option<Response> {
        let stream = tokio::net::TcpStream::connect(self.address()).await.ok()?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n"
        );
        let got = client::over(stream, format!("{head}{headers}\r\n{body}").as_bytes()).await;
        (got.status != 0).then_some(got)
    }

    /// How many wait, and how many are parked.
    pub async fn queue(&self) -> (u64, u64) {
        let metrics = self.get("/metrics").await.body;
        let gauge = |name: &str| {
            metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(u64::MAX)
        };
        (gauge("gatewaystack_webhook_queue_depth "), gauge("gatewaystack_webhook_parked "))
    }

    /// A number in kilobytes of `/proc/PID/status`.
    pub fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A sidecar that keeps a ledger for proxies elsewhere: `gatewaystack serve` with a policy. It ends with this
/// value.
pub struct LedgerProcess {
    child: Child,
    address: String,
    state: TempDir,
}

impl LedgerProcess {
    /// Starts it on this data and at this address, and waits until it serves.
    pub async fn start(policy: &Value, secret: &str, address: &str, data: &Path) -> Self {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("sidecar-secret"), secret).unwrap();
        let mut policy = policy.clone();
        let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
        policy["sidecar"]["port"] = port.into();
        policy["sidecar"]["data_dir"] = data.display().to_string().into();
        std::fs::write(state.path().join("policy.json"), policy.to_string()).unwrap();
        let mut this = Self { child: Self::spawn(state.path()), address: address.to_owned(), state };
        eventually("the sidecar", || {
            // The one before may not have let go of the ledger yet.
            if this.child.try_wait().unwrap().is_some() {
                this.child = Self::spawn(this.state.path());
            }
            let address = this.address.clone();
            async move {
                let stream = tokio::net::TcpStream::connect(&address).await.ok()?;
                let request = b"GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
                (client::over(stream, request).await.status == 200).then_some(())
            }
        })
        .await;
        this
    }

    fn command(state: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::gateway::from_environment("GATEWAYSTACK_BIN"));
        command.args(arguments).arg("--policy").arg(state.join("policy.json"));
        command.env_clear().stdin(Stdio::null());
        command
    }

    fn spawn(state: &Path) -> Child {
        let mut command = Self::command(state, &["serve"]);
        command.arg("--state").arg(state).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A metric without labels.
    pub async fn total(&self, name: &str) -> u64 {
        let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let metrics = client::raw(&self.address, request).await.body;
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// What a command says of its ledger.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = Self::command(self.state.path(), arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for LedgerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
