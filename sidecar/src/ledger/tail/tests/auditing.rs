//! What the ledger takes in has a leaf in the audit log, once, and the log fits whatever happened.

use super::{LIMITS, NOW, append, nobody, record, records, unnumbered};
use crate::audit::hash::hex;
use crate::audit::leaf::{self, commitment};
use crate::audit::log::{self, newest};
use crate::audit::operate as audit;
use crate::audit::store::Store;
use crate::audit::verify::{Also, Found, verify};
use crate::ledger::database::{Home, Use, testing};
use crate::ledger::operate::{self, Trouble};
use crate::ledger::sealed;
use crate::ledger::shared::{Audited, Ledger};
use crate::ledger::tail::Reading;
use gatewaystack_core::config::{self, policy::Policy};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

fn policy(folder: &Path) -> Policy {
    let policy = json!({
        "public_url": "https://gateway.example.com",
        "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
        "sidecar": { "data_dir": folder },
        "ledger": { "on": true },
        "audit": { "log": true, "checkpoint": "100ms" }
    });
    config::load(Some(policy.to_string().as_bytes()), None).unwrap()
}

fn reading(folder: &Path) -> Reading {
    let ledger = Ledger::open(folder, LIMITS).unwrap();
    Reading::new(ledger.audited(Audited::of(&policy(folder), "digest")), nobody())
}

fn take(reading: &mut Reading) {
    while reading.step(NOW).unwrap() {}
}

/// All leaves that a checkpoint covers.
fn leaves(folder: &Path) -> Vec<Value> {
    let (_, store, _, checkpoint) = newest(&Home::from(folder)).unwrap();
    (0..checkpoint.size)
        .map(|at| serde_json::from_slice(&store.leaf(at, checkpoint.size).unwrap()).unwrap())
        .collect()
}

fn checked(folder: &Path) -> Found {
    let (signer, ..) = newest(&Home::from(folder)).unwrap();
    verify(&mut Store::of(&Home::from(folder)).unwrap(), signer.verifier(), &Also::default(), &mut |_, _| ())
        .unwrap()
}

fn of_kind<'a>(leaves: &'a [Value], kind: &str) -> Vec<&'a Value> {
    leaves.iter().filter(|leaf| leaf["kind"] == kind).collect()
}

#[test]
fn each_record_has_one_leaf_over_any_number_of_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for n in 1..=400 {
        text += &record(1, n);
        text += &record(2, n);
        text += &unnumbered(&format!("/{n}"));
    }
    let mut sizes = Vec::new();
    for piece in text.as_bytes().chunks(text.len() / 9) {
        append(folder.path(), std::str::from_utf8(piece).unwrap());
        let mut reading = reading(folder.path());
        take(&mut reading);
        drop(reading);
        sizes.push(checked(folder.path()).checkpoint.size);
    }
    let leaves = leaves(folder.path());
    let numbered: BTreeSet<(String, u64)> = of_kind(&leaves, "record")
        .iter()
        .filter_map(|leaf| Some((leaf["vm"].as_str()?.to_owned(), leaf["seq"].as_u64()?)))
        .collect();
    assert_eq!((of_kind(&leaves, "record").len(), numbered.len()), (1_200, 800));
    assert_eq!((of_kind(&leaves, "start").len(), of_kind(&leaves, "policy").len()), (sizes.len(), 1));
    assert_eq!(leaves[1]["sha256"], "digest");
    // Each by where it stands in the file, too.
    let places: BTreeSet<String> =
        of_kind(&leaves, "record").iter().map(|l| format!("{} {}", l["source"], l["offset"])).collect();
    assert_eq!(places.len(), 1_200);
    let db = Home::from(folder.path()).open(Use::Search).unwrap();
    let left: u64 = db.one("SELECT count(*) FROM leaves", &[]).unwrap();
    assert_eq!(left, 0, "what a checkpoint covers isn't kept twice");
}

