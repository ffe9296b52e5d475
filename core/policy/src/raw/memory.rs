//! What is remembered of decisions, and what comes back of it: `ledger`, `telemetry` and `feed`.

use super::words::{RawDuration, RawOnStale, RawSize, RawStore};
use crate::bounds;
use crate::form::{Form, Members, Reading};
use crate::reference::*;
use serde_json::Value;

raw! {
    /// `ledger`
    RawLedger at "ledger" {
        /// Whether there is one; it is also what blocks are kept in.
        on: bool = both("true").is("false"),
        /// Where it is: `sqlite`, a file in the sidecar's folder, or `postgres`, which several sidecars
        /// share.
        store: RawStore = own("postgres").means("`sqlite`"),
        /// The file that has the URL of PostgreSQL, `postgres://user:password@host:5432/database`. Other
        /// machines are reached over TLS, unless the URL says `sslmode=disable`.
        url_file: String = own("/run/secrets/ledger-url").text(FILE),
        /// The Envoy cluster of the sidecar to which the filter posts the records, where it has no file in
        /// common with it ([how](records.md#how-records-arrive)).
        cluster: String = filter("ledger").text(CLUSTER)
            .means("`sidecar.cluster`; where there is none either, the sidecar reads them from the file"),
        /// The sidecar's port for records by OTLP, from Envoy's own logger or a collector
        /// ([how](records.md#by-otlp)).
        otlp_port: u64 = own("4317").within(bounds::OTLP_PORT).means("none"),
        /// How long a record is kept.
        keep: RawDuration = own("90d").within(bounds::LEDGER_KEEP_MS).is("30d"),
        /// What the ledger may take on the disk (in PostgreSQL, about what its records may take); the oldest
        /// records go first.
        max_bytes: RawSize = own("\"512MiB\"").within(bounds::LEDGER_BYTES).is("4GiB"),
    }
}

raw! {
    /// `feed`
    RawFeed at "feed" {
        /// The Envoy cluster of the sidecar.
        cluster: String = filter("ledger").text(CLUSTER)
            .means("`sidecar.cluster`, else the own one's, where `ledger.on`; else there is no feed"),
        /// How often the sidecar is asked.
        interval: RawDuration = filter("500ms").within(bounds::FEED_INTERVAL_MS).is("1s"),
        /// How long the last answer is enough, while there is no newer one.
        max_stale: RawDuration = filter("10m").within(bounds::FEED_MAX_STALE_MS).is("1h"),
        /// After that, or where there never was an answer: `keep` goes on with what is known, `deny` refuses
        /// with 503.
        on_stale: RawOnStale = filter("deny").is("keep"),
    }
}

raw! {
    /// `telemetry`
    RawTelemetry at "telemetry" {
        /// A collector that takes OTLP over HTTP: metrics go to `/v1/metrics` below it each 15 seconds, and
        /// spans to `/v1/traces`.
        otlp: String = both("\"http://collector:4318\"").text(URL),
    }
}
