//! `deploy/compose/postgres.yml`: what its services are given, and both of its gateways as processes of this
//! machine, over a real PostgreSQL. Commands, variables and health checks are those that Compose reads there,
//! the rest those of docs/compose.md, block by block; only ports, volumes and secrets lie elsewhere.

use super::docker::{compose_config, output, root};
use super::services;
use gatewaystack_demo::{Echo, Issuer};
use gatewaystack_tests::gateway::from_environment;
use gatewaystack_tests::postgres::Postgres;
use gatewaystack_tests::{client, eventually, free_ports};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const FILE: [&str; 2] = ["--file", "deploy/compose/postgres.yml"];
const POLICY: &str = "envoy/examples/demo-postgres.yaml";

fn both() -> Value {
    compose_config(&[&FILE[..], &["--profile", "second"]].concat())
}

fn read(file: impl AsRef<Path>) -> String {
    let file = root().join(file);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn the_demos_policy_in_postgresql_is_the_demos_policy() {
    let policy = |name: &str| -> Value { serde_saphyr::from_str(&read(name)).unwrap() };
    let mut shared = policy(POLICY);
    let own = shared.as_object_mut().unwrap();
    assert_eq!(own.remove("ledger").unwrap()["store"], "postgres");
    assert_eq!(own.remove("audit").unwrap()["log"], true);
    assert_eq!(shared, policy("envoy/examples/demo-mcp.yaml"));
}

#[test]
#[ignore = "Docker Compose: cargo xtask test --all fetches it"]
fn a_second_gateway_is_the_first_one_with_volumes_of_its_own() {
    let one = compose_config(&FILE);
    assert_eq!(services(&one), ["demo", "envoy", "postgres", "render", "sidecar"]);
    let both = both();
    let second = ["envoy-second", "render-second", "sidecar-second"];
    let named = services(&both);
    assert_eq!(named, ["demo", "envoy", second[0], "postgres", "render", second[1], "sidecar", second[2]]);
    for name in second {
        let text = both["services"][name].to_string().replace("-second", "").replace("\"8090\"", "\"8080\"");
        let mut as_first: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(as_first.as_object_mut().unwrap().remove("profiles").unwrap(), json!(["second"]));
        assert_eq!(as_first, both["services"][name.trim_end_matches("-second")], "{name}");
        let volumes = both["services"][name]["volumes"].as_array().unwrap();
        assert!(volumes.iter().all(|v| v["source"].as_str().unwrap().ends_with("-second")), "{volumes:?}");
    }
    // Your own policy; the last file's is served.
    let own = compose_config(&[&FILE[..], &["--file", "deploy/compose/own.yml"]].concat());
    assert_eq!(services(&own), ["envoy", "postgres", "render", "sidecar"]);
    assert!(own["configs"]["policy"]["file"].as_str().unwrap().ends_with("/gateway.yaml"), "{own:#}");
    assert_eq!(own["services"]["sidecar"]["secrets"], one["services"]["sidecar"]["secrets"]);
}

#[test]
#[ignore = "Docker Compose: cargo xtask test --all fetches it"]
fn each_service_has_what_it_needs_and_no_more() {
    let config = both();
    for (name, service) in config["services"].as_object().unwrap() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
        let user = if name == "postgres" { "999:999" } else { "65532:65532" };
        assert_eq!(service["user"], user, "{name}");
        let limits = &service["deploy"]["resources"]["limits"];
        assert!(!limits["memory"].is_null() && !limits["pids"].is_null(), "{name}: {limits}");
        let ends = name.starts_with("render");
        assert_eq!(service["restart"], if ends { "no" } else { "unless-stopped" }, "{name}");
        assert_eq!(service["healthcheck"]["test"][0].is_null(), ends, "{name}");
        assert_eq!(service["logging"]["options"]["max-size"], "10m", "{name}");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name}: {port}");
        }
    }
    // A password for the database alone, the rest for the sidecars alone: as the policy and the image look
    // for it.
    let policy: Value = serde_saphyr::from_str(&read(POLICY)).unwrap();
    let files = [&policy["ledger"]["url_file"], &policy["audit"]["key_file"]];
    let database = &config["services"]["postgres"];
    for (name, service) in config["services"].as_object().unwrap() {
        let secrets = service["secrets"].as_array().into_iter().flatten();
        let targets: Vec<&Value> = secrets.map(|secret| &secret["target"]).collect();
        let expected: &[&Value] = match name.as_str() {
            "sidecar" | "sidecar-second" => &files,
            "postgres" => &[&database["environment"]["POSTGRES_PASSWORD_FILE"]],
            _ => &[],
        };
        assert_eq!(targets, expected, "{name}");
    }
    let secrets = config["secrets"].as_object().unwrap();
    for (name, secret) in secrets {
        let file = secret["file"].as_str().unwrap();
        assert!(file.ends_with(&format!("/secrets/{name}")), "git and images leave that folder out: {file}");
    }
    assert_eq!(secrets.len(), 3);
    // As what it writes outlives it, and nobody reaches it from outside.
    assert_eq!(database["volumes"][0]["source"], "ledger");
    assert_eq!(database["volumes"][0]["target"], "/var/lib/postgresql/data");
    assert!(database["ports"].is_null(), "{database:#}");
    for suffix in ["", "-second"] {
        let waits = &config["services"][format!("sidecar{suffix}")]["depends_on"];
        assert_eq!(waits["postgres"]["condition"], "service_healthy");
        assert_eq!(waits[format!("render{suffix}")]["condition"], "service_completed_successfully");
        let waits = &config["services"][format!("envoy{suffix}")]["depends_on"];
        assert_eq!(waits[format!("sidecar{suffix}")]["condition"], "service_healthy");
    }
}

