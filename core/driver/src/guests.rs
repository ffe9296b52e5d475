//! Callers whose requests were let in, while these or their answers are on the way. In: the feed, each time a
//! worker looks. Out: whose streams end now. There are as many as the host has streams; without a feed there
//! are none.

use gatewaystack_core::feed::cells::Place;
use gatewaystack_core::feed::{Barred, Feed, Guest};
use gatewaystack_core::hash::Secret;
use std::collections::BTreeMap;

/// Those of one worker, by their streams.
#[derive(Debug, Default)]
pub struct Guests {
    all: BTreeMap<u32, Box<Guest>>,
    /// Up to which change they were judged.
    at: Place,
}

impl Guests {
    /// Whether there is nobody.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Somebody is let in, by what is known now.
    pub fn add(&mut self, stream: u32, guest: Box<Guest>) {
        self.all.insert(stream, guest);
    }

    /// A stream is over.
    pub fn forget(&mut self, stream: u32) {
        self.all.remove(&stream);
    }

    /// Who is barred by what has changed, if anything has; each once.
    pub fn barred(&mut self, feed: &Feed, at: Place, secret: Secret, now_ms: u64) -> Vec<(u32, Barred)> {
        if std::mem::replace(&mut self.at, at) == at {
            return Vec::new();
        }
        let bars = |stream: u32, guest: &Guest| Some((stream, feed.bars_guest(secret, now_ms, guest)?));
        let barred: Vec<(u32, Barred)> =
            self.all.iter().filter_map(|(stream, guest)| bars(*stream, guest)).collect();
        barred.iter().for_each(|(stream, _)| self.forget(*stream));
        barred
    }
}
