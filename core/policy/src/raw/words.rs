//! Members that are one of some words, and durations: text in, the word out.

use crate::form::{Form, Reading};
use crate::reference::{Described, Shape};
use serde_json::Value;

words!(/** `mode` */ RawMode { Enforce, Shadow });
words!(/** `verifier` */ RawVerifier { Auto, Native, Portable });
words!(/** `case` */ RawCase { Insensitive, Sensitive });
words!(/** `challenge_scope` */ RawChallengeScope { Operation, All });
words!(/** `metadata.serve` */ RawServe { Sidecar, Filter });
words!(/** `routes[].access` */ RawAccess { Public, Token });
words!(/** `routes[].hides` */ RawHides { Allowed });
words!(/** `routes[].audience` */ RawAudience { Issuer, Strict });
words!(/** `routes[].aliases` */ RawAliases { Allowed, Strict });
words!(/** `routes[].upgrade[]` */ RawUpgrade { Websocket });
words!(/** `rate_limits[].by` */ RawBy { User, Tenant, Address });
words!(/** `rate_limits[].on` */ RawOn { Failures, All });
words!(/** `rate_limits[].scope` */ RawLimitScope { Global });
words!(/** `rate_limits[].failure_mode` */ RawFailureMode { Allow, Deny });
words!(/** `audit.to[]` */ RawRecords { File, Stdout });
words!(/** `feed.on_stale` */ RawOnStale { Keep, Deny });
words!(/** `ledger.store` */ RawStore { Sqlite, Postgres });
words!(/** `audit.address` */ RawAuditAddress { Full, Network, None });
words!(/** `audit.subject` */ RawSubject { Plain, Hash });
words!(/** `mcp.challenge_mode` */ RawChallengeMode { Http, Meta, Auto });
words!(/** `rules[].mode` */ RawRuleMode { Enforce, Watch });
words!(/** `agents.unlisted` */ RawUnlisted { Allow, Deny });
words!(/** `issuers[].user.fold` */ RawFold { Lower });
words!(/** `mcp.sessions` */ RawSessions { Bind, Pass });
words!(/** `mcp.tasks` */ RawTasks { Allow, Deny });
words!(/** `response_filter.on_missing` */ RawOnMissing { Refuse, Keep });

/// A duration as written: `5m`, `500ms`; a bare `0` too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDuration(pub String);

impl Form for RawDuration {
    fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
        measure(value, "a duration such as \"500ms\", \"60s\", \"5m\" or \"24h\"", reading).map(Self)
    }
}

/// A number with its unit, or a bare one.
fn measure(value: &Value, expected: &str, reading: &mut Reading) -> Option<String> {
    if let Value::String(text) = value {
        return Some(text.clone());
    }
    let number = value.as_u64().map(|number| number.to_string());
    if number.is_none() {
        reading.mismatch(value, expected);
    }
    number
}

impl Described for RawDuration {
    const SHAPE: Shape = Shape::Duration;
}

/// A number of bytes as written: `4GiB`, `512MiB`, `65536`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSize(pub String);

impl Form for RawSize {
    fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
        measure(value, "a number of bytes such as 1048576, \"512MiB\" or \"4GiB\"", reading).map(Self)
    }
}

impl Described for RawSize {
    const SHAPE: Shape = Shape::Size;
}

/// A text, a whole number, or `true` or `false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawScalar {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
}

impl Form for RawScalar {
    fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
        let read = match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Bool(flag) => Some(Self::Flag(*flag)),
            Value::Number(number) => number.as_i64().map(Self::Number),
            _ => None,
        };
        if read.is_none() {
            reading.mismatch(value, "a text, a whole number, true or false");
        }
        read
    }
}

impl Described for RawScalar {
    const SHAPE: Shape = Shape::Scalar;
}
