//! Whether a condition holds. In: the condition and the facts. Out: false, unknown or true.

use super::facts::{Facts, Name, Value, of_uri};
use super::truth::Truth;
use crate::config::policy::condition::{Condition, Field, Hours, Number, Operator, Piece, Scalar, Template};
use crate::groups::{Groups, MAX_GROUPS, Names};
use crate::json::Text;
use crate::principal::ClaimValue;
use crate::rate_limit::address;
use gatewaystack_text::glob::{self, Part};
use gatewaystack_text::scopes::Scopes;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Whether `condition` holds.
pub fn evaluate(condition: &Condition, facts: &Facts<'_>) -> Truth {
    match condition {
        Condition::All(all) => {
            let mut truth = Truth::TRUE;
            for condition in all {
                truth = truth.and(evaluate(condition, facts));
                if truth.fails() {
                    break;
                }
            }
            truth
        }
        Condition::Any(any) => {
            let mut truth = Truth::FALSE;
            for condition in any {
                truth = truth.or(evaluate(condition, facts));
                if truth.holds() {
                    break;
                }
            }
            truth
        }
        Condition::Not(condition) => !evaluate(condition, facts),
        Condition::Field(field, operator) => of_field(*field, operator, facts),
        Condition::Time(_) if facts.is_list() => Truth::FALSE_OR_TRUE,
        Condition::Time(hours) => Truth::of(is_in(hours, facts.now_ms)),
    }
}

fn of_field(field: Field, operator: &Operator, facts: &Facts<'_>) -> Truth {
    let value = facts.value(field);
    if let Operator::Exists(wanted) = operator {
        let is_there = match value {
            Value::Open => return Truth::FALSE_OR_TRUE,
            Value::Missing | Value::OtherKind => false,
            _ => true,
        };
        return Truth::of(is_there == *wanted);
    }
    match value {
        Value::Missing | Value::Unreadable | Value::Claim(ClaimValue::Missing) => Truth::UNKNOWN,
        Value::OtherKind => Truth::FALSE,
        Value::Open => Truth::OPEN,
        Value::Text(text) => of_text(&text, operator, facts, Reading::Exact),
        Value::Name(name) => of_name(name, operator, facts),
        Value::Uris(uris) => {
            let one = |uri: &String| of_uri(uri, |uri| of_text(uri, operator, facts, Reading::Exact));
            // Where they differ nobody can say that the field is so.
            let mut all = uris.iter().map(one);
            let first = all.next().unwrap_or(Truth::UNKNOWN);
            if all.all(|other| other == first) { first } else { Truth::UNKNOWN }
        }
        Value::Number(number) => of_number(number, operator),
        Value::Flag(flag) => of_flag(flag, operator),
        Value::Groups(Groups::Known(names)) => of_set(names, operator, facts),
        Value::Groups(Groups::Unknown(_)) => Truth::UNKNOWN,
        Value::Scopes(scopes) => of_set(scopes, operator, facts),
        Value::Claim(ClaimValue::Text(text)) => of_text(text, operator, facts, Reading::Exact),
        Value::Claim(ClaimValue::Number(number)) => of_number(*number, operator),
        Value::Claim(ClaimValue::Flag(flag)) => of_flag(*flag, operator),
        Value::Claim(ClaimValue::Texts(names)) => of_set(names, operator, facts),
        Value::Claim(ClaimValue::Other) => Truth::UNKNOWN,
        Value::Json(json) => of_json(json, operator, facts),
        Value::Address(ip) => match operator {
            Operator::Cidr(ranges) => Truth::of(ranges.iter().any(|range| address::contains(range, ip))),
            _ => Truth::UNKNOWN,
        },
    }
}

