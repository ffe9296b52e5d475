//! A real PostgreSQL (Debian's) that tests start, kill and start again.

use crate::gateway::from_environment;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A server with a database for a ledger.
pub struct Postgres {
    folder: TempDir,
    port: u16,
    /// More than each has.
    options: String,
    _tls: Option<TempDir>,
}

impl Postgres {
    pub fn start() -> Self {
        Self::made(String::new(), None)
    }

    /// One that also speaks TLS, with this certificate and its key.
    pub fn with_tls(certificate: &str, key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = [("tls.crt", certificate), ("tls.key", key)].map(|(name, text)| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        });
        let own = Command::new("chown").arg("-R").arg("postgres").arg(folder.path()).status();
        let hide = Command::new("chmod").arg("600").arg(&key).status();
        assert!(own.unwrap().success() && hide.unwrap().success());
        let options =
            format!("-c ssl=on -c ssl_cert_file={} -c ssl_key_file={}", certificate.display(), key.display());
        Self::made(options, Some(folder))
    }

    fn made(options: String, tls: Option<TempDir>) -> Self {
        // Free a moment ago; another may take it, and then the server says so.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder: tempfile::tempdir().unwrap(), port, options, _tls: tls };
        let owner = Command::new("chown").arg("postgres").arg(server.folder.path()).status();
        assert!(owner.unwrap().success(), "run as root, as `cargo xtask test --all` is");
        assert!(server.status("initdb", &["-A", "trust", "-U", "postgres", "-E", "UTF8"]));
        server.again();
        server
    }

    /// Starts it again, with what it had.
    pub fn again(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -k {} {}",
            self.port,
            self.folder.path().display(),
            self.options
        );
        // What was killed isn't gone at once.
        for _ in 0..50 {
            let start = &["-o", &options, "-l", "/dev/null", "-w", "start"];
            if self.status("pg_ctl", start) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        panic!("PostgreSQL doesn't start in {}", self.data().display());
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        self.url_at("127.0.0.1")
    }

    /// The same by another name of this machine.
    pub fn url_at(&self, host: &str) -> String {
        format!("postgres://postgres:s3cret@{host}:{}/postgres", self.port)
    }

    /// Without a word: SIGKILL to all of it.
    pub fn kill(&self) {
        let file = self.data().join("postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap();
        let pid = text.lines().next().unwrap();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        // Without its first process nothing begins again.
        let all = std::iter::once(pid).chain(children.split_whitespace());
        Command::new("kill").arg("-KILL").args(all).stderr(Stdio::null()).status().unwrap();
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn status(&self, program: &str, arguments: &[&str]) -> bool {
        let program = from_environment("GATEWAYSTACK_POSTGRES").join(program);
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program).arg("-D").arg(self.data()).args(arguments);
        let done = command.current_dir("/").env("LC_ALL", "C").stdout(Stdio::null()).stderr(Stdio::null());
        done.status().unwrap().success()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.status("pg_ctl", &["-m", "immediate", "stop"]);
    }
}
