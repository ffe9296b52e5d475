//! `rate_limit_service`: who counts the limits over machines, and how it is reached.

use super::common::Errors;
use super::routes;
use crate::bounds;
use crate::policy::LimitService;
use crate::raw::{RawPolicy, RawRateLimitService};
use crate::values::{duration, name};
use gatewaystack_text::hash;

/// What its name is in the service's own configuration where the policy says nothing.
const DOMAIN: &str = "gatewaystack";
/// How long a request is held for an answer where the policy says nothing.
const TIMEOUT_MS: u64 = 100;

/// Compiles `rate_limit_service`; a limit over machines needs one.
pub fn compile(raw: &RawPolicy, errors: &mut Errors) -> Option<LimitService> {
    let Some(section) = &raw.rate_limit_service else {
        let shared = raw.rate_limits.iter().flatten().position(|rule| rule.scope.is_some());
        if let Some(at) = shared {
            errors.push(
                format!("rate_limits[{at}].scope"),
                "needs `rate_limit_service`, with the url of one (or, in a mesh, its cluster)",
            );
        }
        return None;
    };
    Some(service(section, errors))
}

fn service(raw: &RawRateLimitService, errors: &mut Errors) -> LimitService {
    let url =
        raw.url.as_ref().and_then(|text| errors.keep("rate_limit_service.url", routes::upstream_url(text)));
    let cluster = match (&raw.cluster, &url) {
        (Some(cluster), _) => {
            errors.keep("rate_limit_service.cluster", name::check_cluster(cluster));
            cluster.clone()
        }
        // As with an issuer's: the name tells the place.
        (None, Some(url)) => {
            let place = [&[u8::from(url.tls)], url.host.as_bytes(), &url.port.to_le_bytes()];
            format!("gatewaystack_limits_{:016x}", hash::fnv1a(&place))
        }
        (None, None) => {
            if raw.url.is_none() {
                errors.push(
                    "rate_limit_service",
                    "expected the service's url, such as http://ratelimit:8081 (or, in a mesh, its cluster)",
                );
            }
            String::new()
        }
    };
    let domain = raw.domain.clone().unwrap_or_else(|| DOMAIN.to_owned());
    errors.keep("rate_limit_service.domain", name::check_cluster(&domain));
    let timeout = raw.timeout.as_ref().and_then(|timeout| {
        errors.keep("rate_limit_service.timeout", duration::within(&timeout.0, bounds::SERVICE_TIMEOUT_MS))
    });
    LimitService { cluster, url, domain, timeout_ms: timeout.unwrap_or(TIMEOUT_MS) }
}
