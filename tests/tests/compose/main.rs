//! `docker-compose.yml` as it stands, in a real Docker engine: it serves the README's walk and the demo's
//! guide, each service comes back when it is killed, nothing unverified is answered meanwhile, and nothing is
//! left at the end. And the files themselves: Dockerfiles, and each way to put the compose files together.
//! And the image that has all in one.
//!
//! `cargo xtask test --all` runs them and sets what they need: an engine, Compose, hadolint, the programs of
//! the images.

mod docker;
mod images;
mod ledger;
mod limits;
mod observe;
mod one;
mod postgres;
mod asking;

use asking::{Asking, Watch};
use docker::{Docker, compose_config, hadolint, root};
use std::time::{Duration, Instant};

/// Each version stands in one more place than the tools can read it from.
#[test]
fn versions_are_those_of_the_sources() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let between = |text: &str, before: &str, after: &str| {
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before} is gone"));
        rest.split_once(after).unwrap().0.to_owned()
    };
    let rust = between(&read("rust-toolchain.toml"), "channel = \"", "\"");
    assert!(
        read("deploy/images/Dockerfile").contains(&format!("FROM rust:{rust}-slim-bookworm AS source\n"))
    );
    let envoy = between(&read("envoy/versions.yaml"), "\ndefault: ", "\n");
    assert_eq!(images::ENVOY, format!("envoyproxy/envoy:v{envoy}"));
    assert!(read("docker-compose.yml").contains(&format!("image: {}\n", images::ENVOY)));
    assert!(read("tests/docker/envoy.Dockerfile").contains(images::ENVOY));
    assert!(read("deploy/images/Dockerfile").contains(&format!("FROM {} AS gateway\n", images::ENVOY)));
    for document in ["README.md", "docs/compose.md"] {
        assert!(read(document).contains("\ndocker compose up --wait"), "{document}");
    }
}

#[test]
#[ignore = "hadolint: cargo xtask test --all fetches it"]
fn hadolint_has_nothing_to_say_of_the_dockerfiles() {
    let ours = std::fs::read_dir(root().join("tests/docker")).unwrap();
    let ours = ours.map(|entry| format!("tests/docker/{}", entry.unwrap().file_name().display()));
    for file in ours.chain(["deploy/images/Dockerfile", "deploy/render/Dockerfile"].map(str::to_owned)) {
        let said = hadolint(&file);
        assert!(said.is_empty(), "{said}");
    }
}

#[test]
#[ignore = "Docker Compose: cargo xtask test --all fetches it"]
fn compose_understands_every_way_to_put_the_files_together() {
    let demo = compose_config(&[]);
    assert_eq!(services(&demo), ["demo", "envoy", "render", "sidecar"]);
    let observe = compose_config(&["--profile", "observe"]);
    assert_eq!(services(&observe), ["collector", "demo", "envoy", "prometheus", "render", "sidecar"]);
    let limits = compose_config(&["--profile", "limits"]);
    assert_eq!(services(&limits), ["demo", "envoy", "ratelimit", "redis", "render", "sidecar"]);
    for (service, image) in [("ratelimit", images::LIMITADOR), ("redis", images::REDIS)] {
        assert_eq!(limits["services"][service]["image"], image);
    }
    let own = compose_config(&["--file", "deploy/compose/own.yml"]);
    assert_eq!(services(&own), ["envoy", "render", "sidecar"]);
    for service in ["render", "sidecar"] {
        let environment = &own["services"][service]["environment"];
        assert_eq!(environment["CONNECT_TO"], "", "{environment:#}");
        assert_eq!(environment["AUTH_ISSUER"], "https://TENANT.eu.auth0.com/", "{environment:#}");
        for of_demo in ["DEMO_MODE", "ALLOW_INSECURE_JWKS", "PROXY_TARGET", "RATE_LIMIT_SERVICE_URL"] {
            assert!(environment.get(of_demo).is_none(), "{of_demo} of {service}: {environment:#}");
        }
    }
    assert!(own["configs"]["policy"]["file"].as_str().unwrap().ends_with("/gateway.yaml"), "{own:#}");
    let ledger = compose_config(&["--file", "deploy/compose/ledger.yml"]);
    assert_eq!(services(&ledger), ["demo", "envoy", "render", "sidecar"]);
    let policy = ledger["configs"]["policy"]["file"].as_str().unwrap();
    assert!(policy.ends_with("/envoy/examples/demo-ledger.yaml"), "{policy}");
    let secrets =
        compose_config(&["--file", "deploy/compose/own.yml", "--file", "deploy/compose/secrets.yml"]);
    let sidecar = &secrets["services"]["sidecar"];
    assert_eq!(sidecar["secrets"].as_array().unwrap().len(), 3, "{sidecar:#}");
    assert_eq!(sidecar["environment"]["CONNECT_TO"], "", "both files hold: {sidecar:#}");
}

