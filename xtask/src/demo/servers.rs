//! What stands around the demo's gateway: the issuer with the MCP server, the Apps connector and the echo
//! server. In: ports. Out: all running, and the policy and variables that make a gateway use them.

use std::{
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    gateway::{answers, require_free, wait_until},
    process::{Stack, Stop, program},
};

/// What `docker compose up` reads, too.
const CONFIGURATION: &str = include_str!("../../../demo/demo.env");

/// The ports of a demo.
pub struct Place {
    pub issuer: u16,
    pub apps: u16,
    pub echo: u16,
    pub gateway: u16,
    pub sidecar: u16,
    pub admin: u16,
}

pub struct Servers<'a> {
    pub place: &'a Place,
    pub program: &'a Path,
}

impl Place {
    pub const WELL_KNOWN: Self =
        Self { issuer: 5051, apps: 5052, echo: 3333, gateway: 8080, sidecar: 8081, admin: 9901 };

    /// Ports that nobody has now.
    pub fn free() -> Result<Self> {
        let [issuer, apps, echo, gateway, sidecar, admin] = free_ports()?;
        Ok(Self { issuer, apps, echo, gateway, sidecar, admin })
    }

    /// The example's policy with these ports, in a file below `data`.
    pub fn policy(&self, root: &Path, data: &Path) -> Result<PathBuf> {
        let example = root.join("envoy/examples/demo-mcp.yaml");
        let text =
            fs::read_to_string(&example).with_context(|| format!("can't read {}", example.display()))?;
        let (issuer, apps) = (format!("127.0.0.1:{}", self.issuer), format!("127.0.0.1:{}", self.apps));
        fs::create_dir_all(data).with_context(|| format!("can't make {}", data.display()))?;
        let file = data.join("demo-mcp.yaml");
        fs::write(&file, text.replace("127.0.0.1:5051", &issuer).replace("127.0.0.1:5052", &apps))
            .with_context(|| format!("can't write {}", file.display()))?;
        Ok(file)
    }

    /// The gateway's configuration, as the original's `.env` has it. `extra` comes last and wins.
    pub fn environment(&self, data: &Path, extra: &[(&str, &str)]) -> Vec<(String, String)> {
        let Self { issuer, echo, gateway, sidecar, admin, apps: _ } = self;
        let demo = CONFIGURATION
            .replace("127.0.0.1:5051", &format!("127.0.0.1:{issuer}"))
            .replace("127.0.0.1:3333", &format!("127.0.0.1:{echo}"));
        let lines = demo.lines().filter(|line| !line.starts_with('#'));
        let mut all: Vec<_> = lines.filter_map(|line| line.split_once('=')).map(owned).collect();
        let variables = [
            ("PORT", gateway.to_string()),
            ("SIDECAR_PORT", sidecar.to_string()),
            ("ADMIN_PORT", admin.to_string()),
            ("DATA_DIR", data.display().to_string()),
        ];
        all.extend(variables.map(|(name, value)| (name.to_owned(), value)));
        all.retain(|(name, _)| !extra.iter().any(|(other, _)| other == name));
        all.extend(extra.iter().copied().map(owned));
        all
    }
}

impl Servers<'_> {
    /// False when `stop` came before all answered.
    pub fn start(&self, stack: &mut Stack, stop: &Stop) -> Result<bool> {
        for (name, server, port) in [
            ("the issuer", "issuer", self.place.issuer),
            ("the Apps connector", "apps", self.place.apps),
            ("the echo server", "echo", self.place.echo),
        ] {
            require_free(loopback(port), name)?;
            let mut command = program(self.program);
            command.args([server, "--port", &port.to_string()]);
            stack.start(name, command)?;
            if !wait_until(stack, stop, name, || answers(loopback(port), "/health"))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Ports that nobody has now. All are held at once, so that they differ.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = free().context("no free port")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// A port that nobody has now, below the range from which systems take the ports of outgoing connections
/// (32768 on Linux): one of those could have it by the time it is used.
fn free() -> std::io::Result<TcpListener> {
    let random = RandomState::new().build_hasher().finish();
    let ports = (0..200u64).map(|n| 10_000 + random.wrapping_add(n * 7) % 22_000);
    let mut free = ports.filter_map(|port| TcpListener::bind(loopback(u16::try_from(port).ok()?)).ok());
    free.next().map_or_else(|| TcpListener::bind(loopback(0)), Ok)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Place;

    #[test]
    fn an_extra_variable_replaces_the_demos_own() {
        let all = Place::WELL_KNOWN.environment(Path::new("data"), &[("MODE", "other")]);
        let modes: Vec<_> =
            all.iter().filter(|(name, _)| name == "MODE").map(|(_, value)| value.as_str()).collect();
        assert_eq!(modes, ["other"]);
    }
}
