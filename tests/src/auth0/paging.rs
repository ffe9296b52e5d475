//! Lists: by page (`page`, `per_page`, `include_totals`) or by checkpoint (`from`, `take`), and `fields`.

use super::answer::{Answer, Outcome};
use super::request::Request;
use serde_json::{Value, json};

const PAGE: usize = 50;
const MOST: usize = 100;

/// The list `all` under `name`, as the request wants it.
pub fn list(request: &Request, name: &str, all: Vec<Value>) -> Outcome {
    if request.query("take").is_some() || request.query("from").is_some() {
        return checkpoint(request, name, all);
    }
    let limit = number(request, "per_page", PAGE, MOST)?;
    let page = number(request, "page", 0, usize::MAX)?;
    let (total, start) = (all.len(), page.saturating_mul(limit));
    let shown = shown(request, all.into_iter().skip(start).take(limit));
    if request.query("include_totals") != Some("true") {
        return Answer::ok(shown.into());
    }
    Answer::ok(json!({"total": total, "start": start, "limit": limit, name: shown}))
}

/// The elements after the one that `from` names. `next` is there while there are more.
pub fn checkpoint(request: &Request, name: &str, all: Vec<Value>) -> Outcome {
    let take = number(request, "take", PAGE, MOST)?;
    let key = if all.iter().any(|e| e.get("id").is_some()) { "id" } else { "client_id" };
    let start = match request.query("from") {
        None | Some("") => 0,
        Some(from) => all.iter().position(|e| e[key] == from).map_or(all.len(), |at| at + 1),
    };
    let more = start + take < all.len();
    let page: Vec<Value> = all.into_iter().skip(start).take(take).collect();
    let next = page.last().map(|e| e[key].clone());
    let mut body = json!({name: shown(request, page.into_iter())});
    if let Some(next) = next.filter(|_| more) {
        body["next"] = next;
    }
    Answer::ok(body)
}

/// Without `fields` everything; else these, or with `include_fields=false` all but these.
pub fn picked(request: &Request, mut element: Value) -> Value {
    let fields = request.query("fields").unwrap_or_default();
    let include = request.query("include_fields") != Some("false");
    if let (false, Some(members)) = (fields.is_empty(), element.as_object_mut()) {
        members.retain(|name, _| fields.split(',').any(|f| f == name) == include);
    }
    element
}

fn shown(request: &Request, page: impl Iterator<Item = Value>) -> Vec<Value> {
    page.map(|e| picked(request, e)).collect()
}

fn number(request: &Request, name: &str, default: usize, most: usize) -> Result<usize, Answer> {
    let Some(text) = request.query(name) else { return Ok(default) };
    let Ok(number) = text.parse::<usize>() else {
        return Err(Answer::invalid_query("Expected type integer but found type string", name));
    };
    if number > most {
        let problem = format!("Value {number} is greater than maximum {most}");
        return Err(Answer::invalid_query(&problem, name));
    }
    if number == 0 && name != "page" {
        return Err(Answer::invalid_query("Value 0 is less than minimum 1", name));
    }
    Ok(number)
}
