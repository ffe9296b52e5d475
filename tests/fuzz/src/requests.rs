//! The target of the request side. In: bytes, which are a request with its caller. Out: a panic where the
//! gateway forwards what some server could read as something that the caller may not, or refuses what
//! everybody reads alike and the caller may (contract §1, §7, §12; decision 0013).
//!
//! Three bytes of settings, which are letters in seeds, and one that is passed over; then the request's text:
//! method and target, headers, an empty line, the body, with the fragments of `requests/fragments.rs`.

mod fragments;
mod wire;
mod forwarded;
mod expect;
mod body;
mod target;
mod texts;

#[cfg(test)]
mod tests;

use crate::gateway::{self, CALLERS, Caller, Gateway, Judged};
use crate::text::{choose, expand};
use gatewaystack_core::decision::{Decision, Wait};
use gatewaystack_core::reply::Reply;
use wire::{Speaks, Wire};

/// The settings: caller, whether the host holds headers and how the call is spoken.
const SETTINGS: usize = 3;

/// A request, and who sends it.
#[derive(Debug)]
struct Case {
    caller: Caller,
    /// Whether the host holds headers back.
    holds: bool,
    speaks: Speaks,
    wire: Wire,
}

/// Judges what is decided about a request.
///
/// # Panics
/// A promise is broken.
pub fn check(bytes: &[u8]) {
    let Some(case) = read(bytes) else { return };
    texts::check(&case.wire);
    let done = gateway::with(case.holds, |gateway| judge(gateway, &case));
    assert_eq!(done, Ok(()), "the gateway of the tests");
}

/// The same for people: what the bytes stand for.
pub fn describe(bytes: &[u8]) -> String {
    read(bytes).map_or_else(String::new, |case| {
        format!("{:?}, headers held: {}\n{}", case.caller, case.holds, case.wire.shown())
    })
}

fn read(bytes: &[u8]) -> Option<Case> {
    let (settings, text) = bytes.split_at_checked(SETTINGS)?;
    let [caller, holds, speaks] = settings else { return None };
    let (caller, speaks) = (choose(&CALLERS, *caller)?, choose(&wire::SPEAKS, *speaks)?);
    let text = expand(text.get(1..).unwrap_or_default(), &fragments::FRAGMENTS);
    Some(Case { caller, holds: holds & 1 == 1, speaks, wire: Wire::read(&text, caller, speaks)? })
}

fn judge(gateway: &Gateway, case: &Case) {
    let judged = gateway.ask(&case.wire.pairs(), &case.wire.body);
    let expected = expect::of(case);
    if let Some(token) = case.caller.token() {
        assert!(!tells(&judged.record, &token), "the token in the record: {}", judged.record);
    }
    match &judged.decision {
        Decision::Forward(permit) => {
            let edits = permit.edits();
            assert!(expected != Some(false), "forwarded, but nothing allows it");
            let left = judged.let_go.as_ref();
            assert!(left.is_none_or(|left| left == edits), "left as {left:?}, permitted as {edits:?}");
            forwarded::check(case, edits);
            again(gateway, case, &judged);
        }
        Decision::Reply(reply) => {
            assert!(expected != Some(true), "refused, but allowed: {} {}", reply.status, reply.body);
            refused(case, reply);
        }
        // A token of the fuzzer's own may name a key that isn't there.
        Decision::Wait(Wait::Keys(_)) => {}
        other => assert!(case.wire.has_own_token(), "neither forwarded nor refused: {other:?}"),
    }
}

/// A refusal is one, and says nothing of the token.
fn refused(case: &Case, reply: &Reply) {
    let is_answer = matches!(reply.status, 200 | 204) && case.wire.method == b"OPTIONS";
    assert!(is_answer || (400..500).contains(&reply.status), "refused with {}", reply.status);
    let headers = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let said = headers.chain([reply.body.clone()]).collect::<String>();
    let own = case.wire.headers.iter().filter(|(name, _)| name == "authorization");
    let tokens = own.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).chain(case.caller.token());
    for token in tokens {
        assert!(!tells(&said, &token), "the token in a refusal: {said}");
    }
}

/// Whether a text has a part of a token in it, except for short ones, which may stand there for another
/// reason.
fn tells(text: &str, token: &str) -> bool {
    token.split(['.', ' ']).any(|part| part.len() > 20 && text.contains(part))
}

/// What was forwarded, asked for once more, is forwarded as it is.
fn again(gateway: &Gateway, case: &Case, judged: &Judged) {
    let Decision::Forward(permit) = &judged.decision else { return };
    let Some(path) = &permit.edits().path else { return };
    let pairs: Vec<(&[u8], &[u8])> = case.wire.pairs();
    let same =
        |(name, value)| if name == b":path".as_slice() { (name, path.as_bytes()) } else { (name, value) };
    let twice = gateway.ask(&pairs.into_iter().map(same).collect::<Vec<_>>(), &case.wire.body);
    let second = match &twice.decision {
        Decision::Forward(twice) => Some(twice.edits().path.as_ref().unwrap_or(path)),
        _ => None,
    };
    assert!(second == Some(path), "{path}, and asked for once more {second:?}: {:?}", twice.decision);
}
