//! Limits over machines: a caller and the rules that apply in, one question to a rate limit service out; its
//! answer in, what the limits come to out. The question and the answer are `envoy.service.ratelimit.v3`
//! messages, of which these fields matter:
//!
//! ```text
//! RateLimitRequest {
//!     domain = 1, descriptors = 2: [{ entries = 1: [{ key = 1, value = 2 }] }], hits_addend = 3
//! }
//! RateLimitResponse {
//!     overall_code = 1,
//!     statuses = 2: [{
//!         code = 1, current_limit = 2, limit_remaining = 3, duration_until_reset = 4 { seconds = 1 }
//!     }],
//!     response_headers_to_add = 3: [{ key = 1, value = 2 }]
//! }
//! ```
//!
//! Each rule is a descriptor of one entry: the rule's name, and a hash of issuer and user (or tenant), so
//! that the service, and anyone who reads its store, learns nobody's name. Where there are several, one of
//! all entries goes before them: Limitador's limits can't look further than the first, and
//! envoyproxy/ratelimit finds no limit for that one.

use super::{LimitState, applies};
use crate::config::policy::{Issuer, LimitKey, LimitService, Policy, RateLimit, Route, SharedLimit};
use crate::principal::Principal;
use crate::protobuf::{self, Field};
use sha2::{Digest as _, Sha256};

/// The service's name on the wire.
pub const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";
/// Its one method.
pub const METHOD: &str = "ShouldRateLimit";
/// Longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;
/// Most hits of one question: a batch has no more calls than its body has room for, and a service may add
/// them up in 32 bits.
const MAX_HITS: u32 = 1_000_000;

/// What the service is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitRequest {
    /// A `RateLimitRequest`.
    pub message: Vec<u8>,
}

/// What it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateLimitResponse {
    /// It counted.
    Said {
        /// Whether one limit is exceeded.
        over: bool,
        /// What it said of each, where it says so.
        limits: Vec<Said>,
        /// Seconds until more may pass, where it said that in a header.
        reset_s: Option<u64>,
    },
    /// Nothing that can be used: it is away, too slow, or isn't a rate limit service.
    Nothing,
}

/// What it said of one limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// It has such a limit.
    known: bool,
    over: bool,
    remaining: u32,
    reset_s: u64,
}

/// What the limits over machines come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Within all of them; the one with the fewest requests left, where the service told.
    Within(Option<LimitState>),
    /// Over this one.
    Over(LimitState),
    /// The service is away, and a limit says that nothing passes without it.
    Away,
}

/// One limit that applies to a request.
struct Applied<'a> {
    rule: &'a RateLimit,
    shared: &'a SharedLimit,
    /// `None`: several issuers name the same user.
    issuer: Option<&'a Issuer>,
    /// The user or tenant, as the issuer names it.
    subject: &'a str,
    hits: u32,
}

/// What the service is to be asked about a caller; `None`: nothing. `weight` as with
/// [`super::Counters::count_caller`].
pub fn question(
    policy: &Policy,
    route: &Route,
    caller: &Principal,
    weight: &dyn Fn(&RateLimit) -> u32,
) -> Option<RateLimitRequest> {
    let service = policy.limit_service.as_ref()?;
    let applied = applied(policy, route, caller, weight);
    (!applied.is_empty()).then(|| write(service, &applied))
}

/// Judges a caller's limits over machines by what the service has answered.
pub fn judge(
    policy: &Policy,
    route: &Route,
    caller: &Principal,
    weight: &dyn Fn(&RateLimit) -> u32,
    answer: &RateLimitResponse,
) -> Verdict {
    let applied = applied(policy, route, caller, weight);
    match answer {
        RateLimitResponse::Said { over, limits, reset_s } => said(&applied, *over, limits, *reset_s),
        RateLimitResponse::Nothing if applied.iter().all(|a| a.shared.passes_without) => {
            Verdict::Within(None)
        }
        RateLimitResponse::Nothing => Verdict::Away,
    }
}

fn applied<'a>(
    policy: &'a Policy,
    route: &Route,
    caller: &'a Principal,
    weight: &dyn Fn(&RateLimit) -> u32,
) -> Vec<Applied<'a>> {
    policy.rate_limits.iter().filter_map(|rule| apply(policy, rule, route, caller, weight)).collect()
}

fn apply<'a>(
    policy: &'a Policy,
    rule: &'a RateLimit,
    route: &Route,
    caller: &'a Principal,
    weight: &dyn Fn(&RateLimit) -> u32,
) -> Option<Applied<'a>> {
    let shared = rule.shared.as_ref().filter(|_| applies(rule, route))?;
    let subject = match rule.by {
        LimitKey::User => caller.user(),
        LimitKey::Tenant => caller.tenant()?,
        LimitKey::Address { .. } => return None,
    };
    let hits = weight(rule).min(MAX_HITS);
    let id = if matches!(rule.by, LimitKey::User) { caller.user_issuer() } else { Some(caller.issuer()) };
    let issuer = match id {
        Some(id) => Some(policy.issuers.get(id.0)?),
        None => None,
    };
    // Another gateway may prefix the issuer's users otherwise.
    let prefix = issuer.map(|issuer| issuer.user_prefix.as_str()).unwrap_or_default();
    let subject = subject.strip_prefix(prefix).unwrap_or(subject);
    (hits > 0).then_some(Applied { rule, shared, issuer, subject, hits })
}

