//! The same tables in PostgreSQL, with what several sidecars need besides. To change the form, add a step
//! here, too.

use super::super::member::{Kind, MEMBERS};
use super::super::sql::postgres::SCHEMA;
use super::is_newer;
use ::postgres::{Client, Error};

/// The steps.
pub(super) const STEPS: [fn() -> String; 4] = [first, deeper, shares, deleted];
/// Held while the form is changed.
const LOCK: &str = "SELECT pg_advisory_xact_lock(26483, 0)";

fn first() -> String {
    let column = |kind| if matches!(kind, Kind::Text) { "TEXT" } else { "BIGINT" };
    let columns: String =
        MEMBERS.iter().map(|member| format!("\"{}\" {},\n", member.name, column(member.kind))).collect();
    let text = "
        -- Columns are as in SQLite's form, where they are explained. Texts compare by their bytes.
        CREATE TABLE record (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, COLUMNS
            nulls BIGINT NOT NULL, more TEXT, salt BYTEA, leaf BIGINT
        );
        CREATE INDEX record_ts ON record (ts);
        CREATE INDEX record_leaf ON record (leaf) WHERE leaf IS NOT NULL;
        -- name: of the sidecar and of the file.
        CREATE TABLE source (
            name TEXT PRIMARY KEY, device BIGINT NOT NULL, inode BIGINT NOT NULL, \"offset\" BIGINT NOT NULL, head BYTEA NOT NULL
        );
        CREATE TABLE vm (vm BIGINT PRIMARY KEY, highest BIGINT NOT NULL, seen_ms BIGINT NOT NULL);
        CREATE TABLE missing (
            vm BIGINT NOT NULL, from_seq BIGINT NOT NULL, to_seq BIGINT NOT NULL, since_ms BIGINT NOT NULL,
            told BIGINT NOT NULL, PRIMARY KEY (vm, from_seq)
        );
        CREATE INDEX missing_untold ON missing (since_ms) WHERE told = 0;
        CREATE TABLE gap (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, vm BIGINT NOT NULL, from_seq BIGINT NOT NULL,
            to_seq BIGINT NOT NULL, at BIGINT NOT NULL
        );
        CREATE TABLE block (
            kind TEXT NOT NULL, value TEXT NOT NULL, why TEXT, since_ms BIGINT NOT NULL, until_ms BIGINT,
            \"by\" TEXT, version BIGINT NOT NULL, lifted BIGINT, said_s BIGINT, PRIMARY KEY (kind, value)
        );
        CREATE UNIQUE INDEX block_version ON block (version);
        CREATE TABLE signal (id BYTEA PRIMARY KEY, seen_ms BIGINT NOT NULL);
        CREATE INDEX signal_seen ON signal (seen_ms);
        CREATE TABLE leaves (first BIGINT PRIMARY KEY, count BIGINT NOT NULL, entries BYTEA NOT NULL);
        CREATE TABLE opening (leaf BIGINT PRIMARY KEY, salt BYTEA NOT NULL, value TEXT NOT NULL);
        CREATE TABLE erasing (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject TEXT NOT NULL, \"by\" TEXT, asked_ms BIGINT NOT NULL, answer TEXT,
            taken_ms BIGINT
        );
        -- Sidecars that write here, when each was seen last, and whose own files have nothing more of whom
        -- an operator wants to be forgotten.
        CREATE TABLE sidecar (id TEXT PRIMARY KEY, seen_ms BIGINT NOT NULL);
        CREATE TABLE erased (
            erasing BIGINT NOT NULL REFERENCES erasing ON DELETE CASCADE, sidecar TEXT NOT NULL, PRIMARY KEY (erasing, sidecar)
        );
        CREATE TABLE aggregate (
            sum TEXT NOT NULL, labels TEXT NOT NULL, bucket BIGINT NOT NULL, count BIGINT NOT NULL, us BIGINT NOT NULL,
            PRIMARY KEY (sum, labels, bucket)
        );
        CREATE TABLE note (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
        CREATE TABLE word (name TEXT PRIMARY KEY, value TEXT NOT NULL);
        -- Files of the audit log by their paths.
        CREATE TABLE tile (path TEXT PRIMARY KEY, bytes BYTEA NOT NULL);
        -- writer: which process has written last.
        INSERT INTO note VALUES
            ('records', 0), ('ignored', 0), ('gaps', 0), ('block_version', 0), ('forgotten', 0), ('forgot_ms', 0),
            ('check', 0), ('leaves', 0), ('covered', 0), ('writer', 0),
            ('counted_since_ms', (extract(epoch FROM now()) * 1000)::bigint);
        INSERT INTO word VALUES ('ledger_id', left(md5(random()::text || clock_timestamp()::text), 16));
        -- What conditions ask (`condition/functions.rs`): true, false or unknown.
        CREATE FUNCTION instr(text, text) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT strpos($1, $2) $$;
        CREATE FUNCTION gateway_prefix(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
            AS $$ SELECT starts_with($1, $2) $$;
        CREATE FUNCTION gateway_suffix(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
            AS $$ SELECT right($1, length($2)) = $2 $$;
        CREATE FUNCTION gateway_hex(bigint) RETURNS text LANGUAGE sql IMMUTABLE STRICT
            AS $$ SELECT lpad(to_hex($1), 16, '0') COLLATE \"C\" $$;
        -- A star is one or more characters, none of them a slash, but where it is the last.
        CREATE FUNCTION gateway_glob(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
            AS $$ SELECT $1 ~ ('^' || replace(regexp_replace(
                regexp_replace($2, '([.^$+?()\\[\\]{}|\\\\])', '\\\\\\1', 'g'), '\\*$', '(.|\\n)+'
            ), '*', '[^/]+') || '$') $$;
        CREATE FUNCTION gateway_network(text) RETURNS inet LANGUAGE plpgsql IMMUTABLE STRICT AS $$
            BEGIN
                RETURN regexp_replace($1, '^::ffff:(?=\\d+\\.)', '', 'i')::inet;
            EXCEPTION WHEN others THEN
                RETURN NULL;
            END $$;
        CREATE FUNCTION gateway_cidr(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$
            SELECT CASE WHEN bool_or(net >>= address) THEN true WHEN bool_or(net << address) THEN NULL ELSE bool_or(net >>= address) END
            FROM (SELECT gateway_network($1) AS address, gateway_network(unnest(string_to_array($2, ' '))) AS net) both_sides
            $$;
        ";
    text.replace("COLUMNS", &columns).replace(" TEXT", " TEXT COLLATE \"C\"")
}

/// Conditions on members without a column. A text with a NUL in it can't be had in PostgreSQL: then
/// nobody knows.
fn deeper() -> String {
    "
    CREATE FUNCTION gateway_at(text, text) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
        BEGIN
            RETURN $1::json #> string_to_array($2, '.');
        EXCEPTION WHEN others THEN
            RETURN NULL;
        END $$;
    CREATE FUNCTION gateway_text(text, text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
        BEGIN
            RETURN (SELECT CASE WHEN json_typeof(at) = 'string' THEN at #>> '{}' END FROM gateway_at($1, $2) AS at);
        EXCEPTION WHEN others THEN
            RETURN NULL;
        END $$;
    CREATE FUNCTION gateway_number(text, text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
        BEGIN
            RETURN (SELECT CASE WHEN json_typeof(at) = 'number' THEN (at #>> '{}')::bigint END FROM gateway_at($1, $2) AS at);
        EXCEPTION WHEN others THEN
            RETURN NULL;
        END $$;
    CREATE FUNCTION gateway_texts(text, text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
        DECLARE
            list jsonb := gateway_at($1, $2)::jsonb;
        BEGIN
            IF jsonb_typeof(list) <> 'array' THEN
                RETURN NULL;
            END IF;
            RETURN (SELECT CASE WHEN coalesce(bool_and(jsonb_typeof(item) = 'string'), true) THEN list END
                FROM jsonb_array_elements(list) AS item);
        EXCEPTION WHEN others THEN
            RETURN NULL;
        END $$;
    CREATE FUNCTION gateway_contains(jsonb, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 @> $2::jsonb $$;
    CREATE FUNCTION gateway_subset_of(jsonb, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 <@ $2::jsonb $$;
    "
    .to_owned()
}

fn shares() -> String {
    "ALTER TABLE signal ADD COLUMN \"by\" TEXT COLLATE \"C\"; CREATE INDEX signal_by ON signal (\"by\");"
        .to_owned()
}

/// How many records are gone again, whoever deletes them: ids don't tell how many there are, for what is
/// tried in vain takes some, too.
fn deleted() -> String {
    "
    INSERT INTO note SELECT 'deleted', value - (SELECT count(*) FROM record) FROM note WHERE name = 'records';
    CREATE FUNCTION gateway_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE gatewaystack.note SET value = value + (SELECT count(*) FROM gone) WHERE name = 'deleted';
            RETURN NULL;
        END $$;
    CREATE TRIGGER record_deleted AFTER DELETE ON record REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION gateway_deleted();
    CREATE FUNCTION gateway_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE gatewaystack.note SET value = (SELECT value FROM gatewaystack.note WHERE name = 'records') WHERE name = 'deleted';
            RETURN NULL;
        END $$;
    CREATE TRIGGER record_emptied AFTER TRUNCATE ON record FOR EACH STATEMENT EXECUTE FUNCTION gateway_emptied();
    "
    .to_owned()
}

/// Brings the tables to the newest form, and makes them where there are none.
///
/// # Errors
/// The database's; or they are of a form that a later version has made, or can't have every character.
pub fn upgrade(client: &mut Client) -> Result<Result<(), String>, Error> {
    let encoding: String = client.query_one("SHOW server_encoding", &[])?.get(0);
    if encoding != "UTF8" {
        return Ok(Err(format!(
            "the database's encoding is {encoding}, in which not every character can be stored: make one with \
             CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    let newest = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if version(client)? == Some(newest) {
        return Ok(Ok(()));
    }
    let mut tx = client.transaction()?;
    tx.batch_execute(LOCK)?;
    // Another sidecar may have been faster.
    let found = match tx.query_opt("SELECT to_regclass('gatewaystack.form') IS NOT NULL", &[])? {
        Some(row) if row.get(0) => tx.query_one("SELECT version FROM gatewaystack.form", &[])?.get(0),
        _ => 0i64,
    };
    let Some(done) = usize::try_from(found).ok().filter(|_| found <= newest) else {
        return Ok(Err(is_newer(found, newest)));
    };
    if done == 0 {
        let has_schema: bool = tx.query_one("SELECT to_regnamespace($1) IS NOT NULL", &[&SCHEMA])?.get(0);
        if !has_schema {
            tx.batch_execute(&format!("CREATE SCHEMA {SCHEMA}"))?;
        }
        tx.batch_execute("CREATE TABLE gatewaystack.form (version BIGINT NOT NULL); INSERT INTO gatewaystack.form VALUES (0)")?;
    }
    for step in STEPS.iter().skip(done) {
        tx.batch_execute(&step())?;
    }
    tx.execute("UPDATE gatewaystack.form SET version = $1", &[&newest])?;
    tx.commit().map(Ok)
}

fn version(client: &mut Client) -> Result<Option<i64>, Error> {
    let is_there: bool = client.query_one("SELECT to_regclass('gatewaystack.form') IS NOT NULL", &[])?.get(0);
    if !is_there {
        return Ok(None);
    }
    Ok(client.query_opt("SELECT version FROM gatewaystack.form", &[])?.map(|row| row.get(0)))
}
