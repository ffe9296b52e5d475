//! What the queue promises, on a real file.

use super::{Counts, Job, KEPT, Queue, Received, Refused, file};
use crate::webhook::event::Registration;
use std::path::Path;
use tempfile::TempDir;

fn queue() -> (TempDir, Queue) {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path()).unwrap();
    (folder, queue)
}

fn of(log_id: &str, client_id: &str) -> Registration {
    Registration { log_id: log_id.to_owned(), client_id: Some(client_id.to_owned()) }
}

async fn ids(queue: &Queue, now: i64) -> Vec<String> {
    queue.due(now, 10, Vec::new()).await.unwrap().into_iter().map(|job| job.log_id).collect()
}

async fn counts(queue: &Queue) -> (i64, i64) {
    let Counts { queued, parked } = queue.counts().await.unwrap();
    (queued, parked)
}

#[tokio::test]
async fn a_repeated_id_is_queued_once_whatever_became_of_it() {
    let (_folder, queue) = queue();
    let both = vec![of("1", "a"), of("2", "b"), of("1", "a")];
    assert_eq!(queue.receive(both, 10).await.unwrap(), Received { queued: 2, duplicates: 1 });
    queue.done("1".into(), 11).await.unwrap();
    queue.park("2".into(), "not_allowed: x".into(), 11).await.unwrap();
    let again = vec![of("1", "a"), of("2", "b")];
    assert_eq!(queue.receive(again, 12).await.unwrap(), Received { queued: 0, duplicates: 2 });
    assert_eq!((counts(&queue).await, ids(&queue, 99).await), ((0, 1), Vec::new()));
}

#[tokio::test]
async fn what_was_taken_is_there_after_the_process_died() {
    let (folder, queue) = queue();
    queue.receive(vec![of("1", "a")], 10).await.unwrap();
    queue.seen(77).await.unwrap();
    // Another opening while the first is alive: nothing was left in memory alone.
    let other = Queue::open(folder.path()).unwrap();
    let job = Job { log_id: "1".into(), client_id: "a".into(), attempts: 0, received_ms: 10 };
    assert_eq!(other.due(10, 10, Vec::new()).await.unwrap(), [job]);
    assert_eq!(other.last_seen().await.unwrap(), Some(77));
}

#[tokio::test]
async fn later_is_due_later_and_one_client_is_worked_on_once_at_a_time() {
    let (_folder, queue) = queue();
    queue.receive(vec![of("1", "a"), of("2", "a"), of("3", "b")], 10).await.unwrap();
    assert_eq!(ids(&queue, 10).await, ["1", "3"], "2 has the client of 1");
    let others = queue.due(10, 10, vec!["a".into()]).await.unwrap();
    assert_eq!(others.into_iter().map(|job| job.log_id).collect::<Vec<_>>(), ["3"]);
    queue.later("3".into(), "auth0 answered 500".into(), 50, 11).await.unwrap();
    assert_eq!(ids(&queue, 49).await, ["1"]);
    let job = queue.due(50, 10, vec!["a".into()]).await.unwrap().remove(0);
    assert_eq!((job.log_id.as_str(), job.attempts), ("3", 1));
    assert_eq!(queue.next_due().await.unwrap(), Some(10));
}

#[tokio::test]
async fn the_parked_are_listed_and_tried_again_one_or_all() {
    let (_folder, queue) = queue();
    let nameless = Registration { log_id: "0".into(), client_id: None };
    queue.receive(vec![nameless, of("1", "a"), of("2", "b")], 10).await.unwrap();
    assert_eq!(counts(&queue).await, (2, 1), "without a client there is nothing to do");
    queue.park("1".into(), "one".into(), 20).await.unwrap();
    queue.park("2".into(), "two".into(), 30).await.unwrap();
    let parked: Vec<(String, String)> =
        queue.parked().await.unwrap().into_iter().map(|p| (p.log_id, p.reason)).collect();
    assert_eq!(parked[..2], [("2".into(), "two".into()), ("1".into(), "one".into())]);
    assert_eq!(queue.retry(Some("9".into()), 40).await.unwrap(), 0);
    assert_eq!(queue.retry(Some("0".into()), 40).await.unwrap(), 0, "it names no client");
    assert_eq!(queue.retry(Some("1".into()), 40).await.unwrap(), 1);
    assert_eq!((ids(&queue, 40).await, counts(&queue).await), (vec!["1".into()], (1, 2)));
    assert_eq!(queue.retry(None, 41).await.unwrap(), 1);
    assert_eq!(counts(&queue).await, (2, 1));
}