#[test]
fn every_leaf_that_commits_to_something_is_opened_by_what_the_ledger_has() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"status":200,"ts":"2026-11-29T22:58:01.123456Z","vm":"ff00000000000001","seq":1,"request_id":"r1","sub":"ann","decision":"allow","path":"/\u00fc","later":1e2,"needed":["a b"]}"#,
        r#"{"decision":"error","request_id":"half","path":"\ud800"}"#,
        r#"{"ts":null,"decision":"error","request_id":null}"#,
    ];
    append(folder.path(), &format!("{}\n", lines.join("\n")));
    let policy = policy(folder.path());
    let mut reading = reading(folder.path());
    take(&mut reading);
    operate::block(&policy, "user", "bob", None, Some("why")).unwrap();
    operate::unblock(&policy, "user", "bob").unwrap();
    drop(reading);
    let leaves = leaves(folder.path());
    let text = Value::Array(leaves.clone()).to_string();
    assert!(!text.contains("ann") && !text.contains("bob"), "{text}");
    let kinds: Vec<&str> = leaves.iter().map(|leaf| leaf["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["start", "policy", "record", "record", "record", "block", "unblock"]);
    let db = Home::from(folder.path()).open(Use::Search).unwrap();
    let mut opened = Vec::new();
    sealed::all(&db, 7, &mut |index, salt, value| {
        assert_eq!(leaves[index as usize]["commitment"], hex(&commitment(salt, value)), "{index}: {value}");
        opened.push((index, leaf::value(value)));
        Ok(())
    })
    .unwrap();
    opened.sort_by_key(|(index, _)| *index);
    assert_eq!(opened.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(opened[0].1, serde_json::from_str::<Value>(lines[0]).unwrap());
    assert!(opened[1].1.is_string(), "half of a pair has no canonical form");
    assert_eq!([&opened[3].1["value"], &opened[3].1["why"]], ["bob", "why"]);
    checked(folder.path());
    audit::prove(&policy, "r1", true).unwrap();
    assert!(matches!(audit::prove(&policy, "nobody's", false), Err(Trouble::Other(_))));
}

#[test]
fn what_is_missing_has_a_leaf() {
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), &format!("{}{}", record(1, 1), record(1, 5)));
    let mut reading = reading(folder.path());
    take(&mut reading);
    while reading.step(NOW + 61_000).unwrap() {}
    drop(reading);
    let leaves = leaves(folder.path());
    let gap = of_kind(&leaves, "gap");
    assert_eq!(
        (gap.len(), &gap[0]["vm"], &gap[0]["from"], &gap[0]["to"]),
        (1, &json!("0000000000000001"), &json!(2), &json!(4))
    );
}

