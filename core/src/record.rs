//! The decision record (contract §10): what was decided in, the members of one JSON object out. No token, no
//! body, no header value but the request's id. Its `status` is written by Envoy, who knows what the client
//! got.

use crate::config::policy::{AuditSubject, Policy, RouteId};
use crate::hash::{self, Secret};
use crate::json::{write_number, write_padded, write_string};
use crate::mcp::operation::Operation;
use crate::mcp::target::Target;
use crate::principal::Principal;
use crate::rate_limit::LimitState;
use crate::refusal::{Refusal, kind};
use crate::request::{self, Pairs, Request};
use std::sync::Arc;

/// Longest string of a client's in a record, in bytes.
const CUT: usize = 256;

/// What is known of an exchange.
#[derive(Debug, Clone, Default)]
pub struct DecisionRecord {
    /// Envoy's request id, or one made up.
    pub request_id: String,
    /// The route.
    pub route: Option<RouteId>,
    /// The limit of its address that the request was counted by.
    pub counted: Option<LimitState>,
    method: String,
    path: String,
    caller: Option<Arc<Principal>>,
    tool: Option<String>,
    tools: Tools,
    operation: Option<String>,
    outcome: Outcome,
    /// What would have been decided, in shadow mode.
    shadow: Option<Outcome>,
}

