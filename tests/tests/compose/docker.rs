//! The engine and Compose, as `cargo xtask test --all` has set them up.

use gatewaystack_tests::gateway::from_environment;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The project's name, in `docker-compose.yml`.
const PROJECT: &str = "gatewaystack";
/// The images' tag: not the one that a developer's own `docker compose up` has.
pub const TAG: &str = "tests";

pub struct Docker {
    program: PathBuf,
    /// The engine's network, where it is one apart.
    network: Option<PathBuf>,
}

pub use gatewaystack_tests::root;

/// What a command prints; what it says besides where it fails.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// hadolint's complaints of a Dockerfile.
pub fn hadolint(file: &str) -> String {
    let mut command = Command::new(from_environment("GATEWAYSTACK_HADOLINT"));
    let output = command.args(["--no-color", file]).current_dir(root()).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
}

/// What Compose makes of `docker-compose.yml` and these arguments. `.env` is the example, in a copy of what
/// the files name.
pub fn compose_config(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    for file in [
        "docker-compose.yml",
        "demo/demo.env",
        "deploy/compose/ledger.yml",
        "deploy/compose/own.yml",
        "deploy/compose/postgres.yml",
        "deploy/compose/secrets.yml",
    ] {
        let copy = folder.path().join(file);
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(root().join(file), copy).unwrap();
    }
    std::fs::copy(root().join(".env.example"), folder.path().join(".env")).unwrap();
    let mut command = Command::new(from_environment("GATEWAYSTACK_COMPOSE"));
    command.current_dir(folder.path()).args(["--file", "docker-compose.yml"]);
    serde_json::from_str(&output(command.args(arguments).args(["config", "--format", "json"]))).unwrap()
}

impl Docker {
    pub fn of_environment() -> Self {
        let network = std::env::var_os("GATEWAYSTACK_DOCKER_NETWORK").map(PathBuf::from);
        Self { program: from_environment("GATEWAYSTACK_DOCKER"), network }
    }

    pub fn docker(&self, arguments: &[&str]) -> String {
        output(self.command().args(arguments))
    }

    pub fn command(&self) -> Command {
        Command::new(&self.program)
    }

    /// `docker compose` with the file as it stands.
    pub fn compose(&self, arguments: &[&str]) -> String {
        self.compose_with(&[], arguments)
    }

    /// The same with variables.
    pub fn compose_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let mut command = Command::new(from_environment("GATEWAYSTACK_COMPOSE"));
        command.current_dir(root()).env("GATEWAYSTACK_VERSION", TAG).args(arguments);
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let logs = self.logs();
            panic!("docker compose {arguments:?}: {said}\n{logs}");
        }
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the services have said.
    pub fn logs(&self) -> String {
        let mut command = Command::new(from_environment("GATEWAYSTACK_COMPOSE"));
        command.current_dir(root()).env("GATEWAYSTACK_VERSION", TAG).args([
            "logs",
            "--no-color",
            "--tail",
            "50",
        ]);
        command
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    }

    pub fn down(&self) {
        self.compose(&["--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5"]);
    }

    /// What is left of the project in the engine.
    pub fn left(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={PROJECT}");
        let kinds: [&[&str]; 3] = [&["ps", "--all"], &["volume", "ls"], &["network", "ls"]];
        let lists = kinds.map(|kind| self.docker(&[kind, &["--quiet", "--filter", &filter]].concat()));
        lists.iter().flat_map(|list| list.lines().map(str::to_owned)).collect()
    }

    /// The container of a service.
    pub fn inspect(&self, service: &str) -> Value {
        let name = format!("{PROJECT}-{service}-1");
        let said: Value = serde_json::from_str(&self.docker(&["inspect", &name])).unwrap();
        said[0].clone()
    }

    /// Ends a service's process from outside.
    pub fn kill(&self, service: &str) {
        let pid = self.inspect(service)["State"]["Pid"].to_string();
        output(Command::new("kill").args(["-KILL", &pid]));
    }

    /// What the kernel says of a container's process.
    pub fn status(&self, container: &Value) -> String {
        let file = format!("/proc/{}/status", container["State"]["Pid"]);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// A program that sees the ports that the engine publishes.
    pub fn beside(&self, program: &Path) -> Command {
        let Some(network) = &self.network else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", network.display())).arg(program);
        command
    }
}
