//! What the issuer remembers: clients, pending consents, codes and refresh tokens, each in a map that is
//! bounded in number and in time, so that no flood of registrations grows it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A registered client (RFC 7591); all are public clients, PKCE protects them.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) redirect_uris: Vec<String>,
    pub(super) may_refresh: bool,
}

/// What a user agreed to, from the consent page on.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) subject: String,
    pub(super) scopes: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) may_refresh: bool,
    /// All tokens that come from one consent; a replay ends them together (RFC 9700 §4.14).
    pub(super) family: String,
}

/// An authorization request that waits for a click.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) code_challenge: String,
}

/// A code or a refresh token; a used one is kept so that its replay is noticed.
#[derive(Debug, Clone)]
pub(super) enum Once<T> {
    Unused(T),
    Used { family: String },
}

pub(super) struct Store {
    pub(super) clients: Bounded<Client>,
    pub(super) consents: Bounded<Pending>,
    pub(super) codes: Bounded<Once<Pending>>,
    pub(super) refresh: Bounded<Once<Grant>>,
    pub(super) revoked: Bounded<()>,
}

impl Default for Store {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            clients: Bounded::new(1000, day * 30),
            consents: Bounded::new(1000, Duration::from_secs(600)),
            codes: Bounded::new(1000, Duration::from_secs(60)),
            refresh: Bounded::new(10_000, day),
            // Outlives every refresh token whose family it names, unless ten thousand consents are revoked in
            // a day.
            revoked: Bounded::new(10_000, day),
        }
    }
}

/// At most `room` entries, each for at most `lifetime`; the oldest goes first.
pub(super) struct Bounded<V> {
    entries: HashMap<String, (V, Instant)>,
    order: VecDeque<(String, Instant)>,
    room: usize,
    lifetime: Duration,
}

impl<V> Bounded<V> {
    pub(super) fn new(room: usize, lifetime: Duration) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), room, lifetime }
    }

    pub(super) fn insert(&mut self, key: String, value: V, now: Instant) {
        while let Some((oldest, since)) = self.order.front() {
            let live = now.duration_since(*since) < self.lifetime;
            if live && self.order.len() < self.room {
                break;
            }
            self.entries.remove(oldest);
            self.order.pop_front();
        }
        // A key that comes again keeps its place and its age: used codes don't live longer than unused ones.
        match self.entries.get_mut(&key) {
            Some(entry) => entry.0 = value,
            None => {
                self.order.push_back((key.clone(), now));
                self.entries.insert(key, (value, now));
            }
        }
    }

    pub(super) fn get(&self, key: &str, now: Instant) -> Option<&V> {
        let (value, since) = self.entries.get(key)?;
        (now.duration_since(*since) < self.lifetime).then_some(value)
    }

    /// Replaces a live entry's value and gives the one before.
    pub(super) fn replace(&mut self, key: &str, value: V, now: Instant) -> Option<V> {
        let lifetime = self.lifetime;
        let entry = self.entries.get_mut(key).filter(|(_, since)| now.duration_since(*since) < lifetime)?;
        Some(std::mem::replace(&mut entry.0, value))
    }

    pub(super) fn take(&mut self, key: &str, now: Instant) -> Option<V> {
        let lifetime = self.lifetime;
        // Its place in `order` stays until its time is over; a removed key there is removed again for
        // nothing.
        let (value, since) = self.entries.remove(key)?;
        (now.duration_since(since) < lifetime).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_goes_when_there_is_no_room() {
        let now = Instant::now();
        let mut map = Bounded::new(2, Duration::from_secs(60));
        for (n, key) in ["a", "b", "c"].into_iter().enumerate() {
            map.insert(key.to_string(), n, now);
        }
        assert_eq!((map.get("a", now), map.get("b", now), map.get("c", now)), (None, Some(&1), Some(&2)));
        assert!(map.order.len() <= 2 && map.entries.len() <= 2);
    }

    #[test]
    fn an_entry_ends_with_its_lifetime() {
        let now = Instant::now();
        let mut map = Bounded::new(2, Duration::from_secs(60));
        map.insert("a".to_string(), 1, now);
        assert_eq!(map.get("a", now + Duration::from_secs(59)), Some(&1));
        assert_eq!(map.get("a", now + Duration::from_secs(60)), None);
        assert_eq!(map.replace("a", 2, now + Duration::from_secs(60)), None);
        assert_eq!(map.take("a", now + Duration::from_secs(60)), None);
    }
}
