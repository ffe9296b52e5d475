//! `ledger`, `telemetry`, `feed` and the audit log: what the sidecar remembers, where it tells of it, what it
//! tells the filter, and what it proves.

use super::common::Errors;
use crate::bounds;
use crate::policy::{Audit, Feed, HttpUrl, Ledger, OnStale, Records, Store};
use crate::raw::{RawOnStale, RawPolicy, RawStore};
use crate::values::{duration, name, size, url};

/// The cluster that `render` makes for the sidecar.
pub const SIDECAR: &str = "gatewaystack_sidecar";

const DAY_MS: u64 = 86_400_000;

/// Whether there is a ledger.
pub fn is_on(raw: &RawPolicy) -> bool {
    raw.ledger.as_ref().and_then(|ledger| ledger.on).unwrap_or(false)
}

/// Compiles `ledger`.
pub fn ledger(raw: &RawPolicy, records: Records, errors: &mut Errors) -> Option<Ledger> {
    let section = raw.ledger.clone().unwrap_or_default();
    let keep = section.keep.as_ref();
    let keep =
        keep.and_then(|keep| errors.keep("ledger.keep", duration::within(&keep.0, bounds::LEDGER_KEEP_MS)));
    let most = section.max_bytes.as_ref();
    let most =
        most.and_then(|most| errors.keep("ledger.max_bytes", size::within(&most.0, bounds::LEDGER_BYTES)));
    let is_on = is_on(raw);
    if is_on && !records.file && to(raw).is_none() && section.otlp_port.is_none() {
        errors.push(
            "ledger.on",
            "needs `file` among `audit.to`, from where the ledger reads the records ([file, stdout] writes them to both), or `ledger.cluster`, to which they are posted, or `ledger.otlp_port`",
        );
    }
    let url_file = file("ledger.url_file", section.url_file, errors);
    let store = match (section.store.unwrap_or(RawStore::Sqlite), url_file) {
        (RawStore::Sqlite, None) => Store::Sqlite,
        (RawStore::Postgres, Some(url_file)) => Store::Postgres { url_file },
        (RawStore::Postgres, None) => {
            errors.push("ledger.url_file", "required where `store` is postgres: a file that has its URL");
            return None;
        }
        (RawStore::Sqlite, Some(_)) => {
            errors.push("ledger.url_file", "is for `store: postgres` alone");
            return None;
        }
    };
    let otlp_port = section.otlp_port.and_then(|port| {
        let good = u16::try_from(port).ok().filter(|_| bounds::OTLP_PORT.takes(port));
        if good.is_none() {
            errors.push("ledger.otlp_port", "expected a port from 1 to 65535");
        }
        good
    });
    if section.otlp_port.is_some() && !is_on {
        errors.push("ledger.otlp_port", "needs `ledger.on`: what comes there is for the ledger");
    }
    let keep_ms = keep.unwrap_or(30 * DAY_MS);
    is_on.then(|| Ledger { store, keep_ms, max_bytes: most.unwrap_or(4 << 30), otlp_port })
}

/// The path of a file.
fn file(member: &str, text: Option<String>, errors: &mut Errors) -> Option<String> {
    let text = text?;
    if text.is_empty() || text.chars().any(char::is_control) {
        errors.push(member, "expected the path of a file");
    }
    Some(text)
}

/// Where the filter posts records.
fn to(raw: &RawPolicy) -> Option<&String> {
    let own = raw.ledger.as_ref().and_then(|ledger| ledger.cluster.as_ref());
    own.or_else(|| sidecar(raw)).filter(|_| is_on(raw))
}

/// The sidecar's cluster in a mesh.
fn sidecar(raw: &RawPolicy) -> Option<&String> {
    raw.sidecar.as_ref().and_then(|sidecar| sidecar.cluster.as_ref())
}

/// Compiles where records are posted to.
pub fn posts_to(raw: &RawPolicy, errors: &mut Errors) -> Option<String> {
    let own = raw.ledger.as_ref().and_then(|ledger| ledger.cluster.as_ref());
    for (member, cluster) in [("ledger.cluster", own), ("sidecar.cluster", sidecar(raw))] {
        let Some(cluster) = cluster else { continue };
        errors.keep(member, name::check_cluster(cluster));
        if !is_on(raw) {
            errors.push(member, "needs `ledger.on`: what goes there is for the ledger");
        }
    }
    to(raw).cloned()
}

