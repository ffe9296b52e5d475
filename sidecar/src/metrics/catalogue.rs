//! All metrics of the sidecar. `docs/telemetry.md` has the same list, and a test compares them.

use super::definition::{Definition, Kind, Label};

/// Upper bounds as OpenTelemetry advises them for HTTP servers, in microseconds. What was counted lies in the
/// ledger by these: to change them, add a step to its schema.
pub const HTTP_BOUNDS: [i64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000,
    5_000_000, 7_500_000, 10_000_000,
];
/// The same for operations of MCP.
pub const MCP_BOUNDS: [i64; 14] = [
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

const ROUTE: Label = ("route", "route");
const TOOL: Label = ("tool", "tool");
const DECISION: Label = ("decision", "decision");
const REASON: Label = ("reason", "reason");
const AGENT: Label = ("agent", "agent");
const RESULT: Label = ("result", "result");

macro_rules! metrics {
    ($($constant:ident: $kind:expr, $name:literal $(as $convention:literal)?, [$($label:expr),*], $help:literal;)*) => {
        $(pub const $constant: Definition = Definition {
            name: $name,
            convention: metrics!(@ $($convention)?),
            kind: $kind,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All of them.
        pub const ALL: &[&Definition] = &[$(&$constant),*];
    };
    (@) => { None };
    (@ $convention:literal) => { Some($convention) };
}

metrics! {
    REQUESTS: Kind::Counter, "gatewaystack_requests_total", [ROUTE, DECISION, REASON, AGENT],
        "Requests in the ledger.";
    TOOL_CALLS: Kind::Counter, "gatewaystack_tool_calls_total", [ROUTE, TOOL, DECISION],
        "Calls of MCP tools in the ledger, allowed and refused; a batch with such calls is one.";
    REQUEST_DURATION: Kind::Histogram(&HTTP_BOUNDS), "gatewaystack_request_duration_seconds", [ROUTE],
        "From when a request reached the filter to when its exchange was over, in seconds: with the upstream's time, and with the time that a stream stayed open.";
    MCP_DURATION: Kind::Histogram(&MCP_BOUNDS),
        "mcp_server_operation_duration_seconds" as "mcp.server.operation.duration",
        [("mcp_method_name", "mcp.method.name"), ("gen_ai_tool_name", "gen_ai.tool.name"), ("error_type", "error.type")],
        "The same for MCP requests, in seconds. error_type is the reason of a refusal, else the status of an error.";
    LEDGER_RECORDS: Kind::Counter, "gatewaystack_ledger_records_total", [], "Records that the ledger took in.";
    LEDGER_IGNORED: Kind::Counter, "gatewaystack_ledger_ignored_lines_total", [],
        "Lines that were no records, of the file or posted.";
    LEDGER_GAPS: Kind::Counter, "gatewaystack_ledger_gaps_total", [],
        "Ranges of records that are missing: they were lost.";
    LEDGER_LAG: Kind::Gauge, "gatewaystack_ledger_lag_seconds", [],
        "Seconds since all records that there were had been read.";
    LEDGER_WRITABLE: Kind::Gauge, "gatewaystack_ledger_writable", [],
        "1 while the ledger can be written, else 0.";
    FEED_AGE: Kind::Gauge, "gatewaystack_feed_age_seconds", [],
        "Seconds since the filter last asked who is blocked, as the sidecar sees it; from the first question on.";
    AUDIT_WRITABLE: Kind::Gauge, "gatewaystack_audit_writable", [], "1 while the audit log can be written, else 0.";
    AUDIT_SIZE: Kind::Gauge, "gatewaystack_audit_size", [], "Leaves that the last checkpoint of the audit log covers.";
    AUDIT_CHECKPOINT_INFO: Kind::Gauge, "gatewaystack_audit_checkpoint_info",
        [("origin", "origin"), ("size", "size"), ("root", "root")],
        "Always 1: the last checkpoint of the audit log; whoever keeps these values holds a part of the proof.";
    WEBHOOK_EVENTS: Kind::Counter, "gatewaystack_webhook_events_total", [RESULT], "Events of Auth0's log stream.";
    WEBHOOK_BODIES: Kind::Counter, "gatewaystack_webhook_bodies_total", [RESULT], "Bodies that the webhook got.";
    RECORD_POSTS: Kind::Counter, "gatewaystack_record_posts_total", [RESULT],
        "Batches of records, posted or by OTLP: taken, refused (posted ones), or to be sent again.";
    SIGNALS: Kind::Counter, "gatewaystack_signals_total", [RESULT], "Security events that issuers sent.";
    PROMOTIONS: Kind::Counter, "gatewaystack_promotions_total", [RESULT], "Promotions of clients, and tries.";
    AUTH0_CALLS: Kind::Counter, "gatewaystack_auth0_calls_total", [("status", "status")],
        "Calls of Auth0's Management API.";
    WEBHOOK_QUEUE: Kind::Gauge, "gatewaystack_webhook_queue_depth", [], "Registrations that wait for promotion.";
    WEBHOOK_PARKED: Kind::Gauge, "gatewaystack_webhook_parked", [], "Registrations that wait for an operator.";
    OTLP_PUSHES: Kind::Counter, "gatewaystack_otlp_pushes_total", [RESULT],
        "Pushes of metrics: sent, or failed.";
    BUILD_INFO: Kind::Gauge, "gatewaystack_build_info", [("version", "version"), ("commit", "commit")],
        "Always 1: the version of the sidecar, and COMMIT_SHA.";
    POLICY_INFO: Kind::Gauge, "gatewaystack_policy_info", [("revision", "revision"), ("mode", "mode")],
        "Always 1: the policy that the sidecar has, by the revision in its records.";
}
