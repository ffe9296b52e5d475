//! How a worker keeps up with the feed: what others published in, the next question out; the sidecar's answer
//! in, what is published out. The cells and the times are the core's (`feed/`).

use crate::gateway::Gateway;
use gatewaystack_core::config::policy;
use gatewaystack_core::feed::answer::{self, Answer};
use gatewaystack_core::feed::blocks::{ByKey, Change, MAX_BLOCKS};
use gatewaystack_core::feed::cells::{Place, Published};
use gatewaystack_core::feed::control::{self, Control};
use gatewaystack_core::feed::{Age, Feed};

/// Changes that one round of answers may have: all blocks, and as many that were lifted.
const MAX_CHANGES: usize = 2 * MAX_BLOCKS;

/// What a worker knows, and what of it is on its way.
#[derive(Debug, Default)]
pub struct Follower {
    /// Who is blocked.
    pub feed: Feed,
    published: Published,
    /// What has come so far of an answer that has more to it.
    pages: Option<Pages>,
    /// What has changed was too much: the next question is for all that there is.
    begins_anew: bool,
    /// Whether somebody was told that the feed can't be had.
    has_warned: bool,
}

#[derive(Debug)]
struct Pages {
    from: Place,
    to: Place,
    reset: bool,
    /// The last of each name.
    changes: ByKey<Change>,
}

impl Pages {
    fn at(from: Place) -> Self {
        Self { from, to: from, reset: false, changes: ByKey::default() }
    }

    /// Takes a page; `false`: it is more than there may be.
    fn take(&mut self, changes: Vec<Change>) -> bool {
        for change in changes {
            // Where all begins anew, nothing is there to be lifted.
            if self.reset && change.until_s.is_none() {
                self.changes.remove(&change.key);
            } else {
                self.changes.insert(change.key, change);
            }
        }
        self.changes.len() <= MAX_CHANGES
    }

    /// What is lifted first: it makes room for what is blocked.
    fn changes(&self) -> Vec<Change> {
        let mut all: Vec<Change> = self.changes.values().copied().collect();
        all.sort_unstable_by_key(|change| change.until_s.is_some());
        all
    }
}

/// What an answer came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Followed {
    /// Nothing is new, or it isn't all there yet.
    Same,
    /// Others have to look.
    New,
    /// It can't be used: why.
    Failed(&'static str),
}

impl Follower {
    /// Looks at what is published, and says what to ask, where it is this worker's turn.
    pub fn poll(&mut self, gateway: &Gateway, holder: u64, now_ms: u64) -> Option<String> {
        let settings = gateway.policy.feed.as_ref()?;
        let table = &*gateway.table;
        let Ok(seen) = control::read(table) else { return None };
        self.look(gateway, &seen);
        // Look before taking: a write on every tick of every worker would be wasted.
        if !seen.clone().take_lease(holder, now_ms, settings.interval_ms) {
            return None;
        }
        let taken = control::update(table, |control| {
            control.take_lease(holder, now_ms, settings.interval_ms).then_some(*control)
        });
        let Ok(Some(control)) = taken else { return None };
        self.look(gateway, &control);
        let at = match &self.pages {
            // Somebody else has published meanwhile: what came so far is void.
            Some(pages) if pages.from != self.published.place() => {
                self.pages = None;
                self.published.place()
            }
            Some(pages) => pages.to,
            None if std::mem::take(&mut self.begins_anew) => Place::default(),
            None => self.published.place(),
        };
        Some(answer::path(at.epoch, at.version))
    }

    /// Up to which change it knows.
    pub fn place(&self) -> Place {
        self.published.place()
    }

    fn look(&mut self, gateway: &Gateway, seen: &Control) {
        let at = Place { epoch: seen.epoch, version: seen.version };
        if at != self.published.place() {
            // What can't be read now is read at the next look.
            let _ = self.published.sync(&*gateway.table, &mut self.feed.blocks);
        }
        // How old it is counts for those alone who have it.
        if at == self.published.place() {
            self.feed.see(seen);
        } else {
            (self.feed.began_at, self.feed.audited_at) = (seen.began_at, seen.audited_at);
        }
    }

