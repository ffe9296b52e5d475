//! A gateway of its own for each test: policy and environment rendered as users do, the real Envoy, the real
//! sidecar.

use crate::client::{self, Response};
use crate::{AUDIENCE, LOOKS, Root, TestIssuer, eventually};
use gatewaystack::render::{RenderInput, Rendered, render, render_reloadable, write, write_reloadable};
use gatewaystack::{app, settings};
use gatewaystack_core::config::{self, error::ConfigError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A gateway to be.
pub struct Builder {
    policy: Option<Value>,
    env: BTreeMap<String, String>,
    workers: usize,
    issuers: Vec<Value>,
    upstream: Option<String>,
    lets_headers_go: bool,
    is_reloadable: bool,
    buffers: Option<usize>,
    changes: Vec<(String, Value, Value)>,
    edit: Option<Edit>,
}

/// What a test adds to a bootstrap.
type Edit = Box<dyn Fn(&mut Value, &Rendered) + Send + Sync>;

/// A gateway with one worker and no routes.
pub fn gateway() -> Builder {
    let env = [("PORT", "0"), ("ADMIN_PORT", "0"), ("SIDECAR_PORT", "0")];
    Builder {
        policy: None,
        env: env.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
        workers: 1,
        issuers: Vec::new(),
        upstream: None,
        lets_headers_go: false,
        is_reloadable: false,
        buffers: None,
        changes: Vec::new(),
        edit: None,
    }
}

impl Builder {
    /// The policy; `version`, `issuers` and the upstream are filled in.
    pub fn policy(mut self, policy: Value) -> Self {
        self.policy = Some(policy);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Trusts an issuer, its keys at `/jwks`.
    pub fn issuer(self, issuer: &TestIssuer) -> Self {
        let jwks = format!("{}jwks", issuer.url);
        self.trust(json!({"issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": jwks}))
    }

    /// Trusts an issuer that is described in full.
    pub fn trust(mut self, issuer: Value) -> Self {
        self.issuers.push(issuer);
        self
    }

    pub fn upstream(mut self, url: &str) -> Self {
        self.upstream = Some(url.to_owned());
        self
    }

    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// For clients over TLS, by a certificate of this root's for `host`.
    pub fn tls(self, root: &Root, host: &str) -> Self {
        let (certificate, key) = root.vouch(host);
        let file = |name: &str, text: &str| root.file(name, text).display().to_string();
        self.env("TLS_CERT_FILE", &file("gateway.pem", &certificate))
            .env("TLS_KEY_FILE", &file("gateway.key", &key))
    }

    /// On an Envoy that can't hold headers while a body is read, as in a mesh.
    pub fn without_held_headers(mut self) -> Self {
        self.lets_headers_go = true;
        self
    }

    /// On an Envoy that holds less of a body than the filter was told, as in a mesh that nobody has raised
    /// the limit of.
    pub fn with_buffers_of(mut self, bytes: usize) -> Self {
        self.buffers = Some(bytes);
        self
    }

    /// As `gatewaystack render --reloadable` starts it; connections are asked to go as soon as there is a new
    /// policy.
    pub fn reloadable(mut self) -> Self {
        self.is_reloadable = true;
        self
    }

    /// With another value at a place of the bootstrap (a JSON pointer), where this one is shipped: what comes
    /// after a minute is seen sooner.
    pub fn instead_of(mut self, shipped: Value, place: &str, value: Value) -> Self {
        self.changes.push((place.to_owned(), shipped, value));
        self
    }

    /// With something more in the bootstrap than is shipped.
    pub fn editing(mut self, edit: impl Fn(&mut Value, &Rendered) + Send + Sync + 'static) -> Self {
        self.edit = Some(Box::new(edit));
        self
    }

    fn bootstrap(&self, rendered: &Rendered) -> String {
        let bootstrap = self.buffered(rendered);
        if self.changes.is_empty() && self.edit.is_none() {
            return bootstrap;
        }
        let mut bootstrap: Value = serde_saphyr::from_str(&bootstrap).unwrap();
        for (place, shipped, value) in &self.changes {
            let member = bootstrap.pointer_mut(place).unwrap_or_else(|| panic!("nothing is at {place}"));
            assert_eq!(member, shipped, "what is shipped at {place}");
            *member = value.clone();
        }
        self.edit.iter().for_each(|edit| edit(&mut bootstrap, rendered));
        // JSON is YAML.
        bootstrap.to_string()
    }

    fn buffered(&self, rendered: &Rendered) -> String {
        let bootstrap = self.policed(rendered);
        let Some(bytes) = self.buffers else { return bootstrap };
        let line = |line: &str| match line.split_once("per_connection_buffer_limit_bytes: ") {
            Some((indent, _)) => format!("{indent}per_connection_buffer_limit_bytes: {bytes}\n"),
            None => format!("{line}\n"),
        };
        bootstrap.lines().map(line).collect()
    }

    fn policed(&self, rendered: &Rendered) -> String {
        if !self.lets_headers_go {
            return rendered.envoy_yaml.clone();
        }
        let string = |policy: &Value| serde_json::to_string(&policy.to_string()).unwrap();
        let mut policy = rendered.policy_json.clone();
        policy["hold_headers"] = false.into();
        let (held, flag) = (string(&rendered.policy_json), "allow_on_headers_stop_iteration: true");
        assert!(rendered.envoy_yaml.contains(&held) && rendered.envoy_yaml.contains(flag));
        let let_go = "allow_on_headers_stop_iteration: false";
        rendered.envoy_yaml.replace(&held, &string(&policy)).replace(flag, let_go)
    }

    fn input(&self, folder: &TempDir) -> RenderInput {
        let mut policy = self.policy.clone();
        if let Some(policy) = policy.as_mut().and_then(Value::as_object_mut) {
            policy.entry("version").or_insert(json!(1));
            policy.entry("issuers").or_insert(json!(self.issuers));
            if let Some(url) = &self.upstream {
                policy.entry("upstreams").or_insert(json!({"default": url}));
            }
        }
        let mut env = self.env.clone();
        let (major, minor, patch) = envoy_version();
        env.insert("ENVOY_VERSION".to_owned(), format!("{major}.{minor}.{patch}"));
        env.insert("DATA_DIR".to_owned(), folder.path().join("data").display().to_string());
        RenderInput {
            secret: None,
            policy,
            env,
            wasm: from_environment("GATEWAYSTACK_WASM"),
            state_dir: folder.path().to_owned(),
        }
    }

    /// Starts it and waits until it listens.
    pub async fn start(self) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let rendered = render(&self.input(&folder)).unwrap_or_else(|errors| panic!("{errors:#?}"));
        std::fs::create_dir_all(&rendered.data_dir).unwrap();
        let sidecar = serve(&rendered, &self.env).await;
        let envoy = if self.is_reloadable {
            assert!(self.changes.is_empty(), "what is rendered again knows nothing of them");
            let state = folder.path().join(STATE);
            // Its secret, for the sidecar has it, and its ports: what is rendered again keeps both.
            write(&rendered, &state).unwrap();
            let bootstrap = rerender(&state, &rendered.policy_json).unwrap();
            spawn_with(&folder, &bootstrap, self.workers, &["--drain-strategy", "immediate"], &[])
        } else {
            spawn(&folder, &self.bootstrap(&rendered), self.workers)
        };
        let workers = self.workers;
        let mut gateway = Gateway { folder, rendered, envoy, sidecar, workers };
        gateway.wait().await;
        gateway
    }

    /// Starts it with this policy as the filter's configuration, whatever `render` says of it; answers
    /// Envoy's log of the failure.
    pub fn refuses_to_start(self, configuration: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let rendered = render(&self.input(&folder)).unwrap_or_else(|errors| panic!("{errors:#?}"));
        std::fs::create_dir_all(&rendered.data_dir).unwrap();
        let good = serde_json::to_string(&rendered.policy_json.to_string()).unwrap();
        let bad = serde_json::to_string(configuration).unwrap();
        assert!(rendered.envoy_yaml.contains(&good), "the policy stands in the bootstrap as a JSON string");
        let mut envoy = spawn(&folder, &rendered.envoy_yaml.replace(&good, &bad), 1);
        let status = envoy.wait().unwrap();
        assert!(!status.success());
        std::fs::read_to_string(folder.path().join("envoy.log")).unwrap()
    }
}

/// The folder that a reloadable gateway watches.
const STATE: &str = "state";

fn rerender(state: &Path, policy: &Value) -> Result<String, Vec<ConfigError>> {
    let reloadable = render_reloadable(&RenderInput {
        policy: Some(policy.clone()),
        env: BTreeMap::new(),
        wasm: from_environment("GATEWAYSTACK_WASM"),
        state_dir: state.to_owned(),
        secret: None,
    })?;
    write_reloadable(&reloadable).unwrap();
    Ok(reloadable.rendered.envoy_yaml)
}

async fn serve(rendered: &Rendered, env: &BTreeMap<String, String>) -> JoinHandle<()> {
    let policy = config::load(Some(rendered.policy_json.to_string().as_bytes()), None).unwrap();
    let settings = settings::of(&policy, env, rendered.secret.as_str().into()).unwrap();
    let policy_digest = settings::digest(&rendered.policy_json);
    let settings = app::Settings { mode: "test".into(), version: "test".into(), policy_digest, ..settings };
    let app = app::App::new(Arc::new(policy), settings).unwrap();
    let listener = TcpListener::bind(&rendered.sidecar).await.unwrap();
    tokio::spawn(async move { app::serve(listener, app).await.unwrap() })
}

/// Envoy with this bootstrap.
pub fn spawn(folder: &TempDir, bootstrap: &str, workers: usize) -> Child {
    spawn_with(folder, bootstrap, workers, &[], &[])
}

/// The same with variables of its own.
pub fn spawn_where(folder: &TempDir, bootstrap: &str, variables: &[(&str, &str)]) -> Child {
    spawn_with(folder, bootstrap, 1, &[], variables)
}

fn spawn_with(
    folder: &TempDir,
    bootstrap: &str,
    workers: usize,
    options: &[&str],
    variables: &[(&str, &str)],
) -> Child {
    let (config, log) = (folder.path().join("envoy.yaml"), folder.path().join("envoy.log"));
    std::fs::write(&config, bootstrap).unwrap();
    // 1.36 doesn't know it.
    let flushes: &[&str] =
        if envoy_version() >= (1, 37, 0) { &["--file-flush-min-size-kb", "1"] } else { &[] };
    Command::new(from_environment("ENVOY_BIN"))
        .arg("-c")
        .arg(config)
        .args([
            "--concurrency",
            &workers.to_string(),
            "--use-dynamic-base-id",
            "--disable-hot-restart",
            "-l",
            "info",
        ])
        .args(["--file-flush-interval-msec", "50"])
        .args(flushes)
        .args(options)
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(log).unwrap())
        .spawn()
        .unwrap()
}