/// Whether a request calls tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tools {
    #[default]
    None,
    One,
    /// A batch with calls of tools in it.
    Batch,
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedCall<'a> {
    /// A call of the tool of this name, which is the client's word for it, cut as by [`cut`].
    Tool(&'a str),
    /// A batch with calls of tools in it: all of it was, for any of them.
    Batch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcome {
    decision: &'static str,
    reason: &'static str,
    /// Status of our own answer; 0: the upstream's.
    status: u16,
}

impl Default for Outcome {
    fn default() -> Self {
        let (decision, reason) = kind::GONE;
        Self { decision, reason, status: 0 }
    }
}

impl DecisionRecord {
    pub(crate) fn describe(&mut self, request: &Request<'_>) {
        self.method = cut(request.method).to_owned();
        self.path = cut(&request.target.path).to_owned();
        self.request_id = request.request_id.unwrap_or_default().to_owned();
    }

    /// What the first judgement came to is found out anew.
    pub(crate) fn judge_again(&mut self) {
        (self.caller, self.tool, self.operation, self.shadow) = (None, None, None, None);
        self.tools = Tools::None;
        self.outcome = Outcome::default();
    }

    pub(crate) fn describe_unparsed(&mut self, headers: Pairs<'_>) {
        let find = |name| request::first(headers, name).unwrap_or_default();
        self.request_id =
            request::clean_request_id(find("x-request-id")).map(str::to_owned).unwrap_or_default();
        self.method = cut(&String::from_utf8_lossy(find(":method"))).to_owned();
        let path = find(":path");
        let end = path.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(path.len());
        self.path = cut(&String::from_utf8_lossy(path.get(..end.min(CUT)).unwrap_or_default())).to_owned();
    }

    pub(crate) fn identify(&mut self, principal: &Arc<Principal>) {
        self.caller = Some(Arc::clone(principal));
    }

    pub(crate) fn operate(&mut self, operation: &Operation) {
        let mut tools = operation.calls.iter().filter(|call| matches!(call.target, Target::Tool(_)));
        self.tools = match (tools.next(), operation.calls.len()) {
            (None, _) => Tools::None,
            (Some(_), 1) => Tools::One,
            (Some(_), _) => Tools::Batch,
        };
        (self.operation, self.tool) = match operation.calls.as_slice() {
            [call] => {
                (Some(cut(&call.method).to_owned()), call.target.shown().map(|name| cut(name).to_owned()))
            }
            calls => {
                let methods: Vec<&str> = calls.iter().map(|call| call.method.as_str()).collect();
                let tools: Vec<&str> = calls.iter().filter_map(|call| call.target.shown()).collect();
                let joined = |names: &[&str]| (!names.is_empty()).then(|| cut(&names.join(",")).to_owned());
                (joined(&methods), joined(&tools))
            }
        };
    }

    pub(crate) fn allow(&mut self, is_authorized: bool) {
        let reason = if is_authorized { "authorized" } else { "public" };
        self.outcome = Outcome { decision: "allow", reason, status: 0 };
    }

    pub(crate) fn answer(&mut self, reason: &'static str, status: u16) {
        self.outcome = Outcome { decision: "allow", reason, status };
    }

    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        // What can't pass isn't only watched.
        self.shadow = None;
        self.outcome =
            Outcome { decision: refusal.decision(), reason: refusal.reason(), status: refusal.status() };
    }

    pub(crate) fn unknown(&mut self, reason: &'static str) {
        self.outcome = Outcome { decision: "unknown", reason, status: 0 };
    }

    pub(crate) fn shadow(&mut self) {
        self.shadow = Some(self.outcome);
        self.outcome = Outcome { decision: "allow", reason: "shadow", status: 0 };
    }

    /// Decision and reason, both from closed sets, for statistics.
    pub fn outcome(&self) -> (&'static str, &'static str) {
        (self.outcome.decision, self.outcome.reason)
    }

    /// The same of what would have been decided, where that is only recorded.
    pub fn observed(&self) -> Option<(&'static str, &'static str)> {
        self.shadow.map(|outcome| (outcome.decision, outcome.reason))
    }

    /// The call of a tool that was refused, or would have been: `None` for all else, and where the gateway
    /// itself is at fault.
    pub fn refused_call(&self) -> Option<RefusedCall<'_>> {
        let outcome = self.shadow.unwrap_or(self.outcome);
        if !matches!(outcome.decision, "deny" | "limited") {
            return None;
        }
        match self.tools {
            Tools::None => None,
            Tools::One => self.tool.as_deref().map(RefusedCall::Tool),
            Tools::Batch => Some(RefusedCall::Batch),
        }
    }

    /// The record's members, each with a comma before it: the access log's format puts them behind the status
    /// that it knows, in braces. Times are in microseconds.
    pub fn members(&self, policy: &Policy, secret: Secret, now_us: u64, latency_us: u64) -> String {
        let caller = self.caller.as_deref();
        let issuer = caller.and_then(|principal| policy.issuers.get(principal.issuer().0));
        let mut out = String::with_capacity(512);
        out.push_str(",\"ts\":\"");
        write_time(&mut out, now_us);
        text(&mut out, "\",\"request_id\":", Some(&self.request_id));
        let hashed = caller.filter(|_| policy.audit_subject == AuditSubject::Hash).map(|principal| {
            format!("{:016x}", hash::keyed(secret, &[b"subject", principal.user().as_bytes()]))
        });
        let subject = hashed.as_deref().or_else(|| caller.map(|principal| cut(principal.user())));
        text(&mut out, ",\"sub\":", subject);
        text(&mut out, ",\"tenant\":", caller.and_then(Principal::tenant).map(cut));
        text(&mut out, ",\"issuer\":", issuer.map(|issuer| issuer.issuer.as_str()));
        let is_machine = caller.is_some_and(Principal::is_machine);
        out.push_str(if is_machine { ",\"machine\":true" } else { ",\"machine\":false" });
        text(&mut out, ",\"method\":", Some(&self.method));
        text(&mut out, ",\"path\":", Some(&self.path));
        let route = self.route.and_then(|RouteId(at)| policy.routes.get(at));
        text(&mut out, ",\"route\":", route.map(|route| route.name.as_str()));
        text(&mut out, ",\"tool\":", self.tool.as_deref());
        text(&mut out, ",\"operation\":", self.operation.as_deref());
        text(&mut out, ",\"decision\":", Some(self.outcome.decision));
        text(&mut out, ",\"reason\":", Some(self.outcome.reason));
        number(&mut out, ",\"latency_us\":", latency_us);
        text(&mut out, ",\"policy\":", Some(&policy.revision));
        if let Some(shadow) = &self.shadow {
            text(&mut out, ",\"shadow\":{\"decision\":", Some(shadow.decision));
            text(&mut out, ",\"reason\":", Some(shadow.reason));
            number(&mut out, ",\"status\":", shadow.status.into());
            out.push('}');
        }
        out
    }
}

/// What comes before a value, and the value.
fn text(out: &mut String, before: &str, value: Option<&str>) {
    out.push_str(before);
    match value {
        Some(value) => write_string(out, value, 2 * CUT),
        None => out.push_str("null"),
    }
}

fn number(out: &mut String, before: &str, value: u64) {
    out.push_str(before);
    write_number(out, value);
}

/// The start of a client's text, as far as records and statistics keep it.
pub fn cut(text: &str) -> &str {
    let end = (0..=CUT.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// RFC 3339 in UTC, from Unix microseconds.
fn write_time(out: &mut String, us: u64) {
    let seconds = us / 1_000_000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, in eras of 400 years, so that the leap day is a year's last.
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (h, m, s) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let parts = [
        (year, 4, "-"),
        (month, 2, "-"),
        (day, 2, "T"),
        (h, 2, ":"),
        (m, 2, ":"),
        (s, 2, "."),
        (us % 1_000_000, 6, "Z"),
    ];
    for (number, digits, after) in parts {
        write_padded(out, number, digits);
        out.push_str(after);
    }
}
