//! The rate limit: a bucket that starts full, is refilled at each full second, and never holds more than the burst ("Rate Limit Use
//! Cases: Requests per second example"). `x-ratelimit-reset` is that next full second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub struct Bucket {
    burst: u32,
    per_second: u32,
    left: u32,
    second: u64,
}

impl Bucket {
    pub fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second, left: burst, second: 0 }
    }

    /// Whether one more call is allowed.
    pub fn take(&mut self, now: SystemTime) -> bool {
        let second = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let refills = u32::try_from(second.saturating_sub(self.second)).unwrap_or(u32::MAX);
        self.second = self.second.max(second);
        self.left = self.burst.min(self.left.saturating_add(refills.saturating_mul(self.per_second)));
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }

    /// The headers after the last call.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("x-ratelimit-limit", self.burst.to_string()),
            ("x-ratelimit-remaining", self.left.to_string()),
            ("x-ratelimit-reset", (self.second + 1).to_string()),
        ]
    }
}