/// Envoy's version: the tests run against each that is supported, and some lack something.
pub fn envoy_version() -> (u32, u32, u32) {
    let output = Command::new(from_environment("ENVOY_BIN")).arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    // `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
    let version =
        said.split('/').find(|part| part.starts_with(|c: char| c.is_ascii_digit()) && part.contains('.'));
    let mut numbers = version.unwrap().split('.').map(|n| n.split('-').next().unwrap().parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap(), numbers.next().unwrap())
}

/// A path that `cargo xtask test` has set.
pub fn from_environment(name: &str) -> PathBuf {
    let value =
        std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run by `cargo xtask test`"));
    PathBuf::from(value)
}

/// A running gateway; it ends with this value.
pub struct Gateway {
    folder: TempDir,
    pub rendered: Rendered,
    envoy: Child,
    sidecar: JoinHandle<()>,
    workers: usize,
}

impl Gateway {
    /// Ends Envoy without notice, and starts it again, as a supervisor does.
    pub async fn restart_envoy(&mut self) {
        self.envoy.kill().unwrap();
        self.envoy.wait().unwrap();
        let bootstrap = std::fs::read_to_string(self.folder.path().join("envoy.yaml")).unwrap();
        gatewaystack::ledger::end_torn_line(&self.rendered.data_dir.join("decisions.jsonl")).unwrap();
        self.envoy = spawn(&self.folder, &bootstrap, self.workers);
        self.wait().await;
    }

