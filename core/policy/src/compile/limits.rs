//! Rate limits (contract §6): the policy's rules, or without any 600 requests a minute per user and 300
//! failures per address.

use super::common::Errors;
use crate::bounds;
use crate::overlap;
use crate::policy::limits::{FAILURES_MAX, USER_MAX};
use crate::policy::{AddressRange, LimitKey, Pattern, RateLimit, Route, SharedLimit};
use crate::raw::{RawBy, RawFailureMode, RawOn, RawPolicy, RawRateLimit};
use crate::values::{duration, name, pattern};
use std::net::IpAddr;

/// Windows that every rate limit service counts in, with their names.
const SHARED_WINDOWS: [(u64, &str); 4] =
    [(1_000, "1s"), (60_000, "1m"), (3_600_000, "1h"), (86_400_000, "1d")];

/// Compiles `rate_limits`; `routes` are all, built-in and own.
pub fn compile(raw: &RawPolicy, routes: &[Route], errors: &mut Errors) -> Vec<RateLimit> {
    let Some(list) = &raw.rate_limits else { return defaults() };
    let most = bounds::RATE_LIMITS.most;
    if list.len() > most {
        errors.push("rate_limits", format!("expected at most {most} rules"));
    }
    let mut limits: Vec<RateLimit> = Vec::new();
    for (at, raw) in list.iter().enumerate() {
        let path = format!("rate_limits[{at}]");
        let limit = one(raw, &path, routes, errors);
        let is_same = |other: &RateLimit| {
            other.id == limit.id
                || other.shared.as_ref().zip(limit.shared.as_ref()).is_some_and(|(a, b)| a.name == b.name)
        };
        if let Some(first) = limits.iter().position(is_same) {
            errors.push(
                path,
                format!("says the same as rate_limits[{first}], and would count each request twice"),
            );
        }
        limits.push(limit);
    }
    limits
}

fn defaults() -> Vec<RateLimit> {
    let failures = LimitKey::Address { failures_only: true, except: Vec::new() };
    vec![
        rule(LimitKey::User, USER_MAX, 60_000, None, "", None),
        rule(failures, FAILURES_MAX, 60_000, None, "", None),
    ]
}

fn one(raw: &RawRateLimit, path: &str, routes: &[Route], errors: &mut Errors) -> RateLimit {
    let max = match raw.max {
        Some(max) if bounds::REQUESTS.takes(max) => u32::try_from(max).unwrap_or(u32::MAX),
        Some(_) => {
            errors.push(format!("{path}.max"), "expected a number of requests from 1 to 4294967295");
            1
        }
        None => {
            errors.push(format!("{path}.max"), "required: the number of requests in a window");
            1
        }
    };
    let window_ms = match &raw.window {
        Some(window) => errors.keep(format!("{path}.window"), duration::within(&window.0, bounds::WINDOW_MS)),
        None => {
            errors.push(format!("{path}.window"), "required: a duration such as \"60s\"");
            None
        }
    };
    let (route, name) = route(raw, path, routes, errors).unzip();
    let tools = tools(raw, path, errors);
    let by = key(raw, path, errors);
    let window = window_ms.unwrap_or(60_000);
    let mut rule = rule(by, max, window, route, &name.unwrap_or_default(), tools);
    // A window that is wrong has been told of.
    rule.shared = shared(raw, &rule, window_ms.is_some(), path, errors);
    if rule.shared.is_some() {
        // One that counts here is another.
        rule.id = gatewaystack_text::hash::fnv1a(&[b"shared", &rule.id.to_le_bytes()]);
    }
    rule
}

/// A limit over machines. Its name tells the service's operator what it is; where a part of the requests
/// alone counts, a hash tells it from others.
fn shared(
    raw: &RawRateLimit,
    rule: &RateLimit,
    has_window: bool,
    path: &str,
    errors: &mut Errors,
) -> Option<SharedLimit> {
    if raw.scope.is_none() {
        if raw.failure_mode.is_some() {
            errors.push(format!("{path}.failure_mode"), "belongs to `scope: global` alone");
        }
        return None;
    }
    let by = match rule.by {
        LimitKey::User => "user",
        LimitKey::Tenant => "tenant",
        LimitKey::Address { .. } => {
            errors.push(
                format!("{path}.scope"),
                "belongs to `by: user` and `by: tenant`: addresses are counted by each gateway",
            );
            "address"
        }
    };
    let window = SHARED_WINDOWS.iter().find(|(ms, _)| *ms == rule.window_ms).map(|(_, name)| *name);
    if window.is_none() && has_window {
        errors.push(
            format!("{path}.window"),
            "expected 1s, 1m, 1h or 1d: every rate limit service counts in these",
        );
    }
    if raw.failure_mode.is_none() {
        errors.push(
            format!("{path}.failure_mode"),
            "required: what happens while the rate limit service is away: allow or deny",
        );
    }
    let part = rule.route.is_some() || rule.tools.is_some();
    let part = if part { format!("-{:08x}", rule.id >> 32) } else { String::new() };
    Some(SharedLimit {
        name: format!("{by}-{}-per-{}{part}", rule.max, window.unwrap_or_default()),
        passes_without: raw.failure_mode == Some(RawFailureMode::Allow),
    })
}

