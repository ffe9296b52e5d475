//! The decision record (contract §10): what was decided in, the members of one JSON object out. No token, no
//! body, no header value but the request's id. Its `status` is written by Envoy, who knows what the client
//! got.

use crate::config::policy::{AuditAddress, AuditSubject, Policy, RouteId};
use crate::hash::{self, Secret};
use crate::json::{write_number, write_padded, write_string};
use crate::mcp::operation::Operation;
use crate::mcp::target::Target;
use crate::principal::Principal;
use crate::rate_limit::LimitState;
use crate::refusal::{Refusal, kind};
use crate::request::{self, Pairs, Request};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Longest string of a client's in a record, in bytes.
const CUT: usize = 256;
/// Bytes of most records.
const CAPACITY: usize = 768;
/// Scopes in a record, of those needed and of those there.
const MAX_SCOPES: usize = 32;

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
    user_agent: Option<String>,
    /// A hash of the MCP session that the request names.
    session: Option<u64>,
    trace_id: Option<TraceId>,
    /// The rule that refused it.
    rule: Option<Arc<str>>,
    /// Rules that are only watched, and would have.
    watched: Vec<Arc<str>>,
    /// What a refusal for scopes needed, and what the token had.
    scopes: Option<Box<[Vec<String>; 2]>>,
    outcome: Outcome,
    /// What would have been decided, in shadow mode.
    shadow: Option<Outcome>,
}

/// How many attributes a span has of a record.
pub const ATTRIBUTES: usize = 6;

/// 32 hex digits (W3C Trace Context §3.2.2.3).
type TraceId = [u8; 32];

/// What a record says besides what was decided: the worker's own part.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// The worker, which no other one is called.
    pub vm: u64,
    /// The record's number there: 1, 2, 3 …
    pub seq: u64,
    /// What subjects are hashed with.
    pub secret: Secret,
    /// The client's address, where the policy wants it.
    pub address: Option<IpAddr>,
    /// Unix time in microseconds.
    pub now_us: u64,
    /// How long all took.
    pub latency_us: u64,
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

/// A member, which is `null` where there is nothing to say.
macro_rules! optional {
    ($out:ident, $name:literal, $value:expr) => {
        match $value {
            Some(value) => text(&mut $out, concat!(",\"", $name, "\":"), value),
            None => $out.push_str(concat!(",\"", $name, "\":null")),
        }
    };
}

impl DecisionRecord {
    pub(crate) fn describe(&mut self, request: &Request<'_>, session_secret: Secret) {
        self.method = cut(request.method).to_owned();
        self.path = cut(&request.target.path).to_owned();
        self.request_id = request.request_id.unwrap_or_default().to_owned();
        self.user_agent = request.user_agent.map(lossy);
        self.session = request.mcp_session.map(|id| session(session_secret, id));
        self.trace_id = request.traceparent.and_then(trace_id);
    }

    /// What the first judgement came to is found out anew.
    pub(crate) fn judge_again(&mut self) {
        (self.caller, self.tool, self.operation, self.shadow) = (None, None, None, None);
        (self.scopes, self.rule) = (None, None);
        self.watched.clear();
        self.tools = Tools::None;
        self.outcome = Outcome::default();
    }

    pub(crate) fn describe_unparsed(&mut self, headers: Pairs<'_>) {
        let find = |name| request::first(headers, name).unwrap_or_default();
        self.request_id =
            request::clean_request_id(find("x-request-id")).map(str::to_owned).unwrap_or_default();
        self.method = cut(&String::from_utf8_lossy(find(":method"))).to_owned();
        self.user_agent = request::first(headers, "user-agent").map(lossy);
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
        if let Refusal::Scope { needed, have } = refusal {
            let some = |names: &[String]| names.iter().take(MAX_SCOPES).cloned().collect();
            self.scopes = Some(Box::new([some(needed), some(have)]));
        }
        self.rule = refusal.rule().cloned();
        self.outcome =
            Outcome { decision: refusal.decision(), reason: refusal.reason(), status: refusal.status() };
    }

    pub(crate) fn watch(&mut self, rules: Vec<Arc<str>>) {
        self.watched = rules;
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

    /// What a span says of it, by the attribute's name; texts of clients are cut as in records.
    pub fn attributes<'a>(&'a self, policy: &'a Policy) -> [(&'static str, Option<&'a str>); ATTRIBUTES] {
        let Outcome { decision, reason, .. } = self.outcome;
        let route = self.route.and_then(|RouteId(at)| policy.routes.get(at));
        let tool = self.tool.as_deref().filter(|_| self.tools != Tools::None);
        [
            ("decision", Some(decision)),
            ("reason", Some(reason)),
            ("route", route.map(|route| route.name.as_str())),
            ("path", Some(self.path.as_str())),
            ("method", self.operation.as_deref()),
            ("tool", tool),
        ]
    }

