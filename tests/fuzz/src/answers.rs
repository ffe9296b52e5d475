//! The target of the answer filter. In: bytes, which are a question, its caller, and an upstream's answer in
//! chunks. Out: a panic where the client would see what it must not, or wouldn't see what it may (contract
//! §12, decisions 0012 and 0013).
//!
//! Six bytes of settings, which are letters in seeds, and one that is passed over; then the answer's text,
//! with the fragments of `answers/fragments.rs`.

mod fragments;
mod question;
mod drive;
mod found;
mod expect;
mod framing;

#[cfg(test)]
mod tests;

use crate::gateway::{self, CALLERS, Caller, Gateway};
use crate::loose::Loose;
use crate::routes;
use crate::rules::{Kind, Rule};
use crate::text::{choose, expand};
use crate::uris;
use drive::{Answer, End, Seen};
use gatewaystack_core::decision::Decision;
use gatewaystack_core::exchange::Exchange;
use question::{QUESTIONS, Question};
use serde::de::IgnoredAny;
use serde_json::json;
use std::ops::Deref;

/// What isn't text of the answer.
#[derive(Debug, Clone, Copy)]
struct Settings {
    question: Question,
    caller: Caller,
    /// The route, and the largest answer that is read there.
    route: (&'static str, usize),
    /// Whether the host holds headers back.
    holds: bool,
    content_type: &'static str,
    status: u16,
    cut: u8,
}

impl Settings {
    fn answer<'t>(&self, text: &'t [u8]) -> Answer<'t> {
        Answer { text, content_type: self.content_type, status: self.status, cut: self.cut }
    }
}

/// An answer, and what it answers.
struct Case<'a> {
    settings: Settings,
    answer: Answer<'a>,
    /// How long a text the host takes in a body's place.
    room: usize,
}

impl Deref for Case<'_> {
    type Target = Settings;
    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Case<'_> {
    /// What was asked for under this id.
    fn asks(&self, id: &Loose) -> Option<Kind> {
        let id = match id {
            Loose::Word(word) => word.clone(),
            Loose::Text(text) => json!(text).to_string(),
            Loose::Object(_) | Loose::Array(_) => return None,
        };
        self.question.lists.iter().find(|(asked, _)| *asked == id).map(|(_, kind)| *kind)
    }

    /// Whether the caller is shown what has this name.
    fn shows(&self, kind: Kind, name: &str) -> bool {
        let Some(scopes) = self.caller.scopes() else { return kind.shows(name, None) };
        let may = |rule: Rule| match rule {
            Rule::Public => true,
            rule => rule.allows(Some(scopes)) && self.of_route().allows(Some(scopes)),
        };
        match kind {
            Kind::Tool | Kind::Prompt => kind.shows(name, None) && kind.rule(name).is_some_and(may),
            Kind::Resource | Kind::Template => uris::allows(name, &may),
        }
    }

    /// What every call on the route needs.
    fn of_route(&self) -> Rule {
        routes::of(self.route.0).map_or(Rule::All(&[]), |route| route.rule)
    }
}

/// The settings: question, caller, route, type, status, and how the answer is cut into chunks.
const SETTINGS: usize = 6;

/// Judges what is seen of an answer.
///
/// # Panics
/// A promise is broken.
pub fn check(bytes: &[u8]) {
    let Some((settings, text)) = read(bytes) else { return };
    let done = gateway::with(settings.holds, |gateway| {
        let room = gateway.policy.answer_room();
        judge(gateway, &Case { settings, answer: settings.answer(&text), room });
    });
    assert_eq!(done, Ok(()), "the gateway of the tests");
}

/// The same for people: what the bytes stand for.
pub fn describe(bytes: &[u8]) -> String {
    read(bytes).map_or_else(String::new, |(settings, text)| {
        format!("{settings:#?}\nthe upstream answers:\n{}", String::from_utf8_lossy(&text).escape_debug())
    })
}

fn read(bytes: &[u8]) -> Option<(Settings, Vec<u8>)> {
    let (settings, text) = bytes.split_at_checked(SETTINGS)?;
    let [question, caller, route, kind, status, cut] = settings else { return None };
    let settings = Settings {
        question: choose(&QUESTIONS, *question)?,
        caller: choose(&CALLERS, *caller)?,
        route: choose(&routes::MCP, *route)?,
        holds: kind & 1 == 1,
        content_type: choose(&drive::TYPES, kind >> 1)?,
        status: if status % 8 == 7 { 500 } else { 200 },
        cut: *cut,
    };
    Some((settings, expand(text.get(1..).unwrap_or_default(), &fragments::FRAGMENTS)))
}

fn judge(gateway: &Gateway, case: &Case<'_>) {
    let Some(seen) = show(gateway, case, &case.answer) else { return };
    let Answer { text, status, .. } = case.answer;
    let is_stream = case.answer.is_stream();
    if status != 200 {
        assert!(seen.end == End::Whole && seen.body == text, "another status passes as it came");
        return;
    }
    assert!(seen.longest <= case.room, "longer than the host takes: {}", seen.longest);
    assert!(seen.end != End::Refused || seen.body.is_empty(), "refused after something was seen");
    found::check(case, &seen);
    let added = if is_stream { framing::check(case, &seen) } else { expect::check(case, &seen) };
    // What grows past the host's room depends on how much of it comes at once.
    let fits = text.len() + added.unwrap_or(0) <= case.room;
    // What isn't JSON after all may have begun to go on as a tool's result.
    let is_text = is_stream || serde_json::from_slice::<IgnoredAny>(text).is_ok();
    if fits && is_text && text.len() <= case.route.1 / 2 {
        in_one(gateway, case, &seen);
    }
    again(gateway, case, &seen);
}

/// Asks the question, and shows the answer; `None`: the question isn't allowed.
fn show(gateway: &Gateway, case: &Case<'_>, answer: &Answer<'_>) -> Option<Seen> {
    let judged = case.question.ask(gateway, case.caller, case.route.0);
    let Decision::Forward(_) = judged.decision else { return None };
    let mut exchange: Exchange = judged.exchange;
    Some(drive::show(gateway, &mut exchange, answer))
}

/// The same in one chunk: where an answer is cut says nothing about what is seen of it.
fn in_one(gateway: &Gateway, case: &Case<'_>, seen: &Seen) {
    let Some(whole) = show(gateway, case, &Answer { cut: 0, ..case.answer }) else { return };
    if seen.end == End::Whole || whole.end == End::Whole {
        assert!(seen.end == whole.end, "{:?} in chunks, {:?} in one", seen.end, whole.end);
        assert!(seen.body == whole.body, "in chunks:\n{}\nin one:\n{}", seen.shown(), whole.shown());
    } else {
        let (short, long) = (&whole.body, &seen.body);
        let is_same = long.starts_with(short) || short.starts_with(long);
        assert!(is_same, "cut in chunks:\n{}\nin one:\n{}", seen.shown(), whole.shown());
    }
}

/// What was filtered is filtered.
fn again(gateway: &Gateway, case: &Case<'_>, seen: &Seen) {
    if seen.end != End::Whole || seen.body.len() > case.route.1 / 2 {
        return;
    }
    let answer = Answer { text: &seen.body, ..case.answer };
    let Some(twice) = show(gateway, case, &answer) else { return };
    assert!(
        twice.end == End::Whole && twice.body == seen.body,
        "once:\n{}\ntwice:\n{}",
        seen.shown(),
        twice.shown()
    );
}
