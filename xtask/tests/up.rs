//! `cargo xtask up`, as an operator starts it: it says when it is ready, brings back a part that dies, stops
//! when told to, and tells every error of a bad configuration.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helpers end it by panicking"
)]

use std::{
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// What is left when a test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            signal(self.0.id(), Signal::TERM);
            let _ = self.0.wait();
        }
    }
}

fn up(env_file: &Path) -> Command {
    let mut command = Command::new(XTASK);
    command.args(["up", "--env-file"]).arg(env_file);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn signal(id: u32, signal: Signal) {
    let id = Pid::from_raw(id.try_into().unwrap()).unwrap();
    let _ = kill_process(id, signal);
}

fn free_port() -> u16 {
    // Below the range of outgoing connections' ports, which could take it meanwhile.
    let random = RandomState::new().build_hasher().finish();
    let mut ports = (0..200u64).map(|n| u16::try_from(10_000 + random.wrapping_add(n * 7) % 22_000).unwrap());
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// The status of a GET; 0: no answer.
fn status(address: &str, path: &str) -> u16 {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        std::io::Result::Ok(line)
    };
    let line = ask().unwrap_or_default();
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// The child of `parent` whose command line has `part` in it.
fn child_of(parent: u32, part: &str) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let has = |id: &u32| {
        fs::read(format!("/proc/{id}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(part))
    };
    children.split_whitespace().filter_map(|id| id.parse().ok()).find(has)
}

fn eventually<T>(what: &str, condition: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn it_says_when_it_is_ready_brings_back_what_dies_and_stops_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.env");
    let port = free_port();
    // No issuer listens there: the gateway doesn't wait for keys.
    let text = format!(
        "AUTH_ISSUER=http://127.0.0.1:9/\nAUTH_AUDIENCE=api\nPORT={port}\nSIDECAR_PORT={}\nADMIN_PORT={}\nDATA_DIR={}\n",
        free_port(),
        free_port(),
        folder.path().join("data").display()
    );
    fs::write(&file, text).unwrap();
    let mut running = Running(up(&file).spawn().unwrap());
    let mut errors = running.0.stderr.take().unwrap();
    let errors = thread::spawn(move || {
        let mut text = String::new();
        let _ = errors.read_to_string(&mut text);
        text
    });
    let (mut line, mut out) = (String::new(), BufReader::new(running.0.stdout.take().unwrap()));
    out.read_line(&mut line).unwrap();
    assert_eq!(line, format!("ready http://127.0.0.1:{port}\n"));
    let address = format!("127.0.0.1:{port}");
    assert_eq!((status(&address, "/health"), status(&address, "/protected")), (200, 401));
    // Before the sidecar dies, which tells it: what came while it was away is in the records alone.
    let mut refusals =
        out.lines().map(|line| line.unwrap()).filter(|line| line.contains(" 401 deny no_token "));
    assert!(refusals.next().unwrap().contains(" GET /protected route=/protected"));
    for part in ["gatewaystack serve", "envoy.yaml"] {
        let id = running.0.id();
        let old = child_of(id, part).unwrap_or_else(|| panic!("{part} doesn't run"));
        signal(old, Signal::KILL);
        eventually(part, || child_of(id, part).filter(|new| *new != old));
        eventually("the gateway's answer", || (status(&address, "/health") == 200).then_some(()));
    }
    signal(running.0.id(), Signal::TERM);
    let ended = running.0.wait().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", errors.join().unwrap());
    assert_eq!(status(&address, "/health"), 0, "nothing is left");
}

#[test]
fn killed_outright_it_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.env");
    let port = free_port();
    let text = format!(
        "AUTH_ISSUER=http://127.0.0.1:9/\nAUTH_AUDIENCE=api\nPORT={port}\nSIDECAR_PORT=0\nADMIN_PORT=0\nDATA_DIR={}\n",
        folder.path().join("data").display()
    );
    fs::write(&file, text).unwrap();
    // Nobody else may stand between the kernel and what is started.
    let mut running = Running(up(&file).stderr(Stdio::null()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let id = running.0.id();
    let parts = ["gatewaystack serve", "envoy.yaml"].map(|part| child_of(id, part).unwrap());
    signal(id, Signal::KILL);
    running.0.wait().unwrap();
    for part in parts {
        eventually("its end", || (!fs::exists(format!("/proc/{part}/exe")).unwrap_or(false)).then_some(()));
    }
    assert_eq!(status(&format!("127.0.0.1:{port}"), "/health"), 0);
}

#[test]
fn a_bad_configuration_tells_every_error_and_exits_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.env");
    fs::write(&file, "AUTH_ISSUER=http://idp.example/\nPORT=many\nRATE_LIMIT_MAX=none\n").unwrap();
    let output = up(&file).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(output.stdout.is_empty());
    for name in ["AUTH_ISSUER", "AUTH_AUDIENCE", "PORT", "RATE_LIMIT_MAX"] {
        assert!(words.lines().any(|line| line.starts_with(&format!("{name}: "))), "{name}: {words}");
    }
}