/// Compiles what of `audit` is about the log.
pub fn audit(raw: &RawPolicy, errors: &mut Errors) -> Option<Audit> {
    let section = raw.audit.clone().unwrap_or_default();
    let checkpoint = section.checkpoint.as_ref().and_then(|every| {
        errors.keep("audit.checkpoint", duration::within(&every.0, bounds::AUDIT_CHECKPOINT_MS))
    });
    let keep = section.keep.as_ref();
    let keep =
        keep.and_then(|keep| errors.keep("audit.keep", duration::within(&keep.0, bounds::AUDIT_KEEP_MS)));
    let key_file = file("audit.key_file", section.key_file.clone(), errors);
    let mut witnesses = Vec::new();
    for (at, text) in section.witness.iter().flatten().enumerate() {
        let url = url::parse(text).and_then(|url| match url.path.contains('?') {
            true => Err("expected a URL without a query: `/add-checkpoint` is added to it".to_owned()),
            false => Ok(url),
        });
        if errors.keep(format!("audit.witness[{at}]"), url).is_some() {
            witnesses.push(text.trim_end_matches('/').to_owned());
        }
    }
    if witnesses.len() > bounds::WITNESSES.most {
        errors.push("audit.witness", "expected at most 8 of them: each checkpoint waits for all");
    }
    let is_on = section.log.unwrap_or(false);
    if is_on && !raw.ledger.as_ref().and_then(|ledger| ledger.on).unwrap_or(false) {
        errors.push("audit.log", "needs `ledger.on`: what opens a leaf is in the ledger");
    }
    let has_feed = raw.feed.as_ref().is_some_and(|feed| feed.cluster.is_some()) || sidecar(raw).is_some();
    if section.required == Some(true) && !is_on && !has_feed {
        errors.push(
            "audit.required",
            "needs `audit.log`, or in a mesh `sidecar.cluster` or `feed.cluster`: else nothing would pass",
        );
    }
    is_on.then(|| Audit {
        key_file,
        checkpoint_ms: checkpoint.unwrap_or(1_000),
        keep_ms: keep.unwrap_or(400 * DAY_MS),
        witnesses,
    })
}

/// Compiles `telemetry.otlp`. User information and a query, where a key could stand, are refused: the URL is
/// shown.
pub fn otlp(raw: &RawPolicy, errors: &mut Errors) -> Option<HttpUrl> {
    let text = raw.telemetry.as_ref()?.otlp.as_ref()?;
    let url = errors.keep("telemetry.otlp", url::parse(text))?;
    if url.path.contains('?') {
        errors.push("telemetry.otlp", "expected a URL without a query, such as http://collector:4318");
    }
    let path = url.path.trim_end_matches('/').to_owned();
    Some(HttpUrl { path, ..url })
}

/// Compiles `feed`; there is one where there is a ledger, or a cluster to ask.
pub fn feed(raw: &RawPolicy, errors: &mut Errors) -> Option<Feed> {
    let section = raw.feed.clone().unwrap_or_default();
    let interval = section.interval.as_ref().and_then(|interval| {
        errors.keep("feed.interval", duration::within(&interval.0, bounds::FEED_INTERVAL_MS))
    });
    let stale = section.max_stale.as_ref().and_then(|stale| {
        errors.keep("feed.max_stale", duration::within(&stale.0, bounds::FEED_MAX_STALE_MS))
    });
    let (interval_ms, max_stale_ms) = (interval.unwrap_or(1_000), stale.unwrap_or(3_600_000));
    if max_stale_ms < 3 * interval_ms {
        errors
            .push("feed.max_stale", "expected three times `interval` at least: one lost answer is no reason");
    }
    if let Some(cluster) = &section.cluster {
        errors.keep("feed.cluster", name::check_cluster(cluster));
    }
    let of_ledger = || is_on(raw).then(|| sidecar(raw).map_or(SIDECAR, String::as_str).to_owned());
    let cluster = section.cluster.or_else(of_ledger)?;
    let on_stale = match section.on_stale {
        None | Some(RawOnStale::Keep) => OnStale::Keep,
        Some(RawOnStale::Deny) => OnStale::Deny,
    };
    Some(Feed { cluster, interval_ms, max_stale_ms, on_stale })
}
