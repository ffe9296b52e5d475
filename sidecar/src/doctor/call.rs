//! One call on an MCP route: what the command line asks for in, the request's body and the rule that is about
//! it out. The body is in the form that needs no `Mcp-*` headers: the core comes to the same decision about
//! the newer one.

use super::lines::shown;
use gatewaystack_core::config::policy::{Mcp, McpRule, McpRules, ScopeRule};
use gatewaystack_core::mcp::era::Era;
use gatewaystack_core::mcp::json_rpc;
use gatewaystack_core::mcp::strict::BodyFault;
use serde_json::json;

/// The last version whose calls are in the body alone.
pub const VERSION: &str = "2025-11-25";

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// `tools/call` of this tool.
    Tool(String),
    /// `prompts/get` of this prompt.
    Prompt(String),
    /// `resources/read` of this URI.
    Resource(String),
    /// Another method, which names nothing that a rule is about.
    Method(String),
}

impl Call {
    /// The option that asks for it.
    pub fn option(&self) -> &'static str {
        match self {
            Self::Tool(_) => "--tool",
            Self::Prompt(_) => "--prompt",
            Self::Resource(_) => "--resource",
            Self::Method(_) => "--rpc",
        }
    }

    /// The method, and what it names, for people.
    pub fn text(&self) -> String {
        let (method, name) = self.parts();
        name.map_or_else(|| shown(method), |(_, name)| format!("{} {}", shown(method), shown(name)))
    }

    /// The request's body.
    ///
    /// # Errors
    /// The method needs a name, which another option gives.
    pub fn body(&self) -> Result<Vec<u8>, String> {
        let (method, name) = self.parts();
        let params = name.map_or_else(|| json!({}), |(member, name)| json!({ member: name }));
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        match (self, json_rpc::parse(body.as_bytes(), Era::V2025_11_25, false)) {
            (Self::Method(_), Err(BodyFault::Target)) => Err(format!(
                "--rpc: {} names a tool, a prompt or a resource, whose rule decides: ask with --tool, --prompt or --resource",
                shown(method)
            )),
            _ => Ok(body.into_bytes()),
        }
    }

    /// The rule of the policy that is about it, and what it wants.
    pub fn rule(&self, mcp: &Mcp) -> String {
        match self {
            Self::Tool(name) => of(&mcp.tools, "tools", name),
            Self::Prompt(name) => of(&mcp.prompts, "prompts", name),
            Self::Resource(uri) => of(&mcp.resources, "resources", uri),
            Self::Method(method) if mcp.lazy_auth.contains(method) => {
                "lazy_auth: no token is needed".to_owned()
            }
            Self::Method(_) => "none of its own: a token is enough".to_owned(),
        }
    }

    fn parts(&self) -> (&str, Option<(&str, &str)>) {
        match self {
            Self::Tool(name) => ("tools/call", Some(("name", name))),
            Self::Prompt(name) => ("prompts/get", Some(("name", name))),
            Self::Resource(uri) => ("resources/read", Some(("uri", uri))),
            Self::Method(method) => (method, None),
        }
    }
}

fn of(rules: &McpRules, member: &str, name: &str) -> String {
    let is = |rule: &McpRule| rules.find(name).is_some_and(|found| std::ptr::eq(found, rule));
    let pattern = rules.patterns.iter().find(|(_, rule)| is(rule)).map(|(start, _)| format!("{start}*"));
    match rules.find(name) {
        Some(rule) => {
            let entry = pattern.as_deref().unwrap_or(name);
            format!("{member}.{}: {}", shown(entry), wants(rule))
        }
        None if rules.allow_unlisted => format!("{member}.unlisted: allow, a token is enough"),
        None => format!("{member}.unlisted: deny"),
    }
}

fn wants(rule: &McpRule) -> String {
    match rule {
        McpRule::Public => "public".to_owned(),
        McpRule::Token(rule) => lacks(rule, &[]).unwrap_or_else(|| "a token is enough".to_owned()),
    }
}

/// What `have` lacks for a rule; `None`: nothing.
pub fn lacks(rule: &ScopeRule, have: &[String]) -> Option<String> {
    let mut parts: Vec<String> = rule.all.iter().filter(|scope| !have.contains(scope)).cloned().collect();
    if !rule.any.is_empty() && !rule.any.iter().any(|scope| have.contains(scope)) {
        parts.push(rule.any.join(" or "));
    }
    (!parts.is_empty()).then(|| shown(&parts.join(", ")))
}
