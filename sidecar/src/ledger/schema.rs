//! The form of the ledger's database: a list of steps, each of which makes the form of its number of the one
//! before. To change the form, add a step; what is in the list stays as it is.

use super::member::{Kind, MEMBERS};
use super::sql::{self, Db};

/// The steps. The columns of the first are those of `member.rs`.
const STEPS: [fn() -> String; 6] = [first, audit, telemetry_step, signals, words, shares];

fn first() -> String {
    let column = |kind| if matches!(kind, Kind::Text) { "TEXT" } else { "INTEGER" };
    let columns: String =
        MEMBERS.iter().map(|member| format!("\"{}\" {},\n", member.name, column(member.kind))).collect();
    format!(
        "
        -- A record; the order of ids is that in which they came, and none is given twice. nulls has a bit for
        -- each column whose member is there as null, and one more where ts is none (ts then has the time at
        -- which the record came); more has the members without a column.
        CREATE TABLE record (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns} nulls INTEGER NOT NULL, more TEXT);
        CREATE INDEX record_ts ON record (ts);
        -- Where a file of records has been read to: everything before offset is in the ledger. head is the
        -- file's beginning, since a system gives numbers of files again.
        CREATE TABLE source (
            name TEXT PRIMARY KEY, device INTEGER NOT NULL, inode INTEGER NOT NULL, offset INTEGER NOT NULL, head BLOB NOT NULL
        ) WITHOUT ROWID;
        -- What each VM has sent, and what of it is missing; told: there is a gap for it.
        CREATE TABLE vm (vm INTEGER PRIMARY KEY, highest INTEGER NOT NULL, seen_ms INTEGER NOT NULL);
        CREATE TABLE missing (
            vm INTEGER NOT NULL, from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL, since_ms INTEGER NOT NULL,
            told INTEGER NOT NULL, PRIMARY KEY (vm, from_seq)
        ) WITHOUT ROWID;
        CREATE INDEX missing_untold ON missing (since_ms) WHERE told = 0;
        CREATE TABLE gap (
            id INTEGER PRIMARY KEY AUTOINCREMENT, vm INTEGER NOT NULL, from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL, at INTEGER NOT NULL
        );
        -- Who is refused, whatever his token says. lifted: when he was let in again.
        CREATE TABLE block (
            kind TEXT NOT NULL, value TEXT NOT NULL, why TEXT, since_ms INTEGER NOT NULL, until_ms INTEGER,
            \"by\" TEXT, version INTEGER NOT NULL, lifted INTEGER, PRIMARY KEY (kind, value)
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX block_version ON block (version);
        CREATE TABLE note (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
        INSERT INTO note VALUES
            ('ledger_id', lower(hex(randomblob(8)))), ('records', 0), ('ignored', 0), ('gaps', 0),
            ('block_version', 0), ('forgotten', 0), ('forgot_ms', 0), ('check', 0);
        "
    )
}

fn audit() -> String {
    "
    -- Leaves of the audit log that no checkpoint covers yet: of each row the index of the first, how many, and
    -- the leaves as entries of a bundle (C2SP tlog-tiles). And what opens the leaves that are no records.
    CREATE TABLE leaves (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, entries BLOB NOT NULL);
    CREATE TABLE opening (leaf INTEGER PRIMARY KEY, salt BLOB NOT NULL, value TEXT NOT NULL);
    -- Of a record its leaf, and the salt of what the leaf commits to.
    ALTER TABLE record ADD COLUMN salt BLOB;
    ALTER TABLE record ADD COLUMN leaf INTEGER;
    -- Whom an operator wants to be forgotten, and what became of it.
    CREATE TABLE erasing (
        id INTEGER PRIMARY KEY, subject TEXT NOT NULL, \"by\" TEXT, asked_ms INTEGER NOT NULL, answer TEXT
    );
    INSERT INTO note VALUES ('leaves', 0), ('covered', 0);
    "
    .to_owned()
}

/// Sums that are made when records come in.
fn telemetry_step() -> String {
    "
    -- labels: a JSON array; bucket: of how long it took; us: microseconds together. They begin with what comes
    -- from now on, in Unix milliseconds.
    CREATE TABLE aggregate (
        sum TEXT NOT NULL, labels TEXT NOT NULL, bucket INTEGER NOT NULL, count INTEGER NOT NULL, us INTEGER NOT NULL,
        PRIMARY KEY (sum, labels, bucket)
    ) WITHOUT ROWID;
    INSERT INTO note VALUES ('counted_since_ms', 1000 * unixepoch());
    "
    .to_owned()
}

fn signals() -> String {
    "
    -- Of what an issuer has signalled (kind revoked or disabled): when it was so; tokens that were issued until
    -- then are revoked.
    ALTER TABLE block ADD COLUMN said_s INTEGER;
    -- Which signals have been taken, by a hash.
    CREATE TABLE signal (id BLOB PRIMARY KEY, seen_ms INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX signal_seen ON signal (seen_ms);
    "
    .to_owned()
}

/// A note is a number.
fn words() -> String {
    "
    CREATE TABLE word (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    INSERT INTO word SELECT name, value FROM note WHERE name IN ('ledger_id', 'policy');
    DELETE FROM note WHERE name IN ('ledger_id', 'policy');
    "
    .to_owned()
}

fn shares() -> String {
    "
    -- Which issuer has sent it.
    ALTER TABLE signal ADD COLUMN \"by\" TEXT;
    CREATE INDEX signal_by ON signal (\"by\");
    "
    .to_owned()
}

/// What is wrong with a database of a form that this version doesn't know.
fn is_newer(found: i64, newest: i64) -> String {
    format!("its form is {found}, and this version of gatewaystack knows {newest}")
}

/// Brings a file to the newest form.
///
/// # Errors
/// The disk's; or it is of a form that a later version has made.
pub fn upgrade(db: &mut Db) -> sql::Result<()> {
    let newest = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let version = |db: &Db| db.one::<i64>("PRAGMA user_version", &[]);
    if version(db)? == newest {
        return Ok(());
    }
    let tx = db.write()?;
    // Another process may have been faster.
    let found = version(&tx)?;
    let Some(done) = usize::try_from(found).ok().filter(|_| found <= newest) else {
        return Err(sql::Error::new(is_newer(found, newest)));
    };
    for step in STEPS.iter().skip(done) {
        tx.batch(&step())?;
    }
    tx.batch(&format!("PRAGMA user_version = {newest}"))?;
    tx.commit()
}

pub mod postgres;

#[cfg(test)]
mod tests;