/// What both gateways share.
struct Project {
    config: Value,
    /// Here are `secrets`, `copies` and `policy.yaml`, and the volumes by their names.
    folder: TempDir,
    database: Postgres,
    /// What the demo's servers are called here.
    addresses: [(&'static str, String); 2],
}

/// Stands in for `docker` in the documents' commands. `$PLACE` is the project's folder, `$PORT` PostgreSQL's.
const DOCKER: &str = r#"#!/bin/bash
set -e
database() { program=$1; shift; "$GATEWAYSTACK_POSTGRES/$program" --host 127.0.0.1 --port "$PORT" "$@"; }
case "$*" in
"compose run --rm --no-deps -T sidecar "*) exec "$GATEWAYSTACK_BIN" "${@:7}" ;;
"compose exec -T postgres "*) database "${@:5}" ;;
"compose exec sidecar"*" /gatewaystack "*)
  state=$PLACE/state${3#sidecar} words=("${@:5}")
  exec env -i "$GATEWAYSTACK_BIN" "${words[@]/#\/state\//$state/}" ;;
"compose down --volumes")
  database dropdb --username postgres --if-exists --force gatewaystack
  database createdb --username postgres --owner gatewaystack gatewaystack
  rm -rf "$PLACE"/{state,data}{,-second}
  mkdir "$PLACE"/{state,data}{,-second} ;;
"compose up --wait"*) ;;
*) echo "not foreseen: $*" >&2; exit 1 ;;
esac
"#;

