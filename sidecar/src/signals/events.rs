//! What is said, and of whom: the members of a SET in, changes of a subject out. CAEP and RISC events by
//! their URIs, subjects by RFC 9493.

use super::fault::Fault;
use crate::ledger::signal::Change;
use gatewaystack_core::json::{Members, View};

/// Aspects of one event at most (RFC 8417 §2.2).
const MOST_EVENTS: usize = 8;
const EVENTS: &str = "https://schemas.openid.net/secevent/";

/// What a SET says.
#[derive(Debug, PartialEq)]
pub struct Said<'a> {
    pub changes: Vec<Change>,
    /// The first known event, without what all begin with.
    pub why: &'a str,
    /// Its time, where it has one of its own.
    pub at: Option<f64>,
}

/// Reads `events`; `None`: nothing that is known here.
///
/// # Errors
/// It has no form that RFC 8417 allows, or contradicts itself.
pub fn read<'a>(claims: &'a Members<'_>) -> Result<Option<Said<'a>>, Fault> {
    let Some(View::Object(events)) = claims.get("events") else {
        return Err(Fault::request("`events` must be an object"));
    };
    if !(1..=MOST_EVENTS).contains(&events.keys().count()) {
        return Err(Fault::request("expected one event"));
    }
    let mut said: Option<Said<'a>> = None;
    for name in events.keys() {
        let Some(View::Object(event)) = events.get(name) else {
            return Err(Fault::request("each event must be an object"));
        };
        let Some((why, changes)) = known(name, event) else { continue };
        let at = event.get("event_timestamp").map(date).transpose()?;
        match &mut said {
            None => said = Some(Said { changes, why, at }),
            Some(said) => {
                said.changes.extend(changes);
                // The later one: more is revoked, and no block is taken for older than it is.
                said.at = said.at.zip(at).map(|(one, other)| one.max(other));
            }
        }
    }
    if let Some(said) = &mut said {
        if said.changes.contains(&Change::Enable) && said.changes.len() > 1 {
            return Err(Fault::request(
                "an account can't be enabled by the event that says something else of it",
            ));
        }
        said.changes.dedup();
    }
    Ok(said)
}

/// What follows from an event; others are ignored.
fn known<'a>(name: &'a str, event: &Members<'_>) -> Option<(&'a str, Vec<Change>)> {
    let why = name.strip_prefix(EVENTS)?;
    let changes = match why {
        "caep/event-type/session-revoked"
        | "caep/event-type/credential-change"
        | "caep/event-type/token-claims-change"
        | "risc/event-type/sessions-revoked" => vec![Change::Revoke],
        // Whoever has taken it over has its tokens.
        "risc/event-type/account-disabled" if is_hijacked(event) => vec![Change::Revoke, Change::Disable],
        "risc/event-type/account-disabled" | "risc/event-type/account-purged" => vec![Change::Disable],
        "risc/event-type/account-enabled" => vec![Change::Enable],
        _ => return None,
    };
    Some((why.rsplit('/').next().unwrap_or(why), changes))
}

fn is_hijacked(event: &Members<'_>) -> bool {
    event.get("reason").and_then(View::as_str) == Some("hijacking")
}

/// RFC 7519 §2 `NumericDate`, within what a double holds exactly.
///
/// # Errors
/// It isn't one.
pub fn date(value: &View<'_>) -> Result<f64, Fault> {
    let number = value.as_f64().filter(|number| (0.0..9_007_199_254_740_992.0).contains(number));
    number.ok_or(Fault::request("a time must be a number of seconds"))
}

/// Whom it speaks of: the issuer and its name for the user.
///
/// # Errors
/// It names nobody in a form that is known here.
pub fn subject<'a>(claims: &'a Members<'_>) -> Result<(&'a str, &'a str), Fault> {
    let unknown =
        || Fault::request("`sub_id` must be of the format `iss_sub`, or `complex` with such a `user`");
    let Some(View::Object(subject)) = claims.get("sub_id") else { return Err(unknown()) };
    let format = |members: &Members<'_>, is: &str| members.get("format").and_then(View::as_str) == Some(is);
    let subject = match subject.get("user") {
        // All of the user's sessions and devices are meant, whichever is named besides.
        Some(View::Object(user)) if format(subject, "complex") => user,
        _ => subject,
    };
    if !format(subject, "iss_sub") {
        return Err(unknown());
    }
    let text = |name: &str| subject.get(name).and_then(View::as_str);
    text("iss").zip(text("sub")).ok_or_else(unknown)
}
