//! The units of `deploy/systemd`: systemd's own check, and the very commands that they hold, run one after
//! the other as systemd would.

use super::places::{read, root};
use gatewaystack_tests::gateway::from_environment;
use gatewaystack_tests::{client, eventually};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const UNITS: [&str; 2] = ["gatewaystack.service", "gatewaystack-envoy.service"];
const DROP_INS: [&str; 2] = ["gatewaystack.service.d/secrets.conf", "gatewaystack-envoy.service.d/tls.conf"];
/// systemd's measure of what a unit could still do, from 0 to 100; a unit without any hardening has 96.
const EXPOSURE: &str = "20";

/// The values of a unit's lines that begin with `name=`.
fn values(unit: &str, name: &str) -> Vec<String> {
    let text = read(&format!("deploy/systemd/{unit}"));
    let line = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    text.lines().filter_map(line).collect()
}

/// The one command of a unit, with its folders in `folder`.
fn command(unit: &str, name: &str, folder: &Path, ports: &[(&str, String)]) -> Command {
    let [line] = values(unit, name).try_into().unwrap();
    let place = |word: &str| match word {
        "/usr/bin/envoy" => from_environment("ENVOY_BIN").display().to_string(),
        "/usr/lib/gatewaystack/gatewaystack" => from_environment("GATEWAYSTACK_BIN").display().to_string(),
        "/usr/lib/gatewaystack/gatewaystack.wasm" => {
            from_environment("GATEWAYSTACK_WASM").display().to_string()
        }
        "/etc/gatewaystack/gateway.yaml" => root().join("deploy/systemd/gateway.yaml").display().to_string(),
        "/etc/gatewaystack/env" => root().join("deploy/systemd/env").display().to_string(),
        word if word.starts_with('/') => format!("{}{word}", folder.display()),
        word => word.to_owned(),
    };
    let mut words = line.split(' ').map(place);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env_clear().stdin(Stdio::null());
    for variable in values(unit, "Environment") {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, place(value));
    }
    // Those of the file are somebody else's on this machine.
    command.envs(ports.iter().map(|(name, port)| (name, port))).env("BIND", "127.0.0.1");
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_units_commands_make_a_gateway_that_takes_a_policy_anew() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("run")).unwrap();
    let held = ["PORT", "ADMIN_PORT", "SIDECAR_PORT"]
        .map(|name| (name, gatewaystack::render::ports::free("127.0.0.1").unwrap()));
    let ports = held.map(|(name, listener)| (name, listener.local_addr().unwrap().port().to_string()));
    let run = |unit: &str, name: &str| command(unit, name, folder.path(), &ports);
    let [sidecar, envoy] = UNITS;
    assert!(run(sidecar, "ExecStartPre").status().unwrap().success());
    let _sidecar = Running(run(sidecar, "ExecStart").stderr(Stdio::null()).spawn().unwrap());
    let mut start = run(envoy, "ExecStart");
    let _envoy = Running(
        start.args(["--use-dynamic-base-id", "--concurrency", "1"]).stderr(Stdio::null()).spawn().unwrap(),
    );
    let address = format!("127.0.0.1:{}", ports[0].1);
    let status = async |path: &str| {
        let Ok(stream) = tokio::net::TcpStream::connect(&address).await else { return 0 };
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        client::over(stream, request.as_bytes()).await.status
    };
    eventually("the gateway", || async { (status("/health").await == 200).then_some(()) }).await;
    assert_eq!(status("/v1/notes").await, 401);
    assert!(run(sidecar, "ExecReload").status().unwrap().success());
    assert_eq!(status("/v1/notes").await, 401);
    assert!(folder.path().join("var/lib/gatewaystack").is_dir(), "the decision records' folder");
}

#[test]
#[ignore = "systemd-analyze: cargo xtask test --all installs it"]
fn systemd_has_nothing_to_say_of_the_units_and_little_is_open_to_them() {
    let folder = tempfile::tempdir().unwrap();
    for file in UNITS.iter().chain(&DROP_INS) {
        let copy = folder.path().join(file);
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        // What they start isn't installed here.
        let text = read(&format!("deploy/systemd/{file}"));
        let text = text
            .replace("/usr/lib/gatewaystack/gatewaystack ", "/bin/true ")
            .replace("/usr/bin/envoy ", "/bin/true ");
        std::fs::write(copy, text).unwrap();
    }
    let analyze = |arguments: &[&str], unit: &str| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).arg(folder.path().join(unit));
        let output =
            command.env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display())).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said, String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for unit in UNITS {
        let (good, said, _) = analyze(&["verify", "--man=no"], unit);
        assert!(good && said.is_empty(), "{unit}: {said}");
        let (good, said, report) = analyze(&["security", "--offline=true", "--threshold", EXPOSURE], unit);
        assert!(good, "{unit}: {said}{report}");
        println!("{unit}: {}", report.lines().last().unwrap_or_default());
    }
}
