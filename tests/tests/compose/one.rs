//! The image `gateway`, started as `deploy/fly` has it: one container that serves, is nobody, and ends when
//! it is told to or when its Envoy does.

use super::docker::{Docker, output, root};
use super::images;
use std::path::Path;
use std::time::{Duration, Instant};

const NAME: &str = "gatewaystack-one";
/// With the answers of `/health` and of a route without a token.
const PATIENCE: Duration = Duration::from_secs(60);

/// Begins and ends it twice; how long the first begin took.
pub fn check(docker: &Docker) -> Duration {
    let image = images::gateway(docker);
    remove(docker);
    let began = Instant::now();
    start(docker, &image);
    until_served(docker);
    let took = began.elapsed();
    nobody(docker);
    // One that isn't gone after 15 seconds is killed, and has another exit code.
    docker.docker(&["stop", "--time", "15", NAME]);
    assert_eq!(exit_code(docker), "0", "{}", logs(docker));
    remove(docker);

    start(docker, &image);
    until_served(docker);
    let processes = docker.docker(&["top", NAME, "-eo", "pid,comm"]);
    let envoy = processes.lines().find(|line| line.ends_with(" envoy")).unwrap();
    output(std::process::Command::new("kill").args(["-KILL", envoy.split_whitespace().next().unwrap()]));
    let end = Instant::now() + PATIENCE;
    while docker.docker(&["inspect", "--format", "{{.State.Running}}", NAME]).trim() == "true" {
        assert!(Instant::now() < end, "it goes on without its Envoy");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(exit_code(docker), "1", "{}", logs(docker));
    remove(docker);
    took
}

fn remove(docker: &Docker) {
    // It may not be there.
    docker.command().args(["rm", "--force", "--volumes", NAME]).output().unwrap();
}

fn logs(docker: &Docker) -> String {
    let output = docker.command().args(["logs", NAME]).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn exit_code(docker: &Docker) -> String {
    docker.docker(&["inspect", "--format", "{{.State.ExitCode}}", NAME]).trim().to_owned()
}

/// With the policy and the variables of `deploy/fly`, and what the platform gives.
fn start(docker: &Docker, image: &str) {
    let policy = root().join("deploy/fly/gateway.yaml");
    let policy = format!("{}:/etc/gatewaystack/gateway.yaml:ro", policy.display());
    docker.docker(&[
        "run",
        "--detach",
        "--name",
        NAME,
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges:true",
        // Nobody is asked: the names of the policy are made up, and Envoy listens when it knows about each
        // whether it can be had.
        "--dns=127.0.0.1",
        "--env=PORT=8080",
        "--env=PUBLIC_URL=https://gateway.example.com",
        "--env=TRUSTED_HOPS=2",
        "--env=WEBHOOK_SHARED_SECRET=s3cret-of-the-place-81f2-4b7a",
        "--volume",
        &policy,
        image,
        "--policy",
        "/etc/gatewaystack/gateway.yaml",
    ]);
}

fn status(docker: &Docker, path: &str) -> String {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = docker.docker(&["inspect", "--format", format, NAME]);
    let mut curl = docker.beside(Path::new("curl"));
    curl.args(["--silent", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code}"]);
    let url = format!("http://{}:8080{path}", address.trim());
    String::from_utf8(curl.arg(url).output().unwrap().stdout).unwrap()
}

fn until_served(docker: &Docker) {
    let end = Instant::now() + PATIENCE;
    while status(docker, "/health") != "200" {
        assert!(Instant::now() < end, "it doesn't serve: {}", logs(docker));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(status(docker, "/v1/notes"), "401");
}

fn nobody(docker: &Docker) {
    let users = docker.docker(&["top", NAME, "-eo", "pid,uid,comm"]);
    let users: Vec<_> = users.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(users, ["65532"; 2], "gatewaystack and envoy");
}
