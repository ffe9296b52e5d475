//! `gatewaystack run`: one process that renders, starts Envoy and answers what the sidecar does; it serves,
//! ends what is under way when it is told to stop, and ends when a part does.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use gatewaystack_tests::gateway::from_environment;
use gatewaystack_tests::{client, eventually, in_time};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;

const SECRET: &str = "w3bh00k-S3cr3t-of-the-tests-9f21";

/// A gateway with one open route; ends with this value.
struct Whole {
    folder: TempDir,
    address: String,
    child: Child,
}

fn command(folder: &Path, upstream: &str, port: u16, envoy: &Path) -> Command {
    let policy = folder.join("gateway.yaml");
    let text = format!(
        "issuers: [{{ issuer: 'http://127.0.0.1:9/', audiences: [a] }}]\nupstreams: {{ default: '{upstream}' }}\n\
         builtin: {{ health: true }}\nroutes: [{{ path: /slow, access: public }}, {{ path: /closed }}]\n"
    );
    std::fs::write(&policy, text).unwrap();
    let mut command = Command::new(from_environment("GATEWAYSTACK_BIN"));
    command.arg("run").arg("--policy").arg(policy).arg("--state").arg(folder.join("state"));
    command.arg("--wasm").arg(from_environment("GATEWAYSTACK_WASM")).arg("--envoy").arg(envoy);
    command.args(["--", "--concurrency", "1", "--use-dynamic-base-id"]);
    command.env_clear().env("DATA_DIR", folder.join("data")).env("PORT", port.to_string());
    command.env("ADMIN_PORT", "0").env("SIDECAR_PORT", "0").env("WEBHOOK_SHARED_SECRET", SECRET);
    command.stdin(Stdio::null());
    command
}

impl Whole {
    async fn start(upstream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = gatewaystack_tests::free_port();
        let mut command = command(folder.path(), upstream, port, &from_environment("ENVOY_BIN"));
        let log =
            || std::fs::OpenOptions::new().create(true).append(true).open(folder.path().join("log")).unwrap();
        let child = command.stdout(log()).stderr(log()).spawn().unwrap();
        let whole = Self { address: format!("127.0.0.1:{port}"), child, folder };
        eventually("the gateway", || async { (whole.status("/health").await == 200).then_some(()) }).await;
        whole
    }

