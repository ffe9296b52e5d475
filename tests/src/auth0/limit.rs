//! The rate limit: a bucket that starts full, is refilled at each full second, and never holds more than the
//! burst ("Rate Limit Use Cases: Requests per second example"). `x-ratelimit-reset` is that next full second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub struct Bucket {
    burst: u32,
    per_second: u32,
    left: u32,
    second: u64,
    /// Calls that are refused, whatever is left.
    pub refusals: u32,
}

impl Bucket {
    pub fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second, left: burst, second: 0, refusals: 0 }
    }

    /// Whether one more call is allowed.
    pub fn take(&mut self, now: SystemTime) -> bool {
        let second = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let refills = u32::try_from(second.saturating_sub(self.second)).unwrap_or(u32::MAX);
        self.second = self.second.max(second);
        self.left = self.burst.min(self.left.saturating_add(refills.saturating_mul(self.per_second)));
        if self.refusals > 0 {
            self.refusals -= 1;
            self.left = 0;
        }
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

#[test]
fn each_full_second_fills_the_bucket_and_never_over_its_burst() {
    let at = |ms: u64| UNIX_EPOCH + Duration::from_millis(1_790_000_000_000 + ms);
    let mut bucket = Bucket::new(3, 2);
    let mut takes =
        |ms: u64, count: usize| -> Vec<bool> { (0..count).map(|_| bucket.take(at(ms))).collect() };
    assert_eq!(takes(900, 4), [true, true, true, false]);
    assert_eq!(takes(999, 1), [false], "not before the second is full");
    assert_eq!(takes(1_000, 3), [true, true, false]);
    assert_eq!(takes(9_000, 4), [true, true, true, false], "the burst, however long nobody asked");
    assert_eq!(takes(5_000, 1), [false], "a clock that goes back fills nothing");
    let headers = bucket.headers();
    assert_eq!(headers[2], ("x-ratelimit-reset", "1790000010".to_owned()));
}
