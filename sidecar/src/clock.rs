//! The time, for what is kept and shown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of the year 9999, the last that RFC 3339 can write.
const LAST_MS: u64 = 253_402_300_799_999;

/// Unix time in milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC, to the millisecond.
pub fn rfc3339(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or(0).min(LAST_MS));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}