fn services(config: &serde_json::Value) -> Vec<&str> {
    let mut names: Vec<_> = config["services"].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
#[ignore = "a Docker engine: cargo xtask test --all starts one"]
fn compose_starts_what_serves_the_walk_recovers_and_leaves_nothing() {
    let docker = Docker::of_environment();
    docker.down();
    let began = Instant::now();
    let images = images::build(&docker);
    println!("images: {} in {:.1} s", images.join(", "), began.elapsed().as_secs_f64());

    let began = Instant::now();
    docker.compose(&["up", "--detach", "--wait", "--pull", "never", "--no-build"]);
    let asking = Asking::of(&docker);
    asking.until_served(Duration::from_secs(60));
    println!("from `docker compose up` to a served request: {:.1} s", began.elapsed().as_secs_f64());

    confined(&docker);
    asking.walk();
    observe::check(&docker);
    for service in ["demo", "sidecar", "envoy"] {
        killed(&docker, &asking, service);
    }
    again(&docker, &asking);
    limits::check(&docker, &asking);
    ledger::check(&docker, &asking);
    docker.down();
    assert_eq!(docker.left(), Vec::<String>::new());
    println!("one container, from its start to a served request: {:.1} s", one::check(&docker).as_secs_f64());
}

/// A crash, as far as the engine can see: a `docker kill` would be an operator's wish, after which it starts
/// nothing again.
fn killed(docker: &Docker, asking: &Asking, service: &str) {
    let before = docker.inspect(service);
    let watch = Watch::begin(asking);
    docker.kill(service);
    let began = Instant::now();
    asking.until_served(Duration::from_secs(60));
    let took = began.elapsed();
    let seen = watch.end();
    let after = docker.inspect(service);
    assert!(
        after["RestartCount"].as_u64() > before["RestartCount"].as_u64(),
        "{service} wasn't started again"
    );
    println!(
        "{service} killed: all served again after {:.1} s; without a good token: {seen}",
        took.as_secs_f64()
    );
}

/// A second `up` writes the bootstrap anew, and what runs keeps running: a part that then starts alone still
/// fits the others.
fn again(docker: &Docker, asking: &Asking) {
    let before = docker.inspect("envoy")["Id"].clone();
    docker.compose(&["up", "--detach", "--wait", "--pull", "never", "--no-build"]);
    assert_eq!(docker.inspect("envoy")["Id"], before);
    killed(docker, asking, "sidecar");
}

/// As the kernel sees each process, not as the file says.
fn confined(docker: &Docker) {
    for service in ["demo", "sidecar", "envoy"] {
        let container = docker.inspect(service);
        let status = docker.status(&container);
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(field("Uid:"), ["65532"; 4], "{service}");
        for capabilities in ["CapPrm:", "CapEff:", "CapBnd:"] {
            assert_eq!(field(capabilities), ["0000000000000000"], "{service}: {capabilities}");
        }
        assert_eq!(field("NoNewPrivs:"), ["1"], "{service}");
        let host = &container["HostConfig"];
        assert_eq!(host["ReadonlyRootfs"], true, "{service}");
        assert!(
            host["Memory"].as_u64() > Some(0) && host["PidsLimit"].as_i64() > Some(0),
            "{service}: {host:#}"
        );
        let published = host["PortBindings"].as_object().into_iter().flatten();
        for (port, places) in published {
            for place in places.as_array().unwrap() {
                assert_eq!(place["HostIp"], "127.0.0.1", "{service}: {port}");
            }
        }
    }
}
