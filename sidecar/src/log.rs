//! The log: JSON lines on standard error, which a service manager keeps. Nothing that is logged holds a
//! secret: those have a type of their own.

use tracing_subscriber::filter::LevelFilter;

/// Begins to log at `level` (`LOG_LEVEL`).
pub fn install(level: &str) {
    let level: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_target(false);
    // A second subscriber in one process would be an error; the first one stays.
    drop(lines.with_max_level(level).with_writer(std::io::stderr).try_init());
}
