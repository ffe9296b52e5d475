//! A copy of all that the ledger and its audit log are, made while both are written; and what was copied put
//! into a data folder that has nothing. In: a folder. Out: the database, the log and its key.

use super::log;
use super::operate::{Copied, copy, tell};
use super::store::Store;
use super::verify::{self, Also};
use crate::ledger::operate::{Trouble, existing, say};
use crate::ledger::sql::cells;
use crate::ledger::{Home, Use, database};
use gatewaystack_core::config::policy::Policy;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

fn other(error: impl ToString) -> Trouble {
    Trouble::Other(error.to_string())
}

fn is_empty(folder: &Path) -> bool {
    !folder.read_dir().is_ok_and(|mut entries| entries.next().is_some())
}

/// Copies the ledger, then its log, which is at least as new, and its key.
///
/// # Errors
/// The folder isn't empty; the log doesn't fit; the disk's.
pub fn backup(policy: &Policy, to: &Path) -> Result<(), Trouble> {
    if !is_empty(to) {
        return Err(Trouble::Use(format!(
            "{}: expected a folder that is empty, or isn't there",
            to.display()
        )));
    }
    let mut db = existing(policy, Use::Desk)?;
    let home = Home::of(policy).map_err(other)?;
    if home.is_shared() {
        return Err(other(
            "ledger.store: PostgreSQL has its own ways to be copied, such as pg_dump; and `audit.key_file` is to be kept",
        ));
    }
    crate::private::folder(to).map_err(other)?;
    if policy.own.audit.is_some() && log::key(&home).map_err(other)?.is_some() {
        let (.., checkpoint) = log::newest(&home).map_err(other)?;
        tell(&mut db, to, Copied::Ledger, checkpoint.size)?;
    }
    let file = database::file(to);
    drop(crate::private::file(&file).map_err(other)?);
    // What is written meanwhile isn't in it.
    db.execute("VACUUM INTO ?1", cells![file.display().to_string()]).map_err(other)?;
    let records = checked(&file)?;
    let mut said = format!("{records} records");
    if let Some(signer) = log::key(&home).map_err(other)? {
        let store = Store::of(&home).map_err(other)?;
        let (note, checkpoint) = store.checked(signer.verifier(), &[]).map_err(other)?;
        let copied = log::folder(to);
        copy(&store, &note, checkpoint.size, &copied)?;
        log::put_key(&Home::from(to), &signer).map_err(other)?;
        let fits =
            verify::verify(&mut Store::folder(&copied), signer.verifier(), &Also::default(), &mut |_, _| ());
        fits.map_err(other)?;
        said.push_str(&format!(" and {} leaves", checkpoint.size));
    }
    say(&format!(
        "{said} are in {}; the key of the log is there, too: keep it as safe as the machine\n",
        to.display()
    ))
}

/// Puts a copy into the data folder, where nobody serves it and it has no ledger.
///
/// # Errors
/// There is one; the copy doesn't fit; the disk's.
pub fn restore(policy: &Policy, from: &Path) -> Result<(), Trouble> {
    let home = Home::of(policy).map_err(other)?;
    if home.is_shared() {
        return Err(other(
            "ledger.store: what was copied from PostgreSQL is put back there, with pg_restore for one",
        ));
    }
    let data = home.folder.as_path();
    let (there, file) = (database::file(data), database::file(from));
    if there.exists() || log::folder(data).exists() {
        return Err(other(format!(
            "DATA_DIR: {} has a ledger or an audit log already: move both away first",
            data.display()
        )));
    }
    let records = checked(&file)?;
    let mut said = format!("{records} records");
    if let Some(signer) = log::key(&Home::from(from)).map_err(other)? {
        let mut store = Store::folder(&log::folder(from));
        let found =
            verify::verify(&mut store, signer.verifier(), &Also::default(), &mut |_, _| ()).map_err(other)?;
        let (note, _) = store.checked(signer.verifier(), &[]).map_err(other)?;
        copy(&store, &note, found.checkpoint.size, &log::folder(data))?;
        log::put_key(&home, &signer).map_err(other)?;
        said.push_str(&format!(" and {} leaves", found.checkpoint.size));
    }
    crate::private::folder(data).map_err(other)?;
    let mut target = crate::private::file(&there).map_err(other)?;
    let mut source = std::fs::File::open(&file).map_err(other)?;
    std::io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).map_err(other)?;
    say(&format!("{said} are in {}\n", data.display()))
}

/// How many records are in a copy that is whole.
fn checked(file: &Path) -> Result<u64, Trouble> {
    let failed = |e: rusqlite::Error| other(format!("{}: {e}", file.display()));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags).map_err(failed)?;
    let word: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if word != "ok" {
        return Err(other(format!("{}: {word}", file.display())));
    }
    db.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::{backup, restore};
    use crate::ledger::Home;
    use crate::ledger::operate::{self, Trouble};
    use gatewaystack_core::config::{self, policy::Policy};
    use serde_json::json;
    use std::path::Path;

    fn policy(folder: &Path) -> Policy {
        let policy = json!({
            "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
            "sidecar": { "data_dir": folder },
            "ledger": { "on": true },
            "audit": { "log": true }
        });
        config::load(Some(policy.to_string().as_bytes()), None).unwrap()
    }

    #[test]
    fn a_copy_is_whole_and_comes_back_where_nothing_is() {
        let (data, new, copy) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (policy, there) = (policy(data.path()), policy(new.path()));
        assert!(matches!(backup(&policy, copy.path()), Err(Trouble::Other(_))), "there is no ledger yet");
        operate::block(&policy, "user", "ann", None, None).unwrap();
        let mut log = crate::audit::log::Log::open(&Home::from(data.path()), "a/audit", 0).unwrap().unwrap();
        (0..300).for_each(|n| log.push(format!("{{\"kind\":\"record\",\"n\":{n}}}").as_bytes()).unwrap());
        log.publish(|_, _, _| String::new()).unwrap();
        backup(&policy, copy.path()).unwrap();
        let said = "SELECT count(*) FROM opening WHERE value LIKE ?1";
        let copied = rusqlite::Connection::open(copy.path().join("ledger.db")).unwrap();
        let to = format!("%\"to\":\"{}\"%", copy.path().display());
        assert_eq!(
            copied.query_row(said, [to], |row| row.get::<_, i64>(0)).unwrap(),
            1,
            "the log says who took a copy"
        );
        drop(copied);
        assert!(matches!(backup(&policy, copy.path()), Err(Trouble::Use(_))), "it isn't written over");
        restore(&there, copy.path()).unwrap();
        assert!(matches!(restore(&there, copy.path()), Err(Trouble::Other(why)) if why.contains("already")));
        operate::unblock(&there, "user", "ann").unwrap();
        assert_eq!(crate::audit::log::newest(&Home::from(new.path())).unwrap().3.size, 300);
        // A copy that isn't whole comes nowhere.
        let third = tempfile::tempdir().unwrap();
        let file = copy.path().join("audit/tile/entries/000");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[9] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let refused = restore(&self::policy(third.path()), copy.path());
        assert!(matches!(refused, Err(Trouble::Other(why)) if why.contains("tile/entries/000")));
        assert!(!third.path().join("ledger.db").exists());
    }
}