fn of_json(json: Text<'_>, operator: &Operator, facts: &Facts<'_>) -> Truth {
    match json.raw().as_bytes().first() {
        Some(b'"') => {
            json.as_str().map_or(Truth::UNKNOWN, |text| of_text(&text, operator, facts, Reading::Exact))
        }
        Some(b't' | b'f') => of_flag(json.raw() == "true", operator),
        Some(b'-' | b'0'..=b'9') => {
            number(json.raw()).map_or(Truth::UNKNOWN, |number| of_number(number, operator))
        }
        Some(b'[') => {
            match json.items().take(MAX_GROUPS + 1).map(|item| item.as_str()).collect::<Option<Vec<_>>>() {
                Some(texts) if texts.len() <= MAX_GROUPS => of_set(&Texts(texts), operator, facts),
                _ => Truth::UNKNOWN,
            }
        }
        _ => Truth::UNKNOWN,
    }
}

/// A number that all readers take for the same one; `None`: some round it.
fn number(raw: &str) -> Option<Number> {
    /// All numbers of so many digits are told apart.
    const DIGITS: usize = 15;
    if let Ok(whole) = raw.parse() {
        return Some(Number::Whole(whole));
    }
    let mantissa = raw.split(['e', 'E']).next().unwrap_or(raw);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').count();
    let real: f64 = raw.parse().ok()?;
    (digits <= DIGITS && real.is_finite() && (real != 0.0 || digits == 0)).then_some(Number::Real(real))
}

fn of_flag(flag: bool, operator: &Operator) -> Truth {
    let Operator::In(values) = operator else { return Truth::UNKNOWN };
    let mut truth = Truth::FALSE;
    for value in values {
        truth = truth.or(match value {
            Scalar::Flag(other) => Truth::of(*other == flag),
            Scalar::Text(_) | Scalar::Number(_) => Truth::UNKNOWN,
        });
    }
    truth
}

fn of_number(number: Number, operator: &Operator) -> Truth {
    match operator {
        Operator::In(values) => values.iter().fold(Truth::FALSE, |truth, value| {
            truth.or(match value {
                Scalar::Number(other) => Truth::of(order(number, *other) == Some(Ordering::Equal)),
                Scalar::Text(_) | Scalar::Flag(_) => Truth::UNKNOWN,
            })
        }),
        Operator::Between(least, most) => {
            let holds = |limit: &Option<Number>, wrong: Ordering| {
                limit.is_none_or(|limit| order(number, limit).is_some_and(|order| order != wrong))
            };
            Truth::of(holds(least, Ordering::Less) && holds(most, Ordering::Greater))
        }
        _ => Truth::UNKNOWN,
    }
}

/// By value, whole numbers exactly; `None`: one is no number.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn order(one: Number, other: Number) -> Option<Ordering> {
    /// Beyond it a whole number isn't a real one any more.
    const EXACT: i64 = 1 << 53;
    let mixed = |whole: i64, real: f64| -> Option<Ordering> {
        if (-EXACT..=EXACT).contains(&whole) {
            return (whole as f64).partial_cmp(&real);
        }
        // A real one so large is whole.
        match real {
            real if real.is_nan() => None,
            real if real >= 9.3e18 => Some(Ordering::Less),
            real if real <= -9.3e18 => Some(Ordering::Greater),
            real => match i128::from(whole).cmp(&(real.floor() as i128)) {
                Ordering::Equal if real.fract() > 0.0 => Some(Ordering::Less),
                order => Some(order),
            },
        }
    };
    match (one, other) {
        (Number::Whole(one), Number::Whole(other)) => Some(one.cmp(&other)),
        (Number::Real(one), Number::Real(other)) => one.partial_cmp(&other),
        (Number::Whole(one), Number::Real(other)) => mixed(one, other),
        (Number::Real(one), Number::Whole(other)) => mixed(other, one).map(Ordering::reverse),
    }
}

