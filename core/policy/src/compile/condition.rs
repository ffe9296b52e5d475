//! Conditions: JSON in, what is asked of which field out, or what is wrong and where. Everything is checked
//! here that can be: a condition that can't come true is a mistake.

use super::common::Errors;
use super::limits::range;
use crate::bounds::Span;
use crate::policy::condition::{Condition, Field, Hours, Number, Operator, Piece, Scalar, Template};
use crate::policy::{Agents, Claim, Issuer, Route};
use crate::values::{claim, duration, name};
use gatewaystack_text::names;
use serde_json::{Map, Value};

/// Conditions inside one another.
const DEPTH: usize = 16;
/// Conditions in one `any`, and values in one list.
const MOST: usize = 1_000;
/// The longest text.
const LONGEST: usize = 2_048;
/// How long ago somebody may have signed in, in milliseconds.
const AGE_MS: Span = Span { least: 0, most: 400 * 24 * 3_600_000 };

/// What conditions are checked against, and what they ask for.
pub(super) struct Conditions<'p> {
    pub issuers: &'p [Issuer],
    pub agents: Option<&'p Agents>,
    /// All routes that a rule may be about.
    pub routes: &'p [&'p Route],
    /// `rule_headers`, in lower case.
    pub headers: Vec<String>,
    /// Claims that conditions ask for.
    pub claims: Vec<Claim>,
    /// Arguments that they ask for.
    pub arguments: Vec<Vec<String>>,
    /// Whether this one asks for some.
    pub asks_arguments: bool,
    pub errors: &'p mut Errors,
}

/// Which operators a field has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// A text in which the caller can't stand, for others may read it in another way.
    Name,
    Set,
    Flag,
    Age,
    Claim,
    Address,
}

impl Kind {
    fn operators(self) -> &'static [&'static str] {
        match self {
            Self::Text | Self::Name => &["is", "in", "prefix", "suffix", "glob", "exists"],
            Self::Set => &["contains", "subset_of", "exists"],
            Self::Flag => &["is", "exists"],
            Self::Age => &["min", "max", "between", "exists"],
            Self::Claim => &[
                "is",
                "in",
                "prefix",
                "suffix",
                "glob",
                "min",
                "max",
                "between",
                "contains",
                "subset_of",
                "exists",
            ],
            Self::Address => &["cidr", "exists"],
        }
    }
}

/// Fields with a name of their own.
const FIELDS: [(&str, Field, Kind); 19] = [
    ("user", Field::User, Kind::Text),
    ("tenant", Field::Tenant, Kind::Text),
    ("issuer", Field::Issuer, Kind::Text),
    ("groups", Field::Groups, Kind::Set),
    ("scopes", Field::Scopes, Kind::Set),
    ("client", Field::Client, Kind::Text),
    ("agent", Field::Agent, Kind::Text),
    ("actor", Field::Actor, Kind::Text),
    ("machine", Field::Machine, Kind::Flag),
    ("acr", Field::Acr, Kind::Text),
    ("auth_age", Field::AuthAge, Kind::Age),
    ("route", Field::Route, Kind::Text),
    ("method", Field::Method, Kind::Text),
    ("path", Field::Path, Kind::Text),
    ("host", Field::Host, Kind::Text),
    ("address", Field::Address, Kind::Address),
    ("tool", Field::Tool, Kind::Name),
    ("prompt", Field::Prompt, Kind::Name),
    ("resource", Field::Resource, Kind::Text),
];

