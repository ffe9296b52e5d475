//! A host that is done with a stream inside a call of ours, and has it logged, or logged and deleted, before
//! the call comes back: nothing panics, the record is written once, and nothing of the stream is touched any
//! more.

use super::bodies::{Life, answers, requests};
use super::host::{Call, ENDINGS};
use super::*;

const CALLS: [Call; 5] = [Call::SetBody, Call::Answer, Call::Close, Call::Continue, Call::ClearRoute];

/// What is left of a life whose host ends it in this call.
fn end_inside(life: &Life, call: Call, is_deleted: bool, fault: Option<(usize, Fault)>) -> bool {
    let what = format!("{call:?} deleted {is_deleted} hold {} {:?} {fault:?}", life.hold, life.answer);
    let (ended, records, touched) =
        life.run_with(fault, move |host| host.ends_inside = Some((call, is_deleted)));
    assert_eq!(touched, Vec::<&str>::new(), "{what}");
    assert!(records <= 1 && (records == 1 || fault.is_some()), "{what}: {records} records");
    ended
}

#[test]
fn a_stream_that_ends_inside_a_call_is_recorded_once_and_left_alone() {
    let lives: Vec<Life> = requests()
        .into_iter()
        .map(|(life, _)| life)
        .chain(answers().into_iter().map(|(life, _)| life))
        .collect();
    for call in CALLS {
        for is_deleted in ENDINGS {
            let met = lives.iter().filter(|life| end_inside(life, call, is_deleted, None)).count();
            assert!(met > 0 || call == Call::ClearRoute || call == Call::Close, "{call:?} is met");
        }
    }
}

/// Where a call fails, a stream is reset, or answered in another way: there, too.
#[test]
fn the_same_where_another_call_fails() {
    let lives: Vec<Life> = answers().into_iter().map(|(life, _)| life).collect();
    let mut met = 0;
    for life in lives.iter().step_by(10) {
        let calls = life.run(None).calls;
        for at in 0..calls {
            for call in [Call::SetBody, Call::Answer, Call::Close] {
                met += usize::from(end_inside(life, call, true, Some((at, Fault::Status(2)))));
            }
        }
    }
    assert!(met > 10, "{met}");
}

/// The root lets a held request go, or answers it: the same.
#[test]
fn a_request_that_ends_while_it_is_let_go_is_recorded_once() {
    for call in [Call::Continue, Call::Answer, Call::ClearRoute] {
        for is_deleted in ENDINGS {
            for token in [fixture().token.clone(), format!("{}x", fixture().token)] {
                let life = move || {
                    configure("enforce", None);
                    host(|host| host.ends_inside = Some((call, is_deleted)));
                    assert!(start());
                    arrive("/v1/%78", Some(&token));
                    proxy_on_context_create(REQUEST, ROOT);
                    assert_ne!(proxy_on_request_headers(REQUEST, 5, true), CONTINUE);
                    fetch();
                    proxy_on_log(REQUEST);
                    proxy_on_delete(REQUEST);
                    let (records, touched) = host(|host| (host.records, host.touched.clone()));
                    assert_eq!(records, 1, "{call:?}");
                    // Where the host ends it as its route is cleared, there is no more to say.
                    assert_eq!(touched, Vec::<&str>::new(), "{call:?}");
                };
                std::thread::spawn(life).join().unwrap();
            }
        }
    }
}
