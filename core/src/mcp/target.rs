//! What a call names: its method and parameters in, the tool, prompt or resources that a rule may be about out. What another server could read as
//! another one is refused.

use super::era::Era;
use super::json_rpc::{BodyFault, string, unmistakable};
use crate::json::Text;
use crate::uri::{self, Form};

/// What a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing that a rule is about.
    None,
    /// A tool.
    Tool(String),
    /// A prompt.
    Prompt(String),
    /// A resource's URI, or a template of such.
    Resource(String),
    /// The URIs of resources, possibly none.
    Resources(Vec<String>),
}

/// Resources that one call may name: each is held against all rules.
const MAX_RESOURCES: usize = 1_000;

impl Target {
    /// The name, where it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::None | Self::Resources(_) => None,
            Self::Tool(name) | Self::Prompt(name) | Self::Resource(name) => Some(name),
        }
    }

    /// The URIs.
    pub fn uris(&self) -> &[String] {
        match self {
            Self::Resource(uri) => std::slice::from_ref(uri),
            Self::Resources(uris) => uris,
            Self::None | Self::Tool(_) | Self::Prompt(_) => &[],
        }
    }
}

/// Reads what a call names.
///
/// # Errors
/// It is missing, no text, or could be read as another.
pub(super) fn read(method: &str, params: Option<Text<'_>>, era: Era) -> Result<Target, BodyFault> {
    check(method, params)?;
    let param = |name: &str| params?.get(name);
    let text = |name: &str| self::name(param(name))?.ok_or(BodyFault::Target);
    Ok(match method {
        "tools/call" => Target::Tool(text("name")?),
        "prompts/get" => Target::Prompt(text("name")?),
        // Gone since 2026-07-28: that there is no such method is the upstream's answer, whatever else the call lacks.
        "resources/subscribe" | "resources/unsubscribe" if era.has_headers() && param("uri").is_none() => {
            Target::None
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            Target::Resource(resource(param("uri"), Form::Uri)?)
        }
        "completion/complete" => completed(param("ref"))?,
        "subscriptions/listen" => Target::Resources(listened(param("notifications"))?),
        _ => Target::None,
    })
}

fn completed(of: Option<Text<'_>>) -> Result<Target, BodyFault> {
    let member = |name: &str| of?.get(name);
    let kind = name(member("type"))?;
    match (kind.as_deref(), name(member("name"))?) {
        (Some("ref/prompt"), Some(name)) => Ok(Target::Prompt(name)),
        (Some("ref/resource"), _) => Ok(Target::Resource(resource(member("uri"), Form::Template)?)),
        _ => Err(BodyFault::Target),
    }
}

/// `SubscriptionFilter` of 2026-07-28; without one there is nothing to listen to.
fn listened(filter: Option<Text<'_>>) -> Result<Vec<String>, BodyFault> {
    let Some(filter) = filter else { return Ok(Vec::new()) };
    if !filter.is_object() {
        return Err(BodyFault::Target);
    }
    unmistakable(filter, &["resourceSubscriptions"])?;
    let Some(uris) = filter.get("resourceSubscriptions") else { return Ok(Vec::new()) };
    if !uris.is_array() || uris.items().take(MAX_RESOURCES + 1).count() > MAX_RESOURCES {
        return Err(BodyFault::Target);
    }
    uris.items().map(|uri| resource(Some(uri), Form::Uri)).collect()
}

fn resource(uri: Option<Text<'_>>, form: Form) -> Result<String, BodyFault> {
    let text = uri.map(string).transpose()?.flatten().filter(|text| !text.is_empty());
    let text = text.ok_or(BodyFault::Target)?;
    uri::check(&text, form).map_err(BodyFault::Uri)?;
    Ok(text.into_owned())
}

/// A name that means the same to readers that end texts at a NUL or at the end of a line.
fn name(text: Option<Text<'_>>) -> Result<Option<String>, BodyFault> {
    let text = text.map(string).transpose()?.flatten();
    Ok(text.filter(|text| !text.is_empty() && !text.contains(char::is_control)).map(|text| text.into_owned()))
}

/// Refuses lookalikes of the parameters that decide.
fn check(method: &str, params: Option<Text<'_>>) -> Result<(), BodyFault> {
    let Some(params) = params else { return Ok(()) };
    match method {
        "tools/call" | "prompts/get" => unmistakable(params, &["name"]),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => unmistakable(params, &["uri"]),
        "subscriptions/listen" => unmistakable(params, &["notifications"]),
        "completion/complete" => {
            unmistakable(params, &["ref"])?;
            params.get("ref").map_or(Ok(()), |of| unmistakable(of, &["type", "name", "uri"]))
        }
        _ => Ok(()),
    }
}