/// The ledger was put back from a copy, and its log wasn't: nothing has two leaves, what the log has stays.
#[test]
fn a_ledger_of_before_goes_on_behind_its_log() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    append(folder.path(), &(1..=10).map(|n| record(1, n)).collect::<String>());
    take(&mut reading(folder.path()));
    let (of, to) = (folder.path().join("ledger.db"), copy.path().join("ledger.db"));
    std::fs::copy(&of, &to).unwrap();
    append(folder.path(), &(11..=20).map(|n| record(1, n)).collect::<String>());
    take(&mut reading(folder.path()));
    let before = checked(folder.path());
    for side in ["ledger.db-wal", "ledger.db-shm"] {
        drop(std::fs::remove_file(folder.path().join(side)));
    }
    std::fs::copy(&to, &of).unwrap();
    // An operator is busy with what was put back, before anybody serves it.
    let policy = policy(folder.path());
    for _ in 0..15 {
        operate::block(&policy, "user", "bob", None, None).unwrap();
    }
    append(folder.path(), &(21..=25).map(|n| record(1, n)).collect::<String>());
    take(&mut reading(folder.path()));
    let after = checked(folder.path());
    assert!(after.checkpoint.size > before.checkpoint.size);
    let leaves = leaves(folder.path());
    let seqs: Vec<u64> =
        of_kind(&leaves, "record").iter().map(|leaf| leaf["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=25).collect::<Vec<_>>(), "each once");
    let unknown: Vec<u64> =
        of_kind(&leaves, "start").iter().map(|leaf| leaf["unknown"].as_u64().unwrap()).collect();
    assert_eq!(unknown, [0, 0, 11], "ten records and a start");
    assert_eq!(of_kind(&leaves, "block").len(), 15);
    opens(folder.path(), &leaves);
}

/// Whatever can be opened opens its own leaf; how many there are.
fn opens(folder: &Path, leaves: &[Value]) -> usize {
    let db = Home::from(folder).open(Use::Search).unwrap();
    let mut count = 0;
    sealed::all(&db, leaves.len() as u64, &mut |index, salt, value| {
        assert_eq!(leaves[index as usize]["commitment"], hex(&commitment(salt, value)), "{index}: {value}");
        count += 1;
        Ok(())
    })
    .unwrap();
    count
}

/// The log was put back from a copy, and the ledger wasn't: another history is not begun.
#[test]
fn a_log_of_before_is_not_gone_on_with() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    append(folder.path(), &(1..=10).map(|n| record(1, n)).collect::<String>());
    take(&mut reading(folder.path()));
    let policy = policy(folder.path());
    let kept = copy.path().join("kept");
    audit::export(&policy, &kept, false).unwrap();
    append(folder.path(), &(11..=20).map(|n| record(1, n)).collect::<String>());
    take(&mut reading(folder.path()));
    std::fs::remove_dir_all(log::folder(folder.path())).unwrap();
    std::fs::rename(kept.join("audit"), log::folder(folder.path())).unwrap();
    let mut broken = reading(folder.path());
    assert!(broken.step(NOW).unwrap_err().contains("older than the ledger"));
    drop(broken);
    assert!(audit::prove(&policy, "nobody's", false).is_err());
}

/// Where the beginning isn't kept, and the ledger is lost: the log goes on all the same.
#[test]
fn a_new_ledger_goes_on_behind_a_log_without_its_beginning() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), &(1..=600).map(|n| record(1, n)).collect::<String>());
    take(&mut reading(folder.path()));
    let mut log = log::Log::open(&Home::from(folder.path()), "", 0).unwrap().unwrap();
    log.push(br#"{"kind":"retention","at":"2026-11-30T00:00:00.000Z","minimum":256}"#).unwrap();
    log.publish(|_, _, _| String::new()).unwrap();
    log.prune(256).unwrap();
    drop(log);
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        drop(std::fs::remove_file(folder.path().join(file)));
    }
    append(folder.path(), &record(1, 601));
    take(&mut reading(folder.path()));
    // Those whose leaves are gone are taken again: nothing says that they had been there.
    let leaves = of_kept(folder.path(), 256);
    let seqs: BTreeSet<u64> = leaves.iter().filter_map(|leaf| leaf["seq"].as_u64()).collect();
    assert!((255..=601).all(|seq| seqs.contains(&seq)), "{seqs:?}");
    assert_eq!(checked(folder.path()).first, 256);
}

fn of_kept(folder: &Path, first: u64) -> Vec<Value> {
    let (_, store, _, checkpoint) = newest(&Home::from(folder)).unwrap();
    let leaf = |at| serde_json::from_slice(&store.leaf(at, checkpoint.size).unwrap()).unwrap();
    (first..checkpoint.size).map(leaf).collect()
}

/// Trouble that a reader before had is no trouble of one who reads well.
#[test]
fn trouble_ends_with_whoever_reads_next() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), &record(1, 1));
    take(&mut reading(folder.path()));
    std::fs::write(log::folder(folder.path()).join("checkpoint"), b"x").unwrap();
    let broken = reading(folder.path());
    let ledger = broken.ledger.clone();
    let stopped = std::sync::mpsc::channel().1;
    let mut broken = broken;
    broken.until_told(&stopped);
    drop(broken);
    assert!(ledger.standing().trouble.is_some() && ledger.is_audited() == Some(false));
    let plain = ledger.clone().audited(None);
    Reading::new(plain.clone(), nobody()).until_told(&stopped);
    assert_eq!((plain.standing().trouble, plain.is_audited()), (None, None));
}

