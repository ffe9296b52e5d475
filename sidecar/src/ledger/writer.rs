//! What takes records in. In: lines of a file, and how far the file has been read with them. Out: rows, each
//! record once, and in the same transaction where to read on; so that an end at any moment neither loses nor
//! doubles a line.

use super::follow::{FILE, Place};
use super::line::{Cell, Line};
use super::member::{self, COUNT, NO_TS, TS};
use super::numbers::Numbers;
use super::retention::{self, Limits};
use rusqlite::{
    CachedStatement, Connection, OptionalExtension as _, Transaction, TransactionBehavior, params,
};

/// Lines that are taken together.
#[derive(Debug)]
pub struct Batch<'a> {
    pub records: &'a [Line<'a>],
    /// Lines that are none.
    pub ignored: u64,
    /// Where to read on.
    pub place: &'a Place,
}

/// Sums over all times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub records: u64,
    pub ignored: u64,
    pub gaps: u64,
}

/// The one that writes records.
pub struct Writer {
    db: Connection,
    numbers: Numbers,
}

impl Writer {
    /// Writes to this database.
    pub fn new(db: Connection) -> Self {
        Self { db, numbers: Numbers::default() }
    }

    /// Where to read on; `None`: nothing has been read yet.
    ///
    /// # Errors
    /// The disk's.
    pub fn place(&self) -> rusqlite::Result<Option<Place>> {
        let sql = "SELECT device, inode, offset, head FROM source WHERE name = ?1";
        let place = |row: &rusqlite::Row<'_>| {
            Ok(Place { device: row.get(0)?, inode: row.get(1)?, offset: row.get(2)?, head: row.get(3)? })
        };
        self.db.query_row(sql, [FILE], place).optional()
    }

    /// The sums.
    ///
    /// # Errors
    /// The disk's.
    pub fn totals(&self) -> rusqlite::Result<Totals> {
        totals(&self.db)
    }

    /// Takes a batch: all of it or nothing.
    ///
    /// # Errors
    /// The disk's.
    pub fn take(&mut self, batch: &Batch<'_>, now_ms: i64) -> rusqlite::Result<Totals> {
        self.write(|tx, numbers| {
            let mut added = 0u64;
            let mut insert = tx.prepare_cached(&insert())?;
            for record in batch.records {
                if let Some((vm, seq)) = record.place()
                    && !numbers.take(tx, vm, seq, now_ms)?
                {
                    continue;
                }
                bind(&mut insert, record, now_ms)?;
                insert.raw_execute()?;
                added += 1;
            }
            drop(insert);
            let gaps = numbers.save(tx, now_ms)?;
            add(tx, "records", added)?;
            add(tx, "ignored", batch.ignored)?;
            add(tx, "gaps", gaps)?;
            let Place { device, inode, offset, head } = batch.place;
            tx.prepare_cached("INSERT OR REPLACE INTO source VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![FILE, device, inode, offset, head])?;
            totals(tx)
        })
    }

    /// Makes gaps of what has been missing for a minute. For when all that there is has been read: what is
    /// missing may come a little later in the file.
    ///
    /// # Errors
    /// The disk's.
    pub fn tell_gaps(&mut self, now_ms: i64) -> rusqlite::Result<Totals> {
        if !Numbers::are_overdue(&self.db, now_ms)? {
            return totals(&self.db);
        }
        self.write(|tx, numbers| {
            let gaps = numbers.tell(tx, now_ms)?;
            add(tx, "gaps", gaps)?;
            totals(tx)
        })
    }

    /// What else is done to the database by the one who writes.
    ///
    /// # Errors
    /// What `change` says.
    pub fn with<T>(
        &mut self,
        change: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        change(&mut self.db)
    }

    /// What was taken is on the disk afterwards, also when the machine stops.
    ///
    /// # Errors
    /// The disk's.
    pub fn settle(&self) -> rusqlite::Result<()> {
        // A commit that is synced brings all before it to the disk.
        self.db.pragma_update(None, "synchronous", "FULL")?;
        let settled = self.db.execute("UPDATE note SET value = 1 - value WHERE name = 'check'", []);
        self.db.pragma_update(None, "synchronous", "NORMAL")?;
        settled.map(drop)
    }

    /// Forgets VMs that are silent for long.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget_vms(&mut self, limits: Limits, now_ms: i64) -> rusqlite::Result<()> {
        self.numbers.forget();
        retention::forget_vms(&mut self.db, limits, now_ms)
    }

    fn write<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>, &mut Numbers) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let numbers = &mut self.numbers;
        let done = change(&tx, numbers).and_then(|result| tx.commit().map(|()| result));
        if done.is_err() {
            // They say what was about to be written.
            self.numbers.forget();
        }
        done
    }
}

fn insert() -> String {
    let places = vec!["?"; COUNT + 2].join(", ");
    format!("INSERT INTO record ({}, nulls, more) VALUES ({places})", member::columns())
}

fn bind(insert: &mut CachedStatement<'_>, record: &Line<'_>, now_ms: i64) -> rusqlite::Result<()> {
    let mut nulls = 0i64;
    let mut at = 0;
    for (column, cell) in record.cells.iter().enumerate() {
        at += 1;
        match cell {
            Cell::Number(number) => insert.raw_bind_parameter(at, number)?,
            Cell::Text(text) => insert.raw_bind_parameter(at, text.as_ref())?,
            other if column == TS => {
                nulls |= if *other == Cell::Null { 1 << TS } else { NO_TS };
                insert.raw_bind_parameter(at, now_ms.saturating_mul(1_000))?;
            }
            Cell::Null => {
                nulls |= 1 << column;
                insert.raw_bind_parameter(at, rusqlite::types::Null)?;
            }
            Cell::Absent => insert.raw_bind_parameter(at, rusqlite::types::Null)?,
        }
    }
    insert.raw_bind_parameter(at + 1, nulls)?;
    insert.raw_bind_parameter(at + 2, record.more.as_deref())
}

fn add(tx: &Transaction<'_>, name: &str, count: u64) -> rusqlite::Result<()> {
    if count > 0 {
        tx.prepare_cached("UPDATE note SET value = value + ?2 WHERE name = ?1")?
            .execute(params![name, count])?;
    }
    Ok(())
}

fn totals(db: &Connection) -> rusqlite::Result<Totals> {
    let mut select = db.prepare_cached("SELECT value FROM note WHERE name = ?1")?;
    let mut one = |name: &str| select.query_row([name], |row| row.get(0));
    Ok(Totals { records: one("records")?, ignored: one("ignored")?, gaps: one("gaps")? })
}
