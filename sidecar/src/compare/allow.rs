//! Differences that are meant: `{ path | header | status, why }` in; whether it names a difference, out.

use super::differences::{Difference, Place};
use super::form::Form;
use super::headers;
use super::shape;
use serde_json::Value;

const MAX_LINES: usize = 200;

/// One line of `allow`.
#[derive(Debug, Clone)]
pub struct Allow {
    pub what: Allowed,
    /// Shown next to what it allows.
    pub why: String,
}

/// What may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// A's and B's, these and no others.
    Status(u16, u16),
    /// A header that is compared, in lower case.
    Header(String),
    /// A member of the body and what is below it; an empty one is the whole body.
    Path(String),
}

impl Allow {
    /// Whether a difference at `place` is meant; `statuses` are A's and B's.
    pub fn names(&self, place: &Place, statuses: (u16, u16)) -> bool {
        match (&self.what, place) {
            (Allowed::Status(a, b), Place::Status) => (*a, *b) == statuses,
            (Allowed::Header(allowed), Place::Header(name)) => allowed == name,
            (Allowed::Path(allowed), Place::Body(path)) => path
                .strip_prefix(allowed.as_str())
                .is_some_and(|below| below.is_empty() || below.starts_with('/')),
            (Allowed::Status(..) | Allowed::Header(_) | Allowed::Path(_), _) => false,
        }
    }
}

/// Says of each difference whether a line names it; notes which lines were needed.
pub fn mark(found: &mut [Difference], statuses: (u16, u16), lines: &[Allow], used: &mut [bool]) {
    for difference in found {
        for (line, used) in lines.iter().zip(used.iter_mut()) {
            if line.names(&difference.place, statuses) {
                *used = true;
                difference.allowed.get_or_insert_with(|| line.why.clone());
            }
        }
    }
}

/// The lines of `allow`, where it is given.
pub fn list(form: &mut Form, at: &str, value: Option<&Value>) -> Vec<Allow> {
    let Some(value) = value else { return Vec::new() };
    let items = form.list(at, value);
    if items.len() > MAX_LINES {
        form.error(at, &format!("expected at most {MAX_LINES} lines"));
        return Vec::new();
    }
    items.iter().enumerate().filter_map(|(index, item)| line(form, &format!("{at}[{index}]"), item)).collect()
}

fn line(form: &mut Form, at: &str, value: &Value) -> Option<Allow> {
    let kinds = ["path", "header", "status"];
    let members = form.object(at, value, &["path", "header", "status", "why"])?;
    let why = form.required(at, members, "why").map(str::trim);
    if let Some(why) = why {
        let good = !why.is_empty() && !why.chars().any(char::is_control);
        form.check(good, &format!("{at}.why"), "expected the reason, on one line");
    }
    let mut given = kinds.iter().filter_map(|kind| Some((*kind, members.get(*kind)?)));
    let (Some((kind, value)), None) = (given.next(), given.next()) else {
        form.error(at, "expected one of path, header and status");
        return None;
    };
    let place = format!("{at}.{kind}");
    let what = match kind {
        "status" => status(form, &place, value),
        "header" => header(form, &place, value),
        _ => path(form, &place, value),
    };
    Some(Allow { what: what?, why: why?.to_owned() })
}

fn status(form: &mut Form, at: &str, value: &Value) -> Option<Allowed> {
    let number =
        |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| (100..600).contains(n));
    let numbers: Option<Vec<u16>> = value.as_array().and_then(|list| list.iter().map(number).collect());
    match numbers.as_deref() {
        Some([a, b]) if a != b => Some(Allowed::Status(*a, *b)),
        _ => {
            form.error(at, "expected A's status and B's, which differ: [401, 200]");
            None
        }
    }
}

fn header(form: &mut Form, at: &str, value: &Value) -> Option<Allowed> {
    let name = form.is_text(at, value)?.to_ascii_lowercase();
    let matters = headers::matters(&name);
    form.check(matters, at, "expected a header that is compared: others may differ anyway")
        .then_some(Allowed::Header(name))
}

fn path(form: &mut Form, at: &str, value: &Value) -> Option<Allowed> {
    let path = form.is_text(at, value)?;
    let expected =
        "expected a JSON pointer (`/error/data`; `*` for a list's elements), or \"\" for the whole body";
    form.check(shape::is_pointer(path), at, expected).then(|| Allowed::Path(path.to_owned()))
}
