//! Load by `wrk`. In: a URL, a token and a time. Out: requests, throughput and latencies; an error when any answer wasn't a success.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, bail};

use crate::run::output;

/// What wrk measured.
#[derive(Debug, PartialEq)]
pub struct Load {
    pub requests: u64,
    pub rps: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// 16 connections from one thread: enough to keep one Envoy worker busy.
pub fn run(url: &str, bearer: &str, time: Duration) -> Result<Load> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c16", "--latency", &format!("-d{}s", time.as_secs())]);
    // Not in the error of a failure: the header holds a token.
    command.args(["-H", &format!("Authorization: {bearer}"), url]);
    let said = output(&mut command).map_err(|_| anyhow::anyhow!("wrk failed"))?;
    if let Some(bad) = said.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors")) {
        bail!("not every answer was a success: {}", bad.trim());
    }
    parse(&said).with_context(|| format!("wrk said something else than expected: {said}"))
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
    use super::{Load, parse};

    const SAID: &str = "Running 2s test @ http://127.0.0.1:1/\n  1 threads and 16 connections\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency     1.50ms  300.00us  10.00ms   90.00%\n  Latency Distribution\n     50%  950.00us\n     75%    1.20ms\n     90%    2.00ms\n     99%    1.01s \n  21000 requests in 2.00s, 5.00MB read\nRequests/sec:  10500.25\nTransfer/sec:      2.50MB\n";

    #[test]
    fn what_wrk_says_is_read_with_its_units() {
        let expect = Load { requests: 21_000, rps: 10_500.25, p50_us: 950.0, p99_us: 1_010_000.0 };
        assert_eq!(parse(SAID), Some(expect));
        assert_eq!(parse("unable to connect"), None);
    }
}
