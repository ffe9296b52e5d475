//! What is known of a request and its caller while rules are judged. In: a field. Out: its value, or why
//! there is none.

use crate::config::policy::condition::{Field, Number};
use crate::config::policy::{Mcp, McpRules, Route, Rules};
use crate::groups::Groups;
use crate::host::bare_host;
use crate::json::Text;
use crate::mcp::json_rpc::{Arguments, Call};
use crate::mcp::strict::is_lookalike;
use crate::mcp::target::Target;
use crate::names;
use crate::principal::{Attributes, ClaimValue, seconds};
use crate::request::Request;
use crate::rules::truth::Truth;
use crate::uri;
use gatewaystack_text::scopes::Scopes;
use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;

/// A token that says that its holder signs in later than this is wrong about it.
const AHEAD_S: f64 = 300.0;

/// All that rules are judged by.
pub struct Facts<'a> {
    /// Of whose conditions claims and headers are known by their places.
    pub rules: &'a Rules,
    /// The request; `None`: it is judged for a list, and what may be otherwise when something of it is asked
    /// for isn't known yet.
    pub request: Option<&'a Request<'a>>,
    /// Its route.
    pub route: &'a Route,
    /// Who calls.
    pub caller: &'a Attributes,
    /// What is called.
    pub asked: Asked<'a>,
    /// The client's address.
    pub address: &'a dyn Fn() -> Option<IpAddr>,
    /// Unix time in milliseconds.
    pub now_ms: u64,
    /// Arguments that were looked for by now, by their places: each costs a look through all of them.
    pub found: RefCell<Vec<(usize, Found<'a>)>>,
}

/// What is called.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// Nothing that has a name.
    Nothing,
    /// A tool, with its arguments.
    Tool(Name<'a>, &'a Arguments),
    /// A prompt, with its arguments.
    Prompt(Name<'a>, &'a Arguments),
    /// Resources.
    Resources(&'a [String]),
    /// Some resource of a template's.
    Template,
}

/// What was found where an argument should be.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// Nothing.
    Missing,
    /// Another reader may find something else.
    Odd,
    /// This.
    Json(Text<'a>),
}

/// A name, and whether another reader may take it for another one.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Whether the policy itself writes it so.
    pub is_listed: bool,
}

impl<'a> Asked<'a> {
    /// What a call is of.
    pub fn of(call: &'a Call, mcp: &Mcp) -> Self {
        let (target, arguments) = (&call.target, &call.arguments);
        match target {
            Target::Tool(text) => Self::Tool(Name::of(text, &mcp.tools), arguments),
            Target::Prompt(text) => Self::Prompt(Name::of(text, &mcp.prompts), arguments),
            Target::Resource(_) | Target::Listened(_) if !target.uris().is_empty() => {
                Self::Resources(target.uris())
            }
            Target::None | Target::Task(_) | Target::Resource(_) | Target::Listened(_) => Self::Nothing,
        }
    }
}

impl<'a> Name<'a> {
    /// A name that has rules like these.
    pub fn of(text: &'a str, rules: &McpRules) -> Self {
        let is_listed = rules.named.binary_search_by(|(other, _)| other.as_str().cmp(text)).is_ok();
        Self { text, is_listed }
    }

    /// As a sloppy reader takes it.
    pub fn folded(self) -> Cow<'a, str> {
        let is_plain = |byte: u8| matches!(byte, 0x20..=0x7e) && !byte.is_ascii_uppercase();
        if self.text.bytes().all(is_plain) && self.text.trim() == self.text {
            return Cow::Borrowed(self.text);
        }
        Cow::Owned(self.text.trim().chars().filter_map(names::plain).collect())
    }

    /// Whether it is known what others may make of it.
    pub fn is_clear(self) -> bool {
        self.is_listed || self.text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
    }
}

