//! Agents: names and the clients that they are.

use super::common::Errors;
use crate::bounds;
use crate::policy::Agents;
use crate::raw::{RawAgent, RawPolicy, RawUnlisted};
use crate::values::name;
use gatewaystack_text::sorted;
use std::sync::Arc;

/// Longest id of a client in bytes: it may be a URL.
const MAX_CLIENT: usize = 2_048;

/// Compiles `agents`.
pub fn compile(raw: &RawPolicy, errors: &mut Errors) -> Option<Agents> {
    let section = raw.agents.as_ref()?;
    let list = section.list.as_deref().unwrap_or_default();
    let most = bounds::AGENTS.most;
    if list.len() > most {
        errors.push("agents.list", format!("expected at most {most} agents"));
    }
    // Client and place of its agent, and agents' names with theirs.
    let (mut clients, mut names) = (Vec::new(), Vec::new());
    for (at, agent) in list.iter().enumerate() {
        names.extend(agent.name.as_deref().map(|name| (name, at)));
        one(at, agent, &mut clients, errors);
    }
    let names = sorted::sorted(names);
    for pair in names.windows(2) {
        if let [(name, _), (same, at)] = pair
            && name == same
        {
            errors.push(format!("agents.list[{at}].name"), "expected another name than an earlier agent's");
        }
    }
    let clients = sorted::sorted(clients);
    for pair in clients.windows(2) {
        if let [(client, first), (same, at)] = pair
            && client == same
            && first != at
        {
            let message = format!("expected clients of its own: one is agents.list[{first}]'s, too");
            errors.push(format!("agents.list[{at}].clients"), message);
        }
    }
    let mut agents = Agents {
        allows_unlisted: section.unlisted == Some(RawUnlisted::Allow),
        exact: Vec::new(),
        beginnings: Vec::new(),
    };
    let named: Vec<Arc<str>> =
        list.iter().map(|agent| agent.name.clone().unwrap_or_default().into()).collect();
    let mut starts = Vec::new();
    for (client, at) in clients {
        match (client.strip_suffix('*'), named.get(at)) {
            (Some(start), _) => starts.push((start, at)),
            (None, Some(agent)) => agents.exact.push((client.to_owned(), Arc::clone(agent))),
            (None, None) => {}
        }
    }
    // In order a beginning comes before what it is the beginning of.
    for (start, at) in sorted::sorted(starts).into_iter().rev() {
        agents.beginnings.extend(named.get(at).map(|agent| (start.to_owned(), Arc::clone(agent))));
    }
    Some(agents)
}

fn one<'r>(at: usize, raw: &'r RawAgent, clients: &mut Vec<(&'r str, usize)>, errors: &mut Errors) {
    let path = format!("agents.list[{at}]");
    match &raw.name {
        None => errors.push(format!("{path}.name"), "required: what records and blocks call the agent"),
        Some(text) => {
            errors.keep(format!("{path}.name"), name::check_text(text, 256));
        }
    }
    if let Some(owner) = &raw.owner {
        errors.keep(format!("{path}.owner"), name::check_text(owner, 256));
    }
    let list = raw.clients.as_deref().unwrap_or_default();
    if list.is_empty() {
        errors.push(format!("{path}.clients"), "required: at least one client id, as tokens name it");
    }
    for (n, client) in list.iter().enumerate() {
        let path = format!("{path}.clients[{n}]");
        errors.keep(path.clone(), name::check_text(client, MAX_CLIENT));
        if client.strip_suffix('*').unwrap_or(client).contains('*') {
            errors.push(path, "expected a client id, in which a * stands at the end alone");
        }
        clients.push((client, at));
    }
}
