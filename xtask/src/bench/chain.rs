//! One chain: an Envoy of its own with one worker. In: its kind, and the gateway's configuration. Out: what a round of load costs.

use std::{fs, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::param::clock_ticks_per_second;

use super::{report::Sample, wrk};
use crate::{
    gateway::{Built, Configuration, wait_until},
    http::Request,
    process::{Stack, Stop},
};

/// What an Envoy does with a request before it forwards it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The gateway's bootstrap without the filter.
    Bare,
    /// The gateway, and the same token each time.
    KnownToken,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Bare, Self::KnownToken];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::KnownToken => "known_token",
        }
    }
}

/// A chain that runs.
pub struct Chain {
    address: SocketAddr,
    process: u32,
    bearer: String,
}

/// The type of the filter that the bare chain hasn't got.
const FILTER: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";

/// A route with a scope; the echo server answers.
const PATH: &str = "/v1/tools/x";

impl Chain {
    pub fn start(
        kind: Kind,
        built: &Built,
        configuration: &Configuration,
        stack: &mut Stack,
        stop: &Stop,
        bearer: String,
    ) -> Result<Self> {
        let rendered = built.render(configuration)?.context("the demo's own configuration is refused")?;
        let bootstrap = rendered.bootstrap();
        if kind == Kind::Bare {
            let text = fs::read_to_string(&bootstrap).context("the bootstrap")?;
            let bare = without_filter(&text).context("the bootstrap has no WebAssembly filter")?;
            fs::write(&bootstrap, bare).context("the bootstrap")?;
        }
        stack.start(kind.name(), rendered.envoy(1)?)?;
        let process = stack.id(kind.name()).context("Envoy has no process")?;
        let address = rendered.ports.listen;
        let chain = Self { address, process, bearer };
        let up = wait_until(stack, stop, kind.name(), || chain.answers().is_ok_and(|status| status == 200))?;
        ensure!(up, "stopped");
        Ok(chain)
    }

    fn answers(&self) -> Result<u16> {
        let headers = vec![("Authorization", self.bearer.clone())];
        Ok(Request { headers, ..Request::get(PATH) }.send(self.address)?.status)
    }

    /// One round of load. An answer that isn't a success makes it worthless.
    pub fn measure(&self, time: Duration) -> Result<Sample> {
        let before = self.cpu()?;
        let load = wrk::run(&format!("http://{}{PATH}", self.address), &self.bearer, time)?;
        let cpu = self.cpu()? - before;
        ensure!(load.requests > 0, "wrk sent nothing");
        Ok(Sample {
            cpu_us: cpu.as_secs_f64() * 1e6 / load.requests as f64,
            rps: load.rps,
            p50_us: load.p50_us,
            p99_us: load.p99_us,
            rss_mb: self.resident_mb()?,
        })
    }

    /// User and system time of the whole process.
    fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process)).context("Envoy has ended")?;
        let ticks = ticks(&stat).context("/proc has another form here")?;
        Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
    }

    fn resident_mb(&self) -> Result<f64> {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.process)).context("Envoy has ended")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb: Option<f64> = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        Ok(kb.context("/proc has another form here")? / 1024.0)
    }
}

/// `utime` and `stime` of /proc/PID/stat (proc(5)); the command's name may hold spaces and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The bootstrap without its WebAssembly filter: the item of the list that is of this type goes, up to the next item.
fn without_filter(bootstrap: &str) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = bootstrap.lines().collect();
    let named = lines.iter().position(|line| line.trim_end_matches('"').ends_with(FILTER))?;
    let (before, after) = lines.split_at_checked(named)?;
    let start = before.iter().rposition(|line| line.trim_start().starts_with("- "))?;
    let depth = indent(before.get(start)?);
    let item = after.iter().position(|line| !line.trim().is_empty() && indent(line) <= depth)?;
    let kept = before.get(..start)?.iter().chain(after.get(item..)?);
    Some(kept.flat_map(|line| [line, "\n"]).collect())
}

#[cfg(test)]
mod tests {
    use super::{FILTER, ticks, without_filter};

    #[test]
    fn the_times_of_a_process_are_read_behind_its_name() {
        assert_eq!(ticks("7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 0 0 20"), Some(175));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn the_filter_goes_and_its_neighbours_stay() {
        let filter = format!(
            "  - name: a\n    c:\n      \"@type\": \"x/{FILTER}\"\n      b:\n        - b\n\n    # more\n"
        );
        let (before, after) = ("f:\n", "  - name: r\n    c: 1\n");
        let without = format!("{before}{after}");
        assert_eq!(without_filter(&format!("{before}{filter}{after}")), Some(without.clone()));
        assert_eq!(without_filter(&without), None);
    }
}
