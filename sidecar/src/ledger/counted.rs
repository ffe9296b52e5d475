//! What the ledger has counted, as metrics: exact, over restarts of everything.

use super::aggregate::{self, Aggregate, Sum};
use super::sql::{self, Db};
use crate::metrics::catalogue::{MCP_DURATION, REQUEST_DURATION, REQUESTS, TOOL_CALLS};
use crate::metrics::definition::{Definition, Family, Kind, Series, Value};

fn definition(sum: Sum) -> &'static Definition {
    match sum {
        Sum::Requests => &REQUESTS,
        Sum::ToolCalls => &TOOL_CALLS,
        Sum::Durations => &REQUEST_DURATION,
        Sum::Operations => &MCP_DURATION,
    }
}

/// All of it.
///
/// # Errors
/// The disk's.
pub fn families(db: &Db) -> sql::Result<Vec<Family>> {
    let sql = "SELECT value FROM note WHERE name = 'counted_since_ms'";
    let since_ms = db.first(sql, &[], |row| row.get(0))?.unwrap_or(0);
    let family = |sum| Family { definition: definition(sum), since_ms, series: Vec::new() };
    let mut families = Sum::ALL.map(family);
    let rows = aggregate::read(db)?;
    for series in rows.chunk_by(|a, b| (a.sum, &a.labels) == (b.sum, &b.labels)) {
        let Some(first) = series.first() else { continue };
        let definition = definition(first.sum);
        let family = families.iter_mut().find(|family| family.definition == definition);
        if let Some(family) = family {
            let labels = serde_json::from_str(&first.labels).unwrap_or_default();
            family.series.push(Series { labels, value: value(definition.kind, series) });
        }
    }
    Ok(families.into())
}

fn value(kind: Kind, rows: &[Aggregate]) -> Value {
    let Kind::Histogram(bounds) = kind else {
        return Value::Whole(rows.iter().fold(0, |sum, row| sum.saturating_add(row.count)));
    };
    let mut counts = vec![0u64; bounds.len() + 1];
    for row in rows {
        if let Some(count) = counts.get_mut(row.bucket) {
            *count = count.saturating_add(row.count);
        }
    }
    Value::Buckets { counts, sum_us: rows.iter().fold(0, |sum, row| sum.saturating_add(row.us)) }
}