impl Project {
    fn new(addresses: [(&'static str, String); 2]) -> Self {
        let (config, folder, database) = (both(), tempfile::tempdir().unwrap(), Postgres::start());
        let project = Self { config, folder, database, addresses };
        for (program, text) in [("docker", DOCKER), ("sudo", "#!/bin/sh\nexec \"$@\"\n")] {
            let file = project.at("bin").join(program);
            fs::create_dir_all(project.at("bin")).unwrap();
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let role = "CREATE ROLE gatewaystack LOGIN PASSWORD 's3cret'";
        let psql = from_environment("GATEWAYSTACK_POSTGRES").join("psql");
        output(Command::new(psql).args(["--quiet", "--command", role]).arg(project.database.url()));
        project.sh("docker compose down --volumes");
        let folder = format!("{}/", project.at("secrets").display());
        let policy = project.elsewhere(&read(POLICY)).replace("/run/secrets/", &folder);
        fs::write(project.at("policy.yaml"), policy).unwrap();
        project
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn port(&self) -> String {
        self.database.url().rsplit_once(':').unwrap().1.trim_end_matches("/postgres").to_owned()
    }

    /// A text with the demo's servers where they are.
    fn elsewhere(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// What commands of the documents print.
    fn sh(&self, commands: &str) -> String {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", commands]).current_dir(self.folder.path());
        bash.env("PATH", format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap()));
        output(bash.env("PLACE", self.folder.path()).env("PORT", self.port()))
    }

    /// The block of docs/compose.md that this is in.
    fn block(&self, marks: &str) -> String {
        let document = read("docs/compose.md");
        let (_, section) = document.split_once("\n## A memory that gateways share\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let blocks = section.split("```bash\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let found: Vec<&str> = blocks.filter(|block| block.contains(marks)).collect();
        assert_eq!(found.len(), 1, "{marks}");
        self.sh(found[0])
    }

    /// A word of a service as it is here.
    fn here(&self, service: &Value, word: &str) -> String {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let [source, target] = ["source", "target"].map(|name| volume[name].as_str().unwrap());
            if let Some(rest) =
                word.strip_prefix(target).filter(|rest| rest.is_empty() || rest.starts_with('/'))
            {
                return format!("{}{rest}", self.at(source).display());
            }
        }
        match word {
            "/etc/gatewaystack/gateway.yaml" => self.at("policy.yaml").display().to_string(),
            "/gatewaystack.wasm" => from_environment("GATEWAYSTACK_WASM").display().to_string(),
            _ => self.elsewhere(word),
        }
    }

    /// The command of a service, or another in its place.
    fn command(&self, gateway: &Gateway, name: &str, words: Option<&[&str]>) -> Command {
        let service = &self.config["services"][format!("{name}{}", gateway.suffix)];
        let program = match service["entrypoint"][0].as_str() {
            // The image's.
            None => "GATEWAYSTACK_BIN",
            Some("/usr/local/bin/envoy") => "ENVOY_BIN",
            Some(other) => panic!("{other}"),
        };
        let mut command = Command::new(from_environment(program));
        let of_file = service["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        let words = words.map_or_else(|| of_file.collect(), <[_]>::to_vec);
        command.args(words.iter().map(|word| self.here(service, word))).env_clear().stdin(Stdio::null());
        for (name, value) in service["environment"].as_object().into_iter().flatten() {
            // What bridges containers' loopbacks.
            if !["CONNECT_TO", "SIDECAR_HOST", "BIND"].contains(&name.as_str()) {
                command.env(name, self.here(service, value.as_str().unwrap()));
            }
        }
        let names = ["PORT", "ADMIN_PORT", "SIDECAR_PORT", "STATS_PORT"];
        command.envs(names.into_iter().zip(gateway.ports.map(|port| port.to_string())));
        let log = File::options().create(true).append(true).open(self.at(&gateway.log())).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    fn start(&self, gateway: &mut Gateway) {
        let log = || fs::read_to_string(self.at(&gateway.log())).unwrap();
        assert!(self.command(gateway, "render", None).status().unwrap().success(), "{}", log());
        let sidecar = self.command(gateway, "sidecar", None).spawn().unwrap();
        gateway.running.push(sidecar);
    }

    /// The sidecar's own health check; then Envoy is started.
    async fn wait(&self, gateway: &mut Gateway) {
        let service = &self.config["services"][format!("sidecar{}", gateway.suffix)];
        let check = service["healthcheck"]["test"].as_array().unwrap();
        let own = format!("http://sidecar{}:8081/", gateway.suffix);
        let url = check[3].as_str().unwrap().strip_prefix(&own).unwrap_or_else(|| panic!("{check:?}"));
        assert_eq!(check[..3], [json!("CMD"), json!("/gatewaystack"), json!("probe")]);
        let url = format!("http://127.0.0.1:{}/{url}", gateway.ports[2]);
        let log = || fs::read_to_string(self.at(&gateway.log())).unwrap();
        eventually(&format!("a ready sidecar: {}", log()), || async {
            let probe = self.command(gateway, "sidecar", Some(&["probe", &url])).status();
            probe.unwrap().success().then_some(())
        })
        .await;
        let envoy = self.command(gateway, "envoy", None).spawn().unwrap();
        gateway.running.push(envoy);
        eventually("an Envoy that listens", || async {
            tokio::net::TcpStream::connect(("127.0.0.1", gateway.ports[0])).await.ok()
        })
        .await;
    }

    async fn up(&self) -> [Gateway; 2] {
        let mut gateways = ["", "-second"].map(Gateway::new);
        gateways.iter_mut().for_each(|gateway| self.start(gateway));
        for gateway in &mut gateways {
            self.wait(gateway).await;
        }
        gateways
    }

    async fn token(&self, user: &str) -> String {
        let address = &self.addresses[0].1;
        let request = format!(
            "GET /mint?sub={user}&scope=tool:read HTTP/1.1\r\nhost: {address}\r\naccept: text/plain\r\n\
             connection: close\r\n\r\n"
        );
        client::raw(address, request.as_bytes()).await.body
    }

    /// Who asked, as often, by what a sidecar finds.
    async fn recorded(&self, gateway: &Gateway, count: usize) -> Vec<String> {
        let words = "/gatewaystack records --policy /state/policy.json --json";
        let command = format!("docker compose exec sidecar{} {words}", gateway.suffix);
        eventually("records", || async {
            let found: Vec<Value> = serde_json::from_str(&self.sh(&command)).unwrap();
            let mut users: Vec<String> =
                found.iter().map(|record| record["sub"].as_str().unwrap_or_default().to_owned()).collect();
            users.sort();
            (users.len() >= count).then_some(users)
        })
        .await
    }
}

/// One of them, which ends with this value.
struct Gateway {
    suffix: &'static str,
    ports: [u16; 4],
    running: Vec<Child>,
}

impl Gateway {
    fn new(suffix: &'static str) -> Self {
        Self { suffix, ports: free_ports(), running: Vec::new() }
    }

    fn log(&self) -> String {
        format!("log{}", self.suffix)
    }

    async fn ask(&self, token: &str) -> u16 {
        let request = format!(
            "GET /protected HTTP/1.1\r\nhost: localhost:8080\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        client::raw(&format!("127.0.0.1:{}", self.ports[0]), request.as_bytes()).await.status
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// For whom a secret is, and what it says.
fn secret(project: &Project, name: &str, user: u32) -> String {
    let file = project.at("secrets").join(name);
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o777), (user, 0o600), "{name}");
    fs::read_to_string(file).unwrap()
}

#[tokio::test]
#[ignore = "Docker Compose and PostgreSQL: cargo xtask test --all fetches them"]
async fn two_gateways_share_a_memory_that_is_copied_and_put_back_as_the_document_says() {
    let (issuer, echo) = (Issuer::new().start(0).await.unwrap(), Echo::start(0).await.unwrap());
    let address = |url: &str| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let addresses = [("127.0.0.1:5051", address(&issuer.url)), ("127.0.0.1:3333", address(&echo.url))];
    let project = Project::new(addresses);
    project.block("openssl rand");
    let password = secret(&project, "postgres-password", 999);
    assert_eq!(password.trim().len(), 48);
    let url = secret(&project, "ledger-url", 65532);
    let services = &project.config["services"];
    let database = &services["postgres"]["environment"];
    let [user, name] = ["POSTGRES_USER", "POSTGRES_DB"].map(|variable| database[variable].as_str().unwrap());
    let expected = format!("postgres://{user}:{}@postgres:5432/{name}?sslmode=disable\n", password.trim());
    assert_eq!(url, expected);
    // The log has its key's name; `public_url` says which it would have had.
    let key = secret(&project, "audit-key", 65532);
    assert!(read(POLICY).contains("\npublic_url: http://localhost:8080\n"));
    assert!(key.contains("localhost:8080/audit"), "the name");
    let url = url.replace("@postgres:5432/", &format!("@127.0.0.1:{}/", project.port()));
    fs::write(project.at("secrets/ledger-url"), url).unwrap();

    let gateways = project.up().await;
    let (ann, bob, carol) =
        (project.token("ann").await, project.token("bob").await, project.token("carol").await);
    assert_eq!([gateways[0].ask(&ann).await, gateways[1].ask(&bob).await], [200, 200]);
    for gateway in &gateways {
        assert_eq!(project.recorded(gateway, 2).await, ["ann", "bob"]);
        assert_eq!(gateway.ask(&carol).await, 200);
    }
    project.recorded(&gateways[0], 4).await;
    let said = project.block("block --policy");
    assert!(said.contains("carol"), "{said}");
    for gateway in &gateways {
        eventually("a refusal", || async { (gateway.ask(&carol).await == 403).then_some(()) }).await;
    }
    project.block("pg_dump");
    assert_eq!(
        fs::read(project.at("copies/audit-key")).unwrap(),
        fs::read(project.at("secrets/audit-key")).unwrap()
    );

    drop(gateways);
    project.block("pg_restore");
    let gateways = project.up().await;
    for gateway in &gateways {
        assert_eq!(gateway.ask(&ann).await, 200);
        eventually("who was blocked is", || async { (gateway.ask(&carol).await == 403).then_some(()) }).await;
    }
    let seen = project.recorded(&gateways[1], 8).await;
    for (user, least) in [("ann", 3), ("bob", 1), ("carol", 4)] {
        assert!(seen.iter().filter(|name| *name == user).count() >= least, "{user}: {seen:?}");
    }
    for gateway in &gateways {
        let words = "/gatewaystack audit verify --policy /state/policy.json";
        project.sh(&format!("docker compose exec sidecar{} {words}", gateway.suffix));
    }
}