impl Conditions<'_> {
    /// Reads a condition; what is wrong with it is noted, and something else stands for it.
    pub fn read(&mut self, path: &str, value: &Value) -> Condition {
        self.all(path, value, DEPTH)
    }

    /// Members of one object are *and*.
    fn all(&mut self, path: &str, value: &Value, depth: usize) -> Condition {
        let members = value.as_object().filter(|members| !members.is_empty());
        let Some(members) = members else {
            self.errors.push(path, "expected a condition such as { groups: { contains: staff } }");
            return Condition::All(Vec::new());
        };
        let Some(left) = depth.checked_sub(1) else {
            self.errors.push(path, format!("expected at most {DEPTH} conditions inside one another"));
            return Condition::All(Vec::new());
        };
        let mut all = Vec::new();
        for (name, value) in members {
            let place = place(path, name);
            match name.as_str() {
                "any" => {
                    let any = self.list(&place, value).iter().enumerate();
                    let any = any.map(|(at, one)| self.all(&format!("{place}[{at}]"), one, left)).collect();
                    all.push(Condition::Any(any));
                }
                "not" => all.push(Condition::Not(Box::new(self.all(&place, value, left)))),
                "arguments" => self.arguments(&place, value, &mut all),
                "time" => all.extend(self.time(&place, value).map(Condition::Time)),
                name => self.field(&place, name, value, &mut all),
            }
        }
        match <[Condition; 1]>::try_from(all) {
            Ok([one]) => one,
            Err(all) => Condition::All(all),
        }
    }

    /// Operators of one field are *and*.
    fn field(&mut self, path: &str, name: &str, value: &Value, all: &mut Vec<Condition>) {
        let Some((field, kind)) = self.named(path, name) else { return };
        if matches!(field, Field::Tool | Field::Prompt | Field::Resource) {
            self.check_mcp(path);
        }
        self.operators(path, (field, kind), value, all);
    }

    fn check_mcp(&mut self, path: &str) {
        if !self.routes.iter().any(|route| route.mcp.is_some()) {
            self.errors.push(path, "expected a rule about an MCP route: no other request has one");
        }
    }

    /// Arguments by their pointers.
    fn arguments(&mut self, path: &str, value: &Value, all: &mut Vec<Condition>) {
        let members = value.as_object().filter(|members| !members.is_empty());
        let Some(members) = members else {
            self.errors.push(path, "expected conditions by argument, such as { /amount: { max: 100 } }");
            return;
        };
        self.check_mcp(path);
        self.asks_arguments = true;
        for (text, value) in members {
            let path = place(path, text);
            let expected = "expected a JSON pointer to an argument, such as /amount";
            let found =
                if text.is_empty() { Err(expected.to_owned()) } else { claim::pointer(text, expected) };
            let Some(tokens) = self.errors.keep(&path, found) else { continue };
            let at = self.arguments.iter().position(|known| *known == tokens).unwrap_or_else(|| {
                self.arguments.push(tokens);
                self.arguments.len() - 1
            });
            self.operators(&path, (Field::Argument(at), Kind::Claim), value, all);
        }
    }

    fn operators(&mut self, path: &str, of: (Field, Kind), value: &Value, all: &mut Vec<Condition>) {
        let (field, kind) = of;
        let operators = value.as_object().filter(|operators| !operators.is_empty());
        let Some(operators) = operators else {
            let names = kind.operators().join(", ");
            self.errors.push(path, format!("expected an object of operators: {names}"));
            return;
        };
        for (name, operand) in operators {
            let path = place(path, name);
            if kind.operators().contains(&name.as_str()) {
                let operator = self.operator(&path, field, kind, (name, operand));
                all.extend(operator.map(|operator| Condition::Field(field, operator)));
            } else {
                let names = kind.operators().join(", ");
                self.errors.push(path, format!("this field has no such operator: expected one of {names}"));
            }
        }
    }

    fn named(&mut self, path: &str, text: &str) -> Option<(Field, Kind)> {
        if let Some((_, field, kind)) = FIELDS.iter().find(|(name, ..)| *name == text) {
            return Some((*field, *kind));
        }
        if let Some(pointer) = text.strip_prefix("claim:") {
            let claim = match pointer.starts_with('/') {
                true => Claim::parse(pointer),
                false => Err("expected a JSON pointer to a claim, such as claim:/department".to_owned()),
            };
            let claim = self.errors.keep(path, claim)?;
            let at = self.claims.iter().position(|known| *known == claim).unwrap_or_else(|| {
                self.claims.push(claim);
                self.claims.len() - 1
            });
            return Some((Field::Claim(at), Kind::Claim));
        }
        if let Some(header) = text.strip_prefix("header:") {
            let Some(at) = self.headers.iter().position(|known| known == header) else {
                self.errors.push(path, "expected a header that is in `rule_headers`, in lower case");
                return None;
            };
            return Some((Field::Header(at), Kind::Text));
        }
        let names: Vec<&str> = FIELDS.iter().map(|(name, ..)| *name).collect();
        self.errors.push(
            path,
            format!(
                "unknown field: expected one of any, not, time, arguments, claim:/…, header:…, {}",
                names.join(", ")
            ),
        );
        None
    }

    fn operator(&mut self, path: &str, field: Field, kind: Kind, of: (&str, &Value)) -> Option<Operator> {
        let (name, operand) = of;
        Some(match name {
            "exists" => Operator::Exists(self.flag(path, operand)?),
            "is" => Operator::In(vec![self.scalar(path, field, kind, operand)?]),
            "in" => {
                let values = self.list(path, operand).iter().enumerate();
                let values =
                    values.map(|(at, value)| self.scalar(&format!("{path}[{at}]"), field, kind, value));
                Operator::In(values.collect::<Option<_>>()?)
            }
            "prefix" => Operator::Prefix(self.template(path, kind, operand, false)?),
            "suffix" => Operator::Suffix(self.template(path, kind, operand, false)?),
            "glob" => Operator::Glob(self.template(path, kind, operand, true)?),
            "min" => Operator::Between(Some(self.number(path, kind, operand)?), None),
            "max" => Operator::Between(None, Some(self.number(path, kind, operand)?)),
            "between" => {
                let [low, high] = operand.as_array().map_or(&[][..], Vec::as_slice) else {
                    self.errors.push(path, "expected [low, high]");
                    return None;
                };
                let (low, high) = (self.number(path, kind, low)?, self.number(path, kind, high)?);
                if value_of(low) > value_of(high) {
                    self.errors.push(path, "expected [low, high]: nothing is between these");
                }
                Operator::Between(Some(low), Some(high))
            }
            "contains" | "subset_of" => {
                let one = std::slice::from_ref(operand);
                let values = if operand.is_string() { one } else { self.list(path, operand) };
                let mut texts = Vec::with_capacity(values.len());
                for value in values {
                    texts.push(self.template(path, Kind::Text, value, false)?);
                }
                if name == "contains" { Operator::Contains(texts) } else { Operator::SubsetOf(texts) }
            }
            // Of what a field has no other is left.
            _ => {
                let one = std::slice::from_ref(operand);
                let values = if operand.is_string() { one } else { self.list(path, operand) };
                let ranges = values.iter().map(|value| value.as_str().and_then(range));
                let Some(ranges) = ranges.collect::<Option<Vec<_>>>() else {
                    self.errors.push(path, "expected addresses or ranges such as 10.0.0.0/8, whose bits past the prefix are zero");
                    return None;
                };
                Operator::Cidr(ranges)
            }
        })
    }

    fn flag(&mut self, path: &str, value: &Value) -> Option<bool> {
        let flag = value.as_bool();
        if flag.is_none() {
            self.errors.push(path, "expected true or false");
        }
        flag
    }

    fn list<'v>(&mut self, path: &str, value: &'v Value) -> &'v [Value] {
        let items = value.as_array().map(Vec::as_slice).filter(|items| (1..=MOST).contains(&items.len()));
        items.unwrap_or_else(|| {
            self.errors.push(path, format!("expected a list of 1 to {MOST}"));
            &[]
        })
    }

    fn scalar(&mut self, path: &str, field: Field, kind: Kind, value: &Value) -> Option<Scalar> {
        match (kind, value) {
            (Kind::Flag | Kind::Claim, Value::Bool(flag)) => return Some(Scalar::Flag(*flag)),
            (Kind::Claim, Value::Number(_)) => return self.number(path, kind, value).map(Scalar::Number),
            (Kind::Flag, _) => {
                self.errors.push(path, "expected true or false");
                return None;
            }
            _ => {}
        }
        let template = self.template(path, kind, value, false)?;
        if template.is_path && value.as_str().is_some_and(|text| text.len() > 1 && text.ends_with('/')) {
            self.errors.push(path, "expected a path without a slash at its end, which doesn't count");
        }
        self.check_known(path, field, &template);
        Some(Scalar::Text(template))
    }

    /// A text of which it is known what it can be, and that isn't one of these.
    fn check_known(&mut self, path: &str, field: Field, template: &Template) {
        let [Piece::Text(text)] = template.pieces.as_slice() else { return };
        let is = |known: &str| known == text;
        let expected = match field {
            Field::Issuer if !self.issuers.iter().any(|issuer| is(&issuer.issuer)) => {
                "expected the identifier of an issuer of this policy"
            }
            Field::Route if !self.routes.iter().any(|route| is(&route.name)) => {
                "expected the path of a route that the rule is about, as `routes` has it"
            }
            Field::Agent if !self.agents.is_some_and(|agents| agents.has(text)) => {
                "expected the name of an agent of `agents.list`"
            }
            Field::Method if text.bytes().any(|byte| !byte.is_ascii_uppercase()) => {
                "expected a method such as GET, in upper case"
            }
            Field::Host if text.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b':') => {
                "expected a host in lower case, without port"
            }
            _ => return,
        };
        self.errors.push(path, expected);
    }

    fn number(&mut self, path: &str, kind: Kind, value: &Value) -> Option<Number> {
        if kind == Kind::Age {
            let text = value.as_str().unwrap_or(if value.as_u64() == Some(0) { "0" } else { "" });
            let ms = self.errors.keep(path, duration::within(text, AGE_MS))?;
            return Some(Number::Whole(i64::try_from(ms / 1_000).unwrap_or(i64::MAX)));
        }
        let number = match (value.as_i64(), value.as_f64()) {
            (Some(whole), _) => Some(Number::Whole(whole)),
            (None, Some(real)) if real.is_finite() => Some(Number::Real(real)),
            _ => None,
        };
        if number.is_none() {
            self.errors.push(path, "expected a number");
        }
        number
    }

    fn template(&mut self, path: &str, kind: Kind, value: &Value, is_pattern: bool) -> Option<Template> {
        let Some(text) = value.as_str() else {
            self.errors.push(path, "expected a text, in quotes where it looks like something else");
            return None;
        };
        self.errors.keep(path, name::check_text(text, LONGEST))?;
        let pieces = self.errors.keep(path, pieces(text, is_pattern))?;
        let has_caller = pieces.iter().any(|piece| !matches!(piece, Piece::Text(_) | Piece::Star));
        if has_caller && kind == Kind::Name {
            self.errors.push(path, "expected a name without {user}, {tenant} and {client}");
        }
        let is_path = text.starts_with('/') && kind != Kind::Name;
        let is_odd = |segment: &str| matches!(segment, "." | "..");
        if is_path && (text.contains("//") || text.contains(['\\', '%']) || text.split('/').any(is_odd)) {
            self.errors.push(path, "expected a path as it is compared: without //, ., .., \\ and %");
        }
        let plain = |piece: &Piece| match piece {
            Piece::Text(text) => Piece::Text(text.chars().filter_map(names::plain).collect()),
            other => other.clone(),
        };
        let folded = if kind == Kind::Name { pieces.iter().map(plain).collect() } else { Vec::new() };
        Some(Template { pieces, folded, is_path })
    }

    fn time(&mut self, path: &str, value: &Value) -> Option<Hours> {
        let expected = "expected an object such as { zone: UTC, inside: \"08:00-18:00\", days: [mon, tue] }";
        let Some(members) = value.as_object() else {
            self.errors.push(path, expected);
            return None;
        };
        let mut hours = Hours { offsets: Vec::new(), days: [true; 7], span: None, is_inside: true };
        for (name, value) in members {
            let path = place(path, name);
            match name.as_str() {
                "zone" => hours.offsets = self.zone(&path, value),
                "days" => hours.days = self.days(&path, value),
                "inside" | "outside" => {
                    if hours.span.is_some() {
                        self.errors.push(&path, "expected `inside` or `outside`, not both");
                    }
                    hours.is_inside = name == "inside";
                    hours.span = value.as_str().and_then(span);
                    if hours.span.is_none() {
                        self.errors.push(path, "expected hours such as \"08:00-18:00\" or \"22:00-06:00\"");
                    }
                }
                _ => self.errors.push(path, "unknown field: expected one of zone, inside, outside, days"),
            }
        }
        self.check_members(path, members);
        Some(hours)
    }

    fn check_members(&mut self, path: &str, members: &Map<String, Value>) {
        let says = |name: &str| members.contains_key(name);
        if !says("zone") {
            self.errors.push(place(path, "zone"), "required: the time zone, such as UTC or \"+01:00\"");
        }
        if !(says("inside") || says("outside") || says("days")) {
            self.errors.push(path, "expected `inside`, `outside` or `days`: each time is one of these else");
        }
    }

    fn zone(&mut self, path: &str, value: &Value) -> Vec<(i64, i32)> {
        let offset = value.as_str().and_then(offset);
        if offset.is_none() {
            self.errors.push(path, "expected UTC, or an offset such as \"+01:00\"");
        }
        vec![(0, offset.unwrap_or(0))]
    }

    fn days(&mut self, path: &str, value: &Value) -> [bool; 7] {
        const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let mut days = [false; 7];
        for day in self.list(path, value) {
            let at = DAYS.iter().position(|name| day.as_str() == Some(name));
            match at.and_then(|at| days.get_mut(at)) {
                Some(day) => *day = true,
                None => {
                    let names = DAYS.join(", ");
                    self.errors.push(path, format!("expected days: {names}"));
                }
            }
        }
        days
    }
}

