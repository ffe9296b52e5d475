//! What is forbidden, and what alone is allowed: `rules`.

use super::words::{RawDuration, RawRuleMode};
use crate::bounds;
use crate::form::{Form, Members, Reading};
use crate::reference::*;
use serde_json::Value;

raw! {
    /// `rules[]`
    RawRule at "rules[]" {
        /// What records, answers and statistics call it.
        id: String = filter("no-deletes-at-night").text(RULE_ID).required(),
        /// The routes that it is about, by their `path`.
        routes: Vec<String> = filter("[/mcp]").count(bounds::SOME).text(PATTERN).means("all"),
        /// The tools that it is about.
        tools: Vec<String> = filter("[refund]").count(bounds::SOME).text(plain(1_024))
            .means("all, and requests that call none"),
        /// When a request is refused: where this is true, or where nobody can tell.
        deny: RawCondition = filter("{ machine: { is: true } }").means("never"),
        /// Where there are such rules for a route or a tool, a request needs one of which this is true.
        allow: RawCondition = filter("{ groups: { contains: support } }").means("nothing is said"),
        /// How its caller must have signed in (RFC 9470).
        step_up: RawStepUp = filter("{ max_age: 15m }").means("in any way"),
        /// `watch`: records say what it would refuse, and nothing is refused.
        mode: RawRuleMode = filter("watch").is("enforce"),
        /// What a refused client is told.
        message: String = filter("Refunds are for support.").text(plain(256)).means("the rule's id"),
    }
}

raw! {
    /// `rules[].step_up`
    RawStepUp at "rules[].step_up" {
        /// So long ago at most.
        max_age: RawDuration = filter("15m").within(bounds::STEP_UP_MS).means("at any time"),
        /// In one of these ways (`acr`).
        acr: Vec<String> = filter("[mfa]").count(bounds::SOME).text(plain(256)).means("in any way"),
    }
}

/// A condition, which `compile/condition.rs` reads.
#[derive(Debug, Clone)]
pub struct RawCondition(pub Value);

impl Form for RawCondition {
    fn read(value: &Value, _: &mut Reading) -> Option<Self> {
        Some(Self(value.clone()))
    }
}

impl Described for RawCondition {
    const SHAPE: Shape = Shape::Condition;
}
