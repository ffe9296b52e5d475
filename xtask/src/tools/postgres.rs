//! PostgreSQL (Debian's) for the tests of a ledger that several sidecars share. In: nothing. Out: where its
//! programs are; and a server of our own, until it is dropped.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::debian;
use crate::{progress::Step, run::run, workspace::on_path};

/// The variable by which tests find the programs.
pub const VARIABLE: &str = "GATEWAYSTACK_POSTGRES";

/// The folder of the programs of the newest version.
pub fn programs() -> Result<PathBuf> {
    debian::require("pg_ctlcluster", "postgresql")?;
    let all = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> =
        all.map(|entry| entry.path().join("bin")).filter(|folder| folder.join("initdb").exists()).collect();
    found.sort();
    found.pop().context("/usr/lib/postgresql has no initdb; install it (Debian: apt-get install postgresql)")
}

/// A server that keeps nothing when the machine stops.
pub struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    /// As one who may do all, without the name of a database.
    pub url: String,
}

impl Server {
    pub fn start(programs: &Path) -> Result<Self> {
        let step = Step::begin("PostgreSQL", "starting");
        let folder = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let url = format!("postgres://postgres@127.0.0.1:{port}");
        let server = Self { programs: programs.to_owned(), folder, url };
        let data = server.data();
        if rustix::process::getuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(server.folder.path()))?;
        }
        run(server
            .as_owner("initdb")
            .arg("-D")
            .arg(&data)
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8"]))?;
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300 -k {}",
            server.folder.path().display()
        );
        let log = server.folder.path().join("log");
        run(server
            .as_owner("pg_ctl")
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(log)
            .args(["-o", &options, "-w", "start"]))?;
        step.done("started");
        Ok(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// It refuses to be root.
    fn as_owner(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match rustix::process::getuid().is_root() && on_path("runuser").is_some() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        command.current_dir("/").env("LC_ALL", "C");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(run(self.as_owner("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "stop"])));
    }
}
