//! A witness as C2SP tlog-witness has it, and one that isn't there.

use super::Witnesses;
use crate::audit::hash::{Hash, is_consistent, of_nothing};
use crate::audit::log::{Log, newest};
use crate::audit::note::{Checkpoint, Verifier};
use crate::ledger::Home;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex};

const NAME: &str = "w.example/one";
const NOW: i64 = 1_796_000_000_000;

struct Known {
    log: Verifier,
    size: u64,
    root: Hash,
    asked: Vec<u16>,
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap()
}

fn id() -> [u8; 4] {
    let key = pair();
    let hash =
        Sha256::new().chain_update(NAME).chain_update([b'\n', 4]).chain_update(key.public_key()).finalize();
    *hash.first_chunk().unwrap()
}

fn vkey() -> Verifier {
    let bytes = [&[4u8], pair().public_key().as_ref()].concat();
    Verifier::read(&format!("{NAME}+{:08x}+{}", u32::from_be_bytes(id()), STANDARD.encode(bytes))).unwrap()
}

async fn add_checkpoint(State(known): State<Arc<Mutex<Known>>>, body: String) -> Response {
    let mut known = known.lock().unwrap();
    let answer = judged(&mut known, &body);
    known.asked.push(answer.status().as_u16());
    answer
}

fn judged(known: &mut Known, body: &str) -> Response {
    let (head, note) = body.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
    let proof: Vec<Hash> = lines.map(|line| STANDARD.decode(line).unwrap().try_into().unwrap()).collect();
    let Ok(checkpoint) = Checkpoint::read(note, &known.log, &[]) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    if old > checkpoint.size {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if old != known.size {
        let size = format!("{}\n", known.size);
        return (StatusCode::CONFLICT, [(header::CONTENT_TYPE, "text/x.tlog.size")], size).into_response();
    }
    if !is_consistent(old, &known.root, checkpoint.size, &checkpoint.root, &proof) {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    (known.size, known.root) = (checkpoint.size, checkpoint.root);
    let text = &note[..=note.rfind("\n\n").unwrap()];
    let signature = pair().sign(format!("cosignature/v1\ntime 1700000000\n{text}").as_bytes());
    let bytes = [&id()[..], &1_700_000_000u64.to_be_bytes(), signature.as_ref()].concat();
    format!("\u{2014} {NAME} {}\n", STANDARD.encode(bytes)).into_response()
}

/// A witness in a thread of its own: where it is.
fn witness(log: &Log) -> (String, Arc<Mutex<Known>>) {
    let known = Known { log: log.verifier().clone(), size: 0, root: of_nothing(), asked: Vec::new() };
    let known = Arc::new(Mutex::new(known));
    let router = Router::new().route("/w/add-checkpoint", post(add_checkpoint)).with_state(known.clone());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    (format!("http://{}/w", told.recv().unwrap()), known)
}

fn grow(log: &mut Log, by: u64, witnesses: &mut Witnesses, now_ms: i64) {
    for n in 0..by {
        log.push(format!("leaf {n} of {by}").as_bytes()).unwrap();
    }
    let own = log.verifier().clone();
    log.publish(|store, note, size| witnesses.sign(store, &own, note, size, now_ms)).unwrap();
}

#[test]
fn a_checkpoint_has_the_signature_of_a_witness_who_saw_all_before() {
    let data = tempfile::tempdir().unwrap();
    let mut log = Log::open(&Home::from(data.path()), "gateway.example.com/audit", 0).unwrap().unwrap();
    let (url, known) = witness(&log);
    let mut witnesses = Witnesses::at(std::slice::from_ref(&url)).unwrap();
    for by in [1, 6, 300, 1_000] {
        grow(&mut log, by, &mut witnesses, NOW);
        let (signer, store, ..) = newest(&Home::from(data.path())).unwrap();
        let (_, checkpoint) = store.checked(signer.verifier(), &[vkey()]).unwrap();
        assert_eq!((checkpoint.size, known.lock().unwrap().size), (log.size(), log.size()));
    }
    // Who begins anew knows nothing of the witness, and is told.
    let mut witnesses = Witnesses::at(&[url]).unwrap();
    grow(&mut log, 5, &mut witnesses, NOW);
    let (signer, store, ..) = newest(&Home::from(data.path())).unwrap();
    store.checked(signer.verifier(), &[vkey()]).unwrap();
    assert_eq!(known.lock().unwrap().asked, [200, 200, 200, 200, 409, 200]);
}

/// A log of another history is published without the signature: whoever asks for it sees that it's missing.
#[test]
fn a_witness_signs_no_other_history() {
    let data = tempfile::tempdir().unwrap();
    let mut log = Log::open(&Home::from(data.path()), "gateway.example.com/audit", 0).unwrap().unwrap();
    let (url, known) = witness(&log);
    let mut witnesses = Witnesses::at(std::slice::from_ref(&url)).unwrap();
    grow(&mut log, 10, &mut witnesses, NOW);
    drop(log);
    std::fs::remove_dir_all(data.path().join("audit")).unwrap();
    let mut other = Log::open(&Home::from(data.path()), "x", 0).unwrap().unwrap();
    for (size, status) in [(3, 409), (20, 422)] {
        let mut witnesses = Witnesses::at(std::slice::from_ref(&url)).unwrap();
        let by = size - other.size();
        grow(&mut other, by, &mut witnesses, NOW);
        assert_eq!(known.lock().unwrap().asked.last(), Some(&status));
        let (signer, store, ..) = newest(&Home::from(data.path())).unwrap();
        assert!(
            store.checked(signer.verifier(), &[vkey()]).unwrap_err().contains("no signature of w.example")
        );
    }
}

#[test]
fn a_witness_who_isnt_there_is_left_out_and_asked_again_later() {
    let data = tempfile::tempdir().unwrap();
    let mut log = Log::open(&Home::from(data.path()), "gateway.example.com/audit", 0).unwrap().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/w", nobody.local_addr().unwrap());
    let (url, known) = witness(&log);
    let mut witnesses = Witnesses::at(&[silent, url]).unwrap();
    for step in 0..3 {
        grow(&mut log, 2, &mut witnesses, NOW + step);
    }
    let (signer, store, ..) = newest(&Home::from(data.path())).unwrap();
    store.checked(signer.verifier(), &[vkey()]).unwrap();
    assert_eq!(known.lock().unwrap().asked, [200, 200, 200]);
    // Once, for three checkpoints.
    nobody.set_nonblocking(true).unwrap();
    assert_eq!(nobody.incoming().take_while(Result::is_ok).count(), 1);
}
