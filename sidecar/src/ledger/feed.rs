//! What the filter is told of the ledger: the changes after a version that it has. In: that version, and the
//! epoch that it is of. Out: JSON, a page of bounded size. Revoked tokens are a block of kind `revoked`
//! or `issuer`, whose time is that until which they were issued.

use super::sql::{self, Db, cells};
use serde_json::{Value, json};

/// Changes in one answer.
const MOST: usize = 2_000;
/// And about so many bytes: the filter reads 256 KiB.
const MOST_BYTES: usize = 240 * 1024;

/// A page of changes. `reset`: whoever reads drops what it had, and this is the beginning of all.
#[derive(Debug, PartialEq)]
pub struct Page {
    pub epoch: String,
    pub version: i64,
    pub reset: bool,
    pub more: bool,
    pub changes: Vec<Value>,
}

/// From now on it is another history, whatever versions say: for each start of the process that answers.
///
/// # Errors
/// The disk's.
pub fn begin_epoch(db: &Db) -> sql::Result<()> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(sql::Error::new)?;
    let id = format!("{:016x}", u64::from_be_bytes(id));
    db.execute("UPDATE word SET value = ?1 WHERE name = 'ledger_id'", cells![id]).map(drop)
}

/// The page behind `after`.
///
/// # Errors
/// The disk's.
pub fn page(db: &mut Db, after: i64, epoch: &str) -> sql::Result<Page> {
    let tx = db.snapshot()?;
    let notes = "SELECT max(value) FILTER (WHERE name = 'block_version'), max(value) FILTER (WHERE name = 'forgotten'),
                 (SELECT value FROM word WHERE name = 'ledger_id') FROM note
                 WHERE name IN ('block_version', 'forgotten')";
    let notes = tx.first(notes, &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (newest, forgotten, own): (i64, i64, String) =
        notes.ok_or_else(|| sql::Error::new("a row is missing"))?;
    let reset = epoch != own || after > newest || after < 0 || (after != 0 && after < forgotten);
    let mut page = Page { epoch: own, version: newest, reset, more: false, changes: Vec::new() };
    let after = if reset { 0 } else { after };
    // The usual answer.
    if after == newest {
        return Ok(page);
    }
    let sql = "SELECT kind, value, CASE WHEN kind IN ('revoked', 'issuer') THEN said_s * 1000 ELSE until_ms END, version, lifted IS NOT NULL FROM block
               WHERE version > ?1 AND (lifted IS NULL OR NOT ?2) ORDER BY version LIMIT ?3";
    let mut bytes = 0;
    tx.each(sql, cells![after, reset, MOST + 1], &mut |row| {
        if page.changes.len() == MOST || bytes > MOST_BYTES {
            page.more = true;
            return Ok(false);
        }
        let (kind, value): (String, String) = (row.get(0)?, row.get(1)?);
        // Quotes may be escaped.
        bytes += kind.len() + 2 * value.len() + 40;
        // What ends when nobody is left holds for ever.
        let until = row.get::<Option<i64>>(2)?.map_or(0, |ms| ms.saturating_add(999) / 1_000);
        let until = u32::try_from(until).unwrap_or(0);
        let is_lifted: bool = row.get(4)?;
        page.version = row.get(3)?;
        page.changes.push(match is_lifted {
            true => json!({ "lift": [kind, value] }),
            false => json!({ "block": [kind, value, until] }),
        });
        Ok(true)
    })?;
    // What lies behind the last of them may be what a reset leaves out.
    if !page.more {
        page.version = newest;
    }
    Ok(page)
}

impl Page {
    /// As the filter reads it; `audited`: whether the audit log can be written, where there is one.
    pub fn json(&self, audited: Option<bool>) -> Value {
        let Self { epoch, version, reset, more, changes } = self;
        let mut page =
            json!({ "epoch": epoch, "version": version, "reset": reset, "more": more, "changes": changes });
        if let (Value::Object(page), Some(audited)) = (&mut page, audited) {
            page.insert("audit".to_owned(), json!(audited));
        }
        page
    }
}
