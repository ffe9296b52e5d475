//! The images that `docker-compose.yml` names: ours from programs that are built, by the Dockerfile that
//! users have, and the public ones from their registry, or, where none is in reach, stand-ins under their
//! names.

use super::docker::{Docker, TAG, output, root};
use gatewaystack_tests::gateway::from_environment;
use std::path::Path;
use std::process::Command;

pub const ENVOY: &str = "envoyproxy/envoy:v1.40.0";
pub const LIMITADOR: &str = "quay.io/kuadrant/limitador:v2.3.0";
pub const REDIS: &str = "redis:8.2-bookworm";
const DEBIAN: &str = "debian:bookworm-slim";
/// An image of ours with all that is in it.
const LARGEST_MB: u64 = 32;

/// Each image with its size and where it is from.
pub fn build(docker: &Docker) -> Vec<String> {
    let programs = from_environment("GATEWAYSTACK_PROGRAMS");
    let mut built = Vec::new();
    for (target, name) in
        [("gatewaystack", "gatewaystack"), ("demo", "gatewaystack-demo"), ("wasm", "gatewaystack-wasm")]
    {
        let name = format!("{name}:{TAG}");
        let arguments = ["PROGRAMS=prebuilt", "VERSION=1.2.3", "REVISION=abc"];
        make(docker, &name, &root().join("deploy/images/Dockerfile"), &programs, Some(target), &arguments);
        let size = size(docker, &name);
        assert!(size < LARGEST_MB * 1_000_000, "{name} has {size} bytes");
        let label = |label: &str| {
            let format = format!("{{{{index .Config.Labels \"org.opencontainers.image.{label}\"}}}}");
            docker.docker(&["image", "inspect", "--format", &format, &name]).trim().to_owned()
        };
        assert_eq!(
            [label("version"), label("revision"), label("licenses")],
            ["1.2.3", "abc", "MIT"],
            "{name}"
        );
        assert!(!label("title").is_empty() && !label("description").is_empty(), "{name}");
        built.push(format!("{name} ({:.1} MB)", megabytes(size)));
    }
    wasm_is_as_istio_reads_it(docker, &format!("gatewaystack-wasm:{TAG}"), &programs);
    for (name, from) in [(LIMITADOR, limitador(docker)), (REDIS, redis(docker))] {
        built.push(format!("{name} ({:.1} MB, {from})", megabytes(size(docker, name))));
    }
    let from = envoy(docker);
    built.push(format!("{ENVOY} ({:.1} MB, {from})", megabytes(size(docker, ENVOY))));
    built
}

/// All in one, of the images that are there.
pub fn gateway(docker: &Docker) -> String {
    let name = format!("gatewaystack-gateway:{TAG}");
    let programs = from_environment("GATEWAYSTACK_PROGRAMS");
    let file = root().join("deploy/images/Dockerfile");
    make(docker, &name, &file, &programs, Some("gateway"), &["PROGRAMS=prebuilt"]);
    name
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn make(docker: &Docker, name: &str, file: &Path, context: &Path, target: Option<&str>, arguments: &[&str]) {
    let mut command = docker.command();
    command.env("DOCKER_BUILDKIT", "1").args(["build", "--quiet", "--tag", name, "--file"]).arg(file);
    command.args(target.iter().flat_map(|target| ["--target", target]));
    command.args(arguments.iter().flat_map(|argument| ["--build-arg", argument]));
    output(command.arg(context));
}

fn size(docker: &Docker, name: &str) -> u64 {
    docker.docker(&["image", "inspect", "--format", "{{.Size}}", name]).trim().parse().unwrap()
}

fn is_there(docker: &Docker, name: &str) -> bool {
    docker.command().args(["image", "inspect", name]).output().unwrap().status.success()
}

fn is_stand_in(docker: &Docker, name: &str) -> bool {
    let format = "{{index .Config.Labels \"org.gatewaystack.stand-in\"}}";
    docker.docker(&["image", "inspect", "--format", format, name]).trim() == "true"
}

/// The real one where it can be had; else what `put` puts into a folder, by this Dockerfile.
fn public(docker: &Docker, name: &str, file: &str, put: impl FnOnce(&Path)) -> &'static str {
    let pull = || docker.command().args(["pull", "--quiet", name]).output().unwrap().status.success();
    if (is_there(docker, name) && !is_stand_in(docker, name)) || pull() {
        return "as published";
    }
    if !is_there(docker, DEBIAN) {
        let stand_in = "LABEL org.gatewaystack.stand-in=true";
        let tar = from_environment("GATEWAYSTACK_DEBIAN");
        docker.docker(&[
            "import",
            "--change",
            stand_in,
            "--change",
            "CMD [\"bash\"]",
            tar.to_str().unwrap(),
            DEBIAN,
        ]);
    }
    let context = tempfile::tempdir().unwrap();
    put(context.path());
    make(docker, name, &root().join("tests/docker").join(file), context.path(), None, &[]);
    "a stand-in"
}

fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    std::fs::copy(&from, to).unwrap_or_else(|error| panic!("{}: {error}", from.as_ref().display()));
}

fn envoy(docker: &Docker) -> &'static str {
    public(docker, ENVOY, "envoy.Dockerfile", |to| copy(from_environment("ENVOY_BIN"), to.join("envoy")))
}

fn limitador(docker: &Docker) -> &'static str {
    let program = env!("CARGO_BIN_EXE_limitador-stand-in");
    public(docker, LIMITADOR, "limitador.Dockerfile", |to| copy(program, to.join("limitador-server")))
}

/// This machine's programs and their libraries: it is a Debian of the same release.
fn redis(docker: &Docker) -> &'static str {
    public(docker, REDIS, "redis.Dockerfile", |to| {
        let (bin, lib) = (to.join("bin"), to.join("lib"));
        std::fs::create_dir(&bin).unwrap();
        std::fs::create_dir(&lib).unwrap();
        for program in ["redis-server", "redis-cli"] {
            let path = output(Command::new("sh").args(["-c", &format!("command -v {program}")]));
            copy(path.trim(), bin.join(program));
            let linked = output(Command::new("ldd").arg(path.trim()));
            // `libssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x…)`
            let libraries = linked.lines().filter_map(|line| line.split_once("=> ")?.1.split(' ').next());
            for library in libraries.filter(|library| !library.contains("/libc.so")) {
                copy(library, lib.join(Path::new(library).file_name().unwrap()));
            }
        }
    })
}

/// The last layer is a gzipped tar with `plugin.wasm` in it; `docker save` has it unzipped.
fn wasm_is_as_istio_reads_it(docker: &Docker, name: &str, programs: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("image.tar");
    docker.docker(&["save", "--output", saved.to_str().unwrap(), name]);
    output(Command::new("tar").arg("-xf").arg(&saved).arg("-C").arg(folder.path()));
    let manifest = std::fs::read_to_string(folder.path().join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let layers = manifest[0]["Layers"].as_array().unwrap();
    let layer = folder.path().join(layers.last().unwrap().as_str().unwrap());
    let unpacked = folder.path().join("layer");
    std::fs::create_dir(&unpacked).unwrap();
    output(Command::new("tar").arg("-xf").arg(&layer).arg("-C").arg(&unpacked));
    let plugin = std::fs::read(unpacked.join("plugin.wasm")).unwrap();
    assert!(
        plugin == std::fs::read(programs.join("gatewaystack.wasm")).unwrap(),
        "plugin.wasm isn't the filter"
    );
    assert_eq!(std::fs::read_dir(unpacked).unwrap().count(), 1, "there is more than plugin.wasm");
}
