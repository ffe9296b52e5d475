//! What a policy's numbers, durations and lists may be at least and at most. `compile` holds a policy to it,
//! and `raw` tells it to the reference and to the schema.

/// At least and at most; both may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<T = u64> {
    /// At least.
    pub least: T,
    /// At most.
    pub most: T,
}

impl Span {
    /// Whether `value` is one of these.
    #[inline(always)]
    pub fn takes(self, value: u64) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

const fn span(least: u64, most: u64) -> Span {
    Span { least, most }
}

const fn up_to(most: usize) -> Span<usize> {
    Span { least: 0, most }
}

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
const MIB: u64 = 1_048_576;

// Numbers.

/// The form's version.
pub const VERSION: Span = span(1, 1);
/// Ports; 0 is any free one.
pub const PORT: Span = span(0, 65_535);
/// A port that others have to know.
pub const OTLP_PORT: Span = span(1, 65_535);
/// Proxies in front.
pub const TRUSTED_HOPS: Span = span(0, 32);
/// Connections of one address; 0 is any number.
pub const CONNECTIONS: Span = span(0, 1_000_000);
/// Bytes of a body that is read, and of an answer that is cut down.
pub const BODY_BYTES: Span = span(1_024, 64 * MIB);
/// Bytes of a ledger on the disk.
pub const LEDGER_BYTES: Span = span(MIB, 16_777_216 * MIB);
/// Requests in a window.
pub const REQUESTS: Span = span(1, 4_294_967_295);

// Durations, in milliseconds.

/// Of a body that is read before the request is judged.
pub const BODY_TIMEOUT_MS: Span = span(SECOND, HOUR);
/// To an answer's headers; 0 is for ever.
pub const TIMEOUT_MS: Span = span(0, HOUR);
/// From one fetch of keys to the next.
pub const REFRESH_MS: Span = span(30 * SECOND, HOUR);
/// Of keys that can't be fetched anew: `refresh` at least.
pub const MAX_STALE_MS: Span = span(REFRESH_MS.least, 30 * DAY);
/// By which clocks may differ.
pub const LEEWAY_MS: Span = span(0, 300 * SECOND);
/// Of a limit.
pub const WINDOW_MS: Span = span(100, 30 * DAY);
/// Of an answer of the rate limit service.
pub const SERVICE_TIMEOUT_MS: Span = span(1, 5 * SECOND);
/// Of a record in the ledger.
pub const LEDGER_KEEP_MS: Span = span(60 * SECOND, 3_660 * DAY);
/// From one checkpoint of the audit log to the next.
pub const AUDIT_CHECKPOINT_MS: Span = span(100, HOUR);
/// Of a leaf of the audit log.
pub const AUDIT_KEEP_MS: Span = LEDGER_KEEP_MS;
/// From one question for the feed to the next.
pub const FEED_INTERVAL_MS: Span = span(100, 60 * SECOND);
/// Of a feed that has no newer answer.
pub const FEED_MAX_STALE_MS: Span = span(5 * SECOND, 30 * DAY);

/// Since a caller has signed in.
pub const STEP_UP_MS: Span = span(SECOND, 400 * DAY);

// Lengths of lists.

/// Without any it says nothing, or that nothing is good.
pub const SOME: Span<usize> = Span { least: 1, most: usize::MAX };
/// Trusted issuers.
pub const ISSUERS: Span<usize> = Span { least: 1, most: 100 };
/// Routes.
pub const ROUTES: Span<usize> = up_to(10_000);
/// Rules by tool, by prompt or by resource.
pub const RULES: Span<usize> = up_to(10_000);
/// Rules with conditions.
pub const POLICY_RULES: Span<usize> = up_to(2_000);
/// People with more than one account.
pub const LINKS: Span<usize> = up_to(10_000);
/// Agents.
pub const AGENTS: Span<usize> = up_to(10_000);
/// Witnesses of the audit log.
pub const WITNESSES: Span<usize> = up_to(8);
/// Limits.
pub const RATE_LIMITS: Span<usize> = up_to(64);
