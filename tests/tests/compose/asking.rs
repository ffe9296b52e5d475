//! Questions to what Compose has started, on the ports that it publishes.

use super::docker::{Docker, output};
use gatewaystack_tests::gateway::from_environment;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const GATEWAY: &str = "http://localhost:8080";
const ISSUER: &str = "http://127.0.0.1:5051";
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}"#;

/// `curl`, where the ports are.
#[derive(Clone)]
pub struct Asking {
    curl: Arc<dyn Fn() -> Command + Send + Sync>,
    xtask: Arc<dyn Fn() -> Command + Send + Sync>,
}

impl Asking {
    pub fn of(docker: &Docker) -> Self {
        let beside = |program: &Path| {
            let command = docker.beside(program);
            let (program, arguments) = (
                command.get_program().to_owned(),
                command.get_args().map(|argument| argument.to_owned()).collect::<Vec<_>>(),
            );
            Arc::new(move || {
                let mut command = Command::new(&program);
                command.args(&arguments);
                command
            })
        };
        Self { curl: beside(Path::new("curl")), xtask: beside(&from_environment("GATEWAYSTACK_XTASK")) }
    }

    /// The README's walk and the demo's guide, word for word.
    pub fn walk(&self) {
        let said = output((self.xtask)().args(["demo", "--walk"]));
        println!("{}", said.lines().last().unwrap_or_default());
    }

    /// The answer's status and body; none where nobody answers.
    fn ask(&self, arguments: &[&str]) -> Option<(u16, String)> {
        let mut curl = (self.curl)();
        curl.args(["--silent", "--max-time", "5", "--write-out", "\n%{http_code}"]).args(arguments);
        let answer = String::from_utf8(curl.output().unwrap().stdout).unwrap();
        let (body, status) = answer.rsplit_once('\n')?;
        Some((status.parse().ok().filter(|status| *status > 0)?, body.to_owned()))
    }

    /// So many requests of this user, one after another: their statuses, and what the last was answered.
    pub fn statuses_of(&self, user: &str, count: usize) -> (Vec<u16>, String) {
        let mint = format!("{ISSUER}/mint?sub={user}&scope=tool:read");
        let (_, token) = self.ask(&["--header", "Accept: text/plain", &mint]).unwrap();
        let (bearer, url) = (format!("Authorization: Bearer {token}"), format!("{GATEWAY}/protected"));
        let mut last = String::new();
        let statuses = (0..count).map(|_| {
            let (status, answer) = self.ask(&["--include", "--header", &bearer, &url]).unwrap();
            last = answer;
            status
        });
        (statuses.collect(), last)
    }

    /// Why not everything is served: nothing where it is.
    fn lacks(&self) -> Option<String> {
        let mint = format!("{ISSUER}/mint?sub=carol&scope=tool:read");
        let Some((200, token)) = self.ask(&["--header", "Accept: text/plain", &mint]) else {
            return Some("the issuer".to_owned());
        };
        let bearer = format!("Authorization: Bearer {token}");
        let metadata = format!("{GATEWAY}/.well-known/oauth-authorization-server");
        let (protected, proxied, mcp) =
            (format!("{GATEWAY}/protected"), format!("{GATEWAY}/proxy/echo"), format!("{GATEWAY}/mcp"));
        let json = [
            "--header",
            "Content-Type: application/json",
            "--header",
            "Accept: application/json, text/event-stream",
        ];
        let mcp = [&["--header", &bearer, "--data", CALL, &mcp][..], &json].concat();
        let questions: [(&[&str], &str); 4] = [
            (&[&metadata], "\"issuer\":\"http://127.0.0.1:5051\""),
            (&["--header", &bearer, &protected], "{\"ok\":true}"),
            (&["--header", &bearer, "--header", "X-User-Id: eve", &proxied], "\"x-user-id\":\"carol\""),
            (&mcp, "You are carol."),
        ];
        for (question, expect) in questions {
            match self.ask(question) {
                Some((200, body)) if body.contains(expect) => {}
                other => return Some(format!("{question:?}: {other:?}")),
            }
        }
        None
    }

    /// Waits until issuer, sidecar, echo server and MCP server all answer through the gateway.
    pub fn until_served(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while let Some(lack) = self.lacks() {
            assert!(Instant::now() < deadline, "in vain after {patience:?}: {lack}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Somebody who asks without a good token, again and again.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

#[derive(Default)]
struct Seen {
    refused: u32,
    failed: u32,
    unanswered: u32,
}

impl Watch {
    pub fn begin(asking: &Asking) -> Self {
        let (asking, stop) = (asking.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                seen.add(&asking);
            }
            seen
        });
        Self { stop, thread }
    }

    /// What came meanwhile: refusals or nothing.
    pub fn end(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let Seen { refused, failed, unanswered } = self.thread.join().unwrap();
        assert!(refused > 0, "nobody was refused");
        format!("{refused} refused, {failed} failed, {unanswered} unanswered, none served")
    }
}

impl Seen {
    fn add(&mut self, asking: &Asking) {
        let mcp = format!("{GATEWAY}/mcp");
        let json = "Content-Type: application/json";
        let (protected, proxied) = (format!("{GATEWAY}/protected"), format!("{GATEWAY}/proxy/echo"));
        let forged = "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.";
        let questions: [&[&str]; 4] = [
            &[&protected],
            &["--header", forged, &protected],
            &["--header", "X-User-Id: ann", &proxied],
            &["--header", json, "--header", "X-User-Id: ann", "--data", CALL, &mcp],
        ];
        for question in questions {
            match asking.ask(question) {
                Some((401, _)) => self.refused += 1,
                Some((status, _)) if status >= 500 => self.failed += 1,
                Some((status, body)) => panic!("{question:?} was answered {status}: {body}"),
                None => self.unanswered += 1,
            }
        }
    }
}