#[tokio::test]
async fn nothing_grows_for_ever() {
    let (_folder, queue) = queue();
    queue.receive(vec![of("1", "a")], 10).await.unwrap();
    queue.done("1".into(), 20).await.unwrap();
    let kept = i64::try_from(KEPT.as_millis()).unwrap();
    queue.receive(vec![of("2", "b")], 20 + kept).await.unwrap();
    assert_eq!(queue.receive(vec![of("1", "a")], 21).await.unwrap().duplicates, 1, "still known");
    queue.receive(vec![of("3", "c")], 21 + kept).await.unwrap();
    assert_eq!(queue.receive(vec![of("1", "a")], 22 + kept).await.unwrap().queued, 1, "forgotten");
}

#[tokio::test]
async fn a_full_queue_takes_nothing_and_the_parked_make_room_for_each_other() {
    let (folder, queue) = queue();
    fill(folder.path(), "queued", super::MAX_QUEUED - 1);
    assert!(matches!(queue.receive(vec![of("x", "a"), of("y", "b")], 5).await, Err(Refused::Full)));
    assert_eq!(counts(&queue).await.0, super::MAX_QUEUED - 1, "all of a body or nothing");
    assert_eq!(queue.receive(vec![of("x", "a")], 5).await.unwrap().queued, 1);
    fill(folder.path(), "parked", super::MAX_PARKED);
    assert!(queue.park("x".into(), "not_allowed: y".into(), 10).await.unwrap());
    let parked = queue.parked().await.unwrap();
    assert_eq!(i64::try_from(parked.len()).unwrap(), super::MAX_PARKED, "the oldest one has gone");
    assert_eq!(parked[0].log_id, "x");
}

#[tokio::test]
async fn what_could_be_helped_is_never_thrown_away() {
    let (folder, queue) = queue();
    queue.receive(vec![of("x", "a"), of("y", "b")], 1).await.unwrap();
    fill(folder.path(), "parked", super::MAX_PARKED);
    let refused = || "refused: PATCH answered 403".to_owned();
    assert!(
        queue.park("x".into(), refused(), 1).await.unwrap(),
        "the others are anybody's, and as many again may be parked"
    );
    let db = rusqlite::Connection::open(file(folder.path())).unwrap();
    db.execute("UPDATE registration SET reason = 'not_configured: set AUTH0_TENANT_DOMAIN'", []).unwrap();
    assert!(!queue.park("y".into(), refused(), 5).await.unwrap(), "there is no room");
    let parked = queue.parked().await.unwrap();
    assert_eq!(i64::try_from(parked.len()).unwrap(), super::MAX_PARKED + 1);
    assert_eq!((counts(&queue).await.0, ids(&queue, 5).await.len()), (1, 0), "it is queued, and due later");
    assert_eq!(ids(&queue, 5 + super::row::NO_ROOM_MS).await, ["y"]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_leaves_nothing_waiting_for_years() {
    let (_folder, queue) = queue();
    let year = 365 * 24 * 3_600 * 1_000;
    queue.receive(vec![of("1", "a")], year).await.unwrap();
    queue.later("1".into(), "auth0 answered 500".into(), year + 60_000, year).await.unwrap();
    assert_eq!(ids(&queue, 10).await, ["1"]);
    assert_eq!(ids(&queue, year).await, Vec::<String>::new());
}

fn fill(folder: &Path, state: &str, count: i64) {
    let db = rusqlite::Connection::open(file(folder)).unwrap();
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
         INSERT INTO registration SELECT ?1 || i, 'c', ?1, 0, 9, 'not_allowed: x', 9, 9 FROM n",
        rusqlite::params![state, count],
    )
    .unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_queue_of_this_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(file(folder.path()), b"not a database, but long enough to be read as one by mistake")
        .unwrap();
    assert!(Queue::open(folder.path()).is_err());
    std::fs::remove_file(file(folder.path())).unwrap();
    drop(Queue::open(folder.path()).unwrap());
    let db = rusqlite::Connection::open(file(folder.path())).unwrap();
    db.pragma_update(None, "user_version", 2).unwrap();
    assert!(Queue::open(folder.path()).err().unwrap().contains("its form is 2"));
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    Queue::open(&inner).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&file(&inner))), (0o700, 0o600));
}
