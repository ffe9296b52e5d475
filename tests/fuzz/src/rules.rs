//! The rules that both targets work with, as a table: in: a name and a caller's scopes; out: what the policy
//! of [`crate::gateway`] is written from, and by looking through the table what is allowed.

use serde_json::{Map, Value, json};

/// Who may use something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Anybody.
    Public,
    /// Anyone who has a token with all of these scopes.
    All(&'static [&'static str]),
    /// Anyone who has a token with one of these scopes.
    Any(&'static [&'static str]),
}

/// What there are rules for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tool,
    Prompt,
    Resource,
    Template,
}

pub const KINDS: [Kind; 4] = [Kind::Tool, Kind::Prompt, Kind::Resource, Kind::Template];

/// A caller's scopes; `None`: nobody has signed in.
pub type Scopes = Option<&'static [&'static str]>;

/// The ways into the route `/wide`, and to its tool: their product makes a list grow more than a hundredfold.
pub const WIDE: &[&str] = &[
    "wide:a", "wide:b", "wide:c", "wide:d", "wide:e", "wide:f", "wide:g", "wide:h", "wide:i", "wide:j",
    "wide:k", "wide:l",
];

const TOOLS: &[(&str, Rule)] = &[
    ("open", Rule::Public),
    ("plain", Rule::All(&[])),
    ("notes", Rule::All(&["read"])),
    ("purge", Rule::Any(&["admin", "owner"])),
    ("both", Rule::All(&["read", "admin"])),
    ("wide", Rule::Any(WIDE)),
];

/// Next to these a token is enough.
const PROMPTS: &[(&str, Rule)] =
    &[("hello", Rule::Public), ("report", Rule::All(&["read"])), ("secret", Rule::All(&["admin"]))];

/// A star at the end stands for one character or more; the longest beginning decides.
const RESOURCES: &[(&str, Rule)] = &[
    ("notes://open/plan", Rule::Public),
    ("notes://team/*", Rule::All(&["read"])),
    ("notes://team/admin/*", Rule::All(&["admin"])),
    ("file:///pub/*", Rule::All(&[])),
    ("https://a.example/x/*", Rule::All(&["read"])),
];

/// Methods that need no token.
pub const OPEN_METHODS: [&str; 7] = [
    "initialize",
    "ping",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "server/discover",
];

impl Rule {
    /// Whether a caller with these scopes may.
    pub fn allows(self, scopes: Scopes) -> bool {
        match (self, scopes) {
            (Self::Public, _) => true,
            (_, None) => false,
            (Self::All(needed), Some(have)) => needed.iter().all(|scope| have.contains(scope)),
            (Self::Any(needed), Some(have)) => needed.iter().any(|scope| have.contains(scope)),
        }
    }

    /// Sets of scopes that are each enough.
    pub fn ways(self) -> Vec<Vec<&'static str>> {
        match self {
            Self::Public => Vec::new(),
            Self::All(all) => vec![all.to_vec()],
            Self::Any(any) => any.iter().map(|one| vec![*one]).collect(),
        }
    }

    fn written(self) -> Value {
        match self {
            Self::Public => json!("public"),
            Self::All(all) => json!(all),
            Self::Any(any) => json!({"any_scope": any}),
        }
    }
}

impl Kind {
    /// The member of a result that lists these.
    pub fn member(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
            Self::Template => "resourceTemplates",
        }
    }

    /// The member of an item that names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tool | Self::Prompt => "name",
            Self::Resource => "uri",
            Self::Template => "uriTemplate",
        }
    }

    /// The method that lists these.
    pub fn method(self) -> &'static str {
        match self {
            Self::Tool => "tools/list",
            Self::Prompt => "prompts/list",
            Self::Resource => "resources/list",
            Self::Template => "resources/templates/list",
        }
    }

    fn table(self) -> &'static [(&'static str, Rule)] {
        match self {
            Self::Tool => TOOLS,
            Self::Prompt => PROMPTS,
            Self::Resource | Self::Template => RESOURCES,
        }
    }

    /// The rule of a name as it is written; `None`: there is none, and nobody may.
    pub fn rule(self, name: &str) -> Option<Rule> {
        let exact = self.table().iter().find(|(listed, _)| *listed == name).map(|(_, rule)| *rule);
        let is_below = |start: &str| name.len() > start.len() && name.starts_with(start);
        let below = self
            .table()
            .iter()
            .filter_map(|(listed, rule)| Some((listed.strip_suffix('*')?, *rule)))
            .filter(|(start, _)| is_below(start))
            .max_by_key(|(start, _)| start.len())
            .map(|(_, rule)| rule);
        let unlisted = (self == Self::Prompt).then_some(Rule::All(&[]));
        exact.or(below).or(unlisted)
    }

    /// Whether a caller may use what has this name.
    pub fn allows(self, name: &str, scopes: Scopes) -> bool {
        self.is_one_spelling(name) && self.rule(name).is_some_and(|rule| rule.allows(scopes))
    }

    /// Whether a list shows it: anyone who hasn't signed in sees all that there are rules for.
    pub fn shows(self, name: &str, scopes: Scopes) -> bool {
        match scopes {
            Some(_) => self.allows(name, scopes),
            None => self.is_one_spelling(name) && self.rule(name).is_some(),
        }
    }

    /// Whether no reader takes the name for a listed one, which it isn't. What nobody has listed matters
    /// where that is allowed.
    fn is_one_spelling(self, name: &str) -> bool {
        let is_listed = |name: &str| self.table().iter().any(|(listed, _)| *listed == name);
        let is_ascii = name.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        is_listed(name) || (!is_listed(&name.trim().to_lowercase()) && (is_ascii || self != Self::Prompt))
    }

    /// As the policy has them.
    pub fn written(self) -> Value {
        let rules = self.table().iter().map(|(name, rule)| ((*name).to_owned(), rule.written()));
        let mut rules: Map<String, Value> = rules.collect();
        let unlisted = if self == Self::Prompt { "allow" } else { "deny" };
        rules.insert("unlisted".to_owned(), json!(unlisted));
        Value::Object(rules)
    }
}
