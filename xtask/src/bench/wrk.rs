//! Load over HTTP/1.1 by `wrk`. In: a URL, a script, a time, the expected status. Out: requests, throughput
//! and latencies; an error when any answer had another status.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, anyhow, bail};

use super::{sample::Load, script::UNEXPECTED};
use crate::run::output;

/// One thread keeps an Envoy worker busy.
pub fn run(url: &str, script: &Path, connections: u32, time: Duration, status: u16) -> Result<Load> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "--latency", &format!("-c{connections}"), &format!("-d{}s", time.as_secs())]);
    let said = output(command.arg("-s").arg(script).arg(url))?;
    if let Some(bad) = complaint(&said, status) {
        bail!("not every answer had the status {status}: {bad}");
    }
    parse(&said)
        .ok_or_else(|| anyhow!("wrk said something else than expected: {said}"))
        .and_then(|load| (load.requests > 0).then_some(load).context("wrk had no answer"))
}

/// What `wrk` says of answers that are none of the expected ones.
fn complaint(said: &str, status: u16) -> Option<&str> {
    let refusals = if status >= 400 { UNEXPECTED } else { "Non-2xx" };
    let is_bad = |line: &&str| {
        line.contains("Socket errors") || line.contains(refusals) && *line != format!("{UNEXPECTED} 0")
    };
    said.lines().map(str::trim).find(is_bad)
}

fn parse(said: &str) -> Option<Load> {
    let lines = || said.lines().map(str::trim);
    let after = |start: &str| lines().find_map(|line| line.strip_prefix(start).map(str::trim));
    let requests = lines().find_map(|line| line.split_once(" requests in ")?.0.parse().ok())?;
    Some(Load {
        requests,
        rps: after("Requests/sec:")?.parse().ok()?,
        p50_us: microseconds(after("50%")?)?,
        p99_us: microseconds(after("99%")?)?,
    })
}

fn microseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<f64>().ok().map(|number| number * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Load, complaint, parse};

    const SAID: &str = "Running 2s test @ http://127.0.0.1:1/\n  1 threads and 16 connections\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency     1.50ms  300.00us  10.00ms   90.00%\n  Latency Distribution\n     50%  950.00us\n     75%    1.20ms\n     90%    2.00ms\n     99%    1.01s \n  21000 requests in 2.00s, 5.00MB read\nRequests/sec:  10500.25\nTransfer/sec:      2.50MB\n";

    #[test]
    fn what_wrk_says_is_read_with_its_units() {
        let expect = Load { requests: 21_000, rps: 10_500.25, p50_us: 950.0, p99_us: 1_010_000.0 };
        assert_eq!(parse(SAID), Some(expect));
        assert_eq!(parse("unable to connect"), None);
    }

    #[test]
    fn an_answer_of_another_status_is_a_complaint() {
        let check = |line: &str, status, is_bad: bool| {
            assert_eq!(complaint(&format!("{SAID}{line}\n"), status).is_some(), is_bad, "{line} {status}");
        };
        check("", 200, false);
        check("  Non-2xx or 3xx responses: 1", 200, true);
        check("  Socket errors: connect 0, read 1, write 0, timeout 0", 200, true);
        check("  Non-2xx or 3xx responses: 21000\nunexpected statuses: 0", 429, false);
        check("  Non-2xx or 3xx responses: 21000\nunexpected statuses: 3", 429, true);
        check("  Socket errors: connect 0, read 1, write 0, timeout 0\nunexpected statuses: 0", 429, true);
    }
}