/// The same for every gateway that trusts the issuer, and for no other user.
fn key(limit: &Applied<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(limit.issuer.map(|issuer| issuer.issuer.trim_end_matches('/')).unwrap_or_default());
    hash.update([0]);
    hash.update(limit.subject);
    let digest = hash.finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn write(service: &LimitService, applied: &[Applied<'_>]) -> RateLimitRequest {
    let mut message = Vec::with_capacity(64 + 128 * applied.len());
    protobuf::bytes(&mut message, 1, service.domain.as_bytes());
    let entry = |limit: &Applied<'_>| {
        let mut entry = Vec::new();
        protobuf::bytes(&mut entry, 1, limit.shared.name.as_bytes());
        protobuf::bytes(&mut entry, 2, key(limit).as_bytes());
        let mut descriptor = Vec::new();
        protobuf::bytes(&mut descriptor, 1, &entry);
        descriptor
    };
    let each: Vec<Vec<u8>> = applied.iter().map(entry).collect();
    // The entries of a descriptor follow one another.
    let all = each.concat();
    for descriptor in Some(all).filter(|_| each.len() > 1).iter().chain(&each) {
        protobuf::bytes(&mut message, 2, descriptor);
    }
    // The protocol that all services speak adds one number to all limits: of a batch, the greatest, so that
    // no limit counts too little.
    let hits = applied.iter().map(|limit| limit.hits).max().unwrap_or(1);
    protobuf::number(&mut message, 3, u64::from(hits));
    RateLimitRequest { message }
}

fn said(applied: &[Applied<'_>], over: bool, limits: &[Said], reset_s: Option<u64>) -> Verdict {
    let state = |(limit, said): (&Applied<'_>, &Said)| LimitState {
        limit: limit.rule.max,
        window_s: limit.rule.window_ms.div_ceil(1000),
        remaining: if said.over { 0 } else { said.remaining.min(limit.rule.max) },
        reset_s: said.reset_s.clamp(1, limit.rule.window_ms.div_ceil(1000).max(1)),
    };
    // Those who tell of limits tell of each descriptor, in the order of the question.
    let before = usize::from(applied.len() > 1);
    let tells_each = limits.len() == applied.len() + before;
    let told = if tells_each { limits.get(before..).unwrap_or_default() } else { &[] };
    // What it doesn't know it doesn't count, and who tells of other limits has counted nobody knows what: as
    // good as away.
    let is_counted = |at: usize| told.get(at).map_or(limits.is_empty(), |said| said.known);
    let uncounted = |(at, limit): (usize, &Applied<'_>)| !is_counted(at) && !limit.shared.passes_without;
    if !over && applied.iter().enumerate().any(uncounted) {
        return Verdict::Away;
    }
    let tightest = applied
        .iter()
        .zip(told)
        .filter(|(_, said)| said.known && said.over == over)
        .map(state)
        .min_by_key(LimitState::tightness);
    if !over {
        return Verdict::Within(tightest);
    }
    Verdict::Over(tightest.unwrap_or_else(|| {
        // It doesn't say which; the first is shown.
        let (max, window_ms) =
            applied.first().map_or((0, 1_000), |limit| (limit.rule.max, limit.rule.window_ms));
        let window_s = window_ms.div_ceil(1000).max(1);
        LimitState {
            limit: max,
            window_s,
            remaining: 0,
            reset_s: reset_s.unwrap_or(window_s).clamp(1, window_s),
        }
    }))
}

impl RateLimitResponse {
    /// Reads a `RateLimitResponse`. What isn't one, or doesn't decide, says nothing.
    pub fn read(message: &[u8]) -> Self {
        Self::parse(message).unwrap_or(Self::Nothing)
    }

    fn parse(message: &[u8]) -> Option<Self> {
        let (mut code, mut limits, mut reset_s) = (0, Vec::new(), None);
        for field in protobuf::fields(message) {
            match field? {
                (1, Field::Number(number)) => code = number,
                (2, Field::Bytes(status)) => limits.push(read_status(status)?),
                (3, Field::Bytes(header)) => reset_s = read_reset(header)?.or(reset_s),
                _ => {}
            }
        }
        // OK = 1, OVER_LIMIT = 2.
        matches!(code, 1 | 2).then_some(Self::Said { over: code == 2, limits, reset_s })
    }
}

fn read_status(status: &[u8]) -> Option<Said> {
    let mut said = Said::default();
    for field in protobuf::fields(status) {
        match field? {
            (1, Field::Number(code)) => said.over = code == 2,
            (2, Field::Bytes(_)) => said.known = true,
            (3, Field::Number(left)) => said.remaining = u32::try_from(left).unwrap_or(u32::MAX),
            (4, Field::Bytes(duration)) => {
                for field in protobuf::fields(duration) {
                    if let (1, Field::Number(seconds)) = field? {
                        said.reset_s = seconds;
                    }
                }
            }
            _ => {}
        }
    }
    Some(said)
}

/// Limitador tells by headers what others tell by statuses.
fn read_reset(header: &[u8]) -> Option<Option<u64>> {
    let (mut name, mut value) = (&b""[..], &b""[..]);
    for field in protobuf::fields(header) {
        match field? {
            (1, Field::Bytes(bytes)) => name = bytes,
            (2, Field::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    let is_reset = name.eq_ignore_ascii_case(b"x-ratelimit-reset");
    Some(std::str::from_utf8(value).ok().filter(|_| is_reset).and_then(|value| value.trim().parse().ok()))
}
