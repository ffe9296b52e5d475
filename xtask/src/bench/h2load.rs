//! Load over HTTP/2 without TLS by `h2load`. In: a URL, headers, a time, the expected status. Out: requests,
//! throughput and latencies; an error when any answer had another status.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};

use super::sample::Load;
use crate::run::output;

/// Streams at once on a connection.
const STREAMS: u32 = 4;

/// As many requests at once as `in_flight`. `log` is a file for what h2load tells of each answer.
pub fn run(
    url: &str,
    headers: &[String],
    in_flight: u32,
    log: &Path,
    time: Duration,
    status: u16,
) -> Result<Load> {
    // h2load adds to it.
    fs::write(log, "").with_context(|| format!("can't write {}", log.display()))?;
    let mut command = Command::new("h2load");
    command.args(["-t1", &format!("-c{}", in_flight / STREAMS), &format!("-m{STREAMS}")]);
    command.arg(format!("-D{}", time.as_secs())).arg(format!("--log-file={}", log.display()));
    headers.iter().for_each(|header| {
        command.args(["-H", header]);
    });
    // Not the command in the error of a failure: a header holds a token.
    let said = output(command.arg(url)).map_err(|_| anyhow!("h2load failed"))?;
    ensure!(succeeded(&said), "not every request had an answer: {said}");
    let answers = fs::read_to_string(log).with_context(|| format!("can't read {}", log.display()))?;
    load(&answers, time, status)
}

/// `requests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout`
fn succeeded(said: &str) -> bool {
    let line = said.lines().find(|line| line.starts_with("requests: "));
    line.is_some_and(|line| {
        [" 0 failed", " 0 errored", " 0 timeout"]
            .iter()
            .all(|part| line.split(',').any(|found| found == *part))
    })
}

/// A line an answer: when it was asked for in µs, its status, how long it took in µs.
fn load(answers: &str, time: Duration, status: u16) -> Result<Load> {
    let expected = status.to_string();
    let mut times = Vec::new();
    for line in answers.lines() {
        let mut fields = line.split_whitespace().skip(1);
        let found = fields.next().unwrap_or_default();
        ensure!(found == expected, "not every answer had the status {status}: {found}");
        let time: u32 =
            fields.next().and_then(|time| time.parse().ok()).context("h2load's log has another form")?;
        times.push(time);
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().map(f64::from);
    let (p50_us, p99_us) = at(50).zip(at(99)).context("h2load had no answer")?;
    let requests = u64::try_from(times.len())?;
    Ok(Load { requests, rps: requests as f64 / time.as_secs_f64(), p50_us, p99_us })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Load, load, succeeded};

    #[test]
    fn the_log_gives_times_and_statuses() {
        let log: String = (1..=100).map(|n| format!("1700000000000000\t200\t{}\n", 1000 - n)).collect();
        let found = load(&log, Duration::from_secs(2), 200).unwrap();
        assert_eq!(found, Load { requests: 100, rps: 50.0, p50_us: 950.0, p99_us: 999.0 });
    }

    #[test]
    fn another_status_or_none_is_an_error() {
        let check = |log: &str| assert!(load(log, Duration::from_secs(1), 200).is_err(), "{log}");
        check("1\t200\t5\n2\t429\t5\n");
        check("1\t-1\t5\n");
        check("1\t200\n");
        check("");
    }

    #[test]
    fn a_request_without_an_answer_is_seen() {
        let said = "finished in 1.00s\nrequests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout\n";
        assert!(succeeded(said));
        assert!(!succeeded(&said.replace(" 0 failed", " 10 failed")));
        assert!(!succeeded(""));
    }
}