fn tools(raw: &RawRateLimit, path: &str, errors: &mut Errors) -> Option<Vec<String>> {
    let list = raw.tools.as_ref()?;
    let path = format!("{path}.tools");
    if raw.by == Some(RawBy::Address) {
        errors.push(
            path.clone(),
            "belongs to `by: user` and `by: tenant`: an address is counted before its call is read",
        );
    }
    if list.is_empty() {
        errors.push(path.clone(), "expected at least one tool; leave it out for all requests");
    }
    for (at, tool) in list.iter().enumerate() {
        errors.keep(format!("{path}[{at}]"), name::check_text(tool, 1_024));
    }
    Some(list.clone())
}

fn key(raw: &RawRateLimit, path: &str, errors: &mut Errors) -> LimitKey {
    let by = match raw.by {
        Some(RawBy::Address) => {
            return LimitKey::Address {
                failures_only: raw.on == Some(RawOn::Failures),
                except: except(raw, path, errors),
            };
        }
        Some(RawBy::User) => LimitKey::User,
        Some(RawBy::Tenant) => LimitKey::Tenant,
        None => {
            errors.push(format!("{path}.by"), "required: user, tenant or address");
            LimitKey::User
        }
    };
    for (member, _) in
        [("on", raw.on.is_some()), ("except", raw.except.is_some())].into_iter().filter(|m| m.1)
    {
        errors.push(format!("{path}.{member}"), "belongs to `by: address` alone");
    }
    by
}

fn except(raw: &RawRateLimit, path: &str, errors: &mut Errors) -> Vec<AddressRange> {
    let list = raw.except.as_deref().unwrap_or_default();
    let mut ranges = Vec::new();
    for (at, text) in list.iter().enumerate() {
        match range(text) {
            Some(range) => ranges.push(range),
            None => errors.push(
                format!("{path}.except[{at}]"),
                "expected an address or a range such as 203.0.113.0/24",
            ),
        }
    }
    ranges
}

/// An address or a CIDR range (RFC 4632 §3.1) whose bits past the prefix are zero.
pub(super) fn range(text: &str) -> Option<AddressRange> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let base: IpAddr = address.parse().ok()?;
    let (bits, value) = match base {
        IpAddr::V4(v4) => (32u8, u128::from(u32::from(v4)) << 96),
        IpAddr::V6(v6) => (128u8, u128::from(v6)),
    };
    let prefix = match prefix {
        Some(p) if p.bytes().all(|b| b.is_ascii_digit()) => p.parse::<u8>().ok().filter(|p| *p <= bits)?,
        Some(_) => return None,
        None => bits,
    };
    (value.checked_shl(u32::from(prefix)).unwrap_or(0) == 0).then_some(AddressRange { base, prefix })
}

fn route(raw: &RawRateLimit, path: &str, routes: &[Route], errors: &mut Errors) -> Option<(Pattern, String)> {
    let text = raw.route.as_ref()?;
    let path = format!("{path}.route");
    if raw.by == Some(RawBy::Address) && raw.on == Some(RawOn::Failures) {
        errors.push(path, "can't be held with `on: failures`, which counts before a route has judged");
        return None;
    }
    let (pattern, name) = errors.keep(path.clone(), pattern::parse(text))?;
    if !routes.iter().any(|r| overlap::covers(&pattern, &r.pattern)) {
        errors.push(
            path,
            "expected the path of one of `routes`, or a pattern that takes in one as a whole, else it limits nothing",
        );
    }
    Some((pattern, name))
}

fn rule(
    by: LimitKey,
    max: u32,
    window_ms: u64,
    route: Option<Pattern>,
    name: &str,
    tools: Option<Vec<String>>,
) -> RateLimit {
    let key = match &by {
        LimitKey::User => b"user".to_vec(),
        LimitKey::Tenant => b"tenant".to_vec(),
        LimitKey::Address { failures_only, except } => {
            let mut key = b"address".to_vec();
            key.push(u8::from(*failures_only));
            for range in except {
                key.extend([u8::from(range.base.is_ipv4()), range.prefix]);
                match range.base {
                    IpAddr::V4(base) => key.extend(base.octets()),
                    IpAddr::V6(base) => key.extend(base.octets()),
                }
            }
            key
        }
    };
    let named = tools.as_ref().map(|tools| tools.join("\n")).unwrap_or_default();
    let id = gatewaystack_text::hash::fnv1a(&[
        &key,
        &max.to_le_bytes(),
        &window_ms.to_le_bytes(),
        name.as_bytes(),
        named.as_bytes(),
    ]);
    RateLimit { by, max, window_ms, route, tools, id, shared: None }
}
