//! What a call names: its method and parameters in, the tool, prompt or resources that a rule may be about out. What another server could read as
//! another one is refused.

use super::era::Era;
use super::json_rpc::{BodyFault, unmistakable};
use crate::json::{Members, View};
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
pub(super) fn read(method: &str, params: Option<&Members<'_>>, era: Era) -> Result<Target, BodyFault> {
    check(method, params)?;
    let param = |name: &str| params.and_then(|params| params.get(name));
    let text = |name: &str| {
        let text = param(name).and_then(View::as_str).filter(|text| is_name(text));
        text.map(str::to_owned).ok_or(BodyFault::Target)
    };
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

fn completed(of: Option<&View<'_>>) -> Result<Target, BodyFault> {
    let member = |name: &str| of?.get(name);
    let text = |name: &str| member(name)?.as_str().filter(|text| is_name(text));
    match (text("type"), text("name")) {
        (Some("ref/prompt"), Some(name)) => Ok(Target::Prompt(name.to_owned())),
        (Some("ref/resource"), _) => Ok(Target::Resource(resource(member("uri"), Form::Template)?)),
        _ => Err(BodyFault::Target),
    }
}

/// `SubscriptionFilter` of 2026-07-28; without one there is nothing to listen to.
fn listened(filter: Option<&View<'_>>) -> Result<Vec<String>, BodyFault> {
    let Some(filter) = filter else { return Ok(Vec::new()) };
    let members = filter.as_object().ok_or(BodyFault::Target)?;
    unmistakable(members, &["resourceSubscriptions"])?;
    match members.get("resourceSubscriptions") {
        None => Ok(Vec::new()),
        Some(View::Array(uris)) if uris.len() <= MAX_RESOURCES => {
            uris.iter().map(|uri| resource(Some(uri), Form::Uri)).collect()
        }
        Some(_) => Err(BodyFault::Target),
    }
}

fn resource(uri: Option<&View<'_>>, form: Form) -> Result<String, BodyFault> {
    let text = uri.and_then(View::as_str).filter(|text| !text.is_empty()).ok_or(BodyFault::Target)?;
    uri::check(text, form).map_err(BodyFault::Uri)?;
    Ok(text.to_owned())
}

/// Refuses lookalikes of the parameters that decide.
fn check(method: &str, params: Option<&Members<'_>>) -> Result<(), BodyFault> {
    let Some(params) = params else { return Ok(()) };
    match method {
        "tools/call" | "prompts/get" => unmistakable(params, &["name"]),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => unmistakable(params, &["uri"]),
        "subscriptions/listen" => unmistakable(params, &["notifications"]),
        "completion/complete" => {
            unmistakable(params, &["ref"])?;
            let of = params.get("ref").and_then(View::as_object);
            of.map_or(Ok(()), |of| unmistakable(of, &["type", "name", "uri"]))
        }
        _ => Ok(()),
    }
}

/// A name that means the same to readers that end texts at a NUL or at the end of a line.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}
