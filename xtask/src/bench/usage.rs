//! What processes cost. In: a process's number. Out: its CPU time and resident memory, from /proc.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;

/// User and system time of the whole process.
pub fn cpu(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).context("a process has ended")?;
    let ticks = ticks(&stat).context("/proc has another form here")?;
    Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
}

pub fn resident_mb(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("a process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb: Option<f64> = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    Ok(kb.context("/proc has another form here")? / 1024.0)
}

/// `utime` and `stime` of /proc/PID/stat (proc(5)); the command's name may hold spaces and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn the_times_of_a_process_are_read_behind_its_name() {
        assert_eq!(ticks("7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 0 0 20"), Some(175));
        assert_eq!(ticks("7 (a"), None);
    }
}