/// A set of texts.
trait Set {
    fn has(&self, name: &str) -> bool;
    fn all(&self, is: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl Set for Names {
    fn has(&self, name: &str) -> bool {
        Self::has(self, name)
    }
    fn all(&self, is: &mut dyn FnMut(&str) -> bool) -> bool {
        self.iter().all(is)
    }
}

impl Set for Scopes {
    fn has(&self, name: &str) -> bool {
        Self::has(self, name)
    }
    fn all(&self, is: &mut dyn FnMut(&str) -> bool) -> bool {
        self.names().iter().all(|name| is(name))
    }
}

/// Texts of a list, each as often as it is there.
struct Texts<'t>(Vec<Cow<'t, str>>);

impl Set for Texts<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|text| text == name)
    }
    fn all(&self, is: &mut dyn FnMut(&str) -> bool) -> bool {
        self.0.iter().all(|text| is(text))
    }
}

fn of_set(set: &dyn Set, operator: &Operator, facts: &Facts<'_>) -> Truth {
    match operator {
        Operator::Contains(wanted) => {
            wanted.iter().fold(Truth::TRUE, |truth, wanted| truth.and(of_member(set, wanted, facts)))
        }
        Operator::SubsetOf(others) => {
            let mut is_known = true;
            let holds = set.all(&mut |name| {
                others.iter().any(|other| {
                    let is = is_so(Comparison::Is, &other.pieces, name, facts);
                    is_known &= is.is_some();
                    is == Some(true)
                })
            });
            match (holds, is_known) {
                (true, _) => Truth::TRUE,
                (false, true) => Truth::FALSE,
                (false, false) => Truth::UNKNOWN,
            }
        }
        _ => Truth::UNKNOWN,
    }
}

/// Whether a set has a text.
fn of_member(set: &dyn Set, wanted: &Template, facts: &Facts<'_>) -> Truth {
    // Most of them are one piece, which is looked up.
    if let [Piece::Text(name)] = wanted.pieces.as_slice() {
        return Truth::of(set.has(name));
    }
    let (mut has, mut is_known) = (false, true);
    set.all(&mut |name| {
        let is = is_so(Comparison::Is, &wanted.pieces, name, facts);
        is_known = is.is_some();
        has = is == Some(true);
        is_known && !has
    });
    // Nobody could say what it would be, whatever the set has.
    let stands = wanted.pieces.iter().all(|piece| part(piece, facts).is_some());
    if is_known && stands { Truth::of(has) } else { Truth::UNKNOWN }
}

fn of_text(text: &str, operator: &Operator, facts: &Facts<'_>, reading: Reading) -> Truth {
    let compare = |how, wanted: &Template| compare(how, wanted, text, facts, reading);
    match operator {
        Operator::In(values) => {
            let mut truth = Truth::FALSE;
            for value in values {
                truth = truth.or(match value {
                    Scalar::Text(wanted) => compare(Comparison::Is, wanted),
                    Scalar::Number(_) | Scalar::Flag(_) => Truth::UNKNOWN,
                });
                if truth.holds() {
                    break;
                }
            }
            truth
        }
        Operator::Prefix(wanted) => compare(Comparison::Begins, wanted),
        Operator::Suffix(wanted) => compare(Comparison::Ends, wanted),
        Operator::Glob(wanted) => compare(Comparison::Fits, wanted),
        _ => Truth::UNKNOWN,
    }
}

/// A name is as it is written; another one that a sloppy reader takes for one that the condition means is
/// unknown.
fn of_name(name: Name<'_>, operator: &Operator, facts: &Facts<'_>) -> Truth {
    let exact = of_text(name.text, operator, facts, Reading::Exact);
    let is_same = || of_text(&name.folded(), operator, facts, Reading::Sloppy) == exact;
    if name.is_clear() && is_same() { exact } else { Truth::UNKNOWN }
}

/// How the texts of a condition are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// As they are written.
    Exact,
    /// As by somebody who folds names.
    Sloppy,
}

/// How a text is compared with that of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Is,
    Begins,
    Ends,
    Fits,
}