/// Nothing is taken in that couldn't have a leaf: it waits in its file.
#[test]
fn a_broken_log_stops_the_ledger_and_says_so() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), &record(1, 1));
    take(&mut reading(folder.path()));
    let checkpoint = log::folder(folder.path()).join("checkpoint");
    let whole = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, b"x").unwrap();
    append(folder.path(), &record(1, 2));
    let mut broken = reading(folder.path());
    assert!(broken.step(NOW).unwrap_err().contains("checkpoint"));
    assert!(broken.ledger.standing().audit_trouble.unwrap().contains("checkpoint"));
    assert_eq!(records(folder.path()).len(), 1);
    std::fs::write(&checkpoint, whole).unwrap();
    take(&mut broken);
    drop(broken);
    assert_eq!(of_kind(&leaves(folder.path()), "record").len(), 2);
}

fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_with(&entry.path(), text));
        } else if std::fs::read(entry.path()).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
        {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

fn of_sub(sub: &str, seq: u64) -> String {
    json!({"status": 200, "ts": "2026-11-29T22:58:01.000000Z", "vm": "0000000000000001", "seq": seq, "request_id": format!("r{seq}"),
        "sub": sub, "decision": "allow"}).to_string() + "\n"
}

/// Of a person who is erased no file has the name, and every proof holds.
#[test]
fn who_is_erased_is_in_no_file_and_every_proof_stays() {
    for serves in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (gone, stays) = ("auth0|erase-me-\u{fc}", "auth0|stays");
        let mut text = String::new();
        for seq in 1..=600 {
            text += &of_sub(if seq % 3 == 0 { gone } else { stays }, seq);
        }
        append(folder.path(), &text);
        let policy = policy(folder.path());
        let mut before = reading(folder.path());
        take(&mut before);
        drop(before);
        let old = checked(folder.path());
        let (_, mut store, note, checkpoint) = newest(&Home::from(folder.path())).unwrap();
        let proof = crate::audit::proof::write(&mut store, 4, &note, &checkpoint).unwrap();
        assert!(!files_with(folder.path(), "erase-me").is_empty());
        operate::block(&policy, "user", gone, None, None).unwrap();
        let reading = serves.then(|| reading(folder.path()));
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            if let Some(mut reading) = reading {
                let stop = &stop;
                scope.spawn(move || {
                    let until = Instant::now() + Duration::from_secs(60);
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) && Instant::now() < until {
                        reading.step(crate::clock::now_ms()).unwrap();
                        std::thread::sleep(Duration::from_millis(10));
                    }
                });
            }
            let blocked = audit::erase(&policy, gone);
            assert!(matches!(blocked, Err(Trouble::Other(why)) if why.contains("blocked")));
            operate::unblock(&policy, "user", gone).unwrap();
            audit::erase(&policy, gone).unwrap();
            assert!(
                matches!(audit::erase(&policy, "nobody"), Err(Trouble::Other(why)) if why.contains("no record"))
            );
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!(files_with(folder.path(), "erase-me"), Vec::<String>::new(), "serves: {serves}");
        opens(folder.path(), &leaves(folder.path()));
        assert_eq!(records(folder.path()).len(), 400);
        // Whoever has read the file goes on behind what was erased in it.
        append(folder.path(), &of_sub(stays, 601));
        let mut again = self::reading(folder.path());
        take(&mut again);
        drop(again);
        assert_eq!(records(folder.path()).len(), 401);
        let now = checked(folder.path());
        assert!(
            now.checkpoint.size > old.checkpoint.size
                && now.kinds["erasure"] == 1
                && now.kinds["record"] == 601
        );
        let (signer, ..) = newest(&Home::from(folder.path())).unwrap();
        crate::audit::proof::check(&proof, signer.verifier(), &[]).unwrap();
        // The leaf can be proved, and not opened any more.
        audit::prove(&policy, "r3", false).unwrap();
        assert!(
            matches!(audit::prove(&policy, "r3", true), Err(Trouble::Other(why)) if why.contains("erased"))
        );
        audit::prove(&policy, "r4", true).unwrap();
    }
}