    /// 0 where nobody answers.
    async fn status(&self, path: &str) -> u16 {
        status(&self.address, path).await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn tell(&self, signal: &str, process: &str) {
        assert!(Command::new("kill").args([signal, process]).status().unwrap().success());
    }

    /// Envoy, the only child.
    fn envoy(&self) -> String {
        let id = self.child.id();
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
        let children =
            threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
        children.collect::<String>().trim().to_owned()
    }

    async fn exit_code(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let mut ended = || child.try_wait().unwrap();
        eventually("its end", || std::future::ready(ended())).await.code()
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn status(address: &str, path: &str) -> u16 {
    if tokio::net::TcpStream::connect(address).await.is_err() {
        return 0;
    }
    said(address, path).await.status
}

async fn said(address: &str, path: &str) -> client::Response {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    client::over(stream, request.as_bytes()).await
}

/// An upstream that answers when it is told to.
#[derive(Clone, Default)]
struct Slow {
    asked: Arc<AtomicBool>,
    go_on: Arc<Notify>,
}

impl Slow {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = |State(slow): State<Self>| async move {
            slow.asked.store(true, Ordering::SeqCst);
            slow.go_on.notified().await;
            "done"
        };
        let router = Router::new().route("/slow", get(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_answers_what_it_was_asked_and_ends_well() {
    in_time(Duration::from_secs(6), || async {
        let slow = Slow::default();
        let mut whole = Whole::start(&slow.start().await).await;
        assert_eq!(whole.status("/closed").await, 401, "{}", whole.log());
        let address = whole.address.clone();
        let waiting = tokio::spawn(async move { status(&address, "/slow").await });
        eventually("the request", || async { slow.asked.load(Ordering::SeqCst).then_some(()) }).await;
        whole.tell("-TERM", &whole.child.id().to_string());
        eventually("its farewell", || async { whole.log().contains("the gateway ends").then_some(()) }).await;
        assert!(!waiting.is_finished() && whole.child.try_wait().unwrap().is_none(), "{}", whole.log());
        slow.go_on.notify_one();
        assert_eq!(waiting.await.unwrap(), 200, "{}", whole.log());
        assert_eq!(whole.exit_code().await, Some(0), "{}", whole.log());
        assert_eq!(whole.status("/health").await, 0, "Envoy has ended, too");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_when_its_envoy_does() {
    let mut whole = Whole::start("http://127.0.0.1:9").await;
    let variables = |process: &str| std::fs::read_to_string(format!("/proc/{process}/environ")).unwrap();
    assert!(variables(&whole.child.id().to_string()).contains(SECRET));
    assert_eq!(variables(&whole.envoy()), "", "secrets are none of Envoy's business");
    whole.tell("-KILL", &whole.envoy());
    assert_eq!(whole.exit_code().await, Some(1));
    assert!(whole.log().contains("envoy has ended (signal: 9"), "{}", whole.log());
}

fn runs(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_outright_it_takes_its_envoy_along() {
    let mut whole = Whole::start("http://127.0.0.1:9").await;
    let envoy = whole.envoy();
    assert!(runs(&envoy));
    whole.tell("-KILL", &whole.child.id().to_string());
    assert_eq!(whole.exit_code().await, None);
    eventually("the end of Envoy", || async { (!runs(&envoy)).then_some(()) }).await;
    assert_eq!(whole.status("/health").await, 0);
    std::net::TcpListener::bind(&whole.address).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_hangup_it_goes_over_to_the_policy_as_it_is_now() {
    let mut whole = Whole::start("http://127.0.0.1:9").await;
    let file = whole.folder.path().join("gateway.yaml");
    let first = std::fs::read_to_string(&file).unwrap();
    let (id, envoy) = (whole.child.id().to_string(), whole.envoy());
    assert_eq!(whole.status("/new").await, 401);

    std::fs::write(
        &file,
        first.replace("routes: [", "tool_scopes: [notes:new]\nroutes: [{ path: /new, access: public }, "),
    )
    .unwrap();
    whole.tell("-HUP", &id);
    eventually("the new route", || async { (whole.status("/new").await == 502).then_some(()) }).await;
    eventually("the new scope in the sidecar's document", || async {
        let said = said(&whole.address, "/.well-known/oauth-protected-resource").await;
        said.body.contains("notes:new").then_some(())
    })
    .await;

    for (bad, why) in [
        ("routes: nonsense".to_owned(), "routes: invalid type"),
        (first.replace("default: 'http://127.0.0.1:9'", "default: nonsense"), "upstreams"),
        ("a: [".to_owned(), "gateway.yaml"),
    ] {
        let lines = whole.log().lines().count();
        std::fs::write(&file, bad).unwrap();
        whole.tell("-HUP", &id);
        eventually(why, || async {
            let log = whole.log();
            let mut new = log.lines().skip(lines);
            new.any(|line| line.contains("the old one stays") && line.contains(why)).then_some(())
        })
        .await;
        assert_eq!((whole.status("/new").await, whole.status("/health").await), (502, 200), "{why}");
    }

    std::fs::write(&file, &first).unwrap();
    whole.tell("-HUP", &id);
    eventually("the first policy", || async { (whole.status("/new").await == 401).then_some(()) }).await;
    assert_eq!(whole.envoy(), envoy, "all in one process");
    whole.tell("-TERM", &id);
    assert_eq!(whole.exit_code().await, Some(0), "{}", whole.log());
}

/// The policy tells where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_refuses_is_on_its_standard_output() {
    let mut whole = Whole::start("http://127.0.0.1:9").await;
    assert_eq!(whole.status("/closed?secret=1").await, 401);
    assert_eq!(whole.status("/%1b%5b31m").await, 400);
    let lines = |part: &str| whole.log().lines().filter(|line| line.contains(part)).count();
    eventually("the lines", || async {
        (lines(" 401 deny no_token GET /closed route=/closed ") == 1
            && lines(" 400 deny unsafe_path GET ") == 1)
            .then_some(())
    })
    .await;
    assert!(!whole.log().contains("secret=1") && !whole.log().contains('\u{1b}'), "{}", whole.log());
    assert_eq!(lines(" GET /health "), 0, "what is allowed is no line");

    let file = whole.folder.path().join("gateway.yaml");
    let policy = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{policy}audit: {{ to: [stdout] }}\n")).unwrap();
    whole.tell("-HUP", &whole.child.id().to_string());
    eventually("the new policy", || async { whole.log().contains("the new policy is served").then_some(()) })
        .await;
    let record =
        |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|record| record["path"] == "/closed");
    eventually("a record", || async {
        assert_eq!(whole.status("/closed").await, 401);
        whole.log().lines().any(record).then_some(())
    })
    .await;
    whole.tell("-TERM", &whole.child.id().to_string());
    assert_eq!(whole.exit_code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_level_is_envoys_too() {
    let folder = tempfile::tempdir().unwrap();
    let port = gatewaystack_tests::free_port();
    for (level, expect) in [(None, "warn"), (Some("error"), "error")] {
        let mut command = command(folder.path(), "http://127.0.0.1:9", port, Path::new("/bin/echo"));
        command.envs(level.map(|level| ("LOG_LEVEL", level)));
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let line = said.lines().find(|line| line.contains("--config-path")).unwrap();
        assert!(line.contains(&format!("--log-level {expect} ")), "{line}");
        assert!(line.contains("--file-flush-interval-msec 100"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_gateway_on_the_port_does_not_begin() {
    let whole = Whole::start("http://127.0.0.1:9").await;
    let port = whole.address.rsplit_once(':').unwrap().1.parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output =
        command(folder.path(), "http://127.0.0.1:9", port, &from_environment("ENVOY_BIN")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with(&format!("PORT: somebody else listens on {}", whole.address)), "{said}");

    // An Envoy that an operator starts himself.
    let mut render = Command::new(from_environment("GATEWAYSTACK_BIN"));
    render.arg("render").arg("--policy").arg(folder.path().join("gateway.yaml"));
    render
        .arg("--out")
        .arg(folder.path().join("own"))
        .arg("--wasm")
        .arg(from_environment("GATEWAYSTACK_WASM"));
    render.env_clear().env("DATA_DIR", folder.path().join("data")).env("PORT", port.to_string());
    let rendered = render.env("ADMIN_PORT", "0").env("SIDECAR_PORT", "0").output().unwrap();
    assert!(rendered.status.success(), "{rendered:?}");
    let mut envoy = Command::new(from_environment("ENVOY_BIN"));
    envoy.arg("-c").arg(folder.path().join("own/envoy.yaml")).args([
        "--use-dynamic-base-id",
        "--concurrency",
        "2",
    ]);
    let output = envoy.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("Address already in use"), "{said}");
    assert_eq!(whole.status("/health").await, 200);
}

fn fails(upstream: &str, envoy: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), upstream, 0, Path::new(envoy)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    output
}

#[test]
fn what_cannot_begin_says_why() {
    for (upstream, envoy, expect) in [
        ("nonsense", "/bin/true", "upstreams"),
        ("http://127.0.0.1:9", "/nonexistent/envoy", "can't start /nonexistent/envoy: No such file"),
        ("http://127.0.0.1:9", "/bin/true", "envoy has ended (exit status: 0)"),
    ] {
        let said = String::from_utf8(fails(upstream, envoy).stderr).unwrap();
        assert!(said.contains(expect), "{envoy}: {said}");
    }
}
