//! How much memory Envoy may take: `MEMORY_LIMIT` or this process's own limit in; the heap at which load is
//! shed, and the connections that fit, out.

use gatewaystack_core::config::Environment;
use gatewaystack_core::config::error::ConfigError;
use std::fs;
use std::path::Path;

/// Where nothing limits it.
const DEFAULT: u64 = 2_560 * MIB;
/// With less Envoy and the filter don't run.
const LEAST: u64 = 192 * MIB;
const MIB: u64 = 1024 * 1024;
/// A connection that waits, about.
const CONNECTION: u64 = 64 * 1024;
/// Connections at once, however much memory there is.
const MOST_CONNECTIONS: u64 = 20_000;
/// Files that aren't connections: Envoy's own, and those of requests that need more than two.
const OTHER_FILES: u64 = 1_000;

/// What Envoy's overload manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Heap in bytes. The filters' own memory isn't part of it, so that it is less than the limit.
    pub heap: u64,
    /// Connections of clients.
    pub connections: u64,
}

impl Memory {
    /// By the variable, else by the limit that this process runs under (one container, or a systemd unit's
    /// `MemoryMax`).
    ///
    /// # Errors
    /// The variable isn't an amount of memory, or too little.
    pub fn find(env: &Environment) -> Result<Self, ConfigError> {
        let Some(text) = env.get("MEMORY_LIMIT").map(|text| text.trim()).filter(|text| !text.is_empty())
        else {
            let own = own_limit(
                Path::new("/sys/fs/cgroup"),
                &fs::read_to_string("/proc/self/cgroup").unwrap_or_default(),
            );
            return Ok(Self::of(own.unwrap_or(DEFAULT).max(LEAST), files()));
        };
        match parse(text) {
            Some(bytes) if bytes >= LEAST => Ok(Self::of(bytes, files())),
            _ => Err(ConfigError::new(
                "MEMORY_LIMIT",
                "expected the memory that Envoy may take, at least 192Mi: bytes, or a number with k, M, G, Ki, Mi or Gi",
            )),
        }
    }

    /// A client's connection and the one to its server are two files; without a file for the second, every
    /// request fails.
    fn of(limit: u64, files: Option<u64>) -> Self {
        let heap = limit / 5 * 4;
        let fit = files.map_or(MOST_CONNECTIONS, |files| (files.saturating_sub(OTHER_FILES) / 2).max(100));
        Self { heap, connections: (heap / CONNECTION).min(MOST_CONNECTIONS).min(fit) }
    }
}

/// How many files this process may have open, at most: Envoy takes all that it may.
fn files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum
}

/// As Kubernetes and Compose write it.
fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "ki" => 1024,
        "mi" => MIB,
        "gi" => 1024 * MIB,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The least limit of this process's control group and of those that hold it, of version 2 or 1.
fn own_limit(root: &Path, groups: &str) -> Option<u64> {
    let of = |line: &str| -> Vec<u64> {
        let mut parts = line.splitn(3, ':');
        let (Some(number), Some(kinds), Some(group)) = (parts.next(), parts.next(), parts.next()) else {
            return Vec::new();
        };
        let (root, file) = match (number, kinds) {
            ("0", "") => (root.to_owned(), "memory.max"),
            (_, kinds) if kinds.split(',').any(|kind| kind == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let group = Path::new(group.trim_start_matches('/'));
        let limit =
            |group: &Path| fs::read_to_string(root.join(group).join(file)).ok()?.trim().parse::<u64>().ok();
        group.ancestors().filter_map(limit).collect()
    };
    // Version 1 says "none" by a number that no machine has.
    groups.lines().flat_map(of).filter(|limit| *limit < 1 << 50).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Result<Memory, String> {
        Memory::find(&[("MEMORY_LIMIT".to_owned(), text.to_owned())].into()).map_err(|error| error.path)
    }

    #[test]
    fn the_variable_is_read_as_kubernetes_and_compose_write_it() {
        for (text, limit) in [
            ("512Mi", 512 * MIB),
            ("1Gi", 1024 * MIB),
            ("2g", 2_000_000_000),
            (" 2560M ", 2_560_000_000),
            ("268435456", 256 * MIB),
            ("300000k", 300_000_000),
        ] {
            assert_eq!(find(text), Ok(Memory::of(limit, files())), "{text}");
        }
        for text in ["1", "64Mi", "lots", "1.5Gi", "-1", "1Ti", "99999999999999999999", "9999999999999999Gi"]
        {
            assert_eq!(find(text), Err("MEMORY_LIMIT".to_owned()), "{text}");
        }
    }

    #[test]
    fn load_is_shed_before_the_limit_and_connections_fit_into_it() {
        for limit in [LEAST, 512 * MIB, DEFAULT, 64 * 1024 * MIB] {
            let Memory { heap, connections } = Memory::of(limit, None);
            assert!(
                heap < limit && connections * CONNECTION <= heap && connections <= MOST_CONNECTIONS,
                "{limit}"
            );
        }
    }

    #[test]
    fn each_connection_has_a_file_for_the_server_too() {
        for (files, connections) in
            [(None, 20_000), (Some(1_048_576), 20_000), (Some(20_000), 9_500), (Some(256), 100)]
        {
            assert_eq!(Memory::of(DEFAULT, files).connections, connections, "{files:?}");
        }
    }

    #[test]
    fn the_least_limit_around_this_process_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let limit = |groups: &str| own_limit(folder.path(), groups);
        assert_eq!(limit("0::/\n"), None);
        write("memory.max", "max\n");
        assert_eq!(limit("0::/\n"), None);
        write("system.slice/memory.max", "900000000\n");
        write("system.slice/gateway.service/memory.max", "max\n");
        assert_eq!(limit("0::/system.slice/gateway.service\n"), Some(900_000_000));
        write("memory.max", "800000000\n");
        assert_eq!(limit("0::/system.slice/gateway.service\n"), Some(800_000_000));
        write("memory/docker/1/memory.limit_in_bytes", "400000000\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit("11:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n"), Some(400_000_000));
    }
}
