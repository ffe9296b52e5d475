//! Statements as PostgreSQL does them, over a connection that is made again when it was lost. In: a URL.
//!
//! What differs is settled here: parameters are `$1`, a text has no NUL, flags have a type of their own, and
//! one writes at a time because a lock says so. A connection that holds the audit log's lock isn't made again
//! by itself: whoever had it may have lost it to another.

use super::cell::{Cell, Value};
use super::fault::{Error, Result};
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::config::{Host, SslMode};
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls, Statement};
use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::net::IpAddr;
use std::time::Duration;

/// Where the ledger's tables are.
pub const SCHEMA: &str = "gatewaystack";
/// The first half of the numbers of locks; the second says which.
const LOCKS: i32 = 0x6773;
/// Held by who writes, until what it writes is committed.
const WRITING: i32 = 1;
/// Held by the one who writes the audit log.
pub const AUDIT: i32 = 2;

/// Held by the sidecar of this name.
pub fn named(name: &str) -> i32 {
    let number = u32::from_str_radix(name.get(..7).unwrap_or_default(), 16).unwrap_or(0);
    i32::try_from(number).map_or(i32::MAX, |number| number | 1 << 30)
}

const CONNECT: Duration = Duration::from_secs(5);
/// Nothing is waited for longer: not a lock, not a statement, not a connection that is silent.
const SESSION: &str = "SET search_path TO gatewaystack; SET lock_timeout TO '10s'; SET statement_timeout TO '60s';
    SET idle_in_transaction_session_timeout TO '60s'; SET synchronous_commit TO on; SET client_min_messages TO warning;
    SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 2; SET tcp_keepalives_count TO 3";
const LOST: &str =
    "PostgreSQL: the connection was lost, or a part of the transaction failed: nothing of it is done";
/// Statements that are kept prepared.
const MOST: usize = 128;

/// Texts in the database have no NUL: what has one, or this character, has it escaped.
const ESCAPE: char = '\u{10FFFF}';

/// Brings the tables of a new connection to their newest form; the inner error says why they can't be used.
pub type Upgrade = fn(&mut Client) -> std::result::Result<std::result::Result<(), String>, postgres::Error>;

/// A connection, and how it is made again.
pub struct Postgres {
    config: Config,
    upgrade: Upgrade,
    client: Option<Client>,
    statements: HashMap<String, Statement>,
    /// Locks that it holds for as long as it lives.
    held: Vec<i32>,
    transaction: Transaction,
}

/// What becomes of what was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Whole,
    /// Something of it failed, or its connection is gone: nothing more is done for it.
    Broken,
}

/// What a URL says, with what it doesn't say: other machines are reached over TLS only, unless it says
/// otherwise.
///
/// # Errors
/// It isn't one. The text has nothing of it: it may have a password.
pub fn config(url: &str) -> std::result::Result<Config, String> {
    let mut config: Config = url
        .parse()
        .map_err(|_| "expected a URL such as postgres://user:password@host:5432/database".to_owned())?;
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    if config.get_hosts().is_empty() {
        return Err("it names no host".to_owned());
    }
    if config.get_ssl_mode() == SslMode::Prefer {
        // An address stands in for what a name leads to.
        let is_near =
            config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        config.ssl_mode(if is_near { SslMode::Disable } else { SslMode::Require });
    }
    if config.get_application_name().is_none() {
        config.application_name("gatewaystack");
    }
    config.connect_timeout(CONNECT);
    config.keepalives_idle(Duration::from_secs(5));
    config.tcp_user_timeout(Duration::from_secs(15));
    Ok(config)
}

impl Postgres {
    /// Connects when it is first asked.
    pub fn new(config: Config, upgrade: Upgrade) -> Self {
        Self {
            config,
            upgrade,
            client: None,
            statements: HashMap::new(),
            held: Vec::new(),
            transaction: Transaction::None,
        }
    }

    fn client(&mut self) -> Result<&mut Client> {
        if self.client.as_ref().is_some_and(Client::is_closed) {
            let had_locks = !self.held.is_empty();
            self.close();
            if self.transaction == Transaction::Whole {
                self.transaction = Transaction::Broken;
            }
            if had_locks {
                return Err(Error::new(LOST));
            }
        }
        // The rest of it would be done alone, and by more than one at a time.
        if self.transaction == Transaction::Broken {
            return Err(Error::new(LOST));
        }
        match &mut self.client {
            Some(client) => Ok(client),
            none => {
                let config = &self.config;
                let connected = match config.get_ssl_mode() {
                    SslMode::Disable => config.connect(NoTls),
                    _ => config.connect(super::tls::connector()?),
                };
                let mut client = connected.map_err(said)?;
                client.batch_execute(SESSION).map_err(said)?;
                (self.upgrade)(&mut client).map_err(said)?.map_err(Error::new)?;
                Ok(none.insert(client))
            }
        }
    }

