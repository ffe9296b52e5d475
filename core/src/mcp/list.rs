//! Lists for one caller: an answer's message in, the same message with what this caller may use out, each
//! tool with its `securitySchemes`. Everything else stays byte for byte.

use super::era::Era;
use super::json_rpc::Arguments;
use super::kind::{KINDS, Kind};
use super::needs::{self, Need};
use super::splice::{Part, Splices};
use super::strict::{MAX_DEPTH, is_lookalike};
use super::task::{Maker, Task};
use super::tasks::Finder;
use crate::config::policy::{Mcp, Route, ScopeRule};
use crate::evaluation::{Evaluation, Reason, Unknown};
use crate::json::{self, Bounds, write_string};
use crate::jwt::Scopes;
use crate::rules::facts::{Asked, Name};
use crate::uri::{self, Form};

/// A list that can't be filtered: it isn't shown at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfilterable;

/// Tasks in one list: each is looked for in the shared table.
const MAX_TASKS: usize = 10_000;

/// For whom, and of what.
pub struct ListFilter<'a> {
    /// The route's own scopes.
    pub route: &'a Route,
    /// Its rules.
    pub mcp: &'a Mcp,
    /// The caller's scopes; `None`: nobody has signed in.
    pub caller: Option<&'a Scopes>,
    /// The era.
    pub era: Era,
    /// Ids (as JSON) of the list calls, and what each lists.
    pub asked: &'a [(String, Kind)],
    /// Whose tasks are.
    pub finder: Finder<'a>,
    /// Whether rules may allow it to the caller.
    pub may: &'a dyn Fn(Asked<'_>) -> bool,
}

impl ListFilter<'_> {
    /// Filters one message, or a batch of them; `None`: nothing of it changes.
    ///
    /// # Errors
    /// It can't be read safely.
    pub fn filter(&self, text: &str) -> Result<Option<String>, Unfilterable> {
        json::check(text.as_bytes(), Bounds::of(MAX_DEPTH)).map_err(|_| Unfilterable)?;
        let whole = Part::whole(text);
        let mut splices = Splices::default();
        match whole.items() {
            Some(messages) => messages.iter().try_for_each(|message| self.message(message, &mut splices))?,
            None => self.message(&whole, &mut splices)?,
        }
        if splices.is_empty() { Ok(None) } else { splices.apply(text).map(Some).ok_or(Unfilterable) }
    }

    fn message(&self, message: &Part<'_>, splices: &mut Splices) -> Result<(), Unfilterable> {
        let members = members(message, &["id", "result"])?;
        let member = |name: &str| members.iter().find(|(member, _)| member == name).map(|(_, part)| part);
        let Some(result) = member("result") else { return Ok(()) };
        let id = member("id").map(|id| normal_id(id.text())).unwrap_or_default();
        let asked = self.asked.iter().find(|(asked, _)| *asked == id).map(|(_, kind)| *kind);
        // An answer under another id may be a list, too: whatever looks like one is filtered.
        let parts = match result.members() {
            Some(_) => self::members(result, &KINDS.map(Kind::member))?,
            None => Vec::new(),
        };
        // A tool's result, whatever else it has.
        if asked.is_none() && parts.iter().any(|(member, _)| member == "content") {
            return Ok(());
        }
        let of = |kind: Kind| parts.iter().find(|(member, _)| member == kind.member()).map(|(_, part)| *part);
        let found: Vec<(Kind, Part<'_>)> =
            KINDS.into_iter().filter_map(|kind| Some((kind, of(kind)?))).collect();
        if let Some(asked) = asked
            && !found.iter().any(|(kind, _)| *kind == asked)
        {
            return Err(Unfilterable);
        }
        for (kind, list) in &found {
            let is_asked = asked == Some(*kind);
            // Servers may have something else of that name.
            if is_asked || *kind != Kind::Tasks || list.items().is_some() {
                self.list(*kind, list, is_asked, splices)?;
            }
        }
        if !found.is_empty() && self.era.has_headers() {
            splices.set_member(result, "cacheScope", "\"private\"").ok_or(Unfilterable)?;
        }
        Ok(())
    }

    fn list(
        &self,
        kind: Kind,
        list: &Part<'_>,
        is_asked: bool,
        splices: &mut Splices,
    ) -> Result<(), Unfilterable> {
        let items = list.items().ok_or(Unfilterable)?;
        if kind == Kind::Tasks && items.len() > MAX_TASKS {
            return Err(Unfilterable);
        }
        let mut kept = Vec::with_capacity(items.len());
        for item in &items {
            let name = name(kind, item)?;
            let is_named = name.is_some() || is_asked || kind != Kind::Tasks;
            if !is_named {
                kept.push(true);
                continue;
            }
            let name = name.and_then(|name| name.string()).ok_or(Unfilterable)?;
            let shown = self.shows(kind, &name)?;
            kept.push(shown);
            if shown && kind == Kind::Tools {
                let schemes = security_schemes(needs::of_name(&self.mcp.tools, &name), &self.route.scopes);
                splices.set_member(item, "securitySchemes", &schemes).ok_or(Unfilterable)?;
            }
        }
        splices.keep(list, &items, &kept);
        Ok(())
    }
}

