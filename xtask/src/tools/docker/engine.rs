//! A Docker engine: the one that runs already, else Debian's, started for us alone.
//!
//! Ours has its own folders below `target`, and network and mounts that only it and its containers see: no
//! rule of the machine's firewall changes, none of the machine's ports is taken, and nothing is left when it
//! ends.

use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, getuid, kill_process};

use super::super::debian;
use crate::{
    process::{PAUSE, program_asked},
    progress::Step,
    run::output,
    workspace::on_path,
};

const START_TIME: Duration = Duration::from_secs(60);
const STOP_TIME: Duration = Duration::from_secs(40);
/// `/run` is the engine's own, too: its parts leave their sockets there.
const APART: &str = "ip link set lo up && mount -t tmpfs tmpfs /run && exec \"$0\" \"$@\"";

pub struct Engine {
    docker: PathBuf,
    own: Option<Own>,
}

/// An engine of ours.
struct Own {
    child: Child,
    folder: PathBuf,
}

impl Engine {
    pub fn find(target: &Path) -> Result<Self> {
        if let Some(docker) = on_path("docker").filter(|docker| answers(docker, None)) {
            return Ok(Self { docker, own: None });
        }
        if !getuid().is_root() {
            bail!("no Docker engine answers, and only root can start one: start Docker, or run this as root");
        }
        for (program, package) in [
            ("dockerd", "docker.io"),
            ("iptables", "iptables"),
            ("unshare", "util-linux"),
            ("ip", "iproute2"),
        ] {
            debian::require(program, package).context("no Docker engine answers")?;
        }
        let dockerd = on_path("dockerd").context("dockerd was installed, but isn't on PATH")?;
        // Debian's own client, which fits it.
        let docker =
            Some(PathBuf::from("/usr/bin/docker")).filter(|docker| docker.is_file()).or(on_path("docker"));
        let docker = docker.context("dockerd is there, but docker isn't")?;
        // The package may have started it.
        if answers(&docker, None) {
            return Ok(Self { docker, own: None });
        }
        let own = Own::start(&dockerd, &docker, target)?;
        Ok(Self { docker, own: Some(own) })
    }

    pub fn apply(&self, command: &mut Command) {
        command.env("GATEWAYSTACK_DOCKER", &self.docker);
        if let Some(own) = &self.own {
            command.env("DOCKER_HOST", own.host());
            command.env("GATEWAYSTACK_DOCKER_NETWORK", format!("/proc/{}/ns/net", own.child.id()));
        }
    }
}

impl Own {
    fn start(dockerd: &Path, docker: &Path, target: &Path) -> Result<Self> {
        let folder = target.join("docker");
        remove(&folder)?;
        fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let step = Step::begin("docker engine", "starting");
        let log = File::create(folder.join("log"))?;
        let unshare = on_path("unshare").context("unshare is missing (Debian: util-linux)")?;
        let mut command = program_asked(&unshare);
        command.args(["--net", "--mount", "sh", "-c", APART]).arg(dockerd);
        command.args(["--storage-driver=overlay2", "--shutdown-timeout=5", "--log-level=warn"]);
        for (option, name) in [
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
            ("--config-file", "config"),
        ] {
            command.arg(option).arg(folder.join(name));
        }
        fs::write(folder.join("config"), "{}")?;
        command.arg("--host").arg(host(&folder));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut own = Self { child: command.spawn().context("can't start dockerd")?, folder };
        let deadline = Instant::now() + START_TIME;
        while !answers(docker, Some(&own.host())) {
            if own.child.try_wait()?.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(own.folder.join("log")).unwrap_or_default();
                bail!("this machine can't run a Docker engine; dockerd said:\n{said}");
            }
            thread::sleep(PAUSE);
        }
        step.done("runs");
        Ok(own)
    }

    fn host(&self) -> String {
        host(&self.folder)
    }
}

impl Drop for Own {
    /// Its containers end with it.
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP_TIME;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(PAUSE);
        }
        let _ = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = remove(&self.folder) {
            eprintln!("docker engine: {error:#}");
        }
    }
}

fn host(folder: &Path) -> String {
    format!("unix://{}", folder.join("socket").display())
}

fn answers(docker: &Path, host: Option<&str>) -> bool {
    let mut command = Command::new(docker);
    command.args(["version", "--format", "{{.Server.Version}}"]);
    command.envs(host.map(|host| ("DOCKER_HOST", host)));
    output(&mut command).is_ok_and(|version| !version.trim().is_empty())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