/// Where a member is: names that aren't plain stand in brackets.
fn place(path: &str, name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain && !name.is_empty() { format!("{path}.{name}") } else { format!("{path}[{name:?}]") }
}

#[allow(clippy::cast_precision_loss, reason = "which of both is larger")]
fn value_of(number: Number) -> f64 {
    match number {
        Number::Whole(whole) => whole as f64,
        Number::Real(real) => real,
    }
}

/// The pieces of a text; `*` is special in patterns alone.
fn pieces(text: &str, is_pattern: bool) -> Result<Vec<Piece>, String> {
    let expected = "expected {user}, {tenant} or {client} in braces";
    let (mut pieces, mut rest) = (Vec::new(), text);
    let plain = |pieces: &mut Vec<Piece>, text: &str| {
        for (at, part) in text.split('*').enumerate() {
            if !is_pattern {
                break;
            }
            if at > 0 {
                pieces.push(Piece::Star);
            }
            if !part.is_empty() {
                pieces.push(Piece::Text(part.to_owned()));
            }
        }
        if !is_pattern && !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
    };
    while let Some((before, inside)) = rest.split_once('{') {
        plain(&mut pieces, before);
        let (name, after) = inside.split_once('}').ok_or(expected)?;
        pieces.push(match name {
            "user" => Piece::User,
            "tenant" => Piece::Tenant,
            "client" => Piece::Client,
            _ => return Err(expected.to_owned()),
        });
        rest = after;
    }
    plain(&mut pieces, rest);
    if is_pattern && !pieces.contains(&Piece::Star) {
        return Err("expected a pattern with a *: `is` compares whole texts".to_owned());
    }
    Ok(pieces)
}

/// Minutes of a day, from and to.
fn span(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    // Midnight is the end of a day, and its beginning.
    (from != to && from < 1_440).then_some((from, if to == 1_440 { 0 } else { to }))
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let is_fit = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_fit)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    ((hour < 24 && minute < 60) || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
}

/// Seconds ahead of UTC.
fn offset(text: &str) -> Option<i32> {
    if text == "UTC" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    minute(rest).filter(|minutes| *minutes <= 14 * 60).map(|minutes| sign * 60 * i32::from(minutes))
}
