//! Limits, and who counts those over machines.

use super::parts::{HttpUrl, Pattern};

/// Requests a minute and user, where a policy says nothing of limits.
pub const USER_MAX: u32 = 600;
/// Failed authentications a minute and address.
pub const FAILURES_MAX: u32 = 300;

/// One limit.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// Whose requests are counted together.
    pub by: LimitKey,
    /// Requests per window.
    pub max: u32,
    /// Window in milliseconds.
    pub window_ms: u64,
    /// Only requests of the routes with this path pattern.
    pub route: Option<Pattern>,
    /// Only calls of these tools.
    pub tools: Option<Vec<String>>,
    /// Hash of the rule, part of its counters' keys.
    pub id: u64,
    /// Whether it counts over machines: by the service.
    pub shared: Option<SharedLimit>,
}

/// A limit that a rate limit service counts for all gateways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedLimit {
    /// What the service knows it by: `user-10000-per-1h`.
    pub name: String,
    /// Whether requests pass while the service is away (`failure_mode: allow`).
    pub passes_without: bool,
}

/// A rate limit service (`envoy.service.ratelimit.v3.RateLimitService`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitService {
    /// The Envoy cluster to ask through.
    pub cluster: String,
    /// (own) Where it is.
    pub url: Option<HttpUrl>,
    /// The domain under which it knows our limits.
    pub domain: String,
    /// How long an answer may take, in milliseconds.
    pub timeout_ms: u64,
}

/// Whose requests a limit counts together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitKey {
    /// Issuer and user.
    User,
    /// Issuer and tenant.
    Tenant,
    /// The client's address.
    Address {
        /// Only failed authentications count (`on: failures`); else every request.
        failures_only: bool,
        /// Address ranges that are never counted.
        except: Vec<AddressRange>,
    },
}

/// An address range in CIDR form; IPv4 is kept as IPv4-mapped IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRange {
    /// The first address.
    pub base: std::net::IpAddr,
    /// Number of leading bits that must agree.
    pub prefix: u8,
}