impl ListFilter<'_> {
    /// Whether this caller may use what has this name or URI. What couldn't be asked for isn't shown.
    fn shows(&self, kind: Kind, name: &str) -> Result<bool, Unfilterable> {
        Ok(match kind {
            Kind::Tools => {
                let rules = &self.mcp.tools;
                self.shows_by_rules(needs::of_name(rules, name), || {
                    Asked::Tool(Name::of(name, rules), &Arguments::Unread)
                })
            }
            Kind::Prompts => {
                let rules = &self.mcp.prompts;
                self.shows_by_rules(needs::of_name(rules, name), || {
                    Asked::Prompt(Name::of(name, rules), &Arguments::Unread)
                })
            }
            Kind::Resources => self.shows_uri(name, Form::Uri),
            Kind::Templates => self.shows_uri(name, Form::Template),
            Kind::Tasks => self.shows_task(name)?,
        })
    }

    /// What nobody has to sign in for is there for all, whatever the rules say.
    fn shows_by_rules<'n>(&self, need: Need<'_>, asked: impl FnOnce() -> Asked<'n>) -> bool {
        self.meets(need) && (need == Need::Open || (self.may)(asked()))
    }

    fn shows_uri(&self, uri: &str, form: Form) -> bool {
        let rules = &self.mcp.resources;
        let is_open = || needs::of_uri(rules, uri).all(|need| need == Need::Open);
        let asked = [uri.to_owned()];
        let asked = if form == Form::Uri { Asked::Resources(&asked) } else { Asked::Template };
        uri::check(uri, form).is_ok()
            && !needs::is_mistakable(rules, uri)
            && needs::of_uri(rules, uri).all(|need| self.meets(need))
            && (is_open() || (self.may)(asked))
    }

    fn shows_task(&self, id: &str) -> Result<bool, Unfilterable> {
        let Some(mut task) = Task::named(id) else { return Ok(false) };
        task.maker = self.finder.seen(id).map_err(|_| Unfilterable)?;
        // Who signs in for another's gets nothing.
        Ok(task.maker != Maker::Another && self.meets(needs::of_task(self.mcp, "tasks/get", &task)))
    }

    fn meets(&self, need: Need<'_>) -> bool {
        match need.evaluate(&self.route.scopes, self.caller) {
            // Before anybody has signed in, a list shows what is there to sign in for.
            Evaluation::Allow | Evaluation::Depends(Unknown::Caller) => true,
            Evaluation::Deny(Reason::Scopes | Reason::Unlisted) => false,
        }
    }
}

/// What an item is named by; `None`: nothing. Of tasks that is no item of the specification's, whose servers
/// may have others.
fn name<'t>(kind: Kind, item: &Part<'t>) -> Result<Option<Part<'t>>, Unfilterable> {
    if kind == Kind::Tasks && item.members().is_none() {
        return Ok(None);
    }
    let members = members(item, &[kind.name()])?;
    Ok(members.into_iter().find(|(member, _)| member == kind.name()).map(|(_, name)| name))
}

/// An object's members, where no reader can take another one for one of `names`.
fn members<'t>(object: &Part<'t>, names: &[&str]) -> Result<Vec<(String, Part<'t>)>, Unfilterable> {
    let members = object.members().ok_or(Unfilterable)?;
    let lookalike = members.iter().any(|(member, _)| names.iter().any(|name| is_lookalike(member, name)));
    if lookalike { Err(Unfilterable) } else { Ok(members) }
}

/// An id in the form that [`super::json_rpc`] gives it: escapes may differ.
fn normal_id(text: &str) -> String {
    match Part::whole(text).string() {
        Some(id) => {
            let mut out = String::new();
            write_string(&mut out, &id, usize::MAX);
            out
        }
        None => text.to_owned(),
    }
}

/// How a client may call a tool: without a token, or with one of these sets of scopes.
fn security_schemes(need: Need<'_>, route: &ScopeRule) -> String {
    let rule = match need {
        Need::Token(rule) => rule,
        Need::Open | Need::Unlisted => return "[{\"type\":\"noauth\"}]".to_owned(),
    };
    // One scheme for each way to satisfy both rules.
    let ways = |rule: &ScopeRule| -> Vec<Vec<String>> {
        match rule.any.as_slice() {
            [] => vec![rule.all.clone()],
            any => any.iter().map(|one| rule.all.iter().chain([one]).cloned().collect()).collect(),
        }
    };
    let mut out = String::from("[");
    for (at, (of_route, own)) in
        ways(route).iter().flat_map(|r| ways(rule).into_iter().map(move |o| (r.clone(), o))).enumerate()
    {
        if at > 0 {
            out.push(',');
        }
        out.push_str("{\"type\":\"oauth2\",\"scopes\":[");
        let mut seen: Vec<&String> = Vec::new();
        for scope in of_route.iter().chain(&own) {
            if seen.contains(&scope) {
                continue;
            }
            if !seen.is_empty() {
                out.push(',');
            }
            seen.push(scope);
            write_string(&mut out, scope, usize::MAX);
        }
        out.push_str("]}");
    }
    out.push(']');
    out
}
