//! Who made a task, as one caller asks: an id in, the caller's tool or "another's" out.

use crate::config::policy::Mcp;
use crate::hash;
use crate::mcp::owners::{self, Kind, Whose};
use crate::mcp::session::Holder;
use crate::mcp::task::Maker;
use crate::mcp::task::spelling::read_loosely;
use crate::refusal::{Fault, Refusal};
use crate::world::World;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

/// Looks for tasks, for each once.
pub struct Finder<'a> {
    world: &'a World<'a>,
    holder: Holder<'a>,
    mcp: &'a Mcp,
    /// All that a task of this caller's may have as its owner, and by which rule.
    owners: OnceCell<Vec<(u64, Option<&'a str>)>>,
    found: RefCell<BTreeMap<u64, Maker>>,
}

impl<'a> Finder<'a> {
    /// For this caller.
    pub fn new(world: &'a World<'a>, holder: Holder<'a>, mcp: &'a Mcp) -> Self {
        Self { world, holder, mcp, owners: OnceCell::new(), found: RefCell::default() }
    }

    /// Who made a task, which counts as used now.
    ///
    /// # Errors
    /// That can't be found out.
    pub fn maker(&self, id: &str) -> Result<Maker, Refusal> {
        self.find(id, Some(self.world.now_ms))
    }

    /// Who made a task that is only shown.
    ///
    /// # Errors
    /// That can't be found out.
    pub fn seen(&self, id: &str) -> Result<Maker, Refusal> {
        self.find(id, None)
    }

    fn find(&self, id: &str, now: Option<u64>) -> Result<Maker, Refusal> {
        let key = key(self.world, &self.holder, id);
        if let Some(maker) = self.found.borrow().get(&key) {
            return Ok(maker.clone());
        }
        let table = self.world.counters.table;
        let whose = owners::whose(table, Kind::Tasks, key, |owner| self.recognise(owner), now);
        let maker = match whose.map_err(|_| Refusal::Internal(Fault::SharedTable))? {
            Whose::Unknown => Maker::Unknown,
            Whose::Recognised(maker) => maker,
            Whose::Another => Maker::Another,
        };
        self.found.borrow_mut().insert(key, maker.clone());
        Ok(maker)
    }

    fn recognise(&self, owner: u64) -> Option<Maker> {
        let owners = self.owners.get_or_init(|| self.owners());
        let (_, rule) = owners.iter().find(|(hash, _)| *hash == owner)?;
        Some(rule.map_or(Maker::Unlisted, |name| Maker::Tool(name.to_owned())))
    }

    /// What was made without a token belongs to anyone who knows its id, signed in or not.
    fn owners(&self) -> Vec<(u64, Option<&'a str>)> {
        let nobody = Holder { principal: None, ..self.holder };
        let callers = [Some(self.holder), self.holder.principal.map(|_| nobody)];
        let mut all = Vec::new();
        for holder in callers.into_iter().flatten() {
            let caller = holder.caller(self.world);
            let rules = self.mcp.tools.named.iter().map(|(name, _)| Some(name.as_str()));
            all.extend([None].into_iter().chain(rules).map(|rule| (owner(self.world, caller, rule), rule)));
        }
        all
    }
}

/// A caller and a rule as one hash. Tools without a rule share theirs.
pub fn owner(world: &World<'_>, caller: u64, rule: Option<&str>) -> u64 {
    let (kind, name) = rule.map_or((b"unlisted".as_slice(), ""), |name| (b"tool", name));
    hash::keyed(world.counters.secret, &[b"maker", &caller.to_le_bytes(), kind, name.as_bytes()])
}

/// A task's hash.
pub fn key(world: &World<'_>, holder: &Holder<'_>, id: &str) -> u64 {
    holder.key(world, b"task", read_loosely(id).as_bytes())
}
