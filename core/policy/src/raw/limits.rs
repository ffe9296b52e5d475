//! One of `rate_limits`, and the service that counts those over machines.

use super::words::{RawBy, RawDuration, RawFailureMode, RawLimitScope, RawOn};
use crate::bounds;
use crate::form::{Form, Members, Reading};
use crate::reference::*;
use serde_json::Value;

raw! {
    /// `rate_limits[]`
    RawRateLimit at "rate_limits[]" {
        /// Whose requests are counted together.
        by: RawBy = filter("user").required(),
        /// Requests in a window.
        max: u64 = filter("60").within(bounds::REQUESTS).required_or("RATE_LIMIT_MAX"),
        /// The window.
        window: RawDuration = filter("60s").within(bounds::WINDOW_MS).required_or("RATE_LIMIT_WINDOW_MS"),
        /// Of an address: all requests, or failed sign-ins alone (`failures`).
        on: RawOn = filter("failures").means("`all`"),
        /// Address ranges that aren't counted.
        except: Vec<String> = filter("[203.0.113.0/24]").text(RANGE),
        /// Only the routes with this path.
        route: String = filter("/v1/admin/*").text(PATTERN).means("all"),
        /// Only calls of these tools.
        tools: Vec<String> = filter("[purge]").count(bounds::SOME).text(plain(1_024)).means("all"),
        /// `global`: over machines, by the `rate_limit_service`.
        scope: RawLimitScope = filter("global").means("this gateway"),
        /// While the service is away, requests pass or don't.
        failure_mode: RawFailureMode = filter("allow").means("required with `scope: global`"),
    }
}

raw! {
    /// `rate_limit_service`
    RawRateLimitService at "rate_limit_service" {
        /// Where it is.
        url: String = own("http://ratelimit:8081").text(BASE_URL)
            .means("required where `cluster` isn't there"),
        /// The Envoy cluster to ask through; a mesh has to name one.
        cluster: String = both("\"outbound|8081||ratelimit.limits.svc.cluster.local\"").text(CLUSTER)
            .means("made by `render`"),
        /// Under which the service knows the limits.
        domain: String = filter("agents").text(CLUSTER).is("gatewaystack"),
        /// How long an answer may take.
        timeout: RawDuration = filter("50ms").within(bounds::SERVICE_TIMEOUT_MS).is("100ms"),
    }
}
