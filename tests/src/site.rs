//! A gateway whose Envoy and sidecar are processes of their own, each of which can be killed and started
//! again.

use crate::eventually;
use crate::gateway::{envoy_version, from_environment};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// A gateway whose Envoy and sidecar are processes that can be killed.
pub struct Site {
    folder: TempDir,
    pub port: u16,
    pub sidecar_port: u16,
    pub envoy: Option<Child>,
    pub sidecar: Option<Child>,
}

impl Site {
    pub async fn start(policy: &Value) -> Self {
        let [port, sidecar_port, admin_port] = crate::free_ports();
        let folder = tempfile::tempdir().unwrap();
        let mut policy = policy.clone();
        policy["listen"] = json!({"port": port, "admin_port": admin_port});
        policy["sidecar"] = json!({"port": sidecar_port, "data_dir": folder.path().join("data")});
        std::fs::write(folder.path().join("gateway.yaml"), policy.to_string()).unwrap();
        let mut site = Self { port, sidecar_port, folder, envoy: None, sidecar: None };
        let done = site
            .gatewaystack("render")
            .arg("--wasm")
            .arg(from_environment("GATEWAYSTACK_WASM"))
            .arg("--out")
            .arg(site.state())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        site.start_sidecar().await;
        site.start_envoy().await;
        site
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The sidecar's folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What a command on its data says.
    pub fn output(&self, arguments: &[&str]) -> Output {
        let mut process = Command::new(from_environment("GATEWAYSTACK_BIN"));
        process.args(arguments).arg("--policy").arg(self.folder.path().join("gateway.yaml"));
        process.env_clear().stdin(Stdio::null()).output().unwrap()
    }

    /// The same, which has to succeed: what it prints.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {}\n{said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    fn gatewaystack(&self, command: &str) -> Command {
        let mut process = Command::new(from_environment("GATEWAYSTACK_BIN"));
        process.arg(command).arg("--policy").arg(self.folder.path().join("gateway.yaml"));
        process.env_clear().stdout(Stdio::null()).stderr(Stdio::null());
        process
    }

    pub async fn start_sidecar(&mut self) {
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder.path().join("sidecar.log"));
        let mut serve = self.gatewaystack("serve");
        serve.arg("--state").arg(self.state()).stderr(log.unwrap());
        self.sidecar = Some(serve.spawn().unwrap());
        answers(self.sidecar_port).await;
    }

    pub async fn start_envoy(&mut self) {
        // What a supervisor does: a line that was begun doesn't take the next one with it.
        gatewaystack::ledger::end_torn_line(&self.data().join("decisions.jsonl")).unwrap();
        let flushes: &[&str] =
            if envoy_version() >= (1, 37, 0) { &["--file-flush-min-size-kb", "1"] } else { &[] };
        let envoy = Command::new(from_environment("ENVOY_BIN"))
            .arg("-c")
            .arg(self.state().join("envoy.yaml"))
            .args(["--concurrency", "2", "--use-dynamic-base-id", "--disable-hot-restart", "-l", "warn"])
            .args(["--file-flush-interval-msec", "100"])
            .args(flushes)
            .stdout(Stdio::null())
            .stderr(std::fs::File::options().create(true).append(true).open(self.log()).unwrap())
            .spawn();
        self.envoy = Some(envoy.unwrap());
        answers(self.port).await;
    }

    /// The records that are in the file.
    pub fn lines(&self) -> Vec<Value> {
        let text = std::fs::read(self.data().join("decisions.jsonl")).unwrap();
        String::from_utf8_lossy(&text).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("envoy.log")
    }
}

/// Without a word: SIGKILL.
pub fn kill(part: &mut Option<Child>) {
    if let Some(mut child) = part.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        kill(&mut self.envoy);
        kill(&mut self.sidecar);
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("sidecar.log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
            eprintln!("the sidecar's last lines:\n{}", last.join("\n"));
        }
    }
}

async fn answers(port: u16) {
    eventually("a part that listens", || async {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
}

/// How many ask at once while parts are killed; `GATEWAYSTACK_CLIENTS` says another number.
pub fn clients() -> usize {
    std::env::var("GATEWAYSTACK_CLIENTS").map_or(8, |text| text.parse().unwrap())
}

/// Asks on one connection until it ends: how often it was answered.
pub async fn keeps_asking(address: &str, token: &str, stop: &AtomicBool) -> u64 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else { return 0 };
    let request = format!("GET /v1/x HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
    let (mut answered, mut buffer) = (0, vec![0; 64 * 1024]);
    while !stop.load(Ordering::Relaxed) {
        if stream.write_all(request.as_bytes()).await.is_err() {
            break;
        }
        match tokio::time::timeout(std::time::Duration::from_secs(5), stream.read(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => answered += 1,
            _ => break,
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    answered
}