    /// The sidecar has answered with this status and body; `None`: it hasn't.
    pub fn answered(
        &mut self,
        gateway: &Gateway,
        holder: u64,
        answer: Option<(u16, &[u8])>,
        now_ms: u64,
    ) -> Followed {
        let Some(settings) = gateway.policy.feed.as_ref() else { return Followed::Same };
        let read = match answer {
            None => Err("the sidecar doesn't answer"),
            Some((200, body)) => Answer::read(body, gateway.secret).ok_or("its answer isn't one of the feed"),
            Some((403, _)) => Err("the sidecar doesn't know this gateway: another secret"),
            Some((404, _)) => Err("the sidecar has no ledger: `ledger.on`"),
            Some(_) => Err("the sidecar is in trouble"),
        };
        let followed = match read {
            Ok(answer) => self.take(gateway, holder, answer, settings, now_ms),
            Err(why) => Followed::Failed(why),
        };
        if matches!(followed, Followed::Failed(_)) {
            self.pages = None;
            let _ = control::update(&*gateway.table, |control| {
                control.fail(holder, now_ms, settings.interval_ms);
            });
        }
        followed
    }

    /// Takes an answer, or a page of one; it is published once it is there as a whole.
    fn take(
        &mut self,
        gateway: &Gateway,
        holder: u64,
        answer: Answer,
        settings: &policy::Feed,
        now_ms: u64,
    ) -> Followed {
        let Answer { epoch, version, reset, more, audited, changes } = answer;
        let from = self.published.place();
        let mut pages = self.pages.take().unwrap_or_else(|| Pages::at(from));
        if reset {
            pages = Pages { reset: true, ..Pages::at(from) };
        }
        pages.to = Place { epoch, version };
        if !pages.reset && epoch != from.epoch {
            return Followed::Failed("its answer is of another ledger");
        }
        if !pages.take(changes) {
            // The whole of it is less.
            self.begins_anew = true;
            return Followed::Failed("its answer has more than a feed may have");
        }
        let is_new = pages.reset || pages.to != from;
        if !more && is_new {
            let (feed, published) = (&mut self.feed, &mut self.published);
            let (table, changes) = (&*gateway.table, pages.changes());
            let done = published.publish(table, &mut feed.blocks, &changes, pages.to, pages.reset);
            if done != Ok(true) {
                return Followed::Failed("somebody else was first");
            }
        }
        let place = pages.to;
        if more {
            self.pages = Some(pages);
        }
        let updated = control::update(&*gateway.table, |control| {
            control.succeed(holder, now_ms, settings.interval_ms, more, audited);
            if !more && is_new {
                (control.epoch, control.version) = (place.epoch, place.version);
            }
            *control
        });
        let had = self.feed.fetched_at > 0;
        if let Ok(control) = updated {
            self.feed.see(&control);
        }
        if !more && (is_new || !had) { Followed::New } else { Followed::Same }
    }

    /// Whether a request needn't wait any longer.
    pub fn is_known(&self, gateway: &Gateway, now_ms: u64) -> bool {
        gateway.policy.feed.as_ref().is_none_or(|settings| self.feed.age(settings, now_ms) != Age::Awaited)
    }

    /// What to tell the operator of a failure: the first of a row.
    pub fn warning(&mut self, followed: &Followed) -> Option<String> {
        match followed {
            Followed::Failed(why) if !std::mem::replace(&mut self.has_warned, true) => {
                Some(format!("who is blocked can't be asked for: {why}"))
            }
            Followed::Failed(_) => None,
            Followed::Same | Followed::New => {
                self.has_warned = false;
                None
            }
        }
    }
}