/// What a field has.
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A name that others may read in another way.
    Name(Name<'a>),
    /// URIs, all of which are asked for.
    Uris(&'a [String]),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Flag(bool),
    /// A set of groups.
    Groups(&'a Groups),
    /// A set of scopes.
    Scopes(&'a Scopes),
    /// A claim.
    Claim(&'a ClaimValue),
    /// An argument.
    Json(Text<'a>),
    /// An address.
    Address(IpAddr),
    /// It is missing.
    Missing,
    /// It is there, and can't be read.
    Unreadable,
    /// Such a request has no such thing.
    OtherKind,
    /// It isn't known yet.
    Open,
}

impl<'a> Facts<'a> {
    /// What a field has.
    pub fn value(&self, field: Field) -> Value<'a> {
        let caller = self.caller;
        let text = |text: &'a str| Value::Text(Cow::Borrowed(text));
        let maybe = |value: Option<&'a str>| value.map_or(Value::Missing, text);
        match field {
            Field::User => text(&caller.user),
            Field::Tenant => maybe(caller.tenant.as_deref()),
            Field::Issuer => text(&caller.issuer_name),
            Field::Groups => Value::Groups(&caller.groups),
            Field::Scopes if self.route.mcp.is_some() => Value::Scopes(caller.consented_scopes()),
            Field::Scopes => Value::Scopes(&caller.scopes),
            Field::Client => maybe(caller.client.as_deref()),
            Field::Agent => maybe(caller.agent.as_deref()),
            Field::Actor => maybe(caller.actor.as_deref()),
            Field::Machine => Value::Flag(caller.is_machine),
            Field::Acr => maybe(caller.acr.as_deref()),
            Field::AuthAge => self.auth_age().map_or(Value::Missing, |age| Value::Number(Number::Real(age))),
            Field::Claim(at) => caller.claim(at).map_or(Value::Missing, Value::Claim),
            Field::Route => text(&self.route.name),
            // In a list: of whatever asks for it.
            Field::Path | Field::Host | Field::Header(_) | Field::Address if self.is_list() => Value::Open,
            Field::Method => self.request.map_or(text("POST"), |request| text(request.method)),
            Field::Path => maybe(self.request.map(|request| request.target.path.as_str())),
            Field::Host => self.host(),
            Field::Header(at) => self.header(at),
            Field::Address => (self.address)().map_or(Value::Missing, Value::Address),
            Field::Tool => match self.asked {
                Asked::Tool(name, _) => Value::Name(name),
                _ => Value::OtherKind,
            },
            Field::Prompt => match self.asked {
                Asked::Prompt(name, _) => Value::Name(name),
                _ => Value::OtherKind,
            },
            Field::Resource => match self.asked {
                Asked::Resources(uris) => Value::Uris(uris),
                Asked::Template => Value::Open,
                _ => Value::OtherKind,
            },
            Field::Argument(at) => match self.asked {
                Asked::Tool(_, arguments) | Asked::Prompt(_, arguments) => self.argument(at, arguments),
                _ => Value::OtherKind,
            },
        }
    }

    /// Whether it is judged for a list.
    pub fn is_list(&self) -> bool {
        self.request.is_none()
    }

    fn host(&self) -> Value<'a> {
        match self.request.map(|request| bare_host(request.host)).unwrap_or_default() {
            "" => Value::Missing,
            host if host.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Value::Text(Cow::Owned(host.to_ascii_lowercase()))
            }
            host => Value::Text(Cow::Borrowed(host)),
        }
    }

    /// Seconds since the caller signed in; `None`: nobody knows.
    pub fn auth_age(&self) -> Option<f64> {
        let age = seconds(self.now_ms) - self.caller.signed_in?;
        (age > -AHEAD_S).then_some(age.max(0.0))
    }

    /// What no other reader finds elsewhere.
    fn argument(&self, at: usize, arguments: &'a Arguments) -> Value<'a> {
        let text = match arguments {
            Arguments::Unread => return Value::Open,
            Arguments::None => return Value::Missing,
            Arguments::Given(text) => text,
        };
        let mut known = self.found.borrow_mut();
        let found = known.iter().find(|(place, _)| *place == at).map(|(_, found)| *found);
        let found = found.unwrap_or_else(|| {
            let path = self.rules.arguments.get(at).map_or(&[][..], Vec::as_slice);
            let found = find(Text::part(text), path);
            known.push((at, found));
            found
        });
        match found {
            Found::Missing => Value::Missing,
            Found::Odd => Value::Unreadable,
            Found::Json(value) => Value::Json(value),
        }
    }

    /// One that is there more than once may be read in more than one way.
    fn header(&self, at: usize) -> Value<'a> {
        let Some(name) = self.rules.headers.get(at) else { return Value::Unreadable };
        let Some(request) = self.request else { return Value::Open };
        let mut values = request.all(name);
        match (values.next(), values.next()) {
            (None, _) => Value::Missing,
            // A comma may stand between two values.
            (Some(value), None) => match std::str::from_utf8(value) {
                Ok(value) if !value.contains(',') => Value::Text(Cow::Borrowed(value)),
                _ => Value::Unreadable,
            },
            (Some(_), Some(_)) => Value::Unreadable,
        }
    }
}

/// What a pointer leads to.
fn find<'t>(mut value: Text<'t>, path: &[String]) -> Found<'t> {
    for token in path {
        let (mut found, mut is_odd) = (None, false);
        for (name, member) in value.members() {
            is_odd |= is_lookalike(&name, token);
            if name == *token {
                found = Some(member);
            }
        }
        let place = || token.parse().ok().filter(|_| token == "0" || !token.starts_with(['0', '+']));
        let item = || place().and_then(|place: usize| value.items().nth(place));
        match found.or_else(item) {
            _ if is_odd => return Found::Odd,
            None => return Found::Missing,
            Some(inner) => value = inner,
        }
    }
    Found::Json(value)
}

/// Whether a URI is as `holds` asks, however it is read: as it is written, and as a server that decodes reads
/// it.
pub fn of_uri(uri: &str, holds: impl Fn(&str) -> Truth) -> Truth {
    let written = holds(uri);
    match uri::decoded(uri).map(|other| holds(&other)) {
        Some(other) if other != written => Truth::UNKNOWN,
        _ => written,
    }
}