    /// The record's members, each with a comma before it: the access log's format puts them behind the status
    /// that it knows, in braces.
    pub fn members(&self, policy: &Policy, stamp: &Stamp) -> String {
        let Stamp { vm, seq, secret, address, now_us, latency_us } = *stamp;
        let caller = self.caller.as_deref();
        let issuer = caller.and_then(|principal| policy.issuers.get(principal.issuer().0));
        let mut out = String::with_capacity(CAPACITY);
        out.push_str(",\"ts\":\"");
        write_time(&mut out, now_us);
        text(&mut out, "\",\"request_id\":", &self.request_id);
        let hashed = caller.filter(|_| policy.audit_subject == AuditSubject::Hash).map(|principal| {
            format!("{:016x}", hash::keyed(secret, &[b"subject", principal.user().as_bytes()]))
        });
        let subject = hashed.as_deref().or_else(|| caller.map(|principal| cut(principal.user())));
        optional!(out, "sub", subject);
        optional!(out, "tenant", caller.and_then(Principal::tenant).map(cut));
        optional!(out, "issuer", issuer.map(|issuer| issuer.issuer.as_ref()));
        let is_machine = caller.is_some_and(Principal::is_machine);
        out.push_str(if is_machine { ",\"machine\":true" } else { ",\"machine\":false" });
        text(&mut out, ",\"method\":", &self.method);
        text(&mut out, ",\"path\":", &self.path);
        let route = self.route.and_then(|RouteId(at)| policy.routes.get(at));
        optional!(out, "route", route.map(|route| route.name.as_str()));
        optional!(out, "tool", self.tool.as_deref());
        optional!(out, "operation", self.operation.as_deref());
        // Words of ours need no escape.
        plain(&mut out, ",\"decision\":\"", self.outcome.decision);
        plain(&mut out, "\",\"reason\":\"", self.outcome.reason);
        number(&mut out, "\",\"latency_us\":", latency_us);
        plain(&mut out, ",\"policy\":\"", &policy.revision);
        out.push_str("\",\"vm\":\"");
        hex(&mut out, vm);
        number(&mut out, "\",\"seq\":", seq);
        optional!(out, "client", caller.and_then(Principal::client).map(cut));
        optional!(out, "agent", caller.and_then(Principal::agent).map(cut));
        optional!(out, "actor", caller.and_then(Principal::actor).map(cut));
        optional!(out, "rule", self.rule.as_deref());
        match self.session {
            Some(session) => {
                out.push_str(",\"session\":\"");
                hex(&mut out, session);
                out.push('"');
            }
            None => out.push_str(",\"session\":null"),
        }
        let trace_id = self.trace_id.as_ref().and_then(|id| std::str::from_utf8(id).ok());
        optional!(out, "trace_id", trace_id);
        optional!(out, "user_agent", self.user_agent.as_deref());
        let address = address.and_then(|address| shown(address, policy.audit_address));
        optional!(out, "address", address.as_deref());
        if let Some(scopes) = &self.scopes {
            let [needed, have] = &**scopes;
            names(&mut out, ",\"needed\":[", needed);
            names(&mut out, "],\"have\":[", have);
            out.push(']');
        }
        if !self.watched.is_empty() {
            names(&mut out, ",\"watched\":[", &self.watched);
            out.push(']');
        }
        if let Some(shadow) = &self.shadow {
            plain(&mut out, ",\"shadow\":{\"decision\":\"", shadow.decision);
            plain(&mut out, "\",\"reason\":\"", shadow.reason);
            number(&mut out, "\",\"status\":", shadow.status.into());
            out.push('}');
        }
        out
    }
}

/// The hash that a record shows instead of a session's id, which is a secret.
pub fn session(secret: Secret, id: &[u8]) -> u64 {
    hash::keyed(secret, &[b"session", id])
}

fn lossy(value: &[u8]) -> String {
    cut(&String::from_utf8_lossy(value.get(..2 * CUT).unwrap_or(value))).to_owned()
}

/// `traceparent`: `00-` trace id `-` …; an id of zeros is none.
fn trace_id(traceparent: &[u8]) -> Option<TraceId> {
    let (version, rest) = traceparent.split_at_checked(3)?;
    let (id, rest) = rest.split_first_chunk::<32>()?;
    let is_hex = |bytes: &[u8]| bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let [a, b, dash] = version else { return None };
    let is_good = is_hex(&[*a, *b]) && *dash == b'-' && is_hex(id) && rest.first() == Some(&b'-');
    (is_good && (*a, *b) != (b'f', b'f') && id.iter().any(|b| *b != b'0')).then_some(*id)
}

/// An address as the policy shows it: whole, or its network, which is /24 or /48.
fn shown(address: IpAddr, how: AuditAddress) -> Option<String> {
    match (how, address.to_canonical()) {
        (AuditAddress::None, _) => None,
        (AuditAddress::Full, address) => Some(address.to_string()),
        (AuditAddress::Network, IpAddr::V4(v4)) => {
            let [a, b, c, _] = v4.octets();
            Some(format!("{}/24", Ipv4Addr::new(a, b, c, 0)))
        }
        (AuditAddress::Network, IpAddr::V6(v6)) => {
            let [a, b, c, ..] = v6.segments();
            Some(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
        }
    }
}

fn hex(out: &mut String, number: u64) {
    // Each nibble in a byte of its own, and each of these bytes a digit.
    let spread = |half: u64| {
        let half = (half | half << 16) & 0x0000_ffff_0000_ffff;
        let half = (half | half << 8) & 0x00ff_00ff_00ff_00ff;
        let nibbles = (half | half << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
        (nibbles + 0x3030_3030_3030_3030 + letters * 0x27).to_be_bytes()
    };
    for half in [number >> 32, number & 0xffff_ffff] {
        out.push_str(std::str::from_utf8(&spread(half)).unwrap_or_default());
    }
}

fn names(out: &mut String, before: &str, names: &[impl AsRef<str>]) {
    out.push_str(before);
    for (at, name) in names.iter().enumerate() {
        text(out, if at > 0 { "," } else { "" }, cut(name.as_ref()));
    }
}

/// What comes before a text, and the text.
fn text(out: &mut String, before: &str, value: &str) {
    out.push_str(before);
    write_string(out, value, 2 * CUT);
}

/// The same of a text that needs no escape, up to its end.
fn plain(out: &mut String, before: &str, value: &str) {
    out.push_str(before);
    out.push_str(value);
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