#[test]
fn a_copy_for_an_auditor_fits_by_itself() {
    let (folder, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    append(folder.path(), &(1..=700).map(|n| record(1, n)).collect::<String>());
    take(&mut reading(folder.path()));
    let policy = policy(folder.path());
    let copy = to.path().join("copy");
    audit::export(&policy, &copy, true).unwrap();
    assert!(matches!(audit::export(&policy, &copy, true), Err(Trouble::Use(_))), "it isn't written over");
    let key = audit::read_key(copy.join("audit.vkey").to_str().unwrap()).unwrap();
    let found =
        verify(&mut Store::folder(&copy.join("audit")), &key, &Also::default(), &mut |_, _| ()).unwrap();
    assert_eq!((found.kinds["record"], found.uncovered), (700, 0));
    assert_eq!(std::fs::read_to_string(copy.join("openings.jsonl")).unwrap().lines().count(), 700);
    take(&mut reading(folder.path()));
    assert_eq!(checked(folder.path()).kinds["export"], 1);
}

/// Whether the trouble of who waits for its turn becomes this: the next look is at most five seconds away.
fn says(reading: &mut Reading, expected: &dyn Fn(Option<&str>) -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        reading.step(NOW).unwrap();
        if expected(reading.ledger.standing().audit_trouble.as_deref()) {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One sidecar at a time signs a log that several share; another could, and says so where it couldn't.
#[test]
fn another_sidecar_goes_on_with_the_log_where_it_has_the_key() {
    if !testing::is_on() {
        return;
    }
    let (folder, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    testing::share(folder.path(), second.path());
    append(folder.path(), &record(1, 1));
    let mut signs = reading(folder.path());
    take(&mut signs);
    let until = Instant::now() + Duration::from_secs(20);
    while newest(&Home::from(folder.path())).is_err() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    append(second.path(), &record(2, 1));
    let mut waits = reading(second.path());
    assert!(says(&mut waits, &|why| why.is_some_and(|why| why.contains("has to be the key"))));
    assert!(!second.path().join("audit.key").exists(), "it makes no key of its own");
    // Another log's key.
    let other = tempfile::tempdir().unwrap();
    let signer = crate::audit::note::Signer::of("a/audit", [7; 32]).unwrap();
    log::put_key(&Home::from(other.path()), &signer).unwrap();
    std::fs::copy(other.path().join("audit.key"), second.path().join("audit.key")).unwrap();
    assert!(
        says(&mut waits, &|why| why.is_some_and(|why| why.contains("the key with which another sidecar")))
    );
    std::fs::copy(folder.path().join("audit.key"), second.path().join("audit.key")).unwrap();
    assert!(says(&mut waits, &|why| why.is_none()));
    let before = newest(&Home::from(folder.path())).unwrap().3.size;
    // Whoever signs publishes what there is when it ends; what comes later is signed by the other one.
    drop(signs);
    append(second.path(), &(record(2, 2) + &record(2, 3)));
    let until = Instant::now() + Duration::from_secs(20);
    while newest(&Home::from(second.path())).unwrap().3.size < before + 3 && Instant::now() < until {
        waits.step(NOW).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    let leaves = leaves(second.path());
    let vms: Vec<&str> = of_kind(&leaves, "record").iter().map(|leaf| leaf["vm"].as_str().unwrap()).collect();
    assert_eq!(vms.iter().filter(|vm| vm.ends_with('2')).count(), 3, "{vms:?}");
    assert_eq!(checked(second.path()).kinds["record"], 4);
}