    /// Ends the sidecar without notice.
    pub fn stop_sidecar(&self) {
        self.sidecar.abort();
    }

    async fn wait(&mut self) {
        let admin = self.rendered.admin.clone();
        for _ in 0..LOOKS {
            if let Some(status) = self.envoy.try_wait().unwrap() {
                panic!("Envoy ended with {status}:\n{}", self.log());
            }
            if let Ok(stream) = tokio::net::TcpStream::connect(&admin).await {
                drop(stream);
                if client::raw(&admin, b"GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                    .await
                    .status
                    == 200
                {
                    return;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("Envoy is not ready:\n{}", self.log());
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.rendered.listen
    }

    /// Renders a reloadable gateway again, with its policy changed, as an operator does.
    ///
    /// # Errors
    /// What is wrong with the policy.
    pub fn reload(&self, change: impl FnOnce(&mut Value)) -> Result<(), Vec<ConfigError>> {
        let mut policy = self.rendered.policy_json.clone();
        change(&mut policy);
        rerender(&self.state(), &policy).map(drop)
    }

    /// The folder that a reloadable gateway watches.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join(STATE)
    }

    /// Envoy's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }

    /// `gatewaystack` with these arguments, on this gateway's data; nothing of the test's own environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let policy = self.folder.path().join("policy-of-commands.json");
        std::fs::write(&policy, self.rendered.policy_json.to_string()).unwrap();
        let mut command = Command::new(from_environment("GATEWAYSTACK_BIN"));
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.arg("--policy").arg(policy);
        command
    }

    /// The same, which has to succeed: what it prints.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {}\n{said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Envoy's process.
    pub fn pid(&self) -> u32 {
        self.envoy.id()
    }

    pub fn get(&self, path: &str) -> Request<'_> {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str, body: &str) -> Request<'_> {
        Request { body: Some(body.to_owned()), ..self.request("POST", path) }
    }

    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request {
            gateway: self,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            host: None,
        }
    }

    /// A statistic of Envoy's, summed over all whose names contain every part; 0 where there is none.
    pub async fn stat(&self, parts: &[&str]) -> u64 {
        let stats =
            client::raw(&self.rendered.admin, b"GET /stats HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                .await
                .body;
        let lines = stats.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok()).sum()
    }

    /// The decision records, once there are at least `count`.
    pub async fn records(&self, count: usize) -> Vec<Value> {
        let file = self.rendered.data_dir.join("decisions.jsonl");
        eventually("decision records", || async {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let records: Vec<Value> = text
                .lines()
                .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
                .collect();
            // A line without a record has a status all the same.
            assert!(records.iter().all(|record| record["decision"].is_string()), "{records:#?}");
            (records.len() >= count).then_some(records)
        })
        .await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.sidecar.abort();
        let _ = self.envoy.kill();
        let _ = self.envoy.wait();
    }
}

/// A request over HTTP/1.1.
#[derive(Clone)]
pub struct Request<'a> {
    gateway: &'a Gateway,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    host: Option<String>,
}

impl Request<'_> {
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    pub async fn send(self) -> Response {
        let address = self.gateway.address();
        let host = self.host.as_deref().unwrap_or(address);
        let mut request =
            format!("{} {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(self.body.as_deref().unwrap_or_default());
        client::raw(address, request.as_bytes()).await
    }
}