    fn prepared(&mut self, sql: &str) -> Result<(&mut Client, Statement)> {
        self.client()?;
        if self.statements.len() >= MOST {
            self.statements.clear();
        }
        let known = self.statements.get(sql).cloned();
        let statement = match known {
            Some(statement) => statement,
            None => {
                let statement = self.client()?.prepare(&numbered(sql)).map_err(said)?;
                self.statements.insert(sql.to_owned(), statement.clone());
                statement
            }
        };
        Ok((self.client()?, statement))
    }

    /// What was begun is broken where a part of it failed.
    fn part<T>(&mut self, done: Result<T>) -> Result<T> {
        if done.is_err() && self.transaction == Transaction::Whole {
            self.transaction = Transaction::Broken;
        }
        done
    }

    pub(super) fn execute(&mut self, sql: &str, values: &[Cell<'_>]) -> Result<u64> {
        let done = self.try_execute(sql, values);
        self.part(done)
    }

    fn try_execute(&mut self, sql: &str, values: &[Cell<'_>]) -> Result<u64> {
        let (client, statement) = self.prepared(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        client.execute(&statement, &values).map_err(said)
    }

    pub(super) fn batch(&mut self, sql: &str) -> Result<()> {
        let done = self.client().and_then(|client| client.batch_execute(sql).map_err(said));
        self.part(done)
    }

    /// Begins what one does at a time.
    pub(super) fn begin_writing(&mut self) -> Result<()> {
        self.begin(&format!("BEGIN; SELECT pg_advisory_xact_lock({LOCKS}, {WRITING})"))
    }

    pub(super) fn begin_reading(&mut self) -> Result<()> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn begin(&mut self, sql: &str) -> Result<()> {
        self.client()?;
        self.transaction = Transaction::Whole;
        let begun = self.batch(sql);
        if begun.is_err() {
            // It may have been begun, and waited for its turn in vain.
            self.end(false)?;
        }
        begun
    }

    /// Ends what was begun: all of it is done, or with `false` nothing.
    pub(super) fn end(&mut self, commits: bool) -> Result<()> {
        let is_whole = std::mem::replace(&mut self.transaction, Transaction::None) == Transaction::Whole;
        let sql = if commits && is_whole { "COMMIT" } else { "ROLLBACK" };
        let is_there = self.client.as_ref().is_some_and(|client| !client.is_closed());
        let ended = match &mut self.client {
            Some(client) if is_there => client.batch_execute(sql).map_err(said),
            _ => Err(Error::new(LOST)),
        };
        if ended.is_err() {
            // With the connection ends what nobody could end.
            self.close();
        }
        match (commits, is_whole) {
            (true, false) => Err(Error::new(LOST)),
            (true, true) => ended,
            (false, _) => Ok(()),
        }
    }

    pub(super) fn rows(&mut self, sql: &str, values: &[Cell<'_>]) -> Result<Vec<Vec<Value>>> {
        let done = self.try_rows(sql, values);
        self.part(done)
    }

    fn try_rows(&mut self, sql: &str, values: &[Cell<'_>]) -> Result<Vec<Vec<Value>>> {
        let (client, statement) = self.prepared(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let rows = client.query(&statement, &values).map_err(said)?;
        let row = |row: &postgres::Row| (0..row.len()).map(|at| value(row, at)).collect();
        rows.iter().map(row).collect()
    }

    /// Adds rows at once.
    pub(super) fn copy<const N: usize>(
        &mut self,
        table: &str,
        columns: &str,
        rows: &[[Cell<'_>; N]],
    ) -> Result<()> {
        let done = self.try_copy(table, columns, rows);
        self.part(done)
    }

    fn try_copy<const N: usize>(&mut self, table: &str, columns: &str, rows: &[[Cell<'_>; N]]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let sql = format!("SELECT {columns} FROM {table} LIMIT 0");
        let (client, statement) = self.prepared(&sql)?;
        let types: Vec<Type> = statement.columns().iter().map(|column| column.type_().clone()).collect();
        let to =
            client.copy_in(&format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")).map_err(said)?;
        let mut writer = BinaryCopyInWriter::new(to, &types);
        for row in rows {
            let values: Vec<&(dyn ToSql + Sync)> = row.iter().map(|value| value as _).collect();
            writer.write(&values).map_err(said)?;
        }
        writer.finish().map(drop).map_err(said)
    }

    /// Takes a lock for as long as the connection lives, unless somebody has it.
    ///
    /// # Errors
    /// The database's.
    pub fn hold(&mut self, lock: i32) -> Result<bool> {
        self.client()?;
        if self.held.contains(&lock) {
            return Ok(true);
        }
        let rows = self.rows(&format!("SELECT pg_try_advisory_lock({LOCKS}, {lock})"), &[])?;
        let is_held = rows.first().and_then(|row| row.first()) == Some(&Value::Integer(1));
        if is_held {
            self.held.push(lock);
        }
        Ok(is_held)
    }
}

impl Postgres {
    /// Says farewell, which waits: a thread that mustn't wait leaves it to another.
    fn close(&mut self) {
        self.statements.clear();
        self.held.clear();
        let Some(client) = self.client.take() else { return };
        if tokio::runtime::Handle::try_current().is_ok() {
            drop(std::thread::Builder::new().spawn(move || drop(client)));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.close();
    }
}

/// An error with its causes: the first text alone is "db error".
fn said(error: postgres::Error) -> Error {
    let text = match error.as_db_error() {
        Some(db) => {
            let detail = db.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{}: {}{detail}", db.code().code(), db.message())
        }
        None => match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    };
    Error::new(format!("PostgreSQL: {text}"))
}

/// A statement with parameters as PostgreSQL has them: `?2` is `$2`, a bare `?` the next one.
fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 8);
    let mut chars = sql.chars().peekable();
    let (mut quote, mut next) = (None, 0);
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '?') => {
                out.push('$');
                if !chars.peek().is_some_and(char::is_ascii_digit) {
                    next += 1;
                    out.push_str(&format!("{next}"));
                }
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

fn value(row: &postgres::Row, at: usize) -> Result<Value> {
    let kind = row.columns().get(at).map(postgres::Column::type_);
    let failed = |e: postgres::Error| Error::new(format!("PostgreSQL: column {at}: {e}"));
    Ok(match kind {
        Some(&Type::BOOL) => {
            row.try_get::<_, Option<bool>>(at).map_err(failed)?.map(|flag| Value::Integer(flag.into()))
        }
        Some(&Type::INT4) => {
            row.try_get::<_, Option<i32>>(at).map_err(failed)?.map(|number| Value::Integer(number.into()))
        }
        Some(&Type::INT8) => row.try_get::<_, Option<i64>>(at).map_err(failed)?.map(Value::Integer),
        Some(&Type::FLOAT8) => row.try_get::<_, Option<f64>>(at).map_err(failed)?.map(Value::Real),
        Some(&Type::BYTEA) => row.try_get::<_, Option<Vec<u8>>>(at).map_err(failed)?.map(Value::Blob),
        _ => row.try_get::<_, Option<String>>(at).map_err(failed)?.map(|text| Value::Text(unescaped(text))),
    }
    .unwrap_or(Value::Null))
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => out.extend([ESCAPE, '0']),
            ESCAPE => out.extend([ESCAPE, ESCAPE]),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn unescaped(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ESCAPE => out.push(if chars.next() == Some('0') { '\0' } else { ESCAPE }),
            c => out.push(c),
        }
    }
    out
}

impl ToSql for Cell<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut postgres::types::private::BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match (*self, kind) {
            (Cell::Null, _) => Ok(IsNull::Yes),
            (Cell::Integer(number), &Type::BOOL) => (number != 0).to_sql(kind, out),
            (Cell::Integer(number), &Type::INT4) => i32::try_from(number)?.to_sql(kind, out),
            (Cell::Integer(number), &Type::INT8) => number.to_sql(kind, out),
            #[expect(
                clippy::cast_precision_loss,
                reason = "a number that is compared with one that has a fraction"
            )]
            (Cell::Integer(number), &Type::FLOAT8) => (number as f64).to_sql(kind, out),
            (Cell::Real(number), &Type::FLOAT8) => number.to_sql(kind, out),
            (Cell::Text(text), &Type::TEXT) => escaped(text).as_ref().to_sql(kind, out),
            (Cell::Blob(bytes), &Type::BYTEA) => bytes.to_sql(kind, out),
            (cell, kind) => Err(format!("{cell:?} can't be a {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
