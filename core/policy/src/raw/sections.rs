//! The small objects that the filter reads: metadata, built-in routes, CORS, identity, records.

use super::words::{RawAuditAddress, RawDuration, RawRecords, RawServe, RawSubject};
use crate::bounds;
use crate::form::{Form, Members, Reading};
use crate::reference::*;
use serde_json::Value;

raw! {
    /// `metadata`
    RawMetadata at "metadata" {
        /// Who answers at `/.well-known/oauth-protected-resource`.
        serve: RawServe = both("filter").is_in("sidecar", "filter"),
        /// 401 without a token, as the original did.
        require_token: bool = both("true").is("false"),
    }
}

raw! {
    /// `builtin`
    RawBuiltin at "builtin" {
        /// `/health` and `/health/auth0`.
        health: bool = both("false").is_in("true", "false"),
        /// The documents at `/.well-known/…`.
        metadata: bool = both("false").is("true"),
        /// The webhook's paths.
        webhook: bool = both("false").is_in("true", "false"),
        /// `/ssf/events`, where issuers tell of their users; with `ledger.on`.
        signals: bool = both("false").is_in("true", "false"),
        /// `/`, `/protected`, `/protected/ping`, `/protected/echo` and `/writer-only`.
        demo_routes: bool = both("true").is("false"),
        /// `/__test__/echo`, with `demo_routes`.
        test_routes: bool = both("true").is("false"),
        /// What the demo's routes for reading need.
        read_scopes: Vec<String> = filter("[read]").count(bounds::SOME).text(SCOPE).is("[\"tool:read\"]"),
        /// What the demo's routes for writing need.
        write_scopes: Vec<String> = filter("[write]").count(bounds::SOME).text(SCOPE).is("[\"tool:write\"]"),
    }
}

raw! {
    /// `cors`
    RawCors at "cors" {
        /// Exact origins, or `*` alone.
        origins: Vec<String> = both("[\"https://app.example.com\"]").text(ORIGIN).is("[]"),
        /// Whether pages may send cookies; not with `*`.
        credentials: bool = filter("true").is("false"),
    }
}

raw! {
    /// `identity`
    RawIdentity at "identity" {
        /// Where the upstream finds the user: `X-…`, or a name with `user`, `account`, `principal` … in it.
        user_header: String = both("X-Acme-User").text(HEADER).is("X-User-Id"),
        /// Where it finds the tenant.
        tenant_header: String = filter("X-Acme-Tenant").text(HEADER).is("X-Tenant-Id"),
        /// Where it finds the agent, by its name in this policy.
        agent_header: String = filter("X-Acme-Agent").text(HEADER),
        /// Where it finds the client, by its id.
        client_header: String = filter("X-Acme-Client").text(HEADER),
        /// Where it finds the user's groups: percent-encoded, with commas between; absent where nobody knows
        /// them.
        groups_header: String = filter("X-Acme-Groups").text(HEADER),
        /// A query parameter for the user, too.
        user_query: String = filter("userId").text(QUERY),
    }
}

raw! {
    /// `audit`
    RawAudit at "audit" {
        /// `hash`: records have a keyed hash instead of the user.
        subject: RawSubject = filter("hash").is("plain"),
        /// The client's address in records: `full`, its `network` (/24, or /48 of IPv6), or `none`.
        address: RawAuditAddress = filter("network").is("none"),
        /// Where the records go: a file in the sidecar's folder, which a ledger reads unless they are posted,
        /// Envoy's standard output, or both.
        to: Vec<RawRecords> = own("[file, stdout]").count(bounds::SOME).is("[file]"),
        /// While nothing can be added to the audit log, routes that aren't public answer 503.
        required: bool = filter("true").is("false"),
        /// Whether there is an audit log next to the ledger, which a stranger can check ([how](audit.md)).
        log: bool = own("true").is("false"),
        /// The file with the key that signs it, by default `audit.key` in the sidecar's folder; sidecars that
        /// share a ledger share the key. It is made where it is absent.
        key_file: String = own("/run/secrets/audit.key").text(FILE),
        /// How often it is signed.
        checkpoint: RawDuration = own("10s").within(bounds::AUDIT_CHECKPOINT_MS).is("1s"),
        /// How long a leaf is kept.
        keep: RawDuration = own("3650d").within(bounds::AUDIT_KEEP_MS).is("400d"),
        /// Witnesses (C2SP tlog-witness) that sign each checkpoint, too, by their submission prefix.
        witness: Vec<String> = own("[\"https://witness.example.com/w1\"]").count(bounds::WITNESSES)
            .text(URL).is("[]"),
    }
}