/// Paths are compared by where they lead.
fn compare(how: Comparison, wanted: &Template, text: &str, facts: &Facts<'_>, reading: Reading) -> Truth {
    let pieces = match reading {
        Reading::Exact => &wanted.pieces,
        Reading::Sloppy => &wanted.folded,
    };
    if !wanted.is_path {
        return Truth::maybe(is_so(how, pieces, text, facts));
    }
    Truth::maybe(destination(text).and_then(|path| is_so(how, pieces, &path, facts)))
}

fn is_so(how: Comparison, pieces: &[Piece], text: &str, facts: &Facts<'_>) -> Option<bool> {
    let part = |piece| part(piece, facts);
    if pieces.iter().any(|piece| part(piece).is_none()) {
        return None;
    }
    let parts = || pieces.iter().filter_map(part);
    Some(match how {
        Comparison::Fits => glob::fits(parts(), text),
        Comparison::Is => after(parts(), text) == Some(""),
        Comparison::Begins => after(parts(), text).is_some(),
        Comparison::Ends => pieces
            .iter()
            .rev()
            .filter_map(part)
            .try_fold(text, |text, part| text.strip_suffix(characters(part)))
            .is_some(),
    })
}

/// What is left of a text that begins so.
fn after<'t>(mut parts: impl Iterator<Item = Part<'t>>, text: &'t str) -> Option<&'t str> {
    parts.try_fold(text, |text, part| text.strip_prefix(characters(part)))
}

/// Stars are in patterns alone.
fn characters(part: Part<'_>) -> &str {
    match part {
        Part::Text(text) => text,
        Part::Star => "*",
    }
}

/// What a piece stands for; `None`: nobody knows.
fn part<'t>(piece: &'t Piece, facts: &'t Facts<'_>) -> Option<Part<'t>> {
    let caller = facts.caller;
    Some(match piece {
        Piece::Text(text) => Part::Text(text),
        Piece::Star => Part::Star,
        Piece::User => Part::Text(&caller.user),
        Piece::Tenant => Part::Text(caller.tenant.as_deref()?),
        Piece::Client => Part::Text(caller.client.as_deref()?),
    })
}

/// Where a path leads: without `.`, `..`, `//` and a slash at its end; `None`: that depends on who reads it.
fn destination(path: &str) -> Option<Cow<'_, str>> {
    if !path.starts_with('/') || path.contains(['\\', '%', '\0']) {
        return None;
    }
    let is_odd = |segment: &str| matches!(segment, "" | "." | "..");
    if path == "/" || !path.split('/').skip(1).any(is_odd) {
        return Some(Cow::Borrowed(path));
    }
    let mut out = String::with_capacity(path.len());
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => out.truncate(out.rfind('/')?),
            segment => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    Some(Cow::Owned(out))
}

/// Whether a moment is among these hours.
fn is_in(hours: &Hours, now_ms: u64) -> bool {
    const MINUTES: i64 = 24 * 60;
    let now = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
    let known = hours.offsets.iter().rev().find(|(from, _)| *from <= now).or_else(|| hours.offsets.first());
    let minutes = now.saturating_add(known.map_or(0, |(_, offset)| i64::from(*offset))).div_euclid(60);
    let (day, minute) = (minutes.div_euclid(MINUTES), minutes.rem_euclid(MINUTES));
    // The first of January 1970 was a Thursday.
    let on = |day: i64| {
        let at = usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0);
        hours.days.get(at).copied().unwrap_or(false)
    };
    let Some((from, to)) = hours.span.map(|(from, to)| (i64::from(from), i64::from(to))) else {
        return on(day);
    };
    let is_over_midnight = to <= from;
    let began_today = minute >= from && (is_over_midnight || minute < to);
    let began_before = is_over_midnight && minute < to;
    if hours.is_inside {
        (began_today && on(day)) || (began_before && on(day - 1))
    } else {
        !began_today && !began_before && on(day)
    }
}
